//! Troubles: what went wrong beside answering, for whoever runs the server, and how old its copies are.
//!
//! # Invariants
//!
//! - What nobody hears in time is dropped; the figures and the logs of jobs still have it.
//!
//! # Not here
//!
//! The figures (`server::metrics`), the logs of jobs (`server::jobs`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use crate::base::kind::Kind;

/// Troubles that wait to be heard.
const WAITING_MAX: usize = 64;

/// How long the same is not said again.
const PAUSE: Duration = Duration::from_secs(60);

/// What went wrong beside answering.
#[derive(Debug)]
pub struct Troubles {
    said: broadcast::Sender<String>,
    /// What was said in the last minute, and whose like is not to be said again.
    lately: Mutex<VecDeque<(String, Instant)>>,
    /// When each copy was last found up to date: at the latest when the server started to keep it.
    copies: Mutex<BTreeMap<String, Instant>>,
}

impl Default for Troubles {
    fn default() -> Self {
        Self {
            said: broadcast::Sender::new(WAITING_MAX),
            lately: Mutex::default(),
            copies: Mutex::default(),
        }
    }
}

impl Troubles {
    /// Says what went wrong.
    pub fn say(&self, words: String) {
        // That nobody listens is no trouble.
        self.said.send(words).ok();
    }

    /// Says that `reason`, of this kind, was in the way of what was being `done`, unless the like was said within the last minute: what
    /// is asked for again and again would fill a log. Another reason of the same kind is the like, as it may hold figures that always
    /// differ, such as how many bytes are free. What is damaged is a thing of its own each time.
    pub fn say_seldom(&self, done: &str, kind: &str, reason: &str) {
        let words = format!("{done}: {reason}");
        let alike = if kind == Kind::Integrity.word() {
            words.clone()
        } else {
            format!("{done}: {kind}")
        };
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|(_, moment)| moment.elapsed() < PAUSE);
        if lately.iter().any(|(said, _)| *said == alike) {
            return;
        }
        if lately.len() >= WAITING_MAX {
            lately.pop_front();
        }
        lately.push_back((alike, Instant::now()));
        drop(lately);
        self.say(words);
    }

    /// Hears what goes wrong from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<String> {
        self.said.subscribe()
    }

    /// Writes down that the copy of what is at `url` is up to date at `moment`.
    pub fn is_up_to_date(&self, url: &str, moment: Instant) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(url.to_owned(), moment);
    }

    /// How many seconds ago each copy was up to date, by where it is copied from.
    #[must_use]
    pub fn ages(&self) -> Vec<(String, u64)> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |(url, moment): (&String, &Instant)| (url.clone(), moment.elapsed().as_secs());
        copies.iter().map(age).collect()
    }
}

/// Waits for the next trouble; none comes any more once this returns `None`.
pub async fn next(troubles: &mut broadcast::Receiver<String>) -> Option<String> {
    loop {
        match troubles.recv().await {
            Ok(words) => return Some(words),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_a_figure_is_said_once_and_each_damage_is_said() {
        let troubles = Troubles::default();
        let mut heard = troubles.listen();
        for free in 0..5 {
            let reason = format!("{free} bytes are free");
            troubles.say_seldom("making a pack", "unavailable", &reason);
        }
        troubles.say_seldom("making a pack", "internal", "lost");
        troubles.say_seldom("sending a pack", "unavailable", "5 bytes are free");
        for pack in ["a", "b", "a"] {
            troubles.say_seldom(
                "sending a pack",
                "integrity",
                &format!("damaged pack {pack}"),
            );
        }
        let mut said = Vec::new();
        while let Ok(words) = heard.try_recv() {
            said.push(words);
        }
        let expected = [
            "making a pack: 0 bytes are free",
            "making a pack: lost",
            "sending a pack: 5 bytes are free",
            "sending a pack: damaged pack a",
            "sending a pack: damaged pack b",
        ];
        assert_eq!(said, expected);
    }
}
