//! `bindery retire`: let go of old releases.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::retire::{Keep, Plan, Tagged, Why, plan};
use bindery::build::spec::{named_ref, only_repo};
use bindery::store::Store;
use bindery::store::retire::Mode;
use bindery::store::rows::{ReleaseRow, RepoRow};
use clap::Args;
use serde::Serialize;

use super::build_purge::{DryRun, Freed};
use crate::colour::Colours;
use crate::duration::{parse_duration, write_duration};
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::counted;
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
    retired: Vec<Release>,
    kept: Vec<Kept>,
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

#[derive(Debug, Serialize)]
struct Kept {
    #[serde(flatten)]
    release: Release,
    because: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// For people.
    #[serde(skip)]
    why: String,
}

/// Retires releases, or says which would go.
///
/// # Errors
///
/// What the library answers; [`Error::Interrupted`] if the user does not want it.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let dry_run = DryRun::from(arguments.dry_run);
    let store = session.write()?;
    let (repo, plan) = planned(&store, arguments)?;
    if plan.going.is_empty() {
        session.output.note(
            "nothing is old enough: see keep_last and keep_days in bindery.toml, or --keep-last",
        );
    } else if dry_run == DryRun::No && !confirmed(session, plan.going.len() as u64)? {
        return Err(Error::Interrupted);
    }
    let mode = match dry_run {
        DryRun::Yes => Mode::DryRun,
        DryRun::No => Mode::Apply,
    };
    let receipt = store.retire_releases(&repo, &plan.ids(), mode)?;
    let retired = plan.going.into_iter().map(Release::from);
    let kept = plan.kept.into_iter();
    session.output.answer(&Retirement {
        retired: retired.collect(),
        kept: kept.map(Kept::from).collect(),
        freed: Freed::new(receipt, dry_run),
    })
}

/// The releases that go, and those that stay.
fn planned(store: &Store, arguments: &Arguments) -> Result<(RepoRow, Plan)> {
    let (repo, target) = match &arguments.target {
        Some(text) => {
            let (repo, target) = named_ref(store, text, arguments.repo.as_ref())?;
            (repo, Some(target))
        }
        None => (only_repo(store, arguments.repo.as_ref())?, None),
    };
    let of_days = arguments.keep_days.map(|n| n.saturating_mul(DAY_SECONDS));
    let keep = Keep {
        last: arguments.keep_last,
        younger_s: of_days.or(arguments.keep_younger.map(|age| age.as_secs())),
        tagged: arguments.keep_tagged.map(Tagged::from),
    };
    let plan = plan(store, &repo.name, target.as_ref(), keep, Time::now()?)?;
    Ok((repo, plan))
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

impl From<(RefName, ReleaseRow)> for Release {
    fn from((target, row): (RefName, ReleaseRow)) -> Self {
        Self {
            target,
            epoch: row.epoch,
            seq: row.seq,
            time: row.time,
        }
    }
}

impl From<(RefName, ReleaseRow, Why)> for Kept {
    fn from((target, row, why): (RefName, ReleaseRow, Why)) -> Self {
        let (because, words) = match &why {
            Why::Shown => ("shown", "shown now".to_owned()),
            Why::NoRule => ("no-rule", "without a rule".to_owned()),
            Why::Last(last) => ("last", format!("among the last {last}")),
            Why::Younger(s) => ("younger", format!("younger than {}", write_duration(*s))),
            Why::Tagged(_) => ("tagged", "tagged".to_owned()),
            Why::Unreadable => ("unreadable", "of which nobody can read the tag".to_owned()),
        };
        let tag = match why {
            Why::Tagged(tag) => Some(tag),
            _ => None,
        };
        Self {
            release: Release::from((target, row)),
            because,
            tag,
            why: words,
        }
    }
}

impl Retirement {
    /// How many stay for which reasons, in words.
    fn kept(&self) -> String {
        let mut reasons: Vec<(&str, u64)> = Vec::new();
        for kept in &self.kept {
            match reasons.iter_mut().find(|(why, _)| *why == kept.why) {
                Some((_, count)) => *count += 1,
                None => reasons.push((&kept.why, 1)),
            }
        }
        let reasons = reasons.iter().map(|(why, count)| format!("{count} {why}"));
        let tags: Vec<&str> = self
            .kept
            .iter()
            .filter_map(|kept| kept.tag.as_deref())
            .collect();
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
