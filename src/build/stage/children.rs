//! The entries of a walked directory: its files and its directories in one order, by name.
//!
//! # Not here
//!
//! Finding out the ids (`build::stage::pipeline`, `believe`), writing the directory (`object::edit`).

use super::listing::size;
use crate::base::id::Hash;
use crate::base::{Error, Result};
use crate::disk::walk::{SourceContent, SourceDir, SourceEntry};
use crate::object::edit::{Child, Written};
use crate::object::tree::{Entry, EntryKind};

/// The entries of a directory, by name: its files have `ids`, its directories were written as `below`.
pub(super) fn children<'a>(
    dir: &'a SourceDir,
    ids: &'a [Option<Hash>],
    below: &'a [Written],
) -> impl Iterator<Item = Result<Child>> + 'a {
    let mut files = dir.files.iter().zip(ids).peekable();
    let mut dirs = dir.dirs.iter().zip(below).peekable();
    std::iter::from_fn(move || {
        let next_dir = dirs.peek().map(|((name, _), _)| name);
        let is_file_next =
            |(file, _): &(&SourceEntry, _)| next_dir.is_none_or(|dir| file.name < *dir);
        if let Some((file, id)) = files.next_if(is_file_next) {
            return Some(file_child(file, *id));
        }
        let ((name, _), written) = dirs.next()?;
        Some(Child::directory(name.clone(), *written))
    })
}

fn file_child(file: &SourceEntry, id: Option<Hash>) -> Result<Child> {
    let kind = match &file.content {
        SourceContent::File(stat) if stat.is_executable() => EntryKind::Executable,
        SourceContent::File(_) => EntryKind::File,
        SourceContent::Link(_) => EntryKind::Link,
    };
    let id = id.ok_or_else(|| Error::internal(format!("{} was never read", file.name)))?;
    Child::file(Entry::new(
        kind,
        size(&file.content),
        id,
        file.name.clone(),
    )?)
}
