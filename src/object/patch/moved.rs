//! Moves: where the copies take the addresses of a base.
//!
//! # Invariants
//!
//! - Moves depend on the segments and the two images alone, so encoder and applier agree on them.
//! - Addresses are modulo 2 to the power 32: no number in a file can overflow.
//!
//! # Not here
//!
//! What is made of them (`predict`).

use std::ops::Range;

use super::elf::{Load, address};
use super::segment::Segment;

/// Parts of the table that shortens look-ups, for each address range that moves as one.
const PAGES_PER_RANGE: usize = 2;

/// The addresses from `start` on, and by how much they move.
#[derive(Clone, Copy, Debug)]
struct Move {
    start: u32,
    by: u32,
}

/// How the parts of a base move.
#[derive(Debug)]
pub(super) struct Moves {
    /// Ascending by start.
    ranges: Vec<Move>,
    /// For each page of addresses, how many of `ranges` start before it ends; a search need look no further.
    pages: Vec<u32>,
    /// Addresses of a page, as a power of two.
    page_log: u32,
    first_page: u32,
}

impl Moves {
    /// Lists where `segments` take the parts of a base that is loaded as `base` says, in a target as `target` says. Of a
    /// part that is copied twice, the copy that starts first counts.
    pub(super) fn new(base: &[Load], target: &[Load], segments: &[Segment]) -> Self {
        let mut copies = Vec::with_capacity(segments.len());
        let mut at = 0_usize;
        for segment in segments {
            let from = address(base, segment.base_start as usize);
            if segment.copied > 0 {
                copies.push((from, segment.copied, address(target, at).wrapping_sub(from)));
            }
            at += segment.copied as usize + segment.literal as usize;
        }
        copies.sort_unstable();
        let mut moves: Vec<Move> = Vec::new();
        let mut end = 0;
        for (start, copied, by) in copies {
            let copy_end = start.saturating_add(copied);
            if copy_end > end {
                if moves.last().is_none_or(|last| last.by != by) {
                    let start = start.max(end);
                    moves.push(Move { start, by });
                }
                end = copy_end;
            }
        }
        Self::with_pages(moves)
    }

    fn with_pages(moves: Vec<Move>) -> Self {
        let first = moves.first().map_or(0, |first| first.start);
        let last = moves.last().map_or(0, |last| last.start);
        let mut page_log = 0;
        while ((last - first) >> page_log) as usize > PAGES_PER_RANGE * moves.len() {
            page_log += 1;
        }
        let first_page = first >> page_log;
        let mut pages = Vec::new();
        let mut before = 0;
        for page in first_page..=last >> page_log {
            let within = |at: &Move| at.start >> page_log <= page;
            before += moves[before..].iter().take_while(|at| within(at)).count();
            pages.push(u32::try_from(before).unwrap_or(u32::MAX));
        }
        Self {
            ranges: moves,
            pages,
            page_log,
            first_page,
        }
    }

    /// By how much the place with this address moves; one that is not copied moves as what lies before it.
    #[inline]
    pub(super) fn by(&self, address: u32) -> u32 {
        self.range(address).1
    }

    /// The addresses around this one that move as one (but for the last), and by how much.
    #[inline]
    pub(super) fn range(&self, address: u32) -> (Range<u32>, u32) {
        let next = |at: usize| self.ranges.get(at).map_or(u32::MAX, |next| next.start);
        let Some(page) = (address >> self.page_log).checked_sub(self.first_page) else {
            return (0..next(0), self.ranges.first().map_or(0, |first| first.by));
        };
        let page = (page as usize).min(self.pages.len() - 1);
        let end = self.pages[page] as usize;
        let start = page
            .checked_sub(1)
            .map_or(0, |before| self.pages[before] as usize);
        let candidates = &self.ranges[start..end];
        let within = candidates.partition_point(|at| at.start <= address);
        match (start + within).checked_sub(1) {
            Some(at) => {
                let found = self.ranges.get(at).copied();
                let Move { start, by } = found.unwrap_or(Move { start: 0, by: 0 });
                (start..next(at + 1), by)
            }
            None => (0..next(0), self.ranges.first().map_or(0, |first| first.by)),
        }
    }
}
