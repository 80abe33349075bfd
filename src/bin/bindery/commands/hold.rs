//! `bindery hold` and `bindery release`: refuse to publish to a ref for a while.

use std::io::{self, Write};

use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
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
    let (target, before) = if let Some(server) = session.server()? {
        let (repo, target) = ref_of(&server, text, repo)?;
        let refs = server.refs(&repo)?.into_iter();
        let before = refs
            .filter(|said| said.name == target)
            .find_map(|said| said.held);
        server.hold(&repo, &target, held.clone())?;
        (target, before)
    } else {
        let store = session.write()?;
        let (repo, target) = named_ref(&store, text, repo)?;
        let row = store.reader()?.find_ref(&repo, &target)?;
        let row = row.ok_or_else(|| Error::not_found("ref", &target))?;
        store.record_hold(&repo, &target, held.clone())?;
        (target, row.held)
    };
    session.output.note(match (&before, &held) {
        (_, Some(_)) => format!("{target} is held until 'bindery release {target}'"),
        (Some(_), None) => format!("{target} is released"),
        (None, None) => format!("{target} was not held"),
    });
    session.output.answer(&Held { target, held })
}

impl Answer for Held {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
