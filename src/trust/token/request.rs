//! Requests: what somebody with a token wants to do, and why it may be denied.

use super::capability::Capability;
use crate::base::Error;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;

/// What somebody wants to do.
///
/// What is `None` of `repo`, `reference` and `build` means "no single one", so that only a token for all of them, or one
/// that says nothing about them, is allowed it: a token for one build creates none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What kind of thing it is.
    pub capability: Capability,
    /// In which repo; `None` for what concerns the whole server.
    pub repo: Option<&'a RepoName>,
    /// To which ref; `None` for what concerns the whole repo. For a build, the ref that it is for.
    pub reference: Option<&'a RefName>,
    /// To which build; `None` for what concerns no single one.
    pub build: Option<u64>,
    /// The place in the tree that is changed or read: the root if it is all of it. `None` if no place is named, as when
    /// packs are sent, or what was staged is committed: a restriction to a path has no say in these.
    pub path: Option<&'a TreePath>,
    /// How many bytes the token will have brought with this request. `None` if it brings none.
    pub bytes: Option<u64>,
    /// When it is asked.
    pub now: Time,
}

impl Request<'_> {
    /// A request for `capability` that names nothing else.
    #[must_use]
    pub const fn new(capability: Capability, now: Time) -> Self {
        Self {
            capability,
            repo: None,
            reference: None,
            build: None,
            path: None,
            bytes: None,
            now,
        }
    }
}

/// Why a token does not allow a request. For the caller and for the audit log: what a caller may not see is to be answered
/// as what does not exist instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is too late.
    #[error("the token expired at {at}: ask for a new one")]
    Expired {
        /// When it did.
        at: Time,
    },
    /// The capability is missing.
    #[error("the token does not allow to {wanted}: ask for one with '--can {wanted}'")]
    Capability {
        /// The capability.
        wanted: Capability,
    },
    /// It is for other repos.
    #[error("the token is not for {}", one_or_all(repo.as_ref(), "repo"))]
    Repo {
        /// The repo.
        repo: Option<RepoName>,
    },
    /// It is for other refs.
    #[error("the token is not for {}", one_or_all(name.as_ref(), "ref"))]
    Ref {
        /// The ref.
        name: Option<RefName>,
    },
    /// It is for other builds.
    #[error("the token is not for {}: use the one that came with that build", one(build.as_ref(), "build", "all builds"))]
    Build {
        /// The build.
        build: Option<u64>,
    },
    /// It is for another place in the tree.
    #[error("the token is not for the path '/{path}': ask for one with that '--path'")]
    Path {
        /// The path.
        path: TreePath,
    },
    /// It would bring too much.
    #[error(
        "the token allows {max} bytes in all, and this would be {found}: ask for one with more '--bytes'"
    )]
    Bytes {
        /// How many it would have brought.
        found: u64,
        /// How many it may bring.
        max: u64,
    },
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let reason = denied.to_string();
        Self::NotAllowed { reason }
    }
}

/// `repo tools`, or `all repos`, and which option makes a token for that.
fn one_or_all(value: Option<&impl ToString>, noun: &str) -> String {
    match value {
        Some(value) => format!(
            "{noun} {}: ask for one with that '--{noun}'",
            value.to_string()
        ),
        None => format!("all {noun}s: ask for one with '--{noun} *'"),
    }
}

/// `build 7`, or `all builds`.
fn one(value: Option<impl ToString>, noun: &str, all: &str) -> String {
    value.map_or_else(
        || all.to_owned(),
        |value| format!("{noun} {}", value.to_string()),
    )
}
