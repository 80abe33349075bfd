//! Note files: the notes of a repo as they lie beneath `repos/`, for others who verify them themselves.
//!
//! # Not here
//!
//! Reading them to believe them (`store::notes`).

use std::path::Path;

use super::layout;
use crate::base::id::{Hash, StatementId};
use crate::base::limits::{HEADS_BYTES_MAX, KEYSET_BYTES_MAX, REF_STATEMENT_BYTES_MAX};
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::whole::read_small;
use crate::trust::note::note_bytes_max;
use crate::trust::refs_list::REFS_LIST_BYTES_MAX;

/// Bytes of the note of a keyset.
pub const KEYSET_NOTE_BYTES_MAX: u64 = note_bytes_max(KEYSET_BYTES_MAX);
/// Bytes of the note of a heads statement.
pub const HEADS_NOTE_BYTES_MAX: u64 = note_bytes_max(HEADS_BYTES_MAX);
/// Bytes of the note of a ref statement.
pub const STATEMENT_NOTE_BYTES_MAX: u64 = note_bytes_max(REF_STATEMENT_BYTES_MAX);

/// The files of one repo's notes. Nothing that they hold is believed here.
#[derive(Clone, Debug)]
pub struct NoteFiles<'d> {
    disk: &'d dyn Disk,
    repo: RepoName,
}

impl<'d> NoteFiles<'d> {
    /// The notes of `repo`, whether there are any or not.
    #[must_use]
    pub const fn new(disk: &'d dyn Disk, repo: RepoName) -> Self {
        Self { disk, repo }
    }

    /// The note of a version of the keyset, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read, [`Error::Limit`] if it is larger than any such note; so for all of these.
    pub fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        self.read(&layout::keyset(&self.repo, version), KEYSET_NOTE_BYTES_MAX)
    }

    /// The note of the newest heads statement; none before the first release.
    ///
    /// # Errors
    ///
    /// As [`keyset`](Self::keyset).
    pub fn heads(&self) -> Result<Option<Vec<u8>>> {
        self.read(&layout::heads(&self.repo), HEADS_NOTE_BYTES_MAX)
    }

    /// The list of refs with this id, if it is there.
    ///
    /// # Errors
    ///
    /// As [`keyset`](Self::keyset).
    pub fn refs_list(&self, id: Hash) -> Result<Option<Vec<u8>>> {
        self.read(&layout::refs_list(&self.repo, id), REFS_LIST_BYTES_MAX)
    }

    /// The note of a ref statement, if it is there.
    ///
    /// # Errors
    ///
    /// As [`keyset`](Self::keyset).
    pub fn statement(&self, id: StatementId) -> Result<Option<Vec<u8>>> {
        let path = layout::statement(&self.repo, id);
        self.read(&path, STATEMENT_NOTE_BYTES_MAX)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        match read_small(self.disk, path, bytes_max) {
            Err(error) if error.is_file_not_found() => Ok(None),
            Err(error) => Err::<_, Error>(error),
            Ok(bytes) => Ok(Some(bytes)),
        }
    }
}
