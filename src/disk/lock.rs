//! The lock of a folder that is a store, or that a repo is exported into: one process at a time.
//!
//! # Invariants
//!
//! - The lock is the system's (`flock`) on a file in the folder. It ends with the process that holds it, however that ends;
//!   the file itself is never removed, so no two processes can hold locks on different ones.
//! - The text in the file is for people and decides nothing. It is bounded and without control characters when shown.
//!
//! # Not here
//!
//! Who the holder is and since when: a text that the caller gives.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::base::printable::printable;
use crate::base::{Error, Result};

/// The lock's file in the folder of a store.
pub const LOCK_FILE: &str = "lock";
/// The lock's file in a folder that is exported into. Web servers show the folder, and keep such files to themselves, or can
/// be told to.
pub const EXPORT_LOCK_FILE: &str = ".bindery-export.lock";
/// Bytes of the text about the holder that are written and read.
pub const HOLDER_BYTES_MAX: usize = 1024;
/// The first pause between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// After how long a process that waits says so.
pub const WAIT_TOLD_AFTER: Duration = Duration::from_secs(2);

/// Is told whom a process waits for, once it has waited for a while.
pub type Tell = fn(&str);

/// What a folder is that is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Locked {
    /// A store.
    Store,
    /// A folder of exports.
    Export,
}

impl Locked {
    const fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Export => "export",
        }
    }

    fn place(self, root: &Path) -> PathBuf {
        root.join(match self {
            Self::Store => LOCK_FILE,
            Self::Export => EXPORT_LOCK_FILE,
        })
    }
}

/// The right to use a folder. Released when dropped, or when the process ends.
#[must_use = "the lock is released when it is dropped"]
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    access: Access,
}

/// Whether the file of the lock can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Write,
    ReadOnly,
}

/// With whom a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// With nobody: for those who write.
    Alone,
    /// With others who share it: for those who read.
    Shared,
}

impl FolderLock {
    /// Takes the lock of the store in the folder `root`, with others or alone, waiting up to `wait` for another process to release it.
    ///
    /// `holder` says who takes it, such as `process 4711 (bindery publish 17) since 2026-11-22T09:00:00Z`; it is kept up
    /// to [`HOLDER_BYTES_MAX`] bytes. Where the store cannot be written the lock is taken all the same, without that
    /// text. `tell` is told who holds it, once, after [`WAIT_TOLD_AFTER`].
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if another process still holds it after `wait`; [`Error::Io`] if there is no such store or the
    /// file system has no locks. Nothing is held then.
    pub fn acquire(
        root: &Path,
        wait: Duration,
        holder: &str,
        tell: Option<Tell>,
        sharing: Sharing,
    ) -> Result<Self> {
        Waiting {
            what: Locked::Store,
            root,
            wait,
            tell,
        }
        .acquire(holder, sharing)
    }

    /// Takes the lock of the folder `root`, which is there, and into which a repo is to be exported; alone, and otherwise as
    /// [`acquire`](Self::acquire). Others may read the text about the holder when a web server shows it to them.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_export(
        root: &Path,
        wait: Duration,
        holder: &str,
        tell: Option<Tell>,
    ) -> Result<Self> {
        Waiting {
            what: Locked::Export,
            root,
            wait,
            tell,
        }
        .acquire(holder, Sharing::Alone)
    }

    fn acquire_file(
        file: File,
        access: Access,
        waiting: &Waiting<'_>,
        holder: &str,
        sharing: Sharing,
    ) -> Result<Self> {
        let Waiting {
            what,
            root,
            wait,
            tell,
        } = *waiting;
        let place = what.place(root);
        let mut pauses = Pauses::new(wait);
        let (mut waited, mut untold) = (Duration::ZERO, tell);
        while !try_lock(&file, sharing).map_err(Error::io("lock", &place))? {
            let named = || read_holder(&file).map_err(Error::io("read", &place));
            let Some(pause) = pauses.next() else {
                return Err(Error::Busy {
                    what: what.word(),
                    path: root.to_owned(),
                    holder: named()?,
                    waited_s: wait.as_secs(),
                });
            };
            if waited >= WAIT_TOLD_AFTER
                && let Some(tell) = untold.take()
            {
                let (what, root, wait_s) = (what.word(), root.display(), wait.as_secs());
                tell(&format!(
                    "waiting up to {wait_s} s for the {what} {root}: {} holds it",
                    named()?
                ));
            }
            std::thread::sleep(pause);
            waited += pause;
        }
        let lock = Self { file, access };
        lock.write_holder(holder)
            .map_err(Error::io("write", &place))?;
        Ok(lock)
    }

    /// Whether the store's folder cannot be written by this process.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }

    /// Whether this is the lock of the store in the folder `root`, by whatever path that is named.
    #[must_use]
    pub fn is_of(&self, root: &Path) -> bool {
        let (Ok(this), Ok(other)) = (self.file.metadata(), root.join(LOCK_FILE).metadata()) else {
            return false;
        };
        (this.dev(), this.ino()) == (other.dev(), other.ino())
    }

    fn write_holder(&self, holder: &str) -> io::Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        let bytes = &holder.as_bytes()[..holder.len().min(HOLDER_BYTES_MAX)];
        self.file.set_len(0)?;
        self.file.write_all_at(bytes, 0)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // A text that stays is only out of date, and the next holder replaces it.
        self.write_holder("").ok();
    }
}

/// What is waited for, and for how long.
#[derive(Clone, Copy)]
struct Waiting<'w> {
    what: Locked,
    root: &'w Path,
    wait: Duration,
    tell: Option<Tell>,
}

impl Waiting<'_> {
    fn acquire(&self, holder: &str, sharing: Sharing) -> Result<FolderLock> {
        let place = self.what.place(self.root);
        let (file, access) = open(&place).map_err(Error::io("lock", &place))?;
        FolderLock::acquire_file(file, access, self, holder, sharing)
    }
}

fn open(place: &Path) -> io::Result<(File, Access)> {
    // What is there may be from anybody who may write in the folder: a link would have the file of another emptied, a pipe would block.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut reading = OpenOptions::new();
    reading.read(true).custom_flags(flags);
    let mut writing = reading.clone();
    writing.write(true).create(true).truncate(false).mode(0o644);
    let opened = match writing.open(place) {
        Ok(file) => Ok((file, Access::Write)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
            ) =>
        {
            reading.open(place).map(|file| (file, Access::ReadOnly))
        }
        Err(error) => Err(error),
    };
    match opened {
        Ok((file, _)) if !file.metadata()?.is_file() => Err(no_lock()),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Err(no_lock()),
        opened => opened,
    }
}

fn no_lock() -> io::Error {
    io::Error::other("it is no regular file; remove it if nobody needs it")
}

/// Takes the lock if it is free, and says whether it was.
fn try_lock(file: &File, sharing: Sharing) -> io::Result<bool> {
    let operation = match sharing {
        Sharing::Alone => FlockOperation::NonBlockingLockExclusive,
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
    };
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn read_holder(file: &File) -> io::Result<String> {
    let mut bytes = [0; HOLDER_BYTES_MAX];
    let length = file.read_at(&mut bytes, 0)?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    let shown = printable(text.trim());
    Ok(if shown.is_empty() {
        "another process".to_owned()
    } else {
        shown
    })
}

/// Pauses from [`PAUSE_MIN`], doubling up to [`PAUSE_MAX`], that add up to the wait.
struct Pauses {
    left: Duration,
    next: Duration,
}

impl Pauses {
    fn new(wait: Duration) -> Self {
        Self {
            left: wait,
            next: PAUSE_MIN,
        }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next.min(self.left);
        self.left -= pause;
        self.next = (self.next * 2).min(PAUSE_MAX);
        (!pause.is_zero()).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy_holder(root: &Path) -> Option<String> {
        match FolderLock::acquire(root, Duration::ZERO, "second", None, Sharing::Alone) {
            Err(Error::Busy { holder, .. }) => Some(holder),
            _ => None,
        }
    }

    #[test]
    fn the_second_taker_hears_who_holds_the_store() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        let lock = FolderLock::acquire(
            root,
            Duration::ZERO,
            "process 1 (test)",
            None,
            Sharing::Alone,
        )?;
        assert!(!lock.is_read_only());
        let refused =
            FolderLock::acquire(root, Duration::ZERO, "second", None, Sharing::Alone).map(drop);
        assert!(
            matches!(&refused, Err(Error::Busy { what: "store", path, holder, waited_s: 0 })
                if path == root && holder == "process 1 (test)"),
            "{refused:?}"
        );
        drop(lock);
        let _again = FolderLock::acquire(root, Duration::ZERO, "process 2", None, Sharing::Alone)?;
        assert_eq!(busy_holder(root).as_deref(), Some("process 2"));
        Ok(())
    }

    #[test]
    fn what_is_no_file_is_no_lock() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        let (place, victim) = (root.join(EXPORT_LOCK_FILE), root.join("victim"));
        std::fs::write(&victim, "of somebody else")?;
        let acquire = || FolderLock::acquire_export(root, Duration::ZERO, "test", None).map(drop);
        let refused = |why: &str| {
            let said = acquire().map_err(|error| error.to_string());
            assert!(
                said.as_ref()
                    .is_err_and(|said| said.contains("no regular file")),
                "{why}: {said:?}"
            );
        };
        std::os::unix::fs::symlink(&victim, &place)?;
        refused("a link to a file");
        assert_eq!(std::fs::read(&victim)?, b"of somebody else");
        std::fs::remove_file(&place)?;
        std::os::unix::fs::symlink(root.join("new"), &place)?;
        refused("a link to nothing");
        assert!(!root.join("new").exists());
        std::fs::remove_file(&place)?;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &place, rustix::fs::FileType::Fifo, mode, 0)?;
        refused("a pipe");
        std::fs::remove_file(&place)?;
        acquire()?;
        Ok(())
    }

    #[test]
    fn what_a_holder_wrote_is_shown_safely() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let long = "x".repeat(HOLDER_BYTES_MAX + 1);
        for (text, expected, reason) in [
            ("", "another process", "not written yet, or not writable"),
            (
                "a\u{1b}[2J\u{202e}b\n",
                "a [2J b",
                "no control reaches a terminal",
            ),
            (&long, &long[1..], "the text is bounded"),
        ] {
            let _lock =
                FolderLock::acquire(folder.path(), Duration::ZERO, text, None, Sharing::Alone)?;
            let holder = busy_holder(folder.path());
            assert_eq!(holder.as_deref(), Some(expected), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_store_that_cannot_be_written_is_locked_without_a_text()
    -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join(LOCK_FILE);
        std::fs::write(&place, b"left by a holder long gone")?;
        // Opened as `open` does where writing is refused; root, as which tests may run, is refused nothing.
        let file = File::open(&place)?;
        let lock = FolderLock::acquire_file(
            file,
            Access::ReadOnly,
            &Waiting {
                what: Locked::Store,
                root: folder.path(),
                wait: Duration::ZERO,
                tell: None,
            },
            "reader",
            Sharing::Shared,
        )?;
        assert!(lock.is_read_only());
        assert!(busy_holder(folder.path()).is_some());
        drop(lock);
        assert_eq!(std::fs::read(&place)?, b"left by a holder long gone");
        assert!(
            FolderLock::acquire(folder.path(), Duration::ZERO, "next", None, Sharing::Alone)
                .is_ok()
        );
        Ok(())
    }

    #[test]
    fn those_who_read_share_and_keep_out_those_who_write() -> Result<(), Box<dyn std::error::Error>>
    {
        let folder = tempfile::tempdir()?;
        let take =
            |sharing| FolderLock::acquire(folder.path(), Duration::ZERO, "one", None, sharing);
        let first = take(Sharing::Shared)?;
        let second = take(Sharing::Shared)?;
        assert!(matches!(take(Sharing::Alone), Err(Error::Busy { .. })));
        drop((first, second));
        let _alone = take(Sharing::Alone)?;
        assert!(matches!(take(Sharing::Shared), Err(Error::Busy { .. })));
        Ok(())
    }

    #[test]
    fn without_a_folder_there_is_nothing_to_lock() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let gone = folder.path().join("gone");
        let refused =
            FolderLock::acquire(&gone, Duration::ZERO, "", None, Sharing::Alone).map(drop);
        assert!(matches!(refused, Err(Error::Io { action: "lock", .. })));
        Ok(())
    }

    #[test]
    fn pauses_grow_to_their_limit_and_add_up_to_the_wait() {
        for wait_ms in [0, 1, 5, 7, 1000, 60_000] {
            let wait = Duration::from_millis(wait_ms);
            let pauses: Vec<_> = Pauses::new(wait).collect();
            assert_eq!(pauses.iter().sum::<Duration>(), wait);
            assert!(pauses.iter().all(|pause| *pause <= PAUSE_MAX));
            let grown = pauses.split_last().map_or(&[][..], |(_, rest)| rest);
            assert!(grown.is_sorted());
        }
    }
}
