//! Paths of entries beneath the root of a tree.
//!
//! # Invariants
//!
//! - A [`TreePath`] is a list of legal names, at most [`PATH_DEPTH_MAX`] of them and [`PATH_BYTES_MAX`] bytes with the
//!   slashes between. The empty path is the root.
//!
//! # Not here
//!
//! Paths of the machine's file system (`disk`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{PATH_BYTES_MAX, PATH_DEPTH_MAX};
use super::name::{EntryName, NameError};

/// A path from the root of a tree; its text has slashes between the names and none at the ends.
///
/// ```
/// # use bindery::base::path::TreePath;
/// let path: TreePath = "usr/bin/env".parse()?;
/// assert_eq!(path.names().count(), 3);
/// assert_eq!("./usr//bin/env/".parse::<TreePath>()?, path); // as people type it
/// # Ok::<(), bindery::base::path::PathError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath {
    names: Vec<EntryName>,
}

/// Why a text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// One of the names is not legal.
    #[error("{0}")]
    Name(#[from] NameError),
    /// More than [`PATH_DEPTH_MAX`] names.
    #[error("path is more than {PATH_DEPTH_MAX} names deep")]
    TooDeep,
    /// More than [`PATH_BYTES_MAX`] bytes.
    #[error("path has more than {PATH_BYTES_MAX} bytes")]
    TooLong,
}

impl TreePath {
    /// The root.
    #[must_use]
    pub const fn root() -> Self {
        Self { names: Vec::new() }
    }

    /// The path of these names.
    ///
    /// # Errors
    ///
    /// [`PathError`] if one of them is not legal, or there are too many.
    pub fn of_names(names: &[String]) -> Result<Self, PathError> {
        let names = names.iter().map(|name| EntryName::parse(name.as_bytes()));
        Self::check(names.collect::<Result<_, _>>()?)
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, outermost first.
    #[must_use]
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &EntryName> + ExactSizeIterator {
        self.names.iter()
    }

    /// The path of the entry `name` in this directory.
    ///
    /// # Errors
    ///
    /// [`PathError`] if it would be too deep or too long.
    pub fn join(&self, name: &EntryName) -> Result<Self, PathError> {
        let mut names = Vec::with_capacity(self.names.len() + 1);
        names.extend_from_slice(&self.names);
        names.push(name.clone());
        Self::check(names)
    }

    /// The path of `below`, which is relative to this directory.
    ///
    /// # Errors
    ///
    /// [`PathError`] if it would be too deep or too long.
    pub fn join_path(&self, below: &Self) -> Result<Self, PathError> {
        Self::check(self.names.iter().chain(&below.names).cloned().collect())
    }

    /// The directory and the name in it, or `None` for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &EntryName)> {
        let (name, parent) = self.names.split_last()?;
        Some((
            Self {
                names: parent.to_vec(),
            },
            name,
        ))
    }

    /// Whether `other` is this path or lies beneath it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.names.starts_with(&self.names)
    }

    /// The path from `directory` to this one, if it lies there.
    #[must_use]
    pub fn relative_to(&self, directory: &Self) -> Option<Self> {
        let names = self.names.strip_prefix(&*directory.names)?;
        Some(Self {
            names: names.to_vec(),
        })
    }

    fn check(names: Vec<EntryName>) -> Result<Self, PathError> {
        if names.len() > PATH_DEPTH_MAX {
            return Err(PathError::TooDeep);
        }
        let bytes = names
            .iter()
            .map(|name| name.as_str().len() + 1)
            .sum::<usize>();
        if bytes > PATH_BYTES_MAX + 1 {
            return Err(PathError::TooLong);
        }
        Ok(Self { names })
    }
}

impl FromStr for TreePath {
    type Err = PathError;

    /// Reads a path as people type it: slashes at the ends, doubled slashes and `.` components are forgiven.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let parts = text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        Self::check(parts.map(str::parse).collect::<Result<_, NameError>>()?)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.names.iter().enumerate() {
            if place > 0 {
                f.write_str("/")?;
            }
            f.write_str(name.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.to_string()
    }
}

impl TryFrom<String> for TreePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_at_its_limits() {
        let deep = |names: usize| vec!["d"; names].join("/").parse::<TreePath>();
        assert!(deep(PATH_DEPTH_MAX).is_ok());
        assert_eq!(deep(PATH_DEPTH_MAX + 1), Err(PathError::TooDeep));
        let long = |last: usize| {
            format!(
                "{}{}",
                format!("{}/", "n".repeat(255)).repeat(15),
                "n".repeat(last)
            )
            .parse::<TreePath>()
        };
        assert!(long(255).is_ok(), "4,095 bytes");
        assert_eq!(
            long(127).and_then(|p| p.join_path(&"n".repeat(128).parse()?)),
            Err(PathError::TooLong)
        );
    }

    #[test]
    fn no_path_climbs() {
        assert_eq!(
            "a/../b".parse::<TreePath>(),
            Err(PathError::Name(NameError::Dots))
        );
        assert_eq!("/".parse::<TreePath>(), Ok(TreePath::root()));
    }

    #[test]
    fn a_directory_contains_what_lies_beneath_it() -> Result<(), PathError> {
        let contains =
            |a: &str, b: &str| Ok::<_, PathError>(a.parse::<TreePath>()?.contains(&b.parse()?));
        assert!(contains("", "a")? && contains("a", "a/b")? && contains("a", "a")?);
        assert!(!contains("a", "ab")? && !contains("a/b", "a")?);
        let path: TreePath = "a/b/c".parse()?;
        for (directory, expected) in [("", "a/b/c"), ("a", "b/c"), ("a/b/c", "")] {
            let below = path.relative_to(&directory.parse()?);
            assert_eq!(below, Some(expected.parse()?), "{directory:?}");
        }
        assert_eq!(path.relative_to(&"a/c".parse()?), None);
        Ok(())
    }
}
