//! Make: one pack with what a snapshot has and another has not.
//!
//! # Invariants
//!
//! - A pack that starts from a snapshot is a function of the two and the options. One of everything has the frames in which the
//!   store has its objects, so two stores make different ones of the same snapshot.
//! - It holds the second snapshot itself, and no other.
//!
//! # Not here
//!
//! Making the second snapshot out of it (`delta::unpack`).

use std::collections::HashSet;
use std::io::Write;

use super::archives::patch_archives;
use super::bases::find_by_content;
use super::frames::write_frames;
use super::group::{Group, Made, groups};
use super::inventory::{Inventory, Item, stored};
use super::memo::Memo;
use super::packing::Packing;
use super::plan::Plan;
use super::pool::Bounds;
use super::schedule::{DELTA_MEMORY_BYTES_MAX, Schedule};
use super::scripting::Scripting;
use super::whole::write_whole;
use crate::base::Result;
use crate::base::progress::Progress;
use crate::object::kind::ObjectKind;
use crate::object::pack::PackSummary;
use crate::object::patch::Effort;
use crate::object::script_frame::{seal_group, seal_text};
use crate::object::tree::TreeRef;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// How a delta is made.
#[derive(Clone, Copy, Debug)]
pub struct MakeOptions {
    /// How much time compression may take.
    pub effort: Effort,
    /// Bytes that may be used at a time; one job that needs more runs alone.
    pub memory_bytes_max: u64,
    /// What becomes of files that are compressed.
    pub archives: Archives,
}

/// What becomes of files that are compressed, or hold what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archives {
    /// They are patched by what is in them, where that reproduces them bit for bit and is smaller.
    Unfolded,
    /// They are patched as they are.
    Whole,
}

impl Default for MakeOptions {
    fn default() -> Self {
        Self {
            effort: Effort::Quick,
            memory_bytes_max: DELTA_MEMORY_BYTES_MAX,
            archives: Archives::Unfolded,
        }
    }
}

/// What a delta came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaSummary {
    /// The pack.
    pub pack: PackSummary,
    /// Contents that are patches.
    pub patched: u64,
    /// Contents that are whole.
    pub whole: u64,
    /// Files and links at paths where the first snapshot has other ones, or none.
    pub files: u64,
    /// Patches of groups that were made before and found again.
    pub remembered: u64,
}

/// Writes to `out` the delta from the snapshot `from` to the snapshot `to`; without `from`, everything in `to`.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if the view does not show them,
/// [`Error::Damaged`](crate::base::Error::Damaged) if an object is not what its id says,
/// [`Error::Limit`](crate::base::Error::Limit) if the pack would be larger than packs may be, and
/// [`Error::Io`](crate::base::Error::Io) if `out` fails; what was written by then is no pack.
pub fn make(
    view: &View<'_>,
    from: Option<SnapshotRef>,
    to: SnapshotRef,
    options: &MakeOptions,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<DeltaSummary> {
    let before = from.map(|from| view.snapshot_of_size(from)).transpose()?;
    let tree = view.snapshot_of_size(to)?.tree;
    let making = Making {
        view,
        to,
        options,
        progress,
    };
    let mut packing = Packing::start(out, from.map(|from| from.id))?;
    let counts = match before {
        Some(before) => making.script(before.tree, tree, &mut packing)?,
        None => making.everything(tree, &mut packing)?,
    };
    Ok(DeltaSummary {
        pack: packing.finish()?,
        patched: counts.patched,
        whole: counts.whole,
        files: counts.files,
        remembered: counts.remembered,
    })
}

/// What a delta counts.
struct Counts {
    patched: u64,
    whole: u64,
    files: u64,
    remembered: u64,
}

/// Writes objects into a pack.
type WriteObjects = fn(&View<'_>, &[Item], u64, &mut Packing<'_>, &dyn Progress) -> Result<()>;

/// A delta on its way into a pack.
struct Making<'m, 's> {
    view: &'m View<'s>,
    to: SnapshotRef,
    options: &'m MakeOptions,
    progress: &'m dyn Progress,
}

impl Making<'_, '_> {
    /// Packs all objects of a tree.
    fn everything(&self, tree: TreeRef, packing: &mut Packing<'_>) -> Result<Counts> {
        let inventory = Inventory::of(self.view, None, tree)?;
        self.whole(&inventory, write_frames, packing)?;
        Ok(Counts {
            patched: 0,
            whole: inventory.contents,
            files: inventory.files,
            remembered: 0,
        })
    }

    /// Packs the snapshot, and objects that come whole.
    fn whole(
        &self,
        inventory: &Inventory,
        write: WriteObjects,
        packing: &mut Packing<'_>,
    ) -> Result<()> {
        // What says how to read the rest comes first, for those who read a stream.
        let mut texts = vec![Item {
            kind: ObjectKind::Snapshot,
            id: self.to.id.hash(),
            bytes: self.to.size,
        }];
        texts.extend(&inventory.trees);
        texts.extend(&inventory.recipes);
        let lists = [&texts, &inventory.blobs];
        let bytes = lists.into_iter().flatten().map(|item| item.bytes).sum();
        self.progress.expect(bytes);
        let budget_bytes = self.options.memory_bytes_max;
        lists
            .into_iter()
            .try_for_each(|list| write(self.view, list, budget_bytes, packing, self.progress))
    }

    /// Packs the contents that are told by what is in them; gives their numbers in the plan.
    fn archives(
        &self,
        plan: &Plan,
        script: &mut Scripting<'_>,
        memo: &Memo<'_>,
        packing: &mut Packing<'_>,
    ) -> Result<HashSet<usize>> {
        let mut done = HashSet::new();
        if self.options.archives == Archives::Whole {
            return Ok(done);
        }
        let means = (self.options.effort, self.options.memory_bytes_max);
        patch_archives(self.view, plan, means, memo, self.progress, &mut |group| {
            let contents = group.archived.len();
            packing.append(&seal_group(&group.patch, contents, group.form_bytes())?)?;
            script.note_archives(&group);
            done.extend(group.archived.iter().map(|archived| archived.wanted));
            Ok(())
        })?;
        Ok(done)
    }

    /// Packs how the tree `b` follows from the tree `a`.
    fn script(&self, a: TreeRef, b: TreeRef, packing: &mut Packing<'_>) -> Result<Counts> {
        let mut plan = Plan::of(self.view, a, b)?;
        find_by_content(self.view, a, &mut plan, &Bounds::DEFAULT, self.progress)?;
        let mut script = Scripting::new(&plan);
        let whole: Vec<_> = script.whole().collect();
        let whole = stored(self.view, &plan.old, &whole)?;
        // A delta has the same bytes wherever it is made.
        self.whole(&whole, write_whole, packing)?;
        let memo = Memo::new(self.view.store());
        let done = self.archives(&plan, &mut script, &memo, packing)?;
        let groups = groups(&plan, &done);
        self.progress
            .expect(groups.iter().map(|group| group.bytes).sum());
        let schedule = Schedule {
            budget_bytes: self.options.memory_bytes_max,
            needs: &|group: &Group| group.memory_bytes(self.options.effort),
            takes: &|made: &Made| made.patch.len() as u64,
            work: &|group| {
                self.progress.check()?;
                let made =
                    group.make(self.view, &plan, self.options.effort, &memo, self.progress)?;
                self.progress.advance(made.group.bytes);
                Ok(made)
            },
        };
        schedule.run(groups, &mut |made| {
            packing.append(&seal_group(
                &made.patch,
                made.chosen.len(),
                made.group.bytes,
            )?)?;
            script.note(&made);
            Ok(())
        })?;
        let (script, patched) = script.finish();
        script.check_size()?;
        for part in seal_text(&script.encode())? {
            packing.append(&part)?;
        }
        Ok(Counts {
            patched,
            whole: plan.wanted.len() as u64 - patched,
            files: plan.files,
            remembered: memo.hits(),
        })
    }
}

#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod likeness;
#[cfg(test)]
mod many;
#[cfg(test)]
mod overlapping;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod tests;
