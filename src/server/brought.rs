//! Brought: bytes that come with tokens which say how many they may bring.
//!
//! Each block of a token that says so has a count of its own: what comes with any token that was made from it counts there, and
//! what came with the token that it was made from does not.
//!
//! # Invariants
//!
//! - What is on its way counts whole, what was stored counts as stored, and what failed does not count.
//! - Only what was stored is a reason to refuse bytes for good: while others are on their way, whoever brings more is to ask again.
//! - The table is bounded, however many tokens there are: blocks for which there is no place share one.
//!
//! # Not here
//!
//! What survives the server: nothing does, it counts from its start.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::quota::place_of;
use crate::base::Error;
use crate::base::id::Hash;
use crate::trust::token::{Denied, Verified};

/// How many bytes one block of a token lets it bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Which block: the hash of it and those before it, as a block has no id of its own.
    chain: String,
    max: u64,
}

impl Bound {
    /// The bounds of a token, one for each block that has one.
    #[must_use]
    pub fn all_of(verified: &Verified) -> Vec<Self> {
        let (mut chain, mut bounds) = (String::new(), Vec::new());
        for block in verified.blocks() {
            chain.extend([&block.to_string(), "\n"]);
            bounds.extend(block.bytes.map(|max| Self {
                chain: Hash::of(chain.as_bytes()).to_string(),
                max,
            }));
        }
        bounds
    }
}

/// Bytes that were brought under each bound, since the server started.
#[derive(Debug, Default)]
pub struct Brought(Mutex<HashMap<String, Sums>>);

/// Bytes under one bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    stored: u64,
    on_their_way: u64,
}

impl Sums {
    const fn whole(self) -> u64 {
        self.stored.saturating_add(self.on_their_way)
    }
}

/// Why bytes may not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TooMuch {
    /// They are too many, whatever becomes of those on their way.
    ForGood(Denied),
    /// They are too many if those on their way are stored: there is room for so many together.
    ForNow(u64),
}

impl TooMuch {
    /// What the token does not allow, if they are too many for good.
    #[must_use]
    pub fn denied(&self) -> Option<Denied> {
        match self {
            Self::ForGood(denied) => Some(denied.clone()),
            Self::ForNow(_) => None,
        }
    }
}

impl From<TooMuch> for Error {
    fn from(too_much: TooMuch) -> Self {
        match too_much {
            TooMuch::ForGood(denied) => denied.into(),
            TooMuch::ForNow(max) => Self::TooMany {
                what: "bytes on their way with the token ('--bytes')",
                max,
            },
        }
    }
}

impl Brought {
    /// How many bytes may still come under all of these bounds.
    #[must_use]
    pub fn left(&self, bounds: &[Bound]) -> u64 {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = bounds.iter().map(|bound| {
            let place = place_of(&bound.chain, &table);
            let sum = table.get(&place).copied().unwrap_or_default();
            bound.max.saturating_sub(sum.whole())
        });
        left.min().unwrap_or(u64::MAX)
    }

    /// Counts bytes that are on their way.
    ///
    /// # Errors
    ///
    /// [`TooMuch`] if they are too many for one of the bounds; nothing is counted then.
    pub fn bring(&self, bounds: &[Bound], bytes: u64) -> Result<Bringing<'_>, TooMuch> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut for_now = None;
        for Bound { chain, max } in bounds {
            let sums = table.get(&place_of(chain, &table)).copied();
            let sums = sums.unwrap_or_default();
            let (found, max) = (sums.stored.saturating_add(bytes), *max);
            if found > max {
                return Err(TooMuch::ForGood(Denied::Bytes { found, max }));
            }
            if sums.whole().saturating_add(bytes) > max {
                for_now = Some(TooMuch::ForNow(max));
            }
        }
        if let Some(for_now) = for_now {
            return Err(for_now);
        }
        let places = bounds.iter().map(|bound| {
            let place = place_of(&bound.chain, &table);
            let sums = table.entry(place.clone()).or_default();
            sums.on_their_way = sums.on_their_way.saturating_add(bytes);
            place
        });
        let places = places.collect();
        drop(table);
        Ok(Bringing {
            brought: self,
            places,
            bytes,
        })
    }
}

/// Bytes on their way. They do not count any more when this is dropped, unless they arrived.
#[must_use]
#[derive(Debug)]
pub struct Bringing<'b> {
    brought: &'b Brought,
    places: Vec<String>,
    bytes: u64,
}

impl Bringing<'_> {
    /// They arrived, and so many were stored of them: these count from now on.
    pub fn arrived(mut self, stored: u64) {
        self.settle(stored);
        self.places.clear();
    }

    /// They are not on their way any more, and so many of them are stored.
    fn settle(&self, stored: u64) {
        let table = &self.brought.0;
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        for place in &self.places {
            if let Some(sums) = table.get_mut(place) {
                sums.on_their_way = sums.on_their_way.saturating_sub(self.bytes);
                sums.stored = sums.stored.saturating_add(stored);
            }
            if table.get(place) == Some(&Sums::default()) {
                table.remove(place);
            }
        }
    }
}

impl Drop for Bringing<'_> {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::quota::CALLERS_MAX;

    fn bound(chain: &str, max: u64) -> Vec<Bound> {
        let chain = chain.to_owned();
        vec![Bound { chain, max }]
    }

    #[test]
    fn what_is_on_its_way_and_what_was_stored_counts_and_what_failed_does_not()
    -> Result<(), TooMuch> {
        let brought = Brought::default();
        let first = brought.bring(&bound("a", 100), 60)?;
        assert_eq!(brought.left(&bound("a", 100)), 40);
        let error = brought.bring(&bound("a", 100), 41).err();
        assert_eq!(error, Some(TooMuch::ForNow(100)), "the others may fail");
        drop(brought.bring(&bound("a", 100), 40)?);
        first.arrived(10);
        assert_eq!(brought.left(&bound("a", 100)), 90);
        let _second = brought.bring(&bound("a", 100), 5)?;
        let error = brought.bring(&bound("a", 100), 91).err();
        let expected = Denied::Bytes {
            found: 101,
            max: 100,
        };
        assert_eq!(error, Some(TooMuch::ForGood(expected)), "10 are stored");
        let both = [bound("a", 100), bound("small", 80)].concat();
        let error = brought.bring(&both, 88).err();
        let expected = Denied::Bytes { found: 88, max: 80 };
        assert_eq!(error, Some(TooMuch::ForGood(expected)), "the other bound");
        assert_eq!(brought.left(&bound("b", 100)), 100, "another block");
        assert_eq!(brought.left(&[]), u64::MAX);
        Ok(())
    }

    #[test]
    fn what_one_bound_refuses_counts_under_none() -> Result<(), TooMuch> {
        let brought = Brought::default();
        let both = [bound("parent", 100), bound("child", 10)].concat();
        assert!(brought.bring(&both, 11).is_err());
        assert_eq!(brought.left(&bound("parent", 100)), 100);
        brought.bring(&both, 10)?.arrived(10);
        assert_eq!(brought.left(&bound("parent", 100)), 90);
        Ok(())
    }

    #[test]
    fn bytes_are_counted_for_so_many_blocks_and_the_others_share_a_place() -> Result<(), TooMuch> {
        let brought = Brought::default();
        for place in 0..CALLERS_MAX {
            brought.bring(&bound(&place.to_string(), 9), 7)?.arrived(7);
        }
        brought.bring(&bound("late", 9), 8)?.arrived(8);
        assert_eq!(brought.left(&bound("later", 9)), 1, "shared");
        assert_eq!(brought.left(&bound("0", 9)), 2, "has a place");
        Ok(())
    }
}
