//! The log of a build: what happened to it lately.
//!
//! # Invariants
//!
//! - Events are numbered from 0 on, and keep their numbers: whoever has heard one can ask for those after it.
//! - The newest [`BUILD_EVENTS_MAX`] are kept, so that a build into which something is put again and again stays small.

use redb::ReadableTable;

use super::catalog::{failed, parse_row};
use super::reader::Reader;
use super::rows::EventRow;
use super::tables::EVENTS;
use super::transaction::Transaction;
use crate::base::limits::BUILD_EVENTS_MAX;
use crate::base::{Error, Result};

/// Some of what happened to a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildEvents {
    /// The number of the first of them. If it is a later one than was asked for, those in between were forgotten.
    pub first: u32,
    /// Oldest first, without gaps.
    pub events: Vec<EventRow>,
}

impl Reader<'_> {
    /// What happened to a build, from the event with a number on: at most `most` events.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn events(&self, build: u64, from: u32, most: usize) -> Result<BuildEvents> {
        let table = self.table(EVENTS)?;
        let rows = table
            .range((build, from)..=(build, u32::MAX))
            .map_err(failed("read"))?;
        let mut found = BuildEvents {
            first: from,
            events: Vec::new(),
        };
        for row in rows.take(most) {
            let (key, row) = row.map_err(failed("read"))?;
            if found.events.is_empty() {
                found.first = key.value().1;
            }
            found.events.push(parse_row(row.value())?);
        }
        Ok(found)
    }
}

impl Transaction<'_> {
    /// Adds to the log of a build, and forgets the oldest if it is full.
    pub(super) fn log_event(&self, build: u64, event: &EventRow) -> Result<()> {
        let mut events = self.write.open_table(EVENTS).map_err(failed("write"))?;
        // Nothing of the table may be held while it is changed.
        let last = {
            let mut rows = events
                .range((build, 0)..=(build, u32::MAX))
                .map_err(failed("read"))?;
            let last = rows.next_back().transpose().map_err(failed("read"))?;
            last.map(|(key, _)| key.value().1)
        };
        let next = match last {
            Some(last) => last.checked_add(1).ok_or_else(|| {
                Error::internal("a build has fewer events than there are numbers")
            })?,
            None => 0,
        };
        if let Some(end) = next.saturating_add(1).checked_sub(BUILD_EVENTS_MAX) {
            events
                .retain_in((build, 0)..(build, end), |_, _| false)
                .map_err(failed("write"))?;
        }
        drop(events);
        self.put(EVENTS, (build, next), event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::build::sandbox::{AnyError, Sandbox};
    use crate::store::Store;

    fn log(store: &Store, build: u64, numbers: std::ops::Range<u32>) -> Result<()> {
        let transaction = Transaction::begin(store)?;
        for number in numbers {
            let what = number.to_string();
            let time = Time::from_seconds(u64::from(number))?;
            transaction.log_event(build, &EventRow { time, what })?;
        }
        transaction.commit()
    }

    /// The first number from one on, the first text, and how many there are.
    fn found(store: &Store, build: u64, from: u32) -> Result<(u32, String, usize)> {
        let found = store.reader()?.events(build, from, usize::MAX)?;
        let first = found.events.first().map(|event| event.what.clone());
        Ok((found.first, first.unwrap_or_default(), found.events.len()))
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_the_others_keep_their_numbers()
    -> Result<(), AnyError> {
        let sandbox = Sandbox::new()?;
        let store = sandbox.store()?;
        let most = BUILD_EVENTS_MAX as usize;
        log(store, 8, 0..3)?;
        log(store, 7, 0..BUILD_EVENTS_MAX)?;
        assert_eq!(found(store, 7, 0)?, (0, "0".into(), most), "at the limit");
        log(store, 7, BUILD_EVENTS_MAX..BUILD_EVENTS_MAX + 1)?;
        assert_eq!(found(store, 7, 0)?, (1, "1".into(), most), "one past it");
        log(store, 7, BUILD_EVENTS_MAX + 1..BUILD_EVENTS_MAX + 5)?;
        assert_eq!(found(store, 7, 0)?, (5, "5".into(), most));
        assert_eq!(found(store, 7, 5)?, (5, "5".into(), most), "no gap");
        assert_eq!(found(store, 7, 6)?, (6, "6".into(), most - 1));
        let last = BUILD_EVENTS_MAX + 4;
        assert_eq!(found(store, 7, last + 1)?, (last + 1, String::new(), 0));
        assert_eq!(
            found(store, 8, 0)?,
            (0, "0".into(), 3),
            "others keep theirs"
        );
        assert_eq!(store.reader()?.events(7, 0, 2)?.events.len(), 2);
        Ok(())
    }
}
