//! Scraping: who sees the figures of the server, and what is so at that moment.
//!
//! # Not here
//!
//! What is counted as it happens (`server::metrics`).

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;

use super::access::{Caller, admit_question};
use super::answer::{Answer, Failure, Keep, bytes};
use super::app::App;
use super::scope::Scope;
use crate::base::Result;
use crate::disk::room::free_bytes;
use crate::trust::token::capability::Capability;

/// The type of the text (`OpenMetrics` 1.0).
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Where somebody asks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// This machine.
    Here,
    /// Another, or a proxy for it.
    Elsewhere,
}

/// Answers with the figures: to whoever is on this machine and does not ask for others, and to administrators.
///
/// # Errors
///
/// A [`Failure`] that asks for a token; what the store answers.
pub async fn metrics(app: &Arc<App>, asker: Asker, headers: &HeaderMap) -> Result<Answer, Failure> {
    if asker == Asker::Elsewhere {
        let caller = Caller::of(app, headers).await?;
        admit_question(app, &caller, Capability::Admin, &Scope::default())?;
    }
    let text = app.work(figures).await?;
    Ok(bytes(
        StatusCode::OK,
        METRICS_TYPE,
        Keep::Never,
        Bytes::from(text),
    ))
}

/// Looks at what is so now, and writes all figures down.
fn figures(app: &App) -> Result<String> {
    let totals = app.store.reader()?.totals()?;
    let metrics = &app.metrics;
    let set = |gauge: &Gauge, value: u64| {
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    };
    let places = app.uploads.available_permits() as u64;
    let running = app.settings.limits.uploads_max.saturating_sub(places);
    set(&metrics.uploads_running, running);
    set(&metrics.work_waiting, app.pool.waiting() as u64);
    let oldest = app.pool.oldest().as_ref().map_or(0, Duration::as_secs);
    set(&metrics.work_oldest_seconds, oldest);
    set(&metrics.jobs_waiting, app.jobs.waiting() as u64);
    set(&metrics.stored_bytes, totals.stored_bytes);
    set(&metrics.objects, totals.objects);
    set(&metrics.free_bytes, free_bytes(&app.store.root())?);
    for (url, seconds) in app.troubles.ages() {
        metrics.copy_is_old(url, seconds);
    }
    metrics.text()
}
