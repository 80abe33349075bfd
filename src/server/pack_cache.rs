//! Packs that were made lately, and those that are being made.
//!
//! # Invariants
//!
//! - Who asks for a pack that is being made waits for it; it is not made twice. That holds also if whoever asked first has gone.
//! - So many are made at a time, whoever waits for them.
//!
//! # Not here
//!
//! How a pack is made (`server::packs`).

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::route::PackName;
use super::sight::Sight;
use super::turns::Turns;
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
    packs: Arc<Cache<Key, Mapping>>,
    /// Whoever makes a pack has its turn.
    making: Turns<Key>,
    makers: Arc<Semaphore>,
}

impl PackCache {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            checked_deltas: Cache::new(CHECKED_DELTAS_MAX),
            packs: Arc::new(Cache::new(PACK_CACHE_BYTES)),
            making: Turns::default(),
            makers: Arc::new(Semaphore::new(PACKS_MADE_MAX)),
        }
    }

    /// Forgets the packs of a repo, some of which may be of what is gone there: they take room on the disk.
    pub fn forget_repo(&self, repo: &RepoName) {
        self.packs.retain(|(sight, _)| sight.repo != *repo);
    }

    /// Forgets the packs of a build, which is gone.
    pub fn forget_build(&self, build: u64) {
        self.packs
            .retain(|(sight, _)| !sight.builds.contains(&build));
    }

    /// A pack that was made before, or that `make` makes now.
    ///
    /// # Errors
    ///
    /// What `make` answers.
    pub async fn find<W>(
        &self,
        key: Key,
        make: impl FnOnce(Key) -> W + Send + 'static,
    ) -> Result<Mapping>
    where
        W: Future<Output = Result<Mapping>> + Send,
    {
        if let Some(pack) = self.packs.find(&key) {
            return Ok((*pack).clone());
        }
        let turn = self.making.of(key.clone()).await;
        if let Some(pack) = self.packs.find(&key) {
            return Ok((*pack).clone());
        }
        let permit = Arc::clone(&self.makers).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the makers are never closed"))?;
        let packs = Arc::clone(&self.packs);
        // What has begun is done on a task of its own: it takes its maker and its turn until it is kept.
        let task = tokio::spawn(async move {
            let pack = make(key.clone()).await?;
            let bytes = pack.len();
            packs.keep(key, pack.clone(), bytes);
            drop((permit, turn));
            Ok(pack)
        });
        let done = task.await;
        done.map_err(|error| Error::internal(format!("a pack ended early: {error}")))?
    }
}

impl Default for PackCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::base::id::{Hash, SnapshotId};
    use crate::disk::files::Disk;
    use crate::disk::real::RealDisk;

    #[test]
    fn a_pack_is_made_once_although_whoever_asked_has_gone()
    -> std::result::Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (disk, path) = (RealDisk::new(folder.path()), Path::new("pack"));
        disk.create(path)?.write_at(0, b"pack")?;
        let pack = disk.map(path)?;
        let (repo, builds) = ("main".parse()?, Vec::new());
        let name = PackName {
            to: SnapshotId::new(Hash::of(b"to")),
            from: None,
            path: None,
        };
        let key: Key = (Sight { repo, builds }, name);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (cache, made) = (PackCache::new(), Arc::new(AtomicUsize::new(0)));
            let find = || {
                let (pack, made) = (pack.clone(), Arc::clone(&made));
                cache.find(key.clone(), |_| async move {
                    sleep(Duration::from_millis(200)).await;
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(pack)
                })
            };
            for _ in 0..3 {
                let asked = timeout(Duration::from_millis(20), find()).await;
                assert!(asked.is_err(), "it takes longer");
            }
            assert_eq!(cache.makers.available_permits(), PACKS_MADE_MAX - 1);
            assert_eq!(&find().await?[..], b"pack");
            assert_eq!(made.load(Ordering::Relaxed), 1);
            assert_eq!(cache.makers.available_permits(), PACKS_MADE_MAX);
            cache.forget_repo(&key.0.repo);
            find().await?;
            assert_eq!(made.load(Ordering::Relaxed), 2, "it was forgotten");
            Ok(())
        })
    }
}
