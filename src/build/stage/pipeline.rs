//! The pipeline: batches of files are read and hashed by all threads, what is new is compressed by all threads, and one
//! thread in between gives contents to the sink, which tells new ones from known ones, and makes the trees. Nobody waits for
//! the slowest of a round.
//!
//! # Invariants
//!
//! - At most [`READING_BYTES_MAX`] and one batch more of files are in memory, read or being read.
//!
//! # Not here
//!
//! Its parts: `build::stage::batch` reads, `build::stage::packer` compresses.

use std::path::PathBuf;

use super::batch::{self, Batches, Step};
use super::content::{Content, ContentSink};
use super::in_order::{InOrder, Threads};
use super::listing::{Listed, Source};
use super::recall::Recalled;
use super::stream;
use super::trees::Trees;
use crate::base::id::Hash;
use crate::base::limits::MIB;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::disk::source::CHANGED;
use crate::object::edit::Written;

/// Bytes of files that are read ahead: some batches for each of many threads.
const READING_BYTES_MAX: u64 = 8 * MIB;

/// Takes in the files of `source` whose ids are not yet in `recalled`, puts their ids there, and writes its trees.
///
/// # Errors
///
/// Those of [`batch::read`], [`stream::start`], [`Trees::write`] and the sink.
pub(super) fn take_in<'scope>(
    scope: &Threads<'scope>,
    source: &'scope Source,
    recalled: &mut Recalled,
    sink: &mut impl ContentSink,
    progress: &'scope dyn Progress,
) -> Result<Written> {
    let unread: Vec<bool> = recalled.unread();
    sink.expect(unread.iter().filter(|is_unread| **is_unread).count());
    let files = source.files().filter(|file| {
        let is_unread = unread[file.number];
        if !is_unread {
            progress.advance(file.size());
        }
        is_unread
    });
    let mut trees = Trees::new(source.contents(), recalled);
    // Files come in order, so the ids of those before one are known.
    read(scope, files, sink, progress, &mut |sink, number, id| {
        recalled.note(number, id);
        trees.write(sink, recalled, number + 1)
    })?;
    trees.write(sink, recalled, source.file_count())?;
    trees.finish()
}

/// Takes in all files of `source`, and writes its trees. Also gives the ids of the files, in order.
///
/// # Errors
///
/// [`Error::Source`] for the first file that cannot be read or changes while it is read; those of the sink.
pub fn take_all<'scope>(
    scope: &Threads<'scope>,
    source: &'scope Source,
    sink: &mut impl ContentSink,
    progress: &'scope dyn Progress,
) -> Result<(Written, Vec<Hash>)> {
    let mut recalled = Recalled::nothing(source);
    let written = take_in(scope, source, &mut recalled, sink, progress)?;
    let ids = recalled.ids().iter().copied();
    let ids: Option<Vec<Hash>> = ids.collect();
    let ids = ids.ok_or_else(|| Error::internal("a file has no id"))?;
    Ok((written, ids))
}

/// Takes in some files of `source` once more, which have these ids. `is_wanted` says which.
///
/// # Errors
///
/// As [`take_all`]; also [`Error::Source`] if a file is no longer what it was.
pub fn take_again<'scope>(
    scope: &Threads<'scope>,
    source: &'scope Source,
    (ids, is_wanted): (&[Hash], &[bool]),
    sink: &mut impl ContentSink,
    progress: &'scope dyn Progress,
) -> Result<()> {
    let files = source.files().filter(|file| is_wanted[file.number]);
    read(scope, files, sink, progress, &mut |_, number, id| {
        if ids.get(number) == Some(&id) {
            return Ok(());
        }
        let file = source.files().nth(number);
        Err(Error::Source {
            path: file.map_or_else(PathBuf::new, |file| file.path()),
            reason: CHANGED.to_owned(),
        })
    })
}

/// What is done about the id of the file with a number.
type Note<'n, S> = &'n mut dyn FnMut(&mut S, usize, Hash) -> Result<()>;

/// Reads files, gives the sink what is in them and notes their ids, both in order.
fn read<'scope, S: ContentSink>(
    scope: &Threads<'scope>,
    files: impl Iterator<Item = Listed<'scope>>,
    sink: &mut S,
    progress: &'scope dyn Progress,
    note: Note<'_, S>,
) -> Result<()> {
    let mut reading = Reading {
        batches: InOrder::new(scope),
        sink,
        note,
    };
    for step in Batches::new(files) {
        match step {
            Step::Batch { files, weight } => {
                let read = move || batch::read(&files, progress);
                reading.batches.start(weight, read);
                while reading.batches.weight() > READING_BYTES_MAX {
                    reading.take_next()?;
                }
            }
            Step::Large(file) => {
                let streaming = stream::start(scope, &file, progress)?;
                while reading.take_next()? {}
                let id = streaming.take_in(reading.sink)?;
                (reading.note)(reading.sink, file.number, id)?;
            }
        }
    }
    while reading.take_next()? {}
    Ok(())
}

/// A batch that was read: the numbers of its files, and what is in them.
type Read = Vec<(usize, Content)>;

/// Files that are being read.
struct Reading<'t, 'scope, 'n, S> {
    batches: InOrder<'t, 'scope, Read>,
    sink: &'n mut S,
    note: Note<'n, S>,
}

impl<S: ContentSink> Reading<'_, '_, '_, S> {
    /// Takes in the batch that was given out first; says whether there was one.
    fn take_next(&mut self) -> Result<bool> {
        let Some(files) = self.batches.next()? else {
            return Ok(false);
        };
        for (number, content) in files {
            let id = content.id;
            self.sink.take(content)?;
            (self.note)(self.sink, number, id)?;
        }
        Ok(true)
    }
}
