//! Schedule: builds that are published at a time that was said, by whoever does what can wait: a server, or `run-jobs`.
//!
//! # Invariants
//!
//! - A build stays due until it is visible: one that is pending on its ref after a crash or a failure is gone on with.
//! - A build that is held, or whose ref is, stays due until it is let go, and so does one that only the machine was in the
//!   way of, such as a full disk or a key that is not there. It says why.
//! - One that cannot be published otherwise is not tried again by itself: it has no time any more, and says why.
//!
//! # Not here
//!
//! What is recorded (`store::plans`), publishing (`build::publish`).

use super::publish::{PublishAnswer, PublishOptions, Tested, publish, target_of};
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::base::{Error, Kind, Result};
use crate::store::Store;
use crate::store::due::{Due, SaidBy, Then};
use crate::store::rows::{BuildRow, BuildState};

/// A build that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The build.
    pub build: u64,
    /// When and how.
    pub due: Due,
    /// To which ref.
    pub target: Option<RefName>,
}

impl Planned {
    /// How it is to be published.
    #[must_use]
    pub fn options(&self) -> PublishOptions {
        PublishOptions {
            target: self.due.target.clone(),
            on_conflict: self.due.on_conflict,
            tested: if self.due.require_tested {
                Tested::Required
            } else {
                Tested::Any
            },
            due: Some(self.due.clone()),
        }
    }
}

/// Says that a ready build is to be published at a time; returns the build and its ref.
///
/// # Errors
///
/// [`Error::Usage`] if it is for no ref; [`Error::Refused`] if there can be no such ref; as [`publish`] if it could not be published now for another reason than that it or its
/// ref is held.
pub fn schedule(
    store: &Store,
    build: u64,
    options: &PublishOptions,
    at: Time,
    time: Time,
) -> Result<(BuildRow, RefName)> {
    let row = store.reader()?.build(build)?;
    let target = target_of(&row, options)?;
    match row.check_publishable(&target, &store.settings().policy(&target)) {
        // What is held may be let go until then.
        Ok(()) | Err(Error::Refused { .. }) => {}
        Err(error) => return Err(error),
    }
    let due = Due {
        at,
        target: options.target.clone(),
        on_conflict: options.on_conflict,
        require_tested: options.tested == Tested::Required,
        said_by: SaidBy::Person,
    };
    Ok((store.record_due(build, due, time)?, target))
}

/// Whether a build in this state can be due: ready, or on its way.
const fn can_be_due(state: BuildState) -> bool {
    matches!(state, BuildState::Ready | BuildState::Publishing)
}

/// The builds that are to be published, by time.
///
/// # Errors
///
/// [`Error::Catalog`] if the catalog cannot be read.
pub fn planned(store: &Store) -> Result<Vec<Planned>> {
    let builds = store.reader()?.builds()?.into_iter();
    let waiting = builds.filter(|row| can_be_due(row.state));
    let planned = waiting.filter_map(|row| {
        let due = row.due?;
        let target = due.target.clone().or(row.target);
        Some(Planned {
            build: row.id,
            due,
            target,
        })
    });
    let mut planned: Vec<Planned> = planned.collect();
    planned.sort_by_key(|planned| (planned.due.at, planned.build));
    Ok(planned)
}

/// The build, if it is still to be published, and is due by now.
///
/// # Errors
///
/// [`Error::Catalog`] if the catalog cannot be read.
pub fn due_now(store: &Store, build: u64, now: Time) -> Result<Option<Planned>> {
    let row = match store.reader()?.build(build) {
        Err(Error::NotFound { .. }) => return Ok(None),
        row => row?,
    };
    let due = row.due.filter(|due| can_be_due(row.state) && due.at <= now);
    Ok(due.map(|due| Planned {
        build,
        target: due.target.clone().or(row.target),
        due,
    }))
}

/// Publishes a build that is due.
///
/// # Errors
///
/// As [`publish`]; what becomes of the build then is up to [`failed`].
pub fn publish_due(store: &Store, planned: &Planned, time: Time) -> Result<PublishAnswer> {
    publish(store, planned.build, &planned.options(), time)
}

/// Takes note that a build could not be published when it was due; says whether it stays due.
///
/// # Errors
///
/// [`Error::Catalog`] if that cannot be recorded.
pub fn failed(store: &Store, planned: &Planned, error: &Error, time: Time) -> Result<bool> {
    if matches!(error.kind(), Kind::Busy | Kind::Interrupted) {
        return Ok(true);
    }
    let then = if may_pass(store, planned, error)? {
        Then::StaysDue
    } else {
        Then::IsDropped
    };
    let reason = error.to_string();
    store.record_not_published(planned.build, &planned.due, reason, then, time)
}

/// Whether what was in the way may go by itself, or be lifted without a word about the build: a hold, somebody who was
/// faster, or the machine.
fn may_pass(store: &Store, planned: &Planned, error: &Error) -> Result<bool> {
    match (error, error.kind()) {
        (Error::Refused { .. }, _) => can_be_a_ref(store, planned),
        (Error::NotFound { what: "key", .. }, _) | (_, Kind::Unavailable) => Ok(true),
        (Error::Io { .. }, kind) => Ok(kind != Kind::Integrity),
        _ => Ok(false),
    }
}

/// Whether the refs that there are leave room for the one that the build is for.
fn can_be_a_ref(store: &Store, planned: &Planned) -> Result<bool> {
    let Some(target) = &planned.target else {
        return Ok(false);
    };
    let reader = store.reader()?;
    let repo = reader.repo(&reader.build(planned.build)?.repo)?;
    let refs = reader.refs(&repo)?;
    Ok(!refs.iter().any(|row| row.name.nests_with(target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::remark::Remark;
    use crate::build::commit::commit;
    use crate::build::hold::hold_ref;
    use crate::build::publish::import;
    use crate::build::sandbox::{AnyError, Sandbox, time};
    use crate::build::withdraw::{Withdrawn, withdraw};
    use crate::store::check_rows::CheckOutcome;
    use crate::store::checks::CheckReport;

    type Outcome = std::result::Result<(), AnyError>;

    /// A store with a build for each of `refs`, the n-th of which brings the file `n`, and is due.
    fn due_builds(refs: &[&str]) -> std::result::Result<(Sandbox, Vec<Planned>), AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        for (place, target) in refs.iter().enumerate() {
            let path = place.to_string();
            let build = sandbox.stage("main", target, &[(&path, b"1")])?.id;
            commit(sandbox.store()?, build, "", time(5)?)?;
            let options = PublishOptions::default();
            schedule(sandbox.store()?, build, &options, time(6)?, time(5)?)?;
        }
        let planned = planned(sandbox.store()?)?;
        Ok((sandbox, planned))
    }

    /// The first step of publishing it, after which everything may end.
    fn merged(store: &Store, planned: &Planned) -> Outcome {
        let row = store.reader()?.build(planned.build)?;
        let target = planned.target.clone().ok_or("it is for a ref")?;
        import(store, &row, &target, &planned.options(), time(6)?)?;
        Ok(())
    }

    #[test]
    fn what_was_merged_when_everything_ended_stays_due_until_it_is_visible() -> Outcome {
        let (mut sandbox, due) = due_builds(&["stable"])?;
        merged(sandbox.store()?, &due[0])?;
        let store = sandbox.reopen()?;
        assert_eq!(planned(store)?, due);
        let found = due_now(store, due[0].build, time(6)?)?.ok_or("it is due")?;
        assert_eq!(publish_due(store, &found, time(7)?)?.seq, 1);
        assert_eq!(planned(store)?, []);
        assert_eq!(store.reader()?.build(due[0].build)?.due, None);
        Ok(())
    }

    #[test]
    fn what_was_taken_back_or_changed_after_a_look_is_not_published() -> Outcome {
        let (sandbox, due) = due_builds(&["stable"])?;
        let (store, seen) = (sandbox.store()?, &due[0]);
        let elsewhere = PublishOptions {
            target: Some("testing".parse()?),
            ..PublishOptions::default()
        };
        schedule(store, seen.build, &elsewhere, time(9)?, time(6)?)?;
        let refused = publish_due(store, seen, time(6)?).err();
        let error = refused.ok_or("it was published at a time that was changed")?;
        assert!(error.to_string().contains("taken back"), "{error}");
        // The failure of one is no matter of the other.
        assert!(!failed(store, seen, &error, time(6)?)?);
        let changed = planned(store)?;
        assert_eq!(changed[0].due.at, time(9)?);
        let taken = withdraw(store, seen.build, time(6)?)?;
        assert!(matches!(taken, Withdrawn::Unscheduled { target } if target.as_str() == "testing"));
        assert!(publish_due(store, &changed[0], time(9)?).is_err());
        let row = store.reader()?.build(seen.build)?;
        assert_eq!(
            (row.state, row.due, row.reason),
            (BuildState::Ready, None, None)
        );
        Ok(())
    }

    #[test]
    fn who_was_merged_onto_what_is_withdrawn_stays_due() -> Outcome {
        let (sandbox, due) = due_builds(&["stable", "stable"])?;
        let store = sandbox.store()?;
        merged(store, &due[0])?;
        merged(store, &due[1])?;
        withdraw(store, due[0].build, time(6)?)?;
        assert_eq!(planned(store)?, due[1..]);
        publish_due(store, &due[1], time(6)?)?;
        assert_eq!(planned(store)?, []);
        Ok(())
    }

    #[test]
    fn a_check_that_does_not_pass_takes_the_time_back() -> Outcome {
        for outcome in [CheckOutcome::Fail, CheckOutcome::Review] {
            let (sandbox, due) = due_builds(&["stable"])?;
            let (store, build) = (sandbox.store()?, due[0].build);
            let snapshot = store.reader()?.build(build)?.snapshot_to_check()?;
            let report = CheckReport {
                name: "lint".parse()?,
                outcome,
                snapshot,
                message: Remark::default(),
            };
            let row = store.report_check(build, report.clone(), time(5)?)?;
            assert!(row.due.is_none() && row.reason.is_some(), "{row:?}");
            let outcome = CheckOutcome::Pass;
            store.report_check(build, CheckReport { outcome, ..report }, time(5)?)?;
            assert_eq!(planned(store)?, []);
        }
        Ok(())
    }

    #[test]
    fn a_ref_that_cannot_be_is_refused_at_once_and_later() -> Outcome {
        let (sandbox, due) = due_builds(&["stable/sub", "stable"])?;
        let (store, late) = (sandbox.store()?, &due[0]);
        publish_due(store, &due[1], time(6)?)?;
        let error = publish_due(store, late, time(6)?).err();
        let error = error.ok_or("two refs nest")?;
        assert!(!failed(store, late, &error, time(6)?)?);
        let row = store.reader()?.build(late.build)?;
        let reason = row.reason.ok_or("it says why")?;
        assert!(row.due.is_none() && reason.contains("within"), "{reason}");
        let options = PublishOptions::default();
        let again = schedule(store, late.build, &options, time(9)?, time(7)?);
        assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
        Ok(())
    }

    #[test]
    fn what_waits_for_its_ref_is_not_merged_and_says_why_once() -> Outcome {
        let (mut sandbox, due) = due_builds(&["stable"])?;
        let build = due[0].build;
        // It would be a conflict, if anybody looked.
        sandbox.publish("main", "stable", &[("0", b"2")])?;
        let (store, repo) = (sandbox.store()?, sandbox.repo("main")?);
        hold_ref(store, &repo, &"stable".parse()?, Some("look".into()))?;
        for hour in [6, 7] {
            let error = publish_due(store, &due[0], time(hour)?).err();
            let error = error.ok_or("the ref is held")?;
            assert!(matches!(error, Error::Refused { .. }), "{error}");
            assert!(failed(store, &due[0], &error, time(hour)?)?);
        }
        let row = store.reader()?.build(build)?;
        assert_eq!(row.reason.as_deref(), Some("stable is held: look"));
        assert_eq!(planned(store)?, due);
        let log = store.reader()?.events(build, 0, 100)?.events;
        let said = log.iter().filter(|event| event.what.contains("held"));
        assert_eq!(said.count(), 1);
        store.purge_build(build, time(8)?)?;
        assert_eq!(store.reader()?.build(build)?.due, None);
        Ok(())
    }
}
