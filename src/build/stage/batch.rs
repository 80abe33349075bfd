//! Batches: small files that one thread reads and hashes in a row.
//!
//! # Invariants
//!
//! - A batch has at most [`BATCH_FILES_MAX`] files, and its bytes pass [`BATCH_BYTES_TARGET`] by at most one file.
//! - The contents come in the order of the files, so what is made of them does not depend on the threads.
//!
//! # Not here
//!
//! Files too large for a batch (`build::stage::stream`).

use std::iter::Peekable;

use super::content::{CONTENT_BYTES_EXTRA, Content};
use super::listing::Listed;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::{MIB, WHOLE_BLOB_BYTES_MAX};
use crate::base::progress::Progress;
use crate::disk::source::SourceFolder;
use crate::disk::walk::SourceContent;

/// Bytes after which a batch ends: so much that handing it over costs little, so little that all threads have work.
const BATCH_BYTES_TARGET: u64 = MIB / 2;
/// Files of a batch.
const BATCH_FILES_MAX: usize = 256;

/// What to take in next.
pub(super) enum Step<'a> {
    /// Files to be read together; at least one.
    Batch {
        /// The files.
        files: Vec<Listed<'a>>,
        /// Bytes that they take in memory when they are read.
        weight: u64,
    },
    /// A file that is stored in chunks.
    Large(Listed<'a>),
}

/// Groups files into batches, in order.
pub(super) struct Batches<'a, I: Iterator<Item = Listed<'a>>> {
    files: Peekable<I>,
}

impl<'a, I: Iterator<Item = Listed<'a>>> Batches<'a, I> {
    pub(super) fn new(files: I) -> Self {
        Self {
            files: files.peekable(),
        }
    }
}

impl<'a, I: Iterator<Item = Listed<'a>>> Iterator for Batches<'a, I> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if let Some(large) = self.files.next_if(is_large) {
            return Some(Step::Large(large));
        }
        let (mut files, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES_TARGET && files.len() < BATCH_FILES_MAX {
            let Some(file) = self.files.next_if(|file| !is_large(file)) else {
                break;
            };
            bytes += file.size();
            files.push(file);
        }
        let weight = bytes + files.len() as u64 * CONTENT_BYTES_EXTRA;
        (!files.is_empty()).then_some(Step::Batch { files, weight })
    }
}

fn is_large(file: &Listed<'_>) -> bool {
    file.size() > WHOLE_BLOB_BYTES_MAX
}

/// Reads and hashes the files of a batch; gives their numbers and contents.
///
/// # Errors
///
/// [`Error::Source`](crate::base::Error::Source) for the first file, in order, that cannot be read as it was seen.
pub(super) fn read(files: &[Listed<'_>], progress: &dyn Progress) -> Result<Vec<(usize, Content)>> {
    let mut folder: Option<SourceFolder> = None;
    let mut contents = Vec::with_capacity(files.len());
    for file in files {
        let bytes = match &file.entry.content {
            SourceContent::Link(target) => target.as_bytes().to_vec(),
            SourceContent::File(stat) => {
                let folder = match &mut folder {
                    Some(open) if *open.path() == *file.folder => open,
                    other => other.insert(SourceFolder::open(&file.folder)?),
                };
                let mut bytes = Vec::new();
                folder.read_whole(file.name, stat, &mut bytes)?;
                bytes
            }
        };
        progress.advance(file.size());
        let id = Hash::of(&bytes);
        contents.push((file.number, Content { id, bytes }));
    }
    Ok(contents)
}
