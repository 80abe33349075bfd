//! Contact: which repo is asked for at some places, and what is known of it.
//!
//! # Invariants
//!
//! - One pull is of one repo: whatever several places show, the one that was asked for is the only one that is believed.
//!
//! # Not here
//!
//! What the places show of it (`remote::follow`).

use super::known::{Known, Root};
use super::origin::Origin;
use crate::base::id::StatementId;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::rows::RepoRow;
use crate::store::view::View;
use crate::trust::keyset_chain::TrustedKeyset;

/// Which repo is asked for at these places, by the id of its first keyset: the one that the trust root names; or the one of
/// which the first place has a copy here; or, if no first contact is meant, the copy of the name that the first place says.
/// Later places say what is asked for only if the first one says no name: they are mirrors of it. None if nothing tells.
///
/// # Errors
///
/// What the store answers.
pub fn sought(
    store: &Store,
    origins: &[&dyn Origin],
    root: Option<&Root>,
) -> Result<Option<StatementId>> {
    if let Some(id) = root.and_then(Root::repo_id) {
        return Ok(Some(id));
    }
    let mut copies = store.reader()?.repos()?;
    copies.retain(|row| row.copied_from.is_some());
    let is_named = origins.first().is_some_and(|first| first.repo().is_some());
    let asked = if is_named { 1 } else { origins.len() };
    let found = origins.iter().take(asked).find_map(|origin| {
        let by_place = copies.iter().find(|row| origin.is_origin_of(row));
        let name = origin.repo().filter(|_| root.is_none());
        by_place.or_else(|| copies.iter().find(|row| Some(&row.name) == name.as_ref()))
    });
    Ok(found.map(|row| row.repo_id))
}

/// Which repo an origin shows.
///
/// # Errors
///
/// [`Error::NotFound`] if it shows none, [`Error::Untrusted`] or [`Error::Malformed`] if its first keyset does not hold.
pub fn shown_by(origin: &dyn Origin) -> Result<StatementId> {
    Ok(first_keyset(origin, None)?.repo_id())
}

fn first_keyset(origin: &dyn Origin, expected: Option<StatementId>) -> Result<TrustedKeyset> {
    let note = origin.keyset(1)?;
    let note = note.ok_or_else(|| Error::not_found("repo at", origin.place()))?;
    TrustedKeyset::first(&note, expected).map_err(|error| match error {
        Error::Untrusted { what, reason } => Error::Untrusted {
            what: format!("{what} from {}", origin.place()),
            reason,
        },
        other => other,
    })
}

/// Whom a pull talks to, and what is known of it.
pub(super) struct Contact {
    pub(super) name: RepoName,
    row: Option<RepoRow>,
    pub(super) known: Known,
    /// The first keyset, if none was known.
    pub(super) first: Option<TrustedKeyset>,
}

impl Contact {
    /// Finds out what is known of the repo `asked_for`, if one is, which `origin` must show.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if it shows another one, [`Error::Usage`] at first contact without a root.
    pub(super) fn make(
        store: &Store,
        origin: &dyn Origin,
        root: Option<&Root>,
        asked_for: Option<StatementId>,
    ) -> Result<Self> {
        let place = origin.place();
        let copies = store.reader()?.repos()?;
        let expected = asked_for.or_else(|| root.and_then(Root::repo_id));
        let copy = copies.into_iter().find(|row| origin.is_origin_of(row));
        if let Some(row) = copy {
            return match expected {
                Some(id) if id != row.repo_id => Err(Error::Untrusted {
                    what: format!("repo id {id}"),
                    reason: format!("the copy of {place} here has {}", row.repo_id),
                }),
                _ => Self::known(store, row),
            };
        }
        let first = first_keyset(origin, expected)?;
        let name = first.keyset().repo().clone();
        if let Some(row) = Known::find_copy(store, &name, first.repo_id())? {
            return Self::known(store, row);
        }
        if root.is_none() {
            return Err(Error::usage(format!(
                "nothing is known of {name} yet: say its repo id with --root, its pin file with --pin, or --trust-first; \
                 what answers there has the repo id {}",
                first.repo_id()
            )));
        }
        Ok(Self {
            name,
            row: None,
            known: Known::nothing(),
            first: Some(first),
        })
    }

    fn known(store: &Store, row: RepoRow) -> Result<Self> {
        Ok(Self {
            name: row.name.clone(),
            known: Known::read(store, &row)?,
            row: Some(row),
            first: None,
        })
    }

    /// What the copy shows.
    pub(super) fn view<'s>(&self, store: &'s Store) -> Result<View<'s>> {
        match &self.row {
            Some(row) => store.view(&row.name, &[]),
            None => store.view_of_nothing(),
        }
    }
}
