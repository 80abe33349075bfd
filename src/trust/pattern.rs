//! Patterns of ref names: which refs a role may publish.
//!
//! # Invariants
//!
//! - A pattern matches whole components: `app/**` matches `app/editor` and neither `apple` nor `app` itself.
//!
//! # Not here
//!
//! Who may publish what matches (`trust::keyset`).

use std::fmt;
use std::str::FromStr;

use crate::base::name::{NameError, RefName};

/// A set of ref names: all (`**`), those beneath a name (`app/**`), or one (`stable`).
///
/// ```
/// # use bindery::trust::pattern::RefPattern;
/// let pattern: RefPattern = "app/**".parse()?;
/// assert!(pattern.matches(&"app/editor/stable".parse()?));
/// assert!(!pattern.matches(&"apple".parse()?));
/// # Ok::<(), bindery::base::name::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RefPattern {
    /// Every ref: `**`.
    All,
    /// Every ref whose first components are this name, and that has more: `app/**`.
    Beneath(RefName),
    /// This ref alone: `stable`.
    Exactly(RefName),
}

impl RefPattern {
    /// Whether `name` is in the set.
    #[must_use]
    pub fn matches(&self, name: &RefName) -> bool {
        match self {
            Self::All => true,
            Self::Beneath(prefix) => name
                .as_str()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.starts_with('/')),
            Self::Exactly(exact) => name == exact,
        }
    }
}

impl fmt::Display for RefPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("**"),
            Self::Beneath(prefix) => write!(f, "{prefix}/**"),
            Self::Exactly(exact) => write!(f, "{exact}"),
        }
    }
}

impl FromStr for RefPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "**" {
            return Ok(Self::All);
        }
        match text.strip_suffix("/**") {
            Some(prefix) => prefix.parse().map(Self::Beneath),
            None => text.parse().map(Self::Exactly),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::check_spelling;

    #[test]
    fn a_pattern_matches_whole_components() -> Result<(), NameError> {
        for (pattern, name, expected) in [
            ("**", "stable", true),
            ("**", "app/editor", true),
            ("stable", "stable", true),
            ("stable", "stable/x", false),
            ("stable", "stabler", false),
            ("app/**", "app/editor", true),
            ("app/**", "app/editor/x86_64", true),
            ("app/**", "app", false),
            ("app/**", "apple", false),
            ("app/**", "apple/editor", false),
            ("app/a/**", "app/a/b", true),
            ("app/a/**", "app/ab", false),
        ] {
            let parsed: RefPattern = pattern.parse()?;
            assert_eq!(
                parsed.matches(&name.parse()?),
                expected,
                "{pattern} on {name}"
            );
            assert_eq!(parsed.to_string(), pattern);
        }
        Ok(())
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        for pattern in ["**", "app/editor", "app/**"] {
            check_spelling::<RefPattern>(pattern);
        }
    }

    #[test]
    fn stars_stand_alone_at_the_end() {
        for text in [
            "", "*", "***", "a*", "a/*", "**/a", "a/**/b", "/**", "a/***", "a/**/**", "a b",
        ] {
            assert!(text.parse::<RefPattern>().is_err(), "{text:?}");
        }
    }
}
