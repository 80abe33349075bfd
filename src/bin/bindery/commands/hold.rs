//! `bindery hold` and `bindery release`: refuse to publish to a ref, or a build, for a while.

use std::fmt;
use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::base::remark::Remark;
use bindery::base::{Error, Result};
use bindery::build::hold::hold_ref;
use bindery::build::spec::named_ref;
use clap::Args;
use serde::Serialize;

use super::publish_plan::{Publisher, planned_words};
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::server::ref_of;
use crate::session::Session;
use crate::values::BuildId;

/// The reason of a hold when none is given.
pub const HELD_BY_HAND: &str = "by hand";

/// What `hold` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery hold stable --reason 'freeze until Monday'"
    "bindery hold build:17"
))]
pub struct HoldArguments {
    /// The ref, or REPO:REF; or build:ID
    #[arg(value_name = "REF")]
    target: String,
    /// Why, for whoever wants to publish
    #[arg(long, default_value = HELD_BY_HAND, hide_default_value = true)]
    reason: Remark,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// What `release` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery release stable" "bindery release build:17"))]
pub struct ReleaseArguments {
    /// The ref, or REPO:REF; or build:ID
    #[arg(value_name = "REF")]
    target: String,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Held {
    #[serde(flatten)]
    thing: Thing,
    held: Option<Remark>,
}

/// What is held.
#[derive(Debug, Serialize)]
enum Thing {
    #[serde(rename = "ref")]
    Ref(RefName),
    #[serde(rename = "build")]
    Build(u64),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ref(target) => target.fmt(f),
            Self::Build(build) => write!(f, "build:{build}"),
        }
    }
}

/// Holds a ref or a build.
///
/// # Errors
///
/// What the library answers.
pub fn hold(session: &Session, arguments: &HoldArguments) -> Result<()> {
    let reason = Some(arguments.reason.clone());
    set(session, &arguments.target, arguments.repo.as_ref(), reason)
}

/// Lets a ref or a build go.
///
/// # Errors
///
/// What the library answers.
pub fn release(session: &Session, arguments: &ReleaseArguments) -> Result<()> {
    set(session, &arguments.target, arguments.repo.as_ref(), None)
}

/// Holds a ref or a build for a reason, or lets it go.
fn set(session: &Session, text: &str, repo: Option<&RepoName>, held: Option<Remark>) -> Result<()> {
    let mut then = String::new();
    let thing = if let Some(build) = text.strip_prefix("build:") {
        let BuildId(build) = build.parse().map_err(|why: String| Error::usage(why))?;
        let (said, by) = if let Some(server) = session.server()? {
            (server.hold_build(build, held.clone())?, Publisher::Server)
        } else {
            let store = session.write()?;
            let reason = held.clone().map(String::from);
            let row = store.record_build_hold(build, reason, Time::now()?)?;
            (row.into(), Publisher::Jobs)
        };
        if let Some(due) = &said.due {
            then = format!("; {}", planned_words(build, due, by));
        }
        Thing::Build(build)
    } else if let Some(server) = session.server()? {
        let (repo, target) = ref_of(&server, text, repo)?;
        server.hold(&repo, &target, held.clone())?;
        Thing::Ref(target)
    } else {
        let store = session.write()?;
        let (repo, target) = named_ref(&store, text, repo)?;
        hold_ref(&store, &repo, &target, held.clone().map(String::from))?;
        Thing::Ref(target)
    };
    session.output.note(match &held {
        Some(_) => format!("{thing} is held until 'bindery release {thing}'"),
        None => format!("{thing} is released{then}"),
    });
    session.output.answer(&Held { thing, held })
}

impl Answer for Held {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
