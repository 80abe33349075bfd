//! The memo: patches that were made before, so that making a delta again, or another with the same large files, costs little.
//!
//! They lie in the folder of what can be made again, each named by the hash of everything that it follows from: the version
//! of the codec, the effort, the contents and the bases that were tried.
//!
//! # Invariants
//!
//! - Nothing depends on it: a file that is torn, foreign or gone is no patch, and the patch is made.
//! - It has at most [`MEMO_BYTES_MAX`] bytes, and is kept only by those who may write the store.
//!
//! # Not here
//!
//! What a patch is of (`delta::group`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::plan::Wanted;
use crate::base::Result;
use crate::base::id::{HASH_BYTES, Hash, Hasher};
use crate::base::limits::MIB;
use crate::disk::whole::{read_small, write_whole_unsynced};
use crate::object::patch::{Effort, PATCH_VERSION};
use crate::store::{Store, layout};

/// Bytes of all patches that are kept.
const MEMO_BYTES_MAX: u64 = 256 * MIB;
/// Stands for a content without a base.
const NO_BASE: u8 = u8::MAX;

/// A patch, and which base each content got.
pub(super) type Known = (Vec<u8>, Vec<Option<usize>>);

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

    /// The patch of some contents, if it is known.
    pub(super) fn find(&self, key: Hash, contents: usize) -> Option<Known> {
        let path = layout::patch_cache(key);
        let bytes = read_small(self.store.disk(), &path, MEMO_BYTES_MAX).ok()?;
        let known = decode(&bytes, contents)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(known)
    }

    /// Keeps a patch. One that cannot be kept costs time and nothing else, so that is no error.
    pub(super) fn keep(&self, key: Hash, patch: &[u8], chosen: &[Option<usize>]) {
        if !self.store.is_writable() {
            return;
        }
        let bytes = encode(patch, chosen);
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

/// What a patch of these contents follows from.
pub(super) fn key<'w>(contents: impl Iterator<Item = &'w Wanted>, effort: Effort) -> Hash {
    let mut hasher = Hasher::new();
    let effort = match effort {
        Effort::Quick => 0,
        Effort::Thorough => 1,
    };
    hasher.update(&[PATCH_VERSION, effort]);
    for content in contents {
        hasher.update(content.id.as_bytes());
        hasher.update(&[u8::try_from(content.bases.len()).unwrap_or(NO_BASE)]);
        for base in &content.bases {
            hasher.update(base.id.as_bytes());
        }
    }
    hasher.hash()
}

/// The chosen bases, the patch, and the hash of both.
fn encode(patch: &[u8], chosen: &[Option<usize>]) -> Vec<u8> {
    let base =
        |base: &Option<usize>| base.map_or(NO_BASE, |base| u8::try_from(base).unwrap_or(NO_BASE));
    let mut bytes: Vec<u8> = chosen.iter().map(base).collect();
    bytes.extend_from_slice(patch);
    let hash = Hash::of(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

fn decode(bytes: &[u8], contents: usize) -> Option<Known> {
    let (body, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
    if Hash::of(body).as_bytes() != hash {
        return None;
    }
    let (chosen, patch) = body.split_at_checked(contents)?;
    let base = |base: &u8| (*base != NO_BASE).then_some(usize::from(*base));
    Some((patch.to_vec(), chosen.iter().map(base).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sandbox::{AnyError, Sandbox};

    #[test]
    fn what_is_kept_is_found_again_and_what_is_torn_is_not() -> Result<(), AnyError> {
        let sandbox = Sandbox::new()?;
        let (store, key) = (sandbox.store()?, Hash::of(b"key"));
        let memo = Memo::new(store);
        assert_eq!(memo.find(key, 3), None);
        let (patch, chosen) = (b"patch".to_vec(), vec![None, Some(2), Some(0)]);
        memo.keep(key, &patch, &chosen);
        assert_eq!(memo.find(key, 3), Some((patch, chosen)));
        assert_eq!(memo.hits(), 1);
        let file = store.root().join(layout::patch_cache(key));
        let bytes = std::fs::read(&file)?;
        for end in 0..bytes.len() {
            std::fs::write(&file, &bytes[..end])?;
            assert_eq!(memo.find(key, 3), None, "cut at {end}");
        }
        Ok(())
    }

    #[test]
    fn there_is_room_for_a_number_of_bytes() -> Result<(), AnyError> {
        let sandbox = Sandbox::new()?;
        let memo = Memo::new(sandbox.store()?);
        for number in 0..5_u8 {
            memo.keep(Hash::of(&[number]), &[number; 100], &[]);
        }
        memo.make_room(MEMO_BYTES_MAX - 300)?;
        let left = (0..5_u8).filter(|number| memo.find(Hash::of(&[*number]), 0).is_some());
        assert_eq!(left.count(), 2);
        Ok(())
    }
}
