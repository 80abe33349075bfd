//! The audit log under crashes: a granted change is in it from the moment on at which it may be made.

use std::sync::Arc;

use bindery::base::Result;
use bindery::store::audit::record::{Actor, AuditRecord, Decision};
use bindery::trust::token::capability::Capability;

use super::census::{Census, crashes, moments_of_verb};
use super::matrix::left;
use crate::shelf::{Shelf, moment};
use crate::support::simulated_disk::{Kept, SimulatedDisk};

/// Changes that are wanted in one run: every third is refused.
const CHANGES: u64 = 9;

fn is_granted(number: u64) -> bool {
    !number.is_multiple_of(3)
}

/// Writes lines until the disk fails; says how many were acknowledged.
fn append(disk: &SimulatedDisk, run: &str) -> Result<u64> {
    let shelf = Shelf::open(Arc::new(disk.clone()))?;
    for number in 0..CHANGES {
        let decision = if is_granted(number) {
            Decision::Granted
        } else {
            let reason = "not allowed".to_owned();
            Decision::Refused { reason }
        };
        let appended = shelf.store.audit().append(&AuditRecord {
            time: moment(number)?,
            actor: Actor::Local,
            capability: Capability::Publish,
            act: format!("{run} {number}"),
            repo: None,
            reference: None,
            build: Some(number),
            decision,
        });
        if appended.is_err() {
            return Ok(number);
        }
    }
    Ok(CHANGES)
}

/// Checks that each grant among the first `acknowledged` lines of a run is there, in order.
fn check_log(disk: &SimulatedDisk, run: &str, acknowledged: u64, place: &str) -> Result<()> {
    let shelf = Shelf::open(Arc::new(disk.clone()))?;
    let page = shelf.store.audit().read(0, 100)?;
    assert!(page.is_last, "{place}: all is read");
    let acts: Vec<&str> = page.records.iter().map(|one| one.act.as_str()).collect();
    let mut of_run = acts.iter().filter(|act| act.starts_with(run));
    for number in (0..acknowledged).filter(|number| is_granted(*number)) {
        let wanted = format!("{run} {number}");
        assert!(
            of_run.any(|act| *act == wanted),
            "I8 is broken {place}: {wanted} was acknowledged and is not in {acts:?}"
        );
    }
    Ok(())
}

#[test]
fn a_grant_that_was_acknowledged_is_in_the_audit_log() -> Result<()> {
    let before = SimulatedDisk::new();
    drop(Shelf::create(Arc::new(before.clone()))?);
    let before = before.after_crash(Kept::All);
    let whole = before.with_power(None);
    assert_eq!(append(&whole, "whole")?, CHANGES);
    let mut census = Census::new("audit log");
    for power in moments_of_verb(whole.operations()) {
        let disk = before.with_power(Some(power));
        let acknowledged = append(&disk, "first").unwrap_or(0);
        for crash in crashes(power) {
            let disk = left(&disk, crash);
            let place = format!("after {power} operations of the audit log, {crash:?}");
            check_log(&disk, "first", acknowledged, &place)?;
            let again = append(&disk, "again")?;
            assert_eq!(again, CHANGES, "I9 is broken {place}: lines are not taken");
            let last = disk.after_crash(Kept::Synced);
            check_log(&last, "first", acknowledged, &place)?;
            check_log(&last, "again", CHANGES, &place)?;
            census.count();
        }
    }
    census.end(20);
    Ok(())
}
