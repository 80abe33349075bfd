//! `bindery build check`: report what an outside check found in a committed build.

use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::id::SnapshotId;
use bindery::base::name::CheckName;
use bindery::base::remark::Remark;
use bindery::base::unmet::Unmet;
use bindery::base::{Error, Result};
use bindery::remote::http::agent::Agent;
use bindery::remote::wire::builds::BuildSaid;
use bindery::remote::wire::checks::ReportCheck;
use bindery::remote::wire::due::DueSaid;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::checks::CheckReport;
use bindery::store::rows::BuildState;
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::publish_plan::{Publisher, planned_words};
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;
use crate::values::BuildId;

/// What stands beneath the help.
pub const EXAMPLES: &str = examples!(
    "bindery build check 17 lint --pass"
    "bindery build check 17 licence --fail -m 'LICENSE is missing'"
    "bindery build check 17 tests --review --snapshot $SNAPSHOT"
);

/// What `build check` takes.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("outcome").required(true)))]
pub struct Arguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
    /// The check
    #[arg(value_name = "NAME")]
    name: CheckName,
    /// It found nothing that is in the way of publishing the build
    #[arg(long, group = "outcome")]
    pass: bool,
    /// The build must not be published
    #[arg(long, group = "outcome")]
    fail: bool,
    /// A person has to decide, and to report a pass or a failure
    #[arg(long, group = "outcome")]
    review: bool,
    /// What it found, in one line
    #[arg(
        short,
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    message: Remark,
    /// The snapshot that was looked at; refused if the build has another one
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<SnapshotId>,
}

impl Arguments {
    const fn outcome(&self) -> CheckOutcome {
        if self.fail {
            CheckOutcome::Fail
        } else if self.review {
            CheckOutcome::Review
        } else {
            CheckOutcome::Pass
        }
    }
}

/// A build after a report.
#[derive(Debug, Serialize)]
struct Reported {
    build: u64,
    state: BuildState,
    check: CheckName,
    outcome: CheckOutcome,
    snapshot: SnapshotId,
    failed: Vec<CheckName>,
    waiting: Vec<CheckName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<DueSaid>,
}

/// Reports what a check found.
///
/// # Errors
///
/// What the library answers; nothing is recorded then.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let (build, name) = (arguments.build.0, &arguments.name);
    let ((snapshot, said), by) = match session.server()? {
        Some(server) => (report_there(&server, arguments)?, Publisher::Server),
        None => (report_here(session, arguments)?, Publisher::Jobs),
    };
    let unmet = said.unmet();
    let next = standing(build, said.state, &unmet, said.due.as_ref(), by);
    let Unmet { failed, waiting } = unmet;
    session.output.answer(&Reported {
        build,
        state: said.state,
        check: name.clone(),
        outcome: arguments.outcome(),
        snapshot,
        failed,
        waiting,
        due: said.due,
    })?;
    session.output.note(next);
    Ok(())
}

fn report_here(session: &Session, arguments: &Arguments) -> Result<(SnapshotId, BuildSaid)> {
    let store = session.write()?;
    let build = arguments.build.0;
    let shown = store.reader()?.build(build)?.snapshot_to_check()?;
    let snapshot = arguments.snapshot.unwrap_or(shown);
    let report = CheckReport {
        name: arguments.name.clone(),
        outcome: arguments.outcome(),
        snapshot,
        message: arguments.message.clone(),
    };
    let row = store.report_check(build, report, Time::now()?)?;
    Ok((snapshot, row.into()))
}

fn report_there(server: &Agent, arguments: &Arguments) -> Result<(SnapshotId, BuildSaid)> {
    let build = arguments.build.0;
    let shown = || {
        let said = server.build(build)?;
        let committed = said.committed.ok_or(Error::State {
            build,
            state: said.state.to_string(),
            verb: "report a check of",
        })?;
        Ok::<_, Error>(committed.snapshot.id)
    };
    let snapshot = arguments.snapshot.map_or_else(shown, Ok)?;
    let report = ReportCheck {
        outcome: arguments.outcome(),
        snapshot,
        message: arguments.message.clone(),
    };
    let said = server.report_check(build, &arguments.name, &report)?;
    Ok((snapshot, said))
}

/// How far a committed build has come, and what is next.
pub(super) fn standing(
    id: u64,
    state: BuildState,
    unmet: &Unmet,
    due: Option<&DueSaid>,
    by: Publisher,
) -> String {
    match (state, unmet.waiting.first()) {
        (BuildState::Checking, Some(next)) => format!(
            "build {id} is checking: {unmet}; next: bindery build check {id} {next} --pass|--fail|--review"
        ),
        (BuildState::Rejected, _) => {
            format!("build {id} is rejected: {unmet}; see: bindery build show {id}")
        }
        (state, _) => {
            let next = due.map_or_else(
                || format!("next: bindery publish {id}"),
                |due| planned_words(id, due, by),
            );
            format!("build {id} is {state}; {next}")
        }
    }
}

impl Answer for Reported {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.state)
    }
}
