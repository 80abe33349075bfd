//! `bindery init`: a store with one repo and its key.

use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::id::StatementId;
use bindery::base::name::{KeyName, RepoName};
use bindery::base::profile::Profile;
use bindery::base::{Error, Result};
use bindery::build::repo::create_repo;
use bindery::store::Store;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;
use crate::store_place::STORE_FOLDER;

/// What `init` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery init                            in ./.bindery"
    "bindery init -s /srv/os --repo example.org/os"
    "bindery init -s /srv/mirror --no-repo   for copies of others alone"
))]
pub struct Arguments {
    /// The name of the first repo
    #[arg(long, value_name = "NAME", default_value = "main")]
    repo: RepoName,
    /// Make no repo: for a store that only keeps copies of others
    #[arg(long, conflicts_with_all = ["repo", "profile"])]
    no_repo: bool,
    /// Which file names it takes: 'posix' all, 'portable' those that every system can hold
    #[arg(long, value_name = "posix|portable", default_value = "posix")]
    profile: Profile,
}

#[derive(Debug, Serialize)]
struct Made {
    store: String,
    repo: RepoName,
    repo_id: StatementId,
    key: KeyName,
}

/// Makes a store in the folder that is named, or in `./.bindery`.
///
/// # Errors
///
/// [`Error::Exists`] if there is one, [`Error::Refused`] if there is something else.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let beside = || session.surroundings.directory.join(STORE_FOLDER);
    let named = session.surroundings.named(session.globals.store.as_deref());
    let root = named.map_or_else(beside, |(root, _)| root);
    if root.is_file() {
        let place = root.display();
        let reason =
            format!("{place} is a file: it marks a checkout, and a store needs another place");
        return Err(Error::refused(reason));
    }
    let store = Store::create(&root, &session.patience()?)?;
    if arguments.no_repo {
        let store = root.display();
        session.output.note(format_args!(
            "{store} is a store without a repo; next: bindery mirror URL, or bindery repo create NAME"
        ));
        return Ok(());
    }
    let repo = create_repo(
        &store,
        arguments.repo.clone(),
        arguments.profile,
        None,
        Time::now()?,
    )?;
    session.output.answer(&Made {
        store: root.display().to_string(),
        repo: repo.name,
        repo_id: repo.repo_id,
        key: repo.key,
    })?;
    session
        .output
        .note("next: bindery build create --ref stable");
    Ok(())
}

impl Answer for Made {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "store    {}", self.store)?;
        writeln!(out, "repo     {}", self.repo)?;
        writeln!(out, "repo id  {}", self.repo_id)?;
        writeln!(out, "key      {}", self.key)
    }
}
