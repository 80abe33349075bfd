//! Copy: staging into a new build what another build changed.
//!
//! Of a build that was committed, that is the difference between what its ref showed before and what it shows with the
//! build: one tree of what was added or changed, and the paths that were removed. Of an open build it is what was staged.
//!
//! # Invariants
//!
//! - The new build does not depend on the other one: it has objects of its own, or points at published ones.
//!
//! # Not here
//!
//! Copying the objects (`store::copying`); making the new build (`build::create`).

use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::object::census::Census;
use crate::object::difference::differing;
use crate::object::directory::{TreeSource, join};
use crate::object::edges::Edge;
use crate::object::edit::{Child, TreeSink, Written, create};
use crate::object::totals::Totals;
use crate::object::tree::{Entry, TreeRef};
use crate::store::Store;
use crate::store::builds::Staging;
use crate::store::intake::Workshop;
use crate::store::reach::tree_edge;
use crate::store::rows::{
    BuildRow, BuildState, Committed, Import, Operation, Published, SnapshotRef, Staged,
};
use crate::store::view::View;

/// What stages into a new build of the same repo what `from` changed, if it changed anything.
///
/// # Errors
///
/// [`Error::State`] if `from` was purged, [`Error::Refused`] if the release of `from` was retired, [`Error::Damaged`] if
/// an object is not what its id says.
pub(super) fn copy_changes(store: &Store, from: &BuildRow) -> Result<Option<Staging>> {
    let view = store.view(&from.repo, &[from.id])?;
    let mut intake = store.intake();
    let (operations, files, bytes) = match ends(store, &view, from)? {
        None => (
            store.operations(from.id)?,
            from.staged.files,
            from.staged.bytes,
        ),
        Some((before, after)) => {
            let workshop = Workshop::new(&mut intake, &view);
            let (operations, totals) = changes(&workshop, &mut &workshop, before, after)?;
            (operations, totals.files(), totals.bytes())
        }
    };
    if operations.is_empty() {
        return Ok(None);
    }
    let mut landing = intake.finish()?;
    let view = store.view_with(&from.repo, &[from.id], &landing)?;
    let reach = view.reach(&trees(&operations))?;
    let mut copies = store.intake();
    view.copy_own(&reach, &landing, &mut copies)?;
    landing.join(copies.finish()?);
    let sums = Staged {
        operations: u32::try_from(operations.len()).unwrap_or(u32::MAX),
        files,
        bytes,
        new_objects: landing.objects,
        new_bytes: landing.expanded_bytes,
        stored_bytes: landing.stored_bytes,
    };
    Ok(Some(Staging {
        landing,
        operations,
        sums,
    }))
}

/// What a build's ref showed before it, and with it; nothing for an open build.
fn ends(
    store: &Store,
    view: &View<'_>,
    from: &BuildRow,
) -> Result<Option<(Option<TreeRef>, TreeRef)>> {
    let tree = |before: Option<SnapshotRef>| -> Result<Option<TreeRef>> {
        let snapshot = before.map(|before| view.snapshot_of_size(before));
        Ok(snapshot.transpose()?.map(|snapshot| snapshot.tree))
    };
    match (from.state, from.committed, &from.published) {
        (BuildState::Open, ..) => Ok(None),
        (BuildState::Published, _, Some(published)) => {
            let import = import_of(store, from, published)?;
            Ok(Some((tree(import.before)?, import.root.into())))
        }
        (
            BuildState::Checking
            | BuildState::Ready
            | BuildState::Rejected
            | BuildState::Publishing,
            Some(Committed { onto, root, .. }),
            _,
        ) => Ok(Some((tree(onto.map(|onto| onto.snapshot))?, root.into()))),
        _ => Err(Error::State {
            build: from.id,
            state: from.state.to_string(),
            verb: "start from",
        }),
    }
}

/// How a published build was merged into its ref.
fn import_of(store: &Store, from: &BuildRow, published: &Published) -> Result<Import> {
    let reader = store.reader()?;
    let releases = reader.releases(&reader.repo(&from.repo)?, &published.target)?;
    let number = (published.epoch, published.seq);
    let name = format!("{}@{}", published.target, published.seq);
    let release = releases
        .into_iter()
        .find(|release| (release.epoch, release.seq) == number)
        .ok_or_else(|| Error::not_found("release", &name))?;
    if release.retired {
        let reason = format!("cannot start from build {}: {name} is retired", from.id);
        return Err(Error::refused(reason));
    }
    let mut imports = release.imports.into_iter();
    imports
        .find(|import| import.build == from.id)
        .ok_or_else(|| Error::not_found("build in", name))
}

/// The staged trees of some operations.
fn trees(operations: &[Operation]) -> Vec<Edge> {
    let tree = |operation: &Operation| match operation {
        Operation::Merge { tree, .. } | Operation::Replace { tree, .. } => {
            Some(tree_edge((*tree).into()))
        }
        Operation::Remove { .. } => None,
    };
    operations.iter().filter_map(tree).collect()
}

/// The operations that turn `before` into `after`, and the totals of what they stage.
fn changes(
    source: &dyn TreeSource,
    sink: &mut dyn TreeSink,
    before: Option<TreeRef>,
    after: TreeRef,
) -> Result<(Vec<Operation>, Totals)> {
    let mut operations = Vec::new();
    let at = TreePath::root();
    let mut adding = Adding {
        source,
        sink,
        census: Census::new(source, [before, Some(after)]),
        lost: Vec::new(),
    };
    let added = adding.directory([before, Some(after)], &at)?;
    operations.append(&mut adding.lost);
    let Some(Written { tree, totals }) = added else {
        return Ok((operations, Totals::ZERO));
    };
    // After what is removed, because a directory may be where a file was.
    let tree = tree.into();
    operations.push(Operation::Merge { at, tree });
    Ok((operations, totals))
}

/// Finds out what one tree adds to another.
struct Adding<'a> {
    source: &'a dyn TreeSource,
    sink: &'a mut dyn TreeSink,
    census: Census<'a>,
    /// What is not there any more.
    lost: Vec<Operation>,
}

impl Adding<'_> {
    /// Writes a directory of what the second one has and the first has not, or has otherwise; notes what it has lost.
    fn directory(
        &mut self,
        [before, after]: [Option<TreeRef>; 2],
        at: &TreePath,
    ) -> Result<Option<Written>> {
        let mut children = Vec::new();
        for difference in differing(self.source, before, after) {
            let difference = difference?;
            self.census.visit()?;
            let path = join(at, &difference.name)?;
            let Some(entry) = difference.b else {
                self.lost.push(Operation::Remove { path });
                continue;
            };
            let trees = [
                difference.a.as_ref().and_then(Entry::tree_ref),
                entry.tree_ref(),
            ];
            if trees.iter().all(Option::is_some) {
                let under = self.directory(trees, &path)?;
                let child = under.map(|written| Child::directory(difference.name, written));
                children.extend(child.transpose()?);
            } else {
                children.push(Child::load(self.source, entry)?);
            }
        }
        if children.is_empty() {
            return Ok(None);
        }
        create(self.sink, children.into_iter().map(Ok)).map(Some)
    }
}

#[cfg(test)]
mod tests;
