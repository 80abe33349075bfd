//! Publish: import a build into what its ref shows next, then let everything that waits become visible at once.
//!
//! Two steps, so that many builds can share the second one:
//!
//! 1. [`import`] merges a build onto the ref's *pending* tree: cheap, durable, not visible.
//! 2. [`update`] signs and switches, once for everything pending: one snapshot per build, one statement.
//!
//! # Invariants
//!
//! - If the second step fails, nothing is visible and the imports stay pending: publishing again goes on from there.
//! - If the ref has not moved since the build was committed, its tree is *the same root* that was tested.
//!
//! # Not here
//!
//! The merge (`build::merge`), the signature (`build::sign`), the switch (`store::releases`).

use super::carried::carried;
use super::check::Checker;
use super::conflict::{Clash, conflict};
use super::merge::{Winner, three_way};
use super::overtaken::overtaken;
pub use super::publish_answer::PublishAnswer;
use super::sign::Release;
use crate::base::clock::Time;
use crate::base::id::SnapshotId;
use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::object::directory::TreeSource;
use crate::object::snapshot::Snapshot;
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::due::Due;
use crate::store::intake::{Intake, Workshop};
use crate::store::landing::Landing;
use crate::store::reach::snapshot_edge;
use crate::store::rows::{
    BuildRow, BuildState, Committed, Import, RefRow, ReleaseKind, RepoRow, SnapshotRef,
};
use crate::store::settings::OnConflict;
use crate::store::view::View;

/// Updates of one ref that are tried while others update refs of the same repo.
const UPDATES_MAX: usize = 16;

/// How a build is to be published.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Where to, if not to the ref the build was made for.
    pub target: Option<RefName>,
    /// Who wins when both sides changed a path, if not as the ref's policy says.
    pub on_conflict: Option<OnConflict>,
    /// Whether any tree will do.
    pub tested: Tested,
    /// If it is published because it is due: how its row says that. It must still say that when it is merged.
    pub due: Option<Due>,
}

/// Which tree may be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tested {
    /// Whatever the merge gives.
    #[default]
    Any,
    /// Only the one that the test repository shows.
    Required,
}

/// Merges a committed build into its ref and makes it visible, with whatever else is pending there.
///
/// # Errors
///
/// [`Error::Conflict`] if the ref changed the same paths, [`Error::Untested`] if only the tested tree is wanted,
/// [`Error::Unchecked`] if checks have not passed that must, [`Error::State`] if the build is not ready for another
/// reason, [`Error::Refused`] if the ref is held; nothing changes then. If signing or switching fails the build stays pending, the reason is recorded with it, and publishing it again goes on.
pub fn publish(
    store: &Store,
    build: u64,
    options: &PublishOptions,
    time: Time,
) -> Result<PublishAnswer> {
    let Merged {
        row,
        target,
        tested,
    } = merge(store, build, options, time)?;
    let answer = make_visible(store, &row, &target, time);
    if let Err(error) = &answer {
        // That publishing failed says more than that this cannot be written down.
        store
            .record_reason(build, format!("publishing failed: {error}"), time)
            .ok();
    }
    Ok(PublishAnswer { tested, ..answer? })
}

/// A build that was merged into the pending tree of a ref.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The build, as it was before.
    pub row: BuildRow,
    /// The ref.
    pub target: RefName,
    /// Whether the tree of the build is the one that was tested.
    pub tested: bool,
}

/// The first step of [`publish`]: merges a committed build into the pending tree of its ref, unless that was done before.
/// Whoever takes the second step makes it visible.
///
/// # Errors
///
/// As [`publish`].
pub fn merge(store: &Store, build: u64, options: &PublishOptions, time: Time) -> Result<Merged> {
    let row = store.reader()?.build(build)?;
    let (target, tested) = if row.state == BuildState::Publishing {
        pending(&row, options)?
    } else {
        let target = target_of(&row, options)?;
        let import = import(store, &row, &target, options, time)?;
        (target, import.tested)
    };
    Ok(Merged {
        row,
        target,
        tested,
    })
}

/// Makes a pending build visible, unless somebody else does so at this moment.
fn make_visible(
    store: &Store,
    row: &BuildRow,
    target: &RefName,
    time: Time,
) -> Result<PublishAnswer> {
    for _ in 1..UPDATES_MAX {
        match update(store, &store.reader()?.repo(&row.repo)?, target, time) {
            Err(Error::Refused { .. }) => {}
            other => return other,
        }
        if let Some(answer) = carried(store, row.id)? {
            return Ok(answer);
        }
    }
    update(store, &store.reader()?.repo(&row.repo)?, target, time)
}

/// Where a build is pending, and whether as tested; refuses what it is not pending for.
fn pending(row: &BuildRow, options: &PublishOptions) -> Result<(RefName, bool)> {
    let pending = row
        .published
        .as_ref()
        .ok_or_else(|| Error::internal("a build that is being published has a ref"))?;
    let target = &pending.target;
    if options.target.as_ref().is_some_and(|other| other != target) {
        let reason = format!("build {} is pending on {target}: withdraw it first", row.id);
        return Err(Error::refused(reason));
    }
    if options.tested == Tested::Required && !pending.tested {
        return Err(Error::Untested {
            build: row.id,
            target: target.clone(),
            current: format!("{target}@{}", pending.seq),
        });
    }
    Ok((target.clone(), pending.tested))
}

pub(super) fn target_of(row: &BuildRow, options: &PublishOptions) -> Result<RefName> {
    let target = options.target.as_ref().or(row.target.as_ref());
    target.cloned().ok_or_else(|| {
        Error::usage(format!(
            "build {} is meant for no ref: say --ref REF",
            row.id
        ))
    })
}

/// Merges a ready build onto the pending tree of a ref: durable, and not visible.
///
/// # Errors
///
/// As [`publish`]; nothing changes then.
pub fn import(
    store: &Store,
    row: &BuildRow,
    target: &RefName,
    options: &PublishOptions,
    time: Time,
) -> Result<Import> {
    if row.state == BuildState::Published {
        return Err(already_published(row));
    }
    // Asked before the work is done; what counts is the answer in the transaction.
    row.check_publishable(target, &store.settings().policy(target))?;
    let committed = row.committed;
    let committed = committed.ok_or_else(|| Error::internal("a ready build has a snapshot"))?;
    let reader = store.reader()?;
    let repo = reader.repo(&row.repo)?;
    let ref_row = reader
        .find_ref(&repo, target)?
        .unwrap_or_else(|| RefRow::unborn(target.clone()));
    drop(reader);
    ref_row.check_not_held()?;
    let shown = shown(&ref_row);
    let merging = Merging {
        store,
        repo: &repo,
        row,
        committed,
        target,
        shown: shown.as_ref(),
        options,
        time,
    };
    let pending: Vec<u64> = ref_row.pending.iter().map(|import| import.build).collect();
    let (import, landing) = merging
        .merge(&pending)
        .map_err(|error| overtaken(error, Some(target)))?;
    let mut builds = pending;
    builds.push(row.id);
    let view = store.view_with(&repo.name, &builds, &landing)?;
    let reach = view.reach(&[snapshot_edge(import.snapshot)])?;
    reach.check_whole("publish", row.id)?;
    let due = options.due.as_ref();
    store.record_import(target, import, landing, &reach, due, time)?;
    Ok(import)
}

fn already_published(row: &BuildRow) -> Error {
    let place = row
        .published
        .as_ref()
        .map_or_else(String::new, |at| format!(" as {}@{}", at.target, at.seq));
    Error::State {
        build: row.id,
        state: format!("published{place}"),
        verb: "publish",
    }
}

/// Refuses what would leave builds pending on a tree that their ref does not show any more.
pub(super) fn check_nothing_pending(row: &RefRow) -> Result<()> {
    match row.pending.first() {
        Some(pending) => Err(Error::refused(format!(
            "build {} is pending on {}: publish or withdraw it first",
            pending.build, row.name
        ))),
        None => Ok(()),
    }
}

/// What a ref shows, or will show when what is pending becomes visible.
#[derive(Clone, Copy, Debug)]
struct Shown {
    snapshot: SnapshotRef,
    root: TreeRef,
    /// `stable@41`, or the build that is pending.
    seq: u64,
}

fn shown(row: &RefRow) -> Option<Shown> {
    let current = row.current.map(|current| Shown {
        snapshot: current.snapshot,
        root: current.root.into(),
        seq: current.seq,
    });
    let pending = row.pending.last().map(|import| Shown {
        snapshot: import.snapshot,
        root: import.root.into(),
        seq: current.map_or(0, |current| current.seq) + 1,
    });
    pending.or(current)
}

/// A build on its way onto what a ref shows.
struct Merging<'a> {
    store: &'a Store,
    repo: &'a RepoRow,
    row: &'a BuildRow,
    committed: Committed,
    target: &'a RefName,
    shown: Option<&'a Shown>,
    options: &'a PublishOptions,
    time: Time,
}

impl Merging<'_> {
    fn merge(&self, pending: &[u64]) -> Result<(Import, Landing)> {
        let before = self.shown.map(|shown| shown.snapshot);
        let is_unmoved = self.committed.onto.map(|onto| onto.snapshot) == before;
        if is_unmoved && self.committed.conflicts == 0 && self.is_for_its_own_ref() {
            let (snapshot, root) = (self.committed.snapshot, self.committed.root);
            let import = Import {
                build: self.row.id,
                snapshot,
                root,
                before,
                tested: true,
            };
            return Ok((import, Landing::default()));
        }
        let mut builds = pending.to_vec();
        builds.push(self.row.id);
        let view = self.store.view(&self.repo.name, &builds)?;
        let mut intake = self.store.intake();
        let merged = self.merge_trees(&view, &mut intake)?;
        let tested = merged.tree == TreeRef::from(self.committed.root);
        if self.options.tested == Tested::Required && !tested {
            let current = self.shown.map_or_else(
                || "an empty tree".into(),
                |shown| format!("{}@{}", self.target, shown.seq),
            );
            return Err(Error::Untested {
                build: self.row.id,
                target: self.target.clone(),
                current,
            });
        }
        let snapshot = intake.put_snapshot(&view, &merged)?;
        let import = Import {
            build: self.row.id,
            snapshot,
            root: merged.tree.into(),
            before,
            tested,
        };
        Ok((import, intake.finish()?))
    }

    fn is_for_its_own_ref(&self) -> bool {
        self.row.target.as_ref() == Some(self.target) || self.row.base.is_none()
    }

    /// Merges what the build wants into what the ref shows.
    fn merge_trees<'s>(&self, view: &View<'s>, intake: &mut Intake<'s>) -> Result<Snapshot> {
        let policy = self
            .options
            .on_conflict
            .unwrap_or(self.store.settings().policy(self.target).on_conflict);
        let winner = if policy == OnConflict::Ref {
            Winner::Ref
        } else {
            Winner::Build
        };
        let committed = view.snapshot_of_size(self.committed.snapshot)?;
        let workshop = Workshop::new(intake, view);
        let empty = super::merge::empty_tree(&mut &workshop)?;
        let base = match self.row.base {
            Some(base) => view.snapshot_of_size(base.snapshot)?.tree,
            None => empty,
        };
        let current = self.shown.map_or(empty, |shown| shown.root);
        let claims = super::commit::replaced(&self.store.operations(self.row.id)?);
        let wanted = self.committed.wanted.into();
        let merged = three_way(
            &workshop,
            &mut &workshop,
            base,
            wanted,
            current,
            &claims,
            winner,
        )?;
        if policy == OnConflict::Refuse && merged.total > 0 {
            let base = self.row.base;
            let since = base.map_or((0, 0), |base| (base.epoch, base.seq));
            let before = base.map(|base| base.snapshot);
            let clash = Clash {
                verb: "publish",
                target: self.target,
                since,
                before,
            };
            return Err(conflict(self.store, self.repo, self.row, &clash, &merged)?);
        }
        Checker {
            source: &workshop,
            view,
            profile: self.repo.profile,
        }
        .check(Some(current), merged.tree)?;
        let totals = workshop.node(merged.tree)?.totals();
        let before_ref = self.shown.map(|shown| shown.snapshot);
        let before = before_ref
            .map(|before| view.snapshot_of_size(before))
            .transpose()?;
        let mut parents: Vec<SnapshotId> = before_ref.iter().map(|before| before.id).collect();
        parents.push(self.committed.snapshot.id);
        // Builds that were made alike at the same second are one snapshot.
        parents.dedup();
        Ok(Snapshot {
            tree: merged.tree,
            totals,
            depth: committed
                .depth
                .max(before.as_ref().map_or(0, |before| before.depth)),
            parents,
            time: self.time,
            labels: committed.labels,
            message: committed.message,
        })
    }
}

/// Makes everything pending of a ref visible: one statement, one switch.
///
/// # Errors
///
/// [`Error::Refused`] if nothing is pending, or no more, or the ref is held; [`Error::NotFound`] if the key is missing. What
/// is pending stays so.
pub fn update(
    store: &Store,
    repo: &RepoRow,
    target: &RefName,
    time: Time,
) -> Result<PublishAnswer> {
    let row = store.reader()?.find_ref(repo, target)?;
    // A ref that shows nothing is forgotten when the last pending build is withdrawn.
    let row = row.unwrap_or_else(|| RefRow::unborn(target.clone()));
    let Some(last) = row.pending.last().copied() else {
        return Err(Error::refused(format!("nothing is pending on {target}")));
    };
    row.check_not_held()?;
    let builds: Vec<u64> = row.pending.iter().map(|import| import.build).collect();
    let release = Release {
        repo: repo.clone(),
        target: target.clone(),
        current: row.current,
        kind: ReleaseKind::Publish,
        imports: row.pending,
        withdrawn: None,
        snapshot: last.snapshot,
        root: last.root.into(),
        note: None,
        hold: None,
    };
    let mut answer = switch(store, release, &builds, Landing::default(), time)?;
    answer.tested = last.tested;
    Ok(answer)
}

/// Signs a release and moves its ref to it. `builds` own what is not published yet, or `landing` brings it.
///
/// # Errors
///
/// As [`update`]; users see the release before, or this one.
pub(super) fn switch(
    store: &Store,
    release: Release,
    builds: &[u64],
    landing: Landing,
    time: Time,
) -> Result<PublishAnswer> {
    let view = store.view_with(&release.repo.name, builds, &landing)?;
    // What is missing is found before a number is spent.
    let graft = view.graft(&Store::roots_of(release.snapshot, &release.imports))?;
    let draft = release.draft(store, time)?;
    let numbers = draft.numbers();
    let signed = draft.sign()?;
    drop(view);
    store.record_release(&signed, &graft, landing)?;
    Ok(PublishAnswer {
        target: signed.target,
        epoch: numbers.epoch,
        seq: numbers.seq,
        snapshot: signed.snapshot,
        root: signed.root,
        tested: false,
        builds: builds.to_vec(),
    })
}
