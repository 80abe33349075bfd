//! What the API says about the whole of a store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::reader::Totals;

/// Sums over a store.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatsSaid {
    /// Published objects and the objects of builds.
    pub objects: u64,
    /// Pack files.
    pub packs: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// The expanded bytes of the objects in them.
    pub logical_bytes: u64,
    /// The expanded bytes of those that are published or belong to a build.
    pub live_bytes: u64,
}

impl From<Totals> for StatsSaid {
    fn from(totals: Totals) -> Self {
        Self {
            objects: totals.objects,
            packs: totals.packs,
            stored_bytes: totals.stored_bytes,
            logical_bytes: totals.logical_bytes,
            live_bytes: totals.live_bytes,
        }
    }
}
