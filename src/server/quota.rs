//! Quotas: how much of something each caller may have.
//!
//! # Invariants
//!
//! - The tables are bounded, however many callers there are: those for whom there is no place share one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;

use super::answer::Failure;
use crate::base::error::check_limit;
use crate::base::{Error, Result};
use crate::disk::room::free_bytes;

/// Callers that are counted each by itself, be it in a minute or since the server started.
pub const CALLERS_MAX: usize = 64 * 1024;
/// The limit on builds that one caller has open.
pub const OPEN_BUILDS: &str = "open_builds_per_token";
/// Seconds in which requests are counted.
const WINDOW_SECONDS: u64 = 60;
/// Leading parts of an IPv6 address that one user has to himself, as a rule: 64 bits.
const NETWORK_PARTS: usize = 4;

/// Requests of each caller in this minute.
#[derive(Debug)]
pub struct Rates {
    started: Instant,
    /// The minute, and what was counted in it.
    counted: Mutex<(u64, HashMap<String, u64>)>,
}

impl Rates {
    /// Nothing was counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            counted: Mutex::default(),
        }
    }

    /// Counts a request of `caller`, of which there may be `max` in a minute; 0 for as many as come. `what` is the limit's name.
    ///
    /// # Errors
    ///
    /// 429 with the limit, and in how many seconds the next minute begins.
    pub fn count(&self, caller: &str, what: &'static str, max: u64) -> Result<(), Failure> {
        if max == 0 {
            return Ok(());
        }
        let seconds = self.started.elapsed().as_secs();
        if self.count_at(seconds / WINDOW_SECONDS, caller) <= max {
            return Ok(());
        }
        let wait = WINDOW_SECONDS - seconds % WINDOW_SECONDS;
        let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, &Error::TooMany { what, max });
        Err(failure.with_header(RETRY_AFTER, wait.to_string()))
    }

    fn count_at(&self, minute: u64, caller: &str) -> u64 {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0 != minute {
            *counted = (minute, HashMap::new());
        }
        let table = &mut counted.1;
        let place = place_of(caller, table);
        let count = table.entry(place).or_default();
        *count += 1;
        *count
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a caller is counted: those for whom there is no place share one.
pub(super) fn place_of<V>(caller: &str, table: &HashMap<String, V>) -> String {
    if table.len() >= CALLERS_MAX && !table.contains_key(caller) {
        String::new()
    } else {
        caller.to_owned()
    }
}

/// The name under which callers from an address are counted: of IPv6, the network of 64 bits.
#[must_use]
pub fn origin(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x?}", &address.segments()[..NETWORK_PARTS]),
    }
}

/// Bytes on their way into builds.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<HashMap<u64, u64>>);

impl Arrivals {
    /// Reserves `bytes` more of `build`, which has `staged` already and may have `max`.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if that is too much.
    pub fn reserve(&self, build: u64, staged: u64, bytes: u64, max: u64) -> Result<Arrival<'_>> {
        let mut arriving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = arriving.get(&build).copied().unwrap_or_default();
        let sum = staged.saturating_add(before).saturating_add(bytes);
        check_limit("staged_bytes_per_build", sum, max)?;
        arriving.insert(build, before.saturating_add(bytes));
        Ok(Arrival {
            arrivals: self,
            build,
            bytes,
        })
    }
}

/// Bytes on their way into a build, until this is dropped.
#[derive(Debug)]
pub struct Arrival<'a> {
    arrivals: &'a Arrivals,
    build: u64,
    bytes: u64,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let arriving = &self.arrivals.0;
        let mut arriving = arriving.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = arriving.get(&self.build).map(|bytes| bytes - self.bytes);
        match rest {
            Some(rest) if rest > 0 => arriving.insert(self.build, rest),
            _ => arriving.remove(&self.build),
        };
    }
}

/// Builds that may be open, by the token that made them.
#[derive(Debug, Default)]
pub struct OpenBuilds(Mutex<Option<HashMap<String, Vec<u64>>>>);

impl OpenBuilds {
    /// Makes a build for `caller`, who may have `max` open. `all` says which are open and who made them, and is asked once;
    /// `is_open` is asked only when there seem to be too many.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`]; what the closures answer.
    pub fn make<T>(
        &self,
        caller: &str,
        max: u64,
        all: impl FnOnce() -> Result<Vec<(String, u64)>>,
        is_open: impl Fn(u64) -> Result<bool>,
        make: impl FnOnce() -> Result<(u64, T)>,
    ) -> Result<T> {
        // Held until the build is made, so that two cannot both be the last one.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.is_none() {
            let mut builds: HashMap<String, Vec<u64>> = HashMap::new();
            for (owner, build) in all()? {
                builds.entry(owner).or_default().push(build);
            }
            *table = Some(builds);
        }
        let builds = table.get_or_insert_default();
        let mine = builds.entry(caller.to_owned()).or_default();
        if mine.len() as u64 >= max {
            let mut open = Vec::new();
            for build in mine.drain(..) {
                if is_open(build)? {
                    open.push(build);
                }
            }
            *mine = open;
        }
        if mine.len() as u64 >= max {
            return Err(Error::TooMany {
                what: OPEN_BUILDS,
                max,
            });
        }
        let (build, row) = make()?;
        mine.push(build);
        Ok(row)
    }
}

/// Whether there is room in the file system of `path` to take anything in.
///
/// # Errors
///
/// [`Error::Io`], as from a full disk, if less than `free_bytes_min` is free.
pub fn check_room(path: &Path, free_bytes_min: u64) -> Result<()> {
    check_free(path, free_bytes(path)?, free_bytes_min)
}

fn check_free(path: &Path, free: u64, free_bytes_min: u64) -> Result<()> {
    if free >= free_bytes_min {
        return Ok(());
    }
    let reason = format!("{free} bytes are free, free_bytes_min is {free_bytes_min}");
    let error = std::io::Error::new(std::io::ErrorKind::StorageFull, reason);
    Err(Error::io("take anything into", path)(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_requests_in_each_minute_and_others_have_theirs() {
        let rates = Rates::new();
        assert_eq!(rates.count_at(0, "a"), 1);
        assert_eq!(rates.count_at(0, "a"), 2);
        assert_eq!(rates.count_at(0, "b"), 1);
        assert_eq!(rates.count_at(1, "a"), 1, "the next minute");
    }

    #[test]
    fn the_table_is_bounded_and_those_without_a_place_share_one() {
        let rates = Rates::new();
        for caller in 0..CALLERS_MAX {
            rates.count_at(0, &caller.to_string());
        }
        assert_eq!(rates.count_at(0, "late"), 1);
        assert_eq!(rates.count_at(0, "later"), 2, "shared");
        assert_eq!(rates.count_at(0, "0"), 2, "has a place");
    }

    #[test]
    fn so_many_bytes_must_be_free_and_not_one_more() {
        let path = Path::new("store");
        assert!(check_free(path, 1000, 1000).is_ok());
        assert!(check_free(path, 999, 1000).is_err());
        assert!(check_free(path, 0, 0).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_caller_and_a_mapped_address_is_ipv4() -> Result<()> {
        let of = |text: &str| {
            let address = text.parse().map_err(|_| Error::usage("address"))?;
            Ok::<_, Error>(origin(address))
        };
        assert_eq!(of("2001:db8::1")?, of("2001:db8::2")?);
        assert_ne!(of("2001:db8::1")?, of("2001:db8:0:1::1")?);
        assert_eq!(of("::ffff:192.0.2.1")?, of("192.0.2.1")?);
        Ok(())
    }

    #[test]
    fn uploads_that_run_count_until_they_end() -> Result<()> {
        let arrivals = Arrivals::default();
        let first = arrivals.reserve(1, 50, 30, 100)?;
        drop(arrivals.reserve(1, 50, 20, 100)?);
        assert!(arrivals.reserve(1, 50, 21, 100).is_err());
        assert!(arrivals.reserve(2, 50, 50, 100).is_ok(), "another build");
        drop(first);
        assert!(arrivals.reserve(1, 50, 50, 100).is_ok());
        assert!(arrivals.reserve(1, 50, 51, 100).is_err());
        Ok(())
    }

    #[test]
    fn a_build_that_ended_makes_room_for_another() -> Result<()> {
        let open = OpenBuilds::default();
        let none = || Ok(vec![("a".to_owned(), 1)]);
        let make = |caller: &str, build: u64, closed: u64| {
            open.make(caller, 2, none, |b| Ok(b != closed), || Ok((build, ())))
        };
        make("a", 2, 0)?;
        assert!(matches!(
            make("a", 3, 0),
            Err(Error::TooMany { max: 2, .. })
        ));
        make("b", 4, 0)?;
        make("a", 5, 1)?;
        Ok(())
    }
}
