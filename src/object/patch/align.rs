//! Aligning: which parts of a target resemble which parts of the base.
//!
//! bsdiff (Colin Percival, "Naive differences of executable code", 2003) sees that executables change in two ways:
//! pieces move, and addresses inside the moved pieces change by a little. So it copies *approximately*, and stores by
//! how much each copied byte differs, which is mostly zero. This is its walk, with a hash index in the place of the
//! suffix array: the target is read once with a current *alignment* (a distance between base and target); another one
//! is taken only where it explains clearly more of what follows.
//!
//! # Invariants
//!
//! - The segments fill the target, and each copy lies inside the base.
//!
//! # Not here
//!
//! Finding equal words (`index`); what is stored for a segment (`encode`).

use super::index::{Cells, Index, LISTED_STEP_MIN, SHORT_BASE_BYTES_MAX, index_bytes};
use super::segment::{SEGMENT_BYTES_MIN, Segment};
use super::word::{WORD_BYTES, common_prefix, equal_bytes, equal_bytes_of_words, word};

/// How thoroughly a target is searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// An exact match of fewer bytes says nothing: it occurs by chance.
    match_bytes_min: usize,
    /// Bytes from one look-up to the next where nothing is found.
    step: usize,
    /// Positions of the base from one that is listed to the next.
    listed_step: usize,
    /// The same for a long base.
    listed_step_long: usize,
}

impl Search {
    /// For files as they are.
    pub(super) const PLAIN: Self = Self {
        match_bytes_min: 12,
        step: 1,
        listed_step: 1,
        listed_step_long: LISTED_STEP_MIN,
    };
    /// For files of which it is asked only whether they are alike at all.
    pub(super) const ROUGH: Self = Self {
        match_bytes_min: 16,
        step: 3,
        listed_step: 4,
        listed_step_long: 8,
    };
    /// For code without its distances, which is much alike; and where it moves is all that is wanted. The step and those
    /// of the index have no common factor, so no alignment is overlooked that holds for some 60 bytes. A long base is most often a
    /// program, of which moves say more than of a small object file, so it is looked at more closely.
    pub(super) const MASKED: Self = Self {
        match_bytes_min: 16,
        step: 3,
        listed_step: 16,
        listed_step_long: 8,
    };
    /// For code with predicted addresses. Every match holds a listed word: of 16 bytes, nine words start in it.
    pub(super) const PREDICTED: Self = Self {
        match_bytes_min: 16,
        step: 1,
        listed_step: 4,
        listed_step_long: 8,
    };

    /// Positions between two that are listed of a base of `base_bytes`.
    fn listed_step(self, base_bytes: usize) -> usize {
        if base_bytes <= SHORT_BASE_BYTES_MAX {
            self.listed_step
        } else {
            self.listed_step_long
        }
    }
}

/// Bytes that an index takes, whatever is searched for in a base of `base_bytes` in all.
pub(super) fn index_bytes_max(base_bytes: usize) -> usize {
    [
        Search::PLAIN,
        Search::ROUGH,
        Search::MASKED,
        Search::PREDICTED,
    ]
    .map(|search| index_bytes(base_bytes / search.listed_step(base_bytes)))
    .into_iter()
    .max()
    .unwrap_or(0)
}

/// Cells of the largest index whose room is kept for the next one.
const ROOM_CELLS_MAX: usize = 1 << 24;

/// By how many bytes more than the current alignment another one must explain the same span.
const GAIN_BYTES_MIN: usize = 8;

/// Positions that are looked up together.
const AHEAD_POSITIONS: usize = 8;

/// Bytes up to which a match is compared before it is decided on: enough to beat any alignment.
const MATCH_BYTES_ENOUGH: usize = 1 << 16;

/// [`WORD_BYTES`], to be added to scores.
const WORD_BYTES_SIGNED: i64 = 8;

/// By how much bytes that differ may outnumber equal ones before an alignment is not followed further back.
const UNLIKE_BYTES_MAX: i64 = 256;

/// A distance between base and target, and from where on it holds.
#[derive(Clone, Copy, Debug, Default)]
struct Alignment {
    base: usize,
    target: usize,
}

impl Alignment {
    /// What the base has from the place on that stands at `target`, if that lies inside it.
    #[inline]
    fn base_at(self, base: &[u8], target: usize) -> &[u8] {
        (target + self.base)
            .checked_sub(self.target)
            .and_then(|at| base.get(at..))
            .unwrap_or_default()
    }
}

/// Takes `target` apart into segments. `room` is what an index takes, and is kept for the next one.
pub(super) fn align(
    base: &[u8],
    target: &[u8],
    search: Search,
    room: &mut Vec<u32>,
) -> Vec<Segment> {
    if base.is_empty() {
        // Nothing can be found.
        let literal = narrow(target.len());
        let all = (literal > 0).then_some(Segment {
            literal,
            ..Segment::default()
        });
        return all.into_iter().collect();
    }
    let index = Index::new(base, search.listed_step(base.len()), std::mem::take(room));
    let mut walk = Walk {
        base,
        target,
        match_bytes_min: search.match_bytes_min,
        current: Alignment::default(),
        segments: Vec::new(),
    };
    let mut ahead = Ahead::new(&index, target, search.step);
    let mut at = 0;
    while at + WORD_BYTES <= target.len() {
        let same = common_prefix(walk.current.base_at(base, at), &target[at..]);
        if same >= WORD_BYTES {
            at += same;
        } else if let Some((found, length)) = walk.best(ahead.find(at), at) {
            walk.switch(found, at);
            at += length;
        } else {
            at += search.step;
        }
    }
    *room = index.into_room();
    if room.len() > ROOM_CELLS_MAX {
        *room = Vec::new();
    }
    walk.finish()
}

/// Look-ups of the next positions, made together where one has found nothing: each waits for memory, and so they wait at
/// the same time.
struct Ahead<'a> {
    index: &'a Index,
    target: &'a [u8],
    step: usize,
    /// The position for which the first of `cells` was looked up.
    start: usize,
    cells: [Cells; AHEAD_POSITIONS],
    /// How many of `cells` were looked up, and how many of these have been used.
    filled: usize,
    used: usize,
}

impl<'a> Ahead<'a> {
    fn new(index: &'a Index, target: &'a [u8], step: usize) -> Self {
        Self {
            index,
            target,
            step,
            start: 0,
            cells: [Cells::default(); AHEAD_POSITIONS],
            filled: 0,
            used: 0,
        }
    }

    /// Where in the base the word at `at` of the target may stand.
    #[inline]
    fn find(&mut self, at: usize) -> [Option<usize>; 2] {
        let is_next = at == self.start + self.used * self.step;
        if !is_next || self.used == self.filled {
            self.filled = if is_next { AHEAD_POSITIONS } else { 1 };
            for number in 0..self.filled {
                let bytes = word(self.target, at + number * self.step);
                self.cells[number] =
                    bytes.map_or(Cells::default(), |bytes| self.index.cells(bytes));
            }
            (self.start, self.used) = (at, 0);
        }
        self.used += 1;
        self.index.positions(self.cells[self.used - 1])
    }
}

struct Walk<'a> {
    base: &'a [u8],
    target: &'a [u8],
    match_bytes_min: usize,
    current: Alignment,
    segments: Vec<Segment>,
}

impl Walk<'_> {
    /// The position that is worth a switch and has the longest match, with the length of that.
    #[inline]
    fn best(&self, found: [Option<usize>; 2], at: usize) -> Option<(usize, usize)> {
        let mut best = None;
        for found in found {
            if let Some(found) = found
                && let Some(length) = self.gain(found, at)
                && best.is_none_or(|(_, longest)| length >= longest)
            {
                best = Some((found, length));
            }
        }
        best
    }

    /// How long the match of the base from `found` with the target from `at` is, if it is worth a switch.
    fn gain(&self, found: usize, at: usize) -> Option<usize> {
        let rest = &self.target[at..];
        let rest = &rest[..rest.len().min(MATCH_BYTES_ENOUGH)];
        let length = common_prefix(&self.base[found..], rest);
        if length < self.match_bytes_min {
            return None;
        }
        let current = self.current.base_at(self.base, at);
        let explained = equal_bytes(current, &rest[..length]);
        (length > explained + GAIN_BYTES_MIN).then_some(length)
    }

    /// Ends the current alignment and takes the one with which `found` of the base stands at `at` of the target.
    fn switch(&mut self, found: usize, at: usize) {
        let Alignment { base, target } = self.current;
        let mut copied = extend_forwards(&self.base[base..], &self.target[target..at]);
        let mut reach = extend_backwards(&self.base[..found], &self.target[target..at]);
        let overlap = (target + copied + reach).saturating_sub(at);
        if overlap > 0 {
            let start = at - reach;
            let old = &self.base[base + (start - target)..][..overlap];
            let new = &self.base[found - reach..][..overlap];
            let kept = split(old, new, &self.target[start..][..overlap]);
            copied = copied - overlap + kept;
            reach -= kept;
        }
        self.push(copied, at - reach);
        self.current = Alignment {
            base: found - reach,
            target: at - reach,
        };
    }

    /// Ends the current segment: `copied` bytes of its copy, then literal bytes up to `end` of the target.
    fn push(&mut self, copied: usize, end: usize) {
        let Alignment { base, target } = self.current;
        let bytes = end - target;
        if bytes == 0 {
            return;
        }
        let is_edge = end == self.target.len() || self.segments.is_empty();
        match self.segments.last_mut() {
            // Too short to be worth its place.
            Some(last) if bytes < SEGMENT_BYTES_MIN && !is_edge => last.literal += narrow(bytes),
            _ => self.segments.push(Segment {
                base_start: narrow(base),
                copied: narrow(copied),
                literal: narrow(bytes - copied),
            }),
        }
    }

    fn finish(mut self) -> Vec<Segment> {
        let Alignment { base, target } = self.current;
        let copied = extend_forwards(&self.base[base..], &self.target[target..]);
        self.push(copied, self.target.len());
        self.segments
    }
}

/// A place in a base or target, which the limits keep within 32 bits.
pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// How far the starts of both resemble each other: as far as the equal bytes outnumber the others by the most.
fn extend_forwards(base: &[u8], target: &[u8]) -> usize {
    let mut reach = Reach::default();
    let length = base.len().min(target.len());
    let (mut base, mut target) = (&base[..length], &target[..length]);
    while let (Some((a, later_base)), Some((b, later_target))) =
        (base.split_first_chunk(), target.split_first_chunk())
    {
        reach.add_word(u64::from_le_bytes(*a), u64::from_le_bytes(*b));
        (base, target) = (later_base, later_target);
    }
    for (a, b) in base.iter().zip(target) {
        reach.add(a == b);
    }
    reach.best_length
}

/// How far the ends of both resemble each other, up to where what follows is unlike for long.
fn extend_backwards(base: &[u8], target: &[u8]) -> usize {
    let mut reach = Reach::default();
    let length = base.len().min(target.len());
    let mut base = &base[base.len() - length..];
    let mut target = &target[target.len() - length..];
    while let (Some((sooner_base, a)), Some((sooner_target, b))) =
        (base.split_last_chunk(), target.split_last_chunk())
    {
        // Backwards, the last byte comes first.
        reach.add_word(u64::from_be_bytes(*a), u64::from_be_bytes(*b));
        if reach.best - reach.score > UNLIKE_BYTES_MAX {
            return reach.best_length;
        }
        (base, target) = (sooner_base, sooner_target);
    }
    for (a, b) in base.iter().rev().zip(target.iter().rev()) {
        reach.add(a == b);
    }
    reach.best_length
}

/// How many bytes are compared, and where the equal ones outnumber the others by the most.
#[derive(Default)]
struct Reach {
    score: i64,
    length: usize,
    best: i64,
    best_length: usize,
}

impl Reach {
    #[inline]
    fn add(&mut self, is_equal: bool) {
        self.length += 1;
        self.score += if is_equal { 1 } else { -1 };
        self.keep_best();
    }

    /// Adds the bytes of two words, the lowest first. Only where the score may become the best does it matter in which order they
    /// are equal.
    #[inline]
    fn add_word(&mut self, left: u64, right: u64) {
        let equal = if left == right {
            WORD_BYTES_SIGNED
        } else {
            i64::from(equal_bytes_of_words(left, right))
        };
        if equal < WORD_BYTES_SIGNED && self.score + equal > self.best {
            let mut differing = left ^ right;
            for _ in 0..WORD_BYTES {
                self.add(differing.trailing_zeros() >= u8::BITS);
                differing >>= 8;
            }
            return;
        }
        self.length += WORD_BYTES;
        self.score += 2 * equal - WORD_BYTES_SIGNED;
        self.keep_best();
    }

    #[inline]
    fn keep_best(&mut self) {
        if self.score > self.best {
            (self.best, self.best_length) = (self.score, self.length);
        }
    }
}

/// How many bytes of an overlap belong to the alignment before, so that the most bytes are equal.
fn split(old: &[u8], new: &[u8], target: &[u8]) -> usize {
    let (mut score, mut best, mut kept) = (0_i64, 0, 0);
    for (number, ((old, new), wanted)) in old.iter().zip(new).zip(target).enumerate() {
        score += i64::from(old == wanted) - i64::from(new == wanted);
        if score > best {
            (best, kept) = (score, number + 1);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::tests::made::noise;
    use super::*;

    /// How far both reach, byte by byte, and how many bytes are equal there.
    fn slowly<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
        let mut reach = Reach::default();
        for (a, b) in pairs {
            reach.add(a == b);
        }
        reach.best_length
    }

    #[test]
    fn words_reach_as_far_as_bytes() {
        for (seed, share) in (0..400).zip([0, 40, 110, 128, 150, 200, 250].iter().cycle()) {
            let length = 100 + usize::try_from(seed).unwrap_or(0) % 17;
            let base = noise(seed, length);
            let (other, dice) = (noise(seed + 1000, length), noise(seed + 2000, length));
            let mixed = base.iter().zip(&other).zip(&dice);
            let target: Vec<u8> = mixed
                .map(|((same, other), dice)| if dice < share { *same } else { *other })
                .collect();
            let forwards = slowly(base.iter().zip(&target));
            assert_eq!(extend_forwards(&base, &target), forwards, "{seed}");
            let backwards = slowly(base.iter().rev().zip(target.iter().rev()));
            assert_eq!(extend_backwards(&base, &target), backwards, "{seed}");
        }
    }

    #[test]
    fn equal_bytes_of_words_are_counted() {
        for (left, right, equal) in [
            (0, 0, 8),
            (0, u64::MAX, 0),
            (0, 0x0100_0000_0000_0080, 6),
            (0x8080_8080_8080_8080, 0, 0),
            (0x1122_3344_5566_7788, 0x1122_0044_5566_0088, 6),
        ] {
            assert_eq!(
                equal_bytes_of_words(left, right),
                equal,
                "{left:x} {right:x}"
            );
        }
    }
}
