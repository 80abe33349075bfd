//! `bindery pull`: fetch and verify what another store released.

use std::io::{self, Write};
use std::path::Path;

use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::path::TreePath;
use bindery::base::progress::Progress;
use bindery::base::{Error, Result};
use bindery::build::spec::only_repo;
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::http::url::ServerUrl;
use bindery::remote::mirrors::{from_any, pull_from_any};
use bindery::remote::origin::Origin;
use bindery::remote::pull::{PullAnswer, PullOptions, PulledRef, pull};
use bindery::remote::store_origin::StoreOrigin;
use bindery::remote::subtree::{Subtree, SubtreeAnswer, pull_subtree};
use bindery::store::{Access, Store};
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::first_contact::FirstContact;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::server::origins_at;
use crate::session::Session;

/// What `pull` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery pull https://example.org/r/os --root 7d0c...    first contact: the repo id comes from its owners"
    "bindery pull https://example.org/r/os stable --pin os.bindery"
    "bindery pull https://example.org/r/os                   whatever is new of what is followed"
    "bindery pull /srv/store --all                           from a store on this machine"
    "bindery pull https://example.org/r/os stable --path etc one directory, as a build"
))]
pub struct Arguments {
    /// Where to pull from: the URL of a repo, or a store's folder on this machine
    #[arg(value_name = "URL|STORE")]
    origin: String,
    /// The refs; else those that are followed already, or all at first contact
    #[arg(value_name = "REF")]
    refs: Vec<RefName>,
    /// All refs, also those that are new there
    #[arg(long, conflicts_with = "refs")]
    all: bool,
    /// The repo there; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
    #[command(flatten)]
    first: FirstContact,
    /// Another place that has the same, tried if the first one will not do; can be repeated
    #[arg(long = "mirror", value_name = "URL")]
    mirrors: Vec<String>,
    /// Follow a ref also when its owners moved it back to an older release
    #[arg(long)]
    allow_rewind: bool,
    /// Take this directory of the ref alone: it becomes a build, which is committed
    #[arg(long, value_name = "PATH", requires = "refs", conflicts_with = "all")]
    path: Option<TreePath>,
    /// With --path: the repo of this store that gets the build; else the only one that is no copy
    #[arg(long, value_name = "REPO", requires = "path")]
    into: Option<RepoName>,
}

/// What was pulled.
#[derive(Debug, Serialize)]
pub struct Pulled {
    repo: RepoName,
    snapshot: Option<SnapshotId>,
    signed: Time,
    expires: Option<Time>,
    refs: Vec<Moved>,
    requests: u64,
    received_bytes: u64,
    new_objects: u64,
}

#[derive(Debug, Serialize)]
struct Moved {
    #[serde(rename = "ref")]
    target: RefName,
    before: Option<u64>,
    epoch: u64,
    seq: u64,
    snapshot: SnapshotId,
    root: TreeId,
}

/// A directory that was pulled alone.
#[derive(Debug, Serialize)]
struct Part {
    build: u64,
    repo: RepoName,
    #[serde(rename = "ref")]
    target: RefName,
    seq: u64,
    path: String,
    snapshot: SnapshotId,
    files: u64,
    bytes: u64,
    requests: u64,
    received_bytes: u64,
}

/// Pulls from a store.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let root = arguments.first.root()?;
    let options = PullOptions {
        repo_id: None,
        asked: asked(arguments),
        rewinds: if arguments.allow_rewind {
            Rewinds::Allow
        } else {
            Rewinds::Refuse
        },
        root,
    };
    if ServerUrl::is_meant_by(&arguments.origin) {
        return pull_over_http(session, arguments, &options);
    }
    if !arguments.mirrors.is_empty() {
        return Err(Error::usage(
            "a store on this machine has no mirrors: pull from a URL",
        ));
    }
    let place = session.surroundings.store_at(Path::new(&arguments.origin));
    let store = session.write_here()?;
    if store.root() == place {
        return Err(Error::usage("a store is not pulled into itself"));
    }
    let there = Store::open(&place, Access::Read, &session.patience()?)?;
    let repo = only_repo(&there, arguments.repo.as_ref())?;
    let progress = session.progress("pulling");
    let origin = StoreOrigin::new(&there, repo, &progress);
    let taken = take_from(session, arguments, &options, &store, &[&origin], &progress)?;
    drop(progress);
    taken.tell(session)
}

fn asked(arguments: &Arguments) -> Asked {
    if arguments.all {
        Asked::All
    } else if arguments.refs.is_empty() {
        Asked::Followed
    } else {
        Asked::Named(arguments.refs.clone())
    }
}

fn pull_over_http(session: &Session, arguments: &Arguments, options: &PullOptions) -> Result<()> {
    let mut urls = vec![arguments.origin.clone()];
    urls.extend(arguments.mirrors.iter().cloned());
    let origins = origins_at(
        session,
        &urls,
        options.root.as_ref(),
        arguments.repo.as_ref(),
    )?;
    let origins: Vec<&dyn Origin> = origins.iter().map(|origin| origin as &dyn Origin).collect();
    let store = session.write_here()?;
    let progress = session.progress("pulling");
    let taken = take_from(session, arguments, options, &store, &origins, &progress);
    let taken = taken.map_err(|error| match error {
        // Of a server's refs, those of the store here say nothing.
        Error::NotFound { what: "ref", name } => Error::not_found("published ref", name),
        error => error,
    })?;
    drop(progress);
    taken.tell(session)
}

/// What was taken.
enum Taken {
    /// All that is wanted of refs.
    Whole(PullAnswer),
    /// A directory alone.
    Part(Box<(Subtree, SubtreeAnswer)>),
}

impl Taken {
    fn tell(self, session: &Session) -> Result<()> {
        match self {
            Self::Whole(answer) => tell(session, answer),
            Self::Part(part) => tell_part(session, &part.0, part.1),
        }
    }
}

/// Pulls all that is wanted, or a subtree, from the first origin that will do.
fn take_from(
    session: &Session,
    arguments: &Arguments,
    options: &PullOptions,
    store: &Store,
    origins: &[&dyn Origin],
    progress: &dyn Progress,
) -> Result<Taken> {
    let mut passed_over = |error: &Error| session.output.note(format_args!("passed over: {error}"));
    let time = Time::now()?;
    let Some(wanted) = subtree(store, arguments)? else {
        let answer = pull_from_any(store, origins, options, time, progress, &mut passed_over)?;
        return Ok(Taken::Whole(answer));
    };
    let answer = from_any(
        store,
        origins,
        options,
        &mut passed_over,
        &mut |origin, options| pull_subtree(store, origin, options, &wanted, time, progress),
    )?;
    Ok(Taken::Part(Box::new((wanted, answer))))
}

/// The subtree that is wanted, if one is.
fn subtree(store: &Store, arguments: &Arguments) -> Result<Option<Subtree>> {
    let Some(path) = arguments.path.clone() else {
        return Ok(None);
    };
    let [target] = &arguments.refs[..] else {
        return Err(Error::usage("--path is of one ref"));
    };
    let into = match &arguments.into {
        Some(repo) => repo.clone(),
        None => only_own_repo(store)?,
    };
    Ok(Some(Subtree {
        target: target.clone(),
        path,
        into,
    }))
}

/// The only repo that is no copy.
fn only_own_repo(store: &Store) -> Result<RepoName> {
    let mut repos = store.reader()?.repos()?;
    repos.retain(|repo| repo.copied_from.is_none());
    match &repos[..] {
        [repo] => Ok(repo.name.clone()),
        _ => Err(Error::usage(format!(
            "a directory alone becomes a build, and this store has {} repos of its own: say --into",
            repos.len()
        ))),
    }
}

/// Says which part was pulled.
fn tell_part(session: &Session, wanted: &Subtree, answer: SubtreeAnswer) -> Result<()> {
    let build = answer.build.id;
    let committed = answer.build.committed;
    let committed = committed.ok_or_else(|| Error::internal("a committed build has a snapshot"))?;
    session.output.answer(&Part {
        build,
        repo: answer.repo,
        target: wanted.target.clone(),
        seq: answer.seq,
        path: wanted.path.to_string(),
        snapshot: committed.snapshot.id,
        files: committed.files,
        bytes: committed.bytes,
        requests: answer.requests,
        received_bytes: answer.received_bytes,
    })?;
    session.output.note(format_args!(
        "build {build} has {} of {}@{}: {}, {} received; next: bindery checkout build:{build} DIR",
        wanted.path,
        wanted.target,
        answer.seq,
        counted(committed.files, "file"),
        size(answer.received_bytes)
    ));
    Ok(())
}

/// Pulls, at the time it is now.
pub fn take(
    store: &Store,
    origin: &dyn Origin,
    options: &PullOptions,
    progress: &dyn bindery::base::progress::Progress,
) -> Result<PullAnswer> {
    pull(store, origin, options, Time::now()?, progress)
}

/// Says what was pulled.
///
/// # Errors
///
/// What standard output answers; as [`PullAnswer::shortfall`] if some refs were left where they were.
pub fn tell(session: &Session, answer: PullAnswer) -> Result<()> {
    let (objects, bytes) = (answer.new_objects, answer.received_bytes);
    let words = if answer.moves.is_empty() {
        format!("nothing is new since {}", answer.signed)
    } else {
        format!(
            "{} new, {} received",
            counted(objects, "object"),
            size(bytes)
        )
    };
    let (shortfall, repo) = (answer.shortfall(), answer.repo);
    session.output.answer(&Pulled {
        repo: repo.clone(),
        snapshot: answer.moves.first().map(|moved| moved.snapshot.id),
        signed: answer.signed,
        expires: answer.expires,
        refs: answer.moves.into_iter().map(moved).collect(),
        requests: answer.requests,
        received_bytes: bytes,
        new_objects: objects,
    })?;
    session.output.note(format_args!("pulled {repo}: {words}"));
    shortfall.map_or(Ok(()), Err)
}

fn moved(pulled: PulledRef) -> Moved {
    Moved {
        target: pulled.target,
        before: pulled.before,
        epoch: pulled.epoch,
        seq: pulled.seq,
        snapshot: pulled.snapshot.id,
        root: pulled.root.id,
    }
}

impl Answer for Part {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.build)
    }
}

impl Answer for Pulled {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut refs = self.refs.iter();
        refs.try_for_each(|moved| writeln!(out, "{}@{}", moved.target, moved.seq))
    }
}
