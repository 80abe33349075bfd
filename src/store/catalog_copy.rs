//! Copies of a catalog: looked at without a change to the file, whatever state that is in.
//!
//! redb repairs what it opens and takes no other look at a file that was not closed. So it is given a file whose changes
//! stay in memory.
//!
//! # Invariants
//!
//! - Nothing is written to the file. Memory is that of the pages that a repair touches.
//! - What redb makes of a damaged file is an [`Error::Catalog`] of the kind integrity, also where it panics.
//!
//! # Not here
//!
//! The catalog that is in use (`store::catalog`).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, StorageBackend};

use super::catalog::{contained, failed};
use crate::base::{Kind, Result};
use crate::disk::files::{Disk, Mapping};

/// Bytes of a piece that is kept once something in it changed.
const PAGE_BYTES: u64 = 4096;
/// Bytes of pages that redb keeps in memory.
const PAGE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Opens a copy of the catalog in the file `path` and checks every page of it.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog) if it is damaged, [`Error::Io`](crate::base::Error::Io) if there is no
/// such file.
pub(super) fn open_copy(disk: &dyn Disk, path: &Path) -> Result<Database> {
    let copy = Copy::of(disk.map(path)?);
    contained("check", move || {
        let mut builder = Database::builder();
        builder.set_cache_size(PAGE_CACHE_BYTES);
        builder.set_check_integrity_on_open(true);
        builder.create_with_backend(copy).map_err(failed("check"))
    })
}

/// What is wrong with the catalog in the file `path`, if anything.
///
/// # Errors
///
/// [`Error::Io`](crate::base::Error::Io) if the disk fails.
pub(super) fn damage_of_catalog(disk: &dyn Disk, path: &Path) -> Result<Option<String>> {
    match open_copy(disk, path) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == Kind::Integrity => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// A file whose changes stay in memory.
#[derive(Debug)]
struct Copy {
    file: Mapping,
    changed: Mutex<Changed>,
}

#[derive(Debug)]
struct Changed {
    bytes: u64,
    /// Bytes from here on are not those of the file.
    file_bytes: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Copy {
    fn of(file: Mapping) -> Self {
        let bytes = file.len() as u64;
        let changed = Mutex::new(Changed {
            bytes,
            file_bytes: bytes,
            pages: BTreeMap::new(),
        });
        Self { file, changed }
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as the file has it; past its end it is zeros.
    fn page(&self, changed: &Changed, number: u64) -> Vec<u8> {
        if let Some(page) = changed.pages.get(&number) {
            return page.clone();
        }
        let file = &self.file[..place(changed.file_bytes).min(self.file.len())];
        let start = place(number * PAGE_BYTES).min(file.len());
        let end = place((number + 1) * PAGE_BYTES).min(file.len());
        let mut page = file[start..end].to_vec();
        page.resize(place(PAGE_BYTES), 0);
        page
    }
}

/// A number of bytes of a file that is mapped, and so fits the memory.
fn place(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The pages that some bytes touch: number, where they start in it, and how many they are.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + length as u64;
    (offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)).map(move |number| {
        let start = offset.max(number * PAGE_BYTES);
        let stop = end.min((number + 1) * PAGE_BYTES);
        (
            number,
            place(start - number * PAGE_BYTES),
            place(stop - start),
        )
    })
}

impl StorageBackend for Copy {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset + out.len() as u64 > changed.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (number, start, length) in pieces(offset, rest.len()) {
            let (piece, after) = rest.split_at_mut(length);
            piece.copy_from_slice(&self.page(&changed, number)[start..start + length]);
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut changed = self.changed();
        if bytes < changed.bytes {
            // What is beyond the new end is zeros if the file grows again.
            changed.file_bytes = changed.file_bytes.min(bytes);
            let last = bytes / PAGE_BYTES;
            changed.pages.split_off(&(last + 1));
            if let Some(page) = changed.pages.get_mut(&last) {
                page[place(bytes - last * PAGE_BYTES)..].fill(0);
            }
        }
        changed.bytes = bytes;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        let mut rest = data;
        for (number, start, length) in pieces(offset, rest.len()) {
            let (piece, after) = rest.split_at(length);
            let mut page = self.page(&changed, number);
            page[start..start + length].copy_from_slice(piece);
            changed.pages.insert(number, page);
            rest = after;
        }
        changed.bytes = changed.bytes.max(offset + data.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_changes_like_a_file_and_leaves_the_file_alone() -> io::Result<()> {
        let file: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let copy = Copy::of(Mapping::owned(file.clone()));
        let mut model = file.clone();
        for (offset, length) in [
            (0, 1),
            (4000, 200),
            (4096, 4096),
            (9_999, 1),
            (9_990, 5_000),
        ] {
            let data = vec![0xee; length];
            copy.write(offset as u64, &data)?;
            model.resize(model.len().max(offset + length), 0);
            model[offset..offset + length].copy_from_slice(&data);
        }
        for bytes in [12_000, 5_000, 4_096, 9_000] {
            copy.set_len(bytes as u64)?;
            model.resize(bytes, 0);
            let mut found = vec![1; bytes];
            copy.read(0, &mut found)?;
            assert!(found == model, "{bytes} bytes");
            assert_eq!(copy.len()?, bytes as u64);
        }
        assert!(copy.read(8_999, &mut [0; 2]).is_err());
        assert!(copy.file[..] == file[..]);
        Ok(())
    }
}
