//! Files of a store: the [`Disk`] trait, through which all durable state is read and written.
//!
//! The trait exists because there are two disks: the real one, and simulated ones that fail or lose power at a chosen
//! moment. It offers no more than both can do, and says what is durable when.
//!
//! # Invariants
//!
//! - Paths are relative to the store's folder and were made by `store::layout`, never by users.
//! - Written bytes are durable after [`DiskFile::sync`]; a new, renamed or removed name of a file after
//!   [`Disk::sync_dir`] on its folder; a new folder when [`Disk::create_dir`] returns.
//!
//! # Not here
//!
//! Users' own files and folders (`disk::walk`, `disk::source`, `disk::checkout`).

use std::fmt::Debug;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::Result;

/// The folder of a store.
pub trait Disk: Debug + Send + Sync + 'static {
    /// The full path of `path`, for messages.
    fn place(&self, path: &Path) -> PathBuf;

    /// Makes a new, empty file; fails if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io), as for every method of this trait.
    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>>;

    /// Makes a new, empty file that only its owner can read, for secrets; fails if there is one. A simulated disk has no
    /// permissions and takes any file for private.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn create_private(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.create(path)
    }

    /// Opens a file to read and write.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>>;

    /// Opens a file to read.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>>;

    /// Shows the bytes of an immutable file; they stay readable after the file is removed.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn map(&self, path: &Path) -> Result<Mapping>;

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn remove(&self, path: &Path) -> Result<()>;

    /// Removes names of large files, as far as they are there. A disk may do so for several at once: giving back the bytes of
    /// one can take it long.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), for one of those that could not be removed; others may be gone.
    fn remove_each(&self, paths: &[PathBuf]) -> Result<()> {
        paths
            .iter()
            .try_for_each(|path| remove_if_there(self, path))
    }

    /// Makes a folder and those above it, as far as they are not there. The names of new ones are durable. One that is
    /// there already may have been made by a process that was killed before its name was durable: who finds signs of
    /// that syncs the folder above.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Makes a folder that only its owner can enter, and usual ones above it, as far as they are not there. A simulated
    /// disk has no permissions and takes any folder for private.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn create_private_dir(&self, path: &Path) -> Result<()> {
        self.create_dir(path)
    }

    /// Lists a folder, in no order. Names that are not UTF-8 are left out: no file of a store has one.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn list(&self, path: &Path) -> Result<Vec<Listed>>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn sync_dir(&self, path: &Path) -> Result<()>;
}

/// An open file of a store.
pub trait DiskFile: Debug + Send + Sync {
    /// Its length, in bytes.
    ///
    /// # Errors
    ///
    /// What the system answers, as for every method of this trait.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts it, or lengthens it with zeros.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset`; fails if the file ends before.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn sync(&self) -> io::Result<()>;
}

/// A file that is written from one byte on to the next.
#[derive(Debug)]
pub struct Sequential {
    file: Box<dyn DiskFile>,
    offset: u64,
}

impl Sequential {
    /// Starts at the beginning of `file`.
    #[must_use]
    pub fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, offset: 0 }
    }

    /// Goes on at a byte of `file`.
    #[must_use]
    pub fn at(file: Box<dyn DiskFile>, offset: u64) -> Self {
        Self { file, offset }
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    ///
    /// What the system answers.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Write for Sequential {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Nothing is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes a name, if it is there.
pub(super) fn remove_if_there<D: Disk + ?Sized>(disk: &D, path: &Path) -> Result<()> {
    match disk.remove(path) {
        Err(error) if error.is_file_not_found() => Ok(()),
        removed => removed,
    }
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// The file's length, in bytes.
    pub bytes: u64,
}

/// The bytes of an immutable file. Clones share them.
#[derive(Clone, Debug)]
pub struct Mapping(Arc<Bytes>);

#[derive(Debug)]
enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl Mapping {
    /// Wraps a map of a file that nobody writes to.
    #[must_use]
    pub fn mapped(map: memmap2::Mmap) -> Self {
        Self(Arc::new(Bytes::Mapped(map)))
    }

    /// Wraps bytes in memory, as simulated disks have them.
    #[must_use]
    pub fn owned(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Bytes::Owned(bytes)))
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
