//! Groups: contents that are patched together, and the making of one patch.
//!
//! Contents of the first tree that were meant to be bases are looked at here: a base is taken if enough of the content is in
//! it, or if a trial shows that a patch of it is smaller than [`WORTH_PERCENT`] of what the content takes without. Which method is
//! best for the group is measured where files are small, and the smallest patch is kept.
//!
//! # Invariants
//!
//! - Which contents share a group follows from the plan alone, and the patch from their bytes and the effort.
//!
//! # Not here
//!
//! The patch itself (`object::patch`), in which order groups are made (`delta::make`).

use std::collections::HashSet;

use super::memo::{Memo, Sort, key};
use super::plan::{Plan, Wanted};
use super::sketch::Sketch;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::{
    KIB, PATCH_BYTES_MAX, PATCH_GROUP_BYTES_MAX, PATCH_TARGETS_MAX, PATCH_TEXT_BYTES_MAX,
};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::patch::{
    Effort, GroupBytes, Method, Pair, encode, encode_memory_bytes, estimate,
};
use crate::store::view::View;

/// A patch that takes more than this share of what the content takes without a base is not worth its base.
const WORTH_PERCENT: u64 = 90;
/// Share of a content that, if it is in a base, makes the patch worth it without a trial.
const SURE_PERCENT: u64 = 30;
/// Share of a content in its likeliest base with which no other is looked at.
const GOOD_PERCENT: u64 = 60;
/// Bytes of contents up to which they are grouped among themselves: on average, up to which one may resemble any base.
const SMALL_BYTES: u64 = 64 * KIB;
/// Bytes of contents on average up to which they may be text that somebody edits.
const TEXT_BYTES: u64 = 4 * SMALL_BYTES;
/// Share of contents without a base above which they are looked for in the bases of the others.
const STRANGERS_PERCENT: u64 = 10;
/// Bytes of the largest content whose likeness is seen by its ends alone. A larger one is in a group of its own, whose patch
/// shows what a base is worth.
const ENDS_BYTES_MAX: u64 = PATCH_GROUP_BYTES_MAX;

/// Bytes of contents from which on the view gives back what it keeps of them, since they are hardly read again and patching
/// them takes all the memory there is.
pub(super) const GIVEN_BACK_FROM_BYTES: u64 = 2 * PATCH_GROUP_BYTES_MAX;

/// Stands for a content without a base.
const NO_BASE: u8 = u8::MAX;
/// Pieces of a large content that show how it compresses.
const SAMPLED_PIECES: usize = 32;
/// Bytes of each of them.
const SAMPLED_PIECE_BYTES: usize = 64 * 1024;

/// Contents that are patched together, by their numbers in the plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) wanted: Vec<usize>,
    pub(super) bytes: u64,
    /// Bytes of the contents, and of the largest bases that they may have.
    sizes: GroupBytes,
}

/// A patch that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) group: Group,
    pub(super) patch: Vec<u8>,
    /// Which base each content got, by its number in the list of that content.
    pub(super) chosen: Vec<Option<usize>>,
}

/// Whether a content can be in a group at all.
pub(super) fn is_patchable(wanted: &Wanted) -> bool {
    let is_large = wanted.bytes > PATCH_GROUP_BYTES_MAX / 2;
    let has_base = wanted
        .bases
        .iter()
        .any(|base| base.bytes <= PATCH_BYTES_MAX);
    wanted.bytes <= PATCH_BYTES_MAX && (has_base || !is_large)
}

/// Groups the contents of a plan that [`is_patchable`]: the largest group first. Small files and others are kept apart, and
/// neighbours together. Those that are `told` already are in none.
pub(super) fn groups(plan: &Plan, told: &HashSet<usize>) -> Vec<Group> {
    let (mut full, mut small, mut other) = (Vec::new(), Group::default(), Group::default());
    for (number, wanted) in plan.wanted.iter().enumerate() {
        if !is_patchable(wanted) || told.contains(&number) {
            continue;
        }
        let open = match wanted.bytes {
            ..=SMALL_BYTES => &mut small,
            _ => &mut other,
        };
        let is_full = open.bytes + wanted.bytes > PATCH_GROUP_BYTES_MAX
            || open.sizes.bases + bases_bytes(wanted) > 2 * PATCH_GROUP_BYTES_MAX
            || open.wanted.len() == PATCH_TARGETS_MAX;
        if is_full && !open.wanted.is_empty() {
            full.push(std::mem::take(open));
        }
        open.wanted.push(number);
        open.bytes += wanted.bytes;
        open.sizes.add(bases_bytes(wanted), wanted.bytes);
    }
    full.extend(
        [small, other]
            .into_iter()
            .filter(|group| !group.wanted.is_empty()),
    );
    full.sort_by_key(|group| u64::MAX - (group.sizes.bases + group.bytes));
    full
}

fn bases_bytes(wanted: &Wanted) -> u64 {
    let sizes = wanted.bases.iter().map(|base| base.bytes);
    sizes.max().unwrap_or(0)
}

impl Group {
    /// Bytes that making the patch takes.
    pub(super) fn memory_bytes(&self, effort: Effort) -> u64 {
        encode_memory_bytes(self.sizes, effort)
    }

    /// Reads the contents and their bases, and makes the patch; or finds it in the memo.
    ///
    /// # Errors
    ///
    /// Those of reading contents and of the codec; [`Error::Interrupted`](crate::base::Error::Interrupted) if it is not wanted any
    /// more.
    pub(super) fn make(
        self,
        view: &View<'_>,
        plan: &Plan,
        effort: Effort,
        memo: &Memo<'_>,
        progress: &dyn Progress,
    ) -> Result<Made> {
        let contents = self.wanted.iter().map(|number| &plan.wanted[*number]);
        let contents =
            contents.map(|wanted| (&wanted.id, wanted.bases.iter().map(|base| &base.id)));
        let key = key(Sort::Group, effort, contents);
        let known = memo.find(key);
        if let Some((patch, chosen)) = known.and_then(|known| decode(&known, self.wanted.len())) {
            memo.count(1);
            return Ok(Made {
                group: self,
                patch,
                chosen,
            });
        }
        let made = self.make_anew(view, plan, effort, progress)?;
        memo.keep(key, encode_made(&made.patch, &made.chosen));
        Ok(made)
    }

    fn make_anew(
        self,
        view: &View<'_>,
        plan: &Plan,
        effort: Effort,
        progress: &dyn Progress,
    ) -> Result<Made> {
        let mut contents = Vec::with_capacity(self.wanted.len());
        for number in &self.wanted {
            let wanted = &plan.wanted[*number];
            progress.check()?;
            let target = read(view, wanted.id, wanted.bytes)?;
            contents.push(Chosen::of(view, wanted, target, ENDS_BYTES_MAX)?);
        }
        if self.bytes > GIVEN_BACK_FROM_BYTES {
            view.give_back();
        }
        let mut patch = best(&pairs(&contents), effort, progress)?;
        if let [only] = &mut contents[..]
            && only.base.is_some()
            && only.target.len() as u64 > SMALL_BYTES
            && !is_worth(patch.len() as u64, bytes_alone(&only.target, effort)?)
        {
            only.base = None;
            progress.check()?;
            patch = best(&[only.alone()], effort, progress)?;
        }
        let chosen = contents
            .iter()
            .map(|content| content.base.as_ref().map(|base| base.0));
        let chosen = chosen.collect();
        Ok(Made {
            group: self,
            patch,
            chosen,
        })
    }
}

pub(super) fn read(view: &View<'_>, id: Hash, bytes: u64) -> Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    view.read_blob(BlobId::new(id), bytes, &mut |piece| {
        content.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(content)
}

pub(super) fn is_worth(with_base: u64, without: u64) -> bool {
    with_base * 100 < without * WORTH_PERCENT
}

/// Bytes that a content takes without a base: of a large one about so many, as some pieces of it show.
fn bytes_alone(target: &[u8], effort: Effort) -> Result<u64> {
    let stride = target.len() / SAMPLED_PIECES;
    let sample: Vec<u8> = if stride > 4 * SAMPLED_PIECE_BYTES {
        target
            .chunks(stride)
            .flat_map(|piece| &piece[..piece.len().min(SAMPLED_PIECE_BYTES)])
            .copied()
            .collect()
    } else {
        target.to_vec()
    };
    let pair = Pair {
        base: &[],
        target: &sample,
    };
    let bytes = encode(Method::Difference, &[pair], effort)?.len() as u64;
    Ok(bytes * target.len() as u64 / (sample.len() as u64).max(1))
}

/// A patch as the memo keeps it: the chosen bases, then the patch.
fn encode_made(patch: &[u8], chosen: &[Option<usize>]) -> Vec<u8> {
    let base =
        |base: &Option<usize>| base.map_or(NO_BASE, |base| u8::try_from(base).unwrap_or(NO_BASE));
    let mut bytes: Vec<u8> = chosen.iter().map(base).collect();
    bytes.extend_from_slice(patch);
    bytes
}

fn decode(bytes: &[u8], contents: usize) -> Option<(Vec<u8>, Vec<Option<usize>>)> {
    let (chosen, patch) = bytes.split_at_checked(contents)?;
    let base = |base: &u8| (*base != NO_BASE).then_some(usize::from(*base));
    Some((patch.to_vec(), chosen.iter().map(base).collect()))
}

fn pairs(contents: &[Chosen]) -> Vec<Pair<'_>> {
    contents.iter().map(Chosen::pair).collect()
}

/// The smallest patch of a group. Whether it is still wanted is asked before each way of making it, as none can be left halfway.
pub(super) fn best(pairs: &[Pair<'_>], effort: Effort, progress: &dyn Progress) -> Result<Vec<u8>> {
    let mut best: Option<Vec<u8>> = None;
    for method in methods(pairs) {
        progress.check()?;
        let patch = encode(method, pairs, effort)?;
        if best
            .as_ref()
            .is_none_or(|smallest| patch.len() < smallest.len())
        {
            best = Some(patch);
        }
    }
    best.ok_or_else(|| Error::internal("a group without a method"))
}

/// The ways in which a group may be described best, and which its sizes allow.
fn methods(pairs: &[Pair<'_>]) -> Vec<Method> {
    let (mut bases, mut targets, mut strangers, mut codes) = (0, 0, 0, 0);
    for pair in pairs {
        let bytes = pair.target.len() as u64;
        bases += pair.base.len() as u64;
        targets += bytes;
        strangers += if pair.base.is_empty() { bytes } else { 0 };
        codes += usize::from(pair.is_code());
    }
    let mean = targets / (pairs.len() as u64).max(1);
    let mut methods = vec![Method::Difference];
    // What is known about code says more than what stands beside it.
    let is_code = 2 * codes > pairs.len();
    if is_code || mean > TEXT_BYTES || bases + targets > PATCH_TEXT_BYTES_MAX {
        return methods;
    }
    methods.push(Method::Surroundings);
    if mean <= SMALL_BYTES && strangers * 100 > targets * STRANGERS_PERCENT {
        methods.push(Method::Prefix);
    }
    methods
}

/// A content and the base that was chosen for it, with its number among those that might be.
struct Chosen {
    target: Vec<u8>,
    base: Option<(usize, Vec<u8>)>,
}

impl Chosen {
    /// Chooses the base that has most of the content, if that is worth it. A content above `ends_bytes_max` is looked at as a
    /// whole if there is a choice, and keeps the best.
    fn of(view: &View<'_>, wanted: &Wanted, target: Vec<u8>, ends_bytes_max: u64) -> Result<Self> {
        let usable = wanted.bases.iter().enumerate();
        let usable = usable.filter(|(_, base)| base.bytes <= PATCH_BYTES_MAX);
        let mut usable = usable.peekable();
        let is_large = wanted.bytes > ends_bytes_max;
        let sketch_of = if is_large {
            Sketch::of_all
        } else {
            Sketch::of_ends
        };
        let mut best: Option<(u64, usize, Vec<u8>)> = None;
        let mut sketch = None;
        while let Some((number, base)) = usable.next() {
            let bytes = read(view, base.id, base.bytes)?;
            if is_large && best.is_none() && usable.peek().is_none() {
                return Ok(Self {
                    target,
                    base: Some((number, bytes)),
                });
            }
            let sketch = sketch.get_or_insert_with(|| sketch_of(&target));
            let percent = sketch.shared_percent(&sketch_of(&bytes));
            if best.as_ref().is_none_or(|(most, _, _)| percent > *most) {
                best = Some((percent, number, bytes));
            }
            if percent >= GOOD_PERCENT {
                break;
            }
        }
        let base = match best {
            // Whether it is worth it shows in the patch, which is made anyway.
            Some((_, number, bytes)) if is_large => Some((number, bytes)),
            Some((percent, number, bytes)) if percent >= SURE_PERCENT => Some((number, bytes)),
            Some((_, number, bytes)) => {
                let mut trial = Self { target, base: None };
                trial.base = Some((number, bytes));
                return trial.tried();
            }
            None => None,
        };
        Ok(Self { target, base })
    }

    /// Keeps the base if a trial shows that it is worth it.
    fn tried(mut self) -> Result<Self> {
        if !is_worth(estimate(self.pair())?, estimate(self.alone())?) {
            self.base = None;
        }
        Ok(self)
    }

    fn pair(&self) -> Pair<'_> {
        Pair {
            base: self.base.as_ref().map_or(&[], |(_, bytes)| bytes),
            target: &self.target,
        }
    }

    /// The content without a base.
    fn alone(&self) -> Pair<'_> {
        Pair {
            base: &[],
            target: &self.target,
        }
    }
}

#[cfg(test)]
mod tests;
