//! The state of a simulated disk: what is live, what is durable, what is in flight between them, and what is to fail.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::faults::{Failure, Fault};
use super::image::{Change, FileNumber, Image};

#[derive(Clone, Debug)]
pub struct State {
    pub live: Image,
    pub durable: Image,
    pub in_flight: Vec<Change>,
    pub next_file: FileNumber,
    /// Operations so far that change something, or make it durable.
    pub operations: u64,
    /// Calls so far that only look.
    pub looks: u64,
    /// The number of operations after which power is lost.
    pub power: Option<u64>,
    /// Which operations fail.
    pub fault: Option<Fault>,
    /// Which looks fail.
    pub blindness: Option<Fault>,
    /// Files beneath this folder cannot be made.
    pub refused: Option<PathBuf>,
    /// Folders whose names this process could not make durable.
    pub doubted: BTreeSet<PathBuf>,
    /// What every operation so far was.
    pub acts: Vec<Act>,
    /// What is kept for tests to look at, if anything.
    pub witness: Option<Witness>,
}

/// What happened on a disk that cannot be seen in its files.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Packs that were unlinked, and what was durable before that.
    pub unlinked: Vec<(PathBuf, Image)>,
    /// Everything that was written to any file, also what did not last.
    pub written: Vec<Arc<[u8]>>,
}

/// What an operation does, as far as it matters to whether it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Change,
    Write,
    Remove,
    Sync,
}

impl State {
    /// A disk on which `image` is durable.
    pub fn new(image: Image, next_file: FileNumber) -> Self {
        Self {
            live: image.clone(),
            durable: image,
            in_flight: Vec::new(),
            next_file,
            operations: 0,
            looks: 0,
            power: None,
            fault: None,
            blindness: None,
            refused: None,
            doubted: BTreeSet::new(),
            acts: Vec::new(),
            witness: None,
        }
    }

    /// Counts an operation; fails if it is to fail, or power is lost.
    pub fn step(&mut self, act: Act) -> io::Result<()> {
        self.operations += 1;
        self.acts.push(act);
        self.check_power()?;
        match self.fault {
            Some(fault) if fault.strikes(self.operations) && fault.failure.concerns(act) => {
                Err(fault.failure.error())
            }
            _ => Ok(()),
        }
    }

    /// Counts a call that only looks.
    pub fn look(&mut self) -> io::Result<()> {
        self.looks += 1;
        self.check_power()?;
        match self.blindness {
            Some(fault) if fault.strikes(self.looks) => Err(fault.failure.error()),
            _ => Ok(()),
        }
    }

    /// Fails if power is lost.
    pub fn check_power(&self) -> io::Result<()> {
        match self.power {
            Some(power) if self.operations > power => Err(io::Error::other("the power is lost")),
            _ => Ok(()),
        }
    }

    /// Fails if the disk is read-only by now.
    pub fn check_writable(&self) -> io::Result<()> {
        match self.fault {
            Some(fault)
                if fault.failure == Failure::ReadOnly && fault.strikes(self.operations + 1) =>
            {
                Err(fault.failure.error())
            }
            _ => Ok(()),
        }
    }

    fn has_power(&self) -> bool {
        self.check_power().is_ok()
    }

    /// Whether the operation that just failed was to be done in part.
    pub fn is_short(&self) -> bool {
        self.has_power() && self.fault.is_some_and(|f| f.failure == Failure::Short)
    }

    /// Whether the sync that just failed lost what was in flight.
    pub fn has_lost_sync(&self) -> bool {
        self.has_power() && self.fault.is_some_and(|f| f.failure == Failure::LostSync)
    }

    /// Does something, which is in flight until it is settled.
    pub fn change(&mut self, change: Change) {
        if let (Some(witness), Change::Write { bytes, .. }) = (&mut self.witness, &change) {
            witness.written.push(Arc::clone(bytes));
        }
        self.live.apply(&change);
        self.in_flight.push(change);
    }

    /// Makes those changes durable that `is_meant` says.
    pub fn settle(&mut self, is_meant: impl Fn(&Change) -> bool) {
        let in_flight = std::mem::take(&mut self.in_flight);
        for change in in_flight {
            // A removal by a rename waits for the new name.
            if is_meant(&change) && !self.durable.lacks_new_name(&change) {
                self.durable.apply(&change);
            } else {
                self.in_flight.push(change);
            }
        }
    }

    /// Forgets what is in flight for the bytes of a file, without making it durable.
    pub fn lose(&mut self, file: FileNumber) {
        self.in_flight.retain(|change| change.file() != Some(file));
    }

    /// Refuses a path that lies in no folder.
    pub fn check_above(&self, path: &Path) -> io::Result<()> {
        let above = path.parent().unwrap_or(Path::new(""));
        if self.live.folders.contains(above) {
            return Ok(());
        }
        let is_below_a_file = above.ancestors().any(|p| self.live.names.contains_key(p));
        Err(if is_below_a_file {
            io::ErrorKind::NotADirectory.into()
        } else {
            io::ErrorKind::NotFound.into()
        })
    }

    /// The file of a name.
    pub fn file(&self, path: &Path) -> io::Result<FileNumber> {
        self.check_above(path)?;
        if self.live.folders.contains(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let file = self.live.names.get(path).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes the names in a folder durable.
    pub fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        self.step(Act::Sync)?;
        if !self.live.folders.contains(path) {
            self.check_above(path)?;
            return Err(io::ErrorKind::NotFound.into());
        }
        self.settle(|change| change.path().and_then(Path::parent) == Some(path));
        Ok(())
    }

    /// Makes a folder and those above it, as far as they are not there.
    pub fn make_folders(&mut self, path: &Path) -> io::Result<()> {
        self.check_power()?;
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.reverse();
        match folders.iter().find(|p| self.live.names.contains_key(**p)) {
            Some(file) if *file == path => return Err(io::ErrorKind::AlreadyExists.into()),
            Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
            None => {}
        }
        folders
            .into_iter()
            .try_for_each(|folder| self.make_folder(folder))
    }

    /// Makes one folder, and syncs the one above; a folder that is there already is trusted to be durable, unless this
    /// process saw that sync fail.
    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        let is_there = self.live.folders.contains(path);
        if is_there && !self.doubted.contains(path) {
            return Ok(());
        }
        let path = path.to_owned();
        if !is_there {
            self.step(Act::Change)?;
            self.change(Change::Folder { path: path.clone() });
            self.doubted.insert(path.clone());
        }
        self.sync_folder(path.parent().unwrap_or(Path::new("")))?;
        self.doubted.remove(&path);
        Ok(())
    }
}
