//! A subtree: one directory of what a ref shows, without the rest.
//!
//! Statements are verified as for a whole pull. Of the tree, only the directories on the way to the subtree are looked at,
//! each by its hash, and all beneath it is taken. It becomes a build of a repo of this store, with the subtree at the path
//! where it was, as no release is ever there in part.
//!
//! # Invariants
//!
//! - What is known of the origin counts, and is not moved on: no more than a part of what it shows is here.
//! - A pull that fails leaves nothing behind.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::bounded::{Bounded, shown, totals_of_part};
use super::objects::fetch_beneath;
use super::origin::{Metered, Origin, Part, Wanted};
use super::pull::{PullOptions, incomplete, update};
use super::receive::{finish, receive};
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::commit::commit;
use crate::build::create::create_filled;
use crate::build::verify::verify_staged;
use crate::delta::parts::open_delta;
use crate::delta::unpack::{Route, take_in, unpack};
use crate::object::directory::{TreeSource, find_path};
use crate::object::kind::ObjectKind;
use crate::object::pack_check::check_object;
use crate::object::pack_reader::PackReader;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};
use crate::store::Store;
use crate::store::builds::{NewBuild, Staging};
use crate::store::landing::Landing;
use crate::store::reach::tree_edge;
use crate::store::rows::{BuildRow, Operation, SnapshotRef, Staged};
use crate::store::view::View;

/// The label that says of which release a build has a part.
pub const PART_OF_LABEL: &str = "part-of";

/// A subtree that is wanted.
#[derive(Clone, Debug)]
pub struct Subtree {
    /// The ref.
    pub target: RefName,
    /// The directory.
    pub path: TreePath,
    /// The repo of this store that gets it.
    pub into: RepoName,
}

/// What was pulled.
#[derive(Clone, Debug)]
pub struct SubtreeAnswer {
    /// The repo there.
    pub repo: RepoName,
    /// The seq of the release.
    pub seq: u64,
    /// The build that has the subtree.
    pub build: BuildRow,
    /// How often the origin was asked.
    pub requests: u64,
    /// The bytes of its answers.
    pub received_bytes: u64,
}

/// Pulls a subtree of what a ref shows into a new build, which is committed.
///
/// # Errors
///
/// As [`pull`](super::pull::pull); [`Error::NotFound`] if there is no such directory.
pub fn pull_subtree(
    store: &Store,
    origin: &dyn Origin,
    options: &PullOptions,
    wanted: &Subtree,
    time: Time,
    progress: &dyn Progress,
) -> Result<SubtreeAnswer> {
    store.reader()?.repo(&wanted.into)?.check_own()?;
    let metered = Metered::new(origin, progress);
    let (contact, update) = update(store, &metered, options, time)?;
    let newest = update
        .moves
        .iter()
        .find(|moved| moved.target == wanted.target);
    let known = contact.known.refs.get(&wanted.target);
    let known = known.map(|current| (current.snapshot, current.seq));
    let moved = newest.and_then(|moved| {
        let statement = moved.statements.last()?;
        Some((moved.snapshot, statement.value().seq))
    });
    let shown = moved.or(known);
    let (snapshot, seq) = shown.ok_or_else(|| Error::not_found("ref", &wanted.target))?;
    let release = format!("{}:{}@{seq}", contact.name, wanted.target);
    let fetched = fetch(store, &metered, snapshot, wanted, progress).and_then(|(landing, tree)| {
        let view = store.view(&wanted.into, &[])?.with(&landing)?;
        verify_staged(&view, tree, progress).map_err(incomplete)?;
        keep(store, wanted, &view, landing, tree, &release, time)
    });
    let build = finish(store, &metered.place(), fetched)?;
    Ok(SubtreeAnswer {
        repo: contact.name,
        seq,
        build,
        requests: metered.requests(),
        received_bytes: metered.received_bytes(),
    })
}

/// Fetches the subtree, as the origin has it.
fn fetch(
    store: &Store,
    origin: &dyn Origin,
    snapshot: SnapshotRef,
    wanted: &Subtree,
    progress: &dyn Progress,
) -> Result<(Landing, TreeRef)> {
    let view = store.view(&wanted.into, &[])?;
    match part_of(origin, snapshot, &wanted.path)? {
        Some(part) => Ok((arrive(store, origin, &part, &view, progress)?, part.tree)),
        None => whole(store, origin, snapshot, &wanted.path, view, progress),
    }
}

/// The directory that a path leads to; none if the origin does not show the objects on the way.
fn part_of(origin: &dyn Origin, snapshot: SnapshotRef, path: &TreePath) -> Result<Option<Part>> {
    let text = match origin.object(snapshot.id.hash()) {
        Err(Error::NotFound { .. }) => return Ok(None),
        text => text?,
    };
    check_object(ObjectKind::Snapshot, snapshot.id.hash(), &text)?;
    let root = Snapshot::decode(&text)?.tree;
    let directories = Directories {
        origin,
        is_lacking: Cell::new(false),
    };
    let found = find(&directories, root, path);
    if directories.is_lacking.get() {
        return Ok(None);
    }
    Ok(Some(Part {
        of: snapshot.id,
        path: path.clone(),
        tree: found?,
    }))
}

/// Fetches all of a snapshot, for origins that have nothing smaller. What is not needed goes when the build is committed.
fn whole(
    store: &Store,
    origin: &dyn Origin,
    snapshot: SnapshotRef,
    path: &TreePath,
    view: View<'_>,
    progress: &dyn Progress,
) -> Result<(Landing, TreeRef)> {
    let (to, from) = (snapshot, None);
    let landing = receive(store, &origin.place(), &mut |arrival| {
        let totals = || Ok(shown(origin, to)?.totals);
        let mut bounded = Bounded::new(arrival, &totals);
        let asked = origin.pack(Wanted { to, from }, &mut bounded);
        bounded.outcome(asked)?;
        let mut intake = store.intake();
        let pack = open_delta(arrival.map()?)?;
        let route = Route { from, to: Some(to) };
        unpack(&pack, route, &view, &mut intake, progress).map_err(incomplete)?;
        intake.finish()
    })?;
    let view = view.with(&landing)?;
    let root = view.snapshot_of_size(snapshot).map_err(incomplete)?.tree;
    Ok((landing, find(&view, root, path)?))
}

/// Follows a path to a directory.
fn find(source: &dyn TreeSource, root: TreeRef, path: &TreePath) -> Result<TreeRef> {
    let found = find_path(source, root, path)?;
    let found = found.ok_or_else(|| Error::not_found("directory", path))?;
    found.tree_ref().ok_or_else(|| {
        Error::usage(format!(
            "{path} is a file: name the directory that it is in"
        ))
    })
}

/// The directories of an origin, one by one.
struct Directories<'o> {
    origin: &'o dyn Origin,
    /// Whether it did not show one.
    is_lacking: Cell<bool>,
}

impl TreeSource for Directories<'_> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        let asked = self.origin.object(tree.id.hash());
        self.is_lacking
            .set(matches!(asked, Err(Error::NotFound { .. })));
        let bytes = asked?;
        check_object(ObjectKind::Tree, tree.id.hash(), &bytes)?;
        if bytes.len() as u64 != tree.size {
            let reason = format!("it has {} bytes, not {}", bytes.len(), tree.size);
            return Err(Error::malformed("tree", reason));
        }
        Ok(Arc::new(Node::decode(&bytes)?))
    }
}

/// Fetches a subtree: as a pack, or else object by object.
pub(super) fn arrive(
    store: &Store,
    origin: &dyn Origin,
    part: &Part,
    view: &View<'_>,
    progress: &dyn Progress,
) -> Result<Landing> {
    receive(store, &origin.place(), &mut |arrival| {
        let mut intake = store.intake();
        let totals = || totals_of_part(origin, part);
        let mut bounded = Bounded::new(arrival, &totals);
        let asked = origin.part(part, &mut bounded);
        match bounded.outcome(asked) {
            Err(Error::NotFound { .. }) => {
                fetch_beneath(origin, tree_edge(part.tree), view, &mut intake, progress)?;
            }
            found => {
                found?;
                let pack = PackReader::open(arrival.map()?)?;
                take_in(&pack, view, &mut intake, progress).map_err(incomplete)?;
            }
        }
        intake.finish()
    })
}

/// Makes a build of what has arrived.
fn keep(
    store: &Store,
    wanted: &Subtree,
    view: &View<'_>,
    landing: Landing,
    tree: TreeRef,
    release: &str,
    time: Time,
) -> Result<BuildRow> {
    let totals = view.node(tree)?.totals();
    let sums = Staged {
        files: totals.files(),
        bytes: totals.bytes(),
        new_objects: landing.objects,
        new_bytes: landing.expanded_bytes,
        stored_bytes: landing.stored_bytes,
        ..Staged::default()
    };
    let new = NewBuild {
        repo: wanted.into.clone(),
        target: None,
        labels: BTreeMap::from([(PART_OF_LABEL.to_owned(), release.to_owned())]),
    };
    let staging = Staging {
        landing,
        operations: vec![Operation::Merge {
            at: wanted.path.clone(),
            tree: tree.into(),
        }],
        sums,
    };
    let build = create_filled(store, new, staging, time)?.id;
    let message = format!("{} of {release}", wanted.path);
    let kept = commit(store, build, &message, time);
    // A build that could not be committed is of no use; should it stay, it can still be.
    kept.inspect_err(|_| drop(store.purge_build(build, time)))
}
