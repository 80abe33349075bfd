//! Power is lost at every single operation of every verb; whatever a disk may have kept, the store opens, is whole, and the
//! same verb goes through.
//!
//! # Invariants
//!
//! - A verb that was acknowledged is there after the crash; one that was not is there wholly or not at all. Publishing is
//!   two such steps.
//! - After the next open I1 to I4 hold, and nothing is left behind.
//!
//! At each moment the disk keeps what was synced, and then, in turn, everything, everything but half a write, or some of it;
//! with `BINDERY_CRASH_ALL` set, all of these and more.
//!
//! # Not here
//!
//! The disk (`simulated_disk`); real processes that are killed.

use std::fmt::Write;
use std::sync::Arc;

use bindery::base::name::KeyName;
use bindery::base::profile::Profile;
use bindery::base::{Error, Kind, Result};
use bindery::build::publish::{PublishOptions, import, update};
use bindery::build::repo::create_repo;
use bindery::build::rollback::rollback;
use bindery::build::withdraw::withdraw;
use bindery::store::Store;
use bindery::store::notes::Notes;

use crate::shelf::{Files, Shelf, files, moment, ref_name, repo_name};
use crate::simulated_disk::{Kept, SimulatedDisk};

/// Sequences of things kept that are tried at each moment of a long run.
const SEEDS: u64 = 4;

/// A verb that may be interrupted.
struct Verb {
    /// Brings the store into the state from which it starts.
    prepare: fn(&Shelf) -> Result<()>,
    /// Does it.
    run: fn(&Shelf) -> Result<()>,
    /// States on the way that may be seen after a crash.
    steps: &'static [fn(&Shelf) -> Result<()>],
}

/// Everything that users can see of a store, in words; but for the numbers of statements: one that was signed and lost is
/// skipped for good (I5).
fn state(shelf: &Shelf) -> Result<String> {
    let reader = shelf.store.reader()?;
    let mut text = String::new();
    for repo in reader.repos()? {
        line(&mut text, &format!("repo {}", repo.name));
        for row in reader.refs(&repo)? {
            let pending: Vec<u64> = row.pending.iter().map(|import| import.build).collect();
            line(
                &mut text,
                &format!("{} {pending:?} {:?}", row.name, row.held),
            );
            line(&mut text, &format!("{:?}", shelf.shown(row.name.as_str())?));
            for release in reader.releases(&repo, &row.name)? {
                let snapshot = release.snapshot.id;
                line(&mut text, &format!("{snapshot} {}", release.retired));
            }
        }
    }
    for build in reader.builds()? {
        line(
            &mut text,
            &format!("build {} {} {:?}", build.id, build.state, build.receipt),
        );
        line(
            &mut text,
            &format!("{:?}", shelf.store.operations(build.id)?),
        );
        if build.committed.is_some() && !matches!(build.state.name(), "purged" | "published") {
            line(&mut text, &format!("{:?}", shelf.tested(build.id)?));
        }
    }
    Ok(text)
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").ok();
}

/// A disk as it is after `act` on a store, with everything closed and durable.
fn settled(disk: &SimulatedDisk, act: impl FnOnce(&Shelf) -> Result<()>) -> Result<SimulatedDisk> {
    let disk = disk.with_power(None);
    let shelf = Shelf::open(Arc::new(disk.clone()))?;
    act(&shelf)?;
    drop(shelf);
    Ok(disk.after_crash(Kept::All))
}

fn state_on(disk: &SimulatedDisk) -> Result<String> {
    state(&Shelf::open(Arc::new(disk.with_power(None)))?)
}

/// Checks what others may read on a disk while nobody has opened the store: heads name nothing that is not there (I4).
fn check_notes(disk: &SimulatedDisk) -> Result<()> {
    let repo = repo_name()?;
    let notes = Notes::open(disk, &repo, None)?;
    if let Some(heads) = notes.heads()? {
        for (_, entry) in notes.refs_list(&heads)?.iter() {
            notes.statement(entry.id)?;
        }
    }
    Ok(())
}

/// The ways in which a disk keeps things that are tried at one moment.
fn ways(power: u64) -> Vec<Kept> {
    if std::env::var_os("BINDERY_CRASH_ALL").is_some() {
        let some = (0..SEEDS).map(|seed| Kept::Some(power * SEEDS + seed));
        return [Kept::Synced, Kept::All, Kept::Torn]
            .into_iter()
            .chain(some)
            .collect();
    }
    let in_turn = match power % 3 {
        0 => Kept::All,
        1 => Kept::Torn,
        _ => Kept::Some(power),
    };
    vec![Kept::Synced, in_turn]
}

/// Loses power at every operation of a verb.
fn check(verb: &Verb) -> Result<()> {
    let empty = SimulatedDisk::new();
    drop(Shelf::create(Arc::new(empty.clone()))?);
    let before = settled(&empty.after_crash(Kept::All), verb.prepare)?;
    let mut states = vec![state_on(&before)?];
    for step in verb.steps {
        states.push(state_on(&settled(&before, step)?)?);
    }
    let whole = before.with_power(None);
    (verb.run)(&Shelf::open(Arc::new(whole.clone()))?)?;
    let after = state_on(&whole.after_crash(Kept::All))?;
    states.push(after.clone());
    for power in 0..whole.operations() {
        let disk = before.with_power(Some(power));
        let outcome = Shelf::open(Arc::new(disk.clone())).and_then(|shelf| (verb.run)(&shelf));
        for kept in ways(power) {
            let disk = disk.after_crash(kept);
            check_notes(&disk)?;
            let place = format!("after {power}, {kept:?}");
            let shelf = Shelf::open(Arc::new(disk.clone()))
                .map_err(|error| Error::internal(format!("opening {place}: {error}")))?;
            shelf.check()?;
            let found = state(&shelf)?;
            let is_known = states.contains(&found);
            assert!(
                is_known,
                "half done after {power}, {kept:?}:\n{found}\nof {states:#?}"
            );
            if outcome.is_ok() {
                assert_eq!(
                    found, after,
                    "acknowledged and lost after {power}, {kept:?}"
                );
            }
            if found != after {
                (verb.run)(&shelf)?;
            }
            shelf.check()?;
            assert_eq!(state(&shelf)?, after, "done again after {power}, {kept:?}");
        }
    }
    Ok(())
}

/// Files that compress badly, so that packs are not all alike.
fn some_files(tag: &str) -> Files {
    let mut files = files(&[("same", "the same in all")]);
    for number in 0..12 {
        let text = format!("{tag} {number} ").repeat(20 + number);
        files.insert(format!("{tag}/{number}"), text);
    }
    files
}

#[test]
fn creating_a_build_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| shelf.release("stable", &some_files("a")).map(drop),
        run: |shelf| shelf.build("stable").map(drop),
        steps: &[],
    })
}

#[test]
fn staging_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| shelf.build("stable").map(drop),
        run: |shelf| shelf.put(1, &some_files("a")),
        steps: &[],
    })
}

#[test]
fn a_commit_that_joins_packs_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            let build = shelf.build("stable")?;
            (0..9).try_for_each(|number| shelf.put(build, &some_files(&number.to_string())))
        },
        run: |shelf| shelf.commit(1),
        steps: &[],
    })
}

#[test]
fn a_first_release_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| shelf.committed("stable", &some_files("a")).map(drop),
        run: |shelf| shelf.publish(1).map(drop),
        steps: &[import_first],
    })
}

#[test]
fn publishing_what_must_be_merged_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            shelf.release("stable", &some_files("a"))?;
            shelf.committed("stable", &some_files("b"))?;
            shelf.release("stable", &some_files("c")).map(drop)
        },
        run: |shelf| shelf.publish(2).map(drop),
        steps: &[|shelf| import_build(shelf, 2)],
    })
}

#[test]
fn two_builds_become_visible_together_or_not_at_all() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            shelf.committed("stable", &some_files("a"))?;
            shelf.committed("stable", &some_files("b"))?;
            import_build(shelf, 1)?;
            import_build(shelf, 2)
        },
        run: |shelf| {
            let target = ref_name("stable")?;
            update(&shelf.store, &shelf.row()?, &target, moment(5)?).map(drop)
        },
        steps: &[],
    })
}

fn import_first(shelf: &Shelf) -> Result<()> {
    import_build(shelf, 1)
}

fn import_build(shelf: &Shelf, build: u64) -> Result<()> {
    let row = shelf.store.reader()?.build(build)?;
    let options = PublishOptions::default();
    import(
        &shelf.store,
        &row,
        &ref_name("stable")?,
        &options,
        moment(4)?,
    )
    .map(drop)
}

#[test]
fn a_purge_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            shelf.release("stable", &some_files("a"))?;
            let build = shelf.committed("stable", &some_files("b"))?;
            shelf.release("stable", &files(&[("same", "other")]))?;
            shelf.retire("stable", 1)?;
            assert_eq!(build, 2);
            Ok(())
        },
        run: |shelf| shelf.store.purge_build(2, moment(5)?).map(drop),
        steps: &[],
    })
}

#[test]
fn a_retirement_that_rewrites_packs_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            let mut all = some_files("a");
            all.extend(some_files("b"));
            shelf.release("stable", &all)?;
            let replaced = (0..12).map(|number| (format!("a/{number}"), "new".to_owned()));
            shelf.release("stable", &replaced.collect()).map(drop)
        },
        run: |shelf| shelf.retire("stable", 1).map(drop),
        steps: &[],
    })
}

#[test]
fn taking_a_release_back_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            shelf.release("stable", &some_files("a"))?;
            shelf.release("stable", &some_files("b")).map(drop)
        },
        run: |shelf| withdraw(&shelf.store, 2, moment(5)?).map(drop),
        steps: &[],
    })
}

#[test]
fn going_back_to_a_release_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |shelf| {
            shelf.release("stable", &some_files("a"))?;
            shelf.release("stable", &some_files("b")).map(drop)
        },
        run: |shelf| {
            let (target, hold) = (ref_name("stable")?, Some("broken".to_owned()));
            rollback(&shelf.store, &shelf.repo, &target, 1, hold, moment(5)?).map(drop)
        },
        steps: &[],
    })
}

#[test]
fn making_a_repo_is_whole_or_absent() -> Result<()> {
    check(&Verb {
        prepare: |_| Ok(()),
        run: |shelf| {
            let (name, time) = (shelf.repo.to_string() + "-next", moment(5)?);
            let name = name.parse().map_err(|_| Error::usage("a repo's name"))?;
            create_repo(&shelf.store, name, Profile::Posix, None::<&KeyName>, time).map(drop)
        },
        steps: &[],
    })
}

#[test]
fn a_store_is_made_or_can_be_made_again() -> Result<()> {
    let whole = SimulatedDisk::new();
    drop(Store::create_on(Arc::new(whole.clone()), None)?);
    for power in 0..whole.operations() {
        let disk = SimulatedDisk::new().with_power(Some(power));
        let outcome = Store::create_on(Arc::new(disk.clone()), None).map(drop);
        for kept in ways(power) {
            let disk = Arc::new(disk.after_crash(kept));
            match Shelf::open(Arc::clone(&disk) as Arc<_>) {
                Ok(shelf) => shelf.check()?,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::NotFound, "{power}, {kept:?}: {error}");
                    assert!(outcome.is_err(), "{power}, {kept:?}");
                    Shelf::create(disk)?.check()?;
                }
            }
        }
    }
    Ok(())
}
