//! Archives: contents that are told by what is in them, unpacked, where that makes a smaller patch.
//!
//! # Invariants
//!
//! - A content is told so only if it and its base are archives, if it was made again from what is told, bit for bit, and if
//!   that takes fewer bytes than a patch of the files as they are.
//! - Contents that are no archives are looked at by their first bytes only.
//!
//! # Not here
//!
//! What archives are, and their unfolded forms (`object::archive`); contents that are told as they are (`delta::group`).

use rayon::prelude::*;

use super::group::{best, is_patchable, is_worth, read};
use super::plan::{Plan, Wanted};
use super::schedule::Schedule;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::{ARCHIVE_BYTES_MIN, ARCHIVE_CODER_BYTES_MAX, MIB, PATCH_BYTES_MAX};
use crate::base::{Error, Result};
use crate::object::archive::{is_archive, refold, unfold, unpack};
use crate::object::patch::{Effort, Pair, encode_memory_bytes};
use crate::store::view::View;

/// Bytes at the start of a content that show whether it is an archive.
const HEAD_BYTES: usize = 512;
/// How many times as long as it is an archive may be when it is unpacked; others are told as they are.
const EXPANSION_MAX: u64 = 16;
/// Bytes that a patch of its own takes beside the patch: its frame, its row in the table, a longer line in the script.
const OWN_GROUP_BYTES: u64 = 48;

/// A content told by what is in it.
#[derive(Debug)]
pub(super) struct Archived {
    /// Its number in the plan.
    pub(super) wanted: usize,
    /// Its base, by its number in the list of that content.
    pub(super) base: usize,
    /// Bytes of the base, unpacked.
    pub(super) base_bytes: u64,
    /// Bytes of its unfolded form.
    pub(super) form_bytes: u64,
    /// Makes the form from the unpacked base.
    pub(super) patch: Vec<u8>,
}

/// Tells contents by what is in them, as far as that is worth it, and gives each to `keep` in the order of the plan. Uses at
/// most `budget_bytes` at a time, or as many as one content needs.
///
/// # Errors
///
/// Those of reading contents, of the codec and of `keep`.
pub(super) fn tell(
    view: &View<'_>,
    plan: &Plan,
    (effort, budget_bytes): (Effort, u64),
    keep: &mut dyn FnMut(Archived) -> Result<()>,
) -> Result<()> {
    let numbers = 0..plan.wanted.len();
    let jobs = numbers.into_par_iter().map(|number| {
        let base = candidate(view, &plan.wanted[number])?;
        Ok(base.map(|base| Job::of(plan, number, base)))
    });
    let jobs = jobs.collect::<Result<Vec<Option<Job<'_>>>>>()?;
    let schedule = Schedule {
        budget_bytes,
        needs: &Job::memory_bytes,
        takes: &|told: &Option<Archived>| told.as_ref().map_or(0, |told| told.patch.len() as u64),
        work: &|job: Job<'_>| job.tell(view, effort),
    };
    schedule.run(jobs.into_iter().flatten(), &mut |told| {
        told.map_or(Ok(()), &mut *keep)
    })
}

/// The base that a content has if both are archives.
fn candidate(view: &View<'_>, wanted: &Wanted) -> Result<Option<usize>> {
    let is_large = |bytes: u64| bytes >= ARCHIVE_BYTES_MIN as u64;
    if !is_patchable(wanted) || !is_large(wanted.bytes) || wanted.bases.is_empty() {
        return Ok(None);
    }
    if !starts_as_archive(view, wanted.id, wanted.bytes)? {
        return Ok(None);
    }
    for (number, base) in wanted.bases.iter().enumerate() {
        let is_usable = is_large(base.bytes) && base.bytes <= PATCH_BYTES_MAX;
        if is_usable && starts_as_archive(view, base.id, base.bytes)? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

fn starts_as_archive(view: &View<'_>, id: Hash, bytes: u64) -> Result<bool> {
    let mut answer = None;
    let outcome = view.read_blob(BlobId::new(id), bytes, &mut |piece| {
        if answer.is_some() {
            // The rest of a long content is not read.
            return Err(Error::internal("the first piece is enough"));
        }
        answer = Some(is_archive(&piece[..piece.len().min(HEAD_BYTES)]));
        Ok(())
    });
    match answer {
        Some(answer) => Ok(answer),
        None => outcome.map(|()| false),
    }
}

/// A content and its base, which both are archives.
struct Job<'p> {
    number: usize,
    wanted: &'p Wanted,
    base: usize,
}

impl<'p> Job<'p> {
    fn of(plan: &'p Plan, number: usize, base: usize) -> Self {
        Self {
            number,
            wanted: &plan.wanted[number],
            base,
        }
    }

    /// Bytes of both as they are, of both unpacked, and of what patches them and makes them again.
    fn memory_bytes(&self) -> u64 {
        let sizes = [self.wanted.bases[self.base].bytes, self.wanted.bytes];
        let [base, form] = sizes.map(unpacked_bytes_max);
        let packed: u64 = sizes.iter().sum();
        packed + form + ARCHIVE_CODER_BYTES_MAX.max(encode_memory_bytes(base, form))
    }

    fn tell(self, view: &View<'_>, effort: Effort) -> Result<Option<Archived>> {
        let wanted = self.wanted;
        let target = read(view, wanted.id, wanted.bytes)?;
        let Some(form) = unfold(&target, most(wanted.bytes)) else {
            return Ok(None);
        };
        // Streams were made again one by one; this is the proof for the whole.
        if refold(&form, target.len()).ok().as_ref() != Some(&target) {
            return Ok(None);
        }
        let base = &wanted.bases[self.base];
        let packed = read(view, base.id, base.bytes)?;
        let Some(unpacked) = unpack(&packed, most(base.bytes)) else {
            return Ok(None);
        };
        // Whoever applies the patch has just as much room: a stream that was given up for want of it must be the same one.
        if unpack(&packed, unpacked.len()).as_ref() != Some(&unpacked) {
            return Ok(None);
        }
        let pair = |base, target| [Pair { base, target }];
        let patch = best(&pair(&unpacked, &form), form.len() as u64, effort)?;
        let bytes = patch.len() as u64 + OWN_GROUP_BYTES;
        if !is_worth(bytes, wanted.bytes) {
            return Ok(None);
        }
        let plain = best(&pair(&packed, &target), wanted.bytes, effort)?;
        if bytes >= plain.len() as u64 {
            return Ok(None);
        }
        Ok(Some(Archived {
            wanted: self.number,
            base: self.base,
            base_bytes: unpacked.len() as u64,
            form_bytes: form.len() as u64,
            patch,
        }))
    }
}

/// Bytes that an archive of `bytes` bytes may have unpacked.
fn unpacked_bytes_max(bytes: u64) -> u64 {
    PATCH_BYTES_MAX.min(bytes * EXPANSION_MAX + MIB)
}

fn most(bytes: u64) -> usize {
    usize::try_from(unpacked_bytes_max(bytes)).unwrap_or(usize::MAX)
}
