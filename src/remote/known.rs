//! What is known of an origin before it is asked: the state of a client, which only a whole pull moves forward.
//!
//! It is kept with what was pulled: keysets and heads as notes, refs in the catalog, all written by one transaction. State
//! that cannot be read is an error of its own and never taken for "nothing is known".
//!
//! # Not here
//!
//! What is concluded from it (`remote::follow`).

use std::collections::BTreeMap;

use super::pin::Pin;
use crate::base::clock::Time;
use crate::base::id::StatementId;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::note_files::NoteFiles;
use crate::store::notes::Notes;
use crate::store::rows::{Current, RepoRow};
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::statement::Statement;

/// Why the first keyset of an origin is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// Its id was said by whoever asks.
    Id(StatementId),
    /// It is the one that a pin file names, and newer ones follow as far as the pin says.
    Pin(Pin),
    /// Because it is the first that is seen, which the user must have said out loud.
    First,
}

/// What is known of an origin.
#[derive(Clone, Debug)]
pub struct Known {
    /// Every keyset from the first on; empty before first contact.
    pub keysets: Vec<TrustedKeyset>,
    /// The newest heads statement that was seen.
    pub heads: Option<KnownHeads>,
    /// Its note, for those who must see what a later one contradicts; empty if there is none.
    pub heads_note: Vec<u8>,
    /// What each ref that is followed showed.
    pub refs: BTreeMap<RefName, Current>,
}

/// A heads statement that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHeads {
    /// Its epoch.
    pub epoch: u64,
    /// Its version.
    pub version: u64,
    /// Its id.
    pub id: StatementId,
    /// When it was made: a clock that is before this is wrong.
    pub time: Time,
}

impl Root {
    /// The id of the first keyset, if it is known.
    #[must_use]
    pub const fn repo_id(&self) -> Option<StatementId> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Pin(pin) => Some(pin.repo_id),
            Self::First => None,
        }
    }

    /// Checks that an origin has come as far as a pin says.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if not, or if it went another way.
    pub fn check(&self, keysets: &[TrustedKeyset]) -> Result<()> {
        let Self::Pin(pin) = self else {
            return Ok(());
        };
        let (version, id) = pin.keyset;
        let mut keysets = keysets.iter();
        if keysets.any(|keyset| keyset.keyset().version() == version && keyset.id() == id) {
            return Ok(());
        }
        Err(Error::Untrusted {
            what: format!("the keysets of {}", pin.repo),
            reason: format!("keyset {version} is not there or not the one that the pin file names"),
        })
    }
}

impl Known {
    /// Nothing, as before first contact.
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            keysets: Vec::new(),
            heads: None,
            heads_note: Vec::new(),
            refs: BTreeMap::new(),
        }
    }

    /// What the copy `repo` of `store` knows.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if its notes cannot be read or do not hold.
    pub fn read(store: &Store, repo: &RepoRow) -> Result<Self> {
        let notes = Notes::open(store.disk(), &repo.name, Some(repo.repo_id))?;
        let heads = notes.heads()?;
        let heads = heads
            .map(|heads| {
                Ok::<_, Error>(KnownHeads {
                    epoch: heads.epoch,
                    version: heads.version,
                    id: heads.id()?,
                    time: heads.time,
                })
            })
            .transpose()?;
        if heads.map_or(0, |heads| heads.version) != repo.heads {
            return Err(Error::Untrusted {
                what: format!("what is known of {}", repo.name),
                reason: format!("its heads statement is not version {}", repo.heads),
            });
        }
        let files = NoteFiles::new(store.disk(), repo.name.clone());
        let heads_note = files.heads()?.unwrap_or_default();
        let refs = store.reader()?.refs(repo)?;
        let shown = refs
            .into_iter()
            .filter_map(|row| Some((row.name, row.current?)));
        Ok(Self {
            keysets: notes.keysets().to_vec(),
            heads,
            heads_note,
            refs: shown.collect(),
        })
    }

    /// The copy of a repo in `store`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if a repo of that name is the store's own, or has another trust root.
    pub fn find_copy(
        store: &Store,
        name: &RepoName,
        repo_id: StatementId,
    ) -> Result<Option<RepoRow>> {
        let repos = store.reader()?.repos()?;
        let Some(row) = repos.into_iter().find(|row| row.name == *name) else {
            return Ok(None);
        };
        if row.copied_from.is_none() {
            return Err(Error::refused(format!(
                "the repo {name} is this store's own: its releases are made here"
            )));
        }
        if row.repo_id != repo_id {
            let place = row.copied_from.unwrap_or_default();
            return Err(Error::refused(format!(
                "{name} is the name of another repo here, which is copied from {place}: its repo id is {}, and that of \
                 the one there is {repo_id}",
                row.repo_id
            )));
        }
        Ok(Some(row))
    }
}
