//! Paths: where the paths led that were asked for lately.
//!
//! # Not here
//!
//! Where a path leads (`build::reached`), which root a URL means (`server::files`).

use super::sight::Sight;
use crate::base::Result;
use crate::base::cache::Cache;
use crate::base::id::TreeId;
use crate::build::reached::{Reached, follow};
use crate::object::entry::TreeRef;
use crate::store::view::View;

/// Bytes of paths that are remembered.
const PATHS_BYTES: usize = 16 * 1024 * 1024;
/// Bytes that a path counts beside its text.
const PATH_BYTES: usize = 256;

/// Where paths led that were asked for lately. A tree never changes, so it is right for as long as the caller may see it.
#[derive(Debug)]
pub struct PathCache(Cache<(Sight, TreeId, String), Reached>);

impl Default for PathCache {
    fn default() -> Self {
        Self(Cache::new(PATHS_BYTES))
    }
}

impl PathCache {
    /// Where a path led, if it was asked for lately.
    #[must_use]
    pub fn find(&self, sight: &Sight, root: TreeRef, names: &[String]) -> Option<Reached> {
        let key = (sight.clone(), root.id, names.join("/"));
        self.0.find(&key).map(|reached| (*reached).clone())
    }

    /// Follows a path, and remembers where it leads.
    ///
    /// # Errors
    ///
    /// As [`follow`].
    pub fn follow(
        &self,
        view: &View<'_>,
        sight: &Sight,
        root: TreeRef,
        names: &[String],
    ) -> Result<Reached> {
        let reached = follow(view, root, names)?;
        let path = names.join("/");
        let bytes = path.len() + PATH_BYTES;
        let key = (sight.clone(), root.id, path);
        self.0.keep(key, reached.clone(), bytes);
        Ok(reached)
    }
}
