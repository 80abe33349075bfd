//! Capabilities: what a token may let its holder do.

use std::fmt;
use std::str::FromStr;

/// One thing that a token may allow. The order is that in which a block lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Create builds, upload, and stage into them.
    Stage,
    /// Commit builds.
    Commit,
    /// Report what an outside check found.
    Check,
    /// Publish committed builds, roll refs back, hold and release them.
    Publish,
    /// Take published builds out of their refs.
    Withdraw,
    /// Purge builds.
    Purge,
    /// Read what is not public: builds, their logs and events.
    Read,
    /// Copy everything that is published in a repo.
    Mirror,
    /// Revoke tokens, read the audit log, look after jobs.
    Admin,
}

/// Why a text is no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a capability is stage, commit, check, publish, withdraw, purge, read, mirror or admin; '*' is all of them"
)]
pub struct CapabilityError;

impl Capability {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Stage,
        Self::Commit,
        Self::Check,
        Self::Publish,
        Self::Withdraw,
        Self::Purge,
        Self::Read,
        Self::Mirror,
        Self::Admin,
    ];

    /// What a token for CI has if nothing else is said.
    pub const FOR_CI: [Self; 2] = [Self::Stage, Self::Commit];

    /// The word for it in blocks, options and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Commit => "commit",
            Self::Check => "check",
            Self::Publish => "publish",
            Self::Withdraw => "withdraw",
            Self::Purge => "purge",
            Self::Read => "read",
            Self::Mirror => "mirror",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let found = Self::ALL.into_iter().find(|one| one.word() == text);
        found.ok_or(CapabilityError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::check_spelling;

    #[test]
    fn every_capability_has_a_word_and_a_place() {
        assert!(Capability::ALL.is_sorted());
        for capability in Capability::ALL {
            check_spelling::<Capability>(capability.word());
        }
        for text in ["", "*", "Stage", "stage ", "write"] {
            assert_eq!(text.parse::<Capability>(), Err(CapabilityError), "{text:?}");
        }
    }
}
