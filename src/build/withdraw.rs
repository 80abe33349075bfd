//! Withdraw: take one build's changes out of a ref again.
//!
//! What a path showed before the build is restored, unless a later build changed the path: then nothing changes and the
//! answer says which. A build that is still pending is simply taken back.

use super::conflict::{Clash, conflict};
use super::create::labels_of;
use super::merge::{Merged, Winner, empty_tree, three_way};
use super::overtaken::overtaken;
use super::publish::{PublishAnswer, check_nothing_pending, switch};
use super::sign::Release;
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::object::directory::TreeSource;
use crate::object::label::TAG;
use crate::object::snapshot::{Labels, Snapshot};
use crate::store::Store;
use crate::store::intake::{Intake, Workshop};
use crate::store::rows::{BuildRow, BuildState, Current, Import, Published, ReleaseKind, RepoRow};
use crate::store::view::View;

/// What a withdrawal did.
#[derive(Clone, Debug)]
pub enum Withdrawn {
    /// The build, and those merged onto it, were pending; they are ready again.
    Pending {
        /// The ref.
        target: RefName,
        /// The builds that are ready again.
        builds: Vec<u64>,
    },
    /// The build was to be published to the ref at some time, and is not any more; it is ready.
    Unscheduled {
        /// The ref.
        target: RefName,
    },
    /// The ref shows a new release without the build's changes.
    Released(PublishAnswer),
}

/// Takes a build's changes out of its ref. One that is to be published at some time is not published then.
///
/// # Errors
///
/// [`Error::State`] if the build is not published or being published; [`Error::Conflict`] if later releases changed the
/// same paths; [`Error::Refused`] if somebody was faster; nothing changes then.
pub fn withdraw(store: &Store, build: u64, time: Time) -> Result<Withdrawn> {
    let row = store.reader()?.build(build)?;
    let repo = store.reader()?.repo(&row.repo)?;
    match (row.state, &row.published) {
        (BuildState::Publishing, Some(published)) => take_back(store, &repo, &row, published, time),
        (BuildState::Published, Some(published)) => {
            release_without(store, &repo, &row, published, time).map(Withdrawn::Released)
        }
        (BuildState::Ready, _) if row.due.is_some() => {
            let due = row.due.as_ref().and_then(|due| due.target.clone());
            let target = due.or(row.target);
            let dropped = store.drop_due(build, row.due.as_ref(), time);
            dropped.map_err(|error| match error {
                // It was ready a moment ago: it can be withdrawn as well, in another way.
                Error::State { build, .. } => Error::refused(format!(
                    "build {build} is being published at this moment; try again"
                )),
                other => other,
            })?;
            let target = target.ok_or_else(|| Error::internal("what is due has a ref"))?;
            Ok(Withdrawn::Unscheduled { target })
        }
        _ => Err(Error::State {
            build,
            state: row.state.to_string(),
            verb: "withdraw",
        }),
    }
}

/// Takes back a pending build and those that were merged onto it.
fn take_back(
    store: &Store,
    repo: &RepoRow,
    row: &BuildRow,
    published: &Published,
    time: Time,
) -> Result<Withdrawn> {
    let target = published.target.clone();
    let dropped = store.drop_imports(repo, &target, row.id, time);
    let builds = dropped.map_err(|error| match error {
        // It was pending a moment ago. Published by now it can be withdrawn as well, in another way.
        Error::State { build, .. } => Error::refused(format!(
            "build {build} is no more pending on {target}; try again"
        )),
        other => other,
    })?;
    Ok(Withdrawn::Pending { target, builds })
}

fn release_without(
    store: &Store,
    repo: &RepoRow,
    row: &BuildRow,
    published: &Published,
    time: Time,
) -> Result<PublishAnswer> {
    if let Some(seq) = row.withdrawn {
        let state = format!("withdrawn already, by {}@{seq}", published.target);
        return Err(Error::State {
            build: row.id,
            state,
            verb: "withdraw",
        });
    }
    let (import, current) = find_import(store, repo, row, published)?;
    let view = store.view(&repo.name, &[])?;
    let mut intake = store.intake();
    let snapshot = without(&view, &mut intake, row, &import, &current, time)
        .map_err(|error| overtaken(error, Some(&published.target)))?;
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(merged) => {
            let (target, since) = (&published.target, (published.epoch, published.seq));
            let clash = Clash {
                verb: "withdraw",
                target,
                since,
                before: Some(import.snapshot),
            };
            return Err(conflict(store, repo, row, &clash, &merged)?);
        }
    };
    let release = Release {
        repo: repo.clone(),
        target: published.target.clone(),
        current: Some(current),
        kind: ReleaseKind::Withdraw,
        imports: Vec::new(),
        withdrawn: Some(row.id),
        snapshot: intake.put_snapshot(&view, &snapshot)?,
        root: snapshot.tree,
        note: Some(format!("without build {}", row.id)),
        hold: None,
    };
    switch(store, release, &[], intake.finish()?, time)
}

/// The release that brought a build in, and what the ref shows now.
fn find_import(
    store: &Store,
    repo: &RepoRow,
    row: &BuildRow,
    published: &Published,
) -> Result<(Import, Current)> {
    let reader = store.reader()?;
    let ref_row = reader.find_ref(repo, &published.target)?;
    let ref_row = ref_row.ok_or_else(|| Error::not_found("ref", &published.target))?;
    check_nothing_pending(&ref_row)?;
    let current = ref_row.current;
    let current = current.ok_or_else(|| Error::not_found("ref", &published.target))?;
    let at = (published.epoch, published.seq);
    let name = format!("{}@{}", published.target, published.seq);
    let releases = reader.releases(repo, &published.target)?;
    let release = releases
        .into_iter()
        .find(|release| (release.epoch, release.seq) == at);
    let release = release.ok_or_else(|| Error::not_found("release", &name))?;
    if release.retired {
        return Err(Error::refused(format!(
            "cannot withdraw build {}: {name} is retired",
            row.id
        )));
    }
    let import = release
        .imports
        .into_iter()
        .find(|import| import.build == row.id);
    Ok((
        import.ok_or_else(|| Error::not_found("build in", &name))?,
        current,
    ))
}

/// The labels of a build but for its tag: what is left without the build is not what was tagged.
fn labels_without_tag(row: &BuildRow) -> Result<Labels> {
    let mut row = row.clone();
    row.labels.remove(TAG);
    labels_of(&row)
}

/// The snapshot without a build's changes, or what later releases changed.
fn without<'s>(
    view: &View<'s>,
    intake: &mut Intake<'s>,
    row: &BuildRow,
    import: &Import,
    current: &Current,
    time: Time,
) -> Result<Result<Snapshot, Merged>> {
    let workshop = Workshop::new(intake, view);
    let before = import
        .before
        .map(|before| view.snapshot_of_size(before))
        .transpose()
        .map_err(|error| match error {
            Error::NotFound { .. } => Error::refused(format!(
                "cannot withdraw build {}: what it replaced is retired",
                row.id
            )),
            other => other,
        })?;
    let tree = match &before {
        Some(before) => before.tree,
        None => empty_tree(&mut &workshop)?,
    };
    let (brought, shown) = (import.root.into(), current.root.into());
    let merged = three_way(
        &workshop,
        &mut &workshop,
        brought,
        tree,
        shown,
        &[],
        Winner::Ref,
    )?;
    if merged.total > 0 {
        return Ok(Err(merged));
    }
    let now = view.snapshot_of_size(current.snapshot)?;
    Ok(Ok(Snapshot {
        tree: merged.tree,
        totals: workshop.node(merged.tree)?.totals(),
        depth: now.depth.max(before.map_or(0, |before| before.depth)),
        parents: vec![current.snapshot.id],
        time,
        labels: labels_without_tag(row)?,
        message: format!("Withdraw build {}", row.id),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::commit::commit;
    use crate::build::publish::{PublishOptions, import, update};
    use crate::build::sandbox::{AnyError, Sandbox, time};

    /// Whoever withdrew was told that the build is published, which is no reason: no order of the two gives that answer.
    #[test]
    fn who_withdraws_what_becomes_visible_meanwhile_is_told_to_try_again() -> Result<(), AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        let build = sandbox.stage("main", "stable", &[("a", b"1")])?.id;
        let (store, target, now) = (sandbox.store()?, "stable".parse()?, time(1)?);
        let row = commit(store, build, "", now)?;
        import(store, &row, &target, &PublishOptions::default(), now)?;
        let (repo, pending) = (sandbox.repo("main")?, store.reader()?.build(build)?);
        let published = pending.published.as_ref().ok_or("it is pending")?;
        update(store, &repo, &target, now)?;
        let refused = take_back(store, &repo, &pending, published, now);
        assert!(
            matches!(&refused, Err(Error::Refused { reason }) if reason.ends_with("try again")),
            "{refused:?}"
        );
        let again = withdraw(store, build, now)?;
        assert!(matches!(again, Withdrawn::Released(_)), "{again:?}");
        Ok(())
    }
}
