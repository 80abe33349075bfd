//! The chain of keysets: from the first, which is known by its id, each one vouches for the next.
//!
//! # Invariants
//!
//! - A [`TrustedKeyset`] is the first keyset of a repo, or was signed by the root role of a trusted one and by its own.
//! - `repo_id` is the id of version 1 along the whole chain: the permanent name of the trust root.
//!
//! # Not here
//!
//! How the id of the first keyset is known (a pin file or the command line), where keysets are kept (`store`), whether
//! one has expired (whoever pulls).

use super::form::Form;
use super::key::PublicKey;
use super::keyset::Keyset;
use super::note::Note;
use super::statement::Statement;
use crate::base::id::StatementId;
use crate::base::limits::KEYSET_BYTES_MAX;
use crate::base::{Error, Result};

/// A keyset that is believed, with the note that proves it.
///
/// There is no way around the signatures:
///
/// ```compile_fail
/// # use bindery::trust::{keyset::Keyset, keyset_chain::TrustedKeyset};
/// fn believe(keyset: Keyset, other: TrustedKeyset) -> TrustedKeyset {
///     TrustedKeyset { keyset, ..other }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeyset {
    keyset: Keyset,
    id: StatementId,
    repo_id: StatementId,
    note: Note,
}

impl TrustedKeyset {
    /// Takes the first keyset of a repo from the bytes of its note. `expected` is its id, the repo id; `None` trusts
    /// whatever keyset this is, which is to be done only when the user says so.
    ///
    /// It is the one statement that must be parsed before its signatures are checked, because it holds its own keys:
    /// they prove only that it is whole, the id proves which it is.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is no note of a keyset, [`Error::Untrusted`] if its id or version is another, or its
    /// own root role did not sign it.
    pub fn first(note: &[u8], expected: Option<StatementId>) -> Result<Self> {
        let note = Note::parse(note, KEYSET_BYTES_MAX)?;
        let id = StatementId::of(note.text().as_bytes());
        if let Some(expected) = expected.filter(|expected| *expected != id) {
            return Err(untrusted(1, format!("its id is {id}, not {expected}")));
        }
        let keyset = Keyset::parse(note.text())?;
        if keyset.version() != 1 {
            return Err(untrusted(keyset.version(), "it is not the first"));
        }
        check_root(&note, &keyset)?;
        Ok(Self {
            keyset,
            id,
            repo_id: id,
            note,
        })
    }

    /// Takes the next keyset of the repo from the bytes of its note.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is no note of a keyset, [`Error::Untrusted`] if it does not follow exactly this one,
    /// lowers the epoch, or lacks signatures of this or of its own root role. This one stays as it was.
    pub fn successor(&self, note: &[u8]) -> Result<Self> {
        let note = Note::parse(note, KEYSET_BYTES_MAX)?;
        let signers = note.verify(self.keyset.keys())?;
        self.check_root_of_this(&signers)?;
        let keyset = Keyset::parse(note.text())?;
        self.check_follows(&keyset)?;
        check_root(&note, &keyset)?;
        Ok(Self {
            keyset,
            id: StatementId::of(note.text().as_bytes()),
            repo_id: self.repo_id,
            note,
        })
    }

    /// The keyset.
    #[must_use]
    pub const fn keyset(&self) -> &Keyset {
        &self.keyset
    }

    /// The id of this keyset.
    #[must_use]
    pub const fn id(&self) -> StatementId {
        self.id
    }

    /// The id of the repo's first keyset: the permanent name of its trust root.
    #[must_use]
    pub const fn repo_id(&self) -> StatementId {
        self.repo_id
    }

    /// The signed text.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    fn check_root_of_this(&self, signers: &[&PublicKey]) -> Result<()> {
        let what = format!("the keyset after {}", self.keyset.version());
        self.keyset.root().check(&what, signers)
    }

    fn check_follows(&self, next: &Keyset) -> Result<()> {
        let this = &self.keyset;
        let refused = |reason: String| Err(untrusted(next.version(), reason));
        if next.repo() != this.repo() {
            return refused(format!(
                "it is of repo {}, not {}",
                next.repo(),
                this.repo()
            ));
        }
        if this.version().checked_add(1) != Some(next.version()) {
            return refused(format!("it does not follow version {}", this.version()));
        }
        if next.prev() != Some(self.id) {
            return refused(format!(
                "its prev is not version {}, {}",
                this.version(),
                self.id
            ));
        }
        if next.epoch() < this.epoch() {
            return refused(format!(
                "its epoch {} is below {}",
                next.epoch(),
                this.epoch()
            ));
        }
        Ok(())
    }
}

/// Requires that a keyset is signed by its own root role.
fn check_root(note: &Note, keyset: &Keyset) -> Result<()> {
    let what = format!("{} {}", Keyset::NAME, keyset.version());
    keyset.root().check(&what, &note.verify(keyset.keys())?)
}

fn untrusted(version: u64, reason: impl Into<String>) -> Error {
    Error::Untrusted {
        what: format!("{} {version}", Keyset::NAME),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::secret_key::SecretKey;
    use crate::trust::testing::{TIME, line, mutations, one_key, secret_key};

    /// The keyset after `prev`, in which any two of three keys are root.
    fn second(prev: StatementId) -> Result<String> {
        let keys = [("ana", 1), ("ben", 2), ("cyd", 3)].map(|(name, seed)| secret_key(name, seed));
        let keys: String = keys
            .into_iter()
            .map(|key| Ok(format!("key {}\n", key?.public())))
            .collect::<Result<_>>()?;
        Ok(format!(
            "bindery/keyset/v1\nrepo example.org/os\nversion 2\nprev {prev}\nformat 1\nepoch 1\ntime {TIME}\nexpires -\n\
             {keys}role root 2 ana ben cyd\nrole publish ** 1 ana\nrole heads 1 ana\n"
        ))
    }

    fn sign(text: String, keys: &[&SecretKey]) -> Result<Vec<u8>> {
        Ok(Note::sign(text, keys)?.encode())
    }

    #[test]
    fn a_first_keyset_is_known_by_its_id() -> Result<()> {
        let trusted = one_key(&secret_key("ana", 1)?)?;
        let note = trusted.note().encode();
        assert_eq!(trusted.repo_id(), trusted.id());
        assert_eq!(TrustedKeyset::first(&note, None)?, trusted);
        assert!(TrustedKeyset::first(&note, Some(StatementId::of(b"another"))).is_err());
        for bytes in mutations(&note) {
            assert!(TrustedKeyset::first(&bytes, Some(trusted.id())).is_err());
        }
        Ok(())
    }

    #[test]
    fn a_first_keyset_is_signed_by_its_root_role() -> Result<()> {
        let trusted = one_key(&secret_key("ana", 1)?)?;
        let text = trusted.note().text().to_owned();
        let stranger = secret_key("ben", 2)?;
        assert!(TrustedKeyset::first(&sign(text.clone(), &[&stranger])?, None).is_err());
        let ana = line(&text, "key");
        let listed = text.replace(ana, &format!("{ana}key {}\n", stranger.public()));
        let note = sign(listed, &[&stranger])?;
        assert!(
            TrustedKeyset::first(&note, None).is_err(),
            "listed, and not of the role"
        );
        Ok(())
    }

    #[test]
    fn a_later_keyset_cannot_be_the_first() -> Result<()> {
        let (ana, ben) = (secret_key("ana", 1)?, secret_key("ben", 2)?);
        let note = sign(second(StatementId::of(b"1"))?, &[&ana, &ben])?;
        assert!(TrustedKeyset::first(&note, None).is_err());
        Ok(())
    }

    #[test]
    fn a_keyset_hands_over_to_the_next() -> Result<()> {
        let (ana, ben, cyd) = (
            secret_key("ana", 1)?,
            secret_key("ben", 2)?,
            secret_key("cyd", 3)?,
        );
        let first = one_key(&ana)?;
        let second_text = second(first.id())?;
        let next = first.successor(&sign(second_text.clone(), &[&ana, &cyd])?)?;
        assert_eq!(next.keyset().version(), 2);
        assert_eq!(
            (next.repo_id(), next.id()),
            (first.id(), StatementId::of(second_text.as_bytes()))
        );
        let third = second_text
            .replace("version 2", "version 3")
            .replace(&first.id().to_string(), &next.id().to_string())
            .replace("epoch 1", "epoch 2");
        assert!(
            next.successor(&sign(third.clone(), &[&ana])?).is_err(),
            "one of two"
        );
        let third = next.successor(&sign(third, &[&ben, &cyd])?)?;
        assert_eq!((third.keyset().epoch(), third.repo_id()), (2, first.id()));
        Ok(())
    }

    #[test]
    fn a_keyset_that_does_not_follow_exactly_is_refused() -> Result<()> {
        let (ana, ben) = (secret_key("ana", 1)?, secret_key("ben", 2)?);
        let first = one_key(&ana)?;
        let text = second(first.id())?;
        for (find, replace, reason) in [
            ("version 2", "version 3", "a version is missing between"),
            ("example.org/os", "example.org/other", "another repo"),
            (
                &first.id().to_string(),
                &StatementId::of(b"1").to_string(),
                "another chain",
            ),
        ] {
            let note = sign(text.replace(find, replace), &[&ana, &ben])?;
            assert!(first.successor(&note).is_err(), "{reason}");
        }
        for (keys, reason) in [
            (vec![&ben], "not signed by the root before"),
            (vec![&ana], "too few of its own root"),
        ] {
            assert!(
                first.successor(&sign(text.clone(), &keys)?).is_err(),
                "{reason}"
            );
        }
        assert!(
            first.successor(&first.note().encode()).is_err(),
            "it does not follow itself"
        );
        Ok(())
    }

    #[test]
    fn an_epoch_is_never_lowered() -> Result<()> {
        let ana = secret_key("ana", 1)?;
        let text = one_key(&ana)?.note().text().replace("epoch 1", "epoch 2");
        let first = TrustedKeyset::first(&sign(text.clone(), &[&ana])?, None)?;
        let next = text
            .replace("version 1", "version 2")
            .replace("prev -", &format!("prev {}", first.id()));
        assert!(first.successor(&sign(next.clone(), &[&ana])?).is_ok());
        let lowered = next.replace("epoch 2", "epoch 1");
        assert!(first.successor(&sign(lowered, &[&ana])?).is_err());
        Ok(())
    }
}
