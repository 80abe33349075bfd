//! Races by name: two threads begin at the same moment, many times. One wins, the other hears `conflict`, and the store is
//! whole afterwards.
//!
//! # Invariants
//!
//! - Which of the two wins is left to the machine; what may come of it is a table of pairs, and nothing else is accepted.
//!
//! # Not here
//!
//! Long rows of verbs in many threads (`order`), readers (`readers`).

use std::sync::{Arc, Barrier};

use bindery::base::{Error, Kind, Result};
use bindery::build::publish::{PublishOptions, import};
use bindery::build::withdraw::{Withdrawn, withdraw};
use bindery::store::check_rows::CheckOutcome;
use bindery::store::retire::Mode;
use bindery::store::rows::BuildState;

use crate::shelf::{Files, Shelf, files, moment, ref_name};
use crate::support::simulated_disk::SimulatedDisk;

/// Times that each race is run.
const ROUNDS: u64 = 48;
/// Rounds from one full check to the next.
const CHECK_ROUNDS: u64 = 12;
/// Turns of an empty loop by which one of the two is held back more from round to round, so that both come first at times.
const HANDICAP: u64 = 400;

/// What came of one side: nothing to complain about, or the kind of error.
type End = Option<Kind>;

/// Lets two threads begin at the same moment.
fn race<A: Send, B: Send>(
    round: u64,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> Result<(A, B)> {
    let start = Barrier::new(2);
    let wait = |turns: u64| {
        start.wait();
        (0..turns).for_each(|_| std::hint::spin_loop());
    };
    let turns = (round / 2 % 12) * HANDICAP;
    let turns = if round.is_multiple_of(2) {
        (0, turns)
    } else {
        (turns, 0)
    };
    let panicked = || Error::internal("a thread panicked");
    std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            wait(turns.0);
            one()
        });
        let other = scope.spawn(|| {
            wait(turns.1);
            other()
        });
        let one = one.join().map_err(|_| panicked())?;
        Ok((one, other.join().map_err(|_| panicked())?))
    })
}

/// What is told of a race that ended as no race may.
fn nobody_won(outcomes: &dyn std::fmt::Debug) -> Error {
    Error::internal(format!("nobody won, or both: {outcomes:?}"))
}

fn end<T>(outcome: &Result<T>) -> End {
    outcome.as_ref().err().map(Error::kind)
}

/// Runs a race many times on one store, each time with what `round` prepares.
fn run(round: impl Fn(&Shelf, u64) -> Result<()>) -> Result<()> {
    let shelf = Shelf::create(Arc::new(SimulatedDisk::new()))?;
    for number in 0..ROUNDS {
        round(&shelf, number)?;
        if number % CHECK_ROUNDS == CHECK_ROUNDS - 1 {
            shelf.check()?;
        }
    }
    Ok(())
}

/// Files that are unlike those of other rounds, and some that are in all.
fn some_files(tag: &str, round: u64) -> Files {
    let mut files = files(&[("same", "the same in all")]);
    for number in 0..4 {
        files.insert(format!("{tag}/{number}"), format!("{tag} {round} {number}"));
    }
    files
}

fn state(shelf: &Shelf, build: u64) -> Result<BuildState> {
    Ok(shelf.store.reader()?.build(build)?.state)
}

fn purge(shelf: &Shelf, build: u64) -> Result<bindery::store::rows::Receipt> {
    shelf.store.purge_build(build, moment(6)?)
}

#[test]
fn of_purge_and_commit_the_build_is_gone_whoever_comes_first() -> Result<()> {
    run(|shelf, round| {
        let build = shelf.build("stable")?;
        shelf.put(build, &some_files("a", round))?;
        let (purged, committed) = race(round, || purge(shelf, build), || shelf.commit(build))?;
        let ends = (end(&purged), end(&committed));
        assert!(
            [(None, None), (None, Some(Kind::Conflict))].contains(&ends),
            "{purged:?} {committed:?}"
        );
        assert_eq!(state(shelf, build)?, BuildState::Purged);
        assert_eq!(
            purge(shelf, build)?,
            purged?,
            "and what was freed stays said"
        );
        Ok(())
    })
}

#[test]
fn of_purge_and_publish_one_wins_and_nothing_is_half_published() -> Result<()> {
    run(|shelf, round| {
        let expected = some_files("a", round);
        let before = shelf.shown("stable")?;
        let build = shelf.committed("stable", &expected)?;
        let (purged, published) = race(round, || purge(shelf, build), || shelf.publish(build))?;
        let shown = shelf.shown("stable")?;
        match (&purged, &published) {
            (Ok(_), Err(error)) => {
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
                assert_eq!((state(shelf, build)?, shown), (BuildState::Purged, before));
            }
            (Err(error), Ok(_)) => {
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
                assert_eq!(
                    (state(shelf, build)?, shown),
                    (BuildState::Published, expected)
                );
            }
            // It was published, and its row purged afterwards: what it brought is the ref's.
            (Ok(_), Ok(_)) => {
                assert_eq!(
                    (state(shelf, build)?, shown),
                    (BuildState::Purged, expected)
                );
            }
            (Err(_), Err(_)) => return Err(nobody_won(&(&purged, &published))),
        }
        Ok(())
    })
}

#[test]
fn of_two_that_publish_one_build_one_release_comes() -> Result<()> {
    run(|shelf, round| {
        let expected = some_files("a", round);
        let build = shelf.committed("stable", &expected)?;
        let publish = || shelf.publish(build);
        let (one, other) = race(round, publish, publish)?;
        let seqs: Vec<u64> = [&one, &other]
            .into_iter()
            .filter_map(|answer| answer.as_ref().ok().map(|answer| answer.seq))
            .collect();
        assert!(!seqs.is_empty(), "nobody won: {one:?} {other:?}");
        assert!(
            seqs.iter().all(|seq| *seq == seqs[0]),
            "one release: {seqs:?}"
        );
        for loser in [one.err(), other.err()].into_iter().flatten() {
            assert_eq!(loser.kind(), Kind::Conflict, "{loser}");
        }
        let releases = shelf
            .store
            .reader()?
            .releases(&shelf.row()?, &ref_name("stable")?)?;
        assert_eq!(releases.len() as u64, round + 1);
        assert_eq!(shelf.shown("stable")?, expected);
        Ok(())
    })
}

#[test]
fn two_builds_that_are_published_on_one_ref_are_both_in_it_in_the_end() -> Result<()> {
    run(|shelf, round| {
        let builds = [
            shelf.committed("stable", &some_files("a", round))?,
            shelf.committed("stable", &some_files("b", round))?,
        ];
        let (one, other) = race(
            round,
            || shelf.publish(builds[0]),
            || shelf.publish(builds[1]),
        )?;
        assert!(
            one.is_ok() || other.is_ok(),
            "nobody won: {one:?} {other:?}"
        );
        for (build, outcome) in builds.into_iter().zip([one, other]) {
            if let Err(error) = outcome {
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
                if state(shelf, build)? != BuildState::Published {
                    shelf.publish(build)?;
                }
            }
        }
        let mut expected = some_files("a", round);
        expected.extend(some_files("b", round));
        assert_eq!(shelf.shown("stable")?, expected);
        Ok(())
    })
}

#[test]
fn what_is_staged_while_a_build_is_committed_is_in_it_or_refused() -> Result<()> {
    run(|shelf, round| {
        let (first, late) = (some_files("a", round), some_files("b", round));
        let mut both = first.clone();
        both.extend(late.clone());
        let build = shelf.build("testing")?;
        shelf.put(build, &first)?;
        let (staged, committed) = race(round, || shelf.put(build, &late), || shelf.commit(build))?;
        for error in [staged.as_ref().err(), committed.as_ref().err()]
            .into_iter()
            .flatten()
        {
            assert_eq!(error.kind(), Kind::Conflict, "{error}");
        }
        let expected = match (staged.is_ok(), committed.is_ok()) {
            (true, true) => both,
            (false, true) => first,
            (true, false) => {
                assert_eq!(state(shelf, build)?, BuildState::Open);
                shelf.commit(build)?;
                both
            }
            (false, false) => return Err(nobody_won(&(&staged, &committed))),
        };
        assert_eq!(shelf.tested(build)?, expected);
        purge(shelf, build).map(drop)
    })
}

#[test]
fn of_withdraw_and_publish_one_wins_and_both_agree_what_is_shown() -> Result<()> {
    run(|shelf, round| {
        let before = shelf.shown("stable")?;
        let expected = some_files("a", round);
        let build = shelf.committed("stable", &expected)?;
        let row = shelf.store.reader()?.build(build)?;
        let (target, options) = (ref_name("stable")?, PublishOptions::default());
        import(&shelf.store, &row, &target, &options, moment(4)?)?;
        let (withdrawn, published) = race(
            round,
            || withdraw(&shelf.store, build, moment(5)?),
            || shelf.publish(build),
        )?;
        let found = (state(shelf, build)?, shelf.shown("stable")?);
        match (&withdrawn, &published) {
            (Ok(Withdrawn::Pending { builds, .. }), Err(error)) => {
                assert_eq!((&builds[..], error.kind()), (&[build][..], Kind::Conflict));
                assert_eq!(found, (BuildState::Ready, before));
            }
            // Ready again when publishing began, so published anew.
            (Ok(Withdrawn::Pending { .. }), Ok(_)) => {
                assert_eq!(found, (BuildState::Published, expected));
            }
            (Ok(Withdrawn::Released(answer)), Ok(earlier)) => {
                assert!(answer.seq > earlier.seq);
                assert_eq!(found, (BuildState::Published, before));
            }
            (Err(error), Ok(_)) => {
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
                assert_eq!(found, (BuildState::Published, expected));
            }
            other => return Err(nobody_won(&other)),
        }
        Ok(())
    })
}

#[test]
fn of_a_check_that_fails_and_publish_one_wins() -> Result<()> {
    run(|shelf, round| {
        let before = shelf.shown("stable")?;
        let expected = some_files("a", round);
        let build = shelf.committed("stable", &expected)?;
        let (failed, published) = race(
            round,
            || shelf.check_build(build, "lint", CheckOutcome::Fail),
            || shelf.publish(build),
        )?;
        let found = (state(shelf, build)?, shelf.shown("stable")?);
        match (end(&failed), end(&published)) {
            (None, Some(Kind::Check)) => assert_eq!(found, (BuildState::Rejected, before)),
            (Some(Kind::Conflict), None) => assert_eq!(found, (BuildState::Published, expected)),
            _ => return Err(nobody_won(&(&failed, &published))),
        }
        purge(shelf, build).map(drop)
    })
}

#[test]
fn what_is_retired_while_it_is_read_is_read_whole_or_not_found() -> Result<()> {
    run(|shelf, round| {
        let target = ref_name("stable")?;
        shelf.release("stable", &some_files("a", round))?;
        let expected = shelf.shown("stable")?;
        let row = shelf.store.reader()?.find_ref(&shelf.row()?, &target)?;
        let old = row.and_then(|row| row.current);
        let old = old.ok_or_else(|| Error::not_found("ref", "stable"))?;
        shelf.release("stable", &some_files("b", round))?;
        // This one was there before, and reads on whatever happens.
        let view = shelf.store.view(&shelf.repo, &[])?;
        let release = [(target, old.epoch, old.seq)];
        let (retired, read) = race(
            round,
            || {
                shelf
                    .store
                    .retire_releases(&shelf.row()?, &release, Mode::Apply)
            },
            || shelf.snapshot(&[], old.snapshot),
        )?;
        retired?;
        match read {
            Ok(files) => assert_eq!(files, expected),
            Err(error) => assert_eq!(error.kind(), Kind::NotFound, "{error}"),
        }
        let tree = view.snapshot_of_size(old.snapshot)?.tree;
        assert_eq!(crate::shelf::read_files(&view, tree)?, expected);
        drop(view);
        assert_eq!(
            end(&shelf.snapshot(&[], old.snapshot)),
            Some(Kind::NotFound)
        );
        Ok(())
    })
}

#[test]
fn two_that_purge_one_build_get_the_same_receipt() -> Result<()> {
    run(|shelf, round| {
        let build = shelf.committed("stable", &some_files("a", round))?;
        let (one, other) = race(round, || purge(shelf, build), || purge(shelf, build))?;
        let receipt = one?;
        assert!(receipt.packs > 0, "it had packs of its own");
        assert_eq!(other?, receipt);
        Ok(())
    })
}
