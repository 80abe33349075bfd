//! Blocks: one set of restrictions. A token is allowed what every one of its blocks allows.
//!
//! ```text
//! id 00112233445566778899aabbccddeeff
//! exp 2026-11-27T04:00:00Z
//! can stage commit
//! repo example.org/os
//! ref app/editor
//! build 17
//! path pool/main
//! bytes 1000000
//! ```
//!
//! # Invariants
//!
//! - Lines stand in this order, each at most once; the values of lists are sorted and different. What parses is written
//!   as it was read.
//!
//! # Not here
//!
//! What holds blocks together (`trust::token::chain`), which lines the first must have (there, too).

use std::fmt::{self, Display};
use std::str::FromStr;

use super::capability::Capability;
use super::error::{Dimension, TokenError, shown};
use super::id::BlockId;
use super::request::{Denied, Request};
use super::scope::Scope;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;

/// One set of restrictions. What is `None` is not restricted by this block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// What names the block when it is revoked and in the audit log.
    pub id: Option<BlockId>,
    /// From when on nothing is allowed.
    pub expires: Option<Time>,
    /// What may be done.
    pub can: Option<Scope<Capability>>,
    /// In which repos.
    pub repos: Option<Scope<RepoName>>,
    /// To which refs: these, and those whose first components are one of these.
    pub refs: Option<Scope<RefName>>,
    /// To which builds, by number.
    pub builds: Option<Scope<u64>>,
    /// To this path and what lies beneath it. The root restricts nothing, and is not written.
    pub path: Option<TreePath>,
    /// Up to how many bytes in all.
    pub bytes: Option<u64>,
}

impl Block {
    /// Whether the block states something about `dimension`.
    #[must_use]
    pub fn states(&self, dimension: Dimension) -> bool {
        self.value(dimension).is_some()
    }

    /// Whether the block restricts nothing and has no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !Dimension::ALL.into_iter().any(|one| self.states(one))
    }

    /// What the block states about `dimension`, as its line says it.
    #[must_use]
    pub fn value(&self, dimension: Dimension) -> Option<String> {
        fn text(value: Option<&impl Display>) -> Option<String> {
            value.map(ToString::to_string)
        }
        match dimension {
            Dimension::Id => text(self.id.as_ref()),
            Dimension::Expires => text(self.expires.as_ref()),
            Dimension::Can => text(self.can.as_ref()),
            Dimension::Repo => text(self.repos.as_ref()),
            Dimension::Ref => text(self.refs.as_ref()),
            Dimension::Build => text(self.builds.as_ref()),
            Dimension::Path => text(self.path.as_ref().filter(|path| !path.is_root())),
            Dimension::Bytes => text(self.bytes.as_ref()),
        }
    }

    /// Reads the text of block number `block`, which is only used to say in errors which it was.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says which line is wrong, and what it takes.
    pub(super) fn parse(text: &str, block: usize) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::EmptyBlock { block });
        }
        let lines = text
            .strip_suffix('\n')
            .ok_or(TokenError::Unended { block })?;
        let mut read = Self::default();
        for line in lines.split('\n') {
            read.take_line(line, block)?;
        }
        if read.to_string() == text {
            Ok(read)
        } else {
            Err(TokenError::NotCanonical { block })
        }
    }

    fn take_line(&mut self, line: &str, block: usize) -> Result<(), TokenError> {
        let (word, value) = line
            .split_once(' ')
            .map_or((line, None), |(word, value)| (word, Some(value)));
        let known = Dimension::ALL.into_iter().find(|one| one.word() == word);
        let dimension = known.ok_or_else(|| TokenError::UnknownLine {
            block,
            line: shown(line),
        })?;
        if self.states(dimension) {
            return Err(TokenError::Repeated { block, dimension });
        }
        let value = value
            .filter(|value| !value.is_empty())
            .ok_or(TokenError::EmptyValue { block, dimension })?;
        self.take_value(dimension, value)
            .filter(|()| self.states(dimension))
            .ok_or(TokenError::BadValue { block, dimension })
    }

    /// Takes a value for one of the dimensions; `None` if it is none.
    fn take_value(&mut self, dimension: Dimension, value: &str) -> Option<()> {
        match dimension {
            Dimension::Id => self.id = Some(value.parse().ok()?),
            Dimension::Expires => self.expires = Some(value.parse().ok()?),
            Dimension::Can => self.can = Some(value.parse().ok()?),
            Dimension::Repo => self.repos = Some(value.parse().ok()?),
            Dimension::Ref => self.refs = Some(value.parse().ok()?),
            Dimension::Build => self.builds = Some(value.parse().ok()?),
            Dimension::Path => self.path = Some(value.parse().ok()?),
            Dimension::Bytes => self.bytes = Some(value.parse().ok()?),
        }
        Some(())
    }

    /// Requires that this block does not forbid `request`.
    pub(super) fn allows(&self, request: &Request<'_>) -> Result<(), Denied> {
        self.allows_moment(request.now)?;
        let is_outside = |scope: &Option<Scope<Capability>>| {
            let scope = scope.as_ref();
            scope.is_some_and(|scope| !scope.holds(Some(&request.capability)))
        };
        if is_outside(&self.can) {
            return Err(Denied::Capability {
                wanted: request.capability,
            });
        }
        if let Some(scope) = &self.repos
            && !scope.holds(request.repo)
        {
            return Err(Denied::Repo {
                repo: request.repo.cloned(),
            });
        }
        if let Some(scope) = &self.refs
            && !holds_ref(scope, request.reference)
        {
            return Err(Denied::Ref {
                name: request.reference.cloned(),
            });
        }
        if let Some(scope) = &self.builds
            && !scope.holds(request.build.as_ref())
        {
            return Err(Denied::Build {
                build: request.build,
            });
        }
        self.allows_content(request)
    }

    /// Requires that the block has not expired at `now`.
    pub(super) fn allows_moment(&self, now: Time) -> Result<(), Denied> {
        match self.expires {
            Some(at) if at <= now => Err(Denied::Expired { at }),
            _ => Ok(()),
        }
    }

    fn allows_content(&self, request: &Request<'_>) -> Result<(), Denied> {
        if let (Some(directory), Some(path)) = (&self.path, request.path)
            && !directory.contains(path)
        {
            return Err(Denied::Path { path: path.clone() });
        }
        match (self.bytes, request.bytes) {
            (Some(max), Some(found)) if found > max => Err(Denied::Bytes { found, max }),
            _ => Ok(()),
        }
    }
}

fn holds_ref(scope: &Scope<RefName>, name: Option<&RefName>) -> bool {
    match name {
        Some(name) => scope.holds_prefix_of(name),
        None => scope.holds(None),
    }
}

impl FromStr for Block {
    type Err = TokenError;

    /// Reads the text of a block, in its one spelling.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::parse(text, 0)
    }
}

impl Display for Block {
    /// Writes the lines, each with its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for dimension in Dimension::ALL {
            if let Some(value) = self.value(dimension) {
                writeln!(f, "{dimension} {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "id 00112233445566778899aabbccddeeff\nexp 2026-11-27T04:00:00Z\n\
         can stage commit\nrepo example.org/os\nref app/editor\nbuild 17\npath pool/with space\nbytes 1000000\n";

    #[test]
    fn a_block_is_written_as_it_was_read() {
        let read = Block::parse(WHOLE, 0).map(|block| block.to_string());
        assert_eq!(read.as_deref(), Ok(WHOLE));
        for text in [
            "can *\n",
            "build *\n",
            /* as numbers */ "build 2 10\n",
            "bytes 0\n",
            "ref a b/c\n",
        ] {
            let read = Block::parse(text, 0).map(|block| block.to_string());
            assert_eq!(read.as_deref(), Ok(text));
        }
    }

    #[test]
    fn every_wrong_line_has_an_error_of_its_own() {
        let block = 3;
        let unknown = |line: &str| TokenError::UnknownLine {
            block,
            line: line.into(),
        };
        let empty = |dimension| TokenError::EmptyValue { block, dimension };
        let bad = |dimension| TokenError::BadValue { block, dimension };
        let other = TokenError::NotCanonical { block };
        for (text, expected) in [
            ("", TokenError::EmptyBlock { block }),
            ("can stage", TokenError::Unended { block }),
            ("\n", unknown("")),
            ("cant stage\n", unknown("cant stage")),
            ("Can stage\n", unknown("Can stage")),
            ("can\n", empty(Dimension::Can)),
            ("can \n", empty(Dimension::Can)),
            (
                "can read\ncan read\n",
                TokenError::Repeated {
                    block,
                    dimension: Dimension::Can,
                },
            ),
            (
                "can read\nbytes 1\ncan read\n",
                TokenError::Repeated {
                    block,
                    dimension: Dimension::Can,
                },
            ),
            ("can write\n", bad(Dimension::Can)),
            ("can stage \n", bad(Dimension::Can)),
            ("can * read\n", bad(Dimension::Can)),
            ("id 0011\n", bad(Dimension::Id)),
            ("exp tomorrow\n", bad(Dimension::Expires)),
            ("repo ../x\n", bad(Dimension::Repo)),
            ("ref app/**\n", bad(Dimension::Ref)),
            ("build -1\n", bad(Dimension::Build)),
            ("path ..\n", bad(Dimension::Path)),
            ("path /\n", bad(Dimension::Path)),
            ("bytes 18446744073709551616\n", bad(Dimension::Bytes)),
            ("bytes 01\n", other.clone()),
            ("bytes +1\n", other.clone()),
            ("build 10 2\n", other.clone()),
            ("can commit stage\n", other.clone()),
            ("can stage stage\n", other.clone()),
            ("path a/\n", other.clone()),
            ("bytes 1\ncan read\n", other),
        ] {
            assert_eq!(Block::parse(text, block), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn the_root_restricts_nothing_and_is_not_written() {
        let block = Block {
            path: Some(TreePath::root()),
            ..Block::default()
        };
        assert!(block.is_empty());
        assert_eq!(block.to_string(), "");
    }
}
