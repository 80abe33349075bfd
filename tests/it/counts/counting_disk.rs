//! A disk that counts what it is asked to do, by place and kind of call, and passes it on to a simulated one.
//!
//! # Invariants
//!
//! - Every call counts, also one that fails. A rename counts where the file gets its new name.
//!
//! # Not here
//!
//! What the counts should be: the tables of tests beside this.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery::base::Result;
use bindery::disk::files::{Disk, DiskFile, Listed, Mapping};

use crate::support::simulated_disk::SimulatedDisk;

/// A part of the store's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `catalog.redb`.
    Catalog,
    /// `tmp/`: packs before they have their name, and the word that there are such.
    Unfinished,
    /// `packs/`.
    Packs,
    /// `repos/`: signed statements.
    Notes,
    /// `cache/`: stat caches.
    Cache,
    /// `keys/`.
    Keys,
    /// The folder itself, and `bindery.toml`.
    Root,
}

impl Place {
    pub fn of(path: &Path) -> Self {
        let first = path.iter().next().unwrap_or_default();
        match first.to_str() {
            Some("catalog.redb") => Self::Catalog,
            Some("tmp") => Self::Unfinished,
            Some("packs") => Self::Packs,
            Some("repos") => Self::Notes,
            Some("cache") => Self::Cache,
            Some("keys") => Self::Keys,
            _ => Self::Root,
        }
    }
}

/// A kind of call. The length of an open file is asked for free of charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Create,
    Open,
    Map,
    Rename,
    Remove,
    MakeFolder,
    List,
    Grow,
    Shrink,
    Read,
    Write,
    SyncFile,
    SyncFolder,
}

/// Calls by place and kind.
pub type Calls = BTreeMap<(Place, Act), u64>;

/// What was done since the last look.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Every call.
    pub calls: Calls,
    /// Bytes written, by place.
    pub bytes: BTreeMap<Place, u64>,
    /// The files that got their name by a rename.
    pub named: BTreeSet<PathBuf>,
}

/// A counting disk. Clones share disk and tally.
#[derive(Clone, Debug)]
pub struct CountingDisk {
    disk: SimulatedDisk,
    tally: Arc<Mutex<Tally>>,
}

impl CountingDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self {
            disk: SimulatedDisk::new(),
            tally: Arc::default(),
        }
    }

    /// Takes what was counted, and starts again from nothing.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut self.tally())
    }

    /// The bytes of a file, without counting the look.
    pub fn file_bytes(&self, path: &Path) -> Result<u64> {
        Ok(self.disk.map(path)?.len() as u64)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, path: &Path, act: Act) {
        *self
            .tally()
            .calls
            .entry((Place::of(path), act))
            .or_default() += 1;
    }

    fn watch(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CountingFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        })
    }
}

impl Disk for CountingDisk {
    fn place(&self, path: &Path) -> PathBuf {
        self.disk.place(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.count(path, Act::Create);
        Ok(self.watch(path, self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.count(path, Act::Open);
        Ok(self.watch(path, self.disk.open(path)?))
    }

    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.count(path, Act::Open);
        Ok(self.watch(path, self.disk.open_read_only(path)?))
    }

    fn map(&self, path: &Path) -> Result<Mapping> {
        self.count(path, Act::Map);
        self.disk.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.count(to, Act::Rename);
        self.tally().named.insert(to.to_owned());
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.count(path, Act::Remove);
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.count(path, Act::MakeFolder);
        self.disk.create_dir(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        self.count(path, Act::List);
        self.disk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.count(path, Act::SyncFolder);
        self.disk.sync_dir(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    disk: CountingDisk,
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let is_growing = bytes > self.file.len()?;
        let act = if is_growing { Act::Grow } else { Act::Shrink };
        self.disk.count(&self.path, act);
        self.file.set_len(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.count(&self.path, Act::Read);
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.count(&self.path, Act::Write);
        let place = Place::of(&self.path);
        *self.disk.tally().bytes.entry(place).or_default() += bytes.len() as u64;
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.count(&self.path, Act::SyncFile);
        self.file.sync()
    }
}
