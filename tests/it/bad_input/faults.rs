//! A disk that fails: every verb, at every one of its writes, with a full disk and a disk that was made read-only.
//!
//! # Invariants
//!
//! - After a verb failed and the disk is well again, the same verb succeeds, or the store says by name that it is done
//!   already; then everything is as if it had succeeded at once, and nothing is left over.
//!
//! # Not here
//!
//! A loss of power (`crash`); a file system that is really full (`full_disk`).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bindery::base::clock::Time;
use bindery::base::name::RepoName;
use bindery::base::progress::Silent;
use bindery::base::{Error, Kind, Result};
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishOptions, publish};
use bindery::build::retire::{Keep, plan};
use bindery::build::rollback::rollback;
use bindery::build::stage::{StageOptions, stage};
use bindery::disk::files::{Disk, DiskFile, Listed, Mapping};
use bindery::disk::real::RealDisk;
use bindery::store::retire::Mode;
use bindery::store::rows::BuildState;
use bindery::store::{Access, Store};

use super::TREE;
use crate::support::Node::File;
use crate::support::{Outcome, Scratch, write_tree};

/// Changes of a disk that one verb may make: more than any does, so that a test cannot loop.
const CHANGES_MAX: u64 = 2000;

/// Successes in a row after which a verb is taken to make no more changes: it forgives a failure to clean up at the end.
const SUCCESSES_ENOUGH: u64 = 5;

/// When changes fail, and how; counted over all files.
#[derive(Debug)]
struct Faults {
    /// Changes that still succeed.
    left: AtomicU64,
    kind: ErrorKind,
}

impl Faults {
    fn change(&self) -> io::Result<()> {
        let count_down = |left: u64| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(self.kind.into()),
        }
    }
}

/// A real disk whose changes fail after so many, but for those that make room. It syncs nothing: power is not lost here.
#[derive(Debug)]
struct FaultyDisk {
    disk: RealDisk,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    fn change(&self, action: &'static str, path: &Path) -> Result<()> {
        self.faults
            .change()
            .map_err(Error::io(action, &self.disk.place(path)))
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile {
            file,
            faults: Arc::clone(&self.faults),
        })
    }
}

impl Disk for FaultyDisk {
    fn place(&self, path: &Path) -> PathBuf {
        self.disk.place(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.change("create", path)?;
        Ok(self.wrap(self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        if self.faults.kind == ErrorKind::ReadOnlyFilesystem {
            self.change("open", path)?;
        }
        Ok(self.wrap(self.disk.open(path)?))
    }

    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.disk.open_read_only(path)
    }

    fn map(&self, path: &Path) -> Result<Mapping> {
        self.disk.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change("rename", from)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        if self.faults.kind == ErrorKind::ReadOnlyFilesystem {
            self.change("remove", path)?;
        }
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        if !self.place(path).is_dir() {
            self.change("create", path)?;
        }
        self.disk.create_dir(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        self.disk.list(path)
    }

    fn sync_dir(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.faults.change()?;
        self.file.set_len(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.faults.change()?;
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.change()
    }
}

/// Opens the store of `scratch` on a disk that fails after `changes`; recovery at open is not among them.
fn open_faulty(scratch: &Scratch, changes: u64, kind: ErrorKind) -> Result<Store> {
    let faults = Arc::new(Faults {
        left: AtomicU64::new(u64::MAX),
        kind,
    });
    let disk = FaultyDisk {
        disk: RealDisk::new(scratch.store()),
        faults: Arc::clone(&faults),
    };
    let store = Store::open_on(Arc::new(disk), Access::Write, None)?;
    faults.left.store(changes, Ordering::Relaxed);
    Ok(store)
}

fn open_well(scratch: &Scratch) -> Result<Store> {
    Store::open_on(
        Arc::new(RealDisk::new(scratch.store())),
        Access::Write,
        None,
    )
}

/// One verb on build 2 of a store, tried again after a failure.
type Verb = fn(&Scratch, &Store) -> Result<()>;

const STAGE: Verb = |scratch, store| {
    let paths = [scratch.path("more")];
    stage(store, 2, &paths, &StageOptions::default(), &Silent, time()?).map(drop)
};
const COMMIT: Verb = |_, store| commit(store, 2, "", time()?).map(drop);
const PUBLISH: Verb = |_, store| publish(store, 2, &PublishOptions::default(), time()?).map(drop);
const ROLLBACK: Verb = |_, store| {
    let (repo, target) = (repo()?, name("stable")?);
    rollback(store, &repo, &target, 1, None, time()?).map(drop)
};
const RETIRE: Verb = |_, store| {
    let (row, target) = (store.reader()?.repo(&repo()?)?, name("stable")?);
    let keep = Some(Keep {
        last: Some(1),
        days: None,
    });
    let gone = plan(store, &row.name, Some(&target), keep, time()?)?;
    let gone: Vec<_> = gone
        .into_iter()
        .map(|(target, release)| (target, release.epoch, release.seq))
        .collect();
    store.retire_releases(&row, &gone, Mode::Apply).map(drop)
};
const PURGE: Verb = |_, store| store.purge_build(2, time()?).map(drop);
const CREATE: Verb = |_, store| {
    let options = CreateOptions {
        repo: repo()?,
        target: None,
        labels: std::collections::BTreeMap::new(),
        from: None,
    };
    create(store, options, time()?).map(drop)
};

fn repo() -> Result<RepoName> {
    name("main")
}

fn name<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::internal("a legal name"))
}

fn time() -> Result<Time> {
    Ok(Time::from_seconds(crate::support::TIME_S)?)
}

/// A store whose build 1 is published and whose build 2 went through `verbs`.
fn prepare(verbs: &[Verb]) -> std::result::Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("build create --ref stable")?;
    write_tree(
        &scratch.path("more"),
        &[("more", File(&"more ".repeat(5000))), ("d/e", File("e"))],
    )?;
    let store = open_well(&scratch)?;
    for verb in verbs {
        verb(&scratch, &store)?;
    }
    Ok(scratch)
}

/// A copy of a store, and of the files that are staged into it.
fn copy(original: &Scratch) -> std::result::Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::empty()?;
    let mut command = std::process::Command::new("cp");
    let answer = command
        .arg("-a")
        .arg(original.path("."))
        .arg(scratch.path(""))
        .status()?;
    assert!(answer.success());
    Ok(scratch)
}

/// Fails `verb` at each of its changes, and expects it to succeed once the disk is well.
fn fail_everywhere(before: &[Verb], verb: Verb, kind: ErrorKind, expected: Kind) -> Outcome {
    let original = prepare(before)?;
    let (mut failures, mut successes_in_a_row) = (0, 0);
    for changes in 0..CHANGES_MAX {
        let scratch = copy(&original)?;
        let store = open_faulty(&scratch, changes, kind)?;
        let tried = verb(&scratch, &store);
        drop(store);
        if tried.is_ok() {
            successes_in_a_row += 1;
        } else {
            failures += 1;
            successes_in_a_row = 0;
        }
        again(&scratch, verb, tried, expected)
            .map_err(|error| format!("after {changes} changes: {error}"))?;
        if successes_in_a_row == SUCCESSES_ENOUGH {
            break;
        }
    }
    assert!(failures > 5, "the verb failed only {failures} times");
    Ok(())
}

fn again(scratch: &Scratch, verb: Verb, tried: Result<()>, expected: Kind) -> Outcome {
    let failed = match tried {
        Ok(()) => None,
        Err(error) if error.kind() == expected => Some(error),
        Err(error) => return Err(format!("{:?}: {error}", error.kind()).into()),
    };
    let store = open_well(scratch)?;
    if let Some(failed) = failed {
        match verb(scratch, &store) {
            Ok(()) => {}
            // The disk failed while the catalog was synced, and what was written then was whole.
            Err(Error::State { state, .. }) if is_done(&store, &state)? => {}
            Err(Error::Refused { reason }) if reason.ends_with("already") => {}
            Err(error) => return Err(format!("after {failed}: {error}").into()),
        }
    }
    drop(store);
    scratch.expect_sound()?;
    let left: Vec<_> = crate::support::files_beneath(&scratch.store().join("tmp"))?;
    assert!(left.is_empty(), "left over: {left:?}");
    Ok(())
}

/// Whether a refusal means that the verb was done, and only its answer was lost.
fn is_done(store: &Store, state: &str) -> Result<bool> {
    let row = store.reader()?.build(2)?;
    Ok(state.starts_with(row.state.name()) && row.state != BuildState::Open)
}

#[test]
fn a_full_disk_fails_a_creation_until_there_is_room() -> Outcome {
    fail_everywhere(&[], CREATE, ErrorKind::StorageFull, Kind::Unavailable)
}

#[test]
fn a_full_disk_fails_a_staging_until_there_is_room() -> Outcome {
    fail_everywhere(&[], STAGE, ErrorKind::StorageFull, Kind::Unavailable)
}

#[test]
fn a_full_disk_fails_a_commit_until_there_is_room() -> Outcome {
    fail_everywhere(&[STAGE], COMMIT, ErrorKind::StorageFull, Kind::Unavailable)
}

#[test]
fn a_full_disk_fails_a_publication_until_there_is_room() -> Outcome {
    fail_everywhere(
        &[STAGE, COMMIT],
        PUBLISH,
        ErrorKind::StorageFull,
        Kind::Unavailable,
    )
}

#[test]
fn a_full_disk_fails_a_purge_until_there_is_room() -> Outcome {
    fail_everywhere(
        &[STAGE, COMMIT],
        PURGE,
        ErrorKind::StorageFull,
        Kind::Unavailable,
    )
}

#[test]
fn a_full_disk_fails_a_rollback_until_there_is_room() -> Outcome {
    let before = [STAGE, COMMIT, PUBLISH];
    fail_everywhere(&before, ROLLBACK, ErrorKind::StorageFull, Kind::Unavailable)
}

#[test]
fn a_full_disk_fails_a_retirement_until_there_is_room() -> Outcome {
    let before = [STAGE, COMMIT, PUBLISH];
    fail_everywhere(&before, RETIRE, ErrorKind::StorageFull, Kind::Unavailable)
}

#[test]
fn a_disk_that_becomes_read_only_fails_a_publication_until_it_is_writable() -> Outcome {
    let kind = ErrorKind::ReadOnlyFilesystem;
    fail_everywhere(&[STAGE, COMMIT], PUBLISH, kind, Kind::NotAllowed)
}

#[test]
fn a_read_only_disk_is_read_and_refuses_everything_else() -> Outcome {
    let scratch = prepare(&[STAGE])?;
    let faults = Arc::new(Faults {
        left: AtomicU64::new(0),
        kind: ErrorKind::ReadOnlyFilesystem,
    });
    let disk = || {
        Arc::new(FaultyDisk {
            disk: RealDisk::new(scratch.store()),
            faults: Arc::clone(&faults),
        })
    };
    let store = Store::open_on(disk(), Access::Read, None)?;
    assert_eq!(store.reader()?.build(2)?.state, BuildState::Open);
    for verb in [STAGE, COMMIT, CREATE, PURGE] {
        let refused = verb(&scratch, &store);
        assert!(
            matches!(&refused, Err(error) if error.kind() == Kind::NotAllowed),
            "{refused:?}"
        );
    }
    drop(store);
    let refused = Store::open_on(disk(), Access::Write, None);
    assert!(
        matches!(&refused, Err(error) if error.kind() == Kind::NotAllowed),
        "{refused:?}"
    );
    scratch.expect_sound()
}
