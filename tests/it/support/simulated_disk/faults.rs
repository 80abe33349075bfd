//! Faults: which calls of a simulated disk fail, and how.

use std::io;

use super::state::Act;

/// `EIO`, which has no kind of its own.
const EIO: i32 = 5;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`; nothing was done.
    Medium,
    /// `ENOSPC`; nothing was done. Removing makes room, so it does not fail.
    Full,
    /// `ENOSPC`; of a write, the first half was done.
    Short,
    /// `EROFS`, also when a file is opened to be written; nothing was done.
    ReadOnly,
    /// `EIO` by a sync; what was in flight for the file is taken for written and never will be, as Linux does it.
    LostSync,
}

/// Whether a disk goes on failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// One call fails, and those after it go through.
    Once,
    /// All calls fail from then on.
    Always,
}

/// A fault that is to come.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The number of the first call that fails, counted as the disk counts them.
    pub at: u64,
    pub failure: Failure,
    pub lasting: Lasting,
}

impl Fault {
    /// Whether it strikes the call of this number.
    pub fn strikes(&self, number: u64) -> bool {
        match self.lasting {
            Lasting::Once => number == self.at,
            Lasting::Always => number >= self.at,
        }
    }
}

impl Failure {
    /// Whether an operation of this kind fails so.
    pub fn concerns(self, act: Act) -> bool {
        match self {
            Self::Medium | Self::ReadOnly => true,
            Self::Full => act != Act::Remove,
            Self::Short => act == Act::Write,
            Self::LostSync => act == Act::Sync,
        }
    }

    /// What the system answers.
    pub fn error(self) -> io::Error {
        match self {
            Self::Medium | Self::LostSync => io::Error::from_raw_os_error(EIO),
            Self::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
            Self::Full | Self::Short => io::ErrorKind::StorageFull.into(),
        }
    }
}
