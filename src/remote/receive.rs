//! Receiving: a pack comes from an origin, is taken apart and verified, and what came of it before it broke off is used again.
//!
//! # Invariants
//!
//! - A pack that began with what an earlier process left, and turns out to be wrong, is fetched once more from its first
//!   byte on: only what came in one piece says something about its origin.
//! - What is left behind is what the same pull can go on with; all else goes.
//!
//! # Not here
//!
//! Where what is left lies, and how much of it (`store::arrival`).

use crate::base::{Error, Kind, Result};
use crate::store::Store;
use crate::store::arrival::Arrival;

/// Lets `take` have the origin at `place` write a pack into an arrival, and take it apart. What has arrived stays until
/// [`finish`] is called.
///
/// # Errors
///
/// What `take` answers.
pub(super) fn receive<'s, T>(
    store: &'s Store,
    place: &str,
    take: &mut dyn FnMut(&mut Arrival<'s>) -> Result<T>,
) -> Result<T> {
    let mut arrival = Arrival::new(store, place);
    let mut outcome = take(&mut arrival);
    if arrival.is_resumed() && outcome.as_ref().is_err_and(is_of_bytes) {
        arrival.start_over();
        outcome = take(&mut arrival);
    }
    if outcome.as_ref().err().is_none_or(can_be_gone_on_with) {
        arrival.leave();
    }
    outcome
}

/// Forgets what has arrived from the origin at `place`, unless the `outcome` of all is an error after which it can be gone on
/// with.
pub(super) fn finish<T>(store: &Store, place: &str, outcome: Result<T>) -> Result<T> {
    if !outcome.as_ref().is_err_and(can_be_gone_on_with) {
        store.forget_arrivals(place);
    }
    outcome
}

/// Whether an error may come of bytes that are torn.
pub(super) fn is_of_bytes(error: &Error) -> bool {
    error.kind() == Kind::Integrity || matches!(error, Error::Limit { .. })
}

/// Whether nothing is wrong with what has arrived: the rest can still come.
const fn can_be_gone_on_with(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::Interrupted
            | Error::Remote {
                kind: Kind::Busy,
                ..
            }
    )
}
