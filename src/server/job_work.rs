//! Doing jobs: one after the other, behind everybody who asks.
//!
//! # Invariants
//!
//! - What jobs compute gives way to what answers requests. Mirrors wait for others most of the time, on threads of their own;
//!   what they compute is done on threads that other jobs do not wait for.
//! - All of it ends when the server does.
//!
//! # Not here
//!
//! Which jobs there are (`server::jobs`).

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::app::App;
use super::events::Happened;
use super::job_book::{Begun, Tally, Task};
use super::mirroring::Mirror;
use crate::base::clock::Time;
use crate::base::name::RepoName;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::verify::verify_repo;
use crate::delta::make::MakeOptions;
use crate::delta::prepare::prepare;
use crate::disk::priority::Background;
use crate::object::patch::Effort;
use crate::remote::wire::events::What;
use crate::remote::wire::jobs::JobState;
use crate::store::Store;

/// How long to wait after something went wrong that has nothing to do with one job.
const PAUSE: Duration = Duration::from_secs(10);

/// Does jobs until the server ends.
pub(super) async fn work(app: Arc<App>) {
    until_the_end(&app, do_all(&app)).await;
}

/// Does something until the server ends.
pub(super) async fn until_the_end(app: &App, work: impl Future<Output = ()>) {
    tokio::select! {
        () = app.ended() => {}
        () = work => {}
    }
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

/// How the command line is asked to name the root of a repo.
const SAY_ROOT: &str = "say its repo id with --root, its pin file with --pin, or --trust-first";

/// Keeps copies up to date until the server ends.
pub(super) fn follow_each(app: &Arc<App>, mirrors: &[Arc<Mirror>]) {
    if mirrors.is_empty() {
        return;
    }
    // Without threads of their own, they compute where they wait.
    let pool = Background::start().ok().map(Arc::new);
    for mirror in mirrors {
        tokio::spawn(follow(Arc::clone(app), Arc::clone(mirror), pool.clone()));
    }
}

/// Keeps a copy up to date until the server ends. A round that fails changes nothing, and the next one comes later.
async fn follow(app: Arc<App>, mirror: Arc<Mirror>, pool: Option<Arc<Background>>) {
    app.troubles.is_up_to_date(mirror.url(), Instant::now());
    let rounds = async {
        let mut failures = 0;
        loop {
            let task = Task::Mirror(Arc::clone(&mirror));
            let done = perform_at_once(&app, task, pool.clone()).await;
            failures = if done { 0 } else { failures + 1 };
            tokio::time::sleep(mirror.pause(failures)).await;
        }
    };
    until_the_end(&app, rounds).await;
}

/// How far a mirror is, whose computing is done behind everything else.
struct Behind<'t> {
    tally: &'t Tally,
    pool: Option<&'t Background>,
}

impl Progress for Behind<'_> {
    fn expect(&self, bytes: u64) {
        self.tally.expect(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.tally.advance(bytes);
    }

    fn note(&self, words: &dyn Display) {
        self.tally.note(words);
    }

    fn check(&self) -> Result<()> {
        self.tally.check()
    }

    fn compute(&self, work: &mut (dyn FnMut() + Send)) {
        match self.pool {
            Some(pool) => pool.run(work),
            None => work(),
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
    let how = move |begun: &Begun| pool.run(|| perform(&doing, begun, &*begun.tally));
    do_one(app, begun, how).await;
    Ok(true)
}

/// Does a job beside the others; says whether it was done.
async fn perform_at_once(app: &Arc<App>, task: Task, pool: Option<Arc<Background>>) -> bool {
    let Some(begun) = app
        .now()
        .ok()
        .and_then(|now| app.jobs.begin_at_once(task, now))
    else {
        return false;
    };
    let doing = Arc::clone(app);
    let how = move |begun: &Begun| {
        let (tally, pool) = (&*begun.tally, pool.as_deref());
        perform(&doing, begun, &Behind { tally, pool })
    };
    let done = do_one(app, begun, how).await;
    done == JobState::Done
}

/// Does a job that was begun, away from the threads that serve connections; returns how it ended.
async fn do_one(
    app: &Arc<App>,
    begun: Begun,
    how: impl FnOnce(&Begun) -> Result<String> + Send + 'static,
) -> JobState {
    let (started, doing) = (Instant::now(), begun.clone());
    let outcome = tokio::task::spawn_blocking(move || how(&doing)).await;
    // One that broke a promise has failed like any other.
    let ended = |error| Err(Error::internal(format!("a job ended early: {error}")));
    let outcome = outcome.unwrap_or_else(ended);
    let outcome = outcome.map(|words| begun.tally.notes() + &words);
    let reason = outcome.as_ref().err().map(ToString::to_string);
    let now = app.now().unwrap_or_else(|_| Time::beginning());
    let state = app.jobs.end(&begun, outcome, started.elapsed(), now);
    if let (JobState::Failed, Some(reason)) = (state, reason) {
        let (kind, words) = begun.task.words();
        app.metrics.job_failed(kind);
        app.troubles.say(format!("{words}: {reason}"));
    }
    app.changed();
    state
}

/// Does what is to be done; returns what is to be said of it.
fn perform(app: &App, begun: &Begun, progress: &dyn Progress) -> Result<String> {
    let store = &app.store;
    match &begun.task {
        Task::Delta(owed) => {
            let options = MakeOptions {
                effort: Effort::Thorough,
                ..MakeOptions::default()
            };
            let bytes = prepare(store, owed, &options, progress)?.pack.bytes;
            Ok(format!("done: a delta of {bytes} bytes"))
        }
        Task::Mirror(mirror) => bring_up_to_date(app, mirror, progress),
        Task::Verify(repo) => verify(store, repo, progress),
        Task::Scrub => scrub(store, progress),
    }
}

/// Brings a copy up to date; returns what is to be said of it.
fn bring_up_to_date(app: &App, mirror: &Mirror, progress: &dyn Progress) -> Result<String> {
    let mut words = Vec::new();
    let mut passed_over = |error: &Error| words.push(format!("passed over: {error}"));
    let pulled = mirror.bring_up_to_date(&app.store, app.now()?, progress, &mut passed_over);
    let pulled = pulled.map_err(in_words_of_settings)?;
    app.troubles.is_up_to_date(mirror.url(), Instant::now());
    for moved in &pulled.moves {
        let (target, seq) = (moved.target.clone(), Some(moved.seq));
        words.push(format!("{target}@{}", moved.seq));
        app.tell(&pulled.repo, Happened::to_ref(What::Published, target, seq));
    }
    words.extend(pulled.shortfall().map(|error| format!("left: {error}")));
    let (moves, bytes) = (pulled.moves.len(), pulled.received_bytes);
    let signed = pulled.signed;
    words.push(format!(
        "done: {moves} refs moved, {bytes} bytes received; what is shown was signed at {signed}"
    ));
    Ok(words.join("\n"))
}

/// What the command line calls options is said in the settings here.
fn in_words_of_settings(error: Error) -> Error {
    match error {
        Error::Usage { reason } => {
            let setting = "name its pin file with 'pin =' in [[serve.mirror]]";
            Error::usage(reason.replace(SAY_ROOT, setting))
        }
        error => error,
    }
}

fn verify(store: &Store, repo: &RepoName, progress: &dyn Progress) -> Result<String> {
    let found = verify_repo(store, &store.reader()?.repo(repo)?, progress)?;
    let notes = found.notes.iter().map(|note| format!("note: {note}\n"));
    let notes: String = notes.collect();
    Ok(format!(
        "{notes}good: {} statements, {} snapshots, {} objects, {} bytes",
        found.statements, found.snapshots, found.objects, found.bytes
    ))
}

fn scrub(store: &Store, progress: &dyn Progress) -> Result<String> {
    let report = store.scrub(progress)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::compute;

    #[test]
    fn what_mirrors_compute_gives_way_and_what_waits_does_not() -> Result<()> {
        let priority = || Ok(rustix::process::getpriority_process(None).ok());
        let (tally, pool) = (Tally::default(), Background::start()?);
        let before = priority()?;
        let behind = Behind {
            tally: &tally,
            pool: Some(&pool),
        };
        assert_eq!(compute(&behind, priority)?, Some(19));
        let alone = Behind {
            tally: &tally,
            pool: None,
        };
        assert_eq!(compute(&alone, priority)?, before);
        assert_eq!(priority()?, before);
        tally.stop();
        assert!(matches!(behind.check(), Err(Error::Interrupted)));
        Ok(())
    }
}
