//! Windows: as many small files as are in memory at a time, read and hashed by all threads.
//!
//! # Invariants
//!
//! - A window has at most [`WINDOW_FILES_MAX`] files, and its bytes pass [`WINDOW_BYTES_TARGET`] by at most one file.
//! - The contents come in the order of the files, so what is made of them does not depend on the threads.
//!
//! # Not here
//!
//! Files too large for a window (`build::stage::stream`).

use std::iter::Peekable;

use rayon::prelude::*;

use super::listing::Listed;
use super::packer::Content;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::{MIB, WHOLE_BLOB_BYTES_MAX};
use crate::base::progress::Progress;
use crate::disk::source;
use crate::disk::walk::SourceContent;

/// Bytes after which a window ends: enough frames for many threads, and two windows are in memory at once.
const WINDOW_BYTES_TARGET: u64 = 16 * MIB;
/// Files of a window.
const WINDOW_FILES_MAX: usize = 4096;
/// Files that one thread reads in a row.
const FILES_PER_TASK: usize = 16;

/// What to take in next.
pub(super) enum Step<'a> {
    /// Files to be read together; at least one.
    Window(Vec<Listed<'a>>),
    /// A file that is stored in chunks.
    Large(Listed<'a>),
}

/// Groups files into windows, in order.
pub(super) struct Windows<'a, I: Iterator<Item = Listed<'a>>> {
    files: Peekable<I>,
}

impl<'a, I: Iterator<Item = Listed<'a>>> Windows<'a, I> {
    pub(super) fn new(files: I) -> Self {
        Self {
            files: files.peekable(),
        }
    }
}

impl<'a, I: Iterator<Item = Listed<'a>>> Iterator for Windows<'a, I> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if let Some(large) = self.files.next_if(is_large) {
            return Some(Step::Large(large));
        }
        let (mut files, mut bytes) = (Vec::new(), 0);
        while bytes < WINDOW_BYTES_TARGET && files.len() < WINDOW_FILES_MAX {
            let Some(file) = self.files.next_if(|file| !is_large(file)) else {
                break;
            };
            bytes += file.size();
            files.push(file);
        }
        (!files.is_empty()).then_some(Step::Window(files))
    }
}

fn is_large(file: &Listed<'_>) -> bool {
    file.size() > WHOLE_BLOB_BYTES_MAX
}

/// Reads and hashes the files of a window.
///
/// # Errors
///
/// [`Error::Source`](crate::base::Error::Source) for the first file, in order, that cannot be read as it was seen.
pub(super) fn read(files: &[Listed<'_>], progress: &dyn Progress) -> Result<Vec<Content>> {
    let contents: Vec<Result<Content>> = files
        .par_iter()
        .with_min_len(FILES_PER_TASK)
        .map(|file| {
            let bytes = read_one(file)?;
            progress.advance(file.size());
            Ok(Content {
                id: Hash::of(&bytes),
                bytes,
            })
        })
        .collect();
    contents.into_iter().collect()
}

fn read_one(file: &Listed<'_>) -> Result<Vec<u8>> {
    match &file.entry.content {
        SourceContent::Link(target) => Ok(target.as_bytes().to_vec()),
        SourceContent::File(stat) => {
            let mut bytes = Vec::new();
            source::read_whole(&file.path(), stat, &mut bytes)?;
            Ok(bytes)
        }
    }
}
