//! What the API says about the whole of a store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Result;
use crate::store::Store;

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
    /// Deltas that lie ready.
    #[serde(default)]
    pub deltas: u64,
    /// Their bytes.
    #[serde(default)]
    pub delta_bytes: u64,
}

impl StatsSaid {
    /// Sums over a store.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
    pub fn of(store: &Store) -> Result<Self> {
        let totals = store.reader()?.totals()?;
        let (mut deltas, mut delta_bytes) = (0, 0);
        for repo in store.reader()?.repos()? {
            for delta in store.prepared_deltas(&repo.name)? {
                deltas += 1;
                delta_bytes += delta.bytes;
            }
        }
        Ok(Self {
            objects: totals.objects,
            packs: totals.packs,
            stored_bytes: totals.stored_bytes,
            logical_bytes: totals.logical_bytes,
            live_bytes: totals.live_bytes,
            deltas,
            delta_bytes,
        })
    }
}
