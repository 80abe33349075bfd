//! Power is lost, or the process killed, at every single operation of every verb; whatever a disk may have kept, the store
//! opens, is whole, and the same verb goes through.
//!
//! # Invariants
//!
//! - I1 to I9 of `docs/ARCHITECTURE.md` hold after each crash, after the same verb was done again, and after one more outage.
//!   Publishing is two steps, of which the first may be seen alone.
//!
//! A short run tries a sample of the moments, and of what may be left at each; with `BINDERY_CRASH_ALL` set, every moment is
//! tried with thirteen images or more. Each test prints its number of cases.
//!
//! # Not here
//!
//! The disk (`support::simulated_disk`); real processes that are killed.

mod audit;
mod census;
mod faults;
mod invariants;
mod ledger;
mod matrix;
mod recovery;
mod verbs;
mod words;

use std::sync::Arc;

use bindery::base::profile::Profile;
use bindery::base::{Kind, Result};
use bindery::build::repo::create_repo;
use bindery::store::{Access, Store};

use self::census::{Census, crashes, moments_of_verb};
use self::invariants::{check, i9_nothing_half_written_is_left, i9_nothing_is_left_behind};
use self::matrix::{Matrix, left};
use crate::shelf::{Shelf, files, moment, repo_name};
use crate::support::simulated_disk::{Kept, SimulatedDisk};

#[test]
fn a_store_is_made_or_can_be_made_again() -> Result<()> {
    let whole = SimulatedDisk::new();
    drop(Store::create_on(Arc::new(whole.clone()), None)?);
    let mut census = Census::new("init");
    for power in moments_of_verb(whole.operations()) {
        let disk = SimulatedDisk::new().with_power(Some(power));
        let outcome = Store::create_on(Arc::new(disk.clone()), None).map(drop);
        for crash in crashes(power) {
            let disk = left(&disk, crash);
            let place = format!("after {power} operations of init, {crash:?}");
            let opened = Shelf::open(Arc::new(disk.clone()));
            if let Err(error) = &opened {
                assert_eq!(
                    error.kind(),
                    Kind::NotFound,
                    "I9 is broken {place}: {error}"
                );
                assert!(outcome.is_err(), "I8 is broken {place}: {error}");
            }
            let shelf = match opened {
                Ok(shelf) => shelf,
                Err(_) => Shelf::create(Arc::new(disk.clone()))?,
            };
            check(&shelf, &disk, &place)?;
            i9_nothing_is_left_behind(&shelf, &disk, &place)?;
            drop(shelf);
            i9_nothing_half_written_is_left(&disk, &place);
            let last = disk.after_crash(Kept::Synced);
            check(&Shelf::open(Arc::new(last.clone()))?, &last, &place)?;
            census.count();
        }
    }
    census.end(20);
    Ok(())
}

/// Makes the first repo of a store, with a key of its own.
fn make_first_repo(disk: &SimulatedDisk, seconds: u64) -> Result<()> {
    let store = Store::open_on(Arc::new(disk.clone()), Access::Write, None)?;
    create_repo(&store, repo_name()?, Profile::Posix, None, moment(seconds)?).map(drop)
}

#[test]
fn the_first_repo_has_a_key_that_signs_or_can_be_made_again() -> Result<()> {
    let before = SimulatedDisk::new();
    drop(Store::create_on(Arc::new(before.clone()), None)?);
    let before = before.after_crash(Kept::All);
    let whole = before.with_power(None);
    make_first_repo(&whole, 1)?;
    let mut census = Census::new("first repo");
    for power in moments_of_verb(whole.operations()) {
        let disk = before.with_power(Some(power));
        let outcome = make_first_repo(&disk, 1);
        for crash in crashes(power) {
            let disk = left(&disk, crash);
            let place = format!("after {power} operations of a first repo, {crash:?}");
            let shelf = Shelf::open(Arc::new(disk.clone()))?;
            check(&shelf, &disk, &place)?;
            let is_there = !shelf.store.reader()?.repos()?.is_empty();
            assert!(
                is_there || outcome.is_err(),
                "I8 is broken {place}: no repo"
            );
            drop(shelf);
            if !is_there {
                make_first_repo(&disk, 1000)?;
            }
            i9_nothing_half_written_is_left(&disk, &place);
            let last = disk.after_crash(Kept::Synced);
            let shelf = Shelf::open(Arc::new(last.clone()))?;
            let released = shelf.release("stable", &files(&[("file", "text")]));
            assert!(released.is_ok(), "I8 is broken {place}: {released:?}");
            check(&shelf, &last, &place)?;
            i9_nothing_is_left_behind(&shelf, &last, &place)?;
            census.count();
        }
    }
    census.end(20);
    Ok(())
}

#[test]
fn creating_a_build_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::CREATE)?.run()
}

#[test]
fn staging_a_folder_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::STAGE)?.run()
}

#[test]
fn staging_objects_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::UPLOAD)?.run()
}

#[test]
fn a_commit_that_joins_packs_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::COMMIT)?.run()
}

#[test]
fn a_report_of_a_check_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::CHECK)?.run()?;
    Matrix::new(verbs::CHECK_PLANNED)?.run()
}

#[test]
fn a_first_release_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::PUBLISH_FIRST)?.run()
}

#[test]
fn publishing_what_must_be_merged_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::PUBLISH)?.run()
}

#[test]
fn two_builds_become_visible_together_or_not_at_all() -> Result<()> {
    Matrix::new(verbs::UPDATE)?.run()
}

#[test]
fn a_hold_of_a_build_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::HOLD_BUILD)?.run()
}

#[test]
fn the_time_of_a_build_is_said_and_taken_back_or_not_at_all() -> Result<()> {
    Matrix::new(verbs::SCHEDULE)?.run()?;
    Matrix::new(verbs::UNSCHEDULE)?.run()
}

#[test]
fn what_is_due_becomes_visible_or_stays_due() -> Result<()> {
    Matrix::new(verbs::PUBLISH_DUE)?.run()
}

#[test]
fn taking_a_pending_build_back_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::TAKE_BACK)?.run()
}

#[test]
fn taking_a_release_back_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::WITHDRAW)?.run()
}

#[test]
fn going_back_to_a_release_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::ROLLBACK)?.run()
}

#[test]
fn a_purge_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::PURGE)?.run()
}

#[test]
fn a_retirement_that_rewrites_packs_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::RETIRE)?.run()
}

#[test]
fn preparing_a_delta_survives_a_crash() -> Result<()> {
    Matrix::new(verbs::PREPARE_DELTA)?.run()
}

#[test]
fn making_a_repo_is_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::MAKE_REPO)?.run()
}

#[test]
fn a_key_of_tokens_and_a_revocation_are_whole_or_absent() -> Result<()> {
    Matrix::new(verbs::REVOKE)?.run()
}

#[test]
fn a_new_catalog_is_whole_or_is_made_again() -> Result<()> {
    Matrix::new(verbs::REINDEX)?.run()
}
