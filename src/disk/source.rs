//! Users' files, read once each and refused if they change meanwhile.
//!
//! # Invariants
//!
//! - Bytes are returned as a file's content only if the file was, before and after they were read, the one that the walk
//!   saw: same number, size and times. So a build never holds a mix of two states of a file, as far as the file system's
//!   clock can tell; a change within one tick of it, with the same size, cannot be seen.
//! - A symbolic link is never followed and nothing but a regular file is read; opening never waits for a pipe's writer.
//!
//! # Not here
//!
//! Finding the files (`disk::walk`), hashing and cutting their bytes (`object`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, open, openat, readlinkat, statat};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use super::stat::{FileKind, Stat};
use crate::base::error::check_limit;
use crate::base::limits::{LINK_BYTES_MAX, WHOLE_BLOB_BYTES_MAX};
use crate::base::{Error, Result};

/// What is said of a file that was not the same before and after.
pub const CHANGED: &str = "changed while it was read; stage again when nothing writes to it";
/// What is said of a file that was there a moment ago.
pub(super) const VANISHED: &str = "vanished while staging";

/// Looks at `path` itself, not at what a symbolic link points to.
///
/// # Errors
///
/// [`Error::Io`] if there is nothing, or it cannot be known.
pub fn stat(path: &Path) -> Result<Stat> {
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Stat::from(&stat)),
        Err(errno) => Err(Error::io("stage", path)(errno.into())),
    }
}

/// Reads the target of a symbolic link: any text of 1 to [`LINK_BYTES_MAX`] bytes, wherever it points and whatever its
/// characters. It is content, never followed.
///
/// # Errors
///
/// [`Error::Source`] if the target is not UTF-8 or the link is gone; [`Error::Io`] if it cannot be read.
pub fn read_link(path: &Path) -> Result<Box<str>> {
    match readlinkat(CWD, path, Vec::new()) {
        Ok(target) => check_target(target.into_bytes()).map_err(|reason| refused(path, reason)),
        Err(errno) => Err(Trouble::System(errno).at(path)),
    }
}

/// As [`read_link`] for a name in an open directory; the error is the reason.
pub(super) fn read_link_at(directory: BorrowedFd<'_>, name: impl Arg) -> Result<Box<str>, String> {
    let target = readlinkat(directory, name, Vec::new()).map_err(reason)?;
    check_target(target.into_bytes())
}

fn check_target(target: Vec<u8>) -> Result<Box<str>, String> {
    if target.is_empty() {
        return Err("the link points to nothing".to_owned());
    }
    if target.len() as u64 > LINK_BYTES_MAX {
        return Err(format!(
            "the link's target has {} bytes, the limit is {LINK_BYTES_MAX}",
            target.len()
        ));
    }
    match String::from_utf8(target) {
        Ok(target) => Ok(target.into()),
        Err(error) => Err(format!(
            "the link's target is not valid UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        )),
    }
}

/// A directory whose files are read one after the other: a file found by its name in it costs less than by its path.
#[derive(Debug)]
pub struct SourceFolder {
    directory: OwnedFd,
    path: PathBuf,
}

impl SourceFolder {
    /// Opens a directory that was seen.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] if it vanished or may not be read, [`Error::Io`] if it cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = retry_on_intr(|| open(path, flags, Mode::empty()));
        Ok(Self {
            directory: directory.map_err(|errno| Trouble::System(errno).at(path))?,
            path: path.to_owned(),
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file `name` that was seen as `expected`, at most [`WHOLE_BLOB_BYTES_MAX`] bytes. What `buffer` held is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] if it changed, vanished or may not be read, [`Error::Limit`] if it is too large for one buffer,
    /// [`Error::Io`] if reading fails. `buffer` then holds nothing of use.
    pub fn read_whole(&self, name: &OsStr, expected: &Stat, buffer: &mut Vec<u8>) -> Result<()> {
        let bytes = expected.size;
        check_limit("a file read whole, in bytes,", bytes, WHOLE_BLOB_BYTES_MAX)?;
        open_checked(self.directory.as_fd(), name, expected)
            .and_then(|file| {
                read_up_to(&file, bytes, buffer)?;
                check_unchanged(&file, expected, buffer.len() as u64)
            })
            .map_err(|trouble| trouble.at(&self.path.join(name)))
    }
}

/// Opens the file that was seen as `expected`, of any size, to read it in pieces.
///
/// # Errors
///
/// As [`SourceFolder::read_whole`].
pub fn open_stream(path: &Path, expected: &Stat) -> Result<SourceStream> {
    let file = open_checked(CWD, path, expected).map_err(|trouble| trouble.at(path))?;
    Ok(SourceStream {
        file,
        path: path.to_owned(),
        expected: *expected,
        bytes_read: 0,
    })
}

/// A file that is being read in pieces. It gives no more bytes than the file was seen to have.
#[must_use = "the bytes are a file's content only after `finish`"]
#[derive(Debug)]
pub struct SourceStream {
    file: File,
    path: PathBuf,
    expected: Stat,
    bytes_read: u64,
}

impl SourceStream {
    /// The length that the file was seen to have, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.expected.size
    }

    /// Confirms that all bytes were read and that the file did not change meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] if it changed: what was read must be thrown away.
    pub fn finish(self) -> Result<()> {
        check_unchanged(&self.file, &self.expected, self.bytes_read)
            .map_err(|trouble| trouble.at(&self.path))
    }
}

impl Read for SourceStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.expected.size - self.bytes_read;
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read(&mut buffer[..length])?;
        self.bytes_read += read as u64;
        Ok(read)
    }
}

/// Why a user's file that was seen a moment ago is not read.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It is not the one that was seen.
    Changed,
    /// What the system answers.
    System(Errno),
}

impl Trouble {
    /// The error for the file at `path`.
    fn at(self, path: &Path) -> Error {
        let reason = match self {
            Self::Changed => Some(CHANGED),
            Self::System(errno) => known_reason(errno),
        };
        match (reason, self) {
            (None, Self::System(errno)) => Error::io("read", path)(errno.into()),
            (reason, _) => refused(path, reason.unwrap_or(CHANGED)),
        }
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

fn open_checked(
    at: BorrowedFd<'_>,
    path: impl Arg + Copy,
    expected: &Stat,
) -> Result<File, Trouble> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(retry_on_intr(|| openat(at, path, flags, Mode::empty()))?);
    if expected.kind == FileKind::Regular && Stat::from(&fstat(&file)?) == *expected {
        Ok(file)
    } else {
        Err(Trouble::Changed)
    }
}

fn read_up_to(file: &File, bytes: u64, buffer: &mut Vec<u8>) -> Result<(), Errno> {
    let bytes = usize::try_from(bytes).map_err(|_| Errno::OVERFLOW)?;
    buffer.clear();
    buffer.reserve(bytes);
    while buffer.len() < bytes {
        // May read on into what else the buffer can hold: a file that grew is noticed by that, too.
        if retry_on_intr(|| rustix::io::read(file, spare_capacity(buffer)))? == 0 {
            break;
        }
    }
    Ok(())
}

fn check_unchanged(file: &File, expected: &Stat, bytes_read: u64) -> Result<(), Trouble> {
    if bytes_read == expected.size && Stat::from(&fstat(file)?) == *expected {
        Ok(())
    } else {
        Err(Trouble::Changed)
    }
}

fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::Source {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// Why a user's file or directory that was seen a moment ago cannot be read.
pub(super) fn reason(errno: Errno) -> String {
    known_reason(errno).map_or_else(|| format!("cannot read: {errno}"), str::to_owned)
}

fn known_reason(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Some(VANISHED),
        Errno::ACCESS | Errno::PERM => Some("cannot read: permission denied"),
        // A link or a socket took its place.
        Errno::LOOP | Errno::NXIO => Some(CHANGED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, SystemTime};

    use rustix::fs::mkfifoat;

    use super::*;

    type Change = fn(&Path) -> io::Result<()>;
    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn scratch(
        bytes: &[u8],
    ) -> Result<(tempfile::TempDir, PathBuf, Stat), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(&path, bytes)?;
        let seen = stat(&path)?;
        Ok((folder, path, seen))
    }

    #[track_caller]
    fn assert_source<T: std::fmt::Debug>(result: &Result<T>, expected: &str) {
        assert!(
            matches!(result, Err(Error::Source { reason, .. }) if reason.contains(expected)),
            "{result:?}"
        );
    }

    fn read_whole(path: &Path, expected: &Stat, buffer: &mut Vec<u8>) -> Result<()> {
        let (folder, name) = (path.parent(), path.file_name());
        let folder = SourceFolder::open(folder.unwrap_or(path))?;
        folder.read_whole(name.unwrap_or_default(), expected, buffer)
    }

    /// Sets a time that no clock gives during the test.
    fn touch(path: &Path) -> io::Result<()> {
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options()
            .write(true)
            .open(path)?
            .set_modified(long_ago)
    }

    #[test]
    fn a_file_is_read_as_it_was_seen() -> Outcome {
        let mut buffer = b"what another file left".to_vec();
        for bytes in [b"".as_slice(), b"a", &vec![7; 100_000]] {
            let (_folder, path, seen) = scratch(bytes)?;
            read_whole(&path, &seen, &mut buffer)?;
            assert_eq!(buffer, bytes);
            let mut streamed = Vec::new();
            let mut stream = open_stream(&path, &seen)?;
            assert_eq!(stream.size(), bytes.len() as u64);
            stream.read_to_end(&mut streamed)?;
            stream.finish()?;
            assert_eq!(streamed, bytes);
        }
        Ok(())
    }

    #[test]
    fn a_file_that_changed_before_it_was_opened_is_refused() -> Outcome {
        let changes: [(&str, Change); 6] = [
            ("cut", |path| fs::write(path, b"")),
            ("written in place", touch),
            ("another file of the same size", |path| {
                fs::write(path.with_extension("new"), b"BYTES")?;
                fs::rename(path.with_extension("new"), path)
            }),
            ("a link", |path| {
                fs::remove_file(path)?;
                symlink("/etc/passwd", path)
            }),
            ("a pipe without a writer", |path| {
                fs::remove_file(path)?;
                mkfifoat(CWD, path, Mode::RUSR).map_err(Into::into)
            }),
            ("a socket", |path| {
                fs::remove_file(path)?;
                UnixListener::bind(path).map(drop)
            }),
        ];
        for (reason, change) in changes {
            let (_folder, path, seen) = scratch(b"bytes")?;
            change(&path)?;
            let read = read_whole(&path, &seen, &mut Vec::new());
            assert!(
                matches!(&read, Err(Error::Source { reason, .. }) if reason == CHANGED),
                "{reason}: {read:?}"
            );
            assert_source(&open_stream(&path, &seen), CHANGED);
        }
        Ok(())
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() -> Outcome {
        let append: Change = |path| File::options().append(true).open(path)?.write_all(b"more");
        let cut: Change = |path| File::options().write(true).open(path)?.set_len(2);
        let changes: [Change; 3] = [append, cut, touch];
        for change in changes {
            let (_folder, path, seen) = scratch(b"bytes")?;
            let file = open_checked(CWD, &path, &seen).map_err(|trouble| trouble.at(&path))?;
            change(&path)?;
            let mut buffer = Vec::new();
            read_up_to(&file, seen.size, &mut buffer)?;
            let checked = check_unchanged(&file, &seen, buffer.len() as u64);
            assert!(matches!(checked, Err(Trouble::Changed)));

            let seen = stat(&path)?;
            let mut stream = open_stream(&path, &seen)?;
            append(&path)?;
            let mut streamed = Vec::new();
            stream.read_to_end(&mut streamed)?;
            assert_eq!(streamed.len() as u64, seen.size, "no more than was seen");
            assert_source(&stream.finish(), CHANGED);
        }
        Ok(())
    }

    #[test]
    fn a_stream_that_was_not_read_to_its_end_is_no_content() -> Outcome {
        let (_folder, path, seen) = scratch(b"bytes")?;
        let mut stream = open_stream(&path, &seen)?;
        stream.read_exact(&mut [0; 4])?;
        assert_source(&stream.finish(), CHANGED);
        Ok(())
    }

    #[test]
    fn a_file_too_large_for_a_buffer_is_not_read() -> Outcome {
        let (_folder, path, mut seen) = scratch(b"")?;
        seen.size = WHOLE_BLOB_BYTES_MAX + 1;
        let read = read_whole(&path, &seen, &mut Vec::new());
        assert!(matches!(read, Err(Error::Limit { .. })));
        Ok(())
    }

    #[test]
    fn what_was_there_a_moment_ago_fails_by_name() -> Outcome {
        let (folder, path, seen) = scratch(b"bytes")?;
        fs::remove_file(&path)?;
        assert_source(&read_whole(&path, &seen, &mut Vec::new()), VANISHED);
        assert_source(&read_link(&path), VANISHED);
        assert!(stat(&path).is_err_and(|error| error.is_file_not_found()));
        let seen = stat(folder.path())?;
        assert_source(&open_stream(folder.path(), &seen), CHANGED);
        // Root, as which tests may run, is refused nothing: so the answers of the system are given here.
        for (errno, expected) in [
            (
                Errno::ACCESS,
                "cannot stage x: cannot read: permission denied",
            ),
            (
                Errno::PERM,
                "cannot stage x: cannot read: permission denied",
            ),
            (Errno::NOENT, "cannot stage x: vanished while staging"),
            (Errno::IO, "cannot read x: Input/output error (os error 5)"),
        ] {
            assert_eq!(
                Trouble::System(errno).at(Path::new("x")).to_string(),
                expected
            );
        }
        Ok(())
    }

    #[test]
    fn a_link_is_its_target_and_nothing_else() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("link");
        for target in ["a", "../../etc", "/absolute", "with\ncontrol", "gr\u{fc}n"] {
            symlink(target, &path)?;
            assert_eq!(&*read_link(&path)?, target);
            assert_eq!(stat(&path)?.kind, FileKind::Link);
            fs::remove_file(&path)?;
        }
        for (target, reason) in [
            (
                b"a\xff".to_vec(),
                "the link's target is not valid UTF-8 at byte 1",
            ),
            (Vec::new(), "the link points to nothing"),
            (
                vec![b'x'; 4096],
                "the link's target has 4096 bytes, the limit is 4095",
            ),
        ] {
            assert_eq!(check_target(target), Err(reason.to_owned()));
        }
        assert!(check_target(vec![b'x'; 4095]).is_ok());
        Ok(())
    }
}
