//! The pipeline: batches of files are read and hashed by all threads, frames are compressed by all threads, and one
//! thread in between tells new contents from known ones and writes the packs. Nobody waits for the slowest of a round.
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
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::MIB;
use crate::base::progress::Progress;

/// Bytes of files that are read ahead: some batches for each of many threads.
const READING_BYTES_MAX: u64 = 8 * MIB;

/// Takes in the files of `source` whose ids are not yet in `recalled`, and puts their ids there.
///
/// # Errors
///
/// Those of [`batch::read`], [`stream::start`] and [`Packer::take`].
pub(super) fn take_in_files<'scope>(
    scope: &Scope<'scope>,
    source: &'scope Source,
    recalled: &mut Recalled,
    packer: &mut Packer<'_, '_, 'scope>,
    progress: &'scope dyn Progress,
) -> Result<()> {
    let unread: Vec<bool> = recalled.unread();
    packer.expect(unread.iter().filter(|is_unread| **is_unread).count());
    let wanted = source.files().filter(|file| {
        let is_unread = unread[file.number];
        if !is_unread {
            progress.advance(file.size());
        }
        is_unread
    });
    let mut reading = InOrder::new(scope);
    for step in Batches::new(wanted) {
        match step {
            Step::Batch { files, weight } => {
                reading.start(weight, move || batch::read(&files, progress));
                while reading.weight() > READING_BYTES_MAX {
                    take_next(&mut reading, recalled, packer)?;
                }
            }
            Step::Large(file) => {
                let streaming = stream::start(scope, &file, progress)?;
                while take_next(&mut reading, recalled, packer)? {}
                recalled.note(file.number, streaming.take_in(packer)?);
            }
        }
    }
    while take_next(&mut reading, recalled, packer)? {}
    Ok(())
}

/// A batch that was read: the numbers of its files, and what is in them.
type Read = Vec<(usize, Content)>;

/// Takes in the batch that was given out first; says whether there was one.
fn take_next(
    reading: &mut InOrder<'_, '_, Read>,
    recalled: &mut Recalled,
    packer: &mut Packer<'_, '_, '_>,
) -> Result<bool> {
    let Some(files) = reading.next()? else {
        return Ok(false);
    };
    for (number, content) in files {
        let id: Hash = content.id;
        packer.take(content)?;
        recalled.note(number, id);
    }
    Ok(true)
}
