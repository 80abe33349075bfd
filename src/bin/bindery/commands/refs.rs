//! `bindery refs`: the refs of a repo.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::id::SnapshotId;
use bindery::base::name::{RefName, RepoName};
use bindery::base::printable::printable;
use bindery::build::spec::only_repo;
use bindery::remote::wire::refs::RefSaid;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;
use crate::table::{Side, Table};

/// What `refs` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery refs" "bindery refs --repo tools"))]
pub struct Arguments {
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Refs {
    repo: RepoName,
    refs: Vec<Ref>,
}

#[derive(Debug, Serialize)]
struct Ref {
    #[serde(rename = "ref")]
    name: RefName,
    epoch: Option<u64>,
    seq: Option<u64>,
    snapshot: Option<SnapshotId>,
    time: Option<Time>,
    pending: Vec<u64>,
    held: Option<String>,
}

/// Lists the refs.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let named = arguments.repo.as_ref();
    let (repo, refs) = if let Some(server) = session.server()? {
        let repo = server.only_repo(named)?;
        let refs = server.refs(&repo)?;
        (repo, refs)
    } else {
        let store = session.read()?;
        let repo = only_repo(&store, named)?;
        let rows = store.reader()?.refs(&repo)?;
        (repo.name, rows.into_iter().map(RefSaid::from).collect())
    };
    if refs.is_empty() {
        session
            .output
            .note(format_args!("nothing was published in {repo} yet"));
    }
    session.output.answer(&Refs {
        repo,
        refs: refs.into_iter().map(Ref::from).collect(),
    })
}

impl From<RefSaid> for Ref {
    fn from(said: RefSaid) -> Self {
        Self {
            name: said.name,
            epoch: said.epoch,
            seq: said.seq,
            snapshot: said.snapshot,
            time: said.time,
            pending: said.pending,
            held: said.held,
        }
    }
}

impl Ref {
    fn note(&self) -> String {
        let pending: Vec<String> = self.pending.iter().map(u64::to_string).collect();
        let pending =
            (!pending.is_empty()).then(|| format!("pending: build {}", pending.join(", ")));
        let held = self
            .held
            .as_ref()
            .map(|reason| format!("held: {}", printable(reason)));
        let notes: Vec<String> = held.into_iter().chain(pending).collect();
        notes.join("; ")
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

impl Answer for Refs {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        if self.refs.is_empty() {
            return Ok(());
        }
        let mut table = Table::new([
            ("ref", Side::Left),
            ("seq", Side::Right),
            ("published", Side::Left),
            ("snapshot", Side::Left),
            ("", Side::Left),
        ]);
        for row in &self.refs {
            let snapshot = row.snapshot.map(|snapshot| snapshot.hash().short());
            table.push([
                row.name.to_string(),
                text(row.seq),
                text(row.time),
                text(snapshot),
                row.note(),
            ]);
        }
        table.write(out)
    }
}
