//! A fuse before a simulated disk: from a chosen operation on nothing gets through any more, or one operation fails.
//!
//! A store can stand on it for long, and power can be lost in the middle of any verb, without being opened anew before.
//!
//! # Invariants
//!
//! - What does not get through changes nothing. After power is lost every call fails, also those that only read.
//!
//! # Not here
//!
//! What a disk keeps of what got through (`simulated_disk`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bindery::base::{Error, Result};
use bindery::disk::files::{Disk, DiskFile, Listed, Mapping};

use crate::support::simulated_disk::{Kept, SimulatedDisk};

/// What happens to the operations that change something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Current {
    /// They get through.
    #[default]
    On,
    /// So many more get through, then none.
    Until(u64),
    /// So many more get through, and one does not.
    But(u64),
    /// None gets through.
    Off,
}

/// A disk behind a fuse. Clones share both.
#[derive(Clone, Debug)]
pub struct FusedDisk {
    disk: SimulatedDisk,
    current: Arc<Mutex<Current>>,
}

impl FusedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::with(SimulatedDisk::new())
    }

    fn with(disk: SimulatedDisk) -> Self {
        let current = Arc::default();
        Self { disk, current }
    }

    /// The disk after a crash, behind a new fuse.
    pub fn after_crash(&self, kept: Kept) -> Self {
        Self::with(self.disk.after_crash(kept))
    }

    /// Lets power go after so many more operations.
    pub fn lose_power(&self, operations: u64) {
        self.set(Current::Until(operations));
    }

    /// Lets one operation fail, after so many more.
    pub fn fail_once(&self, operations: u64) {
        self.set(Current::But(operations));
    }

    /// Lets everything through again; says whether something had not got through.
    pub fn mend(&self) -> bool {
        let mut current = self.lock();
        let is_struck = matches!(*current, Current::On | Current::Off);
        *current = Current::On;
        is_struck
    }

    fn set(&self, current: Current) {
        *self.lock() = current;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one operation through, if it may.
    fn pass(&self) -> io::Result<()> {
        let mut current = self.lock();
        match *current {
            Current::On => Ok(()),
            Current::Until(0) | Current::Off => {
                *current = Current::Off;
                Err(io::Error::other("the power is lost"))
            }
            Current::Until(more) => {
                *current = Current::Until(more - 1);
                Ok(())
            }
            Current::But(0) => {
                *current = Current::On;
                Err(io::Error::other("this once"))
            }
            Current::But(more) => {
                *current = Current::But(more - 1);
                Ok(())
            }
        }
    }

    /// Lets reading through, if there is power.
    fn look(&self) -> io::Result<()> {
        match *self.lock() {
            Current::Off => Err(io::Error::other("the power is lost")),
            Current::On | Current::Until(_) | Current::But(_) => Ok(()),
        }
    }

    fn pass_for(&self, action: &'static str, path: &Path) -> Result<()> {
        self.pass().map_err(Error::io(action, &self.place(path)))
    }

    fn look_for(&self, action: &'static str, path: &Path) -> Result<()> {
        self.look().map_err(Error::io(action, &self.place(path)))
    }

    fn fused(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let fuse = self.clone();
        Box::new(FusedFile { fuse, file })
    }
}

impl Disk for FusedDisk {
    fn place(&self, path: &Path) -> PathBuf {
        self.disk.place(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.pass_for("create", path)?;
        Ok(self.fused(self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.look_for("open", path)?;
        Ok(self.fused(self.disk.open(path)?))
    }

    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.look_for("open", path)?;
        Ok(self.fused(self.disk.open_read_only(path)?))
    }

    fn map(&self, path: &Path) -> Result<Mapping> {
        self.look_for("map", path)?;
        self.disk.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.pass_for("rename", from)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.pass_for("remove", path)?;
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.pass_for("make the folder", path)?;
        self.disk.create_dir(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        self.look_for("list", path)?;
        self.disk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.pass_for("sync", path)?;
        self.disk.sync_dir(path)
    }
}

#[derive(Debug)]
struct FusedFile {
    fuse: FusedDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for FusedFile {
    fn len(&self) -> io::Result<u64> {
        self.fuse.look()?;
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.fuse.pass()?;
        self.file.set_len(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fuse.look()?;
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.fuse.pass()?;
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.fuse.pass()?;
        self.file.sync()
    }
}
