//! Unfolding: a file with its streams expanded where they stand, and the recipe that makes them again.
//!
//! # Invariants
//!
//! - A stream is in a recipe only if its packing was tried on the whole of it, and a form is given only if its recipe makes
//!   the file of the streams that were tried.
//! - What is unfolded within some bytes is unfolded the same way within more: what takes too many is not unfolded at all.
//! - After [`MISSES_MAX`] streams that could not be made again, no more are tried.
//!
//! # Not here
//!
//! Where streams are (`scan`), making them again (`refold`).

use std::collections::HashMap;

use super::coder::Packing;
use super::findings::Findings;
use super::recipe::{Level, Made};
use super::refold::refold_by;
use super::scan::{Found, streams};
use super::stream::Expanded;
use crate::base::id::Hash;
use crate::base::limits::{ARCHIVE_LEVELS_MAX, ARCHIVE_STREAMS_MAX};

/// Streams of one file that are tried in vain.
const MISSES_MAX: usize = 16;

/// A file with all its streams expanded where they stand, or nothing if there is none or that takes more than `bytes_max`
/// bytes.
#[must_use]
pub fn unpack(file: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let unfolding = Unfolding::of(file, bytes_max, Search::None)?;
    (unfolding.expanded > 0).then_some(unfolding.unpacked)
}

/// The unfolded form of a file, and how that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfolded {
    /// The recipe, and the file with the streams that it has expanded where they stand.
    pub form: Vec<u8>,
    /// How its streams are made again.
    pub findings: Findings,
}

/// The unfolded form of a file, or nothing if no stream can be made again, or it takes more than `bytes_max` bytes.
#[must_use]
pub fn unfold(file: &[u8], bytes_max: usize) -> Option<Unfolded> {
    let unfolding = Unfolding::of(file, bytes_max, Search::Fresh(Box::default()))?;
    let (form, search) = unfolding.form()?;
    let Search::Fresh(fresh) = search else {
        return None;
    };
    // Streams were made again one by one; this is the proof for the whole, without making them a second time.
    let again = refold_by(&form, file.len(), &|made, plain, sink| {
        let packed = fresh.made.get(&(made.packing, Hash::of(plain)));
        packed.is_some_and(|packed| sink(packed))
    });
    let findings = fresh.findings;
    (again.ok().as_deref() == Some(file)).then_some(Unfolded { form, findings })
}

/// The form that [`unfold`] gave, of the same file and with what it found, without another search. Whoever has findings from
/// somewhere else gets another form, or none.
#[must_use]
pub fn unfold_as(file: &[u8], findings: Findings, bytes_max: usize) -> Option<Vec<u8>> {
    let search = Search::Known(findings.into_iter());
    let (form, _) = Unfolding::of(file, bytes_max, search)?.form()?;
    Some(form)
}

/// How it is found out how a stream is made again.
enum Search {
    /// Not at all.
    None,
    /// By trying.
    Fresh(Box<Fresh>),
    /// It was found before.
    Known(std::vec::IntoIter<Option<Packing>>),
}

/// What is known of the packings of a file while they are searched.
#[derive(Default)]
struct Fresh {
    likely: Option<Packing>,
    misses: usize,
    findings: Findings,
    /// The streams that were made again, by how and from what.
    made: HashMap<(Packing, Hash), Vec<u8>>,
}

impl Fresh {
    /// The packing that makes `packed` of `plain`.
    fn find(&mut self, found: &Found, plain: &[u8], packed: &[u8]) -> Option<Packing> {
        let packing = if self.misses < MISSES_MAX {
            let mut packings = found.coder.packings(self.likely);
            packings.find(|packing| packing.makes(plain, packed))
        } else {
            None
        };
        match packing {
            Some(packing) => {
                self.likely = Some(packing);
                let key = (packing, Hash::of(plain));
                self.made.insert(key, packed.to_vec());
            }
            None => self.misses += 1,
        }
        self.findings.push(packing);
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
    search: Search,
    unpacked: Vec<u8>,
    recipe: Level,
    expanded: usize,
}

impl Unfolding {
    /// Unfolds a file; nothing if that takes too many bytes.
    fn of(file: &[u8], bytes_max: usize, search: Search) -> Option<Self> {
        let mut unfolding = Self {
            bytes_max,
            search,
            unpacked: Vec::new(),
            recipe: Level::default(),
            expanded: 0,
        };
        unfolding.recipe = unfolding.level(file, 0)?;
        Some(unfolding)
    }

    /// The unfolded form, if there is one.
    fn form(self) -> Option<(Vec<u8>, Search)> {
        if self.expanded == 0 {
            return None;
        }
        let mut form = Vec::new();
        self.recipe.encode(&mut form);
        form.extend_from_slice(&self.unpacked);
        (form.len() <= self.bytes_max).then_some((form, self.search))
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
        let is_short = plain.len() < found.coder.plain_bytes_min();
        let packing = match &mut self.search {
            Search::None => None,
            // It is no sign that others cannot be made again.
            Search::Fresh(_) | Search::Known(_) if is_short => return Opened::Kept,
            Search::Fresh(fresh) => match fresh.find(found, &plain, packed) {
                None => return Opened::Kept,
                found => found,
            },
            Search::Known(known) => match known.next().flatten() {
                Some(packing) if packing.is_by(found.coder) => Some(packing),
                _ => return Opened::Kept,
            },
        };
        self.expanded += 1;
        Opened::Expanded(plain, packing)
    }

    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let fits = bytes.len() <= self.bytes_max.saturating_sub(self.unpacked.len());
        fits.then(|| self.unpacked.extend_from_slice(bytes))
    }
}
