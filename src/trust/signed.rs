//! What tells a verified statement from any other: a type.
//!
//! # Invariants
//!
//! - A statement is parsed only after its signatures were checked, so no code sees a value that nobody vouches for.
//! - `Signed<T, Verified>` was signed by the role that its keyset gives `T`, for this repo, epoch and keyset.
//!
//! # Not here
//!
//! Keysets, which vouch for each other (`trust::keyset_chain`); whether a statement is newer than another, is the one that
//! was asked for, or has expired (whoever reads it). The tests stand with the statements (`trust::ref_statement`,
//! `trust::heads`).

use std::fmt;
use std::marker::PhantomData;

use super::keyset::Keyset;
use super::keyset_chain::TrustedKeyset;
use super::note::Note;
use super::role::Role;
use super::statement::Statement;
use crate::base::id::StatementId;
use crate::base::name::RepoName;
use crate::base::{Error, Result};

/// Whether the signatures of a [`Signed`] were checked, and so what it holds.
pub trait Proof {
    /// What stands in for the statement.
    type Value<T>;
}

/// The signatures were not checked, and the text was not looked at.
#[derive(Debug)]
pub enum Unverified {}

/// The signatures were checked, the text was parsed and belongs to the keyset.
#[derive(Debug)]
pub enum Verified {}

impl Proof for Unverified {
    type Value<T> = PhantomData<T>;
}

impl Proof for Verified {
    type Value<T> = T;
}

/// A statement under a keyset: it says which, and the keyset says who may sign it.
pub trait Governed: Statement {
    /// What the statement says about where it belongs.
    fn claim(&self) -> Claim<'_>;

    /// The role that must sign it. `None`: nobody may make such a statement.
    fn role<'k>(&self, keyset: &'k Keyset) -> Option<&'k Role>;

    /// The statement in a few words, for messages.
    fn describe(&self) -> String;
}

/// Where a statement says that it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The repo's name.
    pub repo: &'a RepoName,
    /// The id of the repo's first keyset.
    pub repo_id: StatementId,
    /// The epoch.
    pub epoch: u64,
    /// The version of the keyset it was made under.
    pub keyset: u64,
}

/// A note of a statement of kind `T`.
///
/// ```
/// use bindery::base::Result;
/// use bindery::trust::keyset_chain::TrustedKeyset;
/// use bindery::trust::ref_statement::RefStatement;
/// use bindery::trust::signed::{Signed, Unverified};
///
/// fn seq(note: &[u8], keyset: &TrustedKeyset) -> Result<u64> {
///     let unverified = Signed::<RefStatement, Unverified>::parse(note)?;
///     Ok(unverified.verify(keyset)?.value().seq)
/// }
/// ```
///
/// Without `verify` there is no value to use:
///
/// ```compile_fail
/// use bindery::base::Result;
/// use bindery::trust::ref_statement::RefStatement;
/// use bindery::trust::signed::{Signed, Unverified};
///
/// fn seq(note: &[u8]) -> Result<u64> {
///     let unverified = Signed::<RefStatement, Unverified>::parse(note)?;
///     Ok(unverified.value().seq)
/// }
/// ```
pub struct Signed<T, V: Proof> {
    note: Note,
    value: V::Value<T>,
}

impl<T, V: Proof> Signed<T, V> {
    /// The id of the statement: the hash of its text.
    #[must_use]
    pub fn id(&self) -> StatementId {
        StatementId::of(self.note.text().as_bytes())
    }
}

impl<T: Governed> Signed<T, Unverified> {
    /// Takes the note of a statement apart, and nothing more.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the bytes are no note, or more than a `T` may have.
    pub fn parse(note: &[u8]) -> Result<Self> {
        Ok(Self {
            note: Note::parse(note, T::BYTES_MAX)?,
            value: PhantomData,
        })
    }

    /// Checks the signatures, parses the text, and checks that it belongs to `keyset` and that enough keys of its role
    /// signed it. The keyset must be the version that the statement was made under.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if a signature is wrong, if too few of the right keys signed, or if it was made for another
    /// repo, epoch or keyset; [`Error::Malformed`] if the text is no `T`.
    pub fn verify(self, keyset: &TrustedKeyset) -> Result<Signed<T, Verified>> {
        let signers = self.note.verify(keyset.keyset().keys())?;
        let value = T::parse(self.note.text())?;
        let what = value.describe();
        check_claim(&what, value.claim(), keyset)?;
        let role = value.role(keyset.keyset());
        let role =
            role.ok_or_else(|| untrusted(&what, "the keyset gives nobody the right to make it"))?;
        role.check(&what, &signers)?;
        Ok(Signed {
            note: self.note,
            value,
        })
    }
}

/// Verifies the note of a statement under the keyset that it was made under, which must be one of `keysets`, oldest first.
///
/// # Errors
///
/// As [`Signed::verify`] under the newest keyset, which says best what is wrong.
pub fn verify_under<T: Governed>(
    note: &[u8],
    keysets: &[TrustedKeyset],
) -> Result<Signed<T, Verified>> {
    let mut refused = None;
    for keyset in keysets.iter().rev() {
        let parsed = Signed::<T, Unverified>::parse(note);
        match parsed.and_then(|unverified| unverified.verify(keyset)) {
            Ok(verified) => return Ok(verified),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| Error::internal("there is a keyset to verify under")))
}

impl<T> Signed<T, Verified> {
    /// The statement.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The statement alone, without the proof.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// The signed text: what proves the statement to others.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }
}

impl<T, V: Proof> fmt::Debug for Signed<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("note", &self.note)
            .finish_non_exhaustive()
    }
}

fn check_claim(what: &str, claim: Claim<'_>, trusted: &TrustedKeyset) -> Result<()> {
    let keyset = trusted.keyset();
    let expected = Claim {
        repo: keyset.repo(),
        repo_id: trusted.repo_id(),
        epoch: keyset.epoch(),
        keyset: keyset.version(),
    };
    if claim == expected {
        return Ok(());
    }
    let words = |claim: Claim<'_>| {
        format!(
            "repo {} ({}), keyset {}, epoch {}",
            claim.repo,
            claim.repo_id.hash().short(),
            claim.keyset,
            claim.epoch
        )
    };
    Err(untrusted(
        what,
        format!("it is for {}, not {}", words(claim), words(expected)),
    ))
}

fn untrusted(what: &str, reason: impl Into<String>) -> Error {
    Error::Untrusted {
        what: what.to_owned(),
        reason: reason.into(),
    }
}
