//! Repairing notes: signed files that were lost or damaged come back from the catalog, or from another store.
//!
//! # Invariants
//!
//! - What another store gives is believed only if it verifies under this store's repo id and keysets, and is the very
//!   note that is missed: by its id, its hash, or, of heads, its version.
//! - A file is replaced at once and durably; before that it stays as it was.
//!
//! # Not here
//!
//! What is wrong with notes (`store::note_check`).

use std::path::Path;

use super::layout;
use super::note_check::{NoteFile, WrongNotes, shown_refs};
use super::notes::Notes;
use super::open::Store;
use super::rows::RepoRow;
use crate::base::Result;
use crate::base::id::{Hash, StatementId};
use crate::disk::files::Disk;
use crate::disk::whole;
use crate::trust::heads::Heads;
use crate::trust::ref_statement::RefStatement;
use crate::trust::refs_list::REFS_LIST_BYTES_MAX;

/// Keysets come first, then what they verify, then the list that the heads name.
const ROUNDS: usize = 3;

/// Puts the notes of a repo right, as far as they can be had; returns the files that were written.
///
/// # Errors
///
/// [`Error::Io`] if this store's disk fails; what was written by then stays. What cannot be had is no error: whoever checks
/// the notes again finds it.
pub(super) fn repair_notes(store: &Store, repo: &RepoRow, from: &dyn Disk) -> Result<Vec<String>> {
    let reader = store.reader()?;
    let disk = &*store.disk;
    let list = shown_refs(&reader.refs(repo)?).map(|list| list.encode());
    let list = list.unwrap_or_default();
    let mut written = Vec::new();
    for _ in 0..ROUNDS {
        let before = written.len();
        for file in WrongNotes::find(disk, &reader, repo)?.0.into_keys() {
            if file == NoteFile::Keysets {
                written.extend(repair_keysets(disk, repo, from)?);
                continue;
            }
            let notes = Notes::open(disk, &repo.name, Some(repo.repo_id))?;
            let path = file.path(&repo.name);
            let is_right = |bytes: &Vec<u8>| match file {
                NoteFile::Keysets => false,
                NoteFile::RefsList(hash) => Hash::of(bytes) == hash,
                NoteFile::Statement(id) => is_statement(&notes, bytes, id),
                NoteFile::Heads => is_heads(&notes, bytes, repo.heads),
            };
            let known = Some(list.clone()).filter(is_right);
            let bytes = known.or_else(|| other_bytes(from, &path).filter(is_right));
            if let Some(bytes) = bytes {
                written.push(write(disk, &path, &bytes)?);
            }
        }
        if written.len() == before {
            break;
        }
    }
    Ok(written)
}

/// Takes the keysets that are missing or wrong from another store, if it has the same repo.
fn repair_keysets(disk: &dyn Disk, repo: &RepoRow, from: &dyn Disk) -> Result<Vec<String>> {
    let mut written = Vec::new();
    let Ok(notes) = Notes::open(from, &repo.name, Some(repo.repo_id)) else {
        return Ok(written);
    };
    for (version, keyset) in (1..=repo.keyset).zip(notes.keysets()) {
        let path = layout::keyset(&repo.name, version);
        let wanted = keyset.note().encode();
        let is_there = other_bytes(disk, &path).is_some_and(|found| found == wanted);
        if !is_there {
            written.push(write(disk, &path, &wanted)?);
        }
    }
    Ok(written)
}

fn is_statement(notes: &Notes<'_>, bytes: &[u8], id: StatementId) -> bool {
    let verified = notes.verify::<RefStatement>(bytes);
    verified.is_ok_and(|signed| signed.id() == id)
}

fn is_heads(notes: &Notes<'_>, bytes: &[u8], version: u64) -> bool {
    let verified = notes.verify::<Heads>(bytes);
    verified.is_ok_and(|signed| signed.into_value().version == version)
}

/// The bytes of another store's file, if they can be had.
fn other_bytes(from: &dyn Disk, path: &Path) -> Option<Vec<u8>> {
    whole::read_small(from, path, REFS_LIST_BYTES_MAX).ok()
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<String> {
    if let Some(folder) = path.parent() {
        disk.create_dir(folder)?;
    }
    whole::write_whole(disk, path, bytes)?;
    Ok(disk.place(path).display().to_string())
}
