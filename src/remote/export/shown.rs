//! What an export shows already of a repo: those who pull from it have seen that, so what it shows next must follow from it.
//!
//! # Invariants
//!
//! - An export keeps its trust root, and its keysets and heads never go back: clients would refuse what did.
//!
//! # Not here
//!
//! How a client checks the same (`remote::follow`).

use std::path::{Path, PathBuf};

use crate::base::id::StatementId;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::real::RealDisk;
use crate::disk::whole::read_small;
use crate::store::note_files::{HEADS_NOTE_BYTES_MAX, KEYSET_NOTE_BYTES_MAX};
use crate::store::notes::{KEYSETS_MAX, Notes};
use crate::trust::heads::Heads;
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::signed::{Signed, Verified, verify_under};
use crate::trust::statement::Statement;

/// What an export shows of a repo.
#[derive(Debug)]
pub(super) struct Shown {
    repo: RepoName,
    /// Where the repo lies, for messages.
    place: PathBuf,
    /// Every version from the first on; empty if nothing of the repo was exported.
    keysets: Vec<TrustedKeyset>,
    /// None if the first export broke off.
    heads: Option<Signed<Heads, Verified>>,
}

impl Shown {
    /// Reads what the export on `disk` shows of a repo, which lies at `base`.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if its notes do not hold, or are of another repo.
    pub(super) fn read(disk: &RealDisk, base: &Path, repo: &RepoName) -> Result<Self> {
        let mut shown = Self {
            repo: repo.clone(),
            place: disk.place(base),
            keysets: Vec::new(),
            heads: None,
        };
        for version in 1..=KEYSETS_MAX {
            let path = base.join(format!("trust/keyset/{version}"));
            let Some(note) = read(disk, &path, KEYSET_NOTE_BYTES_MAX)? else {
                break;
            };
            let keyset = match shown.keysets.last() {
                Some(newest) => newest.successor(&note),
                None => TrustedKeyset::first(&note, None),
            };
            let keyset = keyset.map_err(|error| shown.broken(&error))?;
            if keyset.keyset().repo() != repo {
                let reason = format!("it is of the repo {}", keyset.keyset().repo());
                return Err(shown.broken(&reason));
            }
            shown.keysets.push(keyset);
        }
        if let Some(note) = read(disk, &base.join("trust/heads"), HEADS_NOTE_BYTES_MAX)? {
            if shown.keysets.is_empty() {
                return Err(shown.broken(&"it has heads and no keyset 1"));
            }
            let heads = verify_under::<Heads>(&note, &shown.keysets);
            shown.heads = Some(heads.map_err(|error| shown.broken(&error))?);
        }
        Ok(shown)
    }

    /// The id of the first keyset, if anything of the repo was exported.
    pub(super) fn repo_id(&self) -> Option<StatementId> {
        self.keysets.first().map(TrustedKeyset::repo_id)
    }

    /// Checks that a repo with this id is the one that was exported.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if it is another.
    pub(super) fn check_root(&self, repo_id: StatementId) -> Result<()> {
        match self.repo_id() {
            Some(shown) if shown != repo_id => {
                let reason = format!("its repo id is {repo_id}, and the export has {shown}");
                Err(self.refused(reason))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Checks that what the notes of a store say can follow.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if it is of another root or goes back; [`Error::Contradiction`] if its signers made two statements
    /// where there can be one.
    pub(super) fn check_followed_by(&self, notes: &Notes<'_>, heads: &Heads) -> Result<()> {
        if let Some(first) = notes.keysets().first() {
            self.check_root(first.repo_id())?;
        }
        for (index, shown) in self.keysets.iter().enumerate() {
            let version = shown.keyset().version();
            match notes.keysets().get(index) {
                None => {
                    let reason = format!("it has no keyset {version} yet, and the export has");
                    return Err(self.refused(reason));
                }
                Some(keyset) if keyset.id() != shown.id() => {
                    let what = format!("keyset {version} of {}", self.repo);
                    return Err(self.contradiction(what, shown.id(), keyset.id()));
                }
                Some(_) => {}
            }
        }
        let Some(shown) = &self.heads else {
            return Ok(());
        };
        let (before, id) = (shown.value(), heads.id()?);
        let numbers = |heads: &Heads| (heads.epoch, heads.version);
        if numbers(heads) < numbers(before) {
            let (version, before) = (heads.version, before.version);
            return Err(self.refused(format!(
                "it is at heads {version}, and the export at heads {before}: it goes back"
            )));
        }
        if numbers(heads) == numbers(before) && id != shown.id() {
            let what = format!("heads {} of {}", heads.version, self.repo);
            return Err(self.contradiction(what, shown.id(), id));
        }
        Ok(())
    }

    /// Why nothing may be exported over what is there: whoever pulled from it would refuse what comes.
    fn refused(&self, reason: impl std::fmt::Display) -> Error {
        let place = self.place.display();
        Error::Untrusted {
            what: format!("{} as what follows the export in {place}", self.repo),
            reason: format!(
                "{reason}; whoever pulled from there would refuse it, so export to a folder that is new or empty"
            ),
        }
    }

    fn broken(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::Untrusted {
            what: format!("the export in {}", self.place.display()),
            reason: format!("{reason}; export to a folder that is new or empty"),
        }
    }

    fn contradiction(&self, what: String, before: StatementId, now: StatementId) -> Error {
        let place = self.place.display();
        Error::Contradiction {
            what,
            reason: format!("it is {now}, and {before} in the export in {place}"),
        }
    }
}

fn read(disk: &RealDisk, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    match read_small(disk, path, bytes_max) {
        Err(error) if error.is_file_not_found() => Ok(None),
        note => note.map(Some),
    }
}
