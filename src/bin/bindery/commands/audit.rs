//! `bindery audit`: who was granted or refused a change.

use std::io::{self, Write};

use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::remote::wire::audit::AuditSaid;
use bindery::store::Store;
use bindery::store::audit::page::PAGE_LINES_MAX;
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

/// Lines, as they are shown.
#[derive(Serialize)]
#[serde(transparent)]
struct Page(AuditSaid);

/// Lists lines of the audit log.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let number = arguments.number.min(PAGE_LINES_MAX);
    if number == 0 {
        return Err(Error::usage("-n is at least 1"));
    }
    let page = match session.server()? {
        Some(server) => server.audit(arguments.after, number)?,
        None => audit_here(&session.read()?, arguments.after, number)?,
    };
    if page.gap {
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
    session.output.answer(&Page(page))
}

fn audit_here(store: &Store, after: Option<u64>, number: usize) -> Result<AuditSaid> {
    let page = match after {
        Some(cursor) => store.audit().read(cursor, number)?,
        None => store.audit().newest(number)?,
    };
    Ok(page.into())
}

impl Answer for Page {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for line in &self.0.records {
            // The last block is who acted; the ones before are where it came from.
            let actor = line.token.last().unwrap_or(&line.actor);
            write!(out, "{}  {}  ", line.time, printable(actor))?;
            match &line.reason {
                None => write!(out, "{}", colours.paint(Tone::Good, "granted"))?,
                Some(_) => write!(out, "{}", colours.paint(Tone::Bad, "refused"))?,
            }
            write!(out, "  {}  {}", printable(&line.can), printable(&line.act))?;
            if let Some(repo) = &line.repo {
                write!(out, "  {repo}")?;
            }
            if let Some(name) = &line.target {
                write!(out, ":{name}")?;
            }
            if let Some(reason) = &line.reason {
                write!(out, "  ({})", printable(reason))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_a_line() -> Result<(), Box<dyn std::error::Error>> {
        let page: AuditSaid = serde_json::from_str(
            r#"{"records": [{"time": "2026-11-22T09:00:00Z", "actor": "a\u001b[2Jb", "can": "stage\u202e",
                "act": "one\u001b]0;\ntwo\u202e", "granted": false, "reason": "no\u0007\u202e\r"}],
                "next": 1, "last": true, "gap": false, "damaged": 0}"#,
        )?;
        let mut out = Vec::new();
        Page(page).write_text(&mut out, Colours::Off)?;
        let line = "2026-11-22T09:00:00Z  a [2Jb  refused  stage   one ]0; two   (no   )\n";
        assert_eq!(String::from_utf8(out)?, line);
        Ok(())
    }
}
