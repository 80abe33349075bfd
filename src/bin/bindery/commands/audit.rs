//! `bindery audit`: who was granted or refused a change.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::store::audit::page::PAGE_LINES_MAX;
use bindery::store::audit::record::{Actor, AuditRecord, Decision};
use clap::Args;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;

/// Lines that are shown if nothing is said.
const LINES: usize = 50;

/// What `audit` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery audit -n 10" "bindery audit --after 0 --json"))]
pub struct Arguments {
    /// At most N lines, and at most 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = LINES)]
    number: usize,
    /// From this cursor on, and not the newest; 0 is the beginning, '--json' says with which to go on
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
}

#[derive(Serialize)]
struct Page {
    records: Vec<Line>,
    next: u64,
    last: bool,
    gap: bool,
    damaged: u64,
}

#[derive(Serialize)]
struct Line {
    time: Time,
    actor: String,
    /// The ids of the token's blocks, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token: Vec<String>,
    can: &'static str,
    act: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<RepoName>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<RefName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<u64>,
    granted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Lists lines of the audit log.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let store = session.read()?;
    let number = arguments.number.min(PAGE_LINES_MAX);
    let page = match arguments.after {
        _ if number == 0 => return Err(bindery::base::Error::usage("-n is at least 1")),
        Some(cursor) => store.audit().read(cursor, number)?,
        None => store.audit().newest(number)?,
    };
    if page.is_gap {
        session
            .output
            .note("note: what was there before these lines is not kept any more");
    }
    if page.damaged > 0 {
        let count = page.damaged;
        session.output.note(format_args!(
            "note: {count} damaged or torn lines are left out"
        ));
    }
    session.output.answer(&Page {
        records: page.records.into_iter().map(line).collect(),
        next: page.next,
        last: page.is_last,
        gap: page.is_gap,
        damaged: page.damaged,
    })
}

fn line(record: AuditRecord) -> Line {
    let (actor, token) = match record.actor {
        Actor::Local => ("local", Vec::new()),
        Actor::Unknown => ("unknown", Vec::new()),
        Actor::Token(ids) => ("token", ids.iter().map(ToString::to_string).collect()),
    };
    let reason = match record.decision {
        Decision::Granted => None,
        Decision::Refused { reason } => Some(reason),
    };
    Line {
        time: record.time,
        actor: actor.to_owned(),
        token,
        can: record.capability.word(),
        act: record.act,
        repo: record.repo,
        reference: record.reference,
        build: record.build,
        granted: reason.is_none(),
        reason,
    }
}

impl Answer for Page {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for line in &self.records {
            // The last block is who acted; the ones before are where it came from.
            let actor = line.token.last().unwrap_or(&line.actor);
            write!(out, "{}  {actor}  ", line.time)?;
            match &line.reason {
                None => write!(out, "{}", colours.paint(Tone::Good, "granted"))?,
                Some(_) => write!(out, "{}", colours.paint(Tone::Bad, "refused"))?,
            }
            write!(out, "  {}  {}", line.can, line.act)?;
            if let Some(repo) = &line.repo {
                write!(out, "  {repo}")?;
            }
            if let Some(name) = &line.reference {
                write!(out, ":{name}")?;
            }
            if let Some(reason) = &line.reason {
                write!(out, "  ({reason})")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
