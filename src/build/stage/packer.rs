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
//! What a frame is (`object::frame_builder`), which packs the frames go to (`store::intake`).

use rayon::Scope;

use super::in_order::InOrder;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::MIB;
use crate::object::edit::TreeSink;
use crate::object::frame::{FRAME_BYTES_TARGET, FRAME_ROW_BYTES};
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::tree::{Node, TreeRef};
use crate::store::intake::Intake;
use crate::store::landing::Landing;
use crate::store::view::View;

/// Bytes of contents that are compressed ahead: some frames for each of many threads.
const SEALING_BYTES_MAX: u64 = 8 * MIB;

/// Bytes that a content takes in memory beside its own: they count where there are millions of tiny files.
pub(super) const CONTENT_BYTES_EXTRA: u64 = 128;

/// The bytes of a small file or a link's target, hashed.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) id: Hash,
    pub(super) bytes: Vec<u8>,
}

/// A chunk of a large file, hashed, and already in the frame that it has to itself: so it is copied once.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) id: Hash,
    frame: FrameBuilder,
}

impl Chunk {
    /// Hashes and frames `bytes`.
    ///
    /// # Errors
    ///
    /// Those of [`FrameBuilder::push`].
    pub(super) fn of(bytes: &[u8]) -> Result<Self> {
        let id = Hash::of(bytes);
        let mut frame = FrameBuilder::with_room(1, FRAME_ROW_BYTES + bytes.len());
        frame.push(ObjectKind::Blob, id, bytes)?;
        Ok(Self { id, frame })
    }
}

/// Takes in objects that the view does not show.
pub(super) struct Packer<'v, 's, 'scope> {
    intake: Intake<'s>,
    view: &'v View<'s>,
    group: Group,
    /// Trees and recipes; they are read apart from contents.
    texts: FrameBuilder,
    sealing: InOrder<'v, 'scope, SealedFrame>,
}

impl<'v, 's, 'scope> Packer<'v, 's, 'scope> {
    /// Starts with nothing taken in. Frames are compressed by the threads of `scope`.
    pub(super) fn new(intake: Intake<'s>, view: &'v View<'s>, scope: &'v Scope<'scope>) -> Self {
        Self {
            intake,
            view,
            group: Group::default(),
            texts: FrameBuilder::new(),
            sealing: InOrder::new(scope),
        }
    }

    /// Says that there will be up to `contents` more to take.
    pub(super) fn expect(&mut self, contents: usize) {
        self.intake.expect(contents);
    }

    /// Takes in a content. It may wait for frames to be compressed.
    ///
    /// # Errors
    ///
    /// Those of [`Intake::wants`] and [`Intake::append`], also for contents taken before.
    pub(super) fn take(&mut self, content: Content) -> Result<()> {
        if !self.intake.wants(self.view, ObjectKind::Blob, content.id)? {
            return Ok(());
        }
        if !self.group.has_room_for(&content) {
            self.seal_group();
        }
        self.group.add(content);
        self.append_what_is_too_much()
    }

    /// Takes in a chunk, as [`take`](Self::take).
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn take_chunk(&mut self, chunk: Chunk) -> Result<()> {
        if self.intake.wants(self.view, ObjectKind::Blob, chunk.id)? {
            self.seal(chunk.frame);
        }
        self.append_what_is_too_much()
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
        next.map_or(Ok(false), |frame| self.intake.append(&frame).map(|()| true))
    }

    /// Takes in how a large file is put together.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn take_recipe(&mut self, recipe: &Recipe) -> Result<()> {
        self.take_text(ObjectKind::Recipe, recipe.blob().hash(), &recipe.encode())
    }

    fn take_text(&mut self, kind: ObjectKind, id: Hash, text: &[u8]) -> Result<()> {
        if !self.intake.wants(self.view, kind, id)? {
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

    /// Ends everything.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn finish(mut self) -> Result<Landing> {
        if !self.group.contents.is_empty() {
            self.seal_group();
        }
        if !self.texts.is_empty() {
            self.seal_texts();
        }
        while self.append_next()? {}
        self.intake.finish()
    }
}

impl TreeSink for Packer<'_, '_, '_> {
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
