//! `bindery show`: a snapshot.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::RepoName;
use bindery::base::printable::printable;
use bindery::build::spec::Spec;
use clap::Args;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

/// What `show` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery show stable" "bindery show build:17" "bindery show stable~1"))]
pub struct Arguments {
    /// REF, REF@SEQ, REF~N, build:ID, or 8 digits of a snapshot's id
    spec: Spec,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    repo: RepoName,
    snapshot: SnapshotId,
    root: TreeId,
    files: u64,
    bytes: u64,
    depth: u64,
    parents: Vec<SnapshotId>,
    time: Time,
    labels: BTreeMap<String, String>,
    message: String,
}

/// Shows a snapshot.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let snapshots = session.snapshots()?;
    let found = session.find(&*snapshots, &arguments.spec, arguments.repo.as_ref())?;
    let snapshot = snapshots.open(&[&found])?.snapshot(found.snapshot)?;
    let labels = snapshot.labels.iter();
    session.output.answer(&Shown {
        name: found.name,
        repo: found.repo,
        snapshot: found.snapshot.id,
        root: snapshot.tree.id,
        files: snapshot.totals.files(),
        bytes: snapshot.totals.bytes(),
        depth: snapshot.depth,
        parents: snapshot.parents,
        time: snapshot.time,
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        message: snapshot.message,
    })
}

impl Answer for Shown {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", colours.paint(Tone::Strong, &self.name))?;
        writeln!(out, "snapshot  {}", self.snapshot)?;
        writeln!(out, "root      {}", self.root)?;
        writeln!(
            out,
            "files     {}, {}",
            counted(self.files, "file"),
            size(self.bytes)
        )?;
        for parent in &self.parents {
            writeln!(out, "parent    {parent}")?;
        }
        writeln!(out, "time      {}", self.time)?;
        for (key, value) in &self.labels {
            writeln!(out, "label     {key}={}", printable(value))?;
        }
        if !self.message.is_empty() {
            writeln!(out)?;
        }
        for line in self.message.lines() {
            writeln!(out, "    {}", printable(line))?;
        }
        Ok(())
    }
}
