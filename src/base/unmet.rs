//! Unmet: the outside checks that keep a build from being published.
//!
//! # Not here
//!
//! Which those are (`store::checks`).

use std::fmt;

use super::name::CheckName;

/// The checks that keep a build from being published, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmet {
    /// Those that failed, whether they were asked for or not.
    pub failed: Vec<CheckName>,
    /// Those that ask for a review, and those that are asked for and have not reported.
    pub waiting: Vec<CheckName>,
}

impl Unmet {
    /// Whether nothing is in the way.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.waiting.is_empty()
    }
}

/// What is in the way of a build, such as `it failed the check lint, and waits for the checks licence, tests`.
impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.failed.as_slice(), self.waiting.as_slice()) {
            ([], []) => f.write_str("it waits for no check"),
            ([], waiting) => write!(f, "it waits for {}", Named(waiting)),
            (failed, []) => write!(f, "it failed {}", Named(failed)),
            (failed, waiting) => {
                write!(
                    f,
                    "it failed {}, and waits for {}",
                    Named(failed),
                    Named(waiting)
                )
            }
        }
    }
}

/// Checks, in words.
struct Named<'a>(&'a [CheckName]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "check" } else { "checks" };
        let names: Vec<&str> = self.0.iter().map(CheckName::as_str).collect();
        write!(f, "the {noun} {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::NameError;
    use super::*;

    #[test]
    fn what_is_in_the_way_is_named() -> Result<(), NameError> {
        let names = |text: &str| -> Result<Vec<CheckName>, NameError> {
            text.split_whitespace().map(str::parse).collect()
        };
        for (failed, waiting, expected) in [
            ("", "", "it waits for no check"),
            ("", "a", "it waits for the check a"),
            ("a b", "", "it failed the checks a, b"),
            (
                "a",
                "b c",
                "it failed the check a, and waits for the checks b, c",
            ),
        ] {
            let (failed, waiting) = (names(failed)?, names(waiting)?);
            let unmet = Unmet { failed, waiting };
            assert_eq!(unmet.to_string(), expected);
            assert_eq!(unmet.is_empty(), expected.ends_with("no check"));
        }
        Ok(())
    }
}
