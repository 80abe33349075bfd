//! Unfolding: a file with its streams expanded where they stand, and the recipe that makes them again.
//!
//! # Invariants
//!
//! - A stream is in a recipe only if its packing was tried on the whole of it.
//! - What is unfolded within some bytes is unfolded the same way within more: what takes too many is not unfolded at all.
//! - After [`MISSES_MAX`] streams that could not be made again, no more are tried.
//!
//! # Not here
//!
//! Where streams are (`scan`), making them again (`refold`).

use super::coder::Packing;
use super::recipe::{Level, Made};
use super::scan::{Found, streams};
use super::stream::Expanded;
use crate::base::limits::{ARCHIVE_LEVELS_MAX, ARCHIVE_STREAMS_MAX};

/// Streams of one file that are tried in vain.
const MISSES_MAX: usize = 16;

/// A file with all its streams expanded where they stand, or nothing if there is none or that takes more than `bytes_max`
/// bytes.
#[must_use]
pub fn unpack(file: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let unfolding = Unfolding::new(bytes_max, None).file(file)?;
    (unfolding.expanded > 0).then_some(unfolding.unpacked)
}

/// The unfolded form of a file: the recipe, and the file with the streams that it has expanded where they stand. Nothing if
/// no stream can be made again, or it takes more than `bytes_max` bytes.
#[must_use]
pub fn unfold(file: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let unfolding = Unfolding::new(bytes_max, Some(Search::default()));
    let unfolding = unfolding.file(file)?;
    if unfolding.expanded == 0 {
        return None;
    }
    let mut form = Vec::new();
    unfolding.recipe.encode(&mut form);
    form.extend_from_slice(&unfolding.unpacked);
    (form.len() <= bytes_max).then_some(form)
}

/// What is known of the packings of a file while they are searched.
#[derive(Default)]
struct Search {
    likely: Option<Packing>,
    misses: usize,
}

impl Search {
    /// The packing that makes `packed` of `plain`.
    fn find(&mut self, found: &Found, plain: &[u8], packed: &[u8]) -> Option<Packing> {
        if self.misses >= MISSES_MAX {
            return None;
        }
        let mut packings = found.coder.packings(self.likely);
        let packing = packings.find(|packing| packing.makes(plain, packed));
        match packing {
            Some(_) => self.likely = packing,
            None => self.misses += 1,
        }
        packing
    }
}

/// What becomes of a stream.
enum Opened {
    /// What it expands to and, if that is searched, how it is made again.
    Expanded(Vec<u8>, Option<Packing>),
    /// It stays as it is.
    Kept,
    /// It takes too many bytes.
    TooLong,
}

/// A file that is being unfolded.
struct Unfolding {
    bytes_max: usize,
    search: Option<Search>,
    unpacked: Vec<u8>,
    recipe: Level,
    expanded: usize,
}

impl Unfolding {
    fn new(bytes_max: usize, search: Option<Search>) -> Self {
        Self {
            bytes_max,
            search,
            unpacked: Vec::new(),
            recipe: Level::default(),
            expanded: 0,
        }
    }

    fn file(mut self, file: &[u8]) -> Option<Self> {
        self.recipe = self.level(file, 0)?;
        Some(self)
    }

    /// Unfolds a file, or what a stream expands to; nothing if that takes too many bytes.
    fn level(&mut self, bytes: &[u8], depth: usize) -> Option<Level> {
        let mut level = Level::default();
        let mut at = 0;
        let mut gap_start = self.unpacked.len();
        let found = if depth < ARCHIVE_LEVELS_MAX {
            streams(bytes)
        } else {
            Vec::new()
        };
        for found in found {
            self.append(&bytes[at..found.at.start])?;
            at = found.at.start;
            let packed = &bytes[found.at.clone()];
            let (plain, packing) = match self.open(&found, packed) {
                Opened::Expanded(plain, packing) => (plain, packing),
                Opened::Kept => continue,
                Opened::TooLong => return None,
            };
            let start = self.unpacked.len();
            let within = self.level(&plain, depth + 1)?;
            if self.unpacked.len() - start < plain.len() {
                // Streams that shrink where they are expanded are made to deceive. Without them, nothing on the way is
                // longer than what comes of it.
                return None;
            }
            if let Some(packing) = packing {
                level.streams.push(Made {
                    gap: start - gap_start,
                    packing,
                    bytes: self.unpacked.len() - start,
                    within,
                });
            }
            gap_start = self.unpacked.len();
            at = found.at.end;
        }
        self.append(&bytes[at..])?;
        Some(level)
    }

    fn open(&mut self, found: &Found, packed: &[u8]) -> Opened {
        let left = self.bytes_max.saturating_sub(self.unpacked.len());
        if self.expanded >= ARCHIVE_STREAMS_MAX {
            return Opened::Kept;
        }
        let plain = match found.coder.expand(packed, left) {
            Expanded::Whole(plain) => plain,
            Expanded::Broken => return Opened::Kept,
            Expanded::TooLong => return Opened::TooLong,
        };
        let packing = match &mut self.search {
            Some(search) => match search.find(found, &plain, packed) {
                None => return Opened::Kept,
                found => found,
            },
            None => None,
        };
        self.expanded += 1;
        Opened::Expanded(plain, packing)
    }

    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let fits = bytes.len() <= self.bytes_max.saturating_sub(self.unpacked.len());
        fits.then(|| self.unpacked.extend_from_slice(bytes))
    }
}
