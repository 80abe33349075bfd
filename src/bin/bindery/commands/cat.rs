//! `bindery cat`: a file of a snapshot, to standard output.

use bindery::base::id::BlobId;
use bindery::base::name::RepoName;
use bindery::base::path::TreePath;
use bindery::base::{Error, Result};
use bindery::build::spec::Spec;
use bindery::object::directory::{Found, find_path};
use bindery::object::tree::EntryKind;
use clap::Args;

use crate::examples::examples;
use crate::output;
use crate::session::Session;

/// What `cat` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery cat stable etc/os-release" "bindery cat build:17 pool/a.deb | b3sum"))]
pub struct Arguments {
    /// REF, REF@SEQ, REF~N, build:ID, or 8 digits of a snapshot's id
    spec: Spec,
    /// The file; of a link, its target is written
    path: TreePath,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// Writes a file.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, [`Error::Usage`] if it is a directory.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let snapshots = session.snapshots()?;
    let found = session.find(&*snapshots, &arguments.spec, arguments.repo.as_ref())?;
    let contents = snapshots.open(&[&found])?;
    let root = contents.snapshot(found.snapshot)?.tree;
    let path = &arguments.path;
    match find_path(&*contents, root, path)? {
        Some(Found::Entry(entry)) if entry.kind() != EntryKind::Directory => {
            let id = BlobId::new(entry.id());
            contents.read_file(id, entry.size(), &mut |bytes| output::write_bytes(bytes))
        }
        Some(_) => Err(Error::usage(format!(
            "/{path} in {} is a directory: 'bindery ls' lists it",
            found.name
        ))),
        None => Err(Error::not_found(
            "path",
            format!("{path} in {}", found.name),
        )),
    }
}
