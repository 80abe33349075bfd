//! Access: who asks, and whether that is allowed.
//!
//! # Invariants
//!
//! - A caller without a token is asked for one before anything is looked up, unless what it asks for is open to everybody.
//! - What a token does not show is answered like what is not there; what it shows and does not allow, with the reason.
//! - Every change that is granted or refused is one line of the audit log, written before the change is made.
//!
//! # Not here
//!
//! What a token allows (`trust::token`), which requests need what (`server::route_table`).

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::anonymous::Anonymous;
use super::answer::Failure;
use super::app::App;
use super::route::{Base, Route};
use super::route_table::Needs;
use super::router::Asked;
use crate::base::clock::Time;
use crate::base::id::Hash;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::{Error, Kind, Result};
use crate::store::Store;
use crate::store::audit::record::{Actor, AuditRecord, Decision};
use crate::store::rows::BuildRow;
use crate::trust::token::basic::password_of;
use crate::trust::token::capability::Capability;
use crate::trust::token::{Denied, Request, Token, Verified};

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Somebody without a token.
    Anybody,
    /// The holder of a token.
    Holder(Box<Holder>),
}

/// The holder of a token.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The token.
    pub token: Arc<Token>,
    /// What it allows.
    pub verified: Verified,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The repo; none for what concerns the whole server.
    pub repo: Option<RepoName>,
    /// The ref; none for what concerns the whole repo.
    pub target: Option<RefName>,
    /// The build.
    pub build: Option<u64>,
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

    /// A repo, and perhaps a ref of it.
    #[must_use]
    pub fn in_repo(repo: RepoName, target: Option<RefName>) -> Self {
        Self {
            repo: Some(repo),
            target,
            ..Self::default()
        }
    }

    /// How what it is about is called when it is not there.
    fn not_found(&self) -> Error {
        match (&self.build, &self.repo) {
            (Some(build), _) => Error::not_found("build", build),
            (None, Some(repo)) => Error::not_found("repo", repo),
            (None, None) => Error::not_found("page", "of that name"),
        }
    }
}

impl Caller {
    /// Who sends these headers.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that asks for another token if there is one and it is not genuine, or was revoked.
    pub async fn of(app: &Arc<App>, head: &HeaderMap) -> Result<Self, Failure> {
        let Some(authorization) = head.get(AUTHORIZATION) else {
            return Ok(Self::Anybody);
        };
        let text = authorization.to_str().ok().and_then(secret_of);
        let text = text.ok_or_else(|| {
            Failure::unknown_caller("say 'Bearer TOKEN', or 'Basic' with the token as password")
        })?;
        let token = Token::parse(&text);
        let token = token.map_err(|error| Failure::unknown_caller(&error.to_string()))?;
        let token = Arc::new(token);
        let checked = Arc::clone(&token);
        let verified = app.work(move |app| {
            let key = app.token_key()?;
            app.store.tokens().verify(&key, &checked)
        });
        match verified.await {
            Ok(verified) => Ok(Self::Holder(Box::new(Holder { token, verified }))),
            Err(error) if error.kind() == Kind::NotAllowed => {
                Err(Failure::unknown_caller(&error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The holder of a token, where one is needed.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that asks for a token.
    pub fn holder(&self) -> Result<&Holder, Failure> {
        match self {
            Self::Holder(holder) => Ok(holder),
            Self::Anybody => Err(Failure::unknown_caller("this needs a token")),
        }
    }

    /// A name for the caller that others do not have, for what is counted or kept for each.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Anybody => String::new(),
            Self::Holder(holder) => {
                let ids = holder.verified.ids();
                ids.first().map(ToString::to_string).unwrap_or_default()
            }
        }
    }

    /// A name for this very token, which those made from it do not have: what one of them is answered is not for another.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Anybody => String::new(),
            Self::Holder(holder) => Hash::of(holder.token.to_text().as_bytes()).to_string(),
        }
    }

    /// Whether something may be done, without a line in the audit log: for lists, which show what the caller may see.
    ///
    /// # Errors
    ///
    /// [`Error::Time`] if the clock cannot be read.
    pub fn may_read(&self, app: &App, open_to: Anonymous, scope: &Scope) -> Result<bool> {
        if app.anonymous >= open_to {
            return Ok(true);
        }
        let Self::Holder(holder) = self else {
            return Ok(false);
        };
        let now = app.now()?;
        Ok(holder.may(Capability::Read, scope, now).is_ok())
    }
}

impl Holder {
    fn may(&self, capability: Capability, scope: &Scope, now: Time) -> Result<(), Denied> {
        self.verified.allows(&Request {
            capability,
            repo: scope.repo.as_ref(),
            reference: scope.target.as_ref(),
            build: scope.build,
            path: scope.path.as_ref(),
            bytes: scope.bytes,
            now,
        })
    }

    /// Whether the token shows that a thing is there: it allows something about it.
    fn sees(&self, scope: &Scope, now: Time) -> bool {
        let anywhere = Scope {
            path: None,
            bytes: None,
            ..scope.clone()
        };
        let mut all = Capability::ALL.into_iter();
        all.any(|capability| self.may(capability, &anywhere, now).is_ok())
    }

    /// What is said to a holder who may not do something about a thing that is shown to anybody where so much is open.
    fn refusal(
        &self,
        app: &App,
        open_to: Anonymous,
        scope: &Scope,
        denied: Denied,
        now: Time,
    ) -> Failure {
        match denied {
            Denied::Expired { .. } => Failure::unknown_caller(&denied.to_string()),
            denied if app.anonymous >= open_to || self.sees(scope, now) => {
                Error::from(denied).into()
            }
            // That a server can be looked after is no secret.
            denied if *scope == Scope::default() => Error::from(denied).into(),
            _ => scope.not_found().into(),
        }
    }
}

/// Lets a request in as far as its URL tells, or refuses it. What its body tells is checked by its handler, with
/// [`admit_change`].
///
/// # Errors
///
/// A [`Failure`] that asks for a token, says what the token lacks, or that there is no such thing.
pub async fn admit(
    app: &Arc<App>,
    caller: &Caller,
    asked: &Asked,
    act: &str,
) -> Result<(), Failure> {
    let capability = match asked.row.needs {
        Needs::Nothing => return Ok(()),
        Needs::Read if app.anonymous >= open_to(&asked.route) => return Ok(()),
        Needs::Read => Capability::Read,
        Needs::Capability(capability) => capability,
    };
    caller.holder()?;
    if is_told_by_body(&asked.route) {
        return Ok(());
    }
    let route = asked.route.clone();
    let scope = app.work(move |app| scope_of(&app.store, &route)).await?;
    if asked.row.needs == Needs::Read {
        return admit_reading(app, caller, &asked.route, &scope);
    }
    if asked.row.is_change() {
        return admit_change(app, caller, capability, scope, act).await;
    }
    admit_question(app, caller, capability, &scope)
}

/// Lets a question in that takes more than reading, or refuses it. Nothing is written down.
///
/// # Errors
///
/// As [`admit`].
pub fn admit_question(
    app: &App,
    caller: &Caller,
    capability: Capability,
    scope: &Scope,
) -> Result<(), Failure> {
    let (holder, now) = (caller.holder()?, app.now()?);
    let allowed = holder.may(capability, scope, now);
    allowed.map_err(|denied| holder.refusal(app, Anonymous::Builds, scope, denied, now))
}

/// Lists show what the caller may see, and nothing else.
fn admit_reading(app: &App, caller: &Caller, route: &Route, scope: &Scope) -> Result<(), Failure> {
    if matches!(route, Route::Repos | Route::Builds(_)) {
        return Ok(());
    }
    let (holder, now) = (caller.holder()?, app.now()?);
    let read = holder.may(Capability::Read, scope, now);
    // A mirror copies what is published, and sees no builds.
    let is_published = open_to(route) == Anonymous::Published;
    if is_published && holder.may(Capability::Mirror, scope, now).is_ok() {
        return Ok(());
    }
    read.map_err(|denied| holder.refusal(app, open_to(route), scope, denied, now))
}

/// Lets a change in, or refuses it, and writes that down.
///
/// # Errors
///
/// As [`admit`].
pub async fn admit_change(
    app: &Arc<App>,
    caller: &Caller,
    capability: Capability,
    scope: Scope,
    act: &str,
) -> Result<(), Failure> {
    let holder = caller.holder()?.clone();
    let act = act.to_owned();
    let admitted = app.work(move |app| {
        let now = app.now()?;
        let outcome = holder.may(capability, &scope, now);
        let decision = match &outcome {
            Ok(()) => Decision::Granted,
            Err(denied) => Decision::Refused {
                reason: denied.to_string(),
            },
        };
        app.store.audit().append(&AuditRecord {
            time: now,
            actor: Actor::Token(holder.verified.ids()),
            capability,
            act,
            repo: scope.repo.clone(),
            reference: scope.target.clone(),
            build: scope.build,
            decision,
        })?;
        let refusal = |denied| holder.refusal(app, Anonymous::Builds, &scope, denied, now);
        Ok(outcome.map_err(refusal))
    });
    admitted.await?
}

/// What must be open to everybody for a request to need no token.
const fn open_to(route: &Route) -> Anonymous {
    match route {
        Route::Heads(base)
        | Route::Keyset(base, _)
        | Route::Statement(base, _)
        | Route::Object(base, _)
        | Route::Pack(base, _)
        | Route::Pin(base)
        | Route::Files(base, _) => match base {
            Base::Repo(_) => Anonymous::Published,
            Base::Build(_) => Anonymous::Builds,
        },
        Route::Repos | Route::Refs(..) | Route::Log(..) => Anonymous::Published,
        _ => Anonymous::Builds,
    }
}

/// Whether only the body of a request tells which ref or path it is about.
const fn is_told_by_body(route: &Route) -> bool {
    matches!(
        route,
        Route::CreateBuild(_) | Route::Stage(_) | Route::Publish(..) | Route::Upload(..)
    )
}

/// What the URL of a request says that it is about.
fn scope_of(store: &Store, route: &Route) -> Result<Scope> {
    let reader = store.reader()?;
    let of_build = |build: &u64| Ok(Scope::of_build(&reader.build(*build)?));
    match route {
        Route::Heads(base)
        | Route::Keyset(base, _)
        | Route::Statement(base, _)
        | Route::Object(base, _)
        | Route::Pack(base, _)
        | Route::Pin(base)
        | Route::Files(base, _) => match base {
            Base::Repo(repo) => Ok(Scope::in_repo(reader.repo(repo)?.name, None)),
            Base::Build(build) => of_build(build),
        },
        Route::CreateBuild(repo)
        | Route::Retire(repo, _)
        | Route::RepoEvents(repo)
        | Route::Refs(repo, _) => Ok(Scope::in_repo(reader.repo(repo)?.name, None)),
        Route::Log(repo, target)
        | Route::Rollback(repo, target)
        | Route::Hold(repo, target)
        | Route::Release(repo, target) => {
            let repo = reader.repo(repo)?.name;
            Ok(Scope::in_repo(repo, Some(target.clone())))
        }
        Route::Build(build)
        | Route::BuildLog(build)
        | Route::Missing(build, _)
        | Route::Upload(build, _)
        | Route::Stage(build)
        | Route::Commit(build)
        | Route::Check(build, _)
        | Route::Publish(build, _)
        | Route::Withdraw(build)
        | Route::Purge(build, _)
        | Route::BuildEvents(build) => of_build(build),
        Route::Repos
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

/// The token in a header `Authorization`: that of `Bearer`, or the password of `Basic`, which is all that some clients can
/// send.
fn secret_of(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return password_of(value.trim());
    }
    None
}
