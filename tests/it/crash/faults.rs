//! A disk that fails: every verb, at every one of its operations, with a medium that errs, a disk that is full or becomes
//! read-only, a write that is cut short, and a sync that loses what it should have kept.
//!
//! # Invariants
//!
//! - After a verb failed and the disk is well again, the same verb succeeds: in the same process if a file could not be
//!   written; after the store was opened again if it was the catalog. Then everything is as if it had succeeded at once, and
//!   an outage takes none of it.
//! - After a sync of the catalog failed, the machine is started again before the store is opened: what the system shows of
//!   a file is no longer what is on the disk.
//!
//! # Not here
//!
//! A loss of power (`matrix`); a file system that is really full (`bad_input::full_disk`).

use std::sync::Arc;

use bindery::base::{Error, Kind, Result};
use bindery::store::rows::BuildState;
use bindery::store::{Access, Store};

use super::census::{Census, moments};
use super::invariants::{
    Acknowledged, check, i8_the_verb_is_whole_or_absent, i9_nothing_half_written_is_left,
    i9_nothing_is_left_behind,
};
use super::matrix::Matrix;
use super::verbs::{self, Run, Verb};
use super::words::words;
use crate::shelf::Shelf;
use crate::support::simulated_disk::{Failure, Fault, Kept, Lasting, SimulatedDisk};

/// Operations of a verb at which a short run lets each kind of failure strike.
const MOMENTS: u64 = 10;
/// When a verb fails, and when it is done again, in seconds after the preparation.
const TIMES_S: (u64, u64) = (10, 1000);

/// Every way in which a change can fail, and what the verb's error then means, if it is always the same.
const FAILURES: [(Failure, Lasting, Option<Kind>); 7] = [
    (Failure::Medium, Lasting::Once, None),
    (Failure::Medium, Lasting::Always, None),
    (Failure::Full, Lasting::Once, None),
    (Failure::Full, Lasting::Always, Some(Kind::Unavailable)),
    (Failure::Short, Lasting::Once, None),
    (Failure::ReadOnly, Lasting::Always, Some(Kind::NotAllowed)),
    (Failure::LostSync, Lasting::Once, None),
];

/// One verb on a disk that failed.
struct Failed<'m> {
    matrix: &'m Matrix,
    failure: Failure,
    disk: SimulatedDisk,
    error: Option<Error>,
    place: String,
}

impl Failed<'_> {
    /// Does the verb again now that the disk is well, and checks everything.
    fn again(mut self, opened: Option<Shelf>) -> Result<()> {
        self.disk.heal();
        let done = match opened {
            Some(opened) => self.in_this_process(&opened),
            None => Err(Error::internal("the store is closed")),
        };
        if let Err(error) = done {
            let may_reopen = matches!(self.error, Some(Error::Catalog { .. }))
                || matches!(self.matrix.verb.run, Run::OnDisk(_));
            assert!(
                may_reopen,
                "I9 is broken {}: {error} after {:?}",
                self.place, self.error
            );
            if self.failure == Failure::LostSync {
                self.disk = self.disk.after_crash(Kept::Synced);
            }
            self.in_the_next_process()?;
        }
        for (kept, word) in [(Kept::All, "closed"), (Kept::Synced, "without power")] {
            let disk = self.disk.after_crash(kept);
            let place = format!("{}, done again, {word}", self.place);
            let opened = Shelf::open(Arc::new(disk.clone()))?;
            check(&opened, &disk, &place)?;
            i9_nothing_is_left_behind(&opened, &disk, &place)?;
            let (states, yes) = (&self.matrix.states, Acknowledged::Yes);
            i8_the_verb_is_whole_or_absent(&opened, states, yes, &place)?;
            i9_nothing_half_written_is_left(&disk, &place);
        }
        Ok(())
    }

    fn in_this_process(&self, opened: &Shelf) -> Result<()> {
        if words(opened)? == self.matrix.after() {
            return Ok(());
        }
        let source = self.matrix.source();
        self.matrix.verb.attempt_in(opened, source, TIMES_S.1)
    }

    fn in_the_next_process(&self) -> Result<()> {
        let (matrix, place) = (self.matrix, &self.place);
        match Shelf::open(Arc::new(self.disk.clone())) {
            Ok(opened) => {
                check(&opened, &self.disk, place)?;
                i9_nothing_is_left_behind(&opened, &self.disk, place)?;
                let no = Acknowledged::No;
                let found = i8_the_verb_is_whole_or_absent(&opened, &matrix.states, no, place)?;
                if found == matrix.after() {
                    return Ok(());
                }
            }
            Err(error) => {
                let is_closed =
                    matches!(matrix.verb.run, Run::OnDisk(_)) && error.is_file_not_found();
                assert!(
                    is_closed,
                    "I9 is broken {place}: the store does not open: {error}"
                );
            }
        }
        let outcome = matrix.verb.attempt(&self.disk, matrix.source(), TIMES_S.1);
        assert!(
            outcome.is_ok(),
            "I9 is broken {place}: the same command fails: {outcome:?}"
        );
        Ok(())
    }
}

/// What goes wrong in one case.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// An operation fails.
    Change(Fault),
    /// A call that only looks fails.
    Look(Fault),
}

impl Matrix {
    /// Lets the verb meet a trouble, which begins when the store is open, and says whether it failed.
    fn meet(&self, trouble: Trouble, expected: Option<Kind>) -> Result<bool> {
        let disk = self.before.with_power(None);
        let opened = match self.verb.run {
            Run::InStore(_) => Some(Shelf::open(Arc::new(disk.clone()))?),
            Run::OnDisk(_) => None,
        };
        let failure = match trouble {
            Trouble::Change(fault) => {
                disk.fail(fault);
                fault.failure
            }
            Trouble::Look(fault) => {
                disk.go_blind(fault);
                fault.failure
            }
        };
        let outcome = match &opened {
            Some(opened) => self.verb.attempt_in(opened, self.source(), TIMES_S.0),
            None => self.verb.attempt(&disk, self.source(), TIMES_S.0),
        };
        let place = format!("in {}, {trouble:?}", self.verb.name);
        if let (Err(error), Some(expected)) = (&outcome, expected) {
            assert_eq!(error.kind(), expected, "{place}: {error}");
        }
        let failed = outcome.is_err();
        let failed_verb = Failed {
            matrix: self,
            failure,
            disk,
            error: outcome.err(),
            place,
        };
        failed_verb.again(opened)?;
        Ok(failed)
    }

    /// What the operations of the verb are, and how often it looks, once the store is open.
    fn work(&self) -> Result<(Vec<crate::support::simulated_disk::Act>, u64)> {
        let disk = self.before.with_power(None);
        match self.verb.run {
            Run::InStore(_) => {
                let opened = Shelf::open(Arc::new(disk.clone()))?;
                let (operations, looks) = (disk.acts().len(), disk.looks());
                self.verb.attempt_in(&opened, self.source(), TIMES_S.0)?;
                Ok((disk.acts().split_off(operations), disk.looks() - looks))
            }
            Run::OnDisk(_) => {
                self.verb.attempt(&disk, self.source(), TIMES_S.0)?;
                Ok((disk.acts(), disk.looks()))
            }
        }
    }
}

/// Fails a verb at each of its operations, in every way.
fn fail_everywhere(verb: Verb) -> Result<()> {
    let matrix = Matrix::new(verb)?;
    let mut census = Census::new(format!("faults in {}", verb.name));
    let (acts, looks) = matrix.work()?;
    let mut failures = 0;
    for (failure, lasting, expected) in FAILURES {
        let struck = (1..).zip(&acts).filter(|(_, act)| failure.concerns(**act));
        let struck: Vec<u64> = struck.map(|(at, _)| at).collect();
        for number in moments(struck.len() as u64, MOMENTS) {
            let at = struck[usize::try_from(number).unwrap_or_default()];
            let fault = Fault {
                at,
                failure,
                lasting,
            };
            failures += u64::from(matrix.meet(Trouble::Change(fault), expected)?);
            census.count();
        }
    }
    for number in moments(looks, MOMENTS) {
        let fault = Fault {
            at: number + 1,
            failure: Failure::Medium,
            lasting: Lasting::Once,
        };
        failures += u64::from(matrix.meet(Trouble::Look(fault), None)?);
        census.count();
    }
    assert!(failures > 20, "{} failed only {failures} times", verb.name);
    census.end(30);
    Ok(())
}

#[test]
fn a_creation_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::CREATE)
}

#[test]
fn a_staging_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::STAGE)?;
    fail_everywhere(verbs::UPLOAD)
}

#[test]
fn a_commit_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::COMMIT)?;
    fail_everywhere(verbs::CHECK)?;
    fail_everywhere(verbs::CHECK_PLANNED)
}

#[test]
fn a_first_publication_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::PUBLISH_FIRST)
}

#[test]
fn a_publication_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::PUBLISH)?;
    fail_everywhere(verbs::UPDATE)
}

#[test]
fn a_hold_or_a_schedule_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::HOLD_BUILD)?;
    fail_everywhere(verbs::SCHEDULE)?;
    fail_everywhere(verbs::PUBLISH_DUE)?;
    fail_everywhere(verbs::UNSCHEDULE)
}

#[test]
fn a_withdrawal_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::TAKE_BACK)?;
    fail_everywhere(verbs::WITHDRAW)
}

#[test]
fn a_rollback_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::ROLLBACK)
}

#[test]
fn a_purge_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::PURGE)
}

#[test]
fn a_retirement_fails_and_is_done_again() -> Result<()> {
    fail_everywhere(verbs::RETIRE)
}

#[test]
fn a_new_repo_fails_and_is_made_again() -> Result<()> {
    fail_everywhere(verbs::MAKE_REPO)
}

/// A revocation that failed may hold all the same, which is the safe side. What `fail_everywhere` takes for done is not
/// durable then, so here the same command is always run again: once it is acknowledged, it survives an outage.
#[test]
fn a_revocation_fails_and_is_done_again() -> Result<()> {
    let matrix = Matrix::new(verbs::REVOKE)?;
    let mut census = Census::new("faults in a revocation");
    let (acts, _) = matrix.work()?;
    let mut failures = 0;
    for (failure, lasting, expected) in FAILURES {
        for (at, _) in (1..).zip(&acts).filter(|(_, act)| failure.concerns(**act)) {
            let place = format!("{failure:?} {lasting:?} at {at} of a revocation");
            let disk = matrix.before.with_power(None);
            let opened = Shelf::open(Arc::new(disk.clone()))?;
            disk.fail(Fault {
                at,
                failure,
                lasting,
            });
            let outcome = matrix.verb.attempt_in(&opened, matrix.source(), TIMES_S.0);
            if let (Err(error), Some(expected)) = (&outcome, expected) {
                assert_eq!(error.kind(), expected, "{place}: {error}");
            }
            failures += u64::from(outcome.is_err());
            disk.heal();
            matrix
                .verb
                .attempt_in(&opened, matrix.source(), TIMES_S.1)?;
            drop(opened);
            let last = disk.after_crash(Kept::Synced);
            let opened = Shelf::open(Arc::new(last.clone()))?;
            assert_eq!(words(&opened)?, matrix.after(), "I8 is broken {place}");
            i9_nothing_is_left_behind(&opened, &last, &place)?;
            i9_nothing_half_written_is_left(&last, &place);
            census.count();
        }
    }
    assert!(failures > 20, "a revocation failed only {failures} times");
    census.end(30);
    Ok(())
}

#[test]
fn a_new_catalog_fails_and_is_made_again() -> Result<()> {
    fail_everywhere(verbs::REINDEX)
}

#[test]
fn a_read_only_disk_is_read_and_refuses_everything_else() -> Result<()> {
    let matrix = Matrix::new(verbs::STAGE)?;
    let disk = matrix.before.with_power(None);
    disk.fail(Fault {
        at: 1,
        failure: Failure::ReadOnly,
        lasting: Lasting::Always,
    });
    let store = Store::open_on(Arc::new(disk.clone()), Access::Read, None)?;
    assert_eq!(store.reader()?.build(2)?.state, BuildState::Open);
    let opened = Shelf {
        store,
        repo: crate::shelf::repo_name()?,
    };
    for verb in [verbs::STAGE, verbs::CREATE, verbs::MAKE_REPO] {
        let refused = verb.attempt_in(&opened, matrix.source(), TIMES_S.0);
        let is_refused = matches!(&refused, Err(error) if error.kind() == Kind::NotAllowed);
        assert!(is_refused, "{}: {refused:?}", verb.name);
    }
    drop(opened);
    let refused = Shelf::open(Arc::new(disk.clone())).map(drop);
    assert!(
        matches!(&refused, Err(error) if error.kind() == Kind::NotAllowed),
        "{refused:?}"
    );
    disk.heal();
    let opened = Shelf::open(Arc::new(disk.clone()))?;
    check(&opened, &disk, "after a read-only time")
}
