//! `bindery export`: a repo as plain files, for any web server.

use std::io::{self, Write};
use std::path::PathBuf;

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::build::spec::only_repo;
use bindery::remote::export::{ExportOptions, Exported as Before, export};
use bindery::remote::follow::Asked;
use bindery::remote::http::agent::Agent;
use bindery::store::Patience;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::copied::Copied;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

/// What `export` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery export --static /srv/www"
    "bindery export --static /srv/www stable --url https://example.org/r/os"
))]
pub struct Arguments {
    /// The folder that a web server shows: new, empty, or an export of before
    #[arg(long = "static", value_name = "DIR")]
    folder: PathBuf,
    /// The refs; else all
    #[arg(value_name = "REF")]
    refs: Vec<RefName>,
    /// Where the repo will be found, for its pin file; can be repeated
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Exported {
    repo: RepoName,
    refs: u64,
    new_packs: u64,
    new_bytes: u64,
}

/// Exports a repo.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let progress = session.progress("exporting");
    let named = arguments.repo.as_ref();
    let mut options = ExportOptions {
        refs: arguments.refs.clone(),
        urls: arguments.urls.clone(),
        older: None,
        seen: None,
    };
    let patience = patience(session)?;
    let (repo, answer) = if let Some(server) = session.server()? {
        let said = server.repo(named)?;
        let repo = said.repo;
        let before = Before::read(&arguments.folder, &repo)?;
        // Before anything is fetched; that it is so is checked of what was fetched.
        before.check_root(said.repo_id)?;
        let root = before.repo_id();
        options.seen = Some(before.refs.clone());
        let asked = asked(&server, &repo, before.refs, arguments)?;
        let copied = Copied::of_root(session, &server, &repo, asked, root, &progress)?;
        options.older = Some(&copied.origin);
        let (store, folder) = (copied.store(), &arguments.folder);
        let answer = export(store, &copied.repo, folder, &options, &patience, &progress)?;
        session.output.note(copied.note(&server));
        (repo, answer)
    } else {
        let store = session.read()?;
        let repo = only_repo(&store, named)?;
        let folder = &arguments.folder;
        let answer = export(&store, &repo, folder, &options, &patience, &progress)?;
        (repo.name, answer)
    };
    drop(progress);
    session.output.answer(&Exported {
        repo: repo.clone(),
        refs: answer.refs,
        new_packs: answer.packs,
        new_bytes: answer.bytes,
    })?;
    session.output.note(format_args!(
        "{} of {} can be pulled from {}; {} new, {}",
        counted(answer.refs, "ref"),
        repo,
        arguments.folder.join("r").join(repo.as_str()).display(),
        counted(answer.packs, "pack"),
        size(answer.bytes)
    ));
    Ok(())
}

/// How long others are waited for who export into the folder, and what they are told. Everybody may read that there: not
/// what the command line was.
fn patience(session: &Session) -> Result<Patience> {
    let (process, now) = (std::process::id(), Time::now()?);
    let holder = format!("process {process} since {now}");
    Ok(Patience {
        holder,
        ..session.patience()?
    })
}

/// What is needed of a server: the refs that are named, and those that are in the folder already.
fn asked(
    server: &Agent,
    repo: &RepoName,
    before: Vec<RefName>,
    arguments: &Arguments,
) -> Result<Asked> {
    if arguments.refs.is_empty() {
        return Ok(Asked::All);
    }
    let there = server.refs(repo)?;
    let is_there = |name: &RefName| there.iter().any(|said| said.name == *name);
    let again = before.into_iter().filter(is_there);
    let mut refs: Vec<RefName> = arguments.refs.iter().cloned().chain(again).collect();
    refs.sort_unstable();
    refs.dedup();
    Ok(Asked::Named(refs))
}

impl Answer for Exported {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
