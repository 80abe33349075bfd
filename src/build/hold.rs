//! Hold: refuse to publish to a ref for a while, and let it go again.

use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::rows::RepoRow;

/// Holds a ref for a reason, or, without one, lets it go.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such ref. Letting go of one that is not held changes nothing, so it can be repeated.
pub fn hold_ref(
    store: &Store,
    repo: &RepoRow,
    target: &RefName,
    reason: Option<String>,
) -> Result<()> {
    let row = store.reader()?.find_ref(repo, target)?;
    let row = row.ok_or_else(|| Error::not_found("ref", target))?;
    if reason.is_none() && row.held.is_none() {
        return Ok(());
    }
    store.record_hold(repo, target, reason)
}
