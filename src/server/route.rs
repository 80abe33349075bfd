//! Routes: what a request asks for, in types that cannot be wrong.
//!
//! # Invariants
//!
//! - A route is made from a method, a path and a query, once; handlers see no text of a URL.
//!
//! # Not here
//!
//! How a URL becomes one (`server::router`), which there are (`server::route_table`).

use std::collections::BTreeMap;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::anonymous::Anonymous;
use super::template::Captures;
use crate::base::id::{Hash, PackId, SnapshotId, StatementId};
use crate::base::name::{CheckName, EntryName, RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::spec::{Spec, Which};
use crate::delta::receive::Announced;
use crate::store::retire::Mode;
use crate::store::rows::BuildState;

/// Where something is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// In what a repo published.
    Repo(RepoName),
    /// In the test repository of a committed build.
    Build(u64),
}

impl Base {
    /// What must be open to everybody for it to be read without a token.
    #[must_use]
    pub const fn open_to(&self) -> Anonymous {
        match self {
            Self::Repo(_) => Anonymous::Published,
            Self::Build(_) => Anonymous::Builds,
        }
    }
}

/// A pack that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackName {
    /// The snapshot that is to be complete.
    pub to: SnapshotId,
    /// A snapshot whose objects are left out.
    pub from: Option<SnapshotId>,
    /// The directory of it that is wanted alone.
    pub path: Option<TreePath>,
}

/// Which builds are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildsAsked {
    /// Those of this repo.
    pub repo: Option<RepoName>,
    /// Those meant for this ref.
    pub target: Option<RefName>,
    /// Those in this state.
    pub state: Option<BuildState>,
    /// Those with smaller ids.
    pub cursor: Option<u64>,
}

/// Which lines of the audit log are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAsked {
    /// Those after this cursor; else the newest.
    pub after: Option<u64>,
    /// At most so many.
    pub number: Option<usize>,
}

/// Which releases of a ref are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogAsked {
    /// Those before this cursor; else the newest.
    pub cursor: Option<u64>,
    /// At most so many.
    pub number: Option<usize>,
}

/// The objects about which a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectsAsked {
    /// Trees.
    Trees,
    /// Blobs: whole, or as recipes.
    Blobs,
}

/// Whether an answer waits until what was asked for is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not.
    No,
    /// It does.
    Yes,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table says in words what each of them is")]
pub enum Route {
    Heads(Base),
    Keyset(Base, u64),
    Statement(Base, StatementId),
    Object(Base, Hash),
    Pack(Base, PackName),
    Pin(Base),
    Files(Base, FilesAsked),
    Page(Base, Option<RefName>),
    NoSlash(Base),
    Start,

    Repos,
    CreateRepo,
    CreateBuild(RepoName),
    Retire(RepoName, Mode),
    RepoEvents(RepoName),
    Refs(RepoName, Option<RefName>),
    Log(RepoName, RefName, LogAsked),
    Snapshot(RepoName, RefName, Which),
    Rollback(RepoName, RefName),
    Hold(RepoName, RefName),
    Release(RepoName, RefName),

    Builds(BuildsAsked),
    Build(u64),
    BuildLog(u64),
    BuildSnapshot(u64),
    Missing(u64, ObjectsAsked),
    Upload(u64, Announced),
    Stage(u64),
    Commit(u64),
    Check(u64, CheckName),
    Publish(u64, Wait),
    Schedule(u64),
    /// Takes back when a build is to be published.
    Unschedule(u64),
    HoldBuild(u64),
    ReleaseBuild(u64),
    Withdraw(u64),
    Purge(u64, Mode),
    BuildEvents(u64),

    Jobs(Option<u64>),
    StartJob,
    Job(String),
    JobLog(String, u64),
    RetryJob(String),
    CancelJob(String),
    Revoke,
    Audit(AuditAsked),
    Stats,
    OpenApi,
    Health,
    Ready,
    Metrics,
}

impl Route {
    /// From where it reads, of those that show what a repo has published or what a build holds.
    #[must_use]
    pub const fn base(&self) -> Option<&Base> {
        match self {
            Self::Heads(base)
            | Self::Keyset(base, _)
            | Self::Statement(base, _)
            | Self::Object(base, _)
            | Self::Pack(base, _)
            | Self::Pin(base)
            | Self::Files(base, _)
            | Self::Page(base, _)
            | Self::NoSlash(base) => Some(base),
            _ => None,
        }
    }

    /// The request for the same below the repo, of those that show below a build what is the repo's and not the build's.
    #[must_use]
    pub fn of_repo(&self, repo: &RepoName) -> Option<Self> {
        let base = Base::Repo(repo.clone());
        match self {
            Self::Heads(Base::Build(_)) => Some(Self::Heads(base)),
            Self::Keyset(Base::Build(_), version) => Some(Self::Keyset(base, *version)),
            Self::Statement(Base::Build(_), id) => Some(Self::Statement(base, *id)),
            Self::Pin(Base::Build(_)) => Some(Self::Pin(base)),
            _ => None,
        }
    }
}

/// A file or directory that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesAsked {
    /// The names between the slashes: those of the ref, then those of the path. The ref's last may end in `@SEQ`.
    pub names: Vec<String>,
    /// Whether a slash follows, which says that a directory is meant.
    pub is_directory: bool,
    /// The name after which a list begins.
    pub after: Option<EntryName>,
}

impl FilesAsked {
    /// What is said when there is no such file.
    #[must_use]
    pub fn not_found(&self) -> Error {
        Error::not_found("file", format!("/{}", self.names.join("/")))
    }
}

/// What a request gives to make a route of.
#[derive(Debug)]
pub struct Given {
    captures: Captures,
    query: Query,
}

impl Given {
    pub(super) const fn new(captures: Captures, query: Query) -> Self {
        Self { captures, query }
    }

    /// Checks that nothing of the query was left over.
    pub(super) fn check_empty(&self) -> Result<()> {
        match self.query.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::usage(format!("?{name} has no meaning here"))),
        }
    }

    /// A part of the path, as what it stands for.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if it cannot be one.
    pub fn part<T: FromStr>(&self, name: &'static str) -> Result<T> {
        let text = self.captures.get(name);
        text.parse().map_err(|_| Error::not_found(name, text))
    }

    /// What the spec in the query names in a repo. It stands there since refs may be called like the words of paths.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if there is none, or it cannot be one of a repo.
    pub fn spec(&mut self) -> Result<(RefName, Which)> {
        match self.asked("spec")? {
            Some(Spec::Ref {
                repo: None,
                name,
                which,
            }) => Ok((name, which)),
            _ => Err(Error::usage(
                "say with ?spec= which snapshot of the repo: REF, REF@SEQ, REF~N or the beginning of an id",
            )),
        }
    }

    /// A pack: `full.pack`, of which a directory may be wanted alone, or `<from>.pack`.
    ///
    /// # Errors
    ///
    /// As [`part`](Self::part); [`Error::Usage`] if a directory is wanted of what two snapshots do not share.
    pub fn pack(&mut self) -> Result<PackName> {
        let name = self.captures.get("pack");
        let from = match name.strip_suffix(".pack") {
            Some("full") => None,
            Some(from) => Some(from.parse().map_err(|_| Error::not_found("pack", name))?),
            None => return Err(Error::not_found("pack", name)),
        };
        let to = self.part("to")?;
        let path = self.asked("path")?;
        if from.is_some() && path.is_some() {
            return Err(Error::usage("?path= is of a full.pack"));
        }
        Ok(PackName { to, from, path })
    }

    /// A pack that is sent: its hash, and in the query how many frames it has.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if one of them is missing.
    pub fn announced(&mut self) -> Result<Announced> {
        let id: PackId = self.part("pack")?;
        let frames = self.asked("frames")?;
        let frames = frames.ok_or_else(|| Error::usage("say with ?frames= how many there are"))?;
        Ok(Announced { id, frames })
    }

    /// The names of a path below `files`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if some cannot be one.
    pub fn files(&mut self) -> Result<FilesAsked> {
        let after: Option<String> = self.asked("after")?;
        let after = after.and_then(|after| EntryName::parse(after.as_bytes()).ok());
        // Those who ask for files say this and that in queries, such as to get around caches.
        self.query = Query::default();
        let path = self.captures.get("path");
        let (path, is_directory) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let names: Vec<String> = path.split('/').map(str::to_owned).collect();
        let is_wrong = |name: &String| EntryName::parse(name.as_bytes()).is_err();
        if !path.is_empty() && names.iter().any(is_wrong) {
            return Err(Error::not_found("file", path));
        }
        let names = if path.is_empty() { Vec::new() } else { names };
        Ok(FilesAsked {
            names,
            is_directory,
            after,
        })
    }

    /// The list of refs, without the slash that it ends in.
    #[must_use]
    pub fn refs_list(&mut self) -> FilesAsked {
        self.query = Query::default();
        FilesAsked {
            names: Vec::new(),
            is_directory: false,
            after: None,
        }
    }

    /// A part of the query.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it cannot be what it stands for.
    pub fn asked<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.query.0.remove(name) else {
            return Ok(None);
        };
        let value = text.parse().map(Some);
        value.map_err(|_| Error::usage(format!("{name}={text} makes no sense")))
    }

    /// Whether a word stands in the query by itself, as in `?wait`, or is said to be true.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it has another value.
    pub fn flag(&mut self, name: &str) -> Result<bool> {
        match self.query.0.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(value) => Err(Error::usage(format!(
                "?{name} takes no value, or true or false: {value:?}"
            ))),
        }
    }
}

/// The names and values of a query.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut query = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                let decoded = percent_decode_str(text).decode_utf8();
                let decoded = decoded.map(std::borrow::Cow::into_owned);
                decoded.map_err(|_| Error::usage(format!("?{pair} is not UTF-8")))
            };
            if query.insert(decode(name)?, decode(value)?).is_some() {
                return Err(Error::usage(format!("?{name} is there twice")));
            }
        }
        Ok(Self(query))
    }
}
