//! Notes: the signed statements of a repo, read back from the files beneath `repos/` and verified.
//!
//! Together with the packs they are the truth about what was published: what is read here needs no catalog.
//!
//! # Invariants
//!
//! - Every statement that is returned was signed by the role that the repo's keyset of that time gives it.
//! - A file that is missing, or is not what its name says, is [`Error::Untrusted`] and names the file.
//!
//! # Not here
//!
//! Which statements follow each other (`build::verify`, `store::reindex`), writing them (`store::recovery`).

use std::path::Path;

use super::layout;
use crate::base::id::{Hash, StatementId};
use crate::base::limits::KEYSET_BYTES_MAX;
use crate::base::name::RepoName;
use crate::base::profile::Profile;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::whole::{exists, read_small};
use crate::trust::heads::Heads;
use crate::trust::keyset::Keyset;
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::note::note_bytes_max;
use crate::trust::ref_statement::RefStatement;
use crate::trust::refs_list::{REFS_LIST_BYTES_MAX, RefsList};
use crate::trust::signed::{Governed, Signed, Verified, verify_under};

/// Keysets that one repo may have had: each is a ceremony of its root keys.
pub const KEYSETS_MAX: usize = 1024;

/// The extension of a first keyset that says how strict the repo is about names; without it, as `posix` is.
pub const PROFILE_EXTENSION: &str = "x-profile";
/// The extension of a ref statement that says which builds it made visible.
pub const BUILDS_EXTENSION: &str = "x-builds";

/// How strict the repo with this first keyset is about names.
#[must_use]
pub fn profile_of(first: &Keyset) -> Profile {
    let mut extensions = first.extensions().iter();
    let value = extensions.find(|(name, _)| *name == PROFILE_EXTENSION);
    value
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_default()
}

/// The notes of one repo.
#[derive(Debug)]
pub struct Notes<'d> {
    disk: &'d dyn Disk,
    repo: RepoName,
    /// Every version from the first on; never empty.
    keysets: Vec<TrustedKeyset>,
}

impl<'d> Notes<'d> {
    /// Reads and verifies the keysets of `repo`, from the first to the newest. The first is the one that `repo_id` names;
    /// without an id, the one that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if the first is missing, one does not follow from the one before, or they are another repo's;
    /// [`Error::Limit`] if there are more than [`KEYSETS_MAX`].
    pub fn open(disk: &'d dyn Disk, repo: &RepoName, repo_id: Option<StatementId>) -> Result<Self> {
        let path = layout::keyset(repo, 1);
        let first = TrustedKeyset::first(&read(disk, &path)?, repo_id);
        let first = first.map_err(|error| untrusted(disk, &path, &error))?;
        if first.keyset().repo() != repo {
            let reason = format!("it is of repo {}", first.keyset().repo());
            return Err(untrusted(disk, &path, &reason));
        }
        let mut keysets = vec![first];
        for version in 2.. {
            let path = layout::keyset(repo, version);
            let Some(newest) = keysets.last().filter(|_| keysets.len() <= KEYSETS_MAX) else {
                return Err(Error::Limit {
                    what: "a repo, in keysets,",
                    found: version - 1,
                    max: KEYSETS_MAX as u64,
                });
            };
            if !exists(disk, &path)? {
                break;
            }
            let next = newest.successor(&read(disk, &path)?);
            keysets.push(next.map_err(|error| untrusted(disk, &path, &error))?);
        }
        Ok(Self {
            disk,
            repo: repo.clone(),
            keysets,
        })
    }

    /// Every keyset, from the first to the newest.
    #[must_use]
    pub fn keysets(&self) -> &[TrustedKeyset] {
        &self.keysets
    }

    /// Reads the newest heads statement; `None` if there is no file, as before the first release.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if the file is not a heads statement of this repo.
    pub fn heads(&self) -> Result<Option<Heads>> {
        let path = layout::heads(&self.repo);
        if !exists(self.disk, &path)? {
            return Ok(None);
        }
        Ok(Some(self.verified::<Heads>(&path)?.into_value()))
    }

    /// Reads the list of refs that `heads` names.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if the file is missing, or not the one that was named.
    pub fn refs_list(&self, heads: &Heads) -> Result<RefsList> {
        let path = layout::refs_list(&self.repo, heads.refs.hash);
        let bytes = read_at_most(self.disk, &path, heads.refs.size)?;
        if bytes.len() as u64 != heads.refs.size || Hash::of(&bytes) != heads.refs.hash {
            let reason = format!("it is not the list that heads {} names", heads.version);
            return Err(untrusted(self.disk, &path, &reason));
        }
        RefsList::decode(&bytes).map_err(|error| untrusted(self.disk, &path, &error))
    }

    /// Reads the ref statement `id`, and the bytes of its text.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if the file is missing, or is not that statement.
    pub fn statement(&self, id: StatementId) -> Result<(RefStatement, u64)> {
        let path = layout::statement(&self.repo, id);
        let signed = self.verified::<RefStatement>(&path)?;
        if signed.id() != id {
            let reason = format!("it is the statement {}", signed.id());
            return Err(untrusted(self.disk, &path, &reason));
        }
        let bytes = signed.note().text().len() as u64;
        Ok((signed.into_value(), bytes))
    }

    /// Lists the statements that there are files of; files with other names are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be read.
    pub fn statements(&self) -> Result<Vec<StatementId>> {
        let folder = layout::trust(&self.repo).join("statements");
        let files = match self.disk.list(&folder) {
            Err(error) if error.is_file_not_found() => return Ok(Vec::new()),
            listed => listed?,
        };
        let ids = files.iter().filter_map(|file| file.name.parse().ok());
        Ok(ids.collect())
    }

    /// Lists the lists of refs that there are files of; files with other names are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be read.
    pub(super) fn refs_lists(&self) -> Result<Vec<Hash>> {
        let folder = layout::trust(&self.repo).join("refs");
        let files = match self.disk.list(&folder) {
            Err(error) if error.is_file_not_found() => return Ok(Vec::new()),
            listed => listed?,
        };
        Ok(files
            .iter()
            .filter_map(|file| file.name.parse().ok())
            .collect())
    }

    /// Reads a list of refs by its hash, as the heads of any time may have named it.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if the file is missing, or has another hash.
    pub(super) fn old_refs_list(&self, hash: Hash) -> Result<Vec<u8>> {
        let path = layout::refs_list(&self.repo, hash);
        let bytes = read_at_most(self.disk, &path, REFS_LIST_BYTES_MAX)?;
        if Hash::of(&bytes) == hash {
            return Ok(bytes);
        }
        let reason = "it is not the list that its name says";
        Err(untrusted(self.disk, &path, &reason))
    }

    /// Reads a note and verifies it under the keyset that it was made under, which is one of those known.
    fn verified<T: Governed>(&self, path: &Path) -> Result<Signed<T, Verified>> {
        let bytes = read(self.disk, path)?;
        let verified = self.verify(&bytes);
        verified.map_err(|error| untrusted(self.disk, path, &error))
    }

    /// Verifies the bytes of a note, wherever they come from, under one of the keysets that are known.
    ///
    /// # Errors
    ///
    /// As [`verify_under`].
    pub(super) fn verify<T: Governed>(&self, bytes: &[u8]) -> Result<Signed<T, Verified>> {
        verify_under(bytes, &self.keysets)
    }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>> {
    read_at_most(disk, path, note_bytes_max(KEYSET_BYTES_MAX))
}

fn read_at_most(disk: &dyn Disk, path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    read_small(disk, path, bytes_max).map_err(|error| match error {
        Error::Limit { .. } => untrusted(disk, path, &error),
        _ if error.is_file_not_found() => untrusted(disk, path, &"the file is missing"),
        other => other,
    })
}

fn untrusted(disk: &dyn Disk, path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Untrusted {
        what: disk.place(path).display().to_string(),
        reason: reason.to_string(),
    }
}
