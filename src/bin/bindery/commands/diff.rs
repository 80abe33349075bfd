//! `bindery diff`: what differs between two snapshots.

use std::io::{self, Write};

use bindery::base::name::RepoName;
use bindery::base::path::TreePath;
use bindery::base::{Error, Result};
use bindery::build::spec::Spec;
use bindery::object::difference::{Difference, changed_paths};
use bindery::object::tree::{Entry, EntryKind};
use clap::Args;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::outcome::Outcome;
use crate::output::Answer;
use crate::quantity::{counted, grouped, size};
use crate::session::Session;

/// What `diff` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery diff stable build:17"
    "bindery diff stable~1 stable --stat"
    "bindery diff stable testing --exit-code > /dev/null"
))]
pub struct Arguments {
    /// The snapshot before: REF, REF@SEQ, REF~N, build:ID, or 8 digits of its id
    a: Spec,
    /// The snapshot after
    b: Spec,
    /// Print sums only
    #[arg(long, conflicts_with = "name_status")]
    stat: bool,
    /// Print letters and paths only, as git does
    #[arg(long)]
    name_status: bool,
    /// Exit with 1 if there are differences
    #[arg(long)]
    exit_code: bool,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Changes {
    a: String,
    b: String,
    added: u64,
    modified: u64,
    deleted: u64,
    added_bytes: u64,
    deleted_bytes: u64,
    #[serde(rename = "changes", skip_serializing_if = "Vec::is_empty")]
    paths: Vec<Change>,
    #[serde(skip)]
    form: Form,
}

/// How much people want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Sizes,
    Names,
    Sums,
}

#[derive(Debug, Serialize)]
struct Change {
    status: char,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
}

/// Lists the differences.
///
/// # Errors
///
/// [`Error::Usage`] if the snapshots are of two repos, and what the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<Outcome> {
    let snapshots = session.snapshots()?;
    let repo = arguments.repo.as_ref();
    let a = session.find(&*snapshots, &arguments.a, repo)?;
    let b = session.find(&*snapshots, &arguments.b, repo)?;
    if a.repo != b.repo {
        let (a, b) = (a.repo, b.repo);
        return Err(Error::usage(format!(
            "{a} and {b} are two repos, and nothing is shared between them"
        )));
    }
    let contents = snapshots.open(&[&a, &b])?;
    let root = |snapshot| contents.snapshot(snapshot).map(|snapshot| snapshot.tree);
    let (tree_a, tree_b) = (root(a.snapshot)?, root(b.snapshot)?);
    let mut changes = Changes::new(a.name, b.name, form(arguments));
    changed_paths(
        &*contents,
        Some(tree_a),
        Some(tree_b),
        &mut |path, difference| {
            changes.add(path, difference);
            Ok(())
        },
    )?;
    session.output.answer(&changes)?;
    if changes.form == Form::Sizes {
        session.output.note(changes.sums());
    }
    let differ = tree_a != tree_b;
    Ok(if arguments.exit_code && differ {
        Outcome::Differences
    } else {
        Outcome::Done
    })
}

const fn form(arguments: &Arguments) -> Form {
    if arguments.stat {
        Form::Sums
    } else if arguments.name_status {
        Form::Names
    } else {
        Form::Sizes
    }
}

impl Changes {
    const fn new(a: String, b: String, form: Form) -> Self {
        Self {
            a,
            b,
            added: 0,
            modified: 0,
            deleted: 0,
            added_bytes: 0,
            deleted_bytes: 0,
            paths: Vec::new(),
            form,
        }
    }

    fn add(&mut self, path: &TreePath, difference: &Difference) {
        let (before, after) = (bytes(difference.a.as_ref()), bytes(difference.b.as_ref()));
        self.deleted_bytes += before.unwrap_or(0);
        self.added_bytes += after.unwrap_or(0);
        let (status, count) = match (before, after) {
            (None, _) => ('A', &mut self.added),
            (Some(_), None) => ('D', &mut self.deleted),
            (Some(_), Some(_)) => ('M', &mut self.modified),
        };
        *count += 1;
        if self.form != Form::Sums {
            let is_directory = |entry: &Option<Entry>| {
                entry
                    .as_ref()
                    .is_some_and(|entry| entry.kind() == EntryKind::Directory)
            };
            let slash = if is_directory(&difference.a) || is_directory(&difference.b) {
                "/"
            } else {
                ""
            };
            let path = format!("{path}{slash}");
            self.paths.push(Change {
                status,
                path,
                before,
                after,
            });
        }
    }

    fn sums(&self) -> String {
        let (added, modified, deleted) = (
            grouped(self.added),
            grouped(self.modified),
            grouped(self.deleted),
        );
        let paths = counted(self.added + self.modified + self.deleted, "path");
        let (more, less) = (size(self.added_bytes), size(self.deleted_bytes));
        format!("{paths}: {added} added, {modified} modified, {deleted} deleted; +{more}, -{less}")
    }
}

/// The bytes of one side. An empty directory has none of its own.
fn bytes(entry: Option<&Entry>) -> Option<u64> {
    entry.map(|entry| {
        if entry.kind() == EntryKind::Directory {
            0
        } else {
            entry.size()
        }
    })
}

impl Answer for Changes {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        if self.form == Form::Sums {
            return writeln!(out, "{}", self.sums());
        }
        for change in &self.paths {
            let tone = match change.status {
                'A' => Tone::Good,
                'D' => Tone::Bad,
                _ => Tone::Changed,
            };
            let status = colours.paint(tone, change.status);
            let path = &change.path;
            match (self.form, change.before, change.after) {
                (Form::Sizes, Some(before), Some(after)) => {
                    writeln!(out, "{status}  {path}  {} -> {}", size(before), size(after))?;
                }
                (Form::Sizes, Some(bytes), None) | (Form::Sizes, None, Some(bytes)) => {
                    writeln!(out, "{status}  {path}  {}", size(bytes))?;
                }
                _ => writeln!(out, "{status}\t{path}")?,
            }
        }
        Ok(())
    }
}
