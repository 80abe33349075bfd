//! A cache bounded by bytes that forgets what was put in first.
//!
//! Reading goes through packs in order, so what is old is seldom wanted again; a cleverer order is not worth its code.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Values shared by key; at most `bytes_max` bytes of them, and always at least one.
#[derive(Debug)]
pub struct Cache<K, V> {
    bytes_max: usize,
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K, V> {
    values: HashMap<K, (Arc<V>, usize)>,
    order: VecDeque<K>,
    bytes: usize,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    /// Makes an empty one.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let state = State {
            values: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        };
        Self {
            bytes_max,
            state: Mutex::new(state),
        }
    }

    /// The value of a key, if it is still there.
    pub fn find(&self, key: &K) -> Option<Arc<V>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.values.get(key).map(|(value, _)| Arc::clone(value))
    }

    /// Shows every value to `visit`, in no order.
    pub fn for_each(&self, mut visit: impl FnMut(&V)) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.values.values().for_each(|(value, _)| visit(value));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.values.clear();
        state.order.clear();
        state.bytes = 0;
    }

    /// Forgets what `is_kept` does not want to be kept.
    pub fn retain(&self, is_kept: impl Fn(&K) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = 0;
        state.values.retain(|key, (_, bytes)| {
            let is_kept = is_kept(key);
            gone += if is_kept { 0 } else { *bytes };
            is_kept
        });
        state.order.retain(is_kept);
        state.bytes -= gone;
    }

    /// Keeps a value of `bytes` bytes; forgets the oldest ones if there are too many.
    pub fn keep(&self, key: K, value: V, bytes: usize) -> Arc<V> {
        let value = Arc::new(value);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, old_bytes)) = state
            .values
            .insert(key.clone(), (Arc::clone(&value), bytes))
        {
            state.bytes -= old_bytes;
        } else {
            state.order.push_back(key);
        }
        state.bytes += bytes;
        while state.bytes > self.bytes_max && state.order.len() > 1 {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some((_, old_bytes)) = state.values.remove(&oldest) {
                state.bytes -= old_bytes;
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_newest_always_stays() {
        let cache = Cache::new(10);
        for key in 0..5 {
            cache.keep(key, key, 4);
        }
        assert_eq!(
            (0..5)
                .filter(|key| cache.find(key).is_some())
                .collect::<Vec<_>>(),
            [3, 4]
        );
        cache.keep(9, 9, 100);
        assert_eq!(cache.find(&9).as_deref(), Some(&9));
        assert_eq!(cache.find(&4), None);
        cache.keep(9, 8, 1);
        assert_eq!(
            cache.find(&9).as_deref(),
            Some(&8),
            "the same key again replaces the value"
        );
        cache.clear();
        assert_eq!(cache.find(&9), None);
        cache.keep(1, 1, 5);
        cache.keep(2, 2, 5);
        assert!(cache.find(&1).is_some(), "what is forgotten takes no room");
        cache.retain(|key| *key != 1);
        assert!(cache.find(&1).is_none() && cache.find(&2).is_some());
        cache.keep(3, 3, 5);
        assert!(cache.find(&2).is_some(), "there is room again");
    }
}
