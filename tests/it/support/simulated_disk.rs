//! A disk in memory that can lose power at any moment, and then shows what a real one might have kept; and that can fail.
//!
//! What is *live* is kept apart from what is *durable*: bytes are durable after a sync of their file, names after a sync of
//! their folder. Everything else is *in flight*. Making a folder is two operations, as on the real disk: the folder, and
//! the sync of the one above it.
//!
//! # Invariants
//!
//! - After the operation at which power is lost every call fails, also those that only read.
//! - Copies share what neither has changed since, so thousands of moments can be tried in a second.
//!
//! # Not here
//!
//! What an outage keeps (`outage`), which moments are tried and what must hold afterwards (`crash`).

mod contract;
mod faults;
mod file;
mod image;
mod outage;
mod pages;
mod state;
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery::base::{Error, Result};
use bindery::disk::files::{Disk, DiskFile, Listed, Mapping};

pub use self::faults::{Failure, Fault, Lasting};
use self::file::{Opened, SimulatedFile};
use self::image::{Change, FOLDER, FileNumber, Image};
pub use self::outage::Kept;
use self::outage::outage;
pub use self::state::Act;
use self::state::{State, Witness};

/// A folder in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

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
        Self::of(State::new(Image::empty(), 0))
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// A disk with what is on this one, from which power is lost after so many more operations; never, if `None`. What is
    /// in flight stays so: with power, it is the disk as the next process finds it after this one was killed.
    pub fn with_power(&self, operations: Option<u64>) -> Self {
        let state = self.state();
        Self::of(State {
            live: state.live.clone(),
            durable: state.durable.clone(),
            in_flight: state.in_flight.clone(),
            power: operations,
            ..State::new(Image::empty(), state.next_file)
        })
    }

    /// The disk after power was lost and came back.
    pub fn after_crash(&self, kept: Kept) -> Self {
        let state = self.state();
        let image = outage(&state.durable, &state.in_flight, kept);
        Self::of(State::new(image, state.next_file))
    }

    /// Lets operations fail: `fault.at` is counted from the next one, which is 1.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        let at = state.operations + fault.at;
        state.fault = Some(Fault { at, ..fault });
    }

    /// Lets calls that only look fail; otherwise as [`fail`](Self::fail).
    pub fn go_blind(&self, fault: Fault) {
        let mut state = self.state();
        let at = state.looks + fault.at;
        state.blindness = Some(Fault { at, ..fault });
    }

    /// Lets one operation fail: the first after so many more. Those after it go through again.
    pub fn fail_once(&self, operations: u64) {
        self.fail(Fault {
            at: operations + 1,
            failure: Failure::Medium,
            lasting: Lasting::Once,
        });
    }

    /// Takes every fault away.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.fault, state.blindness) = (None, None);
    }

    /// Lets nobody make files beneath `folder`, as on a full disk.
    pub fn refuse(&self, folder: &str) {
        self.state().refused = Some(folder.into());
    }

    /// Operations so far that change something.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Calls so far that only look.
    pub fn looks(&self) -> u64 {
        self.state().looks
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

    /// What every operation so far was.
    pub fn acts(&self) -> Vec<Act> {
        self.state().acts.clone()
    }

    /// Begins to keep what [`unlinked_packs`](Self::unlinked_packs) and [`written`](Self::written) tell.
    pub fn watch(&self) {
        self.state().witness = Some(Witness::default());
    }

    /// Every pack that was unlinked, and the disk as an outage right before would have left it.
    pub fn unlinked_packs(&self) -> Vec<(PathBuf, Self)> {
        let state = self.state();
        let unlinked = state.witness.iter().flat_map(|w| &w.unlinked);
        unlinked
            .map(|(path, durable)| {
                let image = outage(durable, &[], Kept::Synced);
                (path.clone(), Self::of(State::new(image, state.next_file)))
            })
            .collect()
    }

    /// Everything that was written to any file, also what did not last.
    pub fn written(&self) -> Vec<Arc<[u8]>> {
        let state = self.state();
        let written = state.witness.iter().flat_map(|w| &w.written);
        written.cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: FileNumber, opened: Opened) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile {
            disk: self.clone(),
            file,
            opened,
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
            state.step(Act::Change)?;
            let refused = state.refused.as_ref();
            if refused.is_some_and(|folder| path.starts_with(folder)) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.check_above(path)?;
            if state.live.names.contains_key(path) || state.live.folders.contains(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.next_file += 1;
            let file = state.next_file;
            let path = path.to_owned();
            state.change(Change::Name { path, file });
            Ok(file)
        })?;
        Ok(self.handle(file, Opened::ToWrite))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        let file = self.act("open", path, |state| {
            state.look()?;
            state.check_writable()?;
            state.file(path)
        })?;
        Ok(self.handle(file, Opened::ToWrite))
    }

    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        let file = self.act("open", path, |state| {
            state.look()?;
            match state.file(path) {
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(FOLDER),
                found => found,
            }
        })?;
        Ok(self.handle(file, Opened::ToRead))
    }

    fn map(&self, path: &Path) -> Result<Mapping> {
        self.act("open", path, |state| {
            state.look()?;
            let file = state.file(path)?;
            let bytes = state.live.files.get(&file).map(|pages| pages.to_vec());
            Ok(Mapping::owned(bytes.unwrap_or_default()))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.act("rename", from, |state| {
            state.step(Act::Change)?;
            state.check_above(from)?;
            state.check_above(to)?;
            let file = state.file(from)?;
            if state.live.folders.contains(to) {
                let is_within = from.starts_with(to);
                return Err(if is_within {
                    io::ErrorKind::DirectoryNotEmpty.into()
                } else {
                    io::ErrorKind::IsADirectory.into()
                });
            }
            if from == to {
                return Ok(());
            }
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
            state.step(Act::Remove)?;
            state.file(path)?;
            let durable = state.durable.clone();
            if let Some(witness) = state.witness.as_mut().filter(|_| path.starts_with("packs")) {
                witness.unlinked.push((path.to_owned(), durable));
            }
            let (path, after) = (path.to_owned(), None);
            state.change(Change::Unname { path, after });
            Ok(())
        })
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.act("make the folder", path, |state| state.make_folders(path))
    }

    fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        self.act("list", path, |state| {
            state.look()?;
            if !state.live.folders.contains(path) {
                state.check_above(path)?;
                let is_file = state.live.names.contains_key(path);
                return Err(if is_file {
                    io::ErrorKind::NotADirectory.into()
                } else {
                    io::ErrorKind::NotFound.into()
                });
            }
            let live = &state.live;
            let folders = live.folders.iter().map(|name| (name, true, 0));
            let files = live.names.iter();
            let files = files.map(|(name, file)| (name, false, live.len(*file) as u64));
            let listed = folders.chain(files).filter_map(|(name, is_dir, bytes)| {
                let name = (name.parent() == Some(path)).then(|| name.file_name())??;
                let name = name.to_string_lossy().into_owned();
                Some(Listed {
                    name,
                    is_dir,
                    bytes,
                })
            });
            Ok(listed.collect())
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.act("sync", path, |state| state.sync_folder(path))
    }
}
