//! A file that a user named to be written: new, replaced, or something that is no file.
//!
//! # Invariants
//!
//! - A regular file has, at every moment, either all of its old bytes or all of its new ones; it keeps its permissions, and
//!   links to it go on leading to it. What is no regular file, such as a pipe or a device, is written to and stays.
//! - No other file of the user is touched. Until it is whole, the new file has no name where the file system can do that;
//!   elsewhere it has one that nobody had, which begins with a dot.
//! - Errors name the path that was typed.
//!
//! # Not here
//!
//! Files of a store (`disk::whole`), standard output (the command line), reading what a user named (`disk::named`).

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

use crate::base::{Error, Result};

/// Permissions of a new file, before the umask.
const FILE_MODE: u32 = 0o666;
/// The permissions that a file keeps when it is replaced.
const KEPT_MODE: u32 = 0o777;
/// Links that are followed from one name to the next, as the system does.
const LINKS_MAX: usize = 40;
/// Starts the name that a file has until it is whole.
const NEXT_PREFIX: &str = ".bindery-next-";
/// Names that are tried before giving up: each is taken only by what somebody left.
const NAMES_TRIED_MAX: u32 = 1000;

/// Writes what `write` writes to the file at `path`; returns its answer and how many bytes there were. Nothing is synced.
///
/// # Errors
///
/// [`Error::Usage`] if `path` is a folder or a terminal; [`Error::Io`] with `path` if it cannot be written; those of
/// `write`. A regular file is what it was then, or not there.
pub fn write_named<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<(T, u64)> {
    let (file, landing) = open(path)?;
    let mut tally = Tally::new(&file);
    let outcome = write(&mut tally);
    let (outcome, bytes) = tally.finish(path, outcome)?;
    if let Some(landing) = landing {
        landing.land(&file).map_err(Error::io("write", path))?;
    }
    Ok((outcome, bytes))
}

/// Counts what is written, and remembers what failed: whoever writes may not know where to.
#[derive(Debug)]
pub struct Tally<W> {
    out: W,
    bytes: u64,
    failure: Option<io::Error>,
}

impl<W: Write> Tally<W> {
    /// Starts with nothing written.
    pub const fn new(out: W) -> Self {
        Self {
            out,
            bytes: 0,
            failure: None,
        }
    }

    /// Ends the writing, of which came `outcome`; gives the bytes that were written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `path` if a write failed, whatever became of that in `outcome`; else that of `outcome`.
    pub fn finish<T>(mut self, path: &Path, outcome: Result<T>) -> Result<(T, u64)> {
        let flushed = self.flush();
        if let Some(failure) = self.failure.or(flushed.err()) {
            return Err(Error::io("write", path)(failure));
        }
        outcome.map(|outcome| (outcome, self.bytes))
    }

    fn noted<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && error.kind() != io::ErrorKind::Interrupted
        {
            let copy = error.raw_os_error().map(io::Error::from_raw_os_error);
            self.failure = Some(copy.unwrap_or_else(|| error.kind().into()));
        }
        outcome
    }
}

impl<W: Write> Write for Tally<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        let written = self.noted(written)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noted(flushed)
    }
}

/// What becomes the file that was named once it is whole.
#[derive(Debug)]
struct Landing {
    /// The name without links, of which there may be none yet.
    target: PathBuf,
    /// The permissions of what is replaced.
    mode: Option<u32>,
    /// The name that the new file has, if it has one.
    next: Option<PathBuf>,
}

/// Opens what is written to, and what becomes the file at `path`, unless that is written to as it is.
fn open(path: &Path) -> Result<(File, Option<Landing>)> {
    let failed = |error| Error::io("write", path)(error);
    let mode = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let reason = format!("{} is a folder: name a file in it", path.display());
            return Err(Error::usage(reason));
        }
        Ok(found) if !found.is_file() => return as_it_is(path),
        Ok(found) => Some(found.permissions().mode() & KEPT_MODE),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let target = follow(path).map_err(failed)?;
    let mut landing = Landing {
        target,
        mode,
        next: None,
    };
    let file = match unnamed(landing.folder()) {
        Some(file) => file,
        None => landing.create().map_err(failed)?,
    };
    Ok((file, Some(landing)))
}

/// Opens a pipe or device.
fn as_it_is(path: &Path) -> Result<(File, Option<Landing>)> {
    let file = OpenOptions::new().write(true).open(path);
    let file = file.map_err(Error::io("write", path))?;
    if file.is_terminal() {
        let reason = format!("{} is a terminal, and this is no text", path.display());
        return Err(Error::usage(reason));
    }
    Ok((file, None))
}

/// Follows the links at the end of a path to a name that is none.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=LINKS_MAX {
        let Ok(target) = std::fs::read_link(&path) else {
            return Ok(path);
        };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// Makes a file without a name in a folder, if the file system can, and can give it one later.
fn unnamed(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(CWD, folder, flags, Mode::from_raw_mode(FILE_MODE)).ok()?;
    let file = File::from(file);
    handle(&file).exists().then_some(file)
}

/// The name that the system has for an open file.
fn handle(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

impl Landing {
    fn folder(&self) -> &Path {
        let folder = self.target.parent().unwrap_or(Path::new(""));
        if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        }
    }

    /// Makes the new file under a name of its own.
    fn create(&mut self) -> io::Result<File> {
        self.take_name(&|next| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(FILE_MODE);
            options.open(next)
        })
    }

    /// Does `take` with a name that nobody had.
    fn take_name<T>(&mut self, take: &dyn Fn(&Path) -> io::Result<T>) -> io::Result<T> {
        let mut attempt = 0;
        loop {
            let next = self.folder().join(format!("{NEXT_PREFIX}{attempt}"));
            match take(&next) {
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists
                        && attempt < NAMES_TRIED_MAX =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok(taken) => {
                    self.next = Some(next);
                    return Ok(taken);
                }
            }
        }
    }

    /// Makes the new file the one that was named.
    fn land(mut self, file: &File) -> io::Result<()> {
        if let Some(mode) = self.mode {
            file.set_permissions(PermissionsExt::from_mode(mode))?;
        }
        if self.next.is_none() {
            // A name can be given, but not one that is taken: that needs a second step.
            self.take_name(&|next| {
                let given = linkat(CWD, handle(file), CWD, next, AtFlags::SYMLINK_FOLLOW);
                given.map_err(io::Error::from)
            })?;
        }
        if let Some(next) = &self.next {
            std::fs::rename(next, &self.target)?;
        }
        self.next = None;
        Ok(())
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            // The failure that led here says more than one of cleaning up would.
            std::fs::remove_file(next).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use rustix::fs::mkfifoat;

    use super::*;
    use crate::base::Kind;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn write_bytes(path: &Path, bytes: &[u8]) -> Result<((), u64)> {
        write_named(path, |out| {
            out.write_all(bytes)
                .map_err(Error::io("write", Path::new("somewhere")))
        })
    }

    fn names(folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?;
        let names = names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    #[test]
    fn a_file_is_new_or_replaced_and_nothing_else_is_touched() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("z");
        let others = ["z.next", ".bindery-next-0"];
        for other in others {
            fs::write(folder.path().join(other), "mine")?;
        }
        for bytes in [b"first, and longer".as_slice(), b"second", b""] {
            assert_eq!(write_bytes(&path, bytes)?, ((), bytes.len() as u64));
            assert_eq!(fs::read(&path)?, bytes);
        }
        for other in others {
            assert_eq!(fs::read(folder.path().join(other))?, b"mine");
        }
        assert_eq!(names(folder.path())?.len(), 3);
        Ok(())
    }

    #[test]
    fn a_name_of_its_own_does_where_files_need_one() -> Outcome {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join(".bindery-next-0"), "mine")?;
        let landing = || Landing {
            target: folder.path().join("z"),
            mode: Some(0o640),
            next: None,
        };
        let mut named = landing();
        let mut file = named.create()?;
        file.write_all(b"new")?;
        let taken = [".bindery-next-0", ".bindery-next-1"];
        assert_eq!(names(folder.path())?, taken);
        drop(named);
        assert_eq!(names(folder.path())?, taken[..1], "a failure cleans up");
        let mut named = landing();
        let mut file = named.create()?;
        file.write_all(b"new")?;
        named.land(&file)?;
        assert_eq!(names(folder.path())?, [taken[0], "z"]);
        assert_eq!(fs::read(folder.path().join("z"))?, b"new");
        Ok(())
    }

    #[test]
    fn links_go_on_leading_to_a_file_that_keeps_its_permissions() -> Outcome {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        fs::create_dir(place("real"))?;
        fs::write(place("real/file"), "old")?;
        fs::set_permissions(place("real/file"), PermissionsExt::from_mode(0o640))?;
        symlink("real/file", place("second"))?;
        symlink("second", place("first"))?;
        write_bytes(&place("first"), b"new")?;
        assert_eq!(fs::read(place("real/file"))?, b"new");
        assert!(fs::symlink_metadata(place("first"))?.is_symlink());
        assert!(fs::symlink_metadata(place("second"))?.is_symlink());
        let mode = fs::metadata(place("real/file"))?.permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        symlink("real/not-yet", place("dangling"))?;
        write_bytes(&place("dangling"), b"made")?;
        assert_eq!(fs::read(place("real/not-yet"))?, b"made");
        symlink("loop", place("loop"))?;
        assert!(write_bytes(&place("loop"), b"").is_err());
        Ok(())
    }

    #[test]
    fn a_pipe_is_written_to_and_stays() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("pipe");
        mkfifoat(CWD, &path, Mode::from_raw_mode(0o600))?;
        let written = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut bytes = Vec::new();
                File::open(&path)?.read_to_end(&mut bytes).map(|_| bytes)
            });
            let written = write_bytes(&path, b"through");
            reader.join().map(|read| (written, read))
        });
        let Ok((written, read)) = written else {
            return Err("the reader failed".into());
        };
        assert_eq!(written?, ((), 7));
        assert_eq!(read?, b"through");
        assert_eq!(names(folder.path())?, ["pipe"]);
        assert!(!fs::metadata(&path)?.is_file());
        Ok(())
    }

    #[test]
    fn what_fails_leaves_the_file_and_names_what_was_typed() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(&path, "old")?;
        let refused = write_named(&path, |out| {
            out.write_all(b"half").map_err(Error::io("write", &path))?;
            let visible = names(folder.path()).map_err(Error::io("list", &path))?;
            let mut visible = visible.iter().filter(|name| !name.starts_with('.'));
            assert_eq!(
                (visible.next(), visible.next()),
                (Some(&"file".into()), None)
            );
            Err::<(), _>(Error::refused("changed my mind"))
        });
        assert!(matches!(refused, Err(Error::Refused { .. })));
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(names(folder.path())?, ["file"]);

        let told = |path: &Path| match write_bytes(path, b"x") {
            Err(error) => (error.kind(), error.to_string()),
            Ok(_) => (Kind::Internal, String::new()),
        };
        let (kind, message) = told(folder.path());
        assert_eq!(kind, Kind::Usage);
        assert!(message.contains("is a folder"), "{message}");
        for (typed, kind) in [("none/file", Kind::NotFound), ("file/below", Kind::Failed)] {
            let typed = folder.path().join(typed);
            let told = told(&typed);
            let message = format!("cannot write {}:", typed.display());
            assert!(told.1.starts_with(&message), "{told:?}");
            assert_eq!(told.0, kind);
        }
        Ok(())
    }

    #[test]
    fn a_failed_write_is_told_whatever_became_of_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut tally = Tally::new(Full);
        let failed = tally.write_all(b"x");
        let outcome = failed.map_err(|_| Error::internal("something else"));
        let told = tally.finish(Path::new("typed"), outcome);
        let told = told.err().map(|error| error.to_string());
        assert_eq!(
            told.as_deref(),
            Some("cannot write typed: no storage space")
        );
    }
}
