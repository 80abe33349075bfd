//! `bindery verify`: signatures, completeness and hashes, or a directory against a release.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::name::{RefName, RepoName};
use bindery::base::path::TreePath;
use bindery::base::{Error, Result};
use bindery::build::spec::{Spec, Which, is_prefix, only_repo};
use bindery::build::verify::{VerifyAnswer, against, verify_ref, verify_repo, verify_snapshot};
use bindery::remote::follow::Asked;
use bindery::remote::gather::Amount;
use bindery::remote::http::origin::NO_HEADS;
use bindery::remote::snapshots::{Named, Snapshots};
use clap::Args;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::copied::Copied;
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
    let named = arguments.repo.as_ref();
    let Some(spec) = &arguments.spec else {
        return verify_repos(session, arguments);
    };
    let snapshots = session.snapshots()?;
    let found = session.find(&*snapshots, spec, named)?;
    match &arguments.against {
        Some(directory) => compare(session, &*snapshots, found, directory),
        None => verify_one(session, snapshots, spec, &found),
    }
}

/// Verifies a repo, or all, with every ref.
fn verify_repos(session: &Session, arguments: &Arguments) -> Result<()> {
    let mut sums = Verified::default();
    let progress = session.progress("verifying");
    let named = arguments.repo.as_ref();
    if let Some(server) = session.server()? {
        let repos = if arguments.all {
            server.repos()?.repos
        } else {
            vec![server.repo(named)?]
        };
        for repo in repos {
            let copied = match Copied::of(session, &server, &repo.repo, Asked::All, &progress) {
                // That there is nothing to verify is not believed before the heads were asked for.
                Err(Error::NotFound { what: NO_HEADS, .. }) if repo.refs == 0 => {
                    let words = format!(
                        "{}: there are no releases, so nothing was verified",
                        repo.repo
                    );
                    sums.notes.push(words);
                    continue;
                }
                copied => copied?,
            };
            sums.add(verify_repo(copied.store(), &copied.repo, &progress)?);
            sums.notes.push(copied.note(&server));
        }
    } else {
        let store = session.read()?;
        let repos = if arguments.all {
            store.reader()?.repos()?
        } else {
            vec![only_repo(&store, named)?]
        };
        for repo in repos {
            sums.add(verify_repo(&store, &repo, &progress)?);
        }
    }
    drop(progress);
    sums.finish(session)
}

/// Verifies a ref with its statements, or a snapshot alone.
fn verify_one(
    session: &Session,
    snapshots: Box<dyn Snapshots>,
    spec: &Spec,
    found: &Named,
) -> Result<()> {
    let mut sums = Verified::default();
    let progress = session.progress("verifying");
    match (spec, session.server()?) {
        (Spec::Ref { name, which, .. }, server) if is_signed(found, name, *which) => {
            // One store is not opened twice.
            drop(snapshots);
            if let Some(server) = server {
                let asked = Asked::Named(vec![name.clone()]);
                let copied = Copied::of(session, &server, &found.repo, asked, &progress)?;
                sums.add(verify_ref(copied.store(), &copied.repo, name, &progress)?);
                sums.notes.push(copied.note(&server));
            } else {
                let store = session.read()?;
                let repo = store.reader()?.repo(&found.repo)?;
                sums.add(verify_ref(&store, &repo, name, &progress)?);
            }
        }
        (Spec::Ref { .. } | Spec::Build(_), _) => {
            let (root, name) = (TreePath::root(), &found.name);
            snapshots.gather(found, Amount::Beneath(&root), &progress, &mut |stock| {
                stock.with_blobs(&[], &mut |view| {
                    sums.add(verify_snapshot(view, found.snapshot, &progress)?);
                    Ok(())
                })
            })?;
            let words = format!("the content of {name} was checked, no signatures");
            sums.notes.push(words);
        }
    }
    drop(progress);
    sums.finish(session)
}

/// Whether what a ref shows now is asked for, which is signed. Only what may be an id can be something else, and only then it
/// counts what was found: a server has no say in whether signatures are checked.
fn is_signed(found: &Named, name: &RefName, which: Which) -> bool {
    let is_snapshot = is_prefix(name) && found.name == found.snapshot.id.to_string();
    which == Which::Newest && !is_snapshot
}

fn compare(
    session: &Session,
    snapshots: &dyn Snapshots,
    found: Named,
    directory: &Path,
) -> Result<()> {
    let contents = snapshots.open(&[&found])?;
    let root = contents.snapshot(found.snapshot)?.tree;
    let progress = session.progress("comparing");
    let differences = against(&*contents, root, directory, &progress)?.into_iter();
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
