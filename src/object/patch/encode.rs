//! Encoding: a patch from a group of pairs.
//!
//! A pair of executables is aligned twice: first without the distances in its code, because code that only moved is then
//! the same; and again with addresses in their place, those of the base as the first time says that they move. What
//! agrees then is the same code and the same table for certain.
//!
//! # Invariants
//!
//! - The same pairs give the same bytes, on any machine and however many threads encode other groups.
//! - What is made is what [`apply`](super::apply::apply) takes.
//!
//! # Not here
//!
//! Which files make a group, and which base a target gets (`delta`).

use super::align::{Search, align, index_bytes_max};
use super::code::{CODE_WORD_BYTES, Code, u32_at};
use super::elf::{Image, Load};
use super::leads::{LEAD_STREAMS, LeadWriter};
use super::moved::Moves;
use super::pair::{Effort, Method, Pair, check_group};
use super::predict::{MEMORY_BYTES, Memory, Predictor, fold};
use super::segment::{self, Segment};
use super::tables::tables_bytes_max;
use super::version::{PATCH_VERSION, Version};
use super::{loads, prefix, stream, surroundings};
use crate::base::error::Result;
use crate::base::limits::PATCH_GROUP_BYTES_MAX;
use crate::object::codec;

/// The level of zstd at which [`estimate`] compresses.
const ESTIMATE_LEVEL: i32 = 1;

/// Bytes of the largest target whose words are kept while it is aligned.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// The version of what compresses streams: another one may make other bytes of the same, which appliers take as well.
#[must_use]
pub fn compressor_version() -> u32 {
    codec::version()
}

/// Encodes a group. Deterministic for one [`PATCH_VERSION`] and one version of zstd.
///
/// # Errors
///
/// [`Error::Limit`](crate::base::error::Error::Limit) if the group is larger than appliers take,
/// [`Error::Malformed`](crate::base::error::Error::Malformed) if it is empty, and
/// [`Error::Internal`](crate::base::error::Error::Internal) if zstd fails.
pub fn encode(method: Method, pairs: &[Pair<'_>], effort: Effort) -> Result<Vec<u8>> {
    let lengths = pairs
        .iter()
        .map(|pair| (pair.base.len(), pair.target.len()));
    check_group(lengths)?;
    let mut patch = vec![PATCH_VERSION, method as u8];
    match method {
        Method::Difference => {
            let streams = Streams::of(pairs, Search::PLAIN);
            stream::push_all(&mut patch, &streams, &[], effort.level())?;
        }
        Method::Prefix => prefix::push(&mut patch, pairs, effort)?,
        Method::Surroundings => surroundings::push(&mut patch, pairs, effort)?,
    }
    Ok(patch)
}

/// About how many bytes a patch of one pair by difference takes, to be compared with those of another: what is copied is
/// searched for in steps, and compressed as fast as can be, so this takes a fraction of the time of [`encode`].
///
/// # Errors
///
/// Those of [`encode`].
pub fn estimate(pair: Pair<'_>) -> Result<u64> {
    check_group(std::iter::once((pair.base.len(), pair.target.len())))?;
    let mut patch = Vec::new();
    let streams = Streams::of(&[pair], Search::ROUGH);
    stream::push_all(&mut patch, &streams, &[], ESTIMATE_LEVEL)?;
    Ok(patch.len() as u64)
}

/// The sizes of a group, in bytes, or bounds of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupBytes {
    /// All bases.
    pub bases: u64,
    /// All targets.
    pub targets: u64,
    /// The largest base.
    pub base_max: u64,
    /// The largest target.
    pub target_max: u64,
}

impl GroupBytes {
    /// Adds a pair.
    pub fn add(&mut self, base: u64, target: u64) {
        self.bases = self.bases.saturating_add(base);
        self.targets = self.targets.saturating_add(target);
        self.base_max = self.base_max.max(base);
        self.target_max = self.target_max.max(target);
    }

    /// The sizes of a group of one pair.
    #[must_use]
    pub fn of_pair(base: u64, target: u64) -> Self {
        let mut bytes = Self::default();
        bytes.add(base, target);
        bytes
    }
}

/// Most bytes of memory that [`encode`] takes for a group, bases and targets included: what a scheduler budgets.
#[must_use]
pub fn encode_memory_bytes(group: GroupBytes, effort: Effort) -> u64 {
    let GroupBytes {
        bases,
        targets,
        base_max,
        target_max,
    } = group;
    let pair = base_max.saturating_add(target_max);
    let index = usize::try_from(base_max).map_or(0, index_bytes_max) as u64;
    // While a pair is aligned, changed copies of both and the index are there, and two bits for each byte say what is a word.
    // Where tables may start takes less than the copies, and is forgotten before these are made.
    let tables = tables_bytes_max(base_max) + tables_bytes_max(target_max);
    let found = (pair / 4).saturating_add(tables);
    // Each byte of a target may have a flag, which takes little more than a bit even if it is never what was likely.
    let flags = |targets: u64| targets / 7;
    let aligning = pair
        .saturating_add(found)
        .saturating_add(index)
        .saturating_add(flags(targets.saturating_sub(target_max)));
    // Where there are several contents, what stands around them is collected, too.
    let is_group = targets <= PATCH_GROUP_BYTES_MAX;
    let compressing = targets
        .saturating_add(flags(targets))
        .saturating_add(if is_group { bases } else { 0 })
        .saturating_add(compressor_bytes(effort, is_group));
    // The streams of pairs before are there all the time.
    bases
        .saturating_add(targets.saturating_mul(2))
        .saturating_add(aligning.max(compressing))
        .saturating_add(MEMORY_BYTES)
}

/// What zstd takes for a long stream at the level of an effort. What is new in a group is compressed as well as can be.
const fn compressor_bytes(effort: Effort, is_group: bool) -> u64 {
    match effort {
        Effort::Quick if !is_group => 64 << 20,
        Effort::Quick | Effort::Thorough => 112 << 20,
    }
}

/// The streams of a group.
#[derive(Debug)]
struct Streams {
    control: Vec<u8>,
    difference: Vec<u8>,
    extra: Vec<u8>,
    leads: LeadWriter,
    memory: Option<Memory>,
    /// What the index of a base takes.
    room: Vec<u32>,
}

impl Streams {
    /// The control, difference and literal stream of a group, and those of distances among the literals. Files that are not
    /// understood are searched as `plain` says.
    fn of(pairs: &[Pair<'_>], plain: Search) -> [Vec<u8>; 3 + LEAD_STREAMS] {
        let mut streams = Self {
            control: Vec::new(),
            difference: Vec::new(),
            extra: Vec::new(),
            leads: LeadWriter::new(),
            memory: None,
            room: Vec::new(),
        };
        for pair in pairs {
            streams.push(*pair, plain);
        }
        let [flags, calls, jumps, conditionals, operands] = streams.leads.finish();
        let (control, difference, extra) = (streams.control, streams.difference, streams.extra);
        [
            control,
            difference,
            extra,
            flags,
            calls,
            jumps,
            conditionals,
            operands,
        ]
    }

    fn push(&mut self, pair: Pair<'_>, plain: Search) {
        let image = Image::of(pair.target, Version::MADE);
        if let Some((target, base)) = image.zip(Code::of(pair.base, Version::MADE)) {
            self.push_code(pair, &base, &target.loads);
        } else {
            loads::push_none(&mut self.control);
            let segments = align(pair.base, pair.target, plain, &mut self.room);
            segment::push_all(&mut self.control, &segments);
            self.push_segments(pair, &segments, None, &mut |_, _, _| ());
        }
    }

    fn push_code(&mut self, pair: Pair<'_>, base: &Code<'_>, target_loads: &[Load]) {
        let segments = align_code(base, pair.target, target_loads, &mut self.room);
        loads::push_all(&mut self.control, target_loads);
        segment::push_all(&mut self.control, &segments);
        let mut memory = self.memory.take().unwrap_or_else(Memory::new);
        let mut predictor = Predictor::new(base, target_loads, &segments, &mut memory);
        let has_leads = base.image().is_x86_program();
        let target = has_leads.then(|| Code::of(pair.target, Version::MADE));
        self.push_segments(
            pair,
            &segments,
            target.flatten().as_ref(),
            &mut |difference, segment, at| {
                let start = segment.base_start as usize;
                let end = start + segment.copied as usize;
                let shift = predictor.shift(start, at);
                predictor.each(start..end, shift, &mut |place, predicted| {
                    let word = u32_at(pair.target, place - start + at);
                    let missed = fold(word.wrapping_sub(predicted));
                    difference[place - start..][..CODE_WORD_BYTES]
                        .copy_from_slice(&missed.to_le_bytes());
                    word
                });
            },
        );
        self.memory = Some(memory);
    }

    /// Appends differences and literals; distances of `target` are taken out of these, if it is given. `correct` gets the differences of each copy, the segment, and where in the
    /// target it is.
    fn push_segments(
        &mut self,
        pair: Pair<'_>,
        segments: &[Segment],
        target: Option<&Code<'_>>,
        correct: &mut dyn FnMut(&mut [u8], Segment, usize),
    ) {
        let mut at = 0;
        for segment in segments {
            let base = &pair.base[segment.base_start as usize..];
            let copy = &pair.target[at..][..segment.copied as usize];
            let start = self.difference.len();
            let differences = copy.iter().zip(base);
            self.difference
                .extend(differences.map(|(new, old)| new.wrapping_sub(*old)));
            correct(&mut self.difference[start..], *segment, at);
            at += copy.len();
            let literal = &pair.target[at..][..segment.literal as usize];
            match target {
                Some(target) => self.leads.push(literal, at, target, &mut self.extra),
                None => self.extra.extend_from_slice(literal),
            }
            at += literal.len();
        }
    }
}

/// Takes a target with code apart. The words of a large one are found twice, which costs little, and are not kept meanwhile:
/// this is when the most memory is taken.
fn align_code(
    base: &Code<'_>,
    target: &[u8],
    target_loads: &[Load],
    room: &mut Vec<u32>,
) -> Vec<Segment> {
    let kept = (target.len() <= KEPT_BYTES_MAX).then(|| Code::of(target, Version::MADE));
    let changed = |change: &dyn Fn(&Code<'_>) -> Vec<u8>| {
        let found = match &kept {
            Some(kept) => kept.as_ref().map(change),
            None => Code::of(target, Version::MADE).as_ref().map(change),
        };
        found.unwrap_or_else(|| target.to_vec())
    };
    let wanted = changed(&|target| target.masked());
    let segments = align(&base.masked(), &wanted, Search::MASKED, room);
    drop(wanted);
    let moves = Moves::new(&base.image().loads, target_loads, &segments);
    drop(segments);
    let wanted = changed(&|target| target.absolute(&|address| address));
    let predicted = base.absolute(&|address| address.wrapping_add(moves.by(address)));
    drop(moves);
    align(&predicted, &wanted, Search::PREDICTED, room)
}
