//! `bindery retire`: let go of old releases.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::retire::{Keep, plan};
use bindery::build::spec::{named_ref, only_repo};
use bindery::store::Store;
use bindery::store::retire::Mode;
use bindery::store::rows::{ReleaseRow, RepoRow};
use clap::Args;
use serde::Serialize;

use super::build_purge::{DryRun, Freed};
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::counted;
use crate::session::Session;

/// What `retire` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery retire --dry-run                 by the settings of the store"
    "bindery retire stable --keep-last 10 --keep-days 30"
))]
pub struct Arguments {
    /// The ref, or REPO:REF; else every ref of the repo
    #[arg(value_name = "REF")]
    target: Option<String>,
    /// Keep the newest N; else as the settings of the store say
    #[arg(long, value_name = "N")]
    keep_last: Option<u64>,
    /// Keep those younger than N days, too
    #[arg(long, value_name = "N")]
    keep_days: Option<u64>,
    /// Say what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Retired {
    retired: Vec<Release>,
    #[serde(flatten)]
    freed: Freed,
}

#[derive(Debug, Serialize)]
struct Release {
    #[serde(rename = "ref")]
    target: RefName,
    epoch: u64,
    seq: u64,
    time: Time,
}

/// Retires releases, or says which would go.
///
/// # Errors
///
/// What the library answers; [`Error::Interrupted`] if the user does not want it.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let dry_run = DryRun::from(arguments.dry_run);
    let store = session.write()?;
    let (repo, releases) = planned(&store, arguments)?;
    if releases.is_empty() {
        session.output.note(
            "nothing is old enough: see keep_last and keep_days in bindery.toml, or --keep-last",
        );
    } else if dry_run == DryRun::No && !confirmed(session, releases.len() as u64)? {
        return Err(Error::Interrupted);
    }
    let ids: Vec<(RefName, u64, u64)> = releases
        .iter()
        .map(|(target, row)| (target.clone(), row.epoch, row.seq))
        .collect();
    let mode = match dry_run {
        DryRun::Yes => Mode::DryRun,
        DryRun::No => Mode::Apply,
    };
    let receipt = store.retire_releases(&repo, &ids, mode)?;
    let retired = releases.into_iter().map(|(target, row)| Release {
        target,
        epoch: row.epoch,
        seq: row.seq,
        time: row.time,
    });
    session.output.answer(&Retired {
        retired: retired.collect(),
        freed: Freed::new(receipt, dry_run),
    })
}

/// The releases that go.
fn planned(store: &Store, arguments: &Arguments) -> Result<(RepoRow, Vec<(RefName, ReleaseRow)>)> {
    let (repo, target) = match &arguments.target {
        Some(text) => {
            let (repo, target) = named_ref(store, text, arguments.repo.as_ref())?;
            (repo, Some(target))
        }
        None => (only_repo(store, arguments.repo.as_ref())?, None),
    };
    let said = arguments.keep_last.is_some() || arguments.keep_days.is_some();
    let keep = said.then_some(Keep {
        last: arguments.keep_last,
        days: arguments.keep_days,
    });
    let releases = plan(store, &repo.name, target.as_ref(), keep, Time::now()?)?;
    Ok((repo, releases))
}

/// Asks, if somebody is there who can answer.
fn confirmed(session: &Session, releases: u64) -> Result<bool> {
    let (mut input, mut stderr) = (io::stdin().lock(), io::stderr());
    if session.globals.yes || !input.is_terminal() || !stderr.is_terminal() {
        return Ok(true);
    }
    let failed = || Error::io("ask on", Path::new("the terminal"));
    write!(stderr, "retire {}? [y/N] ", counted(releases, "release")).map_err(failed())?;
    let mut line = String::new();
    input.read_line(&mut line).map_err(failed())?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

impl Answer for Retired {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for release in &self.retired {
            writeln!(out, "{}@{}  {}", release.target, release.seq, release.time)?;
        }
        self.freed.write_text(out, colours)
    }
}
