//! The verbs that are interrupted: from which state each starts, what it does, and what may be seen in between.
//!
//! # Not here
//!
//! Where they are interrupted (`matrix`, `recovery`, `faults`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bindery::base::clock::Time;
use bindery::base::name::KeyName;
use bindery::base::profile::Profile;
use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishOptions, import, publish, update};
use bindery::build::repo::create_repo;
use bindery::build::rollback::rollback;
use bindery::build::schedule::{due_now, publish_due, schedule};
use bindery::build::stage::{StageOptions, stage};
use bindery::build::withdraw::withdraw;
use bindery::delta::make::MakeOptions;
use bindery::delta::prepare::{owed, prepare};
use bindery::disk::files::Disk;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::reindex::reindex_on;
use bindery::store::rows::BuildState;
use bindery::trust::token::id::BlockId;

use crate::shelf::{CHECKED, CHECKS, Files, PLANNED, Shelf, files, moment, ref_name, report};
use crate::support::simulated_disk::SimulatedDisk;

/// When a verb is done, and from where it stages.
pub struct Turn<'a> {
    pub time: Time,
    pub source: &'a Path,
}

/// How a verb is done.
#[derive(Clone, Copy)]
pub enum Run {
    /// In an open store.
    InStore(fn(&Shelf, &Turn<'_>) -> Result<()>),
    /// On the disk of a store that nobody has open. In between the store may refuse to be opened.
    OnDisk(fn(&Arc<dyn Disk>) -> Result<()>),
}

/// A verb that may be interrupted.
#[derive(Clone, Copy)]
pub struct Verb {
    pub name: &'static str,
    /// Brings the store into the state from which it starts.
    pub prepare: fn(&Shelf) -> Result<()>,
    /// Does it.
    pub run: Run,
    /// Ways to states in between that may be seen after a crash.
    pub steps: &'static [fn(&Shelf) -> Result<()>],
}

impl Verb {
    /// Opens the store on a disk and does the verb, so many seconds after the preparation.
    pub fn attempt(&self, disk: &SimulatedDisk, source: &Path, seconds: u64) -> Result<()> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        match self.run {
            Run::InStore(run) => {
                let time = moment(seconds)?;
                run(&Shelf::open(disk)?, &Turn { time, source })
            }
            Run::OnDisk(run) => run(&disk),
        }
    }

    /// Does the verb in an open store, so many seconds after the preparation.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it is none that is done in an open store.
    pub fn attempt_in(&self, opened: &Shelf, source: &Path, seconds: u64) -> Result<()> {
        match self.run {
            Run::InStore(run) => {
                let time = moment(seconds)?;
                run(opened, &Turn { time, source })
            }
            Run::OnDisk(_) => Err(Error::usage("the store must be closed")),
        }
    }
}

/// Files that compress badly, so that packs are not all alike.
fn some_files(tag: &str) -> Files {
    let mut files = files(&[("same", "the same in all")]);
    for number in 0..8 {
        let text = format!("{tag} {number} ").repeat(20 + number);
        files.insert(format!("{tag}/{number}"), text);
    }
    files
}

fn two_releases(shelf: &Shelf) -> Result<()> {
    shelf.release("stable", &some_files("a"))?;
    shelf.release("stable", &some_files("b")).map(drop)
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

pub const CREATE: Verb = Verb {
    name: "create",
    prepare: |shelf| shelf.release("stable", &some_files("a")).map(drop),
    run: Run::InStore(|shelf, turn| {
        let options = CreateOptions {
            repo: shelf.repo.clone(),
            target: Some(ref_name("stable")?),
            labels: BTreeMap::new(),
            from: None,
        };
        create(&shelf.store, options, turn.time).map(drop)
    }),
    steps: &[],
};

pub const STAGE: Verb = Verb {
    name: "stage",
    prepare: |shelf| {
        shelf.release("stable", &some_files("a"))?;
        shelf.build("stable").map(drop)
    },
    run: Run::InStore(|shelf, turn| {
        let (paths, options) = ([turn.source.to_owned()], StageOptions::default());
        stage(&shelf.store, 2, &paths, &options, &Silent, turn.time).map(drop)
    }),
    steps: &[],
};

pub const UPLOAD: Verb = Verb {
    name: "stage objects",
    prepare: |shelf| shelf.build("stable").map(drop),
    run: Run::InStore(|shelf, _| shelf.put(1, &some_files("a"))),
    steps: &[],
};

pub const COMMIT: Verb = Verb {
    name: "commit, joining packs",
    prepare: |shelf| {
        let build = shelf.build("stable")?;
        (0..9).try_for_each(|number| shelf.put(build, &some_files(&number.to_string())))
    },
    run: Run::InStore(|shelf, turn| commit(&shelf.store, 1, "", turn.time).map(drop)),
    steps: &[],
};

/// Makes a build for a ref that waits for the last check alone.
fn almost_checked(shelf: &Shelf, target: &str) -> Result<()> {
    let build = shelf.committed(target, &some_files("a"))?;
    let reported = shelf.check_build(build, CHECKS[0], CheckOutcome::Pass)?;
    assert_eq!(reported.state, BuildState::Checking);
    Ok(())
}

/// Reports that it passed; returns whether the build is to be published then.
fn pass_the_last(shelf: &Shelf, turn: &Turn<'_>) -> Result<bool> {
    let row = report(&shelf.store, 1, CHECKS[1], CheckOutcome::Pass, turn.time)?;
    assert_eq!(row.state, BuildState::Ready);
    Ok(row.due.is_some())
}

pub const CHECK: Verb = Verb {
    name: "report the last check",
    prepare: |shelf| almost_checked(shelf, CHECKED),
    run: Run::InStore(|shelf, turn| {
        assert!(!pass_the_last(shelf, turn)?);
        Ok(())
    }),
    steps: &[],
};

pub const CHECK_PLANNED: Verb = Verb {
    name: "report the last check of what is published by itself",
    prepare: |shelf| almost_checked(shelf, PLANNED),
    run: Run::InStore(|shelf, turn| {
        assert!(pass_the_last(shelf, turn)?);
        Ok(())
    }),
    steps: &[],
};

pub const PUBLISH_FIRST: Verb = Verb {
    name: "publish a first build",
    prepare: |shelf| shelf.committed("stable", &some_files("a")).map(drop),
    run: Run::InStore(|shelf, turn| {
        publish(&shelf.store, 1, &PublishOptions::default(), turn.time).map(drop)
    }),
    steps: &[|shelf| import_build(shelf, 1)],
};

pub const PUBLISH: Verb = Verb {
    name: "publish, merging",
    prepare: |shelf| {
        shelf.release("stable", &some_files("a"))?;
        shelf.committed("stable", &some_files("b"))?;
        shelf.release("stable", &some_files("c")).map(drop)
    },
    run: Run::InStore(|shelf, turn| {
        publish(&shelf.store, 2, &PublishOptions::default(), turn.time).map(drop)
    }),
    steps: &[|shelf| import_build(shelf, 2)],
};

fn scheduled(shelf: &Shelf) -> Result<()> {
    shelf.committed("stable", &some_files("a"))?;
    schedule_build(shelf, moment(4)?)
}

fn schedule_build(shelf: &Shelf, time: Time) -> Result<()> {
    let options = PublishOptions::default();
    schedule(&shelf.store, 1, &options, moment(5)?, time).map(drop)
}

pub const HOLD_BUILD: Verb = Verb {
    name: "hold a build",
    prepare: |shelf| shelf.committed("stable", &some_files("a")).map(drop),
    run: Run::InStore(|shelf, turn| {
        let reason = Some("somebody looks at it".to_owned());
        shelf
            .store
            .record_build_hold(1, reason, turn.time)
            .map(drop)
    }),
    steps: &[],
};

pub const SCHEDULE: Verb = Verb {
    name: "say when a build is to be published",
    prepare: |shelf| shelf.committed("stable", &some_files("a")).map(drop),
    run: Run::InStore(|shelf, turn| schedule_build(shelf, turn.time)),
    steps: &[],
};

pub const PUBLISH_DUE: Verb = Verb {
    name: "publish a build that is due",
    prepare: scheduled,
    run: Run::InStore(|shelf, turn| match due_now(&shelf.store, 1, turn.time)? {
        Some(due) => publish_due(&shelf.store, &due, turn.time).map(drop),
        None => Err(Error::refused("it is not due any more")),
    }),
    steps: &[|shelf| {
        let due = due_now(&shelf.store, 1, moment(6)?)?;
        let due = due.ok_or_else(|| Error::refused("it is due"))?;
        let (row, target) = (shelf.store.reader()?.build(1)?, ref_name("stable")?);
        import(&shelf.store, &row, &target, &due.options(), moment(6)?).map(drop)
    }],
};

pub const UNSCHEDULE: Verb = Verb {
    name: "take the time of a build back",
    prepare: scheduled,
    run: Run::InStore(|shelf, turn| withdraw(&shelf.store, 1, turn.time).map(drop)),
    steps: &[],
};

pub const UPDATE: Verb = Verb {
    name: "update with two builds",
    prepare: |shelf| {
        shelf.committed("stable", &some_files("a"))?;
        shelf.committed("stable", &some_files("b"))?;
        import_build(shelf, 1)?;
        import_build(shelf, 2)
    },
    run: Run::InStore(|shelf, turn| {
        update(&shelf.store, &shelf.row()?, &ref_name("stable")?, turn.time).map(drop)
    }),
    steps: &[],
};

pub const TAKE_BACK: Verb = Verb {
    name: "withdraw what is pending",
    prepare: |shelf| {
        shelf.committed("stable", &some_files("a"))?;
        import_build(shelf, 1)
    },
    run: Run::InStore(|shelf, turn| withdraw(&shelf.store, 1, turn.time).map(drop)),
    steps: &[],
};

pub const WITHDRAW: Verb = Verb {
    name: "withdraw a release",
    prepare: two_releases,
    run: Run::InStore(|shelf, turn| withdraw(&shelf.store, 2, turn.time).map(drop)),
    steps: &[],
};

pub const ROLLBACK: Verb = Verb {
    name: "rollback",
    prepare: two_releases,
    run: Run::InStore(|shelf, turn| {
        let (target, hold) = (ref_name("stable")?, Some("broken".to_owned()));
        rollback(&shelf.store, &shelf.repo, &target, 1, hold, turn.time).map(drop)
    }),
    steps: &[],
};

pub const PURGE: Verb = Verb {
    name: "purge",
    prepare: |shelf| {
        shelf.release("stable", &some_files("a"))?;
        shelf.committed("stable", &some_files("b"))?;
        shelf.release("stable", &files(&[("same", "other")]))?;
        shelf.retire("stable", 1).map(drop)
    },
    run: Run::InStore(|shelf, turn| shelf.store.purge_build(2, turn.time).map(drop)),
    steps: &[],
};

pub const RETIRE: Verb = Verb {
    name: "retire, rewriting packs",
    prepare: |shelf| {
        let mut all = some_files("a");
        all.extend(some_files("b"));
        shelf.release("stable", &all)?;
        let replaced = (0..8).map(|number| (format!("a/{number}"), "new".to_owned()));
        shelf.release("stable", &replaced.collect()).map(drop)
    },
    run: Run::InStore(|shelf, _| shelf.retire("stable", 1).map(drop)),
    steps: &[],
};

pub const PREPARE_DELTA: Verb = Verb {
    name: "prepare a delta",
    prepare: two_releases,
    run: Run::InStore(|shelf, _| {
        let owed = owed(&shelf.store)?;
        let prepare = |one| prepare(&shelf.store, one, &MakeOptions::default(), &Silent).map(drop);
        owed.iter().try_for_each(prepare)
    }),
    steps: &[],
};

pub const MAKE_REPO: Verb = Verb {
    name: "repo create",
    prepare: |_| Ok(()),
    run: Run::InStore(|shelf, turn| {
        let name = shelf.repo.to_string() + "-next";
        let name = name.parse().map_err(|_| Error::usage("a repo's name"))?;
        create_repo(
            &shelf.store,
            name,
            Profile::Posix,
            None::<&KeyName>,
            turn.time,
        )
        .map(drop)
    }),
    steps: &[],
};

pub const REVOKE: Verb = Verb {
    name: "token key and revocation",
    prepare: |_| Ok(()),
    run: Run::InStore(|shelf, turn| {
        shelf.store.tokens().key_or_new()?;
        revoke_one(shelf, turn.time)
    }),
    steps: &[|shelf| shelf.store.tokens().key_or_new().map(drop)],
};

fn revoke_one(shelf: &Shelf, time: Time) -> Result<()> {
    let id = BlockId::from_bytes([7; 16]);
    shelf.store.tokens().revoke(id, time)
}

pub const REINDEX: Verb = Verb {
    name: "reindex",
    prepare: |shelf| {
        two_releases(shelf)?;
        shelf.store.tokens().key_or_new()?;
        revoke_one(shelf, moment(1)?)?;
        shelf.committed("stable", &some_files("c")).map(drop)
    },
    run: Run::OnDisk(|disk| {
        let report = reindex_on(disk)?;
        assert_eq!(report.problems, [], "everything comes back");
        Ok(())
    }),
    steps: &[],
};
