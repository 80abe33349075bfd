//! Scratch folders: made to show something, filled with small files, and removed.
//!
//! # Invariants
//!
//! - A scratch folder is new: nothing that was there before is ever written or removed.
//! - Only its owner can enter it. It is removed when the [`Scratch`] is dropped, unless it is kept.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::base::{Error, Result};

/// Names that are tried before giving up: each is taken only by what somebody left.
const NAMES_TRIED_MAX: u32 = 1000;

/// A new folder, usually in the system's folder for temporary files.
#[derive(Debug)]
#[must_use = "the folder is removed when it is dropped"]
pub struct Scratch {
    /// Nothing, once it was removed or kept.
    root: Option<PathBuf>,
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
                Ok(()) => return Ok(Self { root: Some(root) }),
                Err(error)
                    if error.kind() == ErrorKind::AlreadyExists && attempt < NAMES_TRIED_MAX =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(Error::io("make the folder", &root)(error)),
            }
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
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(root) = &self.root {
            // What cannot be removed here is left to the system, as all temporary files are.
            fs::remove_dir_all(root).ok();
        }
    }
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
}
