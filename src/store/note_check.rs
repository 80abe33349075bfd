//! Checking notes: whether every signed file of a repo that the catalog knows of is there and holds.
//!
//! # Invariants
//!
//! - Every file of notes is read: keysets, heads, all lists of refs, and all statements, also those of retired releases,
//!   which later ones name.
//! - A note that does not hold is told with what it says about which releases, going by the catalog.
//!
//! # Not here
//!
//! Whether statements follow each other (`build::verify`), getting notes back (`store::note_repair`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layout;
use super::notes::Notes;
use super::problem::Problem;
use super::reader::Reader;
use super::rows::{Current, RefRow, RepoRow};
use crate::base::id::{Hash, StatementId};
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Kind, Result};
use crate::disk::files::Disk;
use crate::trust::refs_list::{RefsEntry, RefsList};

/// Which file of a repo's notes is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NoteFile {
    /// The keysets, which only hold together.
    Keysets,
    RefsList(Hash),
    Statement(StatementId),
    /// Named last, as it names the others.
    Heads,
}

impl NoteFile {
    /// Where it lies.
    pub(super) fn path(self, repo: &RepoName) -> PathBuf {
        match self {
            Self::Keysets => layout::trust(repo).join("keyset"),
            Self::RefsList(hash) => layout::refs_list(repo, hash),
            Self::Statement(id) => layout::statement(repo, id),
            Self::Heads => layout::heads(repo),
        }
    }
}

/// The notes of a repo that do not hold, and why.
#[derive(Debug, Default)]
pub(super) struct WrongNotes(pub(super) BTreeMap<NoteFile, String>);

impl WrongNotes {
    /// Checks the notes of a repo.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read, [`Error::Io`] if the disk fails in another way than that files
    /// are missing.
    pub(super) fn find(disk: &dyn Disk, reader: &Reader<'_>, repo: &RepoRow) -> Result<Self> {
        let mut wrong = Self::default();
        let notes = Notes::open(disk, &repo.name, Some(repo.repo_id));
        let Some(notes) = wrong.note(NoteFile::Keysets, "", notes)? else {
            return Ok(wrong);
        };
        let keysets = notes.keysets().len() as u64;
        if keysets != repo.keyset {
            let reason = format!(
                "there are {keysets} keysets, the catalog has {}",
                repo.keyset
            );
            wrong.0.insert(NoteFile::Keysets, reason);
        }
        wrong.check_heads(&notes, repo, &reader.refs(repo)?)?;
        for hash in notes.refs_lists()? {
            wrong.note(NoteFile::RefsList(hash), "", notes.old_refs_list(hash))?;
        }
        let mut known = BTreeMap::new();
        for row in reader.refs(repo)? {
            for release in reader.releases(repo, &row.name)? {
                known.insert(release.statement, format!("{}@{}", row.name, release.seq));
            }
        }
        for id in notes.statements()? {
            known.entry(id).or_default();
        }
        for (id, release) in known {
            let of = match release.as_str() {
                "" => String::new(),
                release => format!("the statement of {release}: "),
            };
            wrong.note(NoteFile::Statement(id), &of, notes.statement(id))?;
        }
        Ok(wrong)
    }

    fn check_heads(&mut self, notes: &Notes<'_>, repo: &RepoRow, refs: &[RefRow]) -> Result<()> {
        let Some(heads) = self.note(NoteFile::Heads, "", notes.heads())? else {
            return Ok(());
        };
        let version = heads.as_ref().map_or(0, |heads| heads.version);
        if version != repo.heads {
            let words = "of the heads statement, the catalog has";
            let reason = format!("version {version} {words} {}", repo.heads);
            self.0.insert(NoteFile::Heads, reason);
        }
        let Some(heads) = heads else {
            return Ok(());
        };
        let file = NoteFile::RefsList(heads.refs.hash);
        let named = format!("the list that heads {version} name: ");
        let list = self.note(file, &named, notes.refs_list(&heads))?;
        let is_other = list.is_some_and(|list| {
            shown_refs(refs).is_ok_and(|shown| {
                // A copy need not have every ref, nor each as new as it is signed.
                let mut shown_here = shown.iter();
                let agree = shown_here.all(|(name, entry)| {
                    let listed = list.get(name);
                    listed.is_some_and(|listed| {
                        listed == entry || listed.is_after(entry.epoch, entry.seq)
                    })
                });
                if repo.copied_from.is_some() {
                    !agree
                } else {
                    shown != list
                }
            })
        });
        if is_other && version == repo.heads {
            let reason = format!("heads {version} name other releases than the catalog");
            self.0.entry(NoteFile::Heads).or_insert(reason);
        }
        Ok(())
    }

    /// Takes down why a note cannot be believed; other errors pass.
    fn note<T>(&mut self, file: NoteFile, of: &str, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error) if matches!(error.kind(), Kind::Integrity) => {
                let reason = match error {
                    Error::Untrusted { reason, .. } => reason,
                    other => other.to_string(),
                };
                self.0.entry(file).or_insert(format!("{of}{reason}"));
                Ok(None)
            }
            Err(error @ Error::Limit { .. }) => {
                self.0.entry(file).or_insert(format!("{of}{error}"));
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// What does not hold, in words.
    pub(super) fn problems(&self, disk: &dyn Disk, repo: &RepoRow) -> Vec<Problem> {
        let told = self.0.iter().map(|(file, reason)| {
            let place = disk.place(&file.path(&repo.name)).display().to_string();
            Problem::new("wrong note", place, reason.as_str())
        });
        told.collect()
    }
}

/// The list of refs that heads should name, as the catalog has it.
///
/// # Errors
///
/// [`Error::Limit`] or [`Error::Malformed`] if no list can say so.
pub(super) fn shown_refs(refs: &[RefRow]) -> Result<RefsList> {
    let entry = |current: Current| RefsEntry {
        epoch: current.epoch,
        seq: current.seq,
        size: current.statement_bytes,
        id: current.statement,
    };
    let shown = refs.iter();
    let shown: BTreeMap<RefName, RefsEntry> = shown
        .filter_map(|row| Some((row.name.clone(), entry(row.current?))))
        .collect();
    RefsList::new(shown)
}
