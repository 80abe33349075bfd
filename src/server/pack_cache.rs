//! Packs that were made lately, and those that are being made.
//!
//! # Invariants
//!
//! - Who asks for a pack that is being made waits for it; it is not made twice.
//!
//! # Not here
//!
//! How a pack is made (`server::packs`).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};

use super::route::PackName;
use super::sight::Sight;
use crate::base::cache::Cache;
use crate::base::id::SnapshotId;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::disk::files::Mapping;

/// Bytes of packs that are kept for those who ask next. They take room on the disk.
pub const PACK_CACHE_BYTES: usize = 4 * 1024 * 1024 * 1024;
/// Packs that are made at a time: each may take as much memory as a delta may.
pub const PACKS_MADE_MAX: usize = 2;

/// Deltas of which is remembered that they are whole.
const CHECKED_DELTAS_MAX: usize = 16 * 1024;

/// What a pack is of.
pub type Key = (Sight, PackName);

/// A delta that lies ready: its repo, where it leads, from where, and its tag.
pub type ReadyDelta = (RepoName, SnapshotId, SnapshotId, String);

/// Packs that were made lately.
#[derive(Debug)]
pub struct PackCache {
    /// Deltas that lie ready and were whole when they were first sent.
    pub checked_deltas: Cache<ReadyDelta, ()>,
    packs: Cache<Key, Mapping>,
    /// Whoever makes a pack holds its lock.
    making: Mutex<HashMap<Key, Arc<Mutex<()>>>>,
    makers: Semaphore,
}

impl PackCache {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            checked_deltas: Cache::new(CHECKED_DELTAS_MAX),
            packs: Cache::new(PACK_CACHE_BYTES),
            making: Mutex::default(),
            makers: Semaphore::new(PACKS_MADE_MAX),
        }
    }

    /// A pack that was made before, or that `make` makes now.
    ///
    /// # Errors
    ///
    /// What `make` answers.
    pub async fn find<W>(&self, key: Key, make: impl FnOnce(Key) -> W) -> Result<Mapping>
    where
        W: Future<Output = Result<Mapping>>,
    {
        if let Some(pack) = self.packs.find(&key) {
            return Ok((*pack).clone());
        }
        let lock = Arc::clone(self.making.lock().await.entry(key.clone()).or_default());
        let held = lock.lock().await;
        let pack = match self.packs.find(&key) {
            Some(pack) => Ok((*pack).clone()),
            None => self.make(&key, make).await,
        };
        drop(held);
        self.making.lock().await.remove(&key);
        pack
    }

    async fn make<W>(&self, key: &Key, make: impl FnOnce(Key) -> W) -> Result<Mapping>
    where
        W: Future<Output = Result<Mapping>>,
    {
        let maker = self.makers.acquire().await;
        let maker = maker.map_err(|_| Error::internal("the makers are never closed"))?;
        let pack = make(key.clone()).await?;
        drop(maker);
        let bytes = pack.len();
        self.packs.keep(key.clone(), pack.clone(), bytes);
        Ok(pack)
    }
}

impl Default for PackCache {
    fn default() -> Self {
        Self::new()
    }
}
