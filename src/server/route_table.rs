//! The table of routes: every request that has an answer, with what it needs and what it is.
//!
//! The routes, the OpenAPI document and the test that walks all routes with all capabilities are made from it.
//!
//! # Invariants
//!
//! - No two rows match the same request.

use super::route::{Base, BuildsAsked, Given, ObjectsAsked, Route};
use crate::base::{Error, Result};
use crate::store::rows::BuildState;

/// What a caller must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says no more than that a server is there.
    Nothing,
    /// To read what is published, or a build's test repository; the settings say what needs a token.
    Read,
    /// This.
    Capability(&'static str),
}

/// One kind of request.
#[derive(Debug)]
pub struct Row {
    /// The method; what is answered to GET is also answered to HEAD.
    pub method: &'static str,
    /// The path.
    pub template: &'static str,
    /// What the caller needs.
    pub needs: Needs,
    /// What it is, in words.
    pub summary: &'static str,
    /// Makes the route.
    pub route: fn(&mut Given) -> Result<Route>,
}

impl Row {
    /// Whether it is one of the URLs under which published things are read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.template.starts_with("/r/") || self.template.starts_with("/b/")
    }
}

const fn row(
    method: &'static str,
    template: &'static str,
    needs: Needs,
    summary: &'static str,
    route: fn(&mut Given) -> Result<Route>,
) -> Row {
    Row {
        method,
        template,
        needs,
        summary,
        route,
    }
}

const NOTHING: Needs = Needs::Nothing;
const READ: Needs = Needs::Read;
const STAGE: Needs = Needs::Capability("stage");
const COMMIT: Needs = Needs::Capability("commit");
const PUBLISH: Needs = Needs::Capability("publish");
const WITHDRAW: Needs = Needs::Capability("withdraw");
const PURGE: Needs = Needs::Capability("purge");
const ADMIN: Needs = Needs::Capability("admin");

fn in_repo(given: &Given) -> Result<Base> {
    given.part("repo").map(Base::Repo)
}

fn in_build(given: &Given) -> Result<Base> {
    given.part("build").map(Base::Build)
}

fn state(given: &mut Given) -> Result<Option<BuildState>> {
    let Some(name) = given.asked::<String>("state")? else {
        return Ok(None);
    };
    let state = BuildState::ALL
        .into_iter()
        .find(|state| state.name() == name);
    let unknown = || Error::usage(format!("there is no state {name:?} of a build"));
    state.map(Some).ok_or_else(unknown)
}

fn objects(given: &mut Given) -> Result<ObjectsAsked> {
    match given.asked::<String>("kind")?.as_deref() {
        Some("tree") => Ok(ObjectsAsked::Trees),
        Some("blob") => Ok(ObjectsAsked::Blobs),
        _ => Err(Error::usage("say ?kind=tree or ?kind=blob")),
    }
}

/// Every kind of request that has an answer.
#[rustfmt::skip]
pub const ROUTES: &[Row] = &[
    row("GET", "/r/{repo+}/trust/heads", READ, "The heads note: the only thing that changes under its URL.", |g| Ok(Route::Heads(in_repo(g)?))),
    row("GET", "/r/{repo+}/trust/keyset/{version}", READ, "A version of the keyset, or 404 if there is none yet.", |g| Ok(Route::Keyset(in_repo(g)?, g.part("version")?))),
    row("GET", "/r/{repo+}/statements/{id}", READ, "The note of a statement.", |g| Ok(Route::Statement(in_repo(g)?, g.part("id")?))),
    row("GET", "/r/{repo+}/objects/{id}", READ, "The bytes of an object, if it is published in the repo.", |g| Ok(Route::Object(in_repo(g)?, g.part("id")?))),
    row("GET", "/r/{repo+}/packs/{to}/{pack}", READ, "What a snapshot has, or what it has and another has not.", |g| Ok(Route::Pack(in_repo(g)?, g.pack()?))),
    row("GET", "/r/{repo+}/pin", READ, "The pin file for first contact.", |g| Ok(Route::Pin(in_repo(g)?))),
    row("GET", "/r/{repo+}/files/{path+}", READ, "A file of a ref, or a list of a directory.", |g| Ok(Route::Files(in_repo(g)?, g.files()?))),
    row("GET", "/b/{build}/objects/{id}", READ, "The bytes of an object of a build's test repository.", |g| Ok(Route::Object(in_build(g)?, g.part("id")?))),
    row("GET", "/b/{build}/packs/{to}/{pack}", READ, "What the snapshot of a build has, or what it has and another has not.", |g| Ok(Route::Pack(in_build(g)?, g.pack()?))),
    row("GET", "/b/{build}/files/{path+}", READ, "A file of a build's test repository, or a list of a directory.", |g| Ok(Route::Files(in_build(g)?, g.files()?))),

    row("GET", "/api/v1/repos", READ, "The repos that the caller may see.", |_| Ok(Route::Repos)),
    row("POST", "/api/v1/repos/{repo+}/builds", STAGE, "Make a build.", |g| Ok(Route::CreateBuild(g.part("repo")?))),
    row("GET", "/api/v1/repos/{repo+}/events", READ, "What happens in a repo, as it happens.", |g| Ok(Route::RepoEvents(g.part("repo")?))),
    row("GET", "/api/v1/repos/{repo+}/refs", READ, "The refs of a repo.", |g| Ok(Route::Refs(g.part("repo")?))),
    row("GET", "/api/v1/repos/{repo+}/refs/{ref+}/log", READ, "The releases of a ref, newest first.", |g| Ok(Route::Log(g.part("repo")?, g.part("ref")?))),
    row("POST", "/api/v1/repos/{repo+}/refs/{ref+}/rollback", PUBLISH, "Show an older release again.", |g| Ok(Route::Rollback(g.part("repo")?, g.part("ref")?))),
    row("POST", "/api/v1/repos/{repo+}/refs/{ref+}/hold", PUBLISH, "Hold publishing to a ref back.", |g| Ok(Route::Hold(g.part("repo")?, g.part("ref")?))),
    row("POST", "/api/v1/repos/{repo+}/refs/{ref+}/release", PUBLISH, "Let a ref that was held go.", |g| Ok(Route::Release(g.part("repo")?, g.part("ref")?))),

    row("GET", "/api/v1/builds", READ, "Builds in pages, newest first.", |g| Ok(Route::Builds(BuildsAsked { repo: g.asked("repo")?, target: g.asked("ref")?, state: state(g)?, cursor: g.asked("cursor")? }))),
    row("GET", "/api/v1/builds/{build}", READ, "One build.", |g| Ok(Route::Build(g.part("build")?))),
    row("GET", "/api/v1/builds/{build}/log", READ, "What happened to a build.", |g| Ok(Route::BuildLog(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/missing", STAGE, "Which of some objects must be sent: ids of 32 bytes in, a set of bits out.", |g| Ok(Route::Missing(g.part("build")?, objects(g)?))),
    row("PUT", "/api/v1/builds/{build}/packs/{pack}", STAGE, "Send a pack, named by its hash; ?frames= says how many it has.", |g| Ok(Route::Upload(g.part("build")?, g.announced()?))),
    row("POST", "/api/v1/builds/{build}/stage", STAGE, "Stage a directory that was sent, or remove a path.", |g| Ok(Route::Stage(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/commit", COMMIT, "Freeze a build.", |g| Ok(Route::Commit(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/publish", PUBLISH, "Publish a build; ?wait holds the answer until it is visible.", |g| Ok(Route::Publish(g.part("build")?, g.flag("wait")?))),
    row("POST", "/api/v1/builds/{build}/withdraw", WITHDRAW, "Take a build's changes out of its ref.", |g| Ok(Route::Withdraw(g.part("build")?))),
    row("DELETE", "/api/v1/builds/{build}", PURGE, "End a build and free what only it held; ?dry_run says what that would be.", |g| Ok(Route::Purge(g.part("build")?, g.flag("dry_run")?))),
    row("GET", "/api/v1/builds/{build}/events", READ, "What happens to a build, as it happens.", |g| Ok(Route::BuildEvents(g.part("build")?))),

    row("GET", "/api/v1/stats", ADMIN, "Sums over the store.", |_| Ok(Route::Stats)),
    row("GET", "/api/v1/openapi.json", NOTHING, "This description.", |_| Ok(Route::OpenApi)),
    row("GET", "/healthz", NOTHING, "Whether the server runs.", |_| Ok(Route::Health)),
    row("GET", "/readyz", NOTHING, "Whether it can answer from its store.", |_| Ok(Route::Ready)),
    row("GET", "/metrics", NOTHING, "Figures for Prometheus.", |_| Ok(Route::Metrics)),
];
