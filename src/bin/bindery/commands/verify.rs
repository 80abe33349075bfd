//! `bindery verify`: signatures, completeness and hashes, or a directory against a release.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::name::RepoName;
use bindery::base::{Error, Result};
use bindery::build::spec::{Resolved, Spec, Which, only_repo};
use bindery::build::verify::{VerifyAnswer, against, verify_ref, verify_repo, verify_snapshot};
use bindery::store::Store;
use bindery::store::rows::RepoRow;
use clap::Args;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

/// What `verify` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery verify                               every ref of the repo"
    "bindery verify build:17"
    "bindery verify stable --against /srv/www     a directory against a release"
))]
pub struct Arguments {
    /// A ref with its signatures, or REF@SEQ, REF~N, build:ID or an id; else every ref
    spec: Option<Spec>,
    /// Every ref of every repo
    #[arg(long, conflicts_with_all = ["spec", "repo"])]
    all: bool,
    /// Compare this directory with the snapshot; exits with 7 if they differ
    #[arg(long, value_name = "DIR", requires = "spec")]
    against: Option<PathBuf>,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Default, Serialize)]
struct Verified {
    statements: u64,
    snapshots: u64,
    objects: u64,
    bytes: u64,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Compared {
    name: String,
    directory: String,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    path: String,
    what: String,
}

/// Verifies.
///
/// # Errors
///
/// [`Error::Damaged`] and [`Error::Untrusted`] say what is wrong.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let store = session.read()?;
    match (&arguments.spec, &arguments.against) {
        (Some(spec), Some(directory)) => {
            let found = session.resolve(&store, spec, arguments.repo.as_ref())?;
            compare(session, &store, found, directory)
        }
        (Some(spec), None) => {
            let found = session.resolve(&store, spec, arguments.repo.as_ref())?;
            verify_one(session, &store, spec, &found)
        }
        (None, _) if arguments.all => verify_repos(session, &store, &store.reader()?.repos()?),
        (None, _) => verify_repos(
            session,
            &store,
            &[only_repo(&store, arguments.repo.as_ref())?],
        ),
    }
}

fn verify_repos(session: &Session, store: &Store, repos: &[RepoRow]) -> Result<()> {
    let mut sums = Verified::default();
    let progress = session.progress("verifying");
    for repo in repos {
        sums.add(verify_repo(store, repo, &progress)?);
    }
    drop(progress);
    sums.finish(session)
}

/// Verifies a ref with its statements, or a snapshot alone.
fn verify_one(session: &Session, store: &Store, spec: &Spec, found: &Resolved) -> Result<()> {
    let mut sums = Verified::default();
    let progress = session.progress("verifying");
    match spec {
        Spec::Ref {
            name,
            which: Which::Newest,
            ..
        } if store.reader()?.find_ref(&found.repo, name)?.is_some() => {
            sums.add(verify_ref(store, &found.repo, name, &progress)?);
        }
        Spec::Ref { .. } | Spec::Build(_) => {
            let view = store.view(&found.repo.name, &found.builds)?;
            sums.add(verify_snapshot(&view, found.snapshot, &progress)?);
            sums.notes.push(format!(
                "the content of {} was checked, no signatures",
                found.name
            ));
        }
    }
    drop(progress);
    sums.finish(session)
}

fn compare(session: &Session, store: &Store, found: Resolved, directory: &Path) -> Result<()> {
    let view = store.view(&found.repo.name, &found.builds)?;
    let root = view.snapshot_of_size(found.snapshot)?.tree;
    let progress = session.progress("comparing");
    let differences = against(&view, root, directory, &progress)?.into_iter();
    drop(progress);
    let differences: Vec<Difference> = differences
        .map(|difference| Difference {
            path: difference.path.to_string(),
            what: difference.what.to_string(),
        })
        .collect();
    let directory = directory.display().to_string();
    let (number, name) = (differences.len() as u64, found.name.clone());
    session.output.answer(&Compared {
        name: found.name,
        directory: directory.clone(),
        differences,
    })?;
    if number == 0 {
        session
            .output
            .note(format_args!("{directory} is what {name} shows"));
        return Ok(());
    }
    let reason = format!("it differs from {name} in {}", counted(number, "path"));
    Err(Error::Untrusted {
        what: directory,
        reason,
    })
}

impl Verified {
    fn add(&mut self, answer: VerifyAnswer) {
        self.statements += answer.statements;
        self.snapshots += answer.snapshots;
        self.objects += answer.objects;
        self.bytes += answer.bytes;
        self.notes.extend(answer.notes);
    }

    fn finish(self, session: &Session) -> Result<()> {
        for note in &self.notes {
            session.output.note(format_args!("note: {note}"));
        }
        session.output.answer(&self)
    }
}

impl Answer for Verified {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        let (statements, snapshots) = (
            counted(self.statements, "statement"),
            counted(self.snapshots, "snapshot"),
        );
        let (objects, bytes) = (counted(self.objects, "object"), size(self.bytes));
        let verdict = colours.paint(Tone::Good, "good:");
        writeln!(
            out,
            "{verdict} {statements}, {snapshots}, {objects}, {bytes}"
        )
    }
}

impl Answer for Compared {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for difference in &self.differences {
            let what = colours.paint(Tone::Bad, &difference.what);
            writeln!(out, "{what}  {}", difference.path)?;
        }
        Ok(())
    }
}
