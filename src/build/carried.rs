//! Which release carries a build.

use super::publish_answer::PublishAnswer;
use crate::base::Result;
use crate::store::Store;
use crate::store::rows::BuildState;

/// The release that carries a build, if one does.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if there is no such build.
pub fn carried(store: &Store, build: u64) -> Result<Option<PublishAnswer>> {
    let reader = store.reader()?;
    let row = reader.build(build)?;
    let Some(published) = row.published.filter(|_| row.state == BuildState::Published) else {
        return Ok(None);
    };
    let releases = reader.releases(&reader.repo(&row.repo)?, &published.target)?;
    let Some(release) = releases
        .into_iter()
        .find(|release| (release.epoch, release.seq) == (published.epoch, published.seq))
    else {
        return Ok(None);
    };
    let Some(last) = release.imports.last() else {
        return Ok(None);
    };
    Ok(Some(PublishAnswer {
        target: published.target,
        epoch: release.epoch,
        seq: release.seq,
        snapshot: release.snapshot,
        root: last.root.into(),
        tested: published.tested,
        builds: release.imports.iter().map(|import| import.build).collect(),
    }))
}
