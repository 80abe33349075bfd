//! Writing files, by all threads, in the order in which they lie in packs: each frame is expanded once.
//!
//! # Invariants
//!
//! - Each thread has one directory open. A file that failed is removed again.
//! - Links come last, so that no file of this checkout was written while one was there.
//!
//! # Not here
//!
//! Which files to write (`build::checkout::survey`).

use rayon::prelude::*;

use super::survey::{Dir, Job, Place, Survey, mode};
use crate::base::id::{BlobId, Hash};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::file_list::Facts;
use crate::disk::checkout::{NewFile, Target, TargetDir};
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::tree::EntryKind;
use crate::store::place::Place as Stored;
use crate::store::view::View;

/// Blobs that one thread looks up in a row.
const LOOKUPS_PER_TASK: usize = 256;

/// Writes the files and links of `survey` and notes what the file system says of them; says how many there were.
///
/// # Errors
///
/// [`Error::NotFound`] or [`Error::Damaged`] if a blob is not in the store as it should be, [`Error::Io`] if the file
/// system fails. Files may have been written by then.
pub(super) fn write(
    view: &View<'_>,
    target: &Target,
    survey: &mut Survey,
    mtime_ns: i64,
    progress: &dyn Progress,
) -> Result<u64> {
    let writing = Writing {
        view,
        target,
        dirs: &survey.dirs,
        mtime_ns,
        progress,
    };
    let (links, files): (Vec<_>, Vec<_>) = locate(view, &survey.jobs)?
        .into_iter()
        .partition(|located| located.job.entry.kind() == EntryKind::Link);
    let (small, large): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|located| located.kind == ObjectKind::Blob);
    let mut written = writing.frames(&small)?;
    written.extend(writing.large(&large)?);
    writing.frames(&links)?;
    for (number, facts) in written {
        survey.facts[number] = Some(facts);
    }
    Ok(survey.jobs.len() as u64)
}

/// A job, and where its blob lies.
struct Located<'j> {
    job: &'j Job,
    kind: ObjectKind,
    stored: Stored,
}

/// Finds the blobs of all jobs, and sorts the jobs by place.
fn locate<'j>(view: &View<'_>, jobs: &'j [Job]) -> Result<Vec<Located<'j>>> {
    let mut located: Vec<Located<'j>> = jobs
        .par_iter()
        .with_min_len(LOOKUPS_PER_TASK)
        .map(|job| {
            let kind = blob_form(job.entry.size());
            let found = view.find(kind, job.entry.id())?;
            let found = found.ok_or_else(|| Error::not_found(kind.name(), job.entry.id()))?;
            Ok(Located {
                job,
                kind,
                stored: found.place(),
            })
        })
        .collect::<Result<_>>()?;
    located.sort_unstable_by_key(|located| (located.stored, located.job.number));
    Ok(located)
}

/// The number of a file, and what the file system says of it.
type Written = (usize, Facts);

struct Writing<'a, 's> {
    view: &'a View<'s>,
    target: &'a Target,
    dirs: &'a [Dir],
    mtime_ns: i64,
    progress: &'a dyn Progress,
}

impl Writing<'_, '_> {
    /// Writes small files or links, sorted by place, a frame at a time.
    fn frames(&self, located: &[Located<'_>]) -> Result<Vec<Written>> {
        let frames: Vec<&[Located<'_>]> = located
            .chunk_by(|one, next| one.stored.frame() == next.stored.frame())
            .collect();
        let written: Vec<Vec<Written>> = frames
            .into_par_iter()
            .map(|frame| self.frame(frame))
            .collect::<Result<_>>()?;
        Ok(written.into_iter().flatten().collect())
    }

    fn frame(&self, frame: &[Located<'_>]) -> Result<Vec<Written>> {
        let mut open = OpenDir::new(self);
        let mut written = Vec::with_capacity(frame.len());
        for located in frame {
            let (entry, dir) = (&located.job.entry, open.dir_of(located.job)?);
            let bytes = self
                .view
                .read_at(located.kind, entry.id(), located.stored)?;
            let bytes = bytes.as_slice()?;
            check_size(entry.id(), bytes.len() as u64, entry.size())?;
            if let Some(facts) = self.small(dir, located.job, bytes)? {
                written.push((located.job.number, facts));
            }
            self.progress.advance(entry.size());
        }
        Ok(written)
    }

    /// Writes one small file or link.
    fn small(&self, dir: &TargetDir, job: &Job, bytes: &[u8]) -> Result<Option<Facts>> {
        let name = job.entry.name();
        make_room(dir, job)?;
        let Some(mode) = mode(job.entry.kind()) else {
            let target = std::str::from_utf8(bytes)
                .map_err(|_| damaged(job.entry.id(), "a link's target is no text".to_owned()))?;
            dir.make_link(name, target)?;
            return Ok(None);
        };
        let mut file = NewFile::create(dir, name, mode)?;
        file.write(bytes)?;
        Ok(Some(Facts::from(&file.finish(self.mtime_ns)?)))
    }

    /// Writes large files, in pieces.
    fn large(&self, located: &[Located<'_>]) -> Result<Vec<Written>> {
        let written = located.par_iter().map(|Located { job, .. }| {
            let mut open = OpenDir::new(self);
            let dir = open.dir_of(job)?;
            make_room(dir, job)?;
            let mode = mode(job.entry.kind())
                .ok_or_else(|| Error::internal("a link's target is never large"))?;
            let mut file = NewFile::create(dir, job.entry.name(), mode)?;
            let id = BlobId::new(job.entry.id());
            self.view.read_blob(id, job.entry.size(), &mut |piece| {
                self.progress.advance(piece.len() as u64);
                file.write(piece)
            })?;
            Ok((job.number, Facts::from(&file.finish(self.mtime_ns)?)))
        });
        written.collect()
    }
}

/// The directory that a thread writes into: neighbours in a frame are mostly neighbours in the tree.
struct OpenDir<'a, 's> {
    writing: &'a Writing<'a, 's>,
    open: Option<(usize, TargetDir)>,
}

impl<'a, 's> OpenDir<'a, 's> {
    const fn new(writing: &'a Writing<'a, 's>) -> Self {
        Self {
            writing,
            open: None,
        }
    }

    fn dir_of(&mut self, job: &Job) -> Result<&TargetDir> {
        let dir = match self.open.take() {
            Some((number, dir)) if number == job.dir => dir,
            _ => self
                .writing
                .target
                .open_dir(&self.writing.dirs[job.dir].path)?,
        };
        Ok(&self.open.insert((job.dir, dir)).1)
    }
}

/// Removes what is where a file is to be written.
fn make_room(dir: &TargetDir, job: &Job) -> Result<()> {
    match job.place {
        Place::Free | Place::There => Ok(()),
        Place::Taken => dir.remove_file(job.entry.name()),
    }
}

fn check_size(id: Hash, found: u64, expected: u64) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(damaged(id, format!("it has {found} bytes, not {expected}")))
    }
}

fn damaged(id: Hash, reason: String) -> Error {
    Error::malformed("blob", reason).in_stored("blob", id, "the store")
}
