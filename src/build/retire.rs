//! Retire: which old releases are let go of.
//!
//! # Not here
//!
//! Letting go of them (`Store::retire_releases`).

use crate::base::Error;
use crate::base::Result;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::store::Store;
use crate::store::rows::{RefRow, ReleaseRow, RepoRow};

/// Seconds of a day.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Which releases of a ref stay: those that one of the rules keeps. What the ref shows now always stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The last so many.
    pub last: Option<u64>,
    /// Those younger than so many days.
    pub days: Option<u64>,
}

/// The releases that go: of one ref, or of every ref of a repo; by the refs' own policies if `keep` does not say
/// otherwise. Without any rule everything stays.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such repo or ref.
pub fn plan(
    store: &Store,
    repo: &RepoName,
    target: Option<&RefName>,
    keep: Option<Keep>,
    time: Time,
) -> Result<Vec<(RefName, ReleaseRow)>> {
    let reader = store.reader()?;
    let repo = reader.repo(repo)?;
    let refs = match target {
        Some(target) => vec![
            reader
                .find_ref(&repo, target)?
                .ok_or_else(|| Error::not_found("ref", target))?,
        ],
        None => reader.refs(&repo)?,
    };
    let mut going = Vec::new();
    for row in refs {
        let policy = store.settings().policy(&row.name);
        let keep = keep.unwrap_or(Keep {
            last: policy.keep_last,
            days: policy.keep_days,
        });
        going.extend(plan_ref(store, &repo, &row, keep, time)?);
    }
    Ok(going)
}

fn plan_ref(
    store: &Store,
    repo: &RepoRow,
    row: &RefRow,
    keep: Keep,
    time: Time,
) -> Result<Vec<(RefName, ReleaseRow)>> {
    if keep == Keep::default() {
        return Ok(Vec::new());
    }
    let releases = store.reader()?.releases(repo, &row.name)?;
    let current = row.current.map(|current| (current.epoch, current.seq));
    let newest_first = releases
        .into_iter()
        .filter(|release| !release.retired)
        .rev();
    let going = newest_first.enumerate().filter(|(place, release)| {
        let is_recent = keep.last.is_some_and(|last| (*place as u64) < last);
        let young = |days: u64| release.time.plus_seconds(days.saturating_mul(DAY_SECONDS)) > time;
        !is_recent && !keep.days.is_some_and(young) && current != Some((release.epoch, release.seq))
    });
    Ok(going
        .map(|(_, release)| (row.name.clone(), release))
        .collect())
}
