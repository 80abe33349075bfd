//! A second crash, at every operation of the recovery from a first one.
//!
//! # Not here
//!
//! The first one (`matrix`).

use std::sync::Arc;

use bindery::base::Result;

use super::census::{Census, Crash, is_full, moments};
use super::matrix::{Matrix, left};
use super::verbs::{self, Verb};
use crate::shelf::Shelf;
use crate::support::simulated_disk::Kept;

/// Moments of the first crash, and of the second one, that a short run tries.
const MOMENTS: (u64, u64) = (9, 3);

/// What the first crash leaves, in turn.
fn first(moment: u64) -> Crash {
    match moment % 4 {
        0 => Crash::Power(Kept::All),
        1 => Crash::Kill,
        2 => Crash::Power(Kept::Some(moment)),
        _ => Crash::Power(Kept::Synced),
    }
}

/// What the second crash leaves.
fn second(moment: u64) -> Vec<Crash> {
    let some = Crash::Power(Kept::Some(moment));
    let torn = Crash::Power(Kept::Torn(moment));
    if is_full() {
        let (synced, zeroed) = (Crash::Power(Kept::Synced), Crash::Power(Kept::Zeroed));
        return vec![synced, zeroed, torn, some, Crash::Kill];
    }
    match moment % 3 {
        0 => vec![some],
        1 => vec![torn],
        _ => vec![Crash::Kill],
    }
}

/// Interrupts a verb, and the recovery from that.
fn check(verb: Verb) -> Result<()> {
    let matrix = Matrix::new(verb)?;
    let mut census = Census::new(format!("recovery from {}", verb.name));
    for power in moments(matrix.operations, MOMENTS.0) {
        let interrupted = matrix.interrupt(power)?;
        let crash = first(power);
        let crashed = interrupted.left(crash);
        let whole = crashed.with_power(None);
        if Shelf::open(Arc::new(whole.clone())).is_err() {
            // A verb that leaves the store closed is done again, which is its recovery.
            continue;
        }
        for at in moments(whole.operations(), MOMENTS.1) {
            let again = crashed.with_power(Some(at));
            drop(Shelf::open(Arc::new(again.clone())));
            for last in second(power + at) {
                let place = format!(
                    "after {power} operations of {}, {crash:?}, then {at} of the recovery, {last:?}",
                    verb.name
                );
                matrix.case(&left(&again, last), &interrupted, &place)?;
                census.count();
            }
        }
    }
    census.end(1);
    Ok(())
}

#[test]
fn a_second_crash_while_recovering_from_a_staging_is_no_worse() -> Result<()> {
    check(verbs::UPLOAD)?;
    check(verbs::STAGE)
}

#[test]
fn a_second_crash_while_recovering_from_a_commit_is_no_worse() -> Result<()> {
    check(verbs::COMMIT)?;
    check(verbs::CHECK)
}

#[test]
fn a_second_crash_while_recovering_from_a_publication_is_no_worse() -> Result<()> {
    check(verbs::PUBLISH_FIRST)?;
    check(verbs::PUBLISH)?;
    check(verbs::UPDATE)
}

#[test]
fn a_second_crash_while_recovering_from_a_schedule_is_no_worse() -> Result<()> {
    check(verbs::HOLD_BUILD)?;
    check(verbs::SCHEDULE)?;
    check(verbs::PUBLISH_DUE)?;
    check(verbs::UNSCHEDULE)
}

#[test]
fn a_second_crash_while_recovering_from_a_withdrawal_is_no_worse() -> Result<()> {
    check(verbs::TAKE_BACK)?;
    check(verbs::WITHDRAW)?;
    check(verbs::ROLLBACK)
}

#[test]
fn a_second_crash_while_recovering_from_a_purge_is_no_worse() -> Result<()> {
    check(verbs::PURGE)
}

#[test]
fn a_second_crash_while_recovering_from_a_retirement_is_no_worse() -> Result<()> {
    check(verbs::RETIRE)
}

#[test]
fn a_second_crash_while_recovering_from_a_new_repo_or_build_is_no_worse() -> Result<()> {
    check(verbs::MAKE_REPO)?;
    check(verbs::CREATE)
}

#[test]
fn recovery_from_an_interrupted_revocation_may_be_interrupted() -> Result<()> {
    check(verbs::REVOKE)
}

#[test]
fn a_second_crash_while_a_new_catalog_is_made_is_no_worse() -> Result<()> {
    check(verbs::REINDEX)
}
