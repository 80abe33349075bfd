//! Show: what is in a delta, and what would be in one.
//!
//! # Not here
//!
//! How it looks (the command line).

use super::bases::find_by_content;
use super::group::is_patchable;
use super::parts::{Parts, as_delta, only_snapshot, start_digits};
use super::plan::Plan;
use super::pool::Bounds;
use crate::base::Result;
use crate::base::id::PackId;
use crate::base::path::TreePath;
use crate::base::progress::Silent;
use crate::object::pack_reader::PackReader;
use crate::object::script::Step;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// What is in a delta.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its hash.
    pub pack: PackId,
    /// The first half of the id of the snapshot that it starts from, in hex digits, if it starts from one.
    pub from: Option<String>,
    /// The snapshot that it leads to.
    pub to: SnapshotRef,
    /// Objects that come whole.
    pub objects: u64,
    /// How the second snapshot follows from the first; nothing if all objects come whole.
    pub steps: Vec<Step>,
    /// The groups of contents that patches make.
    pub groups: Vec<ShownGroup>,
}

/// A group of contents that one patch makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownGroup {
    /// How many.
    pub contents: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Bytes of the patch.
    pub patch_bytes: u64,
}

/// Looks into a delta. Its bytes are checked as far as that is possible without what it starts from.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if it is none.
pub fn show<B: AsRef<[u8]> + Sync>(pack: &PackReader<B>) -> Result<Shown> {
    as_delta(look_into(pack))
}

fn look_into<B: AsRef<[u8]> + Sync>(pack: &PackReader<B>) -> Result<Shown> {
    let id = pack.check_layout()?;
    let parts = Parts::of(pack)?;
    let groups = parts.groups.iter().map(|group| ShownGroup {
        contents: group.contents,
        bytes: group.bytes,
        patch_bytes: group.patch.len() as u64,
    });
    Ok(Shown {
        pack: id,
        from: start_digits(pack),
        to: only_snapshot(&pack.entries_by_place()?)?,
        objects: pack.objects().into(),
        steps: parts.script()?.unwrap_or_default().steps,
        groups: groups.collect(),
    })
}

/// What would be done for one path.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What the script would say, as far as it is known before contents are looked at.
    pub step: Step,
    /// The bytes of a content that is new.
    pub bytes: Option<u64>,
    /// Paths in the first snapshot whose contents would be tried as bases for it.
    pub bases: Vec<TreePath>,
}

/// Plans the delta between two snapshots without making it.
///
/// # Errors
///
/// As [`make`](super::make::make).
pub fn plan(view: &View<'_>, from: SnapshotRef, to: SnapshotRef) -> Result<Vec<Planned>> {
    let tree = |snapshot| view.snapshot_of_size(snapshot).map(|found| found.tree);
    let a = tree(from)?;
    let mut plan = Plan::of(view, a, tree(to)?)?;
    find_by_content(view, a, &mut plan, &Bounds::DEFAULT, &Silent)?;
    let steps = plan.steps.iter().map(|step| Planned {
        step: step.clone(),
        bytes: None,
        bases: Vec::new(),
    });
    let mut steps: Vec<Planned> = steps.collect();
    for wanted in &plan.wanted {
        let planned = &mut steps[wanted.step];
        planned.bytes = Some(wanted.bytes);
        if is_patchable(wanted) {
            planned.bases = wanted.bases.iter().map(|base| base.path.clone()).collect();
        }
    }
    Ok(steps)
}
