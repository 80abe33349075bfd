//! Events: what happens, told to those who listen, as server-sent events that can be resumed.
//!
//! What happened to a build is in the store, so a stream of it can be resumed at any time. What happens in a repo is kept
//! here for a while; whoever resumes later, or after the server was started anew, is told that there is a gap.
//!
//! # Invariants
//!
//! - An event is never told before it is durable.
//! - So many listen at a time, and all of them are let go of when the server ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::answer::{Answer, Failure};
use super::app::App;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::remote::wire::builds::EventSaid;
use crate::remote::wire::events::{GAP_EVENT, RepoEvent, What};

/// Streams of events at a time.
pub const LISTENERS_MAX: usize = 1024;
/// Events of all repos that are kept for those who resume.
pub const KEPT_EVENTS_MAX: usize = 8192;
/// Events that are told in one go.
const TOLD_EVENTS_MAX: usize = 256;
/// How long changes are waited for before the store is looked at: many come at once.
const SETTLE: Duration = Duration::from_millis(50);
/// How often a stream says that it is alive, so that nobody in between takes it for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// What happened lately.
#[derive(Debug)]
pub struct Events {
    /// Tells this run of the server from others.
    run: u64,
    kept: Mutex<Kept>,
    listeners: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The number of the first one that is kept.
    first: u64,
    events: VecDeque<(RepoName, RepoEvent)>,
}

/// Something that happened, as handlers tell it.
#[derive(Clone, Debug)]
pub struct Happened {
    /// What.
    pub what: What,
    /// To which build.
    pub build: Option<u64>,
    /// To which ref.
    pub target: Option<RefName>,
    /// By which release.
    pub seq: Option<u64>,
}

impl Happened {
    /// Something that happened to a build.
    #[must_use]
    pub const fn to_build(what: What, build: u64) -> Self {
        Self {
            what,
            build: Some(build),
            target: None,
            seq: None,
        }
    }

    /// Something that happened to a ref.
    #[must_use]
    pub const fn to_ref(what: What, target: RefName, seq: Option<u64>) -> Self {
        Self {
            what,
            build: None,
            target: Some(target),
            seq,
        }
    }
}

impl Events {
    /// Starts with none. `run` tells this run of the server from others.
    #[must_use]
    pub fn new(run: u64) -> Self {
        Self {
            run,
            kept: Mutex::default(),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
        }
    }

    /// Tells what happened in a repo; it is durable.
    pub fn tell(&self, repo: &RepoName, happened: Happened, time: Time) {
        let event = RepoEvent {
            time,
            what: happened.what,
            build: happened.build,
            target: happened.target,
            seq: happened.seq,
        };
        let mut kept = self.lock();
        kept.events.push_back((repo.clone(), event));
        if kept.events.len() > KEPT_EVENTS_MAX {
            kept.events.pop_front();
            kept.first += 1;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the event that comes next.
    fn next(&self) -> u64 {
        let kept = self.lock();
        kept.first + kept.events.len() as u64
    }

    /// Where a stream goes on that ended with the event `last`, and whether some were lost in between.
    fn resume(&self, last: Option<&str>) -> (u64, bool) {
        let Some(last) = last else {
            return (self.next(), false);
        };
        let parsed = last.split_once('-').and_then(|(run, number)| {
            Some((run.parse::<u64>().ok()?, number.parse::<u64>().ok()?))
        });
        let first = self.lock().first;
        match parsed {
            Some((run, number)) if run == self.run && number < self.next() => {
                let from = number + 1;
                (from.max(first), from < first)
            }
            _ => (self.next(), true),
        }
    }

    /// Events of a repo from a number on, each with its number, and the number after the last that was looked at.
    fn since(&self, repo: &RepoName, from: u64) -> (Vec<(u64, RepoEvent)>, u64) {
        let kept = self.lock();
        let from = from.max(kept.first);
        let skipped = usize::try_from(from - kept.first).unwrap_or(usize::MAX);
        let mut next = from;
        let mut found = Vec::new();
        for (of, event) in kept.events.iter().skip(skipped) {
            if found.len() == TOLD_EVENTS_MAX {
                break;
            }
            if of == repo {
                found.push((next, event.clone()));
            }
            next += 1;
        }
        (found, next)
    }

    fn listen(&self) -> Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.listeners).try_acquire_owned();
        place.map_err(|_| Error::TooMany {
            what: "streams of events",
            max: LISTENERS_MAX as u64,
        })
    }
}

/// A stream that is told about changes.
struct Listener {
    app: Arc<App>,
    changes: watch::Receiver<u64>,
    /// The number of the event that is told next.
    next: u64,
    told: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(app: &Arc<App>, next: u64) -> Result<Self> {
        Ok(Self {
            app: Arc::clone(app),
            changes: app.changes.subscribe(),
            next,
            told: VecDeque::new(),
            _place: app.events.listen()?,
        })
    }

    /// Waits for a change; says whether the server goes on.
    async fn changed(&mut self) -> bool {
        let app = Arc::clone(&self.app);
        tokio::select! {
            () = app.ended() => false,
            changed = self.changes.changed() => {
                tokio::time::sleep(SETTLE).await;
                self.changes.mark_unchanged();
                changed.is_ok()
            }
        }
    }
}

/// Tells what happens to a build, from its beginning, or from where a stream ended.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such build; [`Error::TooMany`] if too many listen.
pub async fn of_build(app: &Arc<App>, build: u64, head: &HeaderMap) -> Result<Answer, Failure> {
    app.work(move |app| app.store.reader()?.build(build))
        .await?;
    let last = last_event(head).and_then(|last| last.parse::<u64>().ok());
    let listener = Listener::new(app, last.map_or(0, |last| last + 1))?;
    let events = stream::unfold(listener, move |mut listener| async move {
        loop {
            if let Some(event) = listener.told.pop_front() {
                return Some((event, listener));
            }
            let from = listener.next;
            let read = listener.app.work(move |app| {
                let events = app.store.reader()?.events(build)?;
                let skipped = usize::try_from(from).unwrap_or(usize::MAX);
                let events = events.into_iter().skip(skipped).take(TOLD_EVENTS_MAX);
                Ok(events.map(EventSaid::from).collect::<Vec<_>>())
            });
            // A stream that cannot be read ends, and is resumed.
            for event in read.await.ok()? {
                let number = listener.next;
                listener.next += 1;
                listener
                    .told
                    .push_back(told("event", number.to_string(), &event));
            }
            if listener.told.is_empty() && !listener.changed().await {
                return None;
            }
        }
    });
    Ok(answer(events))
}

/// Tells what happens in a repo, from now on, or from where a stream ended.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such repo; [`Error::TooMany`] if too many listen.
pub async fn of_repo(app: &Arc<App>, repo: RepoName, head: &HeaderMap) -> Result<Answer, Failure> {
    let name = repo.clone();
    app.work(move |app| app.store.reader()?.repo(&name)).await?;
    let (next, is_gap) = app.events.resume(last_event(head));
    let mut listener = Listener::new(app, next)?;
    if is_gap {
        listener
            .told
            .push_back(Event::default().event(GAP_EVENT).data("{}"));
    }
    let events = stream::unfold((listener, repo), |(mut listener, repo)| async move {
        loop {
            if let Some(event) = listener.told.pop_front() {
                return Some((event, (listener, repo)));
            }
            let events = &listener.app.events;
            let (found, next) = events.since(&repo, listener.next);
            let run = events.run;
            for (number, event) in found {
                let id = format!("{run}-{number}");
                listener.told.push_back(told(event.what.name(), id, &event));
            }
            listener.next = next;
            if listener.told.is_empty() && !listener.changed().await {
                return None;
            }
        }
    });
    Ok(answer(events))
}

fn last_event(head: &HeaderMap) -> Option<&str> {
    head.get("last-event-id").and_then(|id| id.to_str().ok())
}

fn told(name: &'static str, id: String, event: &impl serde::Serialize) -> Event {
    let said = Event::default().event(name).id(id);
    let document = serde_json::to_string(event).unwrap_or_default();
    said.data(document)
}

fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Answer {
    let events = events.map(Ok::<_, Infallible>);
    let alive = KeepAlive::new().interval(ALIVE).text("alive");
    Sse::new(events).keep_alive(alive).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error as BinderyError;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn with_events(count: usize) -> Result<Events, Box<dyn std::error::Error>> {
        let events = Events::new(7);
        for number in 0..count {
            let repo: RepoName = if number % 2 == 0 { "a" } else { "b" }.parse()?;
            let time = Time::from_seconds(number as u64)?;
            events.tell(
                &repo,
                Happened::to_build(What::Created, number as u64),
                time,
            );
        }
        Ok(events)
    }

    #[test]
    fn a_stream_goes_on_where_it_ended_and_is_told_of_a_gap() -> Outcome {
        let events = with_events(10)?;
        for (last, expected) in [
            (None, (10, false)),
            (Some("7-3"), (4, false)),
            (Some("7-9"), (10, false)),
            (Some("7-10"), (10, true)),
            (Some("6-3"), (10, true)),
            (Some("nonsense"), (10, true)),
        ] {
            assert_eq!(events.resume(last), expected, "{last:?}");
        }
        let many = with_events(KEPT_EVENTS_MAX + 5)?;
        assert_eq!(many.resume(Some("7-3")), (5, true));
        assert_eq!(many.resume(Some("7-4")), (5, false));
        Ok(())
    }

    #[test]
    fn a_repo_hears_of_itself_alone() -> Outcome {
        let events = with_events(10)?;
        let (found, next) = events.since(&"b".parse()?, 4);
        let builds: Vec<Option<u64>> = found.iter().map(|(_, event)| event.build).collect();
        assert_eq!((builds, next), (vec![Some(5), Some(7), Some(9)], 10));
        Ok(())
    }

    #[test]
    fn listeners_are_counted() -> Outcome {
        let events = with_events(0)?;
        let places: Vec<_> = (0..LISTENERS_MAX).map(|_| events.listen()).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(matches!(events.listen(), Err(BinderyError::TooMany { .. })));
        drop(places);
        assert!(events.listen().is_ok());
        Ok(())
    }
}
