//! The pipeline: batches of files are read and hashed by all threads, frames are compressed by all threads, and one
//! thread in between tells new contents from known ones, makes the trees and writes the packs. Nobody waits for the
//! slowest of a round.
//!
//! # Invariants
//!
//! - At most [`READING_BYTES_MAX`] and one batch more of files are in memory, read or being read.
//!
//! # Not here
//!
//! Its parts: `build::stage::batch` reads, `build::stage::packer` compresses and writes.

use rayon::Scope;

use super::batch::{self, Batches, Step};
use super::in_order::InOrder;
use super::listing::Source;
use super::packer::{Content, Packer};
use super::recall::Recalled;
use super::stream;
use super::trees::Trees;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::MIB;
use crate::base::progress::Progress;
use crate::object::edit::Written;

/// Bytes of files that are read ahead: some batches for each of many threads.
const READING_BYTES_MAX: u64 = 8 * MIB;

/// Takes in the files of `source` whose ids are not yet in `recalled`, puts their ids there, and writes its trees.
///
/// # Errors
///
/// Those of [`batch::read`], [`stream::start`], [`Packer::take`] and [`Trees::write`].
pub(super) fn take_in<'scope>(
    scope: &Scope<'scope>,
    source: &'scope Source,
    recalled: &mut Recalled,
    packer: &mut Packer<'_, '_, 'scope>,
    progress: &'scope dyn Progress,
) -> Result<Written> {
    let unread: Vec<bool> = recalled.unread();
    packer.expect(unread.iter().filter(|is_unread| **is_unread).count());
    let wanted = source.files().filter(|file| {
        let is_unread = unread[file.number];
        if !is_unread {
            progress.advance(file.size());
        }
        is_unread
    });
    let mut taking = Taking {
        trees: Trees::new(source.contents(), recalled),
        reading: InOrder::new(scope),
        recalled,
        packer,
    };
    for step in Batches::new(wanted) {
        match step {
            Step::Batch { files, weight } => {
                let read = move || batch::read(&files, progress);
                taking.reading.start(weight, read);
                while taking.reading.weight() > READING_BYTES_MAX {
                    taking.take_next()?;
                }
            }
            Step::Large(file) => {
                let streaming = stream::start(scope, &file, progress)?;
                while taking.take_next()? {}
                let id = streaming.take_in(taking.packer)?;
                taking.note(file.number, id)?;
            }
        }
    }
    while taking.take_next()? {}
    taking
        .trees
        .write(taking.packer, taking.recalled, source.file_count())?;
    taking.trees.finish()
}

/// A batch that was read: the numbers of its files, and what is in them.
type Read = Vec<(usize, Content)>;

/// A source that is being taken in.
struct Taking<'t, 'p, 'v, 's, 'scope> {
    trees: Trees<'scope>,
    reading: InOrder<'t, 'scope, Read>,
    recalled: &'p mut Recalled,
    packer: &'p mut Packer<'v, 's, 'scope>,
}

impl Taking<'_, '_, '_, '_, '_> {
    /// Takes in the batch that was given out first; says whether there was one.
    fn take_next(&mut self) -> Result<bool> {
        let Some(files) = self.reading.next()? else {
            return Ok(false);
        };
        for (number, content) in files {
            let id = content.id;
            self.packer.take(content)?;
            self.note(number, id)?;
        }
        Ok(true)
    }

    /// Notes the id of a file. Files come in order, so those before it are known.
    fn note(&mut self, number: usize, id: Hash) -> Result<()> {
        self.recalled.note(number, id);
        self.trees.write(self.packer, self.recalled, number + 1)
    }
}
