//! `bindery repo`: make and show repos.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::id::StatementId;
use bindery::base::name::{KeyName, RepoName};
use bindery::base::profile::Profile;
use bindery::build::repo::create_repo;
use bindery::build::spec::only_repo;
use bindery::remote::pin::Pin;
use bindery::store::rows::RepoRow;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::{Answer, write_bytes};
use crate::session::Session;
use crate::table::{Side, Table};

/// What can be done with repos.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a repo, with a key of its own unless one is named
    #[command(after_help = examples!(
        "bindery repo create example.org/os"
        "bindery repo create tools --profile portable --key main"
    ))]
    Create(CreateArguments),
    /// List the repos of the store
    #[command(after_help = examples!("bindery repo list"))]
    List,
    /// Show a repo: its id, key and profile
    #[command(after_help = examples!("bindery repo show tools"))]
    Show(ShowArguments),
    /// Print the pin file of a repo: what others need to pull from it for the first time
    #[command(after_help = examples!(
        "bindery repo pin --url /srv/store > os.bindery"
    ))]
    Pin(PinArguments),
}

/// What `repo pin` takes.
#[derive(Debug, Args)]
pub struct PinArguments {
    /// The repo; else the only one there is
    name: Option<RepoName>,
    /// Where it can be pulled from
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
}

/// What `repo create` takes.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The name of the new repo
    name: RepoName,
    /// Which file names it takes: 'posix' all, 'portable' those that every system can hold
    #[arg(long, value_name = "posix|portable", default_value = "posix")]
    profile: Profile,
    /// The key that signs its releases; else one is made
    #[arg(long)]
    key: Option<KeyName>,
}

/// What `repo show` takes.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The repo; else the only one there is
    name: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Repo {
    #[serde(rename = "repo")]
    name: RepoName,
    #[serde(rename = "repo_id")]
    id: StatementId,
    profile: Profile,
    key: KeyName,
    keyset: u64,
    created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_from: Option<String>,
    refs: u64,
}

#[derive(Debug, Serialize)]
struct Repos {
    repos: Vec<Repo>,
}

/// Runs a verb.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Create(arguments) => create(session, arguments),
        Verb::List => list(session),
        Verb::Show(arguments) => show(session, arguments),
        Verb::Pin(arguments) => pin(session, arguments),
    }
}

fn pin(session: &Session, arguments: &PinArguments) -> Result<()> {
    let store = session.read()?;
    let row = only_repo(&store, arguments.name.as_ref())?;
    let pin = Pin::of(&store, &row, arguments.urls.clone())?;
    write_bytes(pin.encode().as_bytes())
}

fn create(session: &Session, arguments: &CreateArguments) -> Result<()> {
    let store = session.write()?;
    let (name, key) = (arguments.name.clone(), arguments.key.as_ref());
    let row = create_repo(&store, name, arguments.profile, key, Time::now()?)?;
    session.output.answer(&repo(row, 0))
}

fn list(session: &Session) -> Result<()> {
    let store = session.read()?;
    let reader = store.reader()?;
    let rows = reader.repos()?.into_iter();
    let repos = rows
        .map(|row| {
            let refs = reader.refs(&row)?.len() as u64;
            Ok(repo(row, refs))
        })
        .collect::<Result<_>>()?;
    session.output.answer(&Repos { repos })
}

fn show(session: &Session, arguments: &ShowArguments) -> Result<()> {
    let store = session.read()?;
    let row = only_repo(&store, arguments.name.as_ref())?;
    let refs = store.reader()?.refs(&row)?.len() as u64;
    session.output.answer(&repo(row, refs))
}

fn repo(row: RepoRow, refs: u64) -> Repo {
    Repo {
        name: row.name,
        id: row.repo_id,
        profile: row.profile,
        key: row.key,
        keyset: row.keyset,
        created: row.created,
        copied_from: row.copied_from,
        refs,
    }
}

const fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Posix => "posix",
        Profile::Portable => "portable",
    }
}

impl Answer for Repo {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "repo     {}", self.name)?;
        writeln!(out, "repo id  {}", self.id)?;
        writeln!(out, "profile  {}", profile_name(self.profile))?;
        writeln!(out, "key      {} (keyset {})", self.key, self.keyset)?;
        writeln!(out, "created  {}", self.created)?;
        if let Some(origin) = &self.copied_from {
            writeln!(out, "copy of  {origin}")?;
        }
        writeln!(out, "refs     {}", self.refs)
    }
}

impl Answer for Repos {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut table = Table::new([
            ("repo", Side::Left),
            ("refs", Side::Right),
            ("profile", Side::Left),
            ("key", Side::Left),
            ("created", Side::Left),
        ]);
        for repo in &self.repos {
            table.push([
                repo.name.to_string(),
                repo.refs.to_string(),
                profile_name(repo.profile).to_owned(),
                repo.key.to_string(),
                repo.created.to_string(),
            ]);
        }
        table.write(out)
    }
}
