//! `bindery hold` and `bindery release`: refuse to publish to a ref for a while.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::name::{RefName, RepoName};
use bindery::build::hold::hold_ref;
use bindery::build::spec::named_ref;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::server::ref_of;
use crate::session::Session;

/// The reason of a hold when none is given.
pub const HELD_BY_HAND: &str = "by hand";

/// What `hold` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery hold stable --reason 'freeze until Monday'"))]
pub struct HoldArguments {
    /// The ref, or REPO:REF
    #[arg(value_name = "REF")]
    target: String,
    /// Why, for whoever wants to publish
    #[arg(long, default_value = HELD_BY_HAND, hide_default_value = true)]
    reason: String,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// What `release` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery release stable"))]
pub struct ReleaseArguments {
    /// The ref, or REPO:REF
    #[arg(value_name = "REF")]
    target: String,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Held {
    #[serde(rename = "ref")]
    target: RefName,
    held: Option<String>,
}

/// Holds a ref.
///
/// # Errors
///
/// What the library answers.
pub fn hold(session: &Session, arguments: &HoldArguments) -> Result<()> {
    let reason = Some(arguments.reason.clone());
    set(session, &arguments.target, arguments.repo.as_ref(), reason)
}

/// Lets a ref go.
///
/// # Errors
///
/// What the library answers.
pub fn release(session: &Session, arguments: &ReleaseArguments) -> Result<()> {
    set(session, &arguments.target, arguments.repo.as_ref(), None)
}

fn set(session: &Session, text: &str, repo: Option<&RepoName>, held: Option<String>) -> Result<()> {
    let target = if let Some(server) = session.server()? {
        let (repo, target) = ref_of(&server, text, repo)?;
        server.hold(&repo, &target, held.clone())?;
        target
    } else {
        let store = session.write()?;
        let (repo, target) = named_ref(&store, text, repo)?;
        hold_ref(&store, &repo, &target, held.clone())?;
        target
    };
    session.output.note(match &held {
        Some(_) => format!("{target} is held until 'bindery release {target}'"),
        None => format!("{target} is released"),
    });
    session.output.answer(&Held { target, held })
}

impl Answer for Held {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
