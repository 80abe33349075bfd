//! `bindery job`: the work that a server does beside answering.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use bindery::base::name::RepoName;
use bindery::base::printable::{printable, printable_lines};
use bindery::base::{Error, Result};
use bindery::remote::http::agent::Agent;
use bindery::remote::wire::jobs::{JobKind, JobSaid, JobState, StartJob};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::size;
use crate::session::Session;
use crate::table::{Side, Table};

/// How often a job that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What can be done with the jobs of a server.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List jobs, newest first
    #[command(after_help = examples!("bindery job list --remote https://example.org"))]
    List,
    /// Show a job
    Show(OneArguments),
    /// Print what a job said so far
    Log(LogArguments),
    /// Have the server verify every ref of a repo; prints the id of the job
    #[command(after_help = examples!("bindery job verify --remote https://example.org --wait"))]
    Verify(VerifyArguments),
    /// Have the server check the whole store; prints the id of the job
    Scrub(ScrubArguments),
    /// Have a job tried again that failed or was cancelled
    Retry(OneArguments),
    /// Cancel a job that waits or runs
    Cancel(OneArguments),
}

/// What `job show`, `job retry` and `job cancel` take.
#[derive(Debug, Args)]
pub struct OneArguments {
    /// The job, as 'job list' shows it
    #[arg(value_name = "ID")]
    job: String,
}

/// What `job log` takes.
#[derive(Debug, Args)]
pub struct LogArguments {
    /// The job, as 'job list' shows it
    #[arg(value_name = "ID")]
    job: String,
    /// Go on until it has ended
    #[arg(short, long)]
    follow: bool,
}

/// What `job verify` takes.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The repo there; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
    /// Wait until it has ended; fails if the job does
    #[arg(long)]
    wait: bool,
}

/// What `job scrub` takes.
#[derive(Debug, Args)]
pub struct ScrubArguments {
    /// Wait until it has ended; fails if the job does
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct One(JobSaid);

#[derive(Debug, Serialize)]
struct Started {
    job: String,
}

#[derive(Debug, Serialize)]
struct Log {
    job: String,
    log: String,
}

#[derive(Debug, Serialize)]
struct Jobs {
    jobs: Vec<JobSaid>,
}

/// Runs a verb.
///
/// # Errors
///
/// [`Error::Usage`] if no server is named; what it answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    let server = session.server()?.ok_or_else(|| {
        Error::usage(
            "jobs are done by a server: name it with --remote or $BINDERY_REMOTE; on a store of this machine, 'bindery run-jobs' prepares deltas",
        )
    })?;
    match verb {
        Verb::List => session.output.answer(&Jobs {
            jobs: server.jobs()?,
        }),
        Verb::Show(one) => session.output.answer(&One(server.job(&one.job)?)),
        Verb::Log(arguments) => log(session, &server, arguments),
        Verb::Verify(arguments) => {
            let repo = server.only_repo(arguments.repo.as_ref())?;
            let job = StartJob {
                kind: JobKind::Verify,
                repo: Some(repo),
            };
            start(session, &server, &job, arguments.wait)
        }
        Verb::Scrub(arguments) => {
            let job = StartJob {
                kind: JobKind::Scrub,
                repo: None,
            };
            start(session, &server, &job, arguments.wait)
        }
        Verb::Retry(one) => session.output.answer(&One(server.retry_job(&one.job)?)),
        Verb::Cancel(one) => session.output.answer(&One(server.cancel_job(&one.job)?)),
    }
}

fn start(session: &Session, server: &Agent, job: &StartJob, wait: bool) -> Result<()> {
    let said = server.start_job(job)?;
    if !wait {
        let id = said.id;
        session.output.answer(&Started { job: id.clone() })?;
        session
            .output
            .note(format_args!("next: bindery job log {id} --follow"));
        return Ok(());
    }
    let said = ended(server, &said.id, &mut |_| Ok(()))?;
    let log = server.job_log(&said.id, 0)?;
    session.output.answer(&Log {
        job: said.id.clone(),
        log,
    })?;
    check_done(said)
}

fn log(session: &Session, server: &Agent, arguments: &LogArguments) -> Result<()> {
    let id = &arguments.job;
    if !arguments.follow {
        let log = server.job_log(id, 0)?;
        return session.output.answer(&Log {
            job: id.clone(),
            log,
        });
    }
    let mut offset = 0;
    let said = ended(server, id, &mut |server| {
        let log = server.job_log(id, offset)?;
        offset += log.len() as u64;
        if log.is_empty() {
            return Ok(());
        }
        session.output.answer(&Log {
            job: id.clone(),
            log,
        })
    })?;
    check_done(said)
}

/// Waits until a job has ended; each time that it is looked at, and once after its end, `look` is called.
fn ended(server: &Agent, id: &str, look: &mut dyn FnMut(&Agent) -> Result<()>) -> Result<JobSaid> {
    loop {
        let said = server.job(id)?;
        look(server)?;
        if said.ended.is_some() {
            return Ok(said);
        }
        thread::sleep(LOOK);
    }
}

/// Fails if a job did.
fn check_done(said: JobSaid) -> Result<()> {
    match said.state {
        JobState::Failed => Err(Error::Jobs {
            failed: 1,
            first: said.reason.unwrap_or_default(),
        }),
        JobState::Cancelled => Err(Error::Interrupted),
        _ => Ok(()),
    }
}

/// What a job is about, in words.
fn subject(job: &JobSaid) -> String {
    if let Some(url) = &job.url {
        return printable(url);
    }
    let repo = job.repo.as_ref().map_or("", RepoName::as_str);
    let Some(target) = &job.target else {
        return repo.to_owned();
    };
    let (from, to) = (job.from, job.to);
    let ends = from.zip(to).map(|(from, to)| {
        let (from, to) = (from.hash().short(), to.hash().short());
        format!(" {from} -> {to}")
    });
    format!("{repo}:{target}{}", ends.unwrap_or_default())
}

/// How far a job is, in words.
fn done(job: &JobSaid) -> String {
    if job.expected_bytes == 0 {
        return String::new();
    }
    let (done, expected) = (size(job.done_bytes), size(job.expected_bytes));
    format!("{done} of {expected}")
}

const fn tone(state: JobState) -> Tone {
    match state {
        JobState::Done => Tone::Good,
        JobState::Failed => Tone::Bad,
        JobState::Waiting | JobState::Running | JobState::Cancelled => Tone::Changed,
    }
}

impl Answer for Started {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.job)
    }
}

impl Answer for Log {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        out.write_all(printable_lines(&self.log).as_bytes())
    }
}

impl Answer for One {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        let job = &self.0;
        let state = colours.paint(tone(job.state), job.state.name());
        let mut table = Table::plain([Side::Left, Side::Left]);
        table.push(["job".into(), format!("{} ({state})", printable(&job.id))]);
        table.push(["kind".into(), job.kind.name().into()]);
        table.push(["about".into(), subject(job)]);
        table.push(["created".into(), job.created.to_string()]);
        for (heading, time) in [("started", job.started), ("ended", job.ended)] {
            if let Some(time) = time {
                table.push([heading.into(), time.to_string()]);
            }
        }
        table.push(["done".into(), done(job)]);
        if let Some(reason) = &job.reason {
            table.push(["reason".into(), printable(reason)]);
        }
        table.write(out)
    }
}

impl Answer for Jobs {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut table = Table::new([
            ("job", Side::Left),
            ("kind", Side::Left),
            ("state", Side::Left),
            ("about", Side::Left),
            ("done", Side::Left),
            ("created", Side::Left),
        ]);
        for job in &self.jobs {
            table.push([
                printable(&job.id),
                job.kind.name().to_owned(),
                job.state.name().to_owned(),
                subject(job),
                done(job),
                job.created.to_string(),
            ]);
        }
        table.write(out)
    }
}
