//! Pending: what was merged onto a ref and is not visible, because something was in the way or the server ended, is made visible.
//!
//! # Invariants
//!
//! - No build stays on its way for good: it is tried again, ever more seldom, until it is visible or withdrawn.
//! - What is in the way of one ref delays no other.
//!
//! # Not here
//!
//! Which builds these are (`build::pending`), who looks (`server::schedule`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::publishing::make_visible;
use super::app::App;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::build::pending::{Pending, pending};
use crate::build::publish::PublishOptions;
use crate::store::Store;

/// The pause before what could not be made visible is tried again, and the longest one: each is twice as long as the one before.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// How often the pause is doubled.
const DOUBLINGS_MAX: u32 = 16;

/// Where builds are pending.
type Place = (RepoName, RefName);

/// Rounds in which what is pending is made visible, each ref at its own pace.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// The refs where something was in the way.
    failing: BTreeMap<Place, Failing>,
}

/// What was in the way of a ref.
#[derive(Debug)]
struct Failing {
    /// What, the last time: it is said once.
    words: String,
    /// How many attempts have failed one after the other.
    failed: u32,
    /// When the next one is.
    next: Instant,
}

impl Rounds {
    /// Makes visible what is pending, but for the refs whose last attempt is too young; says when to try again, if something stays
    /// pending.
    ///
    /// # Errors
    ///
    /// What the store answers if it cannot say what is pending.
    pub(super) async fn round(&mut self, app: &Arc<App>) -> Result<Option<Duration>> {
        let waiting = app.work(|app| pending(&app.store)).await?;
        let places = waiting.iter().map(place_of);
        let places: BTreeSet<Place> = places.collect();
        self.failing.retain(|place, _| places.contains(place));
        for next in waiting {
            let place = place_of(&next);
            if !self.is_due(&place, Instant::now()) {
                continue;
            }
            match publish(app, next).await {
                Ok(()) => self.went_well(&place),
                Err(error) => {
                    let doing = format!("publishing to {} of {}", place.1, place.0);
                    if self.went_wrong(place, error.to_string(), Instant::now()) {
                        app.went_wrong(&doing, &error);
                    }
                }
            }
        }
        Ok(self.pause(Instant::now()))
    }

    fn is_due(&self, place: &Place, now: Instant) -> bool {
        self.failing.get(place).is_none_or(|it| it.next <= now)
    }

    fn went_well(&mut self, place: &Place) {
        self.failing.remove(place);
    }

    /// Takes note of what was in the way of a ref; says whether it is something else than the last time.
    fn went_wrong(&mut self, place: Place, words: String, now: Instant) -> bool {
        let last = self.failing.get(&place);
        let failed = last.map_or(0, |last| last.failed);
        let is_new = last.is_none_or(|last| last.words != words);
        let failing = Failing {
            words,
            failed: failed.saturating_add(1),
            next: now + pause_after(failed),
        };
        self.failing.insert(place, failing);
        is_new
    }

    /// How long no ref is to be tried again, if any is.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let next = self.failing.values().map(|it| it.next).min()?;
        Some(next.saturating_duration_since(now))
    }
}

fn place_of(pending: &Pending) -> Place {
    (pending.repo.clone(), pending.target.clone())
}

/// The pause after an attempt that failed, before which `failed` others did.
fn pause_after(failed: u32) -> Duration {
    (RETRY * 2_u32.pow(failed.min(DOUBLINGS_MAX))).min(RETRY_MAX)
}

async fn publish(app: &Arc<App>, next: Pending) -> Result<()> {
    let going = app.under_way.begin()?;
    let options = PublishOptions::default();
    let made = make_visible(app, &next.repo, &next.target, next.build, options).await;
    drop(going);
    match made {
        Ok(_) => Ok(()),
        Err(error) => app.work(move |app| judge(&app.store, &next, error)).await,
    }
}

/// Whether what refused to make a build visible was in the way. It was not if nothing is pending on the ref any more: the build was
/// withdrawn, or its ref held. While something is, the ref is tried again, whoever else moved it meanwhile.
fn judge(store: &Store, tried: &Pending, error: Error) -> Result<()> {
    let may_be_over = matches!(
        error,
        Error::Refused { .. } | Error::NotFound { what: "build", .. }
    );
    let place = place_of(tried);
    if may_be_over && !pending(store)?.iter().any(|it| place_of(it) == place) {
        return Ok(());
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::commit::commit;
    use crate::build::hold::hold_ref;
    use crate::build::publish::merge;
    use crate::build::sandbox::{AnyError, Sandbox, time};

    type Outcome = std::result::Result<(), AnyError>;

    #[test]
    fn pauses_grow_to_a_bound() {
        for (failed, seconds) in [(0, 2), (1, 4), (6, 128), (8, 300), (u32::MAX, 300)] {
            assert_eq!(pause_after(failed), Duration::from_secs(seconds));
        }
    }
    fn place(target: &str) -> std::result::Result<Place, AnyError> {
        Ok(("main".parse()?, target.parse()?))
    }

    #[test]
    fn a_ref_that_fails_delays_no_other_and_each_begins_with_the_shortest_pause() -> Outcome {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        let (old, new) = (place("old")?, place("new")?);
        assert_eq!(rounds.pause(now), None);
        assert!(rounds.went_wrong(old.clone(), "a key is missing".into(), now));
        for _ in 0..5 {
            assert!(!rounds.went_wrong(old.clone(), "a key is missing".into(), now));
        }
        assert_eq!(rounds.pause(now), Some(Duration::from_secs(64)));
        assert!(!rounds.is_due(&old, now + Duration::from_secs(63)));
        assert!(rounds.is_due(&new, now), "nothing is known of it");
        assert!(rounds.went_wrong(new.clone(), "a key is missing".into(), now));
        assert_eq!(rounds.pause(now), Some(RETRY), "the smallest");
        assert!(rounds.is_due(&new, now + RETRY) && !rounds.is_due(&old, now + RETRY));
        assert!(rounds.went_wrong(old.clone(), "something else".into(), now));
        rounds.went_well(&new);
        assert_eq!(rounds.pause(now), Some(Duration::from_secs(128)));
        rounds.went_well(&old);
        assert_eq!(rounds.pause(now), None);
        Ok(())
    }

    #[test]
    fn what_is_refused_and_still_pending_is_tried_again() -> Outcome {
        let mut sandbox = Sandbox::with_repo()?;
        let build = sandbox.stage("main", "stable", &[("a", b"1")])?.id;
        let (store, repo) = (sandbox.store()?, sandbox.repo("main")?);
        commit(store, build, "", time(5)?)?;
        merge(store, build, &PublishOptions::default(), time(6)?)?;
        let found = pending(store)?;
        let refused = || Error::refused("stable has moved meanwhile; try again".to_owned());
        assert!(matches!(
            judge(store, &found[0], refused()),
            Err(Error::Refused { .. })
        ));
        hold_ref(store, &repo, &"stable".parse()?, Some("look".into()))?;
        judge(store, &found[0], refused())?;
        assert!(judge(store, &found[0], Error::internal("lost".to_owned())).is_err());
        Ok(())
    }
}
