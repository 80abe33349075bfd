//! The packer: contents in, frames out, each content once.
//!
//! # Invariants
//!
//! - Which contents share a frame depends on their order alone, so the same files give the same packs.
//! - At most [`SEALING_BYTES_MAX`] of objects and one frame more are being compressed or wait to be written, and two
//!   frames are not full yet: one of contents, one of trees and recipes.
//!
//! # Not here
//!
//! What a frame is (`object::frame_builder`), where the frames go (`build::stage::lacking`, `remote::push`).

use super::content::{CONTENT_BYTES_EXTRA, Chunk, Content, ContentSink};
use super::in_order::{InOrder, Threads};
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::MIB;
use crate::object::edit::TreeSink;
use crate::object::frame::{FRAME_BYTES_TARGET, FRAME_ROW_BYTES};
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::tree::{Node, TreeRef};

/// Bytes of contents that are compressed ahead: some frames for each of many threads.
const SEALING_BYTES_MAX: u64 = 8 * MIB;

/// Takes frames in, each of objects that it wants.
pub trait FrameSink {
    /// Hears that up to `objects` more will be asked about.
    fn expect(&mut self, objects: usize);

    /// Whether an object must be taken in. If so, it is in a frame that comes soon, and not wanted again.
    ///
    /// # Errors
    ///
    /// What the sink answers.
    fn wants(&mut self, kind: ObjectKind, id: Hash) -> Result<bool>;

    /// Takes in a frame of objects that [`wants`](Self::wants) asked for.
    ///
    /// # Errors
    ///
    /// What the sink answers.
    fn append(&mut self, frame: &SealedFrame) -> Result<()>;
}

/// Puts what a sink wants into frames, which all threads compress and the sink gets in order.
pub struct Packer<'a, 'scope, S> {
    sink: S,
    group: Group,
    /// Trees and recipes; they are read apart from contents.
    texts: FrameBuilder,
    sealing: InOrder<'a, 'scope, SealedFrame>,
}

impl<'a, 'scope, S: FrameSink> Packer<'a, 'scope, S> {
    /// Starts with nothing taken in. Frames are compressed by the threads of `scope`.
    pub fn new(sink: S, scope: &'a Threads<'scope>) -> Self {
        Self {
            sink,
            group: Group::default(),
            texts: FrameBuilder::new(),
            sealing: InOrder::new(scope),
        }
    }

    /// Where the frames go.
    pub const fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    fn append_what_is_too_much(&mut self) -> Result<()> {
        while self.sealing.weight() > SEALING_BYTES_MAX {
            self.append_next()?;
        }
        Ok(())
    }

    fn seal_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.sealing.start(group.weight(), move || group.seal());
    }

    /// Appends the frame that was filled first; says whether there was one.
    fn append_next(&mut self) -> Result<bool> {
        let next = self.sealing.next()?;
        next.map_or(Ok(false), |frame| self.sink.append(&frame).map(|()| true))
    }

    /// Takes in a tree or a recipe.
    ///
    /// # Errors
    ///
    /// As [`take`](ContentSink::take).
    pub fn take_text(&mut self, kind: ObjectKind, id: Hash, text: &[u8]) -> Result<()> {
        if !self.sink.wants(kind, id)? {
            return Ok(());
        }
        if !self.texts.has_room_for(text.len()) {
            self.seal_texts();
        }
        self.texts.push(kind, id, text)
    }

    fn seal_texts(&mut self) {
        let texts = std::mem::take(&mut self.texts);
        self.seal(texts);
    }

    fn seal(&mut self, frame: FrameBuilder) {
        let weight = frame.raw_bytes() as u64;
        self.sealing.start(weight, move || frame.seal());
    }

    /// Gives the sink everything that was taken in, and gives it back.
    ///
    /// # Errors
    ///
    /// As [`take`](ContentSink::take).
    pub fn finish(mut self) -> Result<S> {
        if !self.group.contents.is_empty() {
            self.seal_group();
        }
        if !self.texts.is_empty() {
            self.seal_texts();
        }
        while self.append_next()? {}
        Ok(self.sink)
    }
}

impl<S: FrameSink> ContentSink for Packer<'_, '_, S> {
    fn expect(&mut self, contents: usize) {
        self.sink.expect(contents);
    }

    /// It may wait for frames to be compressed.
    fn take(&mut self, content: Content) -> Result<()> {
        if !self.sink.wants(ObjectKind::Blob, content.id)? {
            return Ok(());
        }
        if !self.group.has_room_for(&content) {
            self.seal_group();
        }
        self.group.add(content);
        self.append_what_is_too_much()
    }

    fn take_chunk(&mut self, chunk: Chunk) -> Result<()> {
        if self.sink.wants(ObjectKind::Blob, chunk.id)? {
            self.seal(chunk.frame);
        }
        self.append_what_is_too_much()
    }

    fn take_recipe(&mut self, recipe: &Recipe) -> Result<()> {
        self.take_text(ObjectKind::Recipe, recipe.blob().hash(), &recipe.encode())
    }
}

impl<S: FrameSink> TreeSink for Packer<'_, '_, S> {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, _: Node) -> Result<()> {
        self.take_text(ObjectKind::Tree, tree.id.hash(), &text)
    }
}

/// Contents that will share a frame. The frame itself is made by the thread that compresses it.
#[derive(Default)]
struct Group {
    contents: Vec<Content>,
    frame_bytes: usize,
}

impl Group {
    fn has_room_for(&self, content: &Content) -> bool {
        self.contents.is_empty()
            || self.frame_bytes + FRAME_ROW_BYTES + content.bytes.len() <= FRAME_BYTES_TARGET
    }

    fn add(&mut self, content: Content) {
        self.frame_bytes += FRAME_ROW_BYTES + content.bytes.len();
        self.contents.push(content);
    }

    /// Bytes that it takes in memory.
    const fn weight(&self) -> u64 {
        self.frame_bytes as u64 + self.contents.len() as u64 * CONTENT_BYTES_EXTRA
    }

    fn seal(self) -> Result<SealedFrame> {
        let mut frame = FrameBuilder::with_room(self.contents.len(), self.frame_bytes);
        for content in self.contents {
            frame.push(ObjectKind::Blob, content.id, &content.bytes)?;
        }
        frame.seal()
    }
}
