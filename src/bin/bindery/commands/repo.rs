//! `bindery repo`: make and show repos.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::name::{KeyName, RepoName};
use bindery::base::profile::Profile;
use bindery::build::repo::create_repo;
use bindery::build::spec::only_repo;
use bindery::remote::pin::Pin;
use bindery::remote::wire::refs::{RepoSaid, Repos as ReposSaid};
use bindery::remote::wire::repos::CreateRepo;
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

/// A repo, as it is shown.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Repo(RepoSaid);

/// Many of them.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Repos(ReposSaid);

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
    let (name, urls) = (arguments.name.as_ref(), arguments.urls.clone());
    let pin = if let Some(server) = session.server()? {
        let repo = server.only_repo(name)?;
        let mut pin = server.pin(&repo)?;
        if !urls.is_empty() {
            pin = pin.at(urls)?;
        } else if pin.urls.is_empty() {
            pin = pin.at(vec![server.server().join(&format!("r/{repo}"))])?;
        }
        pin
    } else {
        let store = session.read()?;
        let row = only_repo(&store, name)?;
        Pin::of(&store, &row, urls)?
    };
    write_bytes(pin.encode().as_bytes())
}

fn create(session: &Session, arguments: &CreateArguments) -> Result<()> {
    let (name, key) = (arguments.name.clone(), arguments.key.as_ref());
    if let Some(server) = session.server()? {
        return session.output.answer(&Repo(server.create_repo(&CreateRepo {
            repo: name,
            profile: Some(arguments.profile),
            key: key.cloned(),
        })?));
    }
    let store = session.write()?;
    let row = create_repo(&store, name, arguments.profile, key, Time::now()?)?;
    session.output.answer(&Repo(RepoSaid::of(&store, row)?))
}

fn list(session: &Session) -> Result<()> {
    if let Some(server) = session.server()? {
        return session.output.answer(&Repos(server.repos()?));
    }
    let store = session.read()?;
    let rows = store.reader()?.repos()?.into_iter();
    let repos = rows.map(|row| RepoSaid::of(&store, row));
    let repos = repos.collect::<Result<_>>()?;
    session.output.answer(&Repos(ReposSaid { repos }))
}

fn show(session: &Session, arguments: &ShowArguments) -> Result<()> {
    let name = arguments.name.as_ref();
    if let Some(server) = session.server()? {
        return session.output.answer(&Repo(server.repo(name)?));
    }
    let store = session.read()?;
    let row = only_repo(&store, name)?;
    session.output.answer(&Repo(RepoSaid::of(&store, row)?))
}

const fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Posix => "posix",
        Profile::Portable => "portable",
    }
}

impl Answer for Repo {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let repo = &self.0;
        writeln!(out, "repo     {}", repo.repo)?;
        writeln!(out, "repo id  {}", repo.repo_id)?;
        writeln!(out, "profile  {}", profile_name(repo.profile))?;
        writeln!(out, "key      {} (keyset {})", repo.key, repo.keyset)?;
        writeln!(out, "created  {}", repo.created)?;
        if let Some(origin) = &repo.copied_from {
            writeln!(out, "copy of  {origin}")?;
        }
        writeln!(out, "refs     {}", repo.refs)
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
        for repo in &self.0.repos {
            table.push([
                repo.repo.to_string(),
                repo.refs.to_string(),
                profile_name(repo.profile).to_owned(),
                repo.key.to_string(),
                repo.created.to_string(),
            ]);
        }
        table.write(out)
    }
}
