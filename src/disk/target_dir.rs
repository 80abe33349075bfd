//! One open directory of a checkout: entries made, looked at and removed by name.
//!
//! # Invariants
//!
//! - Every call names one entry of an open directory and follows no symbolic link. Whatever a tree holds and whoever
//!   changes the directory meanwhile, nothing outside it is touched.
//! - A file is made, never opened to be changed: its name must be free.
//! - Files are 0644 or 0755 and directories 0755, whatever the umask.
//!
//! # Not here
//!
//! The directory at the top, and which may be one (`disk::checkout`). Nothing is synced: a checkout that a crash cut
//! short is written again from the store.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Mode, OFlags, fchmod, mkdirat, openat, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::beneath;
use super::entries;
use super::stat::{FileKind, Stat};
use crate::base::error::check_limit;
use crate::base::limits::PATH_DEPTH_MAX;
use crate::base::name::EntryName;
use crate::base::{Error, Result};

/// Permissions of a file until it has its own.
const UNFINISHED_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Permissions of a directory.
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);

/// Whether a file can be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// 0644.
    Plain,
    /// 0755.
    Executable,
}

impl FileMode {
    /// The permission bits.
    #[must_use]
    pub const fn permissions(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }

    const fn bits(self) -> Mode {
        Mode::from_raw_mode(self.permissions())
    }
}

/// One open directory of a checkout. Clones share the handle, and threads may use it at once.
#[derive(Clone, Debug)]
pub struct TargetDir {
    directory: Arc<OwnedFd>,
    place: PathBuf,
}

/// One name in a directory of a checkout: ours, or what a user put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEntry {
    /// The name, whatever its bytes.
    pub name: OsString,
    /// What lies under it.
    pub kind: FileKind,
}

impl TargetDir {
    /// Wraps an open directory whose path is `place`.
    pub(super) fn new(directory: OwnedFd, place: PathBuf) -> Self {
        Self {
            directory: Arc::new(directory),
            place,
        }
    }

    /// The open directory.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Where it was when it was opened, for messages.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Makes a directory and opens it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the name is taken or it cannot be made; as [`open_dir`](Self::open_dir) if something takes its
    /// place at once.
    pub fn make_dir(&self, name: &EntryName) -> Result<Self> {
        let action = "make the directory";
        mkdirat(self.fd(), name.as_str(), DIR_MODE)
            .map_err(|errno| self.failed(action, name, errno))?;
        let made = self.open_dir(name)?;
        fchmod(made.fd(), DIR_MODE).map_err(|errno| self.failed(action, name, errno))?;
        Ok(made)
    }

    /// Opens a directory in this one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is a link or file, [`Error::Io`] if it is not there.
    pub fn open_dir(&self, name: &EntryName) -> Result<Self> {
        self.open(Path::new(name.as_str()))
    }

    /// Opens the directory at the relative `path` in this one.
    ///
    /// # Errors
    ///
    /// As [`open_dir`](Self::open_dir).
    pub(super) fn open(&self, path: &Path) -> Result<Self> {
        let place = self.place.join(path);
        match beneath::open_dir(self.fd(), path) {
            Ok(directory) => Ok(Self::new(directory, place)),
            Err(errno) => Err(open_failed(&place, errno)),
        }
    }

    /// Makes a file with these bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the name is taken, or the bytes cannot be written: then a part of the file may be there.
    pub fn write_file(&self, name: &EntryName, mode: FileMode, bytes: &[u8]) -> Result<()> {
        self.create_file(name, mode)?
            .write_all(bytes)
            .map_err(|error| self.failed("write", name, error))
    }

    /// Makes an empty file, to be written in pieces.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the name is taken or it cannot be made.
    pub fn create_file(&self, name: &EntryName, mode: FileMode) -> Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(self.fd(), name.as_str(), flags, UNFINISHED_MODE)
            .and_then(|file| fchmod(&file, mode.bits()).map(|()| File::from(file)))
            .map_err(|errno| self.failed("create", name, errno))
    }

    /// Makes a symbolic link to `target`, which may be any text: it is written, not followed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the name is taken or it cannot be made.
    pub fn make_link(&self, name: &EntryName, target: &str) -> Result<()> {
        symlinkat(target, self.fd(), name.as_str())
            .map_err(|errno| self.failed("make the link", name, errno))
    }

    /// Reads the target of a symbolic link, whatever its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it is not there, or is no link.
    pub fn read_link(&self, name: &EntryName) -> Result<Vec<u8>> {
        readlinkat(self.fd(), name.as_str(), Vec::new())
            .map(CString::into_bytes)
            .map_err(|errno| self.failed("read the link", name, errno))
    }

    /// Removes a file, or a link and not what it points to.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it is not there, or is a directory.
    pub fn remove_file(&self, name: &EntryName) -> Result<()> {
        unlinkat(self.fd(), name.as_str(), AtFlags::empty())
            .map_err(|errno| self.failed("remove", name, errno))
    }

    /// Removes a directory that has nothing in it; one that has something stays.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it is not there, is no directory, or cannot be removed.
    pub fn remove_empty_dir(&self, name: &EntryName) -> Result<()> {
        match unlinkat(self.fd(), name.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(errno) => Err(self.failed("remove", name, errno)),
        }
    }

    /// Removes a directory and all that is in it, links and not what they point to.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is a link or file, [`Error::Limit`] if it is deeper than a tree can be, [`Error::Io`] if
    /// something in it cannot be removed. What was removed before stays removed.
    pub fn remove_dir_all(&self, name: &EntryName) -> Result<()> {
        self.open_dir(name)?.clear(1)?;
        unlinkat(self.fd(), name.as_str(), AtFlags::REMOVEDIR)
            .map_err(|errno| self.failed("remove", name, errno))
    }

    /// Removes all that is in this directory, which is `depth` names below where the removal began.
    fn clear(&self, depth: usize) -> Result<()> {
        check_limit(
            "a path to remove, in names,",
            depth as u64,
            PATH_DEPTH_MAX as u64,
        )?;
        let listed = entries::read(self.fd())
            .map_err(|errno| Error::io("list", &self.place)(errno.into()))?;
        for entry in listed {
            let mut flags = AtFlags::empty();
            if entry.kind == FileKind::Directory {
                self.open(Path::new(entry.file_name()))?.clear(depth + 1)?;
                flags = AtFlags::REMOVEDIR;
            }
            unlinkat(self.fd(), entry.name.as_c_str(), flags).map_err(|errno| {
                Error::io("remove", &self.place.join(entry.file_name()))(errno.into())
            })?;
        }
        Ok(())
    }

    /// Looks at an entry itself, not at what a link points to; `None` if the name is free.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be known.
    pub fn stat(&self, name: &EntryName) -> Result<Option<Stat>> {
        match statat(self.fd(), name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stat::from(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", name, errno)),
        }
    }

    /// Lists what is in the directory, in no order.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read.
    pub fn list(&self) -> Result<Vec<TargetEntry>> {
        // A descriptor lists once: each call takes one of its own.
        let again = beneath::open_dir(self.fd(), Path::new(""));
        let listed = again.and_then(|again| entries::read(again.as_fd()));
        let listed = listed.map_err(|errno| Error::io("list", &self.place)(errno.into()))?;
        let entry = |entry: &entries::RawEntry| TargetEntry {
            name: entry.file_name().to_owned(),
            kind: entry.kind,
        };
        Ok(listed.iter().map(entry).collect())
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        name: &EntryName,
        source: impl Into<io::Error>,
    ) -> Error {
        Error::io(action, &self.place.join(name.as_str()))(source.into())
    }
}

fn open_failed(place: &Path, errno: Errno) -> Error {
    match errno {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Error::refused(format!(
            "cannot open {}: something else is in the place of a directory",
            place.display()
        )),
        _ => Error::io("open", place)(errno.into()),
    }
}

#[cfg(test)]
mod tests;
