//! The table of routes: every request that has an answer, with what it needs and what it is.
//!
//! The routes, the `OpenAPI` document and the test that walks all routes with all capabilities are made from it.
//!
//! # Invariants
//!
//! - Of rows that match the same request, the first one counts: what is more special comes first.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::route::{AuditAsked, Base, BuildsAsked, Given, LogAsked, ObjectsAsked, Route, Wait};
use crate::base::{Error, Result};
use crate::remote::wire::PACK_TYPE;
use crate::remote::wire::audit::{AuditSaid, RevokeTokens, RevokedTokens};
use crate::remote::wire::builds::{
    BuildSaid, BuildsPage, Commit, CreateBuild, CreatedBuild, EventsSaid, Publish, Publishing,
    ReceiptSaid, Received, Stage, Withdrawal,
};
use crate::remote::wire::checks::ReportCheck;
use crate::remote::wire::jobs::{JobSaid, JobsPage, StartJob};
use crate::remote::wire::plans::Schedule;
use crate::remote::wire::refs::{Hold, RefSaid, Refs, Releases, RepoSaid, Repos, Rollback};
use crate::remote::wire::repos::{CreateRepo, Retire, Retired};
use crate::remote::wire::snapshots::NamedSaid;
use crate::remote::wire::stats::StatsSaid;
use crate::store::retire::Mode;
use crate::store::rows::BuildState;
use crate::trust::token::capability::Capability;

/// What a caller must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says no more than that a server is there.
    Nothing,
    /// To read what is published, or a build's test repository; the settings say what needs a token.
    Read,
    /// This.
    Capability(Capability),
}

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The method; what is answered to GET is also answered to HEAD.
    pub method: &'static str,
    /// The path.
    pub template: &'static str,
    /// What the caller needs.
    pub needs: Needs,
    /// What it is, in words.
    pub summary: &'static str,
    /// What may stand in its query.
    pub query: &'static [&'static str],
    /// What its body is.
    pub takes: Form,
    /// What it is answered with.
    pub gives: Form,
    /// Makes the route.
    pub route: fn(&mut Given) -> Result<Route>,
}

/// What a body is.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// There is none.
    Nothing,
    /// A document of the API, which is described by this.
    Document(Describe),
    /// Bytes of this type.
    Bytes(&'static str),
}

/// Describes a document, and what it is made of.
pub type Describe = fn(&mut SchemaGenerator) -> Schema;

/// A document of the API.
const fn document<T: JsonSchema>() -> Form {
    Form::Document(SchemaGenerator::subschema_for::<T>)
}

impl Row {
    /// Whether it is one of the URLs under which published things are read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.template.starts_with("/r/") || self.template.starts_with("/b/")
    }

    /// Whether it changes anything: all but what is asked by GET, and a question that is too long for that.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.method != "GET" && !self.template.ends_with("/missing")
    }
}

const fn row(
    method: &'static str,
    template: &'static str,
    needs: Needs,
    summary: &'static str,
    forms: (Form, Form),
    route: fn(&mut Given) -> Result<Route>,
) -> Row {
    let (takes, gives) = forms;
    Row {
        method,
        template,
        needs,
        summary,
        query: &[],
        takes,
        gives,
        route,
    }
}

/// A row with names that may stand in the query.
const fn with(query: &'static [&'static str], row: Row) -> Row {
    Row { query, ..row }
}

const fn both<A: JsonSchema, B: JsonSchema>() -> (Form, Form) {
    (document::<A>(), document::<B>())
}

const fn gives<T: JsonSchema>() -> (Form, Form) {
    (Form::Nothing, document::<T>())
}

const OCTETS: &str = "application/octet-stream";
const TEXT: (Form, Form) = (Form::Nothing, Form::Bytes("text/plain"));
const PAGE: (Form, Form) = (Form::Nothing, Form::Bytes("text/html"));
const BYTES: (Form, Form) = (Form::Nothing, Form::Bytes(OCTETS));
const PACK: (Form, Form) = (Form::Nothing, Form::Bytes(PACK_TYPE));
const EVENTS: (Form, Form) = (Form::Nothing, Form::Bytes("text/event-stream"));

const NOTHING: Needs = Needs::Nothing;
const READ: Needs = Needs::Read;
const STAGE: Needs = Needs::Capability(Capability::Stage);
const COMMIT: Needs = Needs::Capability(Capability::Commit);
const CHECK: Needs = Needs::Capability(Capability::Check);
const PUBLISH: Needs = Needs::Capability(Capability::Publish);
const WITHDRAW: Needs = Needs::Capability(Capability::Withdraw);
const PURGE: Needs = Needs::Capability(Capability::Purge);
const ADMIN: Needs = Needs::Capability(Capability::Admin);

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

fn wait(given: &mut Given) -> Result<Wait> {
    let is_asked = given.flag("wait")?;
    Ok(if is_asked { Wait::Yes } else { Wait::No })
}

fn mode(given: &mut Given) -> Result<Mode> {
    let is_asked = given.flag("dry_run")?;
    Ok(if is_asked { Mode::DryRun } else { Mode::Apply })
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
    row("GET", "/r/{repo+}/trust/heads", READ, "The heads note: the only thing that changes under its URL.", TEXT, |g| Ok(Route::Heads(in_repo(g)?))),
    row("GET", "/r/{repo+}/trust/keyset/{version}", READ, "A version of the keyset, or 404 if there is none yet.", TEXT, |g| Ok(Route::Keyset(in_repo(g)?, g.part("version")?))),
    row("GET", "/r/{repo+}/statements/{id}", READ, "The note of a statement.", TEXT, |g| Ok(Route::Statement(in_repo(g)?, g.part("id")?))),
    row("GET", "/r/{repo+}/objects/{id}", READ, "The bytes of an object, if it is published in the repo.", BYTES, |g| Ok(Route::Object(in_repo(g)?, g.part("id")?))),
    with(&["path"], row("GET", "/r/{repo+}/packs/{to}/{pack}", READ, "What a snapshot has, or what it has and another has not.", PACK, |g| Ok(Route::Pack(in_repo(g)?, g.pack()?)))),
    row("GET", "/r/{repo+}/pin", READ, "The pin file for first contact.", TEXT, |g| Ok(Route::Pin(in_repo(g)?))),
    with(&["after"], row("GET", "/r/{repo+}/files/{path+}", READ, "A file of a ref, or a list of a directory.", BYTES, |g| Ok(Route::Files(in_repo(g)?, g.files()?)))),
    row("GET", "/r/{repo+}/files", READ, "Leads to the list of refs.", BYTES, |g| Ok(Route::Files(in_repo(g)?, g.refs_list()))),
    row("GET", "/b/{build}/objects/{id}", READ, "The bytes of an object of a build's test repository.", BYTES, |g| Ok(Route::Object(in_build(g)?, g.part("id")?))),
    with(&["path"], row("GET", "/b/{build}/packs/{to}/{pack}", READ, "What the snapshot of a build has, or what it has and another has not.", PACK, |g| Ok(Route::Pack(in_build(g)?, g.pack()?)))),
    row("GET", "/b/{build}/trust/heads", READ, "The heads note of the repo that a build is for: what is published there, without the build.", TEXT, |g| Ok(Route::Heads(in_build(g)?))),
    row("GET", "/b/{build}/trust/keyset/{version}", READ, "A version of the keyset of that repo.", TEXT, |g| Ok(Route::Keyset(in_build(g)?, g.part("version")?))),
    row("GET", "/b/{build}/statements/{id}", READ, "The note of a statement of that repo.", TEXT, |g| Ok(Route::Statement(in_build(g)?, g.part("id")?))),
    row("GET", "/b/{build}/pin", READ, "The pin file of that repo.", TEXT, |g| Ok(Route::Pin(in_build(g)?))),
    with(&["after"], row("GET", "/b/{build}/files/{path+}", READ, "A file of a build's test repository, or a list of a directory.", BYTES, |g| Ok(Route::Files(in_build(g)?, g.files()?)))),
    row("GET", "/b/{build}/", READ, "A page about a build.", PAGE, |g| Ok(Route::Page(in_build(g)?, None))),
    row("GET", "/b/{build}", READ, "Leads to the page about a build.", PAGE, |g| Ok(Route::NoSlash(in_build(g)?))),
    with(&["after"], row("GET", "/r/{repo+}/", READ, "A page about a repo, with the refs that the caller may see.", PAGE, |g| Ok(Route::Page(in_repo(g)?, g.asked("after")?)))),
    row("GET", "/r/{repo+}", READ, "Leads to the page about a repo.", PAGE, |g| Ok(Route::NoSlash(in_repo(g)?))),
    row("GET", "/", NOTHING, "A page about the server, with the repos that the caller may see.", PAGE, |_| Ok(Route::Start)),

    row("GET", "/api/v1/repos", READ, "The repos that the caller may see.", gives::<Repos>(), |_| Ok(Route::Repos)),
    row("POST", "/api/v1/repos", ADMIN, "Make a repo, with a key of its own unless one is named.", both::<CreateRepo, RepoSaid>(), |_| Ok(Route::CreateRepo)),
    with(&["dry_run"], row("POST", "/api/v1/repos/{repo+}/retire", ADMIN, "Let go of old releases; ?dry_run says which would go.", both::<Retire, Retired>(), |g| Ok(Route::Retire(g.part("repo")?, mode(g)?)))),
    row("POST", "/api/v1/repos/{repo+}/builds", STAGE, "Make a build.", both::<CreateBuild, CreatedBuild>(), |g| Ok(Route::CreateBuild(g.part("repo")?))),
    row("GET", "/api/v1/repos/{repo+}/events", READ, "What happens in a repo, as it happens.", EVENTS, |g| Ok(Route::RepoEvents(g.part("repo")?))),
    with(&["cursor"], row("GET", "/api/v1/repos/{repo+}/refs", READ, "The refs of a repo in pages, by name.", gives::<Refs>(), |g| Ok(Route::Refs(g.part("repo")?, g.asked("cursor")?)))),
    with(&["cursor", "number"], row("GET", "/api/v1/repos/{repo+}/refs/{ref+}/log", READ, "The releases of a ref in pages, newest first.", gives::<Releases>(), |g| Ok(Route::Log(g.part("repo")?, g.part("ref")?, LogAsked { cursor: g.asked("cursor")?, number: g.asked("number")? })))),
    with(&["spec"], row("GET", "/api/v1/repos/{repo+}/snapshots", READ, "The snapshot that ?spec=, which is REF, REF@SEQ, REF~N or the beginning of an id, stands for.", gives::<NamedSaid>(), |g| g.spec().and_then(|(name, which)| Ok(Route::Snapshot(g.part("repo")?, name, which))))),
    row("POST", "/api/v1/repos/{repo+}/refs/{ref+}/rollback", PUBLISH, "Show an older release again.", both::<Rollback, Publishing>(), |g| Ok(Route::Rollback(g.part("repo")?, g.part("ref")?))),
    row("POST", "/api/v1/repos/{repo+}/refs/{ref+}/hold", PUBLISH, "Hold publishing to a ref back.", both::<Hold, RefSaid>(), |g| Ok(Route::Hold(g.part("repo")?, g.part("ref")?))),
    row("POST", "/api/v1/repos/{repo+}/refs/{ref+}/release", PUBLISH, "Let a ref that was held go.", gives::<RefSaid>(), |g| Ok(Route::Release(g.part("repo")?, g.part("ref")?))),

    with(&["repo", "ref", "state", "cursor"], row("GET", "/api/v1/builds", READ, "Builds in pages, newest first.", gives::<BuildsPage>(), |g| Ok(Route::Builds(BuildsAsked { repo: g.asked("repo")?, target: g.asked("ref")?, state: state(g)?, cursor: g.asked("cursor")? })))),
    row("GET", "/api/v1/builds/{build}", READ, "One build.", gives::<BuildSaid>(), |g| Ok(Route::Build(g.part("build")?))),
    row("GET", "/api/v1/builds/{build}/snapshot", READ, "The snapshot that the test repository of a build shows.", gives::<NamedSaid>(), |g| Ok(Route::BuildSnapshot(g.part("build")?))),
    row("GET", "/api/v1/builds/{build}/log", READ, "What happened to a build.", gives::<EventsSaid>(), |g| Ok(Route::BuildLog(g.part("build")?))),
    with(&["kind"], row("POST", "/api/v1/builds/{build}/missing", STAGE, "Which of some objects must be sent: ids of 32 bytes in, a set of bits out.", (Form::Bytes(OCTETS), Form::Bytes(OCTETS)), |g| Ok(Route::Missing(g.part("build")?, objects(g)?)))),
    with(&["frames"], row("PUT", "/api/v1/builds/{build}/packs/{pack}", STAGE, "Send a pack, named by its hash; ?frames= says how many it has.", (Form::Bytes(PACK_TYPE), document::<Received>()), |g| Ok(Route::Upload(g.part("build")?, g.announced()?)))),
    row("POST", "/api/v1/builds/{build}/stage", STAGE, "Stage a directory that was sent, or remove a path.", both::<Stage, BuildSaid>(), |g| Ok(Route::Stage(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/commit", COMMIT, "Freeze a build.", both::<Commit, BuildSaid>(), |g| Ok(Route::Commit(g.part("build")?))),
    row("PUT", "/api/v1/builds/{build}/checks/{check}", CHECK, "Report what an outside check found in a committed build.", both::<ReportCheck, BuildSaid>(), |g| Ok(Route::Check(g.part("build")?, g.part("check")?))),
    with(&["wait"], row("POST", "/api/v1/builds/{build}/publish", PUBLISH, "Publish a build; ?wait holds the answer until it is visible.", both::<Publish, Publishing>(), |g| Ok(Route::Publish(g.part("build")?, wait(g)?)))),
    row("POST", "/api/v1/builds/{build}/schedule", PUBLISH, "Publish a build at a time that is said.", both::<Schedule, BuildSaid>(), |g| Ok(Route::Schedule(g.part("build")?))),
    row("DELETE", "/api/v1/builds/{build}/schedule", PUBLISH, "Take back when a build is to be published.", gives::<BuildSaid>(), |g| Ok(Route::Unschedule(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/hold", PUBLISH, "Hold publishing a build back.", both::<Hold, BuildSaid>(), |g| Ok(Route::HoldBuild(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/release", PUBLISH, "Let a build that was held go.", gives::<BuildSaid>(), |g| Ok(Route::ReleaseBuild(g.part("build")?))),
    row("POST", "/api/v1/builds/{build}/withdraw", WITHDRAW, "Take a build's changes out of its ref.", gives::<Withdrawal>(), |g| Ok(Route::Withdraw(g.part("build")?))),
    with(&["dry_run"], row("DELETE", "/api/v1/builds/{build}", PURGE, "End a build and free what only it held; ?dry_run says what that would be.", gives::<ReceiptSaid>(), |g| Ok(Route::Purge(g.part("build")?, mode(g)?)))),
    row("GET", "/api/v1/builds/{build}/events", READ, "What happens to a build, as it happens.", EVENTS, |g| Ok(Route::BuildEvents(g.part("build")?))),

    with(&["cursor"], row("GET", "/api/v1/jobs", ADMIN, "Jobs in pages, newest first.", gives::<JobsPage>(), |g| Ok(Route::Jobs(g.asked("cursor")?)))),
    row("POST", "/api/v1/jobs", ADMIN, "Verify a repo, or check the whole store.", both::<StartJob, JobSaid>(), |_| Ok(Route::StartJob)),
    row("GET", "/api/v1/jobs/{job}", ADMIN, "One job.", gives::<JobSaid>(), |g| Ok(Route::Job(g.part("job")?))),
    with(&["offset"], row("GET", "/api/v1/jobs/{job}/log", ADMIN, "What a job said, from a byte on.", TEXT, |g| Ok(Route::JobLog(g.part("job")?, g.asked("offset")?.unwrap_or(0))))),
    row("POST", "/api/v1/jobs/{job}/retry", ADMIN, "Have a job tried again that failed or was cancelled.", gives::<JobSaid>(), |g| Ok(Route::RetryJob(g.part("job")?))),
    row("POST", "/api/v1/jobs/{job}/cancel", ADMIN, "Cancel a job that waits or runs.", gives::<JobSaid>(), |g| Ok(Route::CancelJob(g.part("job")?))),
    row("POST", "/api/v1/tokens/revoke", ADMIN, "End tokens, by the ids of their blocks, or all of them.", both::<RevokeTokens, RevokedTokens>(), |_| Ok(Route::Revoke)),
    with(&["after", "number"], row("GET", "/api/v1/audit", ADMIN, "Who was granted or refused a change.", gives::<AuditSaid>(), |g| Ok(Route::Audit(AuditAsked { after: g.asked("after")?, number: g.asked("number")? })))),
    row("GET", "/api/v1/stats", ADMIN, "Sums over the store.", gives::<StatsSaid>(), |_| Ok(Route::Stats)),
    row("GET", "/api/v1/openapi.json", NOTHING, "This description.", (Form::Nothing, Form::Bytes("application/json")), |_| Ok(Route::OpenApi)),
    row("GET", "/healthz", NOTHING, "Whether the server runs.", TEXT, |_| Ok(Route::Health)),
    row("GET", "/readyz", NOTHING, "Whether it can answer from its store.", TEXT, |_| Ok(Route::Ready)),
    row("GET", "/metrics", NOTHING, "Figures for Prometheus.", TEXT, |_| Ok(Route::Metrics)),
];
