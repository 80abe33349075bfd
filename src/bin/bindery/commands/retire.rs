//! `bindery retire`: let go of old releases.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use bindery::base::clock::Time;
use bindery::base::duration::{parse_duration, write_duration};
use bindery::base::name::RepoName;
use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::build::retire::{Keep, Tagged, plan};
use bindery::build::spec::{named_ref, only_repo};
use bindery::remote::http::agent::Agent;
use bindery::remote::wire::repos::{KeptRelease, Retire, Retired, RetiredRelease};
use bindery::store::retire::Mode;
use clap::Args;
use serde::Serialize;

use super::build_purge::{DryRun, Freed};
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::counted;
use crate::server::ref_of;
use crate::session::Session;

/// Seconds of a day.
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// Tags that people are told of by name; the rest is counted.
const TAGS_TOLD_MAX: usize = 5;

/// What `retire` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery retire --dry-run                 by the settings of the store"
    "bindery retire stable --keep-last 10 --keep-younger 12h"
    "bindery retire stable --keep-last 10 --keep-tagged false"
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
    /// Keep those younger than this, too, such as 12h or 30d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "keep_days")]
    keep_younger: Option<Duration>,
    /// Whether those with a label 'tag' are kept, too; else as the settings say, which keep them if they say nothing
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    keep_tagged: Option<bool>,
    /// Say what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Retirement {
    retired: Vec<RetiredRelease>,
    kept: Vec<KeptRelease>,
    #[serde(flatten)]
    freed: Freed,
}

/// Retires releases, or says which would go.
///
/// # Errors
///
/// What the library answers; [`Error::Interrupted`] if the user does not want it.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let retired = match session.server()? {
        Some(server) => retire_there(session, &server, arguments)?,
        None => retire_here(session, arguments)?,
    };
    if retired.retired.is_empty() {
        session.output.note(
            "nothing is old enough: see keep_last and keep_days in bindery.toml, or --keep-last",
        );
    }
    let dry_run = DryRun::from(arguments.dry_run);
    session.output.answer(&Retirement {
        retired: retired.retired,
        kept: retired.kept,
        freed: Freed::new(retired.freed.into(), dry_run),
    })
}

fn retire_here(session: &Session, arguments: &Arguments) -> Result<Retired> {
    let store = session.write()?;
    let (repo, target) = match &arguments.target {
        Some(text) => {
            let (repo, target) = named_ref(&store, text, arguments.repo.as_ref())?;
            (repo, Some(target))
        }
        None => (only_repo(&store, arguments.repo.as_ref())?, None),
    };
    let keep = Keep {
        last: arguments.keep_last,
        younger_s: arguments.keep_seconds(),
        tagged: arguments.keep_tagged.map(Tagged::from),
    };
    let plan = plan(&store, &repo.name, target.as_ref(), keep, Time::now()?)?;
    check_wanted(session, arguments, plan.going.len())?;
    let receipt = store.retire_releases(&repo, &plan.ids(), arguments.mode())?;
    Ok(Retired::of(plan, receipt))
}

fn retire_there(session: &Session, server: &Agent, arguments: &Arguments) -> Result<Retired> {
    let (repo, target) = match &arguments.target {
        Some(text) => {
            let (repo, target) = ref_of(server, text, arguments.repo.as_ref())?;
            (repo, Some(target))
        }
        None => (server.only_repo(arguments.repo.as_ref())?, None),
    };
    let asked = Retire {
        target,
        keep_last: arguments.keep_last,
        keep_seconds: arguments.keep_seconds(),
        keep_tagged: arguments.keep_tagged,
    };
    let would = server.retire(&repo, &asked, Mode::DryRun)?;
    if arguments.dry_run {
        return Ok(would);
    }
    check_wanted(session, arguments, would.retired.len())?;
    server.retire(&repo, &asked, Mode::Apply)
}

impl Arguments {
    /// Younger than so many seconds is what stays, whatever else.
    fn keep_seconds(&self) -> Option<u64> {
        let of_days = self.keep_days.map(|n| n.saturating_mul(DAY_SECONDS));
        of_days.or(self.keep_younger.map(|age| age.as_secs()))
    }

    const fn mode(&self) -> Mode {
        if self.dry_run {
            Mode::DryRun
        } else {
            Mode::Apply
        }
    }
}

/// Checks that somebody wants so many releases to go.
fn check_wanted(session: &Session, arguments: &Arguments, releases: usize) -> Result<()> {
    if releases > 0 && !arguments.dry_run && !confirmed(session, releases as u64)? {
        return Err(Error::Interrupted);
    }
    Ok(())
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

/// Why a release stays, in words.
fn why(kept: &KeptRelease) -> String {
    let bound = kept.bound.unwrap_or_default();
    match kept.because.as_str() {
        "shown" => "shown now".to_owned(),
        "no-rule" => "without a rule".to_owned(),
        "last" => format!("among the last {bound}"),
        "younger" => format!("younger than {}", write_duration(bound)),
        "unreadable" => "of which nobody can read the tag".to_owned(),
        other => other.to_owned(),
    }
}

impl Retirement {
    /// How many stay for which reasons, in words.
    fn kept(&self) -> String {
        let mut reasons: Vec<(String, u64)> = Vec::new();
        for why in self.kept.iter().map(why) {
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, count)) => *count += 1,
                None => reasons.push((why, 1)),
            }
        }
        let reasons = reasons.iter().map(|(why, count)| format!("{count} {why}"));
        let tags = self.kept.iter().filter_map(|kept| kept.tag.as_deref());
        let tags: Vec<String> = tags.map(printable).collect();
        let told = tags[..tags.len().min(TAGS_TOLD_MAX)].join(", ");
        let tags = match tags.len() {
            0 => String::new(),
            count if count > TAGS_TOLD_MAX => format!(" ({told} ...)"),
            _ => format!(" ({told})"),
        };
        let releases = counted(self.kept.len() as u64, "release");
        let reasons: Vec<String> = reasons.collect();
        format!("{releases}: {}{tags}", reasons.join(", "))
    }
}

impl Answer for Retirement {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for release in &self.retired {
            writeln!(out, "{}@{}  {}", release.target, release.seq, release.time)?;
        }
        if !self.kept.is_empty() {
            let verb = if self.freed.dry_run {
                "would keep"
            } else {
                "kept"
            };
            writeln!(out, "{verb} {}", self.kept())?;
        }
        self.freed.write_text(out, colours)
    }
}
