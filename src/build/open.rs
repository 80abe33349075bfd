//! An open build: the only one that takes files.

use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::rows::{BuildRow, BuildState};

/// The row of a build that is open; `verb` is what is to be done with it.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none of that id, [`Error::State`] if it is not open.
pub(super) fn open_build(store: &Store, build: u64, verb: &'static str) -> Result<BuildRow> {
    let row = store.reader()?.build(build)?;
    if row.state == BuildState::Open {
        return Ok(row);
    }
    let state = row.state.to_string();
    Err(Error::State { build, state, verb })
}
