//! Plans: when a build is to be published, and what is held back.
//!
//! # Not here
//!
//! Publishing what is due (`server::schedule`).

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;

use crate::build::publish::PublishOptions;
use crate::build::schedule;
use crate::remote::wire::builds::BuildSaid;
use crate::remote::wire::events::What;
use crate::remote::wire::plans::Schedule;
use crate::server::answer::{Answer, Failure, json};
use crate::server::app::App;
use crate::server::body;
use crate::server::context::Context;
use crate::server::events::Happened;
use crate::server::scope::Scope;
use crate::trust::token::capability::Capability;

/// Says when a build is to be published.
///
/// # Errors
///
/// As [`schedule`](schedule::schedule).
pub async fn schedule(
    app: &Arc<App>,
    context: &Context,
    build: u64,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: Schedule = body::document(body).await?;
    let row = app.build(build).await?;
    let wanted = asked.how.target.as_ref();
    context.admit_publishing(app, &row, wanted).await?;
    let planned = app.write(move |store, time| {
        let at = asked.time(time)?;
        let options = PublishOptions::from(asked.how);
        schedule::schedule(store, build, &options, at, time)
    });
    let (row, _) = planned.await?;
    app.plans.notify_one();
    json(StatusCode::OK, &BuildSaid::from(row))
}

/// Takes back when a build is to be published: whoever may publish it there then may do that, too.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if it has no time; what the store answers.
pub async fn unschedule(app: &Arc<App>, context: &Context, build: u64) -> Result<Answer, Failure> {
    let row = app.build(build).await?;
    let scope = Scope::of_published(&row);
    context.admit(app, Capability::Publish, scope).await?;
    let dropped = app.write(move |store, time| store.drop_due(build, row.due.as_ref(), time));
    let row = dropped.await?;
    app.tell(&row.repo, Happened::to_build(What::Withdrawn, build));
    json(StatusCode::OK, &BuildSaid::from(row))
}

/// Holds publishing a build back, or lets it go.
///
/// # Errors
///
/// What the store answers.
pub async fn hold(app: &Arc<App>, build: u64, reason: Option<String>) -> Result<Answer, Failure> {
    let what = if reason.is_some() {
        What::Held
    } else {
        What::Released
    };
    let held = app.write(move |store, time| store.record_build_hold(build, reason, time));
    let row = held.await?;
    app.tell(&row.repo, Happened::to_build(what, build));
    app.plans.notify_one();
    json(StatusCode::OK, &BuildSaid::from(row))
}
