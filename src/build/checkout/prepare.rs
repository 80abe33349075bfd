//! Preparing a target: what earlier checkouts wrote and is not wanted goes, and directories are made.
//!
//! # Invariants
//!
//! - Only what an earlier checkout wrote is removed, and a directory only when nothing is in it any more.
//! - At most one directory is open for each name of a path.
//!
//! # Not here
//!
//! What may be removed and what is wanted (`build::checkout::survey`), writing files (`build::checkout::write`).

use super::earlier::EarlierDir;
use super::survey::{Dir, Place, Survey};
use super::wanted::{Wanted, WantedDir};
use crate::base::name::EntryName;
use crate::base::{Error, Result};
use crate::disk::checkout::TargetDir;
use crate::disk::stat::FileKind;

/// Prepares the directory `top` as `survey` says; returns how many files and links were removed.
///
/// # Errors
///
/// [`Error::Io`] if the file system fails.
pub(super) fn prepare(
    top: &TargetDir,
    wanted: &Wanted,
    earlier: Option<&EarlierDir>,
    survey: &Survey,
) -> Result<u64> {
    let mut preparing = Preparing {
        dirs: survey.dirs.iter(),
        removed: 0,
    };
    let nothing = EarlierDir::default();
    // The first one is the top.
    preparing.dirs.next();
    preparing.directory(top, &wanted.top, earlier.unwrap_or(&nothing))?;
    Ok(preparing.removed)
}

struct Preparing<'a> {
    /// The wanted directories that come next.
    dirs: std::slice::Iter<'a, Dir>,
    removed: u64,
}

impl Preparing<'_> {
    /// Prepares an open directory. As deep as a tree, which is bounded.
    fn directory(
        &mut self,
        open: &TargetDir,
        wanted: &WantedDir,
        earlier: &EarlierDir,
    ) -> Result<()> {
        for file in &earlier.files {
            if !wanted.has_file(&file.name) {
                self.remove_file(open, &file.name)?;
            }
        }
        for (name, below) in &earlier.dirs {
            if wanted.dir(name).is_none() {
                self.remove_dir(open, name, below)?;
            }
        }
        let nothing = EarlierDir::default();
        for (name, below) in &wanted.dirs {
            let dir = self.dirs.next();
            let dir = dir.ok_or_else(|| Error::internal("the survey saw all directories"))?;
            let entered = enter(open, name, dir.place)?;
            self.directory(&entered, below, earlier.dir(name).unwrap_or(&nothing))?;
        }
        Ok(())
    }

    /// Removes a file or link that an earlier checkout wrote, unless it is gone or has become a directory.
    fn remove_file(&mut self, open: &TargetDir, name: &EntryName) -> Result<()> {
        match open.stat(name)? {
            Some(stat) if stat.kind != FileKind::Directory => {
                self.removed += 1;
                open.remove_file(name)
            }
            _ => Ok(()),
        }
    }

    /// Removes what earlier checkouts wrote into a directory, and that itself if nothing else is in it. As deep as a
    /// marker, which is bounded.
    fn remove_dir(
        &mut self,
        open: &TargetDir,
        name: &EntryName,
        earlier: &EarlierDir,
    ) -> Result<()> {
        match open.stat(name)? {
            Some(stat) if stat.kind == FileKind::Directory => {}
            _ => return Ok(()),
        }
        let below = open.open_dir(name)?;
        for file in &earlier.files {
            self.remove_file(&below, &file.name)?;
        }
        for (name, earlier) in &earlier.dirs {
            self.remove_dir(&below, name, earlier)?;
        }
        open.remove_empty_dir(name)
    }
}

/// Opens a wanted directory, and makes it if it is not there.
fn enter(open: &TargetDir, name: &EntryName, place: Place) -> Result<TargetDir> {
    match place {
        Place::There => return open.open_dir(name),
        // It may have gone with what is not wanted.
        Place::Taken if open.stat(name)?.is_some() => open.remove_file(name)?,
        Place::Taken | Place::Free => {}
    }
    open.make_dir(name)
}
