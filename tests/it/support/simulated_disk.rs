//! A disk in memory that can lose power at any moment, and then shows what a real one might have kept.
//!
//! What is *live* is kept apart from what is *durable*: bytes are durable after a sync of their file, names after a sync of
//! their folder, new folders at once. Everything else is in a list of what is in flight, of which a crash keeps all, nothing,
//! some, or all but half of the last write.
//!
//! # Invariants
//!
//! - After the operation at which power is lost every call fails, also those that only read.
//! - A rename is never kept half: the old name goes only if the new one is there.
//!
//! # Not here
//!
//! Which moments are tried, and what must hold afterwards (`crash`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery::base::{Error, Result};
use bindery::disk::files::{Disk, DiskFile, Listed, Mapping};

/// What of the things in flight a crash keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: only what was synced.
    Synced,
    /// Everything, as when a process is killed.
    All,
    /// Everything, but of the last write only the first half.
    Torn,
    /// About every other thing, chosen by this number.
    Some(u64),
}

/// A folder in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    live: Image,
    durable: Image,
    in_flight: Vec<Change>,
    next_file: u64,
    operations: u64,
    /// The number of operations after which power is lost.
    power: Option<u64>,
    /// The number of the one operation that fails.
    failing: Option<u64>,
    /// Files beneath this folder cannot be made.
    refused: Option<PathBuf>,
}

/// Names and bytes.
#[derive(Clone, Debug, Default)]
struct Image {
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, Vec<u8>>,
}

/// Something that was done and may not be durable yet.
#[derive(Clone, Debug)]
enum Change {
    Name {
        path: PathBuf,
        file: u64,
    },
    /// `after` is the new name, if the file was renamed.
    Unname {
        path: PathBuf,
        after: Option<(PathBuf, u64)>,
    },
    Write {
        file: u64,
        offset: usize,
        bytes: Vec<u8>,
    },
    Length {
        file: u64,
        bytes: usize,
    },
}

impl Image {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Name { path, file } => {
                self.names.insert(path.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Change::Unname { path, after } => {
                let is_whole = after
                    .as_ref()
                    .is_none_or(|(path, file)| self.names.get(path) == Some(file));
                if is_whole {
                    self.names.remove(path);
                }
            }
            Change::Write {
                file,
                offset,
                bytes,
            } => {
                let contents = self.files.entry(*file).or_default();
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
            Change::Length { file, bytes } => {
                self.files.entry(*file).or_default().resize(*bytes, 0);
            }
        }
    }
}

impl State {
    /// Counts an operation that changes something; fails if power is lost.
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.failing == Some(self.operations) {
            return Err(io::Error::other("this once"));
        }
        self.check_power()
    }

    fn check_power(&self) -> io::Result<()> {
        match self.power {
            Some(power) if self.operations > power => Err(io::Error::other("the power is lost")),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.in_flight.push(change);
    }

    /// Makes those changes durable that `is_meant` says.
    fn settle(&mut self, is_meant: impl Fn(&Change) -> bool) {
        let (settled, others) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .partition(is_meant);
        self.in_flight = others;
        let settled: Vec<Change> = settled;
        for change in &settled {
            self.durable.apply(change);
        }
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        self.check_power()?;
        let file = self.live.names.get(path).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What a crash leaves.
    fn image(&self, kept: Kept) -> Image {
        let mut image = self.durable.clone();
        let last_write = self
            .in_flight
            .iter()
            .rposition(|change| matches!(change, Change::Write { .. }));
        let mut random = match kept {
            Kept::Some(seed) => seed,
            _ => 0,
        };
        for (at, change) in self.in_flight.iter().enumerate() {
            match (kept, change) {
                (Kept::Synced, _) => {}
                (
                    Kept::Torn,
                    Change::Write {
                        file,
                        offset,
                        bytes,
                    },
                ) if Some(at) == last_write => image.apply(&Change::Write {
                    file: *file,
                    offset: *offset,
                    bytes: bytes[..bytes.len() / 2].to_vec(),
                }),
                (Kept::All | Kept::Torn, change) => image.apply(change),
                (Kept::Some(_), change) => {
                    if next_random(&mut random).is_multiple_of(2) {
                        image.apply(change);
                    }
                }
            }
        }
        image
    }
}

/// The next number of a sequence that looks random (`SplitMix64`).
pub fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl SimulatedDisk {
    /// A disk with nothing on it.
    pub fn new() -> Self {
        let mut state = State::default();
        for image in [&mut state.live, &mut state.durable] {
            image.folders.insert(PathBuf::new());
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// A disk with what is on this one, from which power is lost after so many more operations; never, if `None`.
    pub fn with_power(&self, operations: Option<u64>) -> Self {
        let mut state = self.state().clone();
        state.operations = 0;
        state.power = operations;
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk after power was lost and came back.
    pub fn after_crash(&self, kept: Kept) -> Self {
        let state = self.state();
        let image = state.image(kept);
        Self(Arc::new(Mutex::new(State {
            live: image.clone(),
            durable: image,
            next_file: state.next_file,
            ..State::default()
        })))
    }

    /// Lets one operation fail: the first after so many more. Those after it go through again.
    pub fn fail_once(&self, operations: u64) {
        let mut state = self.state();
        state.failing = Some(state.operations + operations + 1);
    }

    /// Lets nobody make files beneath `folder`, as on a full disk.
    pub fn refuse(&self, folder: &str) {
        self.state().refused = Some(folder.into());
    }

    /// Operations so far that change something.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The names of all files beneath `folder`.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let state = self.state();
        let names = state.live.names.keys();
        names
            .filter(|path| path.starts_with(folder))
            .cloned()
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: u64) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile {
            disk: self.clone(),
            file,
        })
    }

    fn act<T>(
        &self,
        action: &'static str,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        act(&mut self.state()).map_err(|source| Error::Io {
            action,
            path: self.place(path),
            source,
        })
    }
}

impl Disk for SimulatedDisk {
    fn place(&self, path: &Path) -> PathBuf {
        Path::new("simulated").join(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        let file = self.act("create", path, |state| {
            state.step()?;
            let refused = state.refused.as_ref();
            if refused.is_some_and(|folder| path.starts_with(folder)) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if state.live.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            if !state.live.folders.contains(folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.next_file += 1;
            let file = state.next_file;
            let path = path.to_owned();
            state.change(Change::Name { path, file });
            Ok(file)
        })?;
        Ok(self.handle(file))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.open_read_only(path)
    }

    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        let file = self.act("open", path, |state| state.file(path))?;
        Ok(self.handle(file))
    }

    fn map(&self, path: &Path) -> Result<Mapping> {
        self.act("map", path, |state| {
            let file = state.file(path)?;
            let bytes = state.live.files.get(&file).cloned();
            Ok(Mapping::owned(bytes.unwrap_or_default()))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.act("rename", from, |state| {
            state.step()?;
            let file = state.file(from)?;
            let (path, to) = (from.to_owned(), to.to_owned());
            state.change(Change::Name {
                path: to.clone(),
                file,
            });
            let after = Some((to, file));
            state.change(Change::Unname { path, after });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.act("remove", path, |state| {
            state.step()?;
            state.file(path)?;
            let (path, after) = (path.to_owned(), None);
            state.change(Change::Unname { path, after });
            Ok(())
        })
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.act("make the folder", path, |state| {
            state.step()?;
            for folder in path.ancestors() {
                state.live.folders.insert(folder.to_owned());
                state.durable.folders.insert(folder.to_owned());
            }
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        self.act("list", path, |state| {
            state.check_power()?;
            if !state.live.folders.contains(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let in_folder = |name: &&PathBuf| name.parent() == Some(path);
            let listed = |name: &PathBuf, is_dir, bytes| Listed {
                name: name
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                is_dir,
                bytes,
            };
            let folders = state.live.folders.iter().filter(in_folder);
            let mut names: Vec<Listed> = folders.map(|name| listed(name, true, 0)).collect();
            let files = state.live.names.iter();
            for (name, file) in files.filter(|(name, _)| in_folder(name)) {
                let bytes = state.live.files.get(file).map_or(0, Vec::len);
                names.push(listed(name, false, bytes as u64));
            }
            Ok(names)
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.act("sync", path, |state| {
            state.step()?;
            if !state.live.folders.contains(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let lies_here = |other: &Path| other.parent() == Some(path);
            state.settle(|change| match change {
                Change::Name { path, .. } | Change::Unname { path, .. } => lies_here(path),
                Change::Write { .. } | Change::Length { .. } => false,
            });
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: u64,
}

impl SimulatedFile {
    fn place(number: u64) -> io::Result<usize> {
        usize::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge.into())
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.check_power()?;
        Ok(state.live.files.get(&self.file).map_or(0, Vec::len) as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let (file, bytes) = (self.file, Self::place(bytes)?);
        state.change(Change::Length { file, bytes });
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        state.check_power()?;
        let start = Self::place(offset)?;
        let bytes = state.live.files.get(&self.file);
        let bytes = bytes.and_then(|bytes| bytes.get(start..start + buffer.len()));
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        state.change(Change::Write {
            file: self.file,
            offset: Self::place(offset)?,
            bytes: bytes.to_vec(),
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let this = self.file;
        state.settle(|change| match change {
            Change::Write { file, .. } | Change::Length { file, .. } => *file == this,
            Change::Name { .. } | Change::Unname { .. } => false,
        });
        Ok(())
    }
}

mod tests;
