//! What a store lacks: frames go into an intake, as far as the view that they are staged into does not show their objects.

use super::packer::FrameSink;
use crate::base::Result;
use crate::base::id::Hash;
use crate::object::frame_builder::SealedFrame;
use crate::object::kind::ObjectKind;
use crate::store::intake::Intake;
use crate::store::landing::Landing;
use crate::store::view::View;

/// Takes in what a view does not show.
pub(super) struct Lacking<'v, 's> {
    intake: Intake<'s>,
    view: &'v View<'s>,
}

impl<'v, 's> Lacking<'v, 's> {
    /// Starts with nothing taken in.
    pub(super) const fn new(intake: Intake<'s>, view: &'v View<'s>) -> Self {
        Self { intake, view }
    }

    /// Ends everything.
    ///
    /// # Errors
    ///
    /// Those of [`Intake::finish`].
    pub(super) fn finish(self) -> Result<Landing> {
        self.intake.finish()
    }
}

impl FrameSink for Lacking<'_, '_> {
    fn expect(&mut self, objects: usize) {
        self.intake.expect(objects);
    }

    fn wants(&mut self, kind: ObjectKind, id: Hash) -> Result<bool> {
        self.intake.wants(self.view, kind, id)
    }

    fn append(&mut self, frame: &SealedFrame) -> Result<()> {
        self.intake.append(frame)
    }
}
