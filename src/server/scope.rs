//! Scopes: what a request is about, as far as its URL tells.
//!
//! # Not here
//!
//! Whether the caller may do that (`server::access`), where the links on a path lead (`server::files`).

use super::anonymous::Anonymous;
use super::ref_names::{NO_REF, ref_in};
use super::route::{Base, FilesAsked, Route};
use crate::base::id::StatementId;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::spec::{Which, is_prefix};
use crate::store::Store;
use crate::store::notes::Notes;
use crate::store::reader::Reader;
use crate::store::rows::{BuildRow, RepoRow};
use crate::trust::token::Denied;

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The repo; none for what concerns the whole server.
    pub repo: Option<RepoName>,
    /// The ref; none for what concerns the whole repo. Of a build, the one that it was made for.
    pub target: Option<RefName>,
    /// The build.
    pub build: Option<u64>,
    /// The ref that is to move, if it is another than that which the build was made for.
    pub moves: Option<RefName>,
    /// The place in the tree.
    pub path: Option<TreePath>,
    /// Why the bytes that the request brings are too many for the token, if they are.
    pub over: Option<Denied>,
}

impl Scope {
    /// A build.
    #[must_use]
    pub fn of_build(row: &BuildRow) -> Self {
        Self {
            repo: Some(row.repo.clone()),
            target: row.target.clone(),
            build: Some(row.id),
            ..Self::default()
        }
    }

    /// A build, where what is done with it moves the ref that it was published to or is to be published to: that may be another
    /// one than the one that it was made for.
    #[must_use]
    pub fn of_published(row: &BuildRow) -> Self {
        let published = row.published.as_ref().map(|published| &published.target);
        let due = row.due.as_ref().and_then(|due| due.target.as_ref());
        let moves = published.or(due);
        let moves = moves.filter(|target| Some(*target) != row.target.as_ref());
        Self {
            moves: moves.cloned(),
            ..Self::of_build(row)
        }
    }

    /// A repo, and perhaps a ref of it.
    #[must_use]
    pub fn in_repo(repo: RepoName, target: Option<RefName>) -> Self {
        Self {
            repo: Some(repo),
            target,
            ..Self::default()
        }
    }

    /// All of a tree, or what tells of all of it: not for tokens that are for a path alone.
    #[must_use]
    pub fn whole(self) -> Self {
        let path = Some(TreePath::root());
        Self { path, ..self }
    }

    /// The thing alone, without what is to be done with it.
    #[must_use]
    pub fn itself(&self) -> Self {
        Self {
            moves: None,
            path: None,
            over: None,
            ..self.clone()
        }
    }

    /// What must be open to everybody for it to be no secret that the thing is there.
    #[must_use]
    pub const fn open_to(&self) -> Anonymous {
        match self.build {
            Some(_) => Anonymous::Builds,
            None => Anonymous::Published,
        }
    }

    /// How what it is about is called when it is not there.
    #[must_use]
    pub fn not_found(&self) -> Error {
        match (&self.build, &self.repo) {
            (Some(build), _) => Error::not_found("build", build),
            (None, Some(repo)) => Error::not_found("repo", repo),
            (None, None) => Error::not_found("page", "of that name"),
        }
    }
}

/// Whether only the body of a request tells which ref or path it is about.
#[must_use]
pub const fn is_told_by_body(route: &Route) -> bool {
    matches!(
        route,
        Route::CreateBuild(_)
            | Route::Stage(_)
            | Route::Publish(..)
            | Route::Schedule(_)
            | Route::Unschedule(_)
            | Route::Upload(..)
    )
}

/// What the URL of a request says that it is about. Packs, objects and what tells of all refs concern the whole repo: an id does
/// not say which refs it is of.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such repo or build.
pub fn scope_of(store: &Store, route: &Route) -> Result<Scope> {
    let reader = store.reader()?;
    let of_build = |build: &u64| Ok(Scope::of_build(&reader.build(*build)?));
    match route {
        Route::Files(base, asked) => of_files(&reader, base, asked),
        Route::Statement(Base::Repo(repo), id) => {
            Ok(of_statement(store, reader.repo(repo)?, *id).whole())
        }
        Route::Pack(base, name) => Ok(Scope {
            path: name.path.clone().or_else(|| Some(TreePath::root())),
            ..of_base(&reader, base)?
        }),
        Route::Heads(base)
        | Route::Keyset(base, _)
        | Route::Statement(base, _)
        | Route::Object(base, _)
        | Route::Pin(base) => Ok(of_base(&reader, base)?.whole()),
        Route::Page(base, _) | Route::NoSlash(base) => of_base(&reader, base),
        Route::CreateBuild(repo)
        | Route::Retire(repo, _)
        | Route::RepoEvents(repo)
        | Route::Refs(repo, _) => Ok(Scope::in_repo(reader.repo(repo)?.name, None)),
        Route::Snapshot(repo, name, which) => of_snapshot(&reader, repo, name, *which),
        Route::Log(repo, target, _)
        | Route::Rollback(repo, target)
        | Route::Hold(repo, target)
        | Route::Release(repo, target) => {
            let repo = reader.repo(repo)?.name;
            Ok(Scope::in_repo(repo, Some(target.clone())))
        }
        Route::Build(build)
        | Route::BuildLog(build)
        | Route::BuildSnapshot(build)
        | Route::Missing(build, _)
        | Route::Upload(build, _)
        | Route::Stage(build)
        | Route::Commit(build)
        | Route::Check(build, _)
        | Route::Publish(build, _)
        | Route::Schedule(build)
        | Route::Unschedule(build)
        | Route::BuildEvents(build) => of_build(build),
        // What these do is done to the ref that shows the build, or is to.
        Route::HoldBuild(build)
        | Route::ReleaseBuild(build)
        | Route::Withdraw(build)
        | Route::Purge(build, _) => Ok(Scope::of_published(&reader.build(*build)?)),
        Route::Start
        | Route::Repos
        | Route::CreateRepo
        | Route::Builds(_)
        | Route::Jobs(_)
        | Route::StartJob
        | Route::Job(_)
        | Route::JobLog(..)
        | Route::RetryJob(_)
        | Route::CancelJob(_)
        | Route::Revoke
        | Route::Audit(_)
        | Route::Stats
        | Route::OpenApi
        | Route::Health
        | Route::Ready
        | Route::Metrics => Ok(Scope::default()),
    }
}

/// What everything below a base is about.
fn of_base(reader: &Reader<'_>, base: &Base) -> Result<Scope> {
    Ok(match base {
        Base::Repo(repo) => Scope::in_repo(reader.repo(repo)?.name, None),
        Base::Build(build) => Scope::of_build(&reader.build(*build)?),
    })
}

/// What a plain path is about. Where the links on it lead is seen when it is followed.
fn of_files(reader: &Reader<'_>, base: &Base, asked: &FilesAsked) -> Result<Scope> {
    let (scope, below) = match base {
        Base::Repo(repo) => {
            let row = reader.repo(repo)?;
            let found = ref_in(reader, &row, &asked.names)?;
            let below = found.as_ref().map(|found| found.count);
            let target = found.map(|found| found.row.name);
            (Scope::in_repo(row.name, target), below)
        }
        Base::Build(build) => {
            let row = reader.build(*build)?;
            let target = row.target.as_ref();
            let is_own = target.filter(|_| asked.names.first().is_none_or(|first| first != NO_REF));
            let below = is_own.map_or(1, |target| target.components().count());
            (Scope::of_build(&row), Some(below))
        }
    };
    // Lists of refs show nothing that is in a tree.
    let Some(below) = below else {
        return Ok(scope);
    };
    let names = asked.names.get(below..).unwrap_or_default();
    let path = TreePath::of_names(names).map_err(|_| asked.not_found())?;
    let path = Some(path);
    Ok(Scope { path, ..scope })
}

/// What a snapshot is of that is named by a ref; by its id, it is of the whole repo.
fn of_snapshot(
    reader: &Reader<'_>,
    repo: &RepoName,
    name: &RefName,
    which: Which,
) -> Result<Scope> {
    let row = reader.repo(repo)?;
    let is_id = which == Which::Newest && is_prefix(name) && reader.find_ref(&row, name)?.is_none();
    Ok(Scope::in_repo(row.name, (!is_id).then(|| name.clone())))
}

/// What the statement of a ref is about.
fn of_statement(store: &Store, row: RepoRow, id: StatementId) -> Scope {
    let target = ref_of_statement(store, &row, id);
    Scope::in_repo(row.name, target)
}

/// The ref that a statement is about; none if it is not there, or cannot be read.
fn ref_of_statement(store: &Store, repo: &RepoRow, id: StatementId) -> Option<RefName> {
    let notes = Notes::open(store.disk(), &repo.name, Some(repo.repo_id));
    let (statement, _) = notes.and_then(|notes| notes.statement(id)).ok()?;
    Some(statement.ref_name)
}
