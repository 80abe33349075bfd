//! Access: whether what somebody asks for is allowed.
//!
//! # Invariants
//!
//! - A caller without a token that is good now is asked for one before anything is looked up, unless what it asks for is open to
//!   everybody.
//! - What a token does not show is answered like what is not there; what it shows and does not allow, with the reason. A token
//!   shows the repos that it is for, and the builds that it may do something with; not which refs a repo has.
//! - What a build's URLs show of its repo needs what the repo's own URLs of the same need, and the build besides.
//! - Every change that is granted or refused is one line of the audit log, written before the change is made. Of refusals to those
//!   who show no good token there are so many lines in a minute, and the next one says how many are missing.
//!
//! # Not here
//!
//! Who asks (`server::caller`), what a token allows (`trust::token`), which requests need what (`server::route_table`), what they are about
//! (`server::scope`).

use std::sync::Arc;

use axum::http::StatusCode;

use super::anonymous::Anonymous;
use super::answer::Failure;
use super::app::App;
pub use super::caller::{Caller, Holder, Unwelcome};
use super::route::{Base, Route};
use super::route_table::Needs;
use super::router::Asked;
use super::scope::{Scope, is_told_by_body, scope_of};
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::store::audit::record::{Actor, AuditRecord, Decision};
use crate::trust::token::Denied;
use crate::trust::token::capability::Capability;

/// Whether a request is answered to everybody.
#[must_use]
pub fn is_open(app: &App, asked: &Asked) -> bool {
    match asked.row.needs {
        Needs::Nothing => true,
        Needs::Read => app.anonymous >= open_to(&asked.route),
        Needs::Capability(_) => false,
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
        _ if is_open(app, asked) => return Ok(()),
        Needs::Nothing | Needs::Read => Capability::Read,
        Needs::Capability(capability) => capability,
    };
    let holder = match caller.holder() {
        Ok(holder) => holder,
        Err(failure) => return Err(note_refusal(app, asked, act, Actor::Unknown, failure).await?),
    };
    let now = app.now()?;
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

/// Writes down that a change was refused to somebody without a token that is good, as far as lines are left for these, and returns
/// what is answered.
///
/// # Errors
///
/// What the store answers.
pub async fn note_refusal(
    app: &Arc<App>,
    asked: &Asked,
    act: &str,
    actor: Actor,
    failure: Failure,
) -> Result<Failure> {
    let is_refused = failure.status == StatusCode::UNAUTHORIZED && asked.row.is_change();
    match is_refused.then(|| app.strangers.line()).flatten() {
        Some(left_out) => write_refusal(app, asked, act, actor, failure, left_out).await,
        None => Ok(failure),
    }
}

/// Writes down that a change was refused because of who has it sent, such as a page of somebody else, and returns what is answered. Without
/// a token it is written down as far as lines are left for strangers.
///
/// # Errors
///
/// What the store answers.
pub async fn note_sender(
    app: &Arc<App>,
    asked: &Asked,
    act: &str,
    caller: &Caller,
    failure: Failure,
) -> Result<Failure> {
    let (actor, left_out) = match caller {
        Caller::Holder(holder) => (Actor::Token(holder.verified.ids()), Some(0)),
        Caller::Anybody => (Actor::Unknown, app.strangers.line()),
    };
    match left_out {
        Some(left_out) => write_refusal(app, asked, act, actor, failure, left_out).await,
        None => Ok(failure),
    }
}

/// Writes down a refusal, before which `left_out` others were not written down.
async fn write_refusal(
    app: &Arc<App>,
    asked: &Asked,
    act: &str,
    actor: Actor,
    failure: Failure,
    left_out: u64,
) -> Result<Failure> {
    let Needs::Capability(capability) = asked.row.needs else {
        return Ok(failure);
    };
    let detail = &failure.problem.detail;
    let reason = match left_out {
        0 => detail.clone(),
        _ => format!("{detail} (before it, {left_out} such refusals were not written down)"),
    };
    let act = act.to_owned();
    let written = app.work(move |app| {
        app.store.audit().append(&AuditRecord {
            time: app.now()?,
            actor,
            capability,
            act,
            repo: None,
            reference: None,
            build: None,
            decision: Decision::Refused { reason },
        })
    });
    written.await?;
    Ok(failure)
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
        (Some(base), _) => base.open_to(),
        (None, Route::Repos | Route::Refs(..) | Route::Log(..) | Route::Snapshot(..)) => {
            Anonymous::Published
        }
        _ => Anonymous::Builds,
    }
}
