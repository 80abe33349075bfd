//! The directory that a checkout writes into, and nowhere else.
//!
//! # Invariants
//!
//! - A target is new, empty, or has the marker of an earlier checkout; nothing else is ever written into.
//! - Every path is resolved beneath the target and follows no symbolic link. Whatever a tree holds and whoever changes
//!   the target meanwhile, nothing outside it is touched.
//!
//! # Not here
//!
//! The entries of one directory (`disk::target_dir`); which of them to write and what the marker says (the verb that
//! checks out).

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

use super::marker;
use super::stat::{FileKind, Stat};
pub use super::target_dir::{FileMode, TargetDir, TargetEntry};
pub use super::target_file::NewFile;
use crate::base::name::RESERVED_NAME;
use crate::base::path::TreePath;
use crate::base::{Error, Result};

/// Permissions of a new target, before the umask: it is the user's directory more than the tree's.
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);

/// The directory that a checkout writes into.
#[derive(Clone, Debug)]
pub struct Target {
    top: TargetDir,
}

impl Target {
    /// Makes the directory `path`, and those above it as far as they are not there; or opens it, if it is empty or has the
    /// marker of an earlier checkout. It may not be a symbolic link; those above it may.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if something else is there: nothing was changed. [`Error::Io`] if it cannot be made or read.
    pub fn create(path: &Path) -> Result<Self> {
        // Without a slash at the end, which would follow a link.
        let path: PathBuf = path.components().collect();
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            std::fs::create_dir_all(above).map_err(Error::io("make the directory", above))?;
        }
        match mkdirat(CWD, &path, DIR_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("make the directory", &path)(errno.into())),
        }
        Self::open(path)
    }

    /// Opens the directory `path`, if it is empty or has the marker of an earlier checkout; none if there is nothing. Nothing is
    /// changed.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn find(path: &Path) -> Result<Option<Self>> {
        match Self::open(path.components().collect()) {
            Err(error) if error.is_file_not_found() => Ok(None),
            found => found.map(Some),
        }
    }

    /// `path` has no slash at the end.
    fn open(path: PathBuf) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, &path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR => Error::refused(format!(
                "cannot check out into {}: it is not a directory",
                path.display()
            )),
            _ => Error::io("open", &path)(errno.into()),
        })?;
        let target = Self {
            top: TargetDir::new(directory, path),
        };
        target.check_ours()?;
        Ok(target)
    }

    fn check_ours(&self) -> Result<()> {
        let others = self.top.list()?;
        let is_empty = others
            .iter()
            .all(|found| marker::is_marker(found.name.as_encoded_bytes()));
        if is_empty || self.has_marker()? {
            return Ok(());
        }
        Err(Error::refused(format!(
            "cannot check out into {}: it is not empty, and no earlier checkout; choose a new or empty directory",
            self.top.place().display()
        )))
    }

    fn has_marker(&self) -> Result<bool> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match statat(self.top.fd(), RESERVED_NAME, flags) {
            // A store in a folder of that name is none.
            Ok(stat) => Ok(Stat::from(&stat).kind == FileKind::Regular),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("look at", self.top.place())(errno.into())),
        }
    }

    /// The directory itself.
    #[must_use]
    pub const fn top(&self) -> &TargetDir {
        &self.top
    }

    /// Opens a directory of the checkout by its path. Many handles are as many open files of the process: keep few.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if a name on the way is a link or file, [`Error::Io`] if there is no such directory.
    pub fn open_dir(&self, path: &TreePath) -> Result<TargetDir> {
        if path.is_root() {
            return Ok(self.top.clone());
        }
        self.top.open(Path::new(&path.to_string()))
    }

    /// Reads the bytes of the marker; `None` in a new directory.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if there are more than `bytes_max`, [`Error::Refused`] if it is no regular file, [`Error::Io`] if
    /// it cannot be read.
    pub fn read_marker(&self, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        marker::read(self.top.fd(), self.top.place(), bytes_max)
    }

    /// Writes the marker, replacing one that is there at once. Written before anything else, it lets an interrupted
    /// checkout be repeated into the same directory.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: the marker is what it was.
    pub fn write_marker(&self, bytes: &[u8]) -> Result<()> {
        marker::write(self.top.fd(), self.top.place(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[track_caller]
    fn assert_refused<T: std::fmt::Debug>(result: &Result<T>) {
        assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
    }

    #[test]
    fn a_target_is_new_or_empty_or_ours() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("above/target");
        assert!(Target::find(&path)?.is_none());
        assert!(!folder.path().join("above").exists(), "it only looks");
        assert_eq!(Target::create(&path)?.read_marker(10)?, None);
        assert!(Target::find(&path)?.is_some());
        let empty = Target::create(&path)?;
        fs::write(path.join(".bindery:next"), b"left by a crash")?;
        Target::create(&path)?;
        empty
            .top()
            .write_file(&"file".parse()?, FileMode::Plain, b"")?;
        assert_refused(&Target::create(&path));
        assert_refused(&Target::find(&path));
        empty.write_marker(b"state")?;
        let ours = Target::create(&path)?;
        assert_eq!(ours.read_marker(10)?.as_deref(), Some(b"state".as_slice()));
        fs::remove_file(path.join(".bindery"))?;
        fs::create_dir(path.join(".bindery"))?;
        assert_refused(&Target::create(&path));
        assert_refused(&Target::create(&path.join("file")));
        let below_a_file = Target::create(&path.join("file/below"));
        assert!(matches!(below_a_file, Err(Error::Io { .. })));
        Ok(())
    }

    #[test]
    fn a_link_is_no_target_even_with_a_slash() -> Outcome {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("out"))?;
        for (at, to) in [("to-dir", "out"), ("to-nothing", "gone")] {
            symlink(to, folder.path().join(at))?;
            for path in [at.to_owned(), format!("{at}/"), format!("{at}/.")] {
                assert_refused(&Target::create(&folder.path().join(&path)));
                assert_refused(&Target::find(&folder.path().join(path)));
            }
        }
        assert_eq!(fs::read_dir(folder.path().join("out"))?.count(), 0);
        assert!(!folder.path().join("gone").exists());
        Ok(())
    }

    #[test]
    fn a_path_opens_what_it_names_in_the_target() -> Outcome {
        let folder = tempfile::tempdir()?;
        let target = Target::create(&folder.path().join("target"))?;
        target
            .top()
            .make_dir(&"a".parse()?)?
            .make_dir(&"b".parse()?)?;
        let opened = target.open_dir(&"a/b".parse()?)?;
        assert_eq!(opened.place(), folder.path().join("target/a/b"));
        assert_eq!(
            target.open_dir(&TreePath::root())?.place(),
            target.top().place()
        );
        symlink("b", folder.path().join("target/a/link"))?;
        assert_refused(&target.open_dir(&"a/link".parse()?));
        assert!(
            target
                .open_dir(&"a/gone".parse()?)
                .is_err_and(|error| error.is_file_not_found())
        );
        Ok(())
    }
}
