//! Grace: for how long a path that a release lost leads to where it led before.
//!
//! # Not here
//!
//! What a path leads to (`server::paths`).

use crate::base::Result;
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::store::Store;
use crate::store::rows::{ReleaseRow, RepoRow};

/// Releases that are looked at for a path that the newest lost: those of an hour with one each minute, and some more.
pub const GRACE_RELEASES_MAX: usize = 64;

/// The releases that a ref showed within so many seconds before `now`, newest first, without the one it shows since `since`.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog).
pub fn releases_within(
    store: &Store,
    repo: &RepoRow,
    name: &RefName,
    since: Time,
    (grace_seconds, now): (u64, Time),
) -> Result<Vec<ReleaseRow>> {
    let is_over = |until: Time| grace_seconds == 0 || until.plus_seconds(grace_seconds) < now;
    // Most refs did not move lately.
    if is_over(since) {
        return Ok(Vec::new());
    }
    let reader = store.reader()?;
    let rows = reader.last_releases(repo, name, GRACE_RELEASES_MAX + 1)?;
    let mut until = since;
    let mut within = Vec::new();
    for release in rows.into_iter().skip(1) {
        if is_over(until) || release.retired {
            break;
        }
        until = release.time;
        within.push(release);
    }
    Ok(within)
}
