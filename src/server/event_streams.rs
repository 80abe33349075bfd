//! Streams of events: what happens, told to those who listen as server-sent events that can be resumed.
//!
//! What happened to a build is in the store, up to a number of events, so a stream of it can be resumed at any time. What
//! happens in a repo is kept for a while. Whoever resumes before what is kept, or, in a repo, after the server was started
//! anew, is told that there is a gap.
//!
//! # Invariants
//!
//! - All streams end when the server does, and each when the token ends, or is revoked, that it was asked for with.
//!
//! # Not here
//!
//! What happened (`server::events`).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::access::Caller;
use super::answer::{Answer, Failure};
use super::app::App;
use super::events::TOLD_EVENTS_MAX;
use crate::base::Result;
use crate::base::clock::Time;
use crate::base::name::RepoName;
use crate::remote::wire::builds::EventSaid;
use crate::remote::wire::events::GAP_EVENT;

/// How long changes are waited for before the store is looked at: many come at once.
const SETTLE: Duration = Duration::from_millis(50);
/// How often a stream says that it is alive, so that nobody in between takes it for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// A stream that is told about changes.
struct Listener {
    app: Arc<App>,
    changes: watch::Receiver<u64>,
    /// Whose token must stay good.
    caller: Caller,
    /// The number of the event that is told next.
    next: u64,
    told: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(app: &Arc<App>, caller: &Caller, next: u64) -> Result<Self> {
        Ok(Self {
            app: Arc::clone(app),
            caller: caller.clone(),
            changes: app.changes.subscribe(),
            next,
            told: VecDeque::new(),
            _place: app.events.listen()?,
        })
    }

    /// Tells that some events were lost.
    fn tell_gap(&mut self) {
        let gap = Event::default().event(GAP_EVENT).data("{}");
        self.told.push_back(gap);
    }

    /// Waits for a change; says whether the server goes on, and the token is still good that the stream was asked for with.
    async fn changed(&mut self) -> bool {
        let app = Arc::clone(&self.app);
        let expired = expired(&app, self.caller.expires());
        let is_changed = tokio::select! {
            () = app.ended() => false,
            () = expired => false,
            changed = self.changes.changed() => {
                tokio::time::sleep(SETTLE).await;
                self.changes.mark_unchanged();
                changed.is_ok()
            }
        };
        is_changed && self.is_good().await
    }

    /// Whether the caller's token was not revoked; what cannot be known is taken for no.
    async fn is_good(&self) -> bool {
        let caller = self.caller.clone();
        let good = self.app.work(move |app| caller.check_good(app));
        good.await.is_ok()
    }
}

/// Waits until a token has expired that ends at `end`.
async fn expired(app: &App, end: Option<Time>) {
    let Some((end, now)) = end.zip(app.now().ok()) else {
        return std::future::pending().await;
    };
    let seconds = end.seconds().saturating_sub(now.seconds());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Tells what happens to a build, from its beginning, or from where a stream ended.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if there is no such build; [`Error::TooMany`](crate::base::Error::TooMany) if too many listen.
pub async fn of_build(
    app: &Arc<App>,
    caller: &Caller,
    build: u64,
    head: &HeaderMap,
) -> Result<Answer, Failure> {
    app.build(build).await?;
    let last = last_event(head).and_then(|last| last.parse::<u32>().ok());
    let last = last.map(u64::from);
    let listener = Listener::new(app, caller, last.map_or(0, |last| last + 1))?;
    let events = stream::unfold(listener, move |mut listener| async move {
        loop {
            if let Some(event) = listener.told.pop_front() {
                return Some((event, listener));
            }
            // There are no numbers after the last that there can be.
            let from = u32::try_from(listener.next).ok()?;
            let read = listener.app.work(move |app| {
                let reader = app.store.reader()?;
                reader.events(build, from, TOLD_EVENTS_MAX)
            });
            // A stream that cannot be read ends, and is resumed.
            let found = read.await.ok()?;
            if found.first > from {
                listener.tell_gap();
            }
            listener.next = u64::from(found.first);
            for event in found.events {
                let number = listener.next;
                listener.next += 1;
                let event = EventSaid::from(event);
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
/// [`Error::NotFound`](crate::base::Error::NotFound) if there is no such repo; [`Error::TooMany`](crate::base::Error::TooMany) if too many listen.
pub async fn of_repo(
    app: &Arc<App>,
    caller: &Caller,
    repo: RepoName,
    head: &HeaderMap,
) -> Result<Answer, Failure> {
    let name = repo.clone();
    app.work(move |app| app.store.reader()?.repo(&name)).await?;
    let (next, is_gap) = app.events.resume(last_event(head));
    let mut listener = Listener::new(app, caller, next)?;
    if is_gap {
        listener.tell_gap();
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
