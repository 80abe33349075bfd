//! Access: who asks, and whether that is allowed.
//!
//! # Invariants
//!
//! - A caller without a token that is good now is asked for one before anything is looked up, unless what it asks for is open to
//!   everybody.
//! - What a token does not show is answered like what is not there; what it shows and does not allow, with the reason. A token
//!   shows the repos that it is for, and the builds that it may do something with; not which refs a repo has.
//! - What a build's URLs show of its repo needs what the repo's own URLs of the same need, and the build besides.
//! - Every change that is granted or refused is one line of the audit log, written before the change is made.
//!
//! # Not here
//!
//! What a token allows (`trust::token`), which requests need what (`server::route_table`), what they are about
//! (`server::scope`).

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::anonymous::Anonymous;
use super::answer::Failure;
use super::app::App;
use super::route::{Base, Route};
use super::route_table::Needs;
use super::router::Asked;
use super::scope::{Scope, is_told_by_body, scope_of};
use crate::base::clock::Time;
use crate::base::id::Hash;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::remote::store_builds::CountOn;
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
            Err(Error::NotAllowed { reason }) => Err(Failure::unknown_caller(&reason)),
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

    /// Whether what is published in a repo, or on one ref of it, may be read. A mirror copies it, and so reads it.
    ///
    /// # Errors
    ///
    /// As [`may_read`](Self::may_read).
    pub fn may_read_published(&self, app: &App, scope: &Scope) -> Result<bool> {
        if self.may_read(app, Anonymous::Published, scope)? {
            return Ok(true);
        }
        let Self::Holder(holder) = self else {
            return Ok(false);
        };
        let now = app.now()?;
        Ok(holder.may(Capability::Mirror, scope, now).is_ok())
    }

    /// What the caller need not send into a build, and may be told of: who may read what is published in its repo, or the build's
    /// test repository, which shows that too, need not send it.
    ///
    /// # Errors
    ///
    /// As [`may_read`](Self::may_read).
    pub fn counts_on(&self, app: &App, row: &BuildRow) -> Result<CountOn> {
        let repo = Scope::in_repo(row.repo.clone(), None);
        let reads_published = self.may_read_published(app, &repo)?;
        let is_told =
            reads_published || self.may_read(app, Anonymous::Builds, &Scope::of_build(row))?;
        Ok(if is_told {
            CountOn::Published
        } else {
            CountOn::Nothing
        })
    }

    /// Whether a list of repos shows this one: what is published in it may be read, or a token is for it.
    ///
    /// # Errors
    ///
    /// As [`may_read`](Self::may_read).
    pub fn is_shown(&self, app: &App, repo: &RepoName) -> Result<bool> {
        if app.anonymous >= Anonymous::Published {
            return Ok(true);
        }
        match self {
            Self::Anybody => Ok(false),
            Self::Holder(holder) => Ok(holder.is_for(repo, app.now()?)),
        }
    }
}

impl Holder {
    fn may(&self, capability: Capability, scope: &Scope, now: Time) -> Result<(), Denied> {
        self.verified.allows(&Request {
            capability,
            repo: scope.repo.as_ref(),
            reference: scope.moves.as_ref().or(scope.target.as_ref()),
            build: scope.build,
            path: scope.path.as_ref(),
            bytes: scope.bytes,
            now,
        })
    }

    /// As [`may`](Self::may); and what a build holds comes to another ref than its own only by who sees the build.
    fn may_change(
        &self,
        app: &App,
        capability: Capability,
        scope: &Scope,
        now: Time,
    ) -> Result<(), Denied> {
        let is_told = app.anonymous >= scope.open_to() || self.sees(scope, now);
        if scope.moves.is_some() && !is_told {
            self.may(capability, &scope.itself(), now)?;
        }
        self.may(capability, scope, now)
    }

    /// Whether the token is good and is for a repo: it may do something in it.
    fn is_for(&self, repo: &RepoName, now: Time) -> bool {
        let mut all = Capability::ALL.into_iter();
        self.verified.allows_moment(now).is_ok()
            && all.any(|capability| self.verified.reaches(capability, repo))
    }

    /// Whether the token shows that a thing is there: it allows something with the build, or is for the repo.
    fn sees(&self, scope: &Scope, now: Time) -> bool {
        match (scope.build, &scope.repo) {
            (Some(_), _) => {
                let itself = scope.itself();
                let mut all = Capability::ALL.into_iter();
                all.any(|capability| self.may(capability, &itself, now).is_ok())
            }
            (None, Some(repo)) => self.is_for(repo, now),
            // That a server can be looked after is no secret.
            (None, None) => true,
        }
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
    let (holder, now) = (caller.holder()?, app.now()?);
    // A token that ended is answered alike whatever there is.
    if let Err(denied) = holder.verified.allows_moment(now) {
        let refused = Failure::unknown_caller(&denied.to_string());
        if asked.row.is_change() {
            admit_change(app, caller, capability, Scope::default(), act).await?;
        }
        return Err(refused);
    }
    if is_told_by_body(&asked.route) {
        return Ok(());
    }
    let scope = scope_in(app, &asked.route).await?;
    if asked.row.needs == Needs::Read {
        admit_reading(app, caller, &asked.route, &scope)?;
        let repo = scope.repo.as_ref();
        return match repo.and_then(|repo| asked.route.of_repo(repo)) {
            Some(route) if app.anonymous < open_to(&route) => {
                let scope = scope_in(app, &route).await?;
                admit_reading(app, caller, &route, &scope)
            }
            _ => Ok(()),
        };
    }
    if asked.row.is_change() {
        return admit_change(app, caller, capability, scope, act).await;
    }
    admit_question(app, caller, capability, &scope)
}

/// As [`scope_of`], on a thread for such work.
async fn scope_in(app: &Arc<App>, route: &Route) -> Result<Scope> {
    let route = route.clone();
    app.work(move |app| scope_of(&app.store, &route)).await
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
    allowed.map_err(|denied| holder.refusal(app, scope.open_to(), scope, denied, now))
}

/// Lists show what the caller may see, and nothing else.
fn admit_reading(app: &App, caller: &Caller, route: &Route, scope: &Scope) -> Result<(), Failure> {
    if matches!(route, Route::Repos | Route::Builds(_)) {
        return Ok(());
    }
    let (holder, now) = (caller.holder()?, app.now()?);
    // A mirror copies what is published, and sees no builds.
    let capabilities = match open_to(route) {
        Anonymous::Published => &[Capability::Read, Capability::Mirror][..],
        _ => &[Capability::Read],
    };
    let wanted = |repo: &RepoName| {
        let mut capabilities = capabilities.iter();
        capabilities.find(|capability| holder.verified.reaches(**capability, repo))
    };
    let wanted = scope.repo.as_ref().and_then(wanted);
    // A list of the refs that the caller may read, which may be none of them.
    let shows_refs = matches!(
        route,
        Route::Files(Base::Repo(_), _)
            | Route::Page(Base::Repo(_), _)
            | Route::NoSlash(Base::Repo(_))
    );
    let is_list = shows_refs && scope.target.is_none();
    let mut capabilities = capabilities.iter();
    if is_list && wanted.is_some()
        || capabilities.any(|capability| holder.may(*capability, scope, now).is_ok())
    {
        return Ok(());
    }
    let capability = wanted.copied().unwrap_or(Capability::Read);
    let allowed = holder.may(capability, scope, now);
    allowed.map_err(|denied| match (&denied, of_some_ref(route)) {
        // Whether it is of another ref, or of none, is not told.
        (Denied::Ref { .. }, Some(error)) => error.into(),
        _ => holder.refusal(app, open_to(route), scope, denied, now),
    })
}

/// What is said about a thing of a ref, which the URL does not name as such, when it is not there.
fn of_some_ref(route: &Route) -> Option<Error> {
    match route {
        Route::Files(Base::Repo(_), asked) => Some(asked.not_found()),
        Route::Statement(Base::Repo(_), id) => Some(Error::not_found("statement", id)),
        _ => None,
    }
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
        let outcome = holder.may_change(app, capability, &scope, now);
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
            reference: scope.moves.clone().or_else(|| scope.target.clone()),
            build: scope.build,
            decision,
        })?;
        let open_to = scope.open_to();
        let refusal = |denied| holder.refusal(app, open_to, &scope, denied, now);
        Ok(outcome.map_err(refusal))
    });
    admitted.await?
}

/// What must be open to everybody for a request to need no token.
const fn open_to(route: &Route) -> Anonymous {
    match (route.base(), route) {
        (Some(Base::Repo(_)), _)
        | (None, Route::Repos | Route::Refs(..) | Route::Log(..) | Route::Snapshot(..)) => {
            Anonymous::Published
        }
        _ => Anonymous::Builds,
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
