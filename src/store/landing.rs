//! A landing: finished packs that wait for the transaction that makes them part of the store.
//!
//! # Invariants
//!
//! - The packs are whole and durable under `tmp/`. A landing that no transaction takes removes them when it is dropped,
//!   and the next open removes what could not be removed then.
//! - While there are files that may become packs without a row, the file [`LANDING`](layout::LANDING) is there, durably:
//!   a crash then makes the next open look for them.
//!
//! # Not here
//!
//! How packs are filled (`store::intake`), and how they land (`store::transaction`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::layout;
use crate::base::Result;
use crate::base::id::PackId;
use crate::disk::files::{Disk, DiskFile};
use crate::disk::whole;

/// Finished packs that wait for the transaction that makes them part of the store.
#[derive(Debug, Default)]
#[must_use = "packs that no transaction lands are lost"]
pub struct Landing {
    pub(super) packs: Vec<FinishedPack>,
    /// Objects in the packs.
    pub objects: u64,
    /// Their expanded bytes.
    pub expanded_bytes: u64,
    /// The bytes of the pack files.
    pub stored_bytes: u64,
}

impl Landing {
    /// Adds the packs of another one.
    pub fn join(&mut self, other: Self) {
        self.packs.extend(other.packs);
        self.objects += other.objects;
        self.expanded_bytes += other.expanded_bytes;
        self.stored_bytes += other.stored_bytes;
    }
}

/// A whole and durable pack that has yet to get its name.
#[derive(Debug)]
pub(super) struct FinishedPack {
    pub(super) number: u64,
    pub(super) file: PackFile,
    pub(super) id: PackId,
    pub(super) bytes: u64,
    pub(super) objects: u64,
    pub(super) expanded_bytes: u64,
}

/// How many files there are that may become packs without a row.
#[derive(Debug)]
pub(super) struct Unlanded {
    disk: Arc<dyn Disk>,
    files: Mutex<u64>,
}

/// Leaves word, durably, that something may not be as the catalog says, or may have a name that is not durable.
pub(super) fn leave_word(disk: &dyn Disk) -> Result<()> {
    let word = Path::new(layout::LANDING);
    if !whole::exists(disk, word)? {
        drop(disk.create(word)?);
    }
    disk.sync_dir(Path::new(layout::TMP))
}

impl Unlanded {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Arc<Self> {
        let files = Mutex::new(0);
        Arc::new(Self { disk, files })
    }

    /// Makes a new file under `tmp/`, after leaving word that there may be one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io); nothing is left behind then.
    pub(super) fn create(self: &Arc<Self>, path: PathBuf) -> Result<(Box<dyn DiskFile>, PackFile)> {
        self.begin()?;
        let unlanded = Arc::clone(self);
        let fate = Fate::Remove;
        let file = PackFile {
            unlanded,
            path,
            fate,
        };
        Ok((self.disk.create(file.path())?, file))
    }

    fn begin(&self) -> Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if *files == 0 {
            leave_word(&*self.disk)?;
        }
        *files += 1;
        Ok(())
    }

    fn end(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        *files -= 1;
        if *files == 0 {
            // If the word stays, the next open only looks around for nothing.
            self.disk.remove(Path::new(layout::LANDING)).ok();
        }
    }
}

/// A file that may become a pack. It goes when this is dropped, unless it was kept or left.
#[derive(Debug)]
pub(super) struct PackFile {
    unlanded: Arc<Unlanded>,
    path: PathBuf,
    fate: Fate,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has no row, so it goes.
    Remove,
    /// It has a row.
    Keep,
    /// Only the next open knows whether it has a row.
    Leave,
}

impl PackFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Says that the file has another name now.
    pub(super) fn moved_to(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Keeps the file: it has a row, durably.
    pub(super) fn keep(mut self) {
        self.fate = Fate::Keep;
    }

    /// Leaves the file to the next open, which knows whether it has a row.
    pub(super) fn leave(mut self) {
        self.fate = Fate::Leave;
    }

    fn remove(&self) -> Result<()> {
        let disk = &self.unlanded.disk;
        match disk.remove(&self.path) {
            Err(error) if !error.is_file_not_found() => return Err(error),
            _ => {}
        }
        // A file that a crash brings back under tmp/ is no harm.
        match self.path.parent() {
            Some(folder) if folder != Path::new(layout::TMP) => disk.sync_dir(folder),
            _ => Ok(()),
        }
    }
}

impl Drop for PackFile {
    fn drop(&mut self) {
        let is_settled = match self.fate {
            Fate::Keep => true,
            Fate::Leave => false,
            Fate::Remove => self.remove().is_ok(),
        };
        // What is not settled is found by the next open, by the word that stays.
        if is_settled {
            self.unlanded.end();
        }
    }
}
