//! Dispatch: from a request to its answer.
//!
//! # Invariants
//!
//! - Every request gets an answer; what fails is answered with a problem.
//! - A change that was begun is done to its end, also if whoever asked for it has gone (`server::under_way`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ALLOW, FORWARDED};
use axum::http::{HeaderMap, Request, StatusCode};

use super::access::{Caller, Unwelcome, admit, is_open, note_refusal, note_sender};
use super::answer::{Answer, Failure, json, keep_private};
use super::api::upload::upload;
use super::api::{admin, builds, jobs, plans, publishing, refs, snapshots};
use super::app::App;
use super::body::small;
use super::browsers::{check_sender, guard};
use super::content::Wish;
use super::context::Context;
use super::files::files;
use super::idempotency::Named;
use super::packs::pack;
use super::quota::origin;
use super::reading::{Document, document, healthy, ready};
use super::route::Route;
use super::router::{Asked, NoRoute, parse};
use super::scrape::{Asker, metrics};
use super::{event_streams, openapi, pages};
use crate::base::Error;
use crate::base::error::check_limit;
use crate::base::id::HASH_BYTES;
use crate::remote::builds::MISSING_OBJECTS_MAX;
use crate::store::audit::record::Actor;

/// Bytes of the largest body of a POST: ids of objects.
const POST_BYTES_MAX: u64 = (MISSING_OBJECTS_MAX * HASH_BYTES) as u64;

/// Bytes of the names and values of a request's headers.
pub const HEADER_BYTES_MAX: u64 = 32 * 1024;
/// The header in which a proxy says for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Answers a request that came from the address `peer`.
pub async fn answer(app: Arc<App>, peer: IpAddr, request: Request<Body>) -> Answer {
    let target = request.uri().path_and_query();
    let target = target.map_or("", axum::http::uri::PathAndQuery::as_str);
    let act = format!("{} {}", request.method(), request.uri().path());
    let (row, outcome) = match parse(request.method().as_str(), target) {
        Ok(asked) => {
            let (row, handling) = (asked.row, Arc::clone(&app));
            let handled = async move { handle(&handling, peer, asked, request).await };
            // Whoever asks may go at any time. A question is given up then; a change is not left half done.
            let handled = if row.is_change() {
                app.under_way.see_through(handled).await
            } else {
                handled.await
            };
            (Some(row), handled)
        }
        Err(no_route) => (None, Err(refuse(no_route, target))),
    };
    let answer = outcome.unwrap_or_else(|failure| {
        app.metrics.failed(&failure);
        if let Some(cause) = &failure.cause {
            app.troubles.say_seldom(&act, &failure.problem.code, cause);
        }
        failure.answer()
    });
    app.metrics.answered(row, answer.status());
    answer
}

fn refuse(no_route: NoRoute, target: &str) -> Failure {
    match no_route {
        NoRoute::NotFound => Error::not_found("page", target).into(),
        NoRoute::Wrong(error) => error.into(),
        NoRoute::Method(methods) => {
            let methods = methods.join(", ");
            let error = Error::usage(format!("{target} takes {methods}"));
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, &error).with_header(ALLOW, methods)
        }
    }
}

/// Headers that are too large are refused exactly; while they arrive they are bounded less so, by what reads them.
fn check_headers(headers: &HeaderMap) -> Result<(), Failure> {
    let bytes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    let bytes = bytes.sum::<usize>() as u64;
    check_limit("headers, in bytes,", bytes, HEADER_BYTES_MAX)
        .map_err(|error| Failure::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &error))
}

/// Who asks, if that one may ask once more in this minute. Whoever shows a token that is not good is counted with those
/// who show none.
async fn counted(app: &Arc<App>, peer: IpAddr, headers: &HeaderMap) -> Result<Caller, Unwelcome> {
    let limits = &app.settings.limits;
    let caller = Caller::of(app, headers).await;
    if let Ok(Caller::Holder(_)) = &caller {
        let max = limits.requests_per_minute_per_token;
        let name = caller.as_ref().map(Caller::name).unwrap_or_default();
        let what = "requests_per_minute_per_token";
        app.rates.count(&name, what, max).map_err(too_many)?;
        return caller;
    }
    let peer = if app.settings.behind_proxy {
        forwarded(headers).unwrap_or(peer)
    } else {
        peer
    };
    let max = limits.requests_per_minute_per_address;
    let what = "requests_per_minute_per_address";
    app.rates
        .count(&origin(peer), what, max)
        .map_err(too_many)?;
    caller
}

/// Who asks too often is not asked who that is.
const fn too_many(failure: Failure) -> Unwelcome {
    Unwelcome {
        failure,
        actor: Actor::Unknown,
    }
}

impl Asker {
    /// Where a request comes from. Whatever a proxy on this machine hands on comes from elsewhere, whether or not the
    /// settings know of the proxy.
    fn of(peer: IpAddr, headers: &HeaderMap) -> Self {
        let is_handed_on = headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED);
        if peer.to_canonical().is_loopback() && !is_handed_on {
            Self::Here
        } else {
            Self::Elsewhere
        }
    }
}

/// For whom the proxy asks: what it wrote is last, what stands before it anybody may have written.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).into_iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

async fn handle(
    app: &Arc<App>,
    peer: IpAddr,
    asked: Asked,
    request: Request<Body>,
) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    check_headers(&head.headers)?;
    let caller = match asked.route {
        // Whoever watches the server must not be kept from it by others.
        Route::Health | Route::Ready | Route::Metrics => Caller::Anybody,
        _ => match counted(app, peer, &head.headers).await {
            Ok(caller) => caller,
            Err(Unwelcome { failure, actor }) => {
                let act = format!("{} {}", head.method, head.uri.path());
                return Err(note_refusal(app, &asked, &act, actor, failure).await?);
            }
        },
    };
    if asked.row.is_change()
        && let Err(failure) = check_sender(app, &asked, &head.headers)
    {
        let act = format!("{} {}", head.method, head.uri.path());
        return Err(note_sender(app, &asked, &act, &caller, failure).await?);
    }
    let is_open = is_open(app, &asked);
    let context = Context {
        act: format!("{} {}", head.method, head.uri.path()),
        caller,
        asker: Asker::of(peer, &head.headers),
        wish: Wish::new(head.method, head.headers),
    };
    admit(app, &context.caller, &asked, &context.act).await?;
    if asked.row.method != "POST" {
        let mut answer = route(app, &context, asked.route, body).await?;
        if !is_open {
            keep_private(&mut answer);
        }
        if asked.row.is_reading() {
            guard(&mut answer);
        }
        return Ok(answer);
    }
    let (headers, name) = (context.wish.headers(), context.caller.fingerprint());
    let Some(named) = Named::of(headers, &name, &head.uri.to_string())? else {
        return route(app, &context, asked.route, body).await;
    };
    let body = small(
        body,
        "a body with an Idempotency-Key, in bytes,",
        POST_BYTES_MAX,
    )
    .await?;
    let work = |body| route(app, &context, asked.route, body);
    app.done.once(named, body, work).await
}

async fn route(
    app: &Arc<App>,
    context: &Context,
    route: Route,
    body: Body,
) -> Result<Answer, Failure> {
    let (wish, caller) = (&context.wish, &context.caller);
    let head = wish.headers();
    let answer = match route {
        Route::Heads(base) => document(app, wish, base, Document::Heads).await?,
        Route::Keyset(base, version) => {
            document(app, wish, base, Document::Keyset(version)).await?
        }
        Route::Statement(base, id) => document(app, wish, base, Document::Statement(id)).await?,
        Route::Object(base, id) => document(app, wish, base, Document::Object(id)).await?,
        Route::Pin(base) => document(app, wish, base, Document::Pin).await?,
        Route::Pack(base, name) => pack(app, wish, base, name).await?,
        Route::Files(base, asked) => files(app, context, base, asked).await?,
        Route::Page(base, after) => pages::page(app, context, base, after).await?,
        Route::NoSlash(base) => pages::with_slash(app, base).await?,
        Route::Start => pages::start(app, context).await?,
        Route::Repos => refs::repos(app, caller).await?,
        Route::Refs(repo, cursor) => refs::refs(app, repo, cursor).await?,
        Route::Snapshot(repo, name, which) => {
            snapshots::of_ref(app, caller, repo, name, which).await?
        }
        Route::BuildSnapshot(build) => snapshots::of_build(app, build).await?,
        Route::Log(repo, target, asked) => refs::log(app, repo, target, asked).await?,
        Route::Rollback(repo, target) => refs::roll_back(app, repo, target, body).await?,
        Route::Hold(repo, target) => {
            refs::hold(app, repo, target, refs::reason(body).await?).await?
        }
        Route::Release(repo, target) => refs::hold(app, repo, target, None).await?,
        Route::CreateRepo => admin::create(app, body).await?,
        Route::Retire(repo, mode) => admin::retire(app, repo, mode, body).await?,
        Route::CreateBuild(repo) => builds::make(app, context, repo, body).await?,
        Route::Builds(asked) => builds::list(app, caller, asked).await?,
        Route::Build(build) => builds::show(app, build).await?,
        Route::BuildLog(build) => builds::log(app, build).await?,
        Route::Missing(build, kind) => builds::missing(app, caller, build, kind, body).await?,
        Route::Upload(build, announced) => upload(app, context, build, announced, body).await?,
        Route::Stage(build) => builds::stage(app, context, build, body).await?,
        Route::Commit(build) => builds::freeze(app, build, body).await?,
        Route::Check(build, name) => builds::check(app, build, name, body).await?,
        Route::Publish(build, wait) => publishing::start(app, context, build, wait, body).await?,
        Route::Schedule(build) => plans::schedule(app, context, build, body).await?,
        Route::Unschedule(build) => plans::unschedule(app, context, build).await?,
        Route::HoldBuild(build) => plans::hold(app, build, refs::reason(body).await?).await?,
        Route::ReleaseBuild(build) => plans::hold(app, build, None).await?,
        Route::Withdraw(build) => publishing::take_out(app, build).await?,
        Route::Purge(build, mode) => builds::purge(app, build, mode).await?,
        Route::BuildEvents(build) => event_streams::of_build(app, caller, build, head).await?,
        Route::RepoEvents(repo) => event_streams::of_repo(app, caller, repo, head).await?,
        Route::OpenApi => json(StatusCode::OK, &openapi::document())?,
        Route::Jobs(cursor) => jobs::list(app, cursor)?,
        Route::StartJob => jobs::start(app, body).await?,
        Route::Job(id) => jobs::show(app, &id)?,
        Route::JobLog(id, offset) => jobs::log(app, &id, offset)?,
        Route::RetryJob(id) => jobs::retry(app, &id)?,
        Route::CancelJob(id) => jobs::cancel(app, &id)?,
        Route::Revoke => admin::revoke(app, body).await?,
        Route::Audit(asked) => admin::audit(app, asked).await?,
        Route::Stats => refs::stats(app).await?,
        Route::Health => healthy(),
        Route::Ready => ready(app).await?,
        Route::Metrics => metrics(app, context.asker, head).await?,
    };
    Ok(answer)
}
