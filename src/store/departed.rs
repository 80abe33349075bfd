//! Departed packs: their files are unlinked, but views that were made before still read them.
//!
//! Time is cut into eras: one ends whenever packs depart. A view holds the era in which it was made, each era holds what
//! departed at its end and the era after it. So a view reaches whatever departed since it was made, and what nobody can
//! reach is closed, which gives its bytes back.
//!
//! # Invariants
//!
//! - Packs depart after the commit that forgets them, and a view takes its era before it reads the catalog: a view that
//!   does not see a pack depart does not see its row either.
//!
//! # Not here
//!
//! When packs depart (`store::recovery`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::base::id::PackId;

/// The time from one departure to the next. `P` is an open pack.
#[derive(Debug)]
pub(super) struct Era<P> {
    end: OnceLock<End<P>>,
}

/// What departed at the end of an era, and the era after it.
type End<P> = (HashMap<PackId, P>, Arc<Era<P>>);

impl<P: Clone> Era<P> {
    /// Finds a pack that departed since this era.
    pub(super) fn find(&self, id: PackId) -> Option<P> {
        let mut era = self;
        while let Some((departed, next)) = era.end.get() {
            if let Some(pack) = departed.get(&id) {
                return Some(pack.clone());
            }
            era = next;
        }
        None
    }
}

impl<P> Default for Era<P> {
    fn default() -> Self {
        let end = OnceLock::new();
        Self { end }
    }
}

impl<P> Drop for Era<P> {
    /// Drops the eras that nobody else holds one after the other: the stack would not hold a long row of them.
    fn drop(&mut self) {
        let mut next = self.end.take().map(|(_, next)| next);
        while let Some(era) = next {
            next = Arc::into_inner(era).and_then(|mut era| Some(era.end.take()?.1));
        }
    }
}

/// The era that it is now.
#[derive(Debug)]
pub(super) struct Eras<P> {
    now: Mutex<Arc<Era<P>>>,
}

impl<P> Default for Eras<P> {
    fn default() -> Self {
        let now = Mutex::default();
        Self { now }
    }
}

impl<P> Eras<P> {
    /// The era that it is now.
    pub(super) fn now(&self) -> Arc<Era<P>> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a view made in this era or before is still there, and so may want what departs now.
    pub(super) fn is_watched(&self) -> bool {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::strong_count(&now) > 1
    }

    /// Ends the era: `packs` depart.
    pub(super) fn end(&self, packs: HashMap<PackId, P>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(Era::default());
        if now.end.set((packs, Arc::clone(&next))).is_ok() {
            *now = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hash;

    fn pack(number: u8) -> (PackId, Arc<u8>) {
        (PackId::new(Hash::of(&[number])), Arc::new(number))
    }

    #[test]
    fn an_era_finds_what_departed_since_and_nothing_from_before() {
        let eras = Eras::default();
        let ((first, one), (second, two)) = (pack(1), pack(2));
        let old = eras.now();
        eras.end(HashMap::from([(first, Arc::clone(&one))]));
        let young = eras.now();
        eras.end(HashMap::from([(second, Arc::clone(&two))]));
        assert_eq!(old.find(first).as_deref(), Some(&1));
        assert_eq!(old.find(second).as_deref(), Some(&2));
        assert_eq!(young.find(first), None, "it departed before");
        assert_eq!(young.find(second).as_deref(), Some(&2));
        assert_eq!(eras.now().find(second), None);
    }

    #[test]
    fn what_nobody_can_reach_is_closed() {
        let eras = Eras::default();
        let (id, pack) = pack(1);
        assert!(!eras.is_watched());
        let view = eras.now();
        assert!(eras.is_watched());
        eras.end(HashMap::from([(id, Arc::clone(&pack))]));
        assert!(
            eras.is_watched(),
            "a view from before reaches what departs now"
        );
        assert_eq!(Arc::strong_count(&pack), 2);
        drop(view);
        assert!(!eras.is_watched());
        assert_eq!(Arc::strong_count(&pack), 1);
    }

    #[test]
    fn a_long_row_of_eras_is_dropped_without_a_deep_stack() {
        let eras: Eras<u8> = Eras::default();
        let oldest = eras.now();
        for _ in 0..200_000 {
            eras.end(HashMap::new());
        }
        drop(oldest);
        assert!(!eras.is_watched());
    }
}
