//! Running a store: its repos, its audit log, the end of tokens, old releases that are let go of.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;

use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::build::repo::create_repo;
use crate::build::retire::{Keep, Tagged, plan};
use crate::remote::wire::audit::{AuditSaid, RevokeTokens, RevokedTokens};
use crate::remote::wire::refs::RepoSaid;
use crate::remote::wire::repos::{CreateRepo, Retire, Retired};
use crate::server::answer::{Answer, Failure, json};
use crate::server::app::App;
use crate::server::body;
use crate::server::route::AuditAsked;
use crate::store::audit::page::PAGE_LINES_MAX;
use crate::store::retire::Mode;
use crate::trust::token::id::BlockId;

/// Ids of blocks in one request.
const REVOKED_AT_ONCE_MAX: usize = 1000;

/// Lists lines of the audit log.
///
/// # Errors
///
/// What the store answers; so for the others.
pub async fn audit(app: &Arc<App>, asked: AuditAsked) -> Result<Answer, Failure> {
    let number = asked.number.unwrap_or(PAGE_LINES_MAX);
    if !(1..=PAGE_LINES_MAX).contains(&number) {
        let reason = format!("?number is from 1 to {PAGE_LINES_MAX}");
        return Err(Error::usage(reason).into());
    }
    let page = app.work(move |app| match asked.after {
        Some(cursor) => app.store.audit().read(cursor, number),
        None => app.store.audit().newest(number),
    });
    json(StatusCode::OK, &AuditSaid::from(page.await?))
}

/// Ends tokens.
///
/// # Errors
///
/// As [`audit`]; [`Error::Usage`] if it is not said which.
pub async fn revoke(app: &Arc<App>, body: Body) -> Result<Answer, Failure> {
    let asked: RevokeTokens = body::document(body).await?;
    if asked.ids.is_empty() != asked.all || asked.ids.len() > REVOKED_AT_ONCE_MAX {
        let reason = format!("say ids of blocks, at most {REVOKED_AT_ONCE_MAX}, or \"all\": true");
        return Err(Error::usage(reason).into());
    }
    // What is no id may be a secret and is not repeated.
    let parse = |id: &String| -> Result<BlockId> {
        id.parse()
            .map_err(|_| Error::usage("ids of blocks are what 'bindery token inspect' shows"))
    };
    let ids: Vec<BlockId> = asked.ids.iter().map(parse).collect::<Result<_>>()?;
    let revoked = RevokedTokens {
        revoked: ids.iter().map(ToString::to_string).collect(),
        all: asked.all,
    };
    let ended = app.write(move |store, time| {
        if asked.all {
            store.tokens().replace_key()?;
        }
        ids.iter()
            .try_for_each(|id| store.tokens().revoke(*id, time))
    });
    ended.await?;
    if asked.all {
        app.forget_token_key();
        // Streams of events look once more whether their tokens are good: before, they had the old key.
        app.changed();
    }
    json(StatusCode::OK, &revoked)
}

/// Makes a repo, with a key of its own unless one is named.
///
/// # Errors
///
/// As [`audit`].
pub async fn create(app: &Arc<App>, body: Body) -> Result<Answer, Failure> {
    let asked: CreateRepo = body::document(body).await?;
    let made = app.write(move |store, time| {
        let profile = asked.profile.unwrap_or_default();
        let row = create_repo(store, asked.repo, profile, asked.key.as_ref(), time)?;
        RepoSaid::of(store, row)
    });
    json(StatusCode::CREATED, &made.await?)
}

/// Lets go of old releases, or says which would go.
///
/// # Errors
///
/// As [`audit`].
pub async fn retire(
    app: &Arc<App>,
    repo: RepoName,
    mode: Mode,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: Retire = body::document(body).await?;
    let keep = Keep {
        last: asked.keep_last,
        younger_s: asked.keep_seconds,
        tagged: asked.keep_tagged.map(Tagged::from),
    };
    let name = repo.clone();
    let retired = app.write(move |store, time| {
        let repo = name;
        let row = store.reader()?.repo(&repo)?;
        let plan = plan(store, &repo, asked.target.as_ref(), keep, time)?;
        let receipt = store.retire_releases(&row, &plan.ids(), mode)?;
        Ok(Retired::of(plan, receipt))
    });
    let retired = retired.await?;
    if mode == Mode::Apply {
        app.packs.forget_repo(&repo);
        app.metrics.purged_bytes.inc_by(retired.freed.bytes);
    }
    json(StatusCode::OK, &retired)
}
