//! Everything that can go wrong, in one enum of facts.
//!
//! Messages say what was being done to what and what was found. [`Error::kind`] alone decides the exit code and, later,
//! the HTTP status; the words of [`Kind`] are the same in both. Hints for people live in the command line.
//!
//! # Not here
//!
//! Why a text is not a name, path, time or id: small types beside those, carried here as `source`.

use std::io;
use std::path::{Path, PathBuf};

use super::clock::TimeError;
use super::id::Hash;
pub use super::kind::Kind;
use super::name::{NameError, RefName};
use super::path::{PathError, TreePath};
use super::text::TextError;
use super::unmet::Unmet;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the file system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, such as `read`.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The request makes no sense as it stands.
    #[error("{reason}")]
    Usage {
        /// What is wrong with it.
        reason: String,
    },
    /// A text is not a name of the kind that was wanted.
    #[error("{text:?} is no {what}: {source}")]
    Name {
        /// The kind of name, such as `ref name`.
        what: &'static str,
        /// The text.
        text: String,
        /// The rule it breaks.
        source: NameError,
    },
    /// A text is not a path of a tree.
    #[error("{text:?} is no path: {source}")]
    Path {
        /// The text.
        text: String,
        /// The rule it breaks.
        source: PathError,
    },
    /// The clock, or `SOURCE_DATE_EPOCH`, is out of range.
    #[error("cannot read the time: {0}")]
    Time(#[from] TimeError),
    /// There is no such thing.
    #[error("no {what} {name}")]
    NotFound {
        /// The kind of thing, such as `build`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// A prefix names several things.
    #[error("{prefix} names {} {what}s: {}", matches.len(), matches.join(", "))]
    Ambiguous {
        /// The kind of thing.
        what: &'static str,
        /// What was given.
        prefix: String,
        /// What it may mean.
        matches: Vec<String>,
    },
    /// A thing of that name is there already.
    #[error("there is already a {what} {name}")]
    Exists {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A build is not in a state in which the verb can be done.
    #[error("cannot {verb} build {build}: it is {state}")]
    State {
        /// The build.
        build: u64,
        /// The state it is in.
        state: String,
        /// What was to be done.
        verb: &'static str,
    },
    /// Paths changed both in a build and in its ref.
    #[error("cannot {verb} build {build} {} {target}: {total} {} changed since its base", if *verb == "withdraw" { "from" } else { "to" }, if *total == 1 { "path" } else { "paths" })]
    Conflict {
        /// What was to be done.
        verb: &'static str,
        /// The build.
        build: u64,
        /// The ref.
        target: RefName,
        /// The first of the paths, each with the release that changed it.
        paths: Vec<ConflictPath>,
        /// How many paths there are in all.
        total: u64,
    },
    /// A merge would give another tree than the one that was tested.
    #[error(
        "cannot publish build {build} as tested: {target} has moved to {current} since the build was committed"
    )]
    Untested {
        /// The build.
        build: u64,
        /// The ref.
        target: RefName,
        /// Where the ref stands now, such as `stable@42`.
        current: String,
    },
    /// Checks have not passed that must.
    #[error("cannot publish build {build} to {target}: {unmet}")]
    Unchecked {
        /// The build.
        build: u64,
        /// The ref.
        target: RefName,
        /// The checks.
        unmet: Unmet,
    },
    /// Objects that a build refers to are not there.
    #[error("cannot {verb} build {build}: {} are missing, first {}", counted(objects.len(), "object"), objects.first().map_or("", String::as_str))]
    Missing {
        /// What was to be done.
        verb: &'static str,
        /// The build.
        build: u64,
        /// What is missing: kind, id and the path that needs it.
        objects: Vec<String>,
    },
    /// The verb contradicts what is recorded.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The caller may not do this.
    #[error("not allowed: {reason}")]
    NotAllowed {
        /// Why.
        reason: String,
    },
    /// Another process holds a store, or exports into a folder.
    #[error("the {what} {} is held by {holder}; waited {waited_s} s", path.display())]
    Busy {
        /// What it holds, such as `store`.
        what: &'static str,
        /// Where that is.
        path: PathBuf,
        /// Who holds it.
        holder: String,
        /// How long this process waited, in seconds.
        waited_s: u64,
    },
    /// Bytes are not what their format says.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What they should have been, such as `tree`.
        what: &'static str,
        /// The rule they break.
        reason: String,
    },
    /// A stored thing is lost, or no longer what its id says.
    #[error("damaged {what} {id} in {place}: {reason}")]
    Damaged {
        /// The kind of thing.
        what: &'static str,
        /// Its id.
        id: Hash,
        /// The file, or the path in the tree.
        place: String,
        /// What was found.
        reason: String,
    },
    /// A signature or statement does not hold.
    #[error("cannot trust {what}: {reason}")]
    Untrusted {
        /// The document, such as `statement stable@4`.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Signers made two statements where there can be only one: both notes are kept as evidence.
    #[error("cannot trust {what}: {reason}")]
    Contradiction {
        /// The document, such as `heads 4 of os`.
        what: String,
        /// What contradicts what.
        reason: String,
    },
    /// A file or directory cannot be staged.
    #[error("cannot stage {}: {reason}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something is larger than its limit.
    #[error("{what} has {found}, the limit is {max}")]
    Limit {
        /// What, with its unit.
        what: &'static str,
        /// How large it is.
        found: u64,
        /// The most that is allowed.
        max: u64,
    },
    /// The store was written by a later version.
    #[error("{} has format {found}; this program reads format {supported}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The latest format this program knows.
        supported: u64,
    },
    /// The settings of a store are not legal.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong, and on which line.
        reason: String,
    },
    /// The catalog failed.
    #[error("cannot {action} the catalog: {reason}")]
    Catalog {
        /// What was being done.
        action: &'static str,
        /// What it answered.
        reason: String,
        /// Which kind of failure that is.
        kind: Kind,
    },
    /// A broken promise inside the program.
    #[error("internal error: {reason}; please report it")]
    Internal {
        /// The promise.
        reason: String,
    },
    /// There is more at a time of something than can be.
    #[error("there are too many {what}, the limit is {max}: ask again")]
    TooMany {
        /// What.
        what: &'static str,
        /// The most there can be.
        max: u64,
    },
    /// The other side cannot be reached, or broke off.
    #[error("cannot reach {place}: {reason}")]
    Unreachable {
        /// Where it should be.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The other side could not do what it was asked.
    #[error("{place} says: {reason}")]
    Remote {
        /// Where it is.
        place: String,
        /// What it says.
        reason: String,
        /// Which kind of failure that is.
        kind: Kind,
        /// Paths or objects that it names.
        details: Vec<String>,
    },
    /// Jobs of the store failed.
    #[error("{} failed, first {first}", counted(*failed, "job"))]
    Jobs {
        /// How many.
        failed: usize,
        /// The first of them, and why.
        first: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A path that changed both in a build and in its ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictPath {
    /// The path.
    pub path: TreePath,
    /// The build that changed it in the ref, if a build did.
    pub build: Option<u64>,
    /// The release that changed it, such as `stable@41`.
    pub release: String,
}

impl Error {
    /// What this error means to whoever asked.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => io_kind(source),
            Self::Source { .. } | Self::Limit { .. } | Self::Time(_) => Kind::Failed,
            Self::Usage { .. }
            | Self::Name { .. }
            | Self::Path { .. }
            | Self::Ambiguous { .. }
            | Self::Settings { .. } => Kind::Usage,
            Self::NotFound { .. } => Kind::NotFound,
            Self::NotAllowed { .. } => Kind::NotAllowed,
            Self::Exists { .. }
            | Self::State { .. }
            | Self::Conflict { .. }
            | Self::Untested { .. }
            | Self::Missing { .. }
            | Self::Refused { .. } => Kind::Conflict,
            Self::Busy { .. } | Self::TooMany { .. } => Kind::Busy,
            Self::Malformed { .. }
            | Self::Damaged { .. }
            | Self::Untrusted { .. }
            | Self::Contradiction { .. } => Kind::Integrity,
            Self::NewerFormat { .. } | Self::Unreachable { .. } => Kind::Unavailable,
            Self::Unchecked { unmet, .. } if unmet.failed.is_empty() => Kind::Conflict,
            Self::Jobs { .. } | Self::Unchecked { .. } => Kind::Check,
            Self::Catalog { kind, .. } | Self::Remote { kind, .. } => *kind,
            Self::Internal { .. } => Kind::Internal,
            Self::Interrupted => Kind::Interrupted,
        }
    }

    /// Whether the error is that a file is not there.
    #[must_use]
    pub fn is_file_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Makes the function that turns an [`io::Error`] into [`Error::Io`], for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A malformed `what` that breaks the rule `reason`.
    pub fn malformed(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            reason: reason.into(),
        }
    }

    /// A broken promise inside the program.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self::Internal {
            reason: reason.into(),
        }
    }

    /// A request that makes no sense.
    pub fn usage(reason: impl Into<String>) -> Self {
        Self::Usage {
            reason: reason.into(),
        }
    }

    /// A request that contradicts what is recorded.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused {
            reason: reason.into(),
        }
    }

    /// A thing that is not there.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers make the text on the spot, and `&` at each would say nothing"
    )]
    pub fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound {
            what,
            name: name.to_string(),
        }
    }

    /// Makes the function that turns a [`TextError`] into a malformed `what`, for `map_err`.
    pub fn text(what: &'static str) -> impl Fn(TextError) -> Self {
        move |error| Self::malformed(what, error.to_string())
    }

    /// Says which stored thing a malformed or wrong piece of bytes was, and where it lies; so also if it promises more than
    /// any may, since no writer made that. Other errors pass unchanged.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers make the text on the spot, and `&` at each would say nothing"
    )]
    pub fn in_stored(self, what: &'static str, id: Hash, place: impl ToString) -> Self {
        match self {
            Self::Malformed { reason, .. } => Self::Damaged {
                what,
                id,
                place: place.to_string(),
                reason,
            },
            Self::Limit { .. } => Self::Damaged {
                what,
                id,
                place: place.to_string(),
                reason: self.to_string(),
            },
            other => other,
        }
    }
}

fn io_kind(source: &io::Error) -> Kind {
    match source.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::NotAllowed,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Unavailable,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Kind::Integrity,
        _ => Kind::Failed,
    }
}

/// The limit `max` on `what`, met by `found`.
///
/// # Errors
///
/// [`Error::Limit`] if `found` is above `max`.
pub fn check_limit(what: &'static str, found: u64, max: u64) -> Result<()> {
    if found > max {
        Err(Error::Limit { what, found, max })
    } else {
        Ok(())
    }
}

/// `1 object`, `2 objects`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_names_the_act_and_the_file() {
        let error = Error::io("read", Path::new("/a/b"))(io::ErrorKind::StorageFull.into());
        assert_eq!(error.to_string(), "cannot read /a/b: no storage space");
        assert_eq!(error.kind(), Kind::Unavailable);
    }

    #[test]
    fn only_malformed_bytes_become_damage() {
        let id = Hash::of(b"x");
        let damaged =
            Error::malformed("tree", "line 1: 'bindery'").in_stored("tree", id, "packs/ab/cd");
        assert!(matches!(damaged, Error::Damaged { what: "tree", .. }));
        assert_eq!(damaged.kind(), Kind::Integrity);
        assert!(matches!(
            Error::Interrupted.in_stored("tree", id, ""),
            Error::Interrupted
        ));
    }

    #[test]
    fn no_two_kinds_share_a_word() {
        let mut words = Kind::ALL.map(Kind::word);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
