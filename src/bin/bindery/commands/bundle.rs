//! `bindery bundle`: carry a release from one store to another as a file.

use std::io::{self, Write};
use std::path::PathBuf;

use bindery::base::id::SnapshotId;
use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::spec::{Spec, shown_ref};
use bindery::remote::bundle::{Bundle, create};
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::origin::Origin;
use bindery::remote::pull::PullOptions;
use bindery::remote::snapshots::Snapshots;
use bindery::remote::store_origin::StoreOrigin;
use bindery::store::Store;
use bindery::store::rows::{RepoRow, SnapshotRef};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::pull;
use crate::carried::Carried;
use crate::colour::Colours;
use crate::copied::Copied;
use crate::examples::examples;
use crate::first_contact::FirstContact;
use crate::output::{Answer, Way};
use crate::quantity::size;
use crate::session::Session;

/// What can be done with bundles.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write what a ref shows, with everything that proves it, into a file
    #[command(after_help = examples!(
        "bindery bundle create stable -o stable.bundle"
        "bindery bundle create stable --from stable@41 -o 41-42.bundle    for those who have stable@41"
        "bindery bundle create stable@42 -o - > stable.bundle             if stable still shows release 42"
    ))]
    Create(CreateArguments),
    /// Take a bundle in, verified like a pull
    #[command(after_help = examples!(
        "bindery bundle import stable.bundle --pin os.bindery             at first contact"
        "bindery bundle import 41-42.bundle"
    ))]
    Import(ImportArguments),
}

/// What `bundle create` takes.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The ref, or the release that it shows now
    #[arg(value_name = "SPEC")]
    target: Spec,
    /// A snapshot that those who get the bundle have already
    #[arg(long, value_name = "SPEC")]
    from: Option<Spec>,
    /// The file to write; - is standard output, if that is no terminal
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// What `bundle import` takes.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The bundle; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    first: FirstContact,
    /// Follow the ref also when its owners moved it back to an older release
    #[arg(long)]
    allow_rewind: bool,
}

#[derive(Debug, Serialize)]
struct Bundled {
    #[serde(rename = "ref")]
    target: RefName,
    snapshot: SnapshotId,
    from: Option<SnapshotId>,
    bytes: u64,
}

/// Runs a verb.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Create(arguments) => write(session, arguments),
        Verb::Import(arguments) => import(session, arguments),
    }
}

fn write(session: &Session, arguments: &CreateArguments) -> Result<()> {
    let named = arguments.repo.as_ref();
    let progress = session.progress("bundling");
    if let Some(server) = session.server()? {
        let Spec::Ref { name, which, .. } = &arguments.target else {
            return Err(Error::refused("a bundle carries what a ref shows"));
        };
        let found = session.find(&*session.snapshots()?, &arguments.target, named)?;
        // What will be refused is refused before anything is fetched.
        if let Some(newest) = server.releases(&found.repo, name, 1)?.first() {
            which.check_shown(name, newest.seq).map_err(not_carried)?;
        }
        let from = start(session, &*session.snapshots()?, arguments, &found.repo)?;
        let asked = Asked::Named(vec![name.clone()]);
        let copied = Copied::of(session, &server, &found.repo, asked, &progress)?;
        session.output.note(copied.note(&server));
        // The pack is made where the snapshot is from which it starts.
        let origin = StoreOrigin::new(copied.store(), copied.repo.clone(), &progress);
        let there = (&origin, &copied.origin as &dyn Origin);
        return write_from(session, arguments, copied.store(), there, from);
    }
    let store = session.read()?;
    let (repo, _) = shown(&store, arguments)?;
    let from = start(session, &store, arguments, &repo.name)?;
    let origin = StoreOrigin::new(&store, repo, &progress);
    write_from(session, arguments, &store, (&origin, &origin), from)
}

/// The repo and ref that are meant.
fn shown(store: &Store, arguments: &CreateArguments) -> Result<(RepoRow, RefName)> {
    shown_ref(store, &arguments.target, arguments.repo.as_ref()).map_err(not_carried)
}

/// Says with what is no more shown that it cannot be carried.
fn not_carried(error: Error) -> Error {
    match error {
        Error::Refused { reason } => Error::refused(format!(
            "{reason}, and a bundle carries what a ref shows now"
        )),
        other => other,
    }
}

/// What those who get the bundle have already.
fn start(
    session: &Session,
    snapshots: &dyn Snapshots,
    arguments: &CreateArguments,
    repo: &RepoName,
) -> Result<Option<SnapshotRef>> {
    let Some(spec) = &arguments.from else {
        return Ok(None);
    };
    let found = session.find(snapshots, spec, Some(repo))?;
    if matches!(spec, Spec::Build(_)) {
        let words = "is not what others have: a bundle starts from a release";
        return Err(Error::usage(format!("{} {words}", found.name)));
    }
    Ok(Some(found.snapshot))
}

fn write_from(
    session: &Session,
    arguments: &CreateArguments,
    store: &Store,
    (origin, far): (&StoreOrigin<'_>, &dyn Origin),
    from: Option<SnapshotRef>,
) -> Result<()> {
    let (repo, target) = shown(store, arguments)?;
    let file = Some(arguments.output.as_path());
    let write = |out: &mut dyn Write| create(store, &repo, &target, from, origin, far, out);
    let (snapshot, bytes, way) = session.output.make_file("a bundle", file, write)?;
    session.output.note(format_args!(
        "{} brings {target} to those who {}: {}",
        arguments.output.display(),
        if from.is_some() {
            "have what it starts from"
        } else {
            "have nothing"
        },
        size(bytes)
    ));
    if way == Way::Stdout {
        return Ok(());
    }
    session.output.answer(&Bundled {
        target,
        snapshot: snapshot.id,
        from: from.map(|from| from.id),
        bytes,
    })
}

fn import(session: &Session, arguments: &ImportArguments) -> Result<()> {
    let root = arguments.first.root()?;
    let named = |error| Carried::Bundle.named(&arguments.file, error);
    let place = arguments.file.display().to_string();
    let bundle = Carried::Bundle.open(&arguments.file)?;
    let bundle = Bundle::open(bundle, place).map_err(named)?;
    let store = session.write()?;
    let options = PullOptions {
        repo_id: None,
        root,
        asked: Asked::Named(vec![bundle.target().clone()]),
        rewinds: if arguments.allow_rewind {
            Rewinds::Allow
        } else {
            Rewinds::Refuse
        },
    };
    let progress = session.progress("importing");
    let answer = pull::take(&store, &bundle, &options, &progress).map_err(named)?;
    drop(progress);
    pull::tell(session, answer)
}

impl Answer for Bundled {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
