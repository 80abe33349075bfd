//! Archives: contents that are told by what is in them, unpacked, where that makes smaller patches.
//!
//! Small archives are patched together, as files are: what is the same in many costs once.
//!
//! # Invariants
//!
//! - Contents are told so only if they and their bases are archives, if each was made again from what is told, bit for bit, and
//!   if that takes fewer bytes than a patch of the files as they are.
//! - Contents that are no archives are looked at by their first bytes only.
//!
//! # Not here
//!
//! What archives are, and their unfolded forms (`object::archive`); one archive and its base (`delta::archive`); contents that
//! are told as they are (`delta::group`).

use rayon::prelude::*;

use super::archive::{Unfolded, starts_as_archive};
use super::group::{GIVEN_BACK_FROM_BYTES, best, is_patchable, is_worth, read};
use super::memo::{Memo, Sort, key};
use super::plan::{Plan, Wanted};
use super::schedule::Schedule;
use crate::base::Result;
use crate::base::limits::{
    ARCHIVE_BYTES_MIN, ARCHIVE_CODER_BYTES_MAX, MIB, PATCH_BYTES_MAX, PATCH_GROUP_BYTES_MAX,
    archive_form_bytes_max,
};
use crate::base::progress::Progress;
use crate::object::patch::{Effort, GroupBytes, Pair, encode_memory_bytes};
use crate::store::view::View;

/// Bytes of the largest archive that is patched together with others.
const SMALL_BYTES: u64 = MIB;
/// Bytes of small archives that are looked at together: unpacked, they are about as many as go into a group.
const JOB_BYTES_MAX: u64 = 4 * MIB;
/// Bytes of the unpacked bases of a group.
const BASES_BYTES_MAX: u64 = 2 * PATCH_GROUP_BYTES_MAX;
/// Bytes that a patch of its own takes beside the patch: its frame, its row in the table.
const GROUP_BYTES: u64 = 32;
/// Bytes by which the line of an archive in the script is longer than others.
const LINE_BYTES: u64 = 16;

/// A content told by what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Archived {
    /// Its number in the plan.
    pub(super) wanted: usize,
    /// Its base, by its number in the list of that content.
    pub(super) base: usize,
    /// Bytes of the base, unpacked.
    pub(super) base_bytes: u64,
    /// Bytes of its unfolded form.
    pub(super) form_bytes: u64,
}

/// A group of contents that a patch makes by what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patched {
    /// The contents, in the order in which the patch makes their forms.
    pub(super) archived: Vec<Archived>,
    /// Makes their forms from their unpacked bases.
    pub(super) patch: Vec<u8>,
}

impl Patched {
    /// Bytes of all forms.
    pub(super) fn form_bytes(&self) -> u64 {
        self.archived
            .iter()
            .map(|archived| archived.form_bytes)
            .sum()
    }
}

/// Patches contents by what is in them, as far as that is worth it, and gives each group to `keep` in the order of the plan. Uses
/// at most `budget_bytes` at a time, or as many as one content needs.
///
/// # Errors
///
/// Those of reading contents, of the codec and of `keep`.
pub(super) fn patch_archives(
    view: &View<'_>,
    plan: &Plan,
    (effort, budget_bytes): (Effort, u64),
    memo: &Memo<'_>,
    progress: &dyn Progress,
    keep: &mut dyn FnMut(Patched) -> Result<()>,
) -> Result<()> {
    let numbers = 0..plan.wanted.len();
    let candidates = numbers.into_par_iter().map(|number| {
        let wanted = &plan.wanted[number];
        let base = base_of(view, wanted)?;
        Ok(base.map(|base| Candidate {
            number,
            wanted,
            base,
        }))
    });
    let candidates = candidates.collect::<Result<Vec<Option<Candidate<'_>>>>>()?;
    let schedule = Schedule {
        budget_bytes,
        needs: &|job: &Job<'_>| job.memory_bytes(effort),
        takes: &|groups: &Vec<Patched>| groups.iter().map(|group| group.patch.len() as u64).sum(),
        work: &|job: Job<'_>| job.patch(view, effort, memo, progress),
    };
    schedule.run(jobs(candidates.into_iter().flatten()), &mut |groups| {
        groups.into_iter().try_for_each(&mut *keep)
    })
}

/// The base that a content has if both are archives.
fn base_of(view: &View<'_>, wanted: &Wanted) -> Result<Option<usize>> {
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

/// A content and its base, which both start as archives do.
#[derive(Clone, Copy)]
struct Candidate<'p> {
    number: usize,
    wanted: &'p Wanted,
    base: usize,
}

impl Candidate<'_> {
    fn bytes(&self) -> [u64; 2] {
        [self.wanted.bases[self.base].bytes, self.wanted.bytes]
    }

    fn is_small(&self) -> bool {
        self.bytes().into_iter().all(|bytes| bytes <= SMALL_BYTES)
    }
}

/// Contents that are looked at together: several small ones, or one.
struct Job<'p>(Vec<Candidate<'p>>);

/// Groups candidates, neighbours together.
fn jobs<'p>(candidates: impl Iterator<Item = Candidate<'p>>) -> Vec<Job<'p>> {
    let mut jobs = Vec::new();
    let (mut open, mut bytes) = (Vec::new(), 0);
    for candidate in candidates {
        if !candidate.is_small() {
            jobs.push(Job(vec![candidate]));
            continue;
        }
        let [base, target] = candidate.bytes();
        let more = base.max(target);
        if bytes + more > JOB_BYTES_MAX && !open.is_empty() {
            jobs.push(Job(std::mem::take(&mut open)));
            bytes = 0;
        }
        open.push(candidate);
        bytes += more;
    }
    if !open.is_empty() {
        jobs.push(Job(open));
    }
    jobs
}

impl Job<'_> {
    /// Bytes of contents and bases as they are and unpacked, as far as they are there at a time, and of what patches them and
    /// makes them again.
    fn memory_bytes(&self, effort: Effort) -> u64 {
        let packed: u64 = self.0.iter().flat_map(Candidate::bytes).sum();
        let [base, form] = [0, 1].map(|side| {
            let sizes = self.0.iter().map(|candidate| candidate.bytes()[side]);
            sizes.map(archive_form_bytes_max).max().unwrap_or(0)
        });
        let mut sizes = GroupBytes::of_pair(base, form);
        if self.0.len() > 1 {
            sizes.bases = BASES_BYTES_MAX.max(base);
            sizes.targets = PATCH_GROUP_BYTES_MAX.max(form);
        }
        // The next content, while others wait for it.
        let next = base + 2 * form + ARCHIVE_CODER_BYTES_MAX;
        let waiting = sizes.bases + sizes.targets;
        packed + encode_memory_bytes(sizes, effort).max(waiting + next)
    }

    /// Unpacks what can be made again, and patches that.
    fn patch(
        self,
        view: &View<'_>,
        effort: Effort,
        memo: &Memo<'_>,
        progress: &dyn Progress,
    ) -> Result<Vec<Patched>> {
        let contents = self.0.iter().map(|candidate| {
            let base = &candidate.wanted.bases[candidate.base];
            (&candidate.wanted.id, std::iter::once(&base.id))
        });
        let key = key(Sort::Archives, effort, contents);
        let known = memo.find(key).and_then(|known| decode(&known, &self.0));
        if let Some(groups) = known {
            memo.count(groups.len() as u64);
            return Ok(groups);
        }
        let mut groups = Vec::new();
        let mut open = Open::default();
        for candidate in &self.0 {
            progress.check()?;
            let Candidate { wanted, base, .. } = *candidate;
            let Some(unfolded) = Unfolded::of(view, wanted, &wanted.bases[base], memo)? else {
                continue;
            };
            if !open.has_room_for(&unfolded) {
                groups.extend(std::mem::take(&mut open).patch(view, effort, progress)?);
            }
            open.0.push((*candidate, unfolded));
        }
        groups.extend(open.patch(view, effort, progress)?);
        memo.keep(key, encode(&groups, &self.0));
        Ok(groups)
    }
}

/// Contents that go into one group.
#[derive(Default)]
struct Open<'p>(Vec<(Candidate<'p>, Unfolded)>);

impl Open<'_> {
    fn has_room_for(&self, more: &Unfolded) -> bool {
        let bytes = |of: fn(&Unfolded) -> usize| {
            let all = self.0.iter().map(|(_, unfolded)| unfolded);
            all.chain([more]).map(of).sum::<usize>() as u64
        };
        self.0.is_empty()
            || bytes(|unfolded| unfolded.form.len()) <= PATCH_GROUP_BYTES_MAX
                && bytes(|unfolded| unfolded.base.len()) <= BASES_BYTES_MAX
    }

    /// Makes the patch, unless one of the files as they are is as small. Those are read again for that, so that never both
    /// forms of them are there.
    fn patch(
        self,
        view: &View<'_>,
        effort: Effort,
        progress: &dyn Progress,
    ) -> Result<Option<Patched>> {
        let pairs: Vec<Pair<'_>> = self.0.iter().map(|(_, unfolded)| unfolded.pair()).collect();
        if pairs.is_empty() {
            return Ok(None);
        }
        let bytes: u64 = pairs.iter().map(|pair| pair.target.len() as u64).sum();
        if bytes > GIVEN_BACK_FROM_BYTES {
            view.give_back();
        }
        let patch = best(&pairs, effort, progress)?;
        let patched_bytes = patch.len() as u64 + GROUP_BYTES + LINE_BYTES * pairs.len() as u64;
        drop(pairs);
        let archived = self.0.into_iter().map(|(candidate, unfolded)| {
            let archived = Archived {
                wanted: candidate.number,
                base: candidate.base,
                base_bytes: unfolded.base.len() as u64,
                form_bytes: unfolded.form.len() as u64,
            };
            (candidate, archived)
        });
        let (candidates, archived): (Vec<_>, Vec<_>) = archived.unzip();
        let packed_bytes = candidates.iter().map(|candidate| candidate.wanted.bytes);
        if !is_worth(patched_bytes, packed_bytes.sum()) {
            return Ok(None);
        }
        if patched_bytes >= plain_bytes(view, &candidates, effort, progress)? {
            return Ok(None);
        }
        Ok(Some(Patched { archived, patch }))
    }
}

/// Bytes of a patch of archives as they are.
fn plain_bytes(
    view: &View<'_>,
    candidates: &[Candidate<'_>],
    effort: Effort,
    progress: &dyn Progress,
) -> Result<u64> {
    let contents = candidates.iter().map(|candidate| {
        let (base, target) = (&candidate.wanted.bases[candidate.base], candidate.wanted);
        let base = read(view, base.id, base.bytes)?;
        Ok((base, read(view, target.id, target.bytes)?))
    });
    let contents: Vec<(Vec<u8>, Vec<u8>)> = contents.collect::<Result<_>>()?;
    let pairs = contents.iter().map(|(base, target)| Pair { base, target });
    let pairs: Vec<Pair<'_>> = pairs.collect();
    Ok(best(&pairs, effort, progress)?.len() as u64)
}

/// Groups as the memo keeps them: how many; of each, how many contents; of each of these, its number in the job, and the bytes
/// of its unpacked base and of its form; and behind the contents of a group the bytes of its patch, and the patch. All numbers
/// have eight bytes.
fn encode(groups: &[Patched], job: &[Candidate<'_>]) -> Vec<u8> {
    fn push(bytes: &mut Vec<u8>, number: u64) {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let mut bytes = Vec::new();
    push(&mut bytes, groups.len() as u64);
    for group in groups {
        push(&mut bytes, group.archived.len() as u64);
        for archived in &group.archived {
            let number = job.partition_point(|candidate| candidate.number < archived.wanted);
            push(&mut bytes, number as u64);
            push(&mut bytes, archived.base_bytes);
            push(&mut bytes, archived.form_bytes);
        }
        push(&mut bytes, group.patch.len() as u64);
        bytes.extend_from_slice(&group.patch);
    }
    bytes
}

/// What [`encode`] gave for the same job; nothing if it is something else.
fn decode(mut bytes: &[u8], job: &[Candidate<'_>]) -> Option<Vec<Patched>> {
    let count = take(&mut bytes)?;
    let mut groups = Vec::new();
    for _ in 0..count {
        let contents = take(&mut bytes)?;
        let mut archived = Vec::new();
        for _ in 0..contents {
            let candidate = job.get(usize::try_from(take(&mut bytes)?).ok()?)?;
            archived.push(Archived {
                wanted: candidate.number,
                base: candidate.base,
                base_bytes: take(&mut bytes)?,
                form_bytes: take(&mut bytes)?,
            });
        }
        let patch_bytes = usize::try_from(take(&mut bytes)?).ok()?;
        let (patch, rest) = bytes.split_at_checked(patch_bytes)?;
        bytes = rest;
        groups.push(Patched {
            archived,
            patch: patch.to_vec(),
        });
    }
    bytes.is_empty().then_some(groups)
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_as_they_were_kept() {
        let wanted = Wanted {
            id: crate::base::id::Hash::of(b"x"),
            bytes: 100,
            step: 0,
            bases: Vec::new(),
        };
        let candidate = |number| Candidate {
            number,
            wanted: &wanted,
            base: 1,
        };
        let job = [candidate(3), candidate(5), candidate(9)];
        let archived = |wanted| Archived {
            wanted,
            base: 1,
            base_bytes: 7,
            form_bytes: 8,
        };
        let group = |numbers: &[usize], patch: &[u8]| Patched {
            archived: numbers.iter().copied().map(archived).collect(),
            patch: patch.to_vec(),
        };
        for groups in [
            vec![],
            vec![group(&[5], b"patch")],
            vec![group(&[3, 9], b""), group(&[5], b"p")],
        ] {
            let bytes = encode(&groups, &job);
            assert_eq!(decode(&bytes, &job), Some(groups));
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end], &job), None, "cut at {end}");
            }
        }
    }
}
