//! Turns: of those who want to do something about one thing, such as to change what a ref shows, one at a time does.
//!
//! # Invariants
//!
//! - A thing that nobody waits for takes no place in the table, also if those who waited for it have gone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

/// The lock of each thing that somebody waits for or has.
type Table<K> = Mutex<HashMap<K, Arc<Lock<()>>>>;

/// Whose turn it is, for each thing that somebody waits for.
#[derive(Debug)]
pub struct Turns<K: Clone + Eq + Hash>(Arc<Table<K>>);

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Waits for the turn of a thing. Whoever asked first has it first.
    pub async fn of(&self, key: K) -> Turn<K> {
        let place = self.place(key);
        let held = Arc::clone(&place.lock).lock_owned().await;
        Turn {
            _held: held,
            _place: place,
        }
    }

    fn place(&self, key: K) -> Place<K> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(table.entry(key.clone()).or_default());
        let table = Arc::clone(&self.0);
        Place { table, key, lock }
    }
}

impl<K: Clone + Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// The turn of whoever has this, until it is dropped.
#[must_use]
#[derive(Debug)]
pub struct Turn<K: Clone + Eq + Hash> {
    /// Goes before the place, which counts who still knows the lock.
    _held: OwnedMutexGuard<()>,
    _place: Place<K>,
}

/// A place among those who wait for a thing, or have its turn.
#[derive(Debug)]
struct Place<K: Clone + Eq + Hash> {
    table: Arc<Table<K>>,
    key: K,
    lock: Arc<Lock<()>>,
}

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one: nobody else can get at it while the table is locked.
        if Arc::strong_count(&self.lock) <= 2 {
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn one_at_a_time_has_the_turn_and_nothing_stays_of_those_who_have_gone() -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let turns = Turns::default();
            let first = turns.of("a").await;
            let soon = Duration::from_millis(20);
            assert!(timeout(soon, turns.of("a")).await.is_err(), "it is taken");
            assert!(timeout(soon, turns.of("b")).await.is_ok(), "another thing");
            let count = || {
                let table = turns.0.lock().unwrap_or_else(PoisonError::into_inner);
                table.len()
            };
            assert_eq!(count(), 1, "who gave up waiting left nothing");
            drop(first);
            assert_eq!(count(), 0);
            drop(turns.of("a").await);
            assert_eq!(count(), 0);
        });
        Ok(())
    }
}
