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

/// Seconds for which a path that a release lost leads to where it led before.
pub const GRACE_SECONDS: u64 = 3600;
/// Releases that are looked at for such a path: those of an hour in which there is one each minute, and some more.
pub const GRACE_RELEASES_MAX: usize = 64;

/// The releases that a ref showed within the grace before `now`, newest first, without the one it shows since `since`.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog).
pub fn releases_within(
    store: &Store,
    repo: &RepoRow,
    name: &RefName,
    since: Time,
    now: Time,
) -> Result<Vec<ReleaseRow>> {
    let is_over = |until: Time| until.plus_seconds(GRACE_SECONDS) < now;
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
