//! The survey of a target: what is there, against what is wanted and what earlier checkouts wrote. Nothing is changed.
//!
//! # Invariants
//!
//! - A name that an earlier checkout wrote is ours, whatever it has become since, but a directory only if all in it is
//!   ours too. Where something else is in the place of a wanted file or directory, the checkout is refused.
//! - At most one directory is open for each name of a path.
//!
//! # Not here
//!
//! Removing and making (`build::checkout::prepare`), writing (`build::checkout::write`).

use super::earlier::EarlierDir;
use super::wanted::{Wanted, WantedDir};
use crate::base::id::Hash;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::file_list::Facts;
use crate::disk::checkout::{FileMode, TargetDir};
use crate::disk::stat::{FileKind, Stat};
use crate::object::directory;
use crate::object::edges::{Edge, blob_form};
use crate::object::tree::{Entry, EntryKind};

/// What is to be done in a target.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The wanted directories, by number: each comes before those in it.
    pub(super) dirs: Vec<Dir>,
    /// Files and links to write.
    pub(super) jobs: Vec<Job>,
    /// What the file system says of the files that are as wanted, by number.
    pub(super) facts: Vec<Option<Facts>>,
    /// Files and links that need not be written, and their bytes.
    pub(super) unchanged: (u64, u64),
}

/// A wanted directory.
#[derive(Debug)]
pub(super) struct Dir {
    /// Its path in the target.
    pub(super) path: TreePath,
    /// What is there.
    pub(super) place: Place,
}

/// A file or link to write.
#[derive(Debug)]
pub(super) struct Job {
    /// The number of its directory.
    pub(super) dir: usize,
    /// Its own number.
    pub(super) number: usize,
    /// What to write.
    pub(super) entry: Entry,
    /// What is there.
    pub(super) place: Place,
}

/// What is in the place of something wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing, when what is not wanted was removed.
    Free,
    /// A file or link of ours, to be removed first.
    Taken,
    /// The directory that is wanted.
    There,
}

/// The permissions with which an entry is written; `None` for links, which have none.
pub(super) fn mode(kind: EntryKind) -> Option<FileMode> {
    match kind {
        EntryKind::File => Some(FileMode::Plain),
        EntryKind::Executable => Some(FileMode::Executable),
        EntryKind::Link | EntryKind::Directory => None,
    }
}

/// Compares the directory `top` with what is wanted, knowing what `earlier` checkouts wrote; without one it is empty.
///
/// # Errors
///
/// [`Error::Refused`] if something that is not ours is in the way, [`Error::Io`] if the file system fails.
pub(super) fn survey(
    top: &TargetDir,
    wanted: &Wanted,
    earlier: Option<&EarlierDir>,
) -> Result<Survey> {
    let mut survey = Survey::default();
    let nothing = EarlierDir::default();
    let open = earlier.is_some().then_some(top);
    survey.directory(
        Dir {
            path: TreePath::root(),
            place: Place::There,
        },
        open,
        &wanted.top,
        earlier.unwrap_or(&nothing),
    )?;
    Ok(survey)
}

impl Survey {
    /// The blobs of the files and links to write.
    pub(super) fn blobs(&self) -> Vec<Edge> {
        let entries = self.jobs.iter().map(|job| &job.entry);
        let edge = |entry: &Entry| Edge {
            kind: blob_form(entry.size()),
            id: entry.id(),
            size: entry.size(),
        };
        entries.map(edge).collect()
    }

    /// Looks at a wanted directory, which is `open` if it is there; the length of its path ends the recursion.
    fn directory(
        &mut self,
        dir: Dir,
        open: Option<&TargetDir>,
        wanted: &WantedDir,
        earlier: &EarlierDir,
    ) -> Result<()> {
        let (number, path) = (self.dirs.len(), dir.path.clone());
        self.dirs.push(dir);
        for entry in &wanted.files {
            self.file(number, open, entry, earlier)?;
        }
        let nothing = EarlierDir::default();
        for (name, below) in &wanted.dirs {
            let path = directory::join(&path, name)?;
            let (place, entered) = match open {
                Some(open) => look_at_dir(open, name, earlier)?,
                None => (Place::Free, None),
            };
            let earlier = earlier.dir(name).unwrap_or(&nothing);
            self.directory(Dir { path, place }, entered.as_ref(), below, earlier)?;
        }
        Ok(())
    }

    /// Decides whether a file must be written.
    fn file(
        &mut self,
        dir: usize,
        open: Option<&TargetDir>,
        entry: &Entry,
        earlier: &EarlierDir,
    ) -> Result<()> {
        let number = self.facts.len();
        let (place, facts) = match open {
            Some(open) => look_at_file(open, entry, earlier)?,
            None => (Place::Free, None),
        };
        self.facts.push(facts);
        if place == Place::There {
            self.unchanged.0 += 1;
            self.unchanged.1 += entry.size();
        } else {
            let entry = entry.clone();
            self.jobs.push(Job {
                dir,
                number,
                entry,
                place,
            });
        }
        Ok(())
    }
}

/// What is in the place of a wanted directory; that, if it is there.
fn look_at_dir(
    open: &TargetDir,
    name: &EntryName,
    earlier: &EarlierDir,
) -> Result<(Place, Option<TargetDir>)> {
    match open.stat(name)? {
        None => Ok((Place::Free, None)),
        Some(stat) if stat.kind == FileKind::Directory => {
            Ok((Place::There, Some(open.open_dir(name)?)))
        }
        Some(_) if earlier.has(name) => Ok((Place::Taken, None)),
        Some(_) => Err(in_the_way(open, name)),
    }
}

/// What is in the place of a wanted file or link; [`Place::There`] and the facts if it is as wanted.
fn look_at_file(
    open: &TargetDir,
    entry: &Entry,
    earlier: &EarlierDir,
) -> Result<(Place, Option<Facts>)> {
    let name = entry.name();
    let Some(stat) = open.stat(name)? else {
        return Ok((Place::Free, None));
    };
    if stat.kind == FileKind::Directory {
        return match earlier.dir(name) {
            // It goes with all that is in it, before anything is written.
            Some(earlier) if is_ours(&open.open_dir(name)?, earlier)? => Ok((Place::Free, None)),
            Some(_) | None => Err(in_the_way(open, name)),
        };
    }
    if !earlier.has(name) {
        return Err(in_the_way(open, name));
    }
    if is_unchanged(open, entry, &stat, earlier)? {
        return Ok((Place::There, Some(Facts::from(&stat))));
    }
    Ok((Place::Taken, None))
}

/// Whether everything in a directory was written by earlier checkouts. As deep as a marker, which is bounded.
fn is_ours(open: &TargetDir, earlier: &EarlierDir) -> Result<bool> {
    for found in open.list()? {
        let Ok(name) = EntryName::parse(found.name.as_encoded_bytes()) else {
            return Ok(false);
        };
        let is_ours = match (found.kind, earlier.dir(&name)) {
            (FileKind::Directory, Some(earlier)) => is_ours(&open.open_dir(&name)?, earlier)?,
            // Somebody's directory; or a file where one of ours was, which is not removed with the files.
            (FileKind::Directory, None) | (_, Some(_)) => false,
            (_, None) => earlier.has(&name),
        };
        if !is_ours {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an entry is still as an earlier checkout wrote it, and that is what is wanted. Links are read: they are short.
fn is_unchanged(
    open: &TargetDir,
    entry: &Entry,
    stat: &Stat,
    earlier: &EarlierDir,
) -> Result<bool> {
    let Some(mode) = mode(entry.kind()) else {
        return Ok(
            stat.kind == FileKind::Link && Hash::of(&open.read_link(entry.name())?) == entry.id()
        );
    };
    let seen = (Facts::from(stat), entry.id());
    Ok(stat.kind == FileKind::Regular
        && stat.mode == mode.permissions()
        && earlier.seen(entry.name()) == Some(seen))
}

fn in_the_way(open: &TargetDir, name: &EntryName) -> Error {
    let place = open.place().join(name.as_str());
    Error::refused(format!(
        "{} is in the way: no checkout wrote it, or all that is in it; move it elsewhere first",
        place.display()
    ))
}
