//! `bindery rollback`: show an older release of a ref again, as a new one.

use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::base::remark::Remark;
use bindery::base::{Error, Result};
use bindery::build::rollback::rollback;
use bindery::build::spec::named_ref;
use bindery::remote::wire::refs::Rollback;
use clap::Args;

use super::hold::HELD_BY_HAND;
use super::publish::Released;
use crate::examples::examples;
use crate::server::ref_of;
use crate::session::Session;

/// What `rollback` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery rollback stable --to 41"
    "bindery rollback stable --to 41 --hold      and publish nothing until 'bindery release stable'"
))]
pub struct Arguments {
    /// The ref, or REPO:REF
    #[arg(value_name = "REF")]
    target: String,
    /// The release to show again
    #[arg(long, value_name = "SEQ")]
    to: u64,
    /// Refuse to publish to the ref until it is released
    #[arg(long)]
    hold: bool,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// Rolls a ref back.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let (named, to) = (arguments.repo.as_ref(), arguments.to);
    let reason = |target: &RefName| {
        let held = format!("{HELD_BY_HAND}: rolled back to {target}@{to}");
        arguments.hold.then_some(held)
    };
    let (target, released) = if let Some(server) = session.server()? {
        let (repo, target) = ref_of(&server, &arguments.target, named)?;
        let hold = reason(&target).map(Remark::try_from).transpose();
        let hold = hold.map_err(|error| Error::usage(error.to_string()))?;
        let said = server.roll_back(&repo, &target, &Rollback { to, hold })?;
        (target, Released::visible(said)?)
    } else {
        let store = session.write()?;
        let (repo, target) = named_ref(&store, &arguments.target, named)?;
        let (held, time) = (reason(&target), Time::now()?);
        let answer = rollback(&store, &repo.name, &target, to, held, time)?;
        (target, Released::from(answer))
    };
    session.output.answer(&released)?;
    session.output.note(format_args!(
        "{target} shows again what {target}@{} showed",
        arguments.to
    ));
    if arguments.hold {
        session.output.note(format_args!(
            "{target} is held; let it go with 'bindery release {target}'"
        ));
    }
    Ok(())
}
