//! Heads: which statements are current, and until when.
//!
//! ```text
//! bindery/heads/v1
//! repo example.org/os
//! repo-id <id of the first keyset>
//! epoch 1
//! version 9001
//! keyset 3
//! refs <size> <id>
//! time 2026-11-22T09:00:00Z
//! expires 2026-11-29T09:00:00Z
//! ```
//!
//! It is the only file that changes and that clients rely on. Everything else is named by a hash, so caches that lag
//! cannot mix two states.
//!
//! # Invariants
//!
//! - The refs object has at most [`REFS_LIST_BYTES_MAX`] bytes.
//! - The fields are free to be set; what breaks a rule cannot be encoded, and so not be signed.
//!
//! # Not here
//!
//! The refs object (`trust::refs_list`), that versions never go down (whoever pulls).

use super::form::{self, Form};
use super::keyset::Keyset;
use super::refs_list::REFS_LIST_BYTES_MAX;
use super::role::Role;
use super::signed::{Claim, Governed};
use super::statement::Extensions;
use crate::base::Result;
use crate::base::clock::Time;
use crate::base::id::{Hash, StatementId};
use crate::base::limits::HEADS_BYTES_MAX;
use crate::base::name::RepoName;
use crate::base::text::{Lines, TextError};

/// The statement that names the current statement of every ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The repo.
    pub repo: RepoName,
    /// The id of the repo's first keyset.
    pub repo_id: StatementId,
    /// The epoch of the keyset, from 1.
    pub epoch: u64,
    /// Counts the heads of the repo and epoch from 1.
    pub version: u64,
    /// The version of the keyset it is made under, from 1.
    pub keyset: u64,
    /// The list of all refs.
    pub refs: RefsObject,
    /// When it was made.
    pub time: Time,
    /// From when on it is no longer fresh, if ever.
    pub expires: Option<Time>,
    /// Lines this version gives no meaning.
    pub extensions: Extensions,
}

/// The refs object that heads name, by id and exact size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefsObject {
    /// Its bytes, at most [`REFS_LIST_BYTES_MAX`].
    pub size: u64,
    /// The hash of its text.
    pub hash: Hash,
}

impl Form for Heads {
    const NAME: &'static str = "heads";
    const DOMAIN: &'static str = "bindery/heads/v1";
    const BYTES_MAX: u64 = HEADS_BYTES_MAX;

    fn read(lines: &mut Lines<'_>) -> Result<Self, TextError> {
        Ok(Self {
            repo: form::read_value(lines, "repo", "a repo's name")?,
            repo_id: form::read_value(lines, "repo-id", "a statement's id")?,
            epoch: form::read_number(lines, "epoch")?,
            version: form::read_number(lines, "version")?,
            keyset: form::read_number(lines, "keyset")?,
            refs: form::read_line(lines, "refs", |fields| {
                Ok(RefsObject {
                    size: fields.number()?,
                    hash: fields.value("a hash")?,
                })
            })?,
            time: form::read_value(lines, "time", "a time")?,
            expires: form::read_optional(lines, "expires", "a time or '-'")?,
            extensions: Extensions::read(lines)?,
        })
    }

    fn write(&self) -> String {
        format!(
            "repo {}\nrepo-id {}\nepoch {}\nversion {}\nkeyset {}\nrefs {} {}\ntime {}\nexpires {}\n{}",
            self.repo,
            self.repo_id,
            self.epoch,
            self.version,
            self.keyset,
            self.refs.size,
            self.refs.hash,
            self.time,
            form::or_dash(self.expires),
            self.extensions.write(),
        )
    }

    fn check(&self) -> Result<()> {
        form::check_counted::<Self>("epoch", self.epoch)?;
        form::check_counted::<Self>("version", self.version)?;
        form::check_counted::<Self>("keyset", self.keyset)?;
        form::check_expires::<Self>(self.time, self.expires)?;
        let size = self.refs.size;
        if size > REFS_LIST_BYTES_MAX {
            return Err(Self::malformed(format!(
                "a refs object of {size} bytes, where {REFS_LIST_BYTES_MAX} are the most"
            )));
        }
        Ok(())
    }
}

impl Governed for Heads {
    fn claim(&self) -> Claim<'_> {
        Claim {
            repo: &self.repo,
            repo_id: self.repo_id,
            epoch: self.epoch,
            keyset: self.keyset,
        }
    }

    fn role<'k>(&self, keyset: &'k Keyset) -> Option<&'k Role> {
        Some(keyset.heads())
    }

    fn describe(&self) -> String {
        format!("heads {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Error;
    use crate::trust::keyset_chain::TrustedKeyset;
    use crate::trust::note::Note;
    use crate::trust::secret_key::SecretKey;
    use crate::trust::signed::{Signed, Unverified, Verified};
    use crate::trust::statement::Statement;
    use crate::trust::testing::{TIME, mutations, one_key, secret_key};

    fn text(trusted: &TrustedKeyset) -> String {
        format!(
            "bindery/heads/v1\nrepo example.org/os\nrepo-id {}\nepoch 1\nversion 7\nkeyset 1\nrefs 0 {}\ntime {TIME}\n\
             expires 2026-11-29T09:00:00Z\n",
            trusted.repo_id(),
            Hash::of(b""),
        )
    }

    fn verify(
        text: String,
        key: &SecretKey,
        keyset: &TrustedKeyset,
    ) -> Result<Signed<Heads, Verified>> {
        Signed::<Heads, Unverified>::parse(&Note::sign(text, &[key])?.encode())?.verify(keyset)
    }

    #[test]
    fn heads_read_back_as_they_were_written() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        let text = text(&trusted);
        let signed = verify(text.clone(), &key, &trusted)?;
        let heads = signed.value();
        assert_eq!(
            (heads.version, heads.refs.size, heads.refs.hash),
            (7, 0, Hash::of(b""))
        );
        assert_eq!(heads.expires, Some(heads.time.plus_seconds(7 * 86_400)));
        assert_eq!(heads.encode()?, text);
        assert_eq!(signed.id(), heads.id()?);
        Ok(())
    }

    #[test]
    fn every_damage_to_signed_heads_is_noticed() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        for bytes in mutations(&Note::sign(text(&trusted), &[&key])?.encode()) {
            let signed = Signed::<Heads, Unverified>::parse(&bytes);
            assert!(signed.and_then(|signed| signed.verify(&trusted)).is_err());
        }
        Ok(())
    }

    #[test]
    fn heads_that_are_signed_and_wrong_are_refused() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        let text = text(&trusted);
        for (find, replace, reason) in [
            ("heads/v1", "ref/v1", "another domain"),
            ("keyset 1\n", "", "a line is missing"),
            ("keyset 1\n", "keyset 1\nkeyset 1\n", "a doubled line"),
            (
                "version 7\nkeyset 1\n",
                "keyset 1\nversion 7\n",
                "the order of lines",
            ),
            ("epoch 1", "epoch 0", "epochs begin with 1"),
            ("version 7", "version 0", "versions begin with 1"),
            ("keyset 1", "keyset 0", "keysets begin with 1"),
            ("refs 0", "refs 00", "a number with a zero before it"),
            ("refs 0", "refs 99999999", "an object above the limit"),
            ("refs 0 ", "refs ", "no size"),
            ("11-29", "11-22", "they expire when they are made"),
            ("00Z\nexpires", "00Z\ny 1\nexpires", "an unknown line"),
        ] {
            assert!(text.contains(find), "{find}");
            let found = verify(text.replacen(find, replace, 1), &key, &trusted);
            assert!(
                matches!(found, Err(Error::Malformed { .. })),
                "{reason}: {found:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn heads_are_signed_by_their_role_for_their_repo() -> Result<()> {
        let (key, stranger) = (secret_key("ana", 1)?, secret_key("srv", 2)?);
        let trusted = one_key(&key)?;
        let text = text(&trusted);
        for (find, replace, key, reason) in [
            ("example.org/os", "example.org/other", &key, "another repo"),
            ("epoch 1", "epoch 2", &key, "another epoch"),
            ("keyset 1", "keyset 2", &key, "another keyset"),
            ("", "", &stranger, "an unknown key"),
        ] {
            let found = verify(text.replacen(find, replace, 1), key, &trusted);
            assert!(
                matches!(found, Err(Error::Untrusted { .. })),
                "{reason}: {found:?}"
            );
        }
        Ok(())
    }
}
