//! Scopes: what a request is about, as far as its URL tells.
//!
//! # Not here
//!
//! Whether the caller may do that (`server::access`).

use super::anonymous::Anonymous;
use super::ref_names::ref_in;
use super::route::{Base, Route};
use crate::base::id::StatementId;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::spec::{Which, is_prefix};
use crate::store::Store;
use crate::store::notes::Notes;
use crate::store::reader::Reader;
use crate::store::rows::{BuildRow, RepoRow};

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
    /// How many bytes the token will have brought.
    pub bytes: Option<u64>,
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

    /// The thing alone, without what is to be done with it.
    #[must_use]
    pub fn itself(&self) -> Self {
        Self {
            moves: None,
            path: None,
            bytes: None,
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
        Route::Files(Base::Repo(repo), asked) => {
            let row = reader.repo(repo)?;
            let found = ref_in(&reader, &row, &asked.names)?;
            Ok(Scope::in_repo(row.name, found.map(|found| found.row.name)))
        }
        Route::Statement(Base::Repo(repo), id) => Ok(of_statement(store, reader.repo(repo)?, *id)),
        Route::Heads(base)
        | Route::Keyset(base, _)
        | Route::Statement(base, _)
        | Route::Object(base, _)
        | Route::Pack(base, _)
        | Route::Pin(base)
        | Route::Files(base, _)
        | Route::Page(base, _)
        | Route::NoSlash(base) => match base {
            Base::Repo(repo) => Ok(Scope::in_repo(reader.repo(repo)?.name, None)),
            Base::Build(build) => of_build(build),
        },
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
