//! The marker of a checkout: the file `.bindery` at the top of a directory that Bindery wrote.
//!
//! # Invariants
//!
//! - Its name is one that no entry of a tree can have, and so is the name under which its next bytes are written. So no
//!   tree can forge a marker, and a marker is never staged.
//! - It has, at every moment, all of its old bytes or all of its new ones.
//!
//! # Not here
//!
//! What its bytes say (the verb that checks out), and what may be done to a directory that has one (`disk::checkout`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::base::error::check_limit;
use crate::base::name::RESERVED_NAME;
use crate::base::{Error, Result};

/// The name under which the next bytes are written: reserved like the marker's own.
const NEXT_NAME: &str = ".bindery:next";

/// Whether a name at the top of a directory is that of a marker, finished or not.
#[must_use]
pub(super) fn is_marker(name: &[u8]) -> bool {
    name == RESERVED_NAME.as_bytes() || name == NEXT_NAME.as_bytes()
}

/// Reads the marker in the open directory `directory`, whose path is `place`; `None` if there is none.
///
/// # Errors
///
/// [`Error::Limit`] if it has more than `bytes_max` bytes, [`Error::Refused`] if it is no regular file, [`Error::Io`] if
/// it cannot be read.
pub(super) fn read(
    directory: BorrowedFd<'_>,
    place: &Path,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>> {
    let place = place.join(RESERVED_NAME);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory, RESERVED_NAME, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NXIO) => return Err(no_marker(&place)),
        Err(errno) => return Err(Error::io("read", &place)(errno.into())),
    };
    let metadata = file.metadata().map_err(Error::io("read", &place))?;
    if !metadata.is_file() {
        return Err(no_marker(&place));
    }
    check_limit(
        "the marker of a checkout, in bytes,",
        metadata.len(),
        bytes_max,
    )?;
    let mut bytes = Vec::new();
    file.take(metadata.len())
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", &place))?;
    Ok(Some(bytes))
}

/// Writes the marker in the open directory `directory`, whose path is `place`, replacing one that is there.
///
/// # Errors
///
/// [`Error::Io`]: the marker is what it was.
pub(super) fn write(directory: BorrowedFd<'_>, place: &Path, bytes: &[u8]) -> Result<()> {
    write_next(directory, bytes)
        .and_then(|()| Ok(renameat(directory, NEXT_NAME, directory, RESERVED_NAME)?))
        .map_err(Error::io("write", &place.join(RESERVED_NAME)))
}

fn write_next(directory: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    match unlinkat(directory, NEXT_NAME, AtFlags::empty()) {
        // What a crash left, if anything.
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(
        directory,
        NEXT_NAME,
        flags,
        Mode::from_raw_mode(0o644),
    )?);
    file.write_all(bytes)?;
    file.sync_data()
}

fn no_marker(place: &Path) -> Error {
    Error::refused(format!(
        "{} is not the marker of a checkout: it is no regular file",
        place.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base::name::EntryName;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn no_tree_has_an_entry_named_like_a_marker() {
        for name in [RESERVED_NAME, NEXT_NAME] {
            assert!(is_marker(name.as_bytes()));
            assert!(name.parse::<EntryName>().is_err());
        }
        assert!(!is_marker(b".bindery.next"));
    }

    #[test]
    fn the_last_bytes_written_are_read() -> Outcome {
        let folder = tempfile::tempdir()?;
        let directory = File::open(folder.path())?;
        let read = || read(directory.as_fd(), folder.path(), 10);
        assert_eq!(read()?, None);
        fs::write(
            folder.path().join(NEXT_NAME),
            b"left by a crash, and longer",
        )?;
        for bytes in [b"first one".as_slice(), b"second", b""] {
            write(directory.as_fd(), folder.path(), bytes)?;
            assert_eq!(read()?.as_deref(), Some(bytes));
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        write(directory.as_fd(), folder.path(), b"eleven bytes")?;
        assert!(matches!(read(), Err(Error::Limit { max: 10, .. })));
        Ok(())
    }

    #[test]
    fn only_a_regular_file_is_a_marker() -> Outcome {
        let folder = tempfile::tempdir()?;
        let outside = tempfile::NamedTempFile::new()?;
        let directory = File::open(folder.path())?;
        let marker = folder.path().join(RESERVED_NAME);
        let read = || read(directory.as_fd(), folder.path(), 10);
        symlink(outside.path(), &marker)?;
        assert!(matches!(read(), Err(Error::Refused { .. })));
        write(directory.as_fd(), folder.path(), b"mine")?;
        assert_eq!(read()?.as_deref(), Some(b"mine".as_slice()));
        assert_eq!(
            fs::read(outside.path())?,
            b"",
            "the link was replaced, not followed"
        );
        fs::remove_file(&marker)?;
        fs::create_dir(&marker)?;
        assert!(matches!(read(), Err(Error::Refused { .. })));
        assert!(write(directory.as_fd(), folder.path(), b"x").is_err());
        Ok(())
    }
}
