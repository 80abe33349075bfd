//! The packer: contents in, frames out, each content once.
//!
//! # Invariants
//!
//! - Which contents share a frame depends on their order alone, so the same files give the same packs.
//! - At most one window of contents is held, and one frame that is not full yet.
//!
//! # Not here
//!
//! What a frame is (`object::frame_builder`), which packs the frames go to (`store::intake`).

use rayon::prelude::*;

use crate::base::Result;
use crate::base::id::Hash;
use crate::object::edit::TreeSink;
use crate::object::frame::{FRAME_BYTES_TARGET, FRAME_ROW_BYTES};
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::tree::{Node, TreeRef};
use crate::store::intake::Intake;
use crate::store::landing::Landing;
use crate::store::view::View;

/// The bytes of a small file, a link's target or a chunk, hashed.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) id: Hash,
    pub(super) bytes: Vec<u8>,
}

/// Takes in objects that the view does not show.
pub(super) struct Packer<'v, 's> {
    intake: Intake<'s>,
    view: &'v View<'s>,
    group: Group,
}

impl<'v, 's> Packer<'v, 's> {
    /// Starts with nothing taken in.
    pub(super) fn new(intake: Intake<'s>, view: &'v View<'s>) -> Self {
        Self {
            intake,
            view,
            group: Group::default(),
        }
    }

    /// Takes in contents, in order. Frames are compressed by all threads.
    ///
    /// # Errors
    ///
    /// Those of [`Intake::wants`] and [`Intake::append`].
    pub(super) fn take(&mut self, contents: Vec<Content>) -> Result<()> {
        let mut full = Vec::new();
        for content in contents {
            if !self.intake.wants(self.view, ObjectKind::Blob, content.id)? {
                continue;
            }
            if !self.group.has_room_for(&content) {
                full.push(std::mem::take(&mut self.group));
            }
            self.group.add(content);
        }
        let sealed: Vec<Result<SealedFrame>> = full.into_par_iter().map(Group::seal).collect();
        sealed
            .into_iter()
            .try_for_each(|frame| self.intake.append(&frame?))
    }

    /// Ends the frame that is not full yet. Trees may follow.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn finish_blobs(&mut self) -> Result<()> {
        let last = std::mem::take(&mut self.group);
        if last.contents.is_empty() {
            Ok(())
        } else {
            self.intake.append(&last.seal()?)
        }
    }

    /// Takes in how a large file is put together.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn take_recipe(&mut self, recipe: &Recipe) -> Result<()> {
        let id = recipe.blob().hash();
        if self.intake.wants(self.view, ObjectKind::Recipe, id)? {
            self.intake.put(ObjectKind::Recipe, id, &recipe.encode())?;
        }
        Ok(())
    }

    /// Ends everything.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn finish(mut self) -> Result<Landing> {
        self.finish_blobs()?;
        self.intake.finish()
    }
}

impl TreeSink for Packer<'_, '_> {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, _: Node) -> Result<()> {
        let id = tree.id.hash();
        if self.intake.wants(self.view, ObjectKind::Tree, id)? {
            self.intake.put(ObjectKind::Tree, id, &text)?;
        }
        Ok(())
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

    fn seal(self) -> Result<SealedFrame> {
        let mut frame = FrameBuilder::new();
        for content in self.contents {
            frame.push(ObjectKind::Blob, content.id, &content.bytes)?;
        }
        frame.seal()
    }
}
