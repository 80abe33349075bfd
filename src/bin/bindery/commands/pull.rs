//! `bindery pull`: fetch and verify what another store released.

use std::io::{self, Write};
use std::path::PathBuf;

use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::spec::only_repo;
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::origin::Origin;
use bindery::remote::pull::{PullAnswer, PullOptions, PulledRef, pull};
use bindery::remote::store_origin::StoreOrigin;
use bindery::store::{Access, Store};
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::first_contact::FirstContact;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

/// What `pull` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery pull /srv/store --root 7d0c...          first contact: the repo id comes from its owners"
    "bindery pull /srv/store stable --pin os.bindery"
    "bindery pull /srv/store                         whatever is new of what is followed"
))]
pub struct Arguments {
    /// The store to pull from: its folder on this machine
    #[arg(value_name = "STORE")]
    origin: PathBuf,
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
    /// Follow a ref also when its owners moved it back to an older release
    #[arg(long)]
    allow_rewind: bool,
}

/// What was pulled.
#[derive(Debug, Serialize)]
pub struct Pulled {
    repo: RepoName,
    snapshot: Option<SnapshotId>,
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

/// Pulls from a store.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let place = session.surroundings.store_at(&arguments.origin);
    if is_url(&arguments.origin) {
        return Err(Error::usage(format!(
            "{} is a URL: this version pulls from stores on this machine, given by their folder",
            arguments.origin.display()
        )));
    }
    let root = arguments.first.root()?;
    let patience = session.patience()?;
    let store = session.write()?;
    if store.root() == place {
        return Err(Error::usage("a store is not pulled into itself"));
    }
    let there = Store::open(&place, Access::Read, &patience)?;
    let repo = only_repo(&there, arguments.repo.as_ref())?;
    let progress = session.progress("pulling");
    let origin = StoreOrigin::new(&there, repo, &progress);
    let asked = if arguments.all {
        Asked::All
    } else if arguments.refs.is_empty() {
        Asked::Followed
    } else {
        Asked::Named(arguments.refs.clone())
    };
    let options = PullOptions {
        root,
        asked,
        rewinds: if arguments.allow_rewind {
            Rewinds::Allow
        } else {
            Rewinds::Refuse
        },
    };
    let answer = take(&store, &origin, &options, &progress)?;
    drop(progress);
    tell(session, answer)
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
/// What standard output answers.
pub fn tell(session: &Session, answer: PullAnswer) -> Result<()> {
    let (objects, bytes) = (answer.new_objects, answer.received_bytes);
    let words = if answer.moves.is_empty() {
        "nothing is new".to_owned()
    } else {
        format!(
            "{} new, {} received",
            counted(objects, "object"),
            size(bytes)
        )
    };
    let repo = answer.repo;
    session.output.answer(&Pulled {
        repo: repo.clone(),
        snapshot: answer.moves.first().map(|moved| moved.snapshot.id),
        refs: answer.moves.into_iter().map(moved).collect(),
        requests: answer.requests,
        received_bytes: bytes,
        new_objects: objects,
    })?;
    session.output.note(format_args!("pulled {repo}: {words}"));
    Ok(())
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

fn is_url(path: &std::path::Path) -> bool {
    path.to_str()
        .is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
}

impl Answer for Pulled {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut refs = self.refs.iter();
        refs.try_for_each(|moved| writeln!(out, "{}@{}", moved.target, moved.seq))
    }
}
