//! `bindery publish --at` and `--after`: a build that is to be published later.
//!
//! # Not here
//!
//! Who publishes it then: a server, or `run-jobs`; with `--wait`, this process sees to it.

use std::fmt;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use bindery::base::clock::Time;
use bindery::base::name::RefName;
use bindery::base::{Error, Result};
use bindery::build::carried::carried;
use bindery::build::schedule::{Planned, due_now, failed, publish_due, schedule};
use bindery::build::spec::{Spec, Which};
use bindery::remote::http::agent::Agent;
use bindery::remote::wire::builds::{BuildSaid, PublishedSaid};
use bindery::remote::wire::due::DueSaid;
use bindery::remote::wire::plans::Schedule;
use bindery::store::Store;
use bindery::store::due::SaidBy;
use bindery::store::rows::BuildState;
use serde::Serialize;

use super::publish::{Arguments, Released, how, options, tell};
use crate::colour::Colours;
use crate::output::Answer;
use crate::session::Session;

/// Between two questions whether a server has published what is due.
const LOOK: Duration = Duration::from_secs(1);
/// For how many of them something that is on its way is waited for.
const LOOKS_MAX: u32 = 600;
/// For how long something is waited for that is due by this machine's clock, and not by the server's.
const EARLY_MAX: Duration = Duration::from_secs(24 * 3600);
/// Releases among which the one is that was made just now.
const RELEASES_LOOKED_AT: usize = 100;

/// Who publishes what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publisher {
    /// The server that was asked.
    Server,
    /// Whoever does what can wait in a store on this machine.
    Jobs,
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server",
            Self::Jobs => "'bindery run-jobs', or a server",
        })
    }
}

/// What is to become of a build that is due.
pub(super) fn planned_words(build: u64, due: &DueSaid, by: Publisher) -> String {
    let says = match due.said_by {
        SaidBy::Person => "",
        SaidBy::Policy => ", as the settings of its ref say",
    };
    format!(
        "it is published at {} by {by}{says}; 'bindery withdraw {build}' takes that back",
        due.at
    )
}

/// A build that is to be published.
#[derive(Debug, Serialize)]
struct Scheduled {
    build: u64,
    #[serde(rename = "ref")]
    target: Option<RefName>,
    at: Time,
}

/// Says when a build is to be published, and perhaps waits for it.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let build = arguments.build.0;
    let now = Time::now()?;
    let after_seconds = arguments.after.map(|after| after.as_secs());
    let when = Schedule {
        at: arguments.at,
        after_seconds,
        how: how(arguments),
    };
    let server = session.server()?;
    let (at, target) = if let Some(server) = &server {
        let said = server.schedule(build, &when)?;
        let due = said.due;
        let due = due.ok_or_else(|| Error::malformed("answer", "it says no time"))?;
        (due.at, due.target.or(said.target))
    } else {
        let at = when.time(now)?;
        let (_, target) = schedule(&session.write()?, build, &options(arguments), at, now)?;
        (at, Some(target))
    };
    if !arguments.wait {
        session.output.answer(&Scheduled { build, target, at })?;
        let by = if server.is_some() {
            Publisher::Server
        } else {
            Publisher::Jobs
        };
        if arguments.at.is_some_and(|at| at < now) {
            session.output.note(format_args!(
                "that is past: build {build} is published now, or as soon as it can be, by {by}"
            ));
        } else {
            session.output.note(format_args!(
                "build {build} is published then by {by}; 'bindery withdraw {build}' takes that back"
            ));
        }
        return Ok(());
    }
    // The clock of a server may show another time than this one; how long it takes is the same.
    let until = Duration::from_secs(at.seconds().saturating_sub(now.seconds()));
    thread::sleep(arguments.after.unwrap_or(until));
    match server {
        Some(server) => wait_there(session, &server, build),
        None => finish_here(session, build, at),
    }
}

/// Publishes a build that is due by now, unless somebody else did.
fn finish_here(session: &Session, build: u64, at: Time) -> Result<()> {
    let (store, now) = (session.write()?, Time::now()?.max(at));
    let released = match due_now(&store, build, now)? {
        Some(planned) => published(session, &store, &planned, now)?,
        None => match carried(&store, build)? {
            Some(answer) => Released::from(answer),
            None => return Err(not_published(&store.reader()?.build(build)?.into())),
        },
    };
    tell(session, build, &released)
}

fn published(session: &Session, store: &Store, planned: &Planned, now: Time) -> Result<Released> {
    let answer = publish_due(store, planned, now);
    if let Err(error) = &answer
        && failed(store, planned, error, now)?
    {
        tell_still_due(session, planned.build);
    }
    answer.map(Released::from)
}

fn tell_still_due(session: &Session, build: u64) {
    session.output.note(format_args!(
        "build {build} is still due, and is published as soon as it can be; 'bindery withdraw {build}' takes that back"
    ));
}

/// Waits until a server has published a build that is due, or says why it cannot.
fn wait_there(session: &Session, server: &Agent, build: u64) -> Result<()> {
    let (begun, mut looks) = (Instant::now(), 0);
    loop {
        let said = server.build(build)?;
        if let Some(published) = said.published.as_ref().filter(|_| is_visible(&said)) {
            let released = released_there(session, server, &said, published)?;
            return tell(session, build, &released);
        }
        let is_on_its_way = said.state == BuildState::Publishing;
        looks += u32::from(is_on_its_way);
        let goes_on = said.reason.is_none() && said.held.is_none();
        let is_patient = looks < LOOKS_MAX && begun.elapsed() < EARLY_MAX;
        if !(goes_on && is_patient && (is_on_its_way || said.due.is_some())) {
            if said.due.is_some() {
                tell_still_due(session, build);
            }
            return Err(not_published(&said));
        }
        thread::sleep(LOOK);
    }
}

fn is_visible(said: &BuildSaid) -> bool {
    said.state == BuildState::Published
}

/// The release of a server that carries a build.
fn released_there(
    session: &Session,
    server: &Agent,
    said: &BuildSaid,
    published: &PublishedSaid,
) -> Result<Released> {
    let (target, seq) = (published.target.clone(), published.seq);
    let snapshots = session.snapshots()?;
    let spec = Spec::Ref {
        repo: Some(said.repo.clone()),
        name: target.clone(),
        which: Which::Seq(seq),
    };
    let named = session.find(&*snapshots, &spec, None)?;
    let root = snapshots.open(&[&named])?.snapshot(named.snapshot)?.tree;
    let releases = server.releases(&said.repo, &target, RELEASES_LOOKED_AT)?;
    let release = releases.into_iter().find(|release| release.seq == seq);
    Ok(Released {
        target,
        epoch: published.epoch,
        seq,
        snapshot: named.snapshot.id,
        root: root.id,
        tested: published.tested,
        builds: release.map(|release| release.builds).unwrap_or_default(),
    })
}

/// Why a build that was due is not published.
fn not_published(said: &BuildSaid) -> Error {
    let build = said.id;
    if let Some(held) = &said.held {
        return Error::refused(format!("build {build} is held: {held}"));
    }
    let reason = said.reason.clone();
    Error::refused(match (reason, said.state, &said.due) {
        // In these words what is to be done about a ref that is held is found.
        (Some(reason), _, Some(_)) => reason,
        (Some(reason), ..) => format!("build {build} was not published: {reason}"),
        (None, BuildState::Ready, None) => {
            format!("build {build} was not published: the time was taken back")
        }
        (None, BuildState::Ready | BuildState::Publishing, _) => {
            format!("build {build} is due, and not published yet")
        }
        (None, state, _) => format!("build {build} was not published: it is {state}"),
    })
}

impl Answer for Scheduled {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.at)
    }
}
