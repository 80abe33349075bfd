//! Scratch folders: made to show something, filled with small files, and removed.
//!
//! # Invariants
//!
//! - A scratch folder is new: nothing that was there before is ever written.
//! - Only its owner can enter it. It is removed when the [`Scratch`] is dropped, unless it is kept.
//! - While it is there its process holds the system's lock (`flock`) on it, which ends however that process does. So what another
//!   left can be told from what another uses, also where numbers of processes mean different ones: by [`sweep`] alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::base::{Error, Result};

/// Names that are tried before giving up: each is taken only by what somebody left.
const NAMES_TRIED_MAX: u32 = 1000;
/// Names in a folder that are looked at to sweep it.
const NAMES_SWEPT_MAX: usize = 100_000;

/// A new folder, usually in the system's folder for temporary files.
#[derive(Debug)]
#[must_use = "the folder is removed when it is dropped"]
pub struct Scratch {
    /// Nothing, once it was removed or kept.
    root: Option<PathBuf>,
    /// Held until the folder is gone.
    _lock: File,
}

impl Scratch {
    /// Makes a folder in `folder`, whose name starts with `prefix`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if none can be made.
    pub fn create(folder: &Path, prefix: &str) -> Result<Self> {
        let mut attempt = 0;
        loop {
            let root = folder.join(format!("{prefix}-{attempt}"));
            match DirBuilder::new().mode(0o700).create(&root) {
                Ok(()) => {
                    // Somebody who sweeps may have been faster.
                    if let Some(hold) = hold(&root)? {
                        return Ok(Self {
                            root: Some(root),
                            _lock: hold.folder,
                        });
                    }
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("make the folder", &root)(error)),
            }
            if attempt == NAMES_TRIED_MAX {
                let error = ErrorKind::AlreadyExists.into();
                return Err(Error::io("make the folder", &root)(error));
            }
            attempt += 1;
        }
    }

    /// Where the folder is.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new(""))
    }

    /// Writes a file in the folder, and makes the folders above it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        }
        fs::write(&path, text).map_err(Error::io("write", &path))
    }

    /// Leaves the folder where it is.
    #[must_use]
    pub fn keep(mut self) -> PathBuf {
        self.root.take().unwrap_or_default()
    }

    /// Removes the folder and all that is in it. Links are removed, not followed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be removed.
    pub fn remove(mut self) -> Result<()> {
        match self.root.take() {
            Some(root) => fs::remove_dir_all(&root).map_err(Error::io("remove", &root)),
            None => Ok(()),
        }
    }

    /// Removes the folder while something may still be written into it: tries so many times, with pauses between. What cannot be
    /// removed then is left to the system, as all temporary files are.
    pub fn remove_from_under(mut self, times: u32, pause: Duration) {
        let Some(root) = self.root.take() else {
            return;
        };
        for _ in 0..times {
            match fs::remove_dir_all(&root) {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(_) => thread::sleep(pause),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(root) = &self.root {
            // What cannot be removed here is left to the system, as all temporary files are.
            fs::remove_dir_all(root).ok();
        }
    }
}

/// Removes the scratch folders in `folder` whose names start with `prefix` that processes of this user left. What cannot be removed,
/// and all where the file system has no locks, is left to the system, as all temporary files are.
pub fn sweep(folder: &Path, prefix: &str) {
    let Ok(names) = fs::read_dir(folder) else {
        return;
    };
    let names = names
        .take(NAMES_SWEPT_MAX)
        .filter_map(std::result::Result::ok);
    let start = format!("{prefix}-");
    for name in names {
        if !name
            .file_name()
            .as_encoded_bytes()
            .starts_with(start.as_bytes())
        {
            continue;
        }
        let root = name.path();
        let is_own = |stat: &fs::Metadata| {
            stat.is_dir() && stat.uid() == rustix::process::geteuid().as_raw()
        };
        if fs::symlink_metadata(&root).is_ok_and(|stat| is_own(&stat))
            && let Ok(Some(hold)) = hold(&root)
            && hold.is_locked
        {
            fs::remove_dir_all(&root).ok();
        }
    }
}

/// A folder that is open, and whether its lock is held: some file systems have none.
struct Hold {
    folder: File,
    is_locked: bool,
}

/// Opens a folder and takes its lock; none if another holds it, or it is not there any more.
fn hold(root: &Path) -> Result<Option<Hold>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(root);
    let folder = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Error::io("open", root))?,
    };
    let is_locked = match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        locked => locked.is_ok(),
    };
    let held = folder.metadata().map_err(Error::io("look at", root))?;
    let is_it = |stat: fs::Metadata| (stat.dev(), stat.ino()) == (held.dev(), held.ino());
    let is_there = fs::symlink_metadata(root).is_ok_and(is_it);
    Ok(is_there.then_some(Hold { folder, is_locked }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_scratch_folder_goes_with_all_that_is_in_it() -> Outcome {
        let folder = tempfile::tempdir()?;
        let scratch = Scratch::create(folder.path(), "try")?;
        scratch.write("a/b/c", "text")?;
        assert_eq!(fs::read(scratch.root().join("a/b/c"))?, b"text");
        let again = Scratch::create(folder.path(), "try")?;
        assert_ne!(again.root(), scratch.root(), "it is always a new one");
        scratch.remove()?;
        drop(again);
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn a_folder_that_is_kept_stays() -> Outcome {
        let folder = tempfile::tempdir()?;
        let scratch = Scratch::create(folder.path(), "try")?;
        scratch.write("a", "")?;
        let kept = scratch.keep();
        assert!(kept.join("a").is_file());
        Ok(())
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() -> Outcome {
        let folder = tempfile::tempdir()?;
        let refused = Scratch::create(&folder.path().join("missing"), "try");
        assert!(matches!(refused, Err(error) if error.is_file_not_found()));
        Ok(())
    }

    #[test]
    fn what_was_left_is_swept_and_what_is_used_is_not() -> Outcome {
        let folder = tempfile::tempdir()?;
        let used = Scratch::create(folder.path(), "try-1")?;
        used.write("a", "")?;
        // Of a process that was killed a folder stays, and its lock does not.
        let left = Scratch::create(folder.path(), "try-2")?;
        left.write("a/b", "")?;
        let left = left.keep();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside)?;
        fs::write(outside.join("f"), "")?;
        std::os::unix::fs::symlink(&outside, folder.path().join("try-3"))?;
        fs::write(folder.path().join("try-4"), "")?;
        fs::create_dir(folder.path().join("trying"))?;
        sweep(folder.path(), "try");
        assert!(!left.exists());
        for name in ["try-1-0/a", "outside/f", "try-3/f", "try-4", "trying"] {
            assert!(folder.path().join(name).exists(), "{name}");
        }
        sweep(&folder.path().join("missing"), "try");
        drop(used);
        assert!(!folder.path().join("try-1-0").exists());
        Ok(())
    }
}
