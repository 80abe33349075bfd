//! Events: what happened lately in the repos, kept for a while for those who listen.
//!
//! # Invariants
//!
//! - An event is told only once it is durable.
//! - So many listen at a time.
//!
//! # Not here
//!
//! How events reach those who listen (`server::event_streams`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::remote::wire::events::{RepoEvent, What};

/// Events of all repos that are kept for those who resume.
pub const KEPT_EVENTS_MAX: usize = 8192;
/// Events that are told in one go.
pub const TOLD_EVENTS_MAX: usize = 256;

/// What happened lately.
#[derive(Debug)]
pub struct Events {
    /// Tells this run of the server from others.
    pub(super) run: u64,
    kept: Mutex<Kept>,
    listeners: Arc<Semaphore>,
    listeners_max: u64,
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
    /// The builds that became visible with it.
    pub builds: Vec<u64>,
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
            builds: Vec::new(),
        }
    }

    /// Something that happened to a build on a ref, now or by the release to come.
    #[must_use]
    pub const fn on_ref(what: What, build: u64, target: RefName, seq: Option<u64>) -> Self {
        Self {
            what,
            build: Some(build),
            target: Some(target),
            seq,
            builds: Vec::new(),
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
            builds: Vec::new(),
        }
    }

    /// The same, with the builds that became visible by it.
    #[must_use]
    pub fn with_builds(mut self, builds: &[u64]) -> Self {
        self.builds = builds.to_vec();
        self
    }

    /// The ref that shows another release now, if one does.
    #[must_use]
    pub const fn moved(&self) -> Option<&RefName> {
        match (self.what, &self.seq) {
            (What::Published | What::Rolledback, Some(_)) => self.target.as_ref(),
            _ => None,
        }
    }
}

impl Events {
    /// Starts with none. `run` tells this run of the server from others; so many may listen at a time.
    #[must_use]
    pub fn new(run: u64, listeners_max: u64) -> Self {
        let places = usize::try_from(listeners_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            run,
            kept: Mutex::default(),
            listeners: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            listeners_max,
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
            builds: happened.builds,
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
    pub(super) fn resume(&self, last: Option<&str>) -> (u64, bool) {
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
    pub(super) fn since(&self, repo: &RepoName, from: u64) -> (Vec<(u64, RepoEvent)>, u64) {
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

    pub(super) fn listen(&self) -> Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.listeners).try_acquire_owned();
        place.map_err(|_| Error::TooMany {
            what: "streams of events (event_streams_max)",
            max: self.listeners_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error as BinderyError;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn with_events(count: usize) -> Result<Events, Box<dyn std::error::Error>> {
        let events = Events::new(7, 5);
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
        let places: Vec<_> = (0..5).map(|_| events.listen()).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(matches!(events.listen(), Err(BinderyError::TooMany { .. })));
        drop(places);
        assert!(events.listen().is_ok());
        Ok(())
    }
}
