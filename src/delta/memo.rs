//! The memo: patches that were made before, so that making a delta again, or another with the same large files, costs little.
//!
//! They lie in the folder of what can be made again, each named by the hash of everything that it follows from: the versions
//! of what makes it, the effort, the contents and the bases that were tried. So does what is long to search, and the same for
//! every base: how the streams of archives are made.
//!
//! # Invariants
//!
//! - Nothing depends on it: a file that is torn, foreign or gone is no patch, and the patch is made.
//! - It has at most [`MEMO_BYTES_MAX`] bytes, and is kept only by those who may write the store.
//!
//! # Not here
//!
//! What is kept (`delta::group`, `delta::archives`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::base::Result;
use crate::base::id::{HASH_BYTES, Hash, Hasher};
use crate::base::limits::MIB;
use crate::disk::whole::{read_small, write_whole_unsynced};
use crate::object::patch::{Effort, PATCH_VERSION, compressor_version};
use crate::store::{Store, layout};

/// Bytes of all patches that are kept.
const MEMO_BYTES_MAX: u64 = 256 * MIB;
/// What is made of the same contents: one more whenever that changes, be it by the encoder or by the choice of bases.
/// The tests in `delta::memo::golden` show it.
const MAKER_VERSION: u8 = 6;

/// The patches that a store keeps.
#[derive(Debug)]
pub(super) struct Memo<'s> {
    store: &'s Store,
    /// Held while room is made.
    sweeping: Mutex<()>,
    hits: AtomicU64,
}

impl<'s> Memo<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self {
            store,
            sweeping: Mutex::new(()),
            hits: AtomicU64::new(0),
        }
    }

    /// How many patches were found.
    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// What was kept by this key, if it was.
    pub(super) fn find(&self, key: Hash) -> Option<Vec<u8>> {
        let path = layout::patch_cache(key);
        let mut bytes = read_small(self.store.disk(), &path, MEMO_BYTES_MAX).ok()?;
        let (body, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
        if Hash::of(body).as_bytes() != hash {
            return None;
        }
        bytes.truncate(body.len());
        Some(bytes)
    }

    /// Counts patches that were found.
    pub(super) fn count(&self, patches: u64) {
        self.hits.fetch_add(patches, Ordering::Relaxed);
    }

    /// Keeps something. What cannot be kept costs time and nothing else, so that is no error.
    pub(super) fn keep(&self, key: Hash, mut bytes: Vec<u8>) {
        if !self.store.is_writable() {
            return;
        }
        let hash = Hash::of(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        let file = layout::patch_cache(key);
        let _alone = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.make_room(bytes.len() as u64).is_ok() {
            let write = |mut out: crate::disk::files::Sequential| {
                std::io::Write::write_all(&mut out, &bytes)
                    .map_err(crate::base::Error::io("write", &file))
            };
            let next = layout::unfinished_patch(key);
            write_whole_unsynced(self.store.disk(), &next, &file, write).ok();
        }
    }

    /// Removes patches, whichever, until there is room for `bytes` more.
    fn make_room(&self, bytes: u64) -> Result<()> {
        let (disk, folder) = (self.store.disk(), Path::new(layout::CACHE));
        let mut patches = disk.list(folder)?;
        patches.retain(|file| file.name.starts_with(layout::PATCH_CACHE_PREFIX));
        let mut total = bytes + patches.iter().map(|file| file.bytes).sum::<u64>();
        for file in patches {
            if total <= MEMO_BYTES_MAX {
                break;
            }
            let path: PathBuf = folder.join(&file.name);
            disk.remove(&path)?;
            total -= file.bytes;
        }
        Ok(())
    }
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sort {
    /// The patch of a group, and which base each content got.
    Group,
    /// The patches of archives that were looked at together, each with its base.
    Archives,
    /// How the streams of an archive are made again.
    Findings,
}

/// The name of what follows from contents and the bases that are tried, by their ids.
pub(super) fn key<'c, B: Iterator<Item = &'c Hash>>(
    sort: Sort,
    effort: Effort,
    contents: impl Iterator<Item = (&'c Hash, B)>,
) -> Hash {
    let mut hasher = Hasher::new();
    let effort = match effort {
        Effort::Quick => 0,
        Effort::Thorough => 1,
    };
    hasher.update(&[PATCH_VERSION, MAKER_VERSION, sort as u8, effort]);
    hasher.update(&compressor_version().to_le_bytes());
    for (content, bases) in contents {
        hasher.update(content.as_bytes());
        let mut count = 0_u8;
        for base in bases {
            hasher.update(base.as_bytes());
            count = count.saturating_add(1);
        }
        // Behind the bases, which are all as long, it says as well where the next content starts.
        hasher.update(&[count]);
    }
    hasher.hash()
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sandbox::{AnyError, Sandbox};

    #[test]
    fn what_is_kept_is_found_again_and_what_is_torn_is_not() -> Result<(), AnyError> {
        let sandbox = Sandbox::new()?;
        let (store, key) = (sandbox.store()?, Hash::of(b"key"));
        let memo = Memo::new(store);
        assert_eq!(memo.find(key), None);
        memo.keep(key, b"patch".to_vec());
        assert_eq!(memo.find(key), Some(b"patch".to_vec()));
        let file = store.root().join(layout::patch_cache(key));
        let bytes = std::fs::read(&file)?;
        for end in 0..bytes.len() {
            std::fs::write(&file, &bytes[..end])?;
            assert_eq!(memo.find(key), None, "cut at {end}");
        }
        Ok(())
    }

    #[test]
    fn there_is_room_for_a_number_of_bytes() -> Result<(), AnyError> {
        let sandbox = Sandbox::new()?;
        let memo = Memo::new(sandbox.store()?);
        for number in 0..5_u8 {
            memo.keep(Hash::of(&[number]), vec![number; 100]);
        }
        memo.make_room(MEMO_BYTES_MAX - 300)?;
        let left = (0..5_u8).filter(|number| memo.find(Hash::of(&[*number])).is_some());
        assert_eq!(left.count(), 2);
        Ok(())
    }

    #[test]
    fn names_differ_by_everything_that_matters() {
        let ids = [1_u8, 2, 3].map(|number| Hash::of(&[number]));
        let [a, b, c] = &ids;
        let of = |sort, effort, contents: &[(&Hash, Vec<&Hash>)]| {
            let contents = contents.to_vec();
            let contents = contents
                .iter()
                .map(|(id, bases)| (*id, bases.iter().copied()));
            key(sort, effort, contents)
        };
        let keys = [
            of(Sort::Group, Effort::Quick, &[(a, vec![b, c])]),
            of(Sort::Group, Effort::Thorough, &[(a, vec![b, c])]),
            of(Sort::Archives, Effort::Quick, &[(a, vec![b, c])]),
            of(Sort::Group, Effort::Quick, &[(a, vec![c, b])]),
            of(Sort::Group, Effort::Quick, &[(a, vec![b]), (c, vec![])]),
            of(Sort::Group, Effort::Quick, &[(a, vec![]), (b, vec![c])]),
            of(
                Sort::Group,
                Effort::Quick,
                &[(a, vec![]), (b, vec![]), (c, vec![])],
            ),
        ];
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}
