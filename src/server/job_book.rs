//! The book of jobs: which there are, how far each is, and what it said.
//!
//! # Invariants
//!
//! - A delta is open once at most.
//!
//! # Not here
//!
//! Which come up, and what may be done with them (`server::jobs`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::mirroring::Mirror;
use crate::base::clock::Time;
use crate::base::id::SnapshotId;
use crate::base::name::{RefName, RepoName};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::delta::attempts::Attempts;
use crate::delta::prepare::Owed;
use crate::remote::wire::jobs::JobState;

/// Jobs that ended and are remembered.
pub const ENDED_MAX: usize = 1000;
/// Bytes of a job's log.
const LOG_BYTES_MAX: usize = 64 * 1024;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Task {
    /// A delta is prepared.
    Delta(Box<Owed>),
    /// A copy is brought up to date.
    Mirror(Arc<Mirror>),
    /// Every ref of a repo is verified.
    Verify(RepoName),
    /// Every pack is read again.
    Scrub,
}

impl Task {
    /// What kind it is, and which one, for those who watch.
    pub(super) fn words(&self) -> (&'static str, String) {
        match self {
            Self::Delta(owed) => {
                let (repo, target) = (&owed.repo.name, &owed.target);
                let words = format!("a delta to {target} of {repo} was not made");
                ("delta", words)
            }
            Self::Mirror(mirror) => {
                let words = format!("the copy of {} is not up to date", mirror.url());
                ("mirror", words)
            }
            Self::Verify(repo) => ("verify", format!("{repo} was not verified")),
            Self::Scrub => ("scrub", "the packs were not all good".to_owned()),
        }
    }
}

/// A job that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its number.
    pub(super) number: u64,
    /// What is to be done.
    pub task: Task,
    /// How far it is.
    pub tally: Arc<Tally>,
}

/// How far a job is, and whether it is still wanted.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) expected: AtomicU64,
    pub(super) done: AtomicU64,
    stopped: AtomicBool,
    notes: Mutex<Vec<String>>,
}

/// Notes that are kept of a job.
const NOTES_MAX: usize = 100;

impl Tally {
    /// Has the job end soon.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What was not as it should be, a line each.
    #[must_use]
    pub fn notes(&self) -> String {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes
            .iter()
            .flat_map(|note| [note.as_str(), "\n"])
            .collect()
    }
}

impl Progress for Tally {
    fn expect(&self, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn note(&self, words: &dyn Display) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES_MAX {
            notes.push(words.to_string());
        }
    }

    fn check(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) task: Task,
    pub(super) state: JobState,
    pub(super) tally: Arc<Tally>,
    pub(super) created: Time,
    pub(super) started: Option<Time>,
    pub(super) ended: Option<Time>,
    pub(super) log: String,
    pub(super) reason: Option<String>,
}

/// A delta: its repo, and the snapshots between which it leads.
pub(super) type DeltaKey = (RepoName, SnapshotId, SnapshotId);

pub(super) fn key(owed: &Owed) -> DeltaKey {
    (owed.repo.name.clone(), owed.from.id, owed.to.id)
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) next: u64,
    pub(super) jobs: BTreeMap<u64, Job>,
    pub(super) attempts: Attempts,
    /// The deltas among the jobs that wait or run.
    pub(super) open: HashSet<DeltaKey>,
    /// Refs that show something new since they were looked at.
    pub(super) moved: BTreeSet<(RepoName, RefName)>,
    /// Whether all refs are looked at, because the server has just begun or could not take all jobs in.
    pub(super) is_all_new: bool,
    /// Whether the server ends.
    pub(super) is_ending: bool,
}

impl Book {
    pub(super) fn waiting(&self) -> usize {
        let jobs = self.jobs.values();
        jobs.filter(|job| job.state == JobState::Waiting).count()
    }

    pub(super) fn add(&mut self, task: Task, now: Time) -> u64 {
        let number = self.next;
        self.next += 1;
        if let Task::Delta(owed) = &task {
            self.open.insert(key(owed));
        }
        let job = Job {
            task,
            state: JobState::Waiting,
            tally: Arc::default(),
            created: now,
            started: None,
            ended: None,
            log: String::new(),
            reason: None,
        };
        self.jobs.insert(number, job);
        number
    }

    /// Begins the oldest that waits.
    pub(super) fn begin_next(&mut self, now: Time) -> Option<Begun> {
        let mut jobs = self.jobs.iter();
        let (number, _) = jobs.find(|(_, job)| job.state == JobState::Waiting)?;
        self.begin(*number, now)
    }

    /// Begins a job; none if there is none with this number.
    pub(super) fn begin(&mut self, number: u64, now: Time) -> Option<Begun> {
        let job = self.jobs.get_mut(&number)?;
        job.state = JobState::Running;
        job.started = Some(now);
        job.write(now, "begun");
        if let Task::Delta(owed) = &job.task {
            self.attempts.begin(owed);
        }
        if self.is_ending {
            job.tally.stop();
        }
        Some(Begun {
            number,
            task: job.task.clone(),
            tally: Arc::clone(&job.tally),
        })
    }

    pub(super) fn end(&mut self, number: u64, state: JobState, now: Time, words: &str) {
        if let Some(job) = self.jobs.get_mut(&number) {
            job.end(state, now, words);
            if let Task::Delta(owed) = &job.task {
                self.open.remove(&key(owed));
            }
        }
        let over = self.jobs.iter().filter(|(_, job)| job.ended.is_some());
        let over: Vec<u64> = over.map(|(number, _)| *number).collect();
        for number in &over[..over.len().saturating_sub(ENDED_MAX)] {
            self.jobs.remove(number);
        }
    }
}

impl Job {
    pub(super) fn end(&mut self, state: JobState, now: Time, words: &str) {
        self.state = state;
        self.ended = Some(now);
        self.reason = (state == JobState::Failed).then(|| words.to_owned());
        self.write(now, words);
    }

    /// Adds lines to the log, as far as there is room.
    pub(super) fn write(&mut self, now: Time, words: &str) {
        for line in words.lines() {
            let line = format!("{now}  {line}\n");
            if self.log.len() + line.len() <= LOG_BYTES_MAX {
                self.log.push_str(&line);
            }
        }
    }
}
