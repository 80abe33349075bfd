//! Many threads of one process at the same store: what they plan outside of transactions, others may overtake.
//!
//! # Invariants
//!
//! - Whoever is overtaken is refused, or told what is missing, and goes through when it tries again: nothing is lost and no
//!   count drifts.
//!
//! # Not here
//!
//! Two processes: the second waits for the lock (`bad_input`).

mod order;
mod races;
mod readers;

use std::sync::Arc;

use bindery::base::{Error, Result};
use bindery::build::publish::{PublishOptions, import};
use bindery::build::retire::{Keep, plan};
use bindery::build::withdraw::withdraw;
use bindery::store::landing::Landing;
use bindery::store::reach::snapshot_edge;
use bindery::store::retire::Mode;
use bindery::store::rows::BuildState;

use crate::shelf::{Files, Shelf, files, moment, ref_name};
use crate::support::simulated_disk::SimulatedDisk;

/// Threads that publish.
const THREADS: u64 = 4;
/// Builds that each of them publishes.
const BUILDS: u64 = 8;
/// Times that one thread may be overtaken before the test fails.
const ATTEMPTS: u64 = 10_000;

fn shelf() -> Result<Shelf> {
    Shelf::create(Arc::new(SimulatedDisk::new()))
}

/// Does something until nobody overtakes it.
fn persist<T>(act: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 0..ATTEMPTS {
        match act() {
            Err(Error::Refused { reason }) if reason.ends_with("try again") => {}
            Err(Error::Missing { .. }) => {}
            other => return other,
        }
        std::thread::yield_now();
    }
    Err(Error::internal("overtaken too often"))
}

/// Files of which many are the same in all builds, and some in those of one thread.
fn some_files(thread: u64, build: u64) -> Files {
    let mut files = Files::new();
    for number in 0..6 {
        let text = format!("{} ", (number + build) % 4).repeat(50);
        files.insert(format!("{thread}/shared/{number}"), text);
        files.insert(format!("{thread}/{number}"), format!("{thread} {build}"));
    }
    files
}

fn publish_many(shelf: &Shelf, thread: u64) -> Result<()> {
    let target = if thread.is_multiple_of(2) {
        "stable"
    } else {
        "testing"
    };
    for number in 0..BUILDS {
        let build = shelf.build(target)?;
        persist(|| {
            // What was published when this was put may be retired when it is committed.
            shelf.put(build, &some_files(thread, number))?;
            shelf.commit(build)
        })?;
        persist(|| match shelf.store.reader()?.build(build)?.state {
            BuildState::Published => Ok(()),
            _ => shelf.publish(build).map(drop),
        })?;
        let thrown_away = shelf.build(target)?;
        shelf.put(thrown_away, &some_files(thread, number + 1))?;
        shelf.store.purge_build(thrown_away, moment(5)?)?;
    }
    Ok(())
}

fn retire_many(shelf: &Shelf) -> Result<()> {
    let keep = Keep {
        last: Some(1),
        ..Keep::default()
    };
    for _ in 0..THREADS * BUILDS {
        let going = plan(&shelf.store, &shelf.repo, None, keep, moment(6)?)?;
        shelf
            .store
            .retire_releases(&shelf.row()?, &going.ids(), Mode::Apply)?;
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn many_threads_publish_purge_and_retire_at_once() -> Result<()> {
    let shelf = shelf()?;
    std::thread::scope(|scope| {
        let publishing = (0..THREADS).map(|thread| {
            let shelf = &shelf;
            scope.spawn(move || publish_many(shelf, thread))
        });
        let mut threads: Vec<_> = publishing.collect();
        threads.push(scope.spawn(|| retire_many(&shelf)));
        let panicked = || Error::internal("a thread panicked");
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| panicked())?)
    })?;
    shelf.check()?;
    for (target, parity) in [("stable", 0), ("testing", 1)] {
        let mut expected = Files::new();
        for thread in (0..THREADS).filter(|thread| thread % 2 == parity) {
            expected.extend(some_files(thread, BUILDS - 1));
        }
        assert_eq!(shelf.shown(target)?, expected, "{target}");
    }
    Ok(())
}

#[test]
fn a_merge_onto_what_is_pending_no_more_is_refused() -> Result<()> {
    let shelf = shelf()?;
    let builds = [
        shelf.committed("stable", &files(&[("f", "1")]))?,
        shelf.committed("stable", &files(&[("g", "1")]))?,
    ];
    let target = ref_name("stable")?;
    let merge = |build: u64| {
        let row = shelf.store.reader()?.build(build)?;
        let options = PublishOptions::default();
        import(&shelf.store, &row, &target, &options, moment(4)?)
    };
    let overtaken = merge(builds[0])?;
    withdraw(&shelf.store, builds[0], moment(5)?)?;
    merge(builds[1])?;
    let view = shelf.store.view(&shelf.repo, &[builds[0]])?;
    let reach = view.reach(&[snapshot_edge(overtaken.snapshot)])?;
    let landing = Landing::default();
    let refused = shelf
        .store
        .record_import(&target, overtaken, landing, &reach, None, moment(6)?);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    shelf.publish(builds[0])?;
    assert_eq!(shelf.shown("stable")?, files(&[("f", "1"), ("g", "1")]));
    shelf.check()
}
