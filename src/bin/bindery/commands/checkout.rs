//! `bindery checkout`: the files of a snapshot, in a directory.

use std::io::{self, Write};
use std::path::PathBuf;

use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::RepoName;
use bindery::base::path::TreePath;
use bindery::base::{Error, Result};
use bindery::build::checkout::{Kept, Links, checkout, look};
use bindery::build::spec::Spec;
use bindery::remote::gather::Amount;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, grouped, size};
use crate::session::Session;

/// What `checkout` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery checkout stable /srv/www"
    "bindery checkout build:17 /tmp/test --path usr/share"
))]
pub struct Arguments {
    /// REF, REF@SEQ, REF~N, build:ID, or 8 digits of a snapshot's id
    spec: Spec,
    /// A new or empty directory, or one that was checked out before: then only what changed is written
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only this directory or file
    #[arg(long, default_value = "", hide_default_value = true)]
    path: TreePath,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct CheckedOut {
    snapshot: SnapshotId,
    root: TreeId,
    files: u64,
    bytes: u64,
    written: u64,
    removed: u64,
    unchanged: u64,
}

/// Writes files.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let kept = match &session.globals.remote {
        // A directory that will not do is refused before anything is fetched.
        Some(_) => look(&arguments.directory)?,
        // Nothing is.
        None => Kept::Nothing,
    };
    let snapshots = session.snapshots()?;
    let found = session.find(&*snapshots, &arguments.spec, arguments.repo.as_ref())?;
    let (snapshot, path, directory) = (found.snapshot.id, &arguments.path, &arguments.directory);
    // Of what was checked out before, little may have changed.
    let amount = match kept {
        Kept::Files => Amount::LookedAt(path),
        Kept::Nothing => Amount::Beneath(path),
    };
    let progress = session.progress("writing");
    let mut answer = None;
    snapshots.gather(&found, amount, &progress, &mut |stock| {
        let root = stock.snapshot(found.snapshot)?.tree;
        let written = checkout(
            stock,
            root,
            snapshot,
            path,
            directory,
            Links::All,
            &progress,
        )?;
        answer = Some((root, written));
        Ok(())
    })?;
    let (root, answer) = answer.ok_or_else(|| Error::internal("what is gathered is written"))?;
    drop(progress);
    session.output.note(format_args!(
        "{} shows {}: {}, {}; {} written, {} removed, {} left as they were",
        directory.display(),
        found.name,
        counted(answer.files, "file"),
        size(answer.bytes),
        grouped(answer.written),
        grouped(answer.removed),
        grouped(answer.unchanged)
    ));
    session.output.answer(&CheckedOut {
        snapshot,
        root: root.id,
        files: answer.files,
        bytes: answer.bytes,
        written: answer.written,
        removed: answer.removed,
        unchanged: answer.unchanged,
    })
}

impl Answer for CheckedOut {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
