//! Roles: how many of which keys must sign.
//!
//! # Invariants
//!
//! - A role of a [`Keyset`](super::keyset::Keyset) names keys of that keyset, each once, and its threshold is at least 1
//!   and at most their number.
//!
//! # Not here
//!
//! Which roles there are and what they may do (`trust::keyset`, which also has the tests of what a role may not say).

use std::collections::HashSet;

use super::key::PublicKey;
use crate::base::name::KeyName;
use crate::base::text::{Fields, TextError};
use crate::base::{Error, Result};

/// Whose signatures are needed: at least `threshold` of `keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    threshold: u64,
    keys: Vec<KeyName>,
}

impl Role {
    /// The role of one key.
    pub(super) fn one_key(name: KeyName) -> Self {
        Self {
            threshold: 1,
            keys: vec![name],
        }
    }

    /// How many of the keys must sign, at least 1.
    #[must_use]
    pub const fn threshold(&self) -> u64 {
        self.threshold
    }

    /// The names of the keys that may sign.
    #[must_use]
    pub fn keys(&self) -> &[KeyName] {
        &self.keys
    }

    /// Requires that enough of `signers` are of this role; `signers` are distinct keys of the same keyset, as
    /// [`Note::verify`](super::note::Note::verify) returns them. `what` names the statement in the error.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if they are too few.
    pub fn check(&self, what: &str, signers: &[&PublicKey]) -> Result<()> {
        let of_role = |signer: &&&PublicKey| self.keys.contains(signer.name());
        let found = signers.iter().filter(of_role).count();
        if (found as u64) < self.threshold {
            return Err(Error::Untrusted {
                what: what.to_owned(),
                reason: format!(
                    "{found} keys of the role signed it, {} are needed",
                    self.threshold
                ),
            });
        }
        Ok(())
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, TextError> {
        let threshold = fields.number()?;
        let mut keys = vec![fields.value("a key's name")?];
        while fields.end().is_err() {
            keys.push(fields.value("a key's name")?);
        }
        Ok(Self { threshold, keys })
    }

    pub(super) fn write(&self) -> String {
        let names: Vec<&str> = self.keys.iter().map(KeyName::as_str).collect();
        format!("{} {}", self.threshold, names.join(" "))
    }

    /// Requires that the role can be met with the keys `listed` in its keyset; says why not.
    pub(super) fn check_keys(&self, listed: &HashSet<&KeyName>) -> Result<(), String> {
        let mut names = HashSet::new();
        for name in &self.keys {
            if !listed.contains(name) {
                return Err(format!("a role names {name}, which is no listed key"));
            }
            if !names.insert(name) {
                return Err(format!("a role names {name} twice"));
            }
        }
        if self.threshold == 0 || self.threshold > names.len() as u64 {
            return Err(format!(
                "a role needs {} of {} keys",
                self.threshold,
                names.len()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::testing::{key_name, secret_key};

    #[test]
    fn a_role_counts_its_own_keys_alone() -> Result<()> {
        let [ana, ben, cyd] =
            [("ana", 1), ("ben", 2), ("cyd", 3)].map(|(name, seed)| secret_key(name, seed));
        let (ana, ben, cyd) = (ana?, ben?, cyd?);
        let (ana, ben, cyd) = (ana.public(), ben.public(), cyd.public());
        let role = Role {
            threshold: 2,
            keys: vec![key_name("ana")?, key_name("ben")?],
        };
        for (signers, good, reason) in [
            (vec![ana, ben], true, "both"),
            (vec![ana, ben, cyd], true, "more than are needed"),
            (vec![ana], false, "one of two"),
            (vec![ana, cyd], false, "a key of another role"),
            (vec![], false, "nobody"),
        ] {
            assert_eq!(role.check("it", &signers).is_ok(), good, "{reason}");
        }
        Ok(())
    }
}
