//! What a copy is: what its origin released, verified, retired and checked like any repo, and never published to.

use std::sync::Arc;

use bindery::base::id::StatementId;
use bindery::base::progress::Silent;
use bindery::base::{Error, Kind, Result};
use bindery::build::create::{CreateOptions, create};
use bindery::build::rollback::rollback;
use bindery::build::verify::verify_repo;
use bindery::build::withdraw::withdraw;
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::known::Root;
use bindery::remote::pin::Pin;
use bindery::remote::pull::{PullOptions, pull};

use super::pair::{PULLED_AT, Pair, empty, options, state};
use crate::shelf::{Files, Shelf, files, moment, ref_name};
use crate::support::simulated_disk::{Kept, SimulatedDisk};

fn kind<T>(outcome: Result<T>) -> Option<Kind> {
    outcome.err().map(|error| error.kind())
}

/// Many files, of which those of one number differ from release to release.
fn release(number: u64) -> Files {
    let mut all = Files::new();
    for place in 0..40 {
        let text = format!("{place} ").repeat(30);
        all.insert(format!("d{}/f{place}", place % 5), text);
    }
    all.insert(
        format!("d0/f{}", number * 5),
        format!("changed by {number}"),
    );
    all
}

#[test]
fn a_copy_shows_what_its_origin_released() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.check_shows("stable", &release(0))?;
    for number in 1..4 {
        pair.origin.release("stable", &release(number))?;
    }
    pair.origin
        .release("app/editor", &files(&[("e", "editor")]))?;
    let answer = pair.pull()?;
    assert_eq!(answer.moves.len(), 1, "only what is followed");
    assert_eq!((answer.moves[0].before, answer.moves[0].seq), (Some(1), 4));
    pair.check_shows("stable", &pair.origin.shown("stable")?)?;
    let releases = pair
        .copy
        .store
        .reader()?
        .releases(&pair.copy.row()?, &ref_name("stable")?)?;
    let known: Vec<(u64, bool)> = releases.iter().map(|row| (row.seq, row.retired)).collect();
    let between = [(1, false), (2, true), (3, true), (4, false)];
    assert_eq!(
        known, between,
        "what lies between is known by its statements alone"
    );
    let all = PullOptions {
        asked: Asked::All,
        ..options(None)
    };
    let answer = pair.pull_with(&pair.honest()?, &all)?;
    assert_eq!(answer.moves.len(), 1);
    pair.check_shows("app/editor", &files(&[("e", "editor")]))
}

#[test]
fn a_pull_of_an_update_asks_five_times_and_sends_what_is_new() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    let first = pair.copy.store.reader()?.totals()?;
    pair.origin.release("stable", &release(1))?;
    let answer = pair.pull()?;
    assert_eq!(
        answer.requests, 5,
        "keyset, heads, list of refs, statement, pack"
    );
    assert_eq!(
        answer.new_objects, 5,
        "two files, their directory, the root, the snapshot"
    );
    assert!(
        answer.received_bytes < first.stored_bytes,
        "{}",
        answer.received_bytes
    );
    let again = pair.pull()?;
    assert_eq!((again.moves.len(), again.new_objects), (0, 0));
    assert_eq!(again.requests, 3, "keyset, heads, list of refs");
    Ok(())
}

#[test]
fn first_contact_needs_a_root_and_gets_the_right_one() -> Result<()> {
    let pair = Pair::new()?;
    pair.origin.release("stable", &release(0))?;
    let (repo, nothing) = (pair.repo()?, pair.state()?);
    let pin = Pin::of(&pair.origin.store, &repo, Vec::new())?;
    let elsewhere = Pin {
        keyset: (1, StatementId::of(b"another")),
        ..pin.clone()
    };
    let ahead = Pin {
        keyset: (2, pin.keyset.1),
        ..pin.clone()
    };
    for (root, expected, reason) in [
        (None, Kind::Usage, "no root was said"),
        (
            Some(Root::Id(StatementId::of(b"x"))),
            Kind::Integrity,
            "another repo",
        ),
        (
            Some(Root::Pin(elsewhere)),
            Kind::Integrity,
            "keysets that went another way",
        ),
        (
            Some(Root::Pin(ahead)),
            Kind::Integrity,
            "an origin that lags behind",
        ),
    ] {
        let refused = pair.pull_with(&pair.honest()?, &options(root));
        assert_eq!(kind(refused), Some(expected), "{reason}");
        assert_eq!(pair.state()?, nothing, "{reason}");
    }
    pair.pull_with(&pair.honest()?, &options(Some(Root::Pin(pin))))?;
    pair.check_shows("stable", &release(0))?;
    let wrong = pair.pull_with(
        &pair.honest()?,
        &options(Some(Root::Id(StatementId::of(b"x")))),
    );
    assert_eq!(kind(wrong), Some(Kind::Integrity), "also later");
    let other = Shelf::create(Arc::new(SimulatedDisk::new()))?;
    let own = pull(
        &other.store,
        &pair.honest()?,
        &options(Some(Root::First)),
        moment(PULLED_AT)?,
        &Silent,
    );
    assert_eq!(
        kind(own),
        Some(Kind::Conflict),
        "a repo of its own has the name"
    );
    Ok(())
}

#[test]
fn a_ref_that_was_moved_back_is_followed_if_that_is_allowed() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.origin.release("stable", &release(1))?;
    pair.pull()?;
    rollback(
        &pair.origin.store,
        &pair.origin.repo,
        &ref_name("stable")?,
        1,
        None,
        moment(6)?,
    )?;
    let before = pair.state()?;
    assert_eq!(kind(pair.pull()), Some(Kind::Conflict));
    assert_eq!(pair.state()?, before);
    let allowed = PullOptions {
        rewinds: Rewinds::Allow,
        ..options(None)
    };
    let answer = pair.pull_with(&pair.honest()?, &allowed)?;
    assert_eq!(answer.new_objects, 0, "the old release is still there");
    pair.check_shows("stable", &release(0))
}

#[test]
fn nothing_is_made_in_a_copy() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.origin.release("stable", &release(1))?;
    pair.pull()?;
    let (store, repo) = (&pair.copy.store, pair.copy.repo.clone());
    let options = CreateOptions {
        repo: repo.clone(),
        target: Some(ref_name("stable")?),
        labels: std::collections::BTreeMap::new(),
        from: None,
    };
    assert_eq!(
        kind(create(store, options, moment(7)?)),
        Some(Kind::Conflict)
    );
    let back = rollback(store, &repo, &ref_name("stable")?, 1, None, moment(7)?);
    assert_eq!(kind(back), Some(Kind::Conflict));
    assert_eq!(kind(withdraw(store, 1, moment(7)?)), Some(Kind::NotFound));
    pair.check_copy()
}

#[test]
fn a_copy_lets_go_of_old_releases_and_goes_on() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    for number in 1..4 {
        pair.origin.release("stable", &release(number))?;
        pair.pull()?;
    }
    for seq in 1..4 {
        pair.copy.retire("stable", seq)?;
    }
    pair.check_copy()?;
    pair.origin.release("stable", &release(4))?;
    pair.pull()?;
    pair.check_shows("stable", &pair.origin.shown("stable")?)
}

#[test]
fn a_copy_is_pulled_from_in_turn() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.origin.release("stable", &release(1))?;
    pair.pull()?;
    let third = empty(&SimulatedDisk::new())?;
    let copy = bindery::remote::store_origin::StoreOrigin::new(
        &pair.copy.store,
        pair.copy.row()?,
        &Silent,
    );
    let root = options(Some(Root::Id(pair.repo()?.repo_id)));
    pull(&third.store, &copy, &root, moment(PULLED_AT)?, &Silent)?;
    assert_eq!(third.shown("stable")?, pair.origin.shown("stable")?);
    third.check()?;
    pair.origin.release("stable", &release(2))?;
    let honest = pair.honest()?;
    pull(
        &third.store,
        &honest,
        &options(None),
        moment(PULLED_AT)?,
        &Silent,
    )?;
    assert_eq!(
        third.shown("stable")?,
        pair.origin.shown("stable")?,
        "from anywhere"
    );
    let behind = pull(
        &third.store,
        &copy,
        &options(None),
        moment(PULLED_AT)?,
        &Silent,
    );
    assert_eq!(
        kind(behind),
        Some(Kind::Integrity),
        "a mirror that lags goes back"
    );
    third.check()
}

#[test]
fn a_copy_comes_back_without_its_catalog() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.origin.release("stable", &release(1))?;
    pair.pull()?;
    let (disk, repo) = (pair.copy_disk.clone(), pair.repo()?);
    drop(pair.copy);
    let disk: Arc<dyn bindery::disk::files::Disk> = Arc::new(disk);
    let answer = bindery::store::reindex::reindex_on(&disk)?;
    assert_eq!(answer.problems, [], "nothing is lost");
    let copy = Shelf::open(disk)?;
    assert!(copy.row()?.copied_from.is_some());
    copy.check()?;
    verify_repo(&copy.store, &copy.row()?, &Silent)?;
    assert_eq!(copy.shown("stable")?, pair.origin.shown("stable")?);
    pair.origin.release("stable", &release(2))?;
    let honest = bindery::remote::store_origin::StoreOrigin::new(&pair.origin.store, repo, &Silent);
    pull(
        &copy.store,
        &honest,
        &options(None),
        moment(PULLED_AT)?,
        &Silent,
    )?;
    assert_eq!(copy.shown("stable")?, pair.origin.shown("stable")?);
    copy.check()
}

#[test]
fn a_pull_is_whole_or_absent_whenever_the_power_is_lost() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.origin.release("stable", &release(1))?;
    pair.origin.release("testing", &release(2))?;
    let Pair {
        origin,
        copy,
        copy_disk,
    } = pair;
    drop(copy);
    let honest =
        bindery::remote::store_origin::StoreOrigin::new(&origin.store, origin.row()?, &Silent);
    let all = PullOptions {
        asked: Asked::All,
        ..options(None)
    };
    let disk = copy_disk.after_crash(Kept::All);
    let act = |disk: &SimulatedDisk| -> Result<()> {
        let copy = Shelf::open(Arc::new(disk.clone()))?;
        pull(&copy.store, &honest, &all, moment(PULLED_AT)?, &Silent).map(drop)
    };
    let seen = |disk: &SimulatedDisk| -> Result<String> {
        let copy = Shelf::open(Arc::new(disk.clone()))?;
        copy.check()?;
        Ok(format!(
            "{:?} {:?}",
            copy.shown("stable")?,
            copy.shown("testing")?
        ))
    };
    let whole = disk.with_power(None);
    act(&whole)?;
    let (before, after) = (
        seen(&disk.with_power(None))?,
        seen(&whole.after_crash(Kept::All))?,
    );
    assert_ne!(before, after);
    for power in 0..whole.operations() {
        let crashed = disk.with_power(Some(power));
        let outcome = act(&crashed);
        for kept in [
            Kept::Synced,
            Kept::All,
            Kept::Torn(power),
            Kept::Zeroed,
            Kept::Some(power),
        ] {
            let crashed = crashed.after_crash(kept);
            let found = seen(&crashed)?;
            assert!(
                found == before || found == after,
                "half done after {power}, {kept:?}"
            );
            assert!(
                outcome.is_err() || found == after,
                "acknowledged and lost after {power}, {kept:?}"
            );
            act(&crashed)?;
            assert_eq!(seen(&crashed)?, after, "done again after {power}, {kept:?}");
        }
    }
    Ok(())
}

#[test]
fn what_is_known_and_cannot_be_read_is_no_first_contact() -> Result<()> {
    let pair = Pair::following(&release(0))?;
    pair.origin.release("stable", &release(1))?;
    let heads = std::path::Path::new("repos/example.org/os/trust/heads");
    bindery::disk::files::Disk::remove(&pair.copy_disk, heads)?;
    let before = state(&pair.copy)?;
    assert_eq!(kind(pair.pull()), Some(Kind::Integrity));
    assert_eq!(state(&pair.copy)?, before);
    let first = pair.pull_with(&pair.honest()?, &options(Some(Root::First)));
    assert_eq!(
        kind(first),
        Some(Kind::Integrity),
        "not even if told to trust"
    );
    let unknown = PullOptions {
        asked: Asked::Named(vec![ref_name("nothing")?]),
        ..options(None)
    };
    let other = Pair::following(&release(0))?;
    assert_eq!(
        kind(other.pull_with(&other.honest()?, &unknown)),
        Some(Kind::NotFound)
    );
    other
        .check_copy()
        .map_err(|error| Error::internal(error.to_string()))
}
