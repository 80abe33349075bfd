//! Bases by content: for contents that have none by path or name, the files of the first tree that are most like them.
//!
//! # Invariants
//!
//! - What is read, and so the time it takes, is bounded by the bytes of what has no base ([`Bounds`]); memory by the number
//!   of files alone, since contents are sketched as they are read.
//! - The outcome is a function of the two trees, with any number of threads.
//!
//! # Not here
//!
//! Bases by path and name (`delta::plan`), which files are read (`delta::pool`), how alike contents are (`delta::sketch`).

use rayon::prelude::*;

use super::plan::{BASES_MAX, Plan};
use super::pool::{Bounds, Lonely, Pool, Reading};
use super::sketch::{SketchIndex, Sketching};
use crate::base::Result;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::PATCH_BYTES_MAX;
use crate::base::progress::Progress;
use crate::object::tree::TreeRef;
use crate::store::view::View;

/// How many times as long as its bases together a content may be. Of a longer one most cannot be in them.
const BASES_TIMES_MAX: u64 = 4;

/// Of so many contents of a sample one must have found a base, or others are not looked for.
const SAMPLE_FOUND_OF: usize = 16;
/// Contents of a sample: fewer say nothing about the rest.
const SAMPLE_FILES_MIN: usize = 8;

/// Finds bases in the tree `a` for contents that have none.
///
/// # Errors
///
/// Those of reading contents; [`Error::Interrupted`](crate::base::Error::Interrupted) if `progress` says so.
pub(super) fn find_by_content(
    view: &View<'_>,
    a: TreeRef,
    plan: &mut Plan,
    bounds: &Bounds,
    progress: &dyn Progress,
) -> Result<()> {
    let numbers = lonely(plan, bounds);
    if numbers.is_empty() {
        return Ok(());
    }
    let pool = Pool::of(view, a, plan, &described(plan, &numbers), bounds, progress)?;
    let mut search = Search {
        view,
        pool: &pool,
        reading: Reading::new(&pool, bounds),
        index: SketchIndex::default(),
        progress,
    };
    let (sample, rest) = sampled(plan, &numbers, bounds);
    let found = search.find(plan, &sample)?;
    if found * SAMPLE_FOUND_OF >= sample.len() {
        search.find(plan, &rest)?;
    }
    Ok(())
}

/// What is looked for, as the pool knows it.
fn described<'p>(plan: &'p Plan, numbers: &[usize]) -> Vec<Lonely<'p>> {
    let lonely = numbers.iter().map(|number| {
        let wanted = &plan.wanted[*number];
        Lonely {
            path: &plan.steps[wanted.step].path,
            bytes: wanted.bytes,
        }
    });
    lonely.collect()
}

/// A sample of what is looked for, and the rest: every so many of them, in the order of paths.
fn sampled(plan: &Plan, numbers: &[usize], bounds: &Bounds) -> (Vec<usize>, Vec<usize>) {
    let bytes = |number: &usize| plan.wanted[*number].bytes;
    let total: u64 = numbers.iter().map(bytes).sum();
    let of_bytes = usize::try_from(total / bounds.sample_bytes.max(1)).unwrap_or(usize::MAX);
    let stride = of_bytes.min(numbers.len() / SAMPLE_FILES_MIN).max(1);
    let (mut sample, mut rest) = (Vec::new(), Vec::new());
    for (place, number) in numbers.iter().enumerate() {
        let is_sampled = place.is_multiple_of(stride);
        let list = if is_sampled { &mut sample } else { &mut rest };
        list.push(*number);
    }
    (sample, rest)
}

/// A search for bases.
struct Search<'s, 'v> {
    view: &'s View<'v>,
    pool: &'s Pool,
    reading: Reading<'s>,
    /// What was read.
    index: SketchIndex,
    progress: &'s dyn Progress,
}

impl Search<'_, '_> {
    /// Finds bases for some contents; says how many have one now.
    fn find(&mut self, plan: &mut Plan, numbers: &[usize]) -> Result<usize> {
        let (view, pool, progress) = (self.view, self.pool, self.progress);
        let likely = self.reading.more(&described(plan, numbers));
        let known = likely.par_iter().map(|number| {
            let file = pool.file(*number);
            Ok((*number, heads(view, file.id, file.bytes, progress)?))
        });
        self.index.add(known.collect::<Result<Vec<_>>>()?);
        let index = &self.index;
        if index.is_empty() {
            return Ok(0);
        }
        let near = numbers.par_iter().map(|number| {
            let wanted = &plan.wanted[*number];
            let heads = heads(view, wanted.id, wanted.bytes, progress)?;
            Ok((*number, index.nearest(&heads, BASES_MAX)))
        });
        let mut found = 0;
        for (number, near) in near.collect::<Result<Vec<_>>>()? {
            found += usize::from(!near.is_empty());
            let bases = near.into_iter().map(|near| pool.file(near));
            plan.wanted[number].add_bases(bases);
        }
        Ok(found)
    }
}

/// The numbers of the contents without a base, or with such only that are far too short; as many as may be looked for.
fn lonely(plan: &Plan, bounds: &Bounds) -> Vec<usize> {
    let sizes = bounds.wanted_bytes_min..=PATCH_BYTES_MAX;
    let mut left = bounds.wanted_bytes_max;
    let wanted = plan.wanted.iter().enumerate();
    let lonely = wanted.filter(|(_, wanted)| {
        let usable = wanted.bases.iter().map(|base| base.bytes);
        let usable: u64 = usable.filter(|bytes| *bytes <= PATCH_BYTES_MAX).sum();
        let is_lonely = usable < wanted.bytes / BASES_TIMES_MAX || usable == 0;
        if !is_lonely || !sizes.contains(&wanted.bytes) || wanted.bytes > left {
            return false;
        }
        left -= wanted.bytes;
        true
    });
    let numbers = lonely.map(|(number, _)| number);
    numbers.take(bounds.files_max).collect()
}

/// The values by which a content is found.
fn heads(view: &View<'_>, id: Hash, bytes: u64, progress: &dyn Progress) -> Result<Vec<u64>> {
    let mut sketching = Sketching::new(bytes);
    view.read_blob(BlobId::new(id), bytes, &mut |piece| {
        sketching.push(piece);
        progress.check()
    })?;
    Ok(sketching.finish().into_heads())
}

#[cfg(test)]
mod tests;
