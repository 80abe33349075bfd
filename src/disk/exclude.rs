//! Patterns for what a walk leaves out.
//!
//! # Invariants
//!
//! - A pattern without a slash matches names at any depth; with one, paths relative to the walked directory, where `*`
//!   stays within a name and `**` crosses slashes. One that ends with a slash matches directories only.
//! - A directory that matches is left out with all that is in it.
//!
//! # Not here
//!
//! The walk (`disk::walk`); patterns for refs (`trust::keyset`).

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::stat::FileKind;
use crate::base::limits::GLOB_BYTES_MAX;
use crate::base::{Error, Result};

/// The patterns of one walk.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    texts: Vec<String>,
    everything: Patterns,
    directories: Patterns,
}

#[derive(Clone, Debug, Default)]
struct Patterns {
    names: GlobSet,
    paths: GlobSet,
}

struct PatternsBuilder {
    names: GlobSetBuilder,
    paths: GlobSetBuilder,
}

impl Excludes {
    /// Excludes nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads patterns such as `*.o`, `/build`, `doc/**/*.tmp` and `target/`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] names the pattern that cannot be read, or says that one is longer than [`GLOB_BYTES_MAX`].
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self> {
        let mut everything = PatternsBuilder::new();
        let mut directories = PatternsBuilder::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            match pattern.strip_suffix('/') {
                Some(directory) => directories.add(pattern, directory)?,
                None => everything.add(pattern, pattern)?,
            }
        }
        Ok(Self {
            texts: patterns
                .iter()
                .map(|text| text.as_ref().to_owned())
                .collect(),
            everything: everything.build()?,
            directories: directories.build()?,
        })
    }

    /// The patterns as they were written, in their order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Whether nothing is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.everything.is_empty() && self.directories.is_empty()
    }

    /// Whether to leave out the entry at `path`, relative to the walked directory.
    #[must_use]
    pub fn matches(&self, path: &Path, kind: FileKind) -> bool {
        self.everything.match_path(path)
            || (kind == FileKind::Directory && self.directories.match_path(path))
    }
}

impl Patterns {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.paths.is_empty()
    }

    fn match_path(&self, path: &Path) -> bool {
        path.file_name()
            .is_some_and(|name| self.names.is_match(name))
            || self.paths.is_match(path)
    }
}

impl PatternsBuilder {
    fn new() -> Self {
        Self {
            names: GlobSetBuilder::new(),
            paths: GlobSetBuilder::new(),
        }
    }

    /// Adds `glob`, which was written as `pattern`.
    fn add(&mut self, pattern: &str, glob: &str) -> Result<()> {
        if pattern.len() > GLOB_BYTES_MAX {
            return Err(Error::usage(format!(
                "a pattern to exclude has {} bytes, the limit is {GLOB_BYTES_MAX}",
                pattern.len()
            )));
        }
        let relative = glob.strip_prefix('/').unwrap_or(glob);
        if relative.is_empty() {
            return Err(Error::usage(format!(
                "the pattern {pattern:?} excludes nothing"
            )));
        }
        let glob_set = if glob.contains('/') {
            &mut self.paths
        } else {
            &mut self.names
        };
        glob_set.add(
            GlobBuilder::new(relative)
                .literal_separator(true)
                .build()
                .map_err(|error| Error::usage(format!("cannot exclude: {error}")))?,
        );
        Ok(())
    }

    fn build(&self) -> Result<Patterns> {
        let build = |glob_set: &GlobSetBuilder| {
            glob_set
                .build()
                .map_err(|error| Error::usage(format!("cannot exclude: {error}")))
        };
        Ok(Patterns {
            names: build(&self.names)?,
            paths: build(&self.paths)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_pattern_matches_as_in_gitignore() -> Result<()> {
        use FileKind::{Directory, Regular};
        for (pattern, path, kind, expected, reason) in [
            ("*.o", "a.o", Regular, true, "at the top"),
            ("*.o", "src/deep/a.o", Regular, true, "at any depth"),
            ("*.o", "a.obj", Regular, false, "the whole name"),
            (".git", "sub/.git", Directory, true, "directories too"),
            (
                ".git",
                "sub/.git/config",
                Regular,
                false,
                "the walk never gets here",
            ),
            ("/build", "build", Directory, true, "at the top only"),
            ("/build", "src/build", Directory, false, "at the top only"),
            ("doc/*.md", "doc/a.md", Regular, true, "the relative path"),
            (
                "doc/*.md",
                "doc/sub/a.md",
                Regular,
                false,
                "a star stays in a name",
            ),
            (
                "doc/*.md",
                "src/doc/a.md",
                Regular,
                false,
                "relative to the top",
            ),
            (
                "doc/**/*.md",
                "doc/x/y/a.md",
                Regular,
                true,
                "two stars cross slashes",
            ),
            ("**/x", "a/b/x", Regular, true, "two stars cross slashes"),
            (
                "tmp/",
                "a/tmp",
                Directory,
                true,
                "a slash at the end is no path",
            ),
            ("tmp/", "a/tmp", Regular, false, "it wants a directory"),
            ("/tmp/", "a/tmp", Directory, false, "both slashes"),
            ("[ab]", "b", Regular, true, "a class"),
            ("{x,y}.c", "y.c", Regular, true, "a choice"),
        ] {
            let excludes = Excludes::parse(&[pattern])?;
            let found = excludes.matches(Path::new(path), kind);
            assert_eq!(found, expected, "{pattern} on {path}: {reason}");
        }
        Ok(())
    }

    #[test]
    fn a_name_that_is_not_text_can_be_excluded() -> Result<()> {
        let path = Path::new(OsStr::from_bytes(b"dir/caf\xe9.txt"));
        assert!(Excludes::parse(&["caf?.txt"])?.matches(path, FileKind::Regular));
        Ok(())
    }

    #[test]
    fn without_patterns_nothing_matches() -> Result<()> {
        assert!(Excludes::none().is_empty() && Excludes::parse::<&str>(&[])?.is_empty());
        assert!(!Excludes::none().matches(Path::new("a"), FileKind::Regular));
        assert!(!Excludes::parse(&["d/"])?.is_empty());
        Ok(())
    }

    /// Braces this deep overflowed the stack.
    #[test]
    fn a_pattern_ends_at_its_limit() {
        let nested = |depth| "{a,".repeat(depth) + &"}".repeat(depth);
        for (pattern, good) in [
            ("?".repeat(GLOB_BYTES_MAX), true),
            ("?".repeat(GLOB_BYTES_MAX + 1), false),
            (nested(100), true),
            (nested(256), false),
            (nested(30_000), false),
        ] {
            let parsed = Excludes::parse(&[&pattern]);
            assert_eq!(parsed.is_ok(), good, "{} bytes", pattern.len());
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_named() {
        for pattern in ["a[", "{a", "", "/", "//"] {
            let refused = Excludes::parse(&["fine", pattern]);
            let message = refused.map(drop).map_err(|error| error.to_string());
            assert!(
                message.as_ref().is_err_and(|text| text.contains(pattern)),
                "{pattern:?}: {message:?}"
            );
        }
    }
}
