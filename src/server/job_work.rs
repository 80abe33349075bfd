//! Doing jobs: one after the other, behind everybody who asks.
//!
//! # Invariants
//!
//! - What a job computes gives way to what answers requests.
//! - All of it ends when the server does.
//!
//! # Not here
//!
//! Which jobs there are (`server::jobs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::app::App;
use super::jobs::{Begun, Task};
use crate::base::{Error, Result};
use crate::build::verify::verify_repo;
use crate::delta::make::MakeOptions;
use crate::delta::prepare::prepare;
use crate::disk::priority::Background;
use crate::object::patch::Effort;
use crate::store::Store;

/// How long to wait after something went wrong that has nothing to do with one job.
const PAUSE: Duration = Duration::from_secs(10);

/// Does jobs until the server ends.
pub(super) async fn work(app: Arc<App>) {
    tokio::select! {
        () = app.ended() => {}
        () = do_all(&app) => {}
    }
    app.jobs.stop();
}

async fn do_all(app: &Arc<App>) {
    // Without threads of their own, jobs are left undone; the server answers all the same.
    let Ok(pool) = Background::start().map(Arc::new) else {
        return;
    };
    loop {
        match next(app, &pool).await {
            Ok(true) => {}
            Ok(false) => app.jobs.news.notified().await,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Does the next job; says whether there was one.
async fn next(app: &Arc<App>, pool: &Arc<Background>) -> Result<bool> {
    let begun = app.work(|app| app.jobs.begin(&app.store, app.now()?));
    let Some(begun) = begun.await? else {
        return Ok(false);
    };
    let (doing, pool) = (Arc::clone(app), Arc::clone(pool));
    let done = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let outcome = pool.run(|| perform(&doing.store, &begun));
        let now = doing.now()?;
        doing.jobs.end(&begun, outcome, started.elapsed(), now);
        Ok::<(), Error>(())
    });
    done.await
        .map_err(|error| Error::internal(format!("a job ended early: {error}")))??;
    app.changed();
    Ok(true)
}

/// Does what is to be done; returns what is to be said of it.
fn perform(store: &Store, begun: &Begun) -> Result<String> {
    let tally = &*begun.tally;
    match &begun.task {
        Task::Delta(owed) => {
            let options = MakeOptions {
                effort: Effort::Thorough,
                ..MakeOptions::default()
            };
            let bytes = prepare(store, owed, &options, tally)?.pack.bytes;
            Ok(format!("done: a delta of {bytes} bytes"))
        }
        Task::Verify(repo) => {
            let repo = store.reader()?.repo(repo)?;
            let found = verify_repo(store, &repo, tally)?;
            let notes = found.notes.iter().map(|note| format!("note: {note}\n"));
            let notes: String = notes.collect();
            Ok(format!(
                "{notes}good: {} statements, {} snapshots, {} objects, {} bytes",
                found.statements, found.snapshots, found.objects, found.bytes
            ))
        }
        Task::Scrub => scrub(store, begun),
    }
}

fn scrub(store: &Store, begun: &Begun) -> Result<String> {
    let report = store.scrub(&*begun.tally)?;
    let problems = report.problems.iter().map(ToString::to_string);
    let problems: Vec<String> = problems.collect();
    let sums = format!(
        "checked {} packs, {} objects, {} bytes: {} problems",
        report.packs,
        report.objects,
        report.bytes,
        problems.len()
    );
    if problems.is_empty() {
        return Ok(sums);
    }
    Err(Error::Untrusted {
        what: "the store".into(),
        reason: format!("{}\n{sums}", problems.join("\n")),
    })
}
