//! Builds: made, listed, filled, frozen, ended.
//!
//! # Not here
//!
//! Packs on their way into a build (`server::api::upload`), publishing (`server::api::publishing`).

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;

use crate::base::clock::Time;
use crate::base::id::{HASH_BYTES, Hash};
use crate::base::name::{CheckName, RepoName};
use crate::base::{Error, Result};
use crate::build::create::{CreateOptions, create};
use crate::build::stage::remove;
use crate::object::kind::ObjectKind;
use crate::remote::builds::{Builds, MISSING_OBJECTS_MAX};
use crate::remote::store_builds::StoreBuilds;
use crate::remote::wire::builds::{
    BaseSaid, BuildSaid, BuildsPage, Commit, CreateBuild, CreatedBuild, EventsSaid, ReceiptSaid,
    Stage, StageMode,
};
use crate::remote::wire::checks::ReportCheck;
use crate::remote::wire::events::What;
use crate::server::access::Caller;
use crate::server::anonymous::Anonymous;
use crate::server::answer::{Answer, Failure, Keep, bytes, json};
use crate::server::app::App;
use crate::server::body;
use crate::server::context::Context;
use crate::server::events::Happened;
use crate::server::quota::OPEN_BUILDS;
use crate::server::route::{BuildsAsked, ObjectsAsked};
use crate::server::scope::Scope;
use crate::store::Store;
use crate::store::checks::CheckReport;
use crate::store::retire::Mode;
use crate::store::rows::{BuildRow, BuildState};
use crate::trust::token::capability::Capability;
use crate::trust::token::{self, Block};

/// The label that says with which token a build was made.
pub const TOKEN_LABEL: &str = "token";
/// Builds on one page.
pub const PAGE_BUILDS_MAX: usize = 100;
/// The content type of ids and bits.
const BYTES: &str = "application/octet-stream";

/// Makes a build.
///
/// # Errors
///
/// As [`create`]; so for the others, what the verbs of builds answer.
pub async fn make(
    app: &Arc<App>,
    context: &Context,
    repo: RepoName,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: CreateBuild = body::document(body).await?;
    let scope = Scope::in_repo(repo.clone(), asked.target.clone());
    context.admit(app, Capability::Stage, scope).await?;
    if let Some(from) = asked.from {
        let row = app.build(from).await?;
        context
            .admit(app, Capability::Stage, Scope::of_build(&row))
            .await?;
    }
    let mut labels = asked.labels;
    labels.insert(TOKEN_LABEL.into(), context.caller.name());
    let options = CreateOptions {
        repo,
        target: asked.target,
        labels,
        from: asked.from,
    };
    let (making, name) = (Arc::clone(app), context.caller.name());
    let row = app.write(move |store, time| {
        making.check_room()?;
        let max = making.settings.limits.open_builds_per_token;
        making.open_builds.make(
            &name,
            max,
            || open_builds(store),
            |build| Ok(store.reader()?.build(build)?.state == BuildState::Open),
            || create(store, options, time).map(|row| (row.id, row)),
        )
    });
    let row = row.await.map_err(too_many_builds)?;
    app.tell(&row.repo, Happened::to_build(What::Created, row.id));
    let block = Block {
        builds: Some(token::scope::Scope::one(row.id)),
        ..Block::default()
    };
    let narrowed = context.caller.holder()?.token.narrow(block);
    // A token that cannot be narrowed any more is as narrow as it gets.
    let token = narrowed.ok().map(|token| token.to_text().to_string());
    json(
        StatusCode::CREATED,
        &CreatedBuild {
            build: row.id,
            base: row.base.map(BaseSaid::from),
            token,
        },
    )
}

/// Asking again does not help whoever has too many builds.
fn too_many_builds(error: Error) -> Failure {
    match error {
        Error::TooMany { what, .. } if what == OPEN_BUILDS => {
            Failure::new(StatusCode::TOO_MANY_REQUESTS, &error)
        }
        error => error.into(),
    }
}

/// The open builds, each with the token that made it.
fn open_builds(store: &Store) -> Result<Vec<(String, u64)>> {
    let builds = store.reader()?.builds()?.into_iter();
    let open = builds.filter(|row| row.state == BuildState::Open);
    let made = open.filter_map(|row| Some((row.labels.get(TOKEN_LABEL)?.clone(), row.id)));
    Ok(made.collect())
}

/// Lists builds.
///
/// # Errors
///
/// As [`make`].
pub async fn list(app: &Arc<App>, caller: &Caller, asked: BuildsAsked) -> Result<Answer, Failure> {
    let caller = caller.clone();
    let page = app.work(move |app| {
        let wanted = |row: &BuildRow| {
            let may_read = caller.may_read(app, Anonymous::Builds, &Scope::of_build(row));
            let is_in = asked.repo.as_ref().is_none_or(|repo| *repo == row.repo);
            let is_for = asked.target.is_none() || asked.target == row.target;
            let is_as = asked.state.is_none_or(|state| state == row.state);
            is_in && is_for && is_as && may_read.unwrap_or(false)
        };
        let reader = app.store.reader()?;
        reader.newest_builds(asked.cursor, PAGE_BUILDS_MAX, &wanted)
    });
    let rows = page.await?;
    let last = rows.last().map(|row| row.id);
    let next = last.filter(|_| rows.len() == PAGE_BUILDS_MAX);
    let builds = rows.into_iter().map(BuildSaid::from).collect();
    json(StatusCode::OK, &BuildsPage { builds, next })
}

/// Shows a build.
///
/// # Errors
///
/// As [`make`].
pub async fn show(app: &Arc<App>, build: u64) -> Result<Answer, Failure> {
    json(StatusCode::OK, &BuildSaid::from(app.build(build).await?))
}

/// Says what happened to a build.
///
/// # Errors
///
/// As [`make`].
pub async fn log(app: &Arc<App>, build: u64) -> Result<Answer, Failure> {
    let events = app.work(move |app| {
        let reader = app.store.reader()?;
        reader.build(build)?;
        reader.events(build, 0, usize::MAX)
    });
    json(StatusCode::OK, &EventsSaid::from(events.await?))
}

/// Says which of some objects must be sent: for each id a bit, set if it must; the first is the lowest of the first byte.
///
/// # Errors
///
/// As [`make`]; [`Error::Usage`] if the body is no list of ids.
pub async fn missing(
    app: &Arc<App>,
    caller: &Caller,
    build: u64,
    kind: ObjectsAsked,
    body: Body,
) -> Result<Answer, Failure> {
    let bytes_max = (MISSING_OBJECTS_MAX * HASH_BYTES) as u64;
    let ids = body::small(body, "a question about objects, in bytes,", bytes_max).await?;
    let (ids, rest) = ids.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(Error::usage("each id has 32 bytes, and nothing else is in the body").into());
    }
    let ids: Vec<Hash> = ids.iter().map(|id| Hash::from_bytes(*id)).collect();
    let caller = caller.clone();
    let bits = app.work(move |app| {
        let row = app.store.reader()?.build(build)?;
        let count_on = caller.counts_on(app, &row)?;
        let time = app.now()?;
        let builds = StoreBuilds::new(&app.store, row.repo, time).counting_on(count_on);
        missing_bits(&builds, build, kind, &ids)
    });
    Ok(bytes(
        StatusCode::OK,
        BYTES,
        Keep::Never,
        Bytes::from(bits.await?),
    ))
}

fn missing_bits(
    builds: &StoreBuilds<'_>,
    build: u64,
    kind: ObjectsAsked,
    ids: &[Hash],
) -> Result<Vec<u8>> {
    let view = builds.view(build)?;
    let kinds = match kind {
        ObjectsAsked::Trees => &[ObjectKind::Tree][..],
        // The length of a blob says which of the two it is, and an id stands for one length.
        ObjectsAsked::Blobs => &[ObjectKind::Blob, ObjectKind::Recipe],
    };
    let mut bits = vec![0; ids.len().div_ceil(8)];
    for (at, id) in ids.iter().enumerate() {
        let mut is_there = false;
        for kind in kinds {
            is_there |= view.find(*kind, *id)?.is_some();
        }
        bits[at / 8] |= u8::from(!is_there) << (at % 8);
    }
    Ok(bits)
}

/// Stages a directory, or removes a path.
///
/// # Errors
///
/// As [`make`].
pub async fn stage(
    app: &Arc<App>,
    context: &Context,
    build: u64,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: Stage = body::document(body).await?;
    let row = app.build(build).await?;
    let scope = Scope {
        path: Some(asked.at.clone()),
        ..Scope::of_build(&row)
    };
    context.admit(app, Capability::Stage, scope).await?;
    let (staging, caller) = (Arc::clone(app), context.caller.clone());
    let row = app.write(move |store, time| {
        stage_one(&staging, &caller, row, asked, time)?;
        store.reader()?.build(build)
    });
    json(StatusCode::OK, &BuildSaid::from(row.await?))
}

fn stage_one(app: &App, caller: &Caller, row: BuildRow, asked: Stage, time: Time) -> Result<()> {
    let (store, build) = (&app.store, row.id);
    match (asked.tree, asked.mode, asked.remove) {
        (Some(tree), mode, false) => {
            let count_on = caller.counts_on(app, &row)?;
            let builds = StoreBuilds::new(store, row.repo, time).counting_on(count_on);
            let mode = mode.unwrap_or(StageMode::Merge);
            builds.stage(build, &asked.at, tree.into(), mode).map(drop)
        }
        (None, None, true) => remove(store, build, &[asked.at], time),
        _ => Err(Error::usage(
            "say which tree is staged, or \"remove\": true and neither tree nor mode",
        )),
    }
}

/// Freezes a build.
///
/// # Errors
///
/// As [`make`].
pub async fn freeze(app: &Arc<App>, build: u64, body: Body) -> Result<Answer, Failure> {
    let asked: Commit = body::document(body).await?;
    let row = app
        .write(move |store, time| crate::build::commit::commit(store, build, &asked.message, time));
    let row = row.await?;
    app.tell(&row.repo, Happened::to_build(What::Committed, build));
    look_at_plans(app, &row);
    json(StatusCode::OK, &BuildSaid::from(row))
}

/// Takes in what a check found.
///
/// # Errors
///
/// As [`make`].
pub async fn check(
    app: &Arc<App>,
    build: u64,
    name: CheckName,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: ReportCheck = body::document(body).await?;
    let report = CheckReport {
        name,
        outcome: asked.outcome,
        snapshot: asked.snapshot,
        message: asked.message,
    };
    let row = app.write(move |store, time| store.report_check(build, report, time));
    let row = row.await?;
    app.tell(&row.repo, Happened::to_build(What::Checked, build));
    look_at_plans(app, &row);
    json(StatusCode::OK, &BuildSaid::from(row))
}

/// Wakes whoever publishes what is due, if the build is: its ref may say so of what is ready.
fn look_at_plans(app: &App, row: &BuildRow) {
    if row.due.is_some() {
        app.plans.notify_one();
    }
}

/// Ends a build, or says what that would free.
///
/// # Errors
///
/// As [`make`].
pub async fn purge(app: &Arc<App>, build: u64, mode: Mode) -> Result<Answer, Failure> {
    let receipt = app.write(move |store, time| {
        let repo = store.reader()?.build(build)?.repo;
        let receipt = match mode {
            Mode::DryRun => store.rehearse_purge(build, time),
            Mode::Apply => store.purge_build(build, time),
        };
        Ok((repo, receipt?))
    });
    let (repo, receipt) = receipt.await?;
    if mode == Mode::Apply {
        app.packs.forget_build(build);
        app.metrics.purged_bytes.inc_by(receipt.bytes);
        app.tell(&repo, Happened::to_build(What::Purged, build));
    }
    json(StatusCode::OK, &ReceiptSaid::from(receipt))
}
