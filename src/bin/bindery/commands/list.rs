//! `bindery ls`: the files of a snapshot.

use std::io::{self, Write};

use bindery::base::id::{BlobId, Hash};
use bindery::base::name::RepoName;
use bindery::base::path::TreePath;
use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::build::contents::Contents;
use bindery::build::spec::Spec;
use bindery::object::directory::{Found, entries, find_path, totals};
use bindery::object::tree::{Entry, EntryKind};
use bindery::object::walk::{Step, walk};
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::{Answer, Format};
use crate::session::Session;
use crate::table::{Side, Table};

/// What `ls` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery ls stable"
    "bindery ls build:17 usr/bin -l"
    "bindery ls stable@41 -r"
))]
pub struct Arguments {
    /// REF, REF@SEQ, REF~N, build:ID, or 8 digits of a snapshot's id
    spec: Spec,
    /// A directory or file in it; else the root
    #[arg(default_value = "", hide_default_value = true)]
    path: TreePath,
    /// Show kinds, sizes and ids; the size of a directory is that of its files
    #[arg(short, long)]
    long: bool,
    /// List the files and links in all directories beneath, by their paths from the root
    #[arg(short, long)]
    recursive: bool,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Listing {
    entries: Vec<Line>,
    #[serde(skip)]
    form: Form,
}

/// How much people want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Names,
    Long,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    kind: &'static str,
    #[serde(skip)]
    letter: char,
    bytes: u64,
    id: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// Lists files.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such path, and what the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let snapshots = session.snapshots()?;
    let found = session.find(&*snapshots, &arguments.spec, arguments.repo.as_ref())?;
    let contents = snapshots.open(&[&found])?;
    let root = contents.snapshot(found.snapshot)?.tree;
    let listing = Lister {
        contents: &*contents,
        form: if arguments.long || session.output.format == Format::Json {
            Form::Long
        } else {
            Form::Names
        },
    };
    let path = &arguments.path;
    let mut lines = Vec::new();
    match find_path(&*contents, root, path)? {
        None => {
            return Err(Error::not_found(
                "path",
                format!("{path} in {}", found.name),
            ));
        }
        Some(place) => match place.tree_ref() {
            Some(tree) if arguments.recursive => {
                walk(&*contents, tree, &mut |below, entry| {
                    if entry.kind() != EntryKind::Directory {
                        lines.push(listing.line(full(path, below)?, entry)?);
                    }
                    Ok(Step::Into)
                })?;
            }
            Some(tree) => {
                for entry in entries(&*contents, tree) {
                    let entry = entry?;
                    lines.push(listing.line(entry.name().to_string(), &entry)?);
                }
            }
            None => {
                if let Found::Entry(entry) = &place {
                    lines.push(listing.line(path.to_string(), entry)?);
                }
            }
        },
    }
    session.output.answer(&Listing {
        entries: lines,
        form: listing.form,
    })
}

/// The path from the root of what lies at `below` in the directory `at`.
fn full(at: &TreePath, below: &TreePath) -> Result<String> {
    let path = at.join_path(below).map_err(|source| Error::Path {
        text: format!("{at}/{below}"),
        source,
    })?;
    Ok(path.to_string())
}

/// Says of entries what is wanted.
struct Lister<'c> {
    contents: &'c dyn Contents,
    form: Form,
}

impl Lister<'_> {
    fn line(&self, name: String, entry: &Entry) -> Result<Line> {
        // What nobody wants to see is not looked at: it may be far away.
        let (bytes, target) = match (self.form, entry.tree_ref()) {
            (Form::Names, _) => (0, None),
            (Form::Long, Some(tree)) => (totals(self.contents, tree)?.bytes(), None),
            (Form::Long, None) => (entry.size(), self.link_target(entry)?),
        };
        Ok(Line {
            name,
            kind: kind_name(entry.kind()),
            letter: entry.kind().letter(),
            bytes,
            id: entry.id(),
            target,
        })
    }

    /// What a link points to.
    fn link_target(&self, entry: &Entry) -> Result<Option<String>> {
        if entry.kind() != EntryKind::Link {
            return Ok(None);
        }
        let mut target = Vec::new();
        let id = BlobId::new(entry.id());
        self.contents.read_file(id, entry.size(), &mut |bytes| {
            target.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(Some(String::from_utf8_lossy(&target).into_owned()))
    }
}

const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Executable => "executable",
        EntryKind::Link => "link",
        EntryKind::Directory => "directory",
    }
}

impl Answer for Listing {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        if self.form == Form::Names {
            let mut lines = self.entries.iter();
            return lines.try_for_each(|line| writeln!(out, "{}", line.name));
        }
        let mut table = Table::plain([Side::Left, Side::Right, Side::Left, Side::Left]);
        for line in &self.entries {
            let target = line
                .target
                .as_ref()
                .map_or_else(String::new, |target| format!(" -> {}", printable(target)));
            table.push([
                line.letter.to_string(),
                line.bytes.to_string(),
                line.id.to_string(),
                format!("{}{target}", line.name),
            ]);
        }
        table.write(out)
    }
}
