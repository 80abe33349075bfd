//! Pending: what was merged onto a ref and is not visible, because something was in the way or the server ended, is made visible.
//!
//! # Invariants
//!
//! - No build stays on its way for good: it is tried again, ever more seldom, until it is visible or withdrawn.
//!
//! # Not here
//!
//! Which builds these are (`build::pending`), who looks (`server::schedule`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::publishing::make_visible;
use super::app::App;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::build::pending::{Pending, pending};
use crate::build::publish::PublishOptions;

/// The pause before what could not be made visible is tried again, and the longest one: each is twice as long as the one before.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// How often the pause is doubled.
const DOUBLINGS_MAX: u32 = 16;

/// Rounds in which what is pending is made visible.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// What was in the way of each ref in the last round: it is said once.
    failures: BTreeMap<(RepoName, RefName), String>,
    /// How many rounds have failed one after the other.
    failed: u32,
    /// When the next one is, if the last one failed.
    next: Option<Instant>,
}

impl Rounds {
    /// Makes visible what is pending, unless the last attempt is too young; says when to try again, if something stays pending.
    ///
    /// # Errors
    ///
    /// What the store answers if it cannot say what is pending.
    pub(super) async fn round(&mut self, app: &Arc<App>) -> Result<Option<Duration>> {
        let waiting = app.work(|app| pending(&app.store)).await?;
        if waiting.is_empty() {
            *self = Self::default();
            return Ok(None);
        }
        let now = Instant::now();
        if let Some(next) = self.next.filter(|next| *next > now) {
            return Ok(Some(next - now));
        }
        let mut failures = BTreeMap::new();
        for next in waiting {
            if let Err(error) = publish(app, &next).await {
                let (place, words) = ((next.repo, next.target), error.to_string());
                if self.failures.get(&place) != Some(&words) {
                    app.went_wrong(&format!("publishing to {} of {}", place.1, place.0), &error);
                }
                failures.insert(place, words);
            }
        }
        self.failures = failures;
        if self.failures.is_empty() {
            (self.failed, self.next) = (0, None);
            return Ok(None);
        }
        let pause = pause_after(self.failed);
        self.failed += 1;
        self.next = Some(Instant::now() + pause);
        Ok(Some(pause))
    }
}

/// The pause after a round that failed, before which `failed` others did.
fn pause_after(failed: u32) -> Duration {
    (RETRY * 2_u32.pow(failed.min(DOUBLINGS_MAX))).min(RETRY_MAX)
}

async fn publish(app: &Arc<App>, next: &Pending) -> Result<()> {
    let going = app.under_way.begin()?;
    let options = PublishOptions::default();
    let made = make_visible(app, &next.repo, &next.target, next.build, options).await;
    drop(going);
    match made {
        // It was withdrawn, or its ref held: nothing is to be done.
        Ok(_) | Err(Error::Refused { .. } | Error::NotFound { what: "build", .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for (failed, seconds) in [(0, 2), (1, 4), (6, 128), (8, 300), (u32::MAX, 300)] {
            assert_eq!(pause_after(failed), Duration::from_secs(seconds));
        }
    }
}
