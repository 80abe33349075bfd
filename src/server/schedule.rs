//! The schedule: builds are published when they are due, and what is pending is made visible.
//!
//! # Invariants
//!
//! - The store says what is due, so a server that was started anew goes on; what came due meanwhile is published then, and
//!   so is what was on its way when the server ended.
//!
//! # Not here
//!
//! What is recorded (`build::schedule`), how a build is published (`server::api::publishing`), what is pending and was not due
//! (`server::pending`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::publishing::Started;
use super::app::App;
use super::job_work::until_the_end;
use super::pending::Rounds;
use super::route::Wait;
use crate::base::{Error, Result};
use crate::build::schedule::{Planned, due_now, failed, planned};

/// The longest pause between two looks while something is to be published: the clock may be set.
const LOOK_MAX: Duration = Duration::from_secs(60);
/// The pause before what is held, or could not be done just now, is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Publishes what is due until the server ends.
pub(super) async fn keep(app: Arc<App>) {
    let rounds = async {
        let mut pending = Rounds::default();
        loop {
            let pauses = [round(&app).await, pending.round(&app).await];
            // What could not be looked at is looked at again.
            let pauses = pauses.map(|pause| pause.unwrap_or(Some(RETRY)));
            match pauses.into_iter().flatten().min() {
                None => app.plans.notified().await,
                Some(pause) => wait(&app, pause).await,
            }
        }
    };
    until_the_end(&app, rounds).await;
}

async fn wait(app: &App, pause: Duration) {
    // Whoever has waited long enough looks, and whoever hears that something is new does.
    tokio::time::timeout(pause, app.plans.notified()).await.ok();
}

/// Publishes what is due now; says how long nothing else is, if something is to be published at all.
async fn round(app: &Arc<App>) -> Result<Option<Duration>> {
    let mut pause = None;
    for next in app.work(|app| planned(&app.store)).await? {
        let now = app.now()?;
        let after = if next.due.at > now {
            let seconds = next.due.at.seconds().saturating_sub(now.seconds());
            Some(Duration::from_secs(seconds).min(LOOK_MAX))
        } else {
            let stays = publish(app, &next).await?;
            stays.then_some(RETRY)
        };
        pause = [pause, after].into_iter().flatten().min();
    }
    Ok(pause)
}

/// Publishes a build, if it is still to be; says whether it stays due.
async fn publish(app: &Arc<App>, next: &Planned) -> Result<bool> {
    let build = next.build;
    let found = app.work(move |app| {
        let row = app.store.reader()?.build(build)?;
        Ok((row, due_now(&app.store, build, app.now()?)?))
    });
    let (row, Some(due)) = found.await? else {
        return Ok(false);
    };
    let started = Started {
        at: Instant::now(),
        build,
        options: due.options(),
        wait: Wait::Yes,
    };
    let target = due.due.target.clone().or(row.target);
    let outcome = match started.publish(app, &row.repo, target.as_ref()).await {
        Ok((_, visible)) => visible.await.unwrap_or_else(|error| {
            let reason = format!("publishing ended early: {error}");
            Err(Error::internal(reason))
        }),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(_) => Ok(false),
        Err(error) => {
            let noted = app.write(move |store, time| failed(store, &due, &error, time));
            noted.await
        }
    }
}
