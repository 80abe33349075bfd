//! Scopes: everything, or a list of things.
//!
//! # Invariants
//!
//! - A list has at least one thing, and its things are sorted and different; everything is written `*` and never left out.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use crate::base::name::RefName;

/// The sign for everything.
pub const EVERYTHING: &str = "*";

/// Everything, or some things.
///
/// ```
/// # use bindery::base::name::RefName;
/// # use bindery::trust::token::scope::Scope;
/// let scope: Scope<RefName> = "app tools/gcc".parse()?;
/// assert!(scope.holds_prefix_of(&"app/editor/stable".parse()?));
/// assert!(!scope.holds_prefix_of(&"apple".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope<T>(Option<BTreeSet<T>>);

impl<T: Ord> Scope<T> {
    /// Everything.
    #[must_use]
    pub const fn everything() -> Self {
        Self(None)
    }

    /// One thing.
    #[must_use]
    pub fn one(thing: T) -> Self {
        Self(Some(BTreeSet::from([thing])))
    }

    /// Those things, or `None` if there are none: a scope of nothing would be useless.
    #[must_use]
    pub fn some(things: impl IntoIterator<Item = T>) -> Option<Self> {
        let things: BTreeSet<T> = things.into_iter().collect();
        (!things.is_empty()).then_some(Self(Some(things)))
    }

    /// The things; `None` if it is everything.
    #[must_use]
    pub fn things(&self) -> Option<impl Iterator<Item = &T>> {
        self.0.as_ref().map(BTreeSet::iter)
    }

    /// Whether `thing` is in it; what is no single thing (`None`) is in everything alone.
    #[must_use]
    pub fn holds(&self, thing: Option<&T>) -> bool {
        self.0
            .as_ref()
            .is_none_or(|things| thing.is_some_and(|thing| things.contains(thing)))
    }
}

impl Scope<RefName> {
    /// Whether `name`, or a name that its first components are, is in it.
    #[must_use]
    pub fn holds_prefix_of(&self, name: &RefName) -> bool {
        let starts = |prefix: &RefName| {
            let mut components = name.components();
            prefix
                .components()
                .all(|part| components.next() == Some(part))
        };
        self.0
            .as_ref()
            .is_none_or(|prefixes| prefixes.iter().any(starts))
    }
}

impl<T: Display> Display for Scope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(things) = &self.0 else {
            return f.write_str(EVERYTHING);
        };
        for (place, thing) in things.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{thing}")?;
        }
        Ok(())
    }
}

impl<T: Ord + FromStr> FromStr for Scope<T> {
    type Err = T::Err;

    /// Reads things between single spaces, or `*`. Another order, and things said twice, are taken: a block compares what
    /// is written with what was read.
    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == EVERYTHING {
            return Ok(Self(None));
        }
        let things = text.split(' ').map(str::parse);
        Ok(Self(Some(things.collect::<Result<_, _>>()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NameError;
    use crate::trust::token::capability::Capability;

    #[test]
    fn a_prefix_holds_whole_components() -> Result<(), NameError> {
        for (scope, name, expected) in [
            ("*", "stable", true),
            ("stable", "stable", true),
            ("stable", "stabler", false),
            ("app", "app/editor", true),
            ("app", "apple/editor", false),
            ("app/editor", "app", false),
            ("app/editor", "app/editor/x86_64", true),
            ("a app", "app/x", true),
        ] {
            let scope: Scope<RefName> = scope.parse()?;
            assert_eq!(scope.holds_prefix_of(&name.parse()?), expected, "{name}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_single_thing_is_in_everything_alone() {
        assert!(Scope::<u64>::everything().holds(None));
        assert!(!Scope::one(1_u64).holds(None));
        assert!(Scope::one(1_u64).holds(Some(&1)));
        assert!(!Scope::one(1_u64).holds(Some(&2)));
        assert_eq!(Scope::<u64>::some([]), None);
    }

    #[test]
    fn a_list_is_written_in_order() {
        let scope = Scope::some([Capability::Read, Capability::Stage]);
        assert_eq!(
            scope.map(|scope| scope.to_string()).as_deref(),
            Some("stage read")
        );
        for text in ["", " ", "stage ", "stage  read", "* stage"] {
            assert!(text.parse::<Scope<Capability>>().is_err(), "{text:?}");
        }
    }
}
