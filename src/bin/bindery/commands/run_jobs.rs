//! `bindery run-jobs`: do what can wait: publish builds that are due, prepare deltas of new releases.
//!
//! # Invariants
//!
//! - Others get their turn between two jobs: each opens the store anew.
//! - A job that fails keeps no other from being done.

use std::io::{self, Write};
use std::time::Instant;

use bindery::base::clock::Time;
use bindery::base::id::SnapshotId;
use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::schedule::{Planned, due_now, failed, planned, publish_due};
use bindery::delta::attempts::Attempts;
use bindery::delta::make::MakeOptions;
use bindery::delta::prepare::{Owed, owed, prepare};
use bindery::object::patch::Effort;
use bindery::store::Store;
use clap::Args;
use serde::Serialize;

use super::delta::EffortArgument;
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::size;
use crate::session::Session;

/// What `run-jobs` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery run-jobs                 after publishing, or from a timer"
    "bindery run-jobs --effort quick"
))]
pub struct Arguments {
    /// How much time compression may take
    #[arg(long, value_enum, default_value_t = EffortArgument::Thorough, value_name = "quick|thorough", hide_possible_values = true)]
    effort: EffortArgument,
    /// Say which jobs there are, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Jobs {
    published: Vec<Published>,
    deltas: Vec<Delta>,
}

/// A build that was due, or is.
#[derive(Debug, Serialize)]
struct Published {
    build: u64,
    at: Time,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    target: Option<RefName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Delta {
    repo: RepoName,
    #[serde(rename = "ref")]
    target: RefName,
    from: SnapshotId,
    to: SnapshotId,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl Delta {
    fn of(owed: &Owed, bytes: Option<u64>) -> Self {
        Self {
            repo: owed.repo.name.clone(),
            target: owed.target.clone(),
            from: owed.from.id,
            to: owed.to.id,
            bytes,
        }
    }
}

/// Does all jobs.
///
/// # Errors
///
/// [`Error::Jobs`] if some failed; the others are done.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    if arguments.dry_run {
        let store = session.read()?;
        let deltas = owed(&store)?;
        let deltas = deltas.iter().map(|owed| Delta::of(owed, None)).collect();
        let due = due_by(&store, Time::now()?)?.into_iter();
        let due = due.map(|planned| Published {
            build: planned.build,
            at: planned.due.at,
            target: planned.target,
            seq: None,
        });
        let published = due.collect();
        return session.output.answer(&Jobs { published, deltas });
    }
    let mut work = Work {
        session,
        effort: arguments.effort.into(),
        published: Vec::new(),
        deltas: Vec::new(),
        attempts: Attempts::default(),
        failures: Vec::new(),
    };
    work.publish()?;
    while work.next()? {}
    let failed = work.failures.len();
    session.output.answer(&Jobs {
        published: work.published,
        deltas: work.deltas,
    })?;
    match work.failures.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Error::Jobs { failed, first }),
    }
}

/// Jobs that are being done.
struct Work<'s> {
    session: &'s Session,
    effort: Effort,
    published: Vec<Published>,
    deltas: Vec<Delta>,
    attempts: Attempts,
    failures: Vec<String>,
}

/// The builds that are due.
fn due_by(store: &Store, now: Time) -> Result<Vec<Planned>> {
    let mut planned = planned(store)?;
    planned.retain(|planned| planned.due.at <= now);
    Ok(planned)
}

impl Work<'_> {
    /// Publishes the builds that are due.
    fn publish(&mut self) -> Result<()> {
        let now = Time::now()?;
        let due = due_by(&self.session.read()?, now)?;
        for planned in due {
            // Others get their turn between two of them.
            let store = self.session.write()?;
            let Some(planned) = due_now(&store, planned.build, now)? else {
                continue;
            };
            let (build, at) = (planned.build, planned.due.at);
            match publish_due(&store, &planned, now) {
                Ok(answer) => self.published.push(Published {
                    build,
                    at,
                    target: Some(answer.target),
                    seq: Some(answer.seq),
                }),
                Err(error) => {
                    let failure = format!("build {build}, which was due at {at}: {error}");
                    self.session.output.note(format_args!("warning: {failure}"));
                    // What is held waits for whoever lets it go, and is no failure.
                    let stays_due = failed(&store, &planned, &error, now)?;
                    if !(stays_due && matches!(error, Error::Refused { .. })) {
                        self.failures.push(failure);
                    }
                }
            }
        }
        Ok(())
    }

    /// Does the next job; says whether there was one.
    fn next(&mut self) -> Result<bool> {
        let store = self.session.write()?;
        let mut jobs = owed(&store)?.into_iter();
        let Some(job) = jobs.find(|job| self.attempts.may_begin(&store, job)) else {
            return Ok(false);
        };
        self.attempts.begin(&job);
        let (started, bar) = (Instant::now(), self.session.progress("preparing deltas"));
        let options = MakeOptions {
            effort: self.effort,
            ..MakeOptions::default()
        };
        let prepared = prepare(&store, &job, &options, &bar);
        drop(bar);
        self.attempts.end(&job, started.elapsed());
        match prepared {
            Ok(summary) => self.deltas.push(Delta::of(&job, Some(summary.pack.bytes))),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                let failure = format!("the delta of {} from {}: {error}", job.target, job.from.id);
                self.session.output.note(format_args!("warning: {failure}"));
                self.failures.push(failure);
            }
        }
        Ok(true)
    }
}

impl Answer for Jobs {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        for published in &self.published {
            let (build, at) = (published.build, published.at);
            match (&published.target, published.seq) {
                (Some(target), Some(seq)) => {
                    writeln!(out, "published  build {build} as {target}@{seq}")?;
                }
                (Some(target), None) => writeln!(out, "due  build {build}  {at}  {target}")?,
                (None, _) => writeln!(out, "due  build {build}  {at}")?,
            }
        }
        for delta in &self.deltas {
            let bytes = delta
                .bytes
                .map_or_else(String::new, |bytes| format!("  {}", size(bytes)));
            writeln!(
                out,
                "delta  {}:{}  {} -> {}{bytes}",
                delta.repo, delta.target, delta.from, delta.to
            )?;
        }
        Ok(())
    }
}
