//! Directories opened beneath an open one, without following any symbolic link.
//!
//! # Invariants
//!
//! - What is returned lies beneath the directory given, whoever renames or replaces what meanwhile: the kernel resolves
//!   the whole path (`openat2`), or each name is opened from its parent's descriptor without following links.
//!
//! # Not here
//!
//! Files (`disk::checkout` makes them by one name in an open directory; `disk::source` compares what it opened).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{Errno, retry_on_intr};

/// How a directory is opened.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory `path`, which is relative to `directory`; the empty path is `directory` itself.
///
/// # Errors
///
/// `ELOOP` or `ENOTDIR` if a name on the way is a symbolic link or a file, `EXDEV` or `EINVAL` if the path climbs or is
/// absolute, and what else the system answers.
pub(super) fn open_dir(directory: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match retry_on_intr(|| openat2(directory, path, DIRECTORY, Mode::empty(), resolve)) {
        // The kernel is older than the call, or a sandbox does not know it.
        Err(Errno::NOSYS | Errno::PERM) => open_dir_stepwise(directory, path),
        opened => opened,
    }
}

/// Opens one name after the other, each from the descriptor of the one before.
fn open_dir_stepwise(directory: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let step = |from: BorrowedFd<'_>, name: &Path| {
        retry_on_intr(|| openat(from, name, DIRECTORY, Mode::empty()))
    };
    let mut opened = step(directory, Path::new("."))?;
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => opened = step(opened.as_fd(), Path::new(name))?,
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(Errno::INVAL);
            }
        }
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    type Open = fn(BorrowedFd<'_>, &Path) -> Result<OwnedFd, Errno>;
    /// The kernel's way, and the one for kernels without it.
    const WAYS: [Open; 2] = [open_dir, open_dir_stepwise];

    fn scratch() -> io::Result<(tempfile::TempDir, File)> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("in/a/b"))?;
        fs::create_dir(folder.path().join("out"))?;
        let inside = File::open(folder.path().join("in"))?;
        Ok((folder, inside))
    }

    #[test]
    fn a_path_opens_what_it_names() -> Result<(), Box<dyn std::error::Error>> {
        let (folder, inside) = scratch()?;
        for open in WAYS {
            for path in ["", ".", "a", "a/b"] {
                let found = File::from(open(inside.as_fd(), Path::new(path))?).metadata()?;
                let expected = fs::metadata(folder.path().join("in").join(path))?;
                assert_eq!(found.ino(), expected.ino(), "{path:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn no_path_leads_outside() -> Result<(), Box<dyn std::error::Error>> {
        let (folder, inside) = scratch()?;
        let place = |path: &str| folder.path().join("in").join(path);
        symlink("../out", place("link"))?;
        symlink("a", place("harmless"))?;
        symlink(folder.path().join("out"), place("a/absolute"))?;
        fs::write(place("file"), b"")?;
        for open in WAYS {
            for path in [
                "link",
                "harmless/b",
                "a/absolute",
                "a/../../out",
                "..",
                "/",
                "file",
                "gone",
            ] {
                let opened = open(inside.as_fd(), Path::new(path));
                assert!(opened.is_err(), "{path:?}");
            }
        }
        Ok(())
    }
}
