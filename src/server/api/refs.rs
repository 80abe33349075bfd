//! Repos and refs: listed, held, rolled back.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;

use super::publishing::visible;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::build::hold::hold_ref;
use crate::build::rollback::rollback;
use crate::remote::wire::events::What;
use crate::remote::wire::refs::{Hold, RefSaid, Refs, ReleaseSaid, Releases, Rollback};
use crate::remote::wire::stats::StatsSaid;
use crate::server::access::Caller;
use crate::server::answer::{Answer, Failure, json};
use crate::server::app::App;
use crate::server::body;
use crate::server::events::Happened;
use crate::server::route::LogAsked;
use crate::server::shown::repos_shown;
use crate::store::Store;

/// Refs on one page.
pub const PAGE_REFS_MAX: usize = 1000;
/// Releases on one page of a log.
pub const LOG_RELEASES_MAX: usize = 1000;

/// Lists the repos.
///
/// # Errors
///
/// What the store answers; so for the others.
pub async fn repos(app: &Arc<App>, caller: &Caller) -> Result<Answer, Failure> {
    let caller = caller.clone();
    let repos = app.work(move |app| repos_shown(app, &caller)).await?;
    json(StatusCode::OK, &repos)
}

/// Lists the refs of a repo whose names come after the cursor.
///
/// # Errors
///
/// As [`repos`].
pub async fn refs(
    app: &Arc<App>,
    repo: RepoName,
    cursor: Option<RefName>,
) -> Result<Answer, Failure> {
    let name = repo.clone();
    let rows = app.work(move |app| {
        let reader = app.store.reader()?;
        reader.refs_after(&reader.repo(&name)?, cursor.as_ref(), PAGE_REFS_MAX)
    });
    let rows = rows.await?;
    let last = rows.last().map(|row| row.name.clone());
    let next = last.filter(|_| rows.len() == PAGE_REFS_MAX);
    let refs = rows.into_iter().map(RefSaid::from).collect();
    json(StatusCode::OK, &Refs { repo, refs, next })
}

/// Lists releases of a ref, newest first: those before the cursor, which counts them from the first one on.
///
/// # Errors
///
/// As [`repos`]; [`Error::Usage`] if more are asked for than a page has.
pub async fn log(
    app: &Arc<App>,
    repo: RepoName,
    target: RefName,
    asked: LogAsked,
) -> Result<Answer, Failure> {
    let number = asked.number.unwrap_or(LOG_RELEASES_MAX);
    if !(1..=LOG_RELEASES_MAX).contains(&number) {
        let reason = format!("?number is from 1 to {LOG_RELEASES_MAX}");
        return Err(Error::usage(reason).into());
    }
    let page = app.work(move |app| {
        let reader = app.store.reader()?;
        let repo = reader.repo(&repo)?;
        check_there(&app.store, &repo.name, &target)?;
        let before = asked.cursor.map(usize::try_from);
        let before = before.map(|before| before.unwrap_or(usize::MAX));
        let (page, first) = reader.releases_before(&repo, &target, before, number)?;
        let view = app.store.view(&repo.name, &[])?;
        let releases = page.into_iter().map(|row| ReleaseSaid::of(&view, row));
        Ok(Releases {
            target,
            releases: releases.collect::<Result<_>>()?,
            next: (first > 0).then_some(first as u64),
        })
    });
    json(StatusCode::OK, &page.await?)
}

/// Shows an older release of a ref again.
///
/// # Errors
///
/// As [`rollback`].
pub async fn roll_back(
    app: &Arc<App>,
    repo: RepoName,
    target: RefName,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: Rollback = body::document(body).await?;
    let name = repo.clone();
    let answer = app.write(move |store, time| {
        let hold = asked.hold.map(String::from);
        rollback(store, &name, &target, asked.to, hold, time)
    });
    let answer = answer.await?;
    let (target, seq) = (answer.target.clone(), Some(answer.seq));
    app.tell(&repo, Happened::to_ref(What::Rolledback, target, seq));
    json(StatusCode::OK, &visible(answer))
}

/// Holds a ref back, or lets it go.
///
/// # Errors
///
/// As [`repos`].
pub async fn hold(
    app: &Arc<App>,
    repo: RepoName,
    target: RefName,
    reason: Option<String>,
) -> Result<Answer, Failure> {
    let what = if reason.is_some() {
        What::Held
    } else {
        What::Released
    };
    let name = repo.clone();
    let said = app.write(move |store, _| {
        let reader = store.reader()?;
        let row = reader.repo(&name)?;
        check_there(store, &name, &target)?;
        hold_ref(store, &row, &target, reason)?;
        let shown = store.reader()?.find_ref(&row, &target)?;
        shown.ok_or_else(|| Error::not_found("ref", &target))
    });
    let row = said.await?;
    app.tell(&repo, Happened::to_ref(what, row.name.clone(), None));
    app.plans.notify_one();
    json(StatusCode::OK, &RefSaid::from(row))
}

/// Reads why a ref is held.
///
/// # Errors
///
/// A [`Failure`] if the body does not say so.
pub async fn reason(body: Body) -> Result<Option<String>, Failure> {
    let asked: Hold = body::document(body).await?;
    Ok(Some(asked.reason.into()))
}

fn check_there(store: &Store, repo: &RepoName, target: &RefName) -> Result<()> {
    let reader = store.reader()?;
    let row = reader.find_ref(&reader.repo(repo)?, target)?;
    row.map(drop).ok_or_else(|| Error::not_found("ref", target))
}

/// Sums over the store.
///
/// # Errors
///
/// As [`repos`].
pub async fn stats(app: &Arc<App>) -> Result<Answer, Failure> {
    let sums = app.work(|app| StatsSaid::of(&app.store));
    json(StatusCode::OK, &sums.await?)
}
