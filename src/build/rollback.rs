//! Rollback: a ref shows an earlier release again, at once, since its tree is still there.

use super::overtaken::overtaken;
use super::publish::{PublishAnswer, check_nothing_pending, switch};
use super::sign::Release;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::landing::Landing;
use crate::store::rows::ReleaseKind;

/// Publishes the tree of release `to_seq` again, as a new release. With `hold`, the ref refuses later publishes, for this
/// reason, until it is released.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such ref or release; [`Error::Refused`] if that release is retired, is what the ref
/// shows now, or builds are pending.
pub fn rollback(
    store: &Store,
    repo: &RepoName,
    target: &RefName,
    to_seq: u64,
    hold: Option<String>,
    time: Time,
) -> Result<PublishAnswer> {
    let reader = store.reader()?;
    let repo = reader.repo(repo)?;
    let row = reader.find_ref(&repo, target)?;
    let row = row
        .filter(|row| row.current.is_some())
        .ok_or_else(|| Error::not_found("ref", target))?;
    check_nothing_pending(&row)?;
    // Of two epochs with the same seq, the newer one is meant.
    let releases = reader.releases(&repo, target)?;
    let release = releases
        .into_iter()
        .rev()
        .find(|release| release.seq == to_seq);
    let release =
        release.ok_or_else(|| Error::not_found("release", format!("{target}@{to_seq}")))?;
    if release.retired {
        return Err(Error::refused(format!(
            "{target}@{to_seq} is retired: its files were let go of"
        )));
    }
    if row
        .current
        .is_some_and(|current| current.snapshot == release.snapshot)
    {
        return Err(Error::refused(format!(
            "{target} shows {target}@{to_seq} already"
        )));
    }
    let root = store
        .view(&repo.name, &[])?
        .snapshot_of_size(release.snapshot)
        .map_err(|error| overtaken(error, Some(target)))?
        .tree;
    let release = Release {
        repo,
        target: target.clone(),
        current: row.current,
        kind: ReleaseKind::Rollback,
        imports: Vec::new(),
        withdrawn: None,
        snapshot: release.snapshot,
        root,
        note: Some(format!("back to {target}@{to_seq}")),
        hold,
    };
    switch(store, release, &[], Landing::default(), time)
}
