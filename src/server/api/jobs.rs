//! Jobs: listed, started, tried again, cancelled.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;

use crate::base::{Error, Result};
use crate::remote::wire::jobs::{JobKind, JobsPage, StartJob};
use crate::server::answer::{Answer, Failure, Keep, bytes, json};
use crate::server::app::App;
use crate::server::body;
use crate::server::job_book::Task;

/// The content type of logs.
const TEXT: &str = "text/plain; charset=utf-8";

/// Lists jobs.
///
/// # Errors
///
/// What the jobs answer; so for the others.
pub fn list(app: &App, cursor: Option<u64>) -> Result<Answer, Failure> {
    let (jobs, next) = app.jobs.page(cursor)?;
    json(StatusCode::OK, &JobsPage { jobs, next })
}

/// Starts a job.
///
/// # Errors
///
/// As [`list`]; [`Error::Usage`] if it is none that can be asked for.
pub async fn start(app: &Arc<App>, body: Body) -> Result<Answer, Failure> {
    let asked: StartJob = body::document(body).await?;
    let task = match (asked.kind, asked.repo) {
        (JobKind::Verify, Some(repo)) => {
            let row = app.work(move |app| app.store.reader()?.repo(&repo));
            Task::Verify(row.await?.name)
        }
        (JobKind::Scrub, None) => Task::Scrub,
        _ => {
            let reason = r#"say {"kind": "verify", "repo": ...} or {"kind": "scrub"}: the others come up by themselves"#;
            return Err(Error::usage(reason).into());
        }
    };
    json(StatusCode::ACCEPTED, &app.jobs.start(task, app.now()?)?)
}

/// Shows a job.
///
/// # Errors
///
/// As [`list`].
pub fn show(app: &App, id: &str) -> Result<Answer, Failure> {
    json(StatusCode::OK, &app.jobs.show(id)?)
}

/// Shows the log of a job from a byte on.
///
/// # Errors
///
/// As [`list`].
pub fn log(app: &App, id: &str, offset: u64) -> Result<Answer, Failure> {
    let log = Bytes::from(app.jobs.log(id, offset)?);
    Ok(bytes(StatusCode::OK, TEXT, Keep::Never, log))
}

/// Has a job tried again.
///
/// # Errors
///
/// As [`list`].
pub fn retry(app: &App, id: &str) -> Result<Answer, Failure> {
    json(StatusCode::OK, &app.jobs.retry(id, app.now()?)?)
}

/// Cancels a job.
///
/// # Errors
///
/// As [`list`].
pub fn cancel(app: &App, id: &str) -> Result<Answer, Failure> {
    json(StatusCode::OK, &app.jobs.cancel(id, app.now()?)?)
}
