//! Copying objects out of a build's packs, for another build: a pack has one owner, so nothing in it is ever shared.
//!
//! # Invariants
//!
//! - What is published is not copied: both builds may point at it.
//! - Objects are copied in the order in which they lie, so neighbours stay neighbours and each frame is expanded once.
//!
//! # Not here
//!
//! What another build takes over (`build::copy`); moving what matters out of thin packs (`store::repack`).

use super::intake::Intake;
use super::landing::Landing;
use super::place::Place;
use super::reach::Reach;
use super::tables::parse_pin;
use super::view::View;
use crate::base::Result;
use crate::base::id::Hash;
use crate::object::kind::ObjectKind;

impl View<'_> {
    /// Copies into `intake` what `reach` found in the packs of builds, apart from what `landing` brings.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`](crate::base::Error::Damaged) if an object is not what its id says,
    /// [`Error::Io`](crate::base::Error::Io) if the disk fails; nothing of the intake becomes part of the store then.
    pub fn copy_own(
        &self,
        reach: &Reach,
        landing: &Landing,
        intake: &mut Intake<'_>,
    ) -> Result<()> {
        for (place, kind, id) in in_order(reach, landing)? {
            let bytes = self.read_at(kind, id, place)?;
            intake.put(kind, id, bytes.as_slice()?)?;
        }
        Ok(())
    }
}

/// The objects of builds that are not in `landing`, as they lie.
fn in_order(reach: &Reach, landing: &Landing) -> Result<Vec<(Place, ObjectKind, Hash)>> {
    let is_landing = |place: &Place| landing.packs.iter().any(|pack| pack.number == place.pack);
    let mut objects = Vec::new();
    for (pin, place) in &reach.own {
        if !is_landing(place) {
            let (kind, id) = parse_pin(pin)?;
            objects.push((*place, kind, id));
        }
    }
    objects.sort_unstable();
    Ok(objects)
}
