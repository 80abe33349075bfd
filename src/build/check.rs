//! Checks of a merged tree that single trees cannot make: how deep it is, and whether its names suit the repo's profile.
//!
//! Only what differs from the tree before is looked at: that was checked when it was made.

use crate::base::error::check_limit;
use crate::base::id::BlobId;
use crate::base::limits::PATH_DEPTH_MAX;
use crate::base::path::TreePath;
use crate::base::profile::{PortableError, Profile, check_portable_names, check_portable_target};
use crate::base::{Error, Result};
use crate::object::census::Census;
use crate::object::difference::differing;
use crate::object::directory::{TreeSource, entries};
use crate::object::tree::{Entry, EntryKind, TreeRef};
use crate::store::view::View;

/// Checks what changed from one tree to another.
pub(crate) struct Checker<'a, 's, S> {
    /// Shows both trees.
    pub(crate) source: &'a S,
    /// Shows the targets of links.
    pub(crate) view: &'a View<'s>,
    /// How strict the repo is about names.
    pub(crate) profile: Profile,
}

impl<S: TreeSource> Checker<'_, '_, S> {
    /// Checks everything in `after` that `before` does not have; returns the most names of any path in that.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if a path is too deep or there are too many entries; [`Error::Usage`] if a name breaks the profile.
    pub(crate) fn check(&self, before: Option<TreeRef>, after: TreeRef) -> Result<u64> {
        let mut census = Census::new(self.source, [Some(after), None]);
        self.directory(before, after, &TreePath::root(), &mut census)
    }

    fn directory(
        &self,
        before: Option<TreeRef>,
        after: TreeRef,
        at: &TreePath,
        census: &mut Census<'_>,
    ) -> Result<u64> {
        if before == Some(after) {
            return Ok(0);
        }
        if self.profile == Profile::Portable {
            let names = entries(self.source, after)
                .map(|entry| Ok(entry?.name().clone()))
                .collect::<Result<Vec<_>>>()?;
            check_portable_names(&names).map_err(|error| not_portable(at, &error))?;
        }
        let mut depth = 0;
        for difference in differing(self.source, before, Some(after)) {
            let difference = difference?;
            let Some(entry) = &difference.b else { continue };
            census.visit()?;
            check_limit(
                "names in a path",
                at.names().len() as u64 + 1,
                PATH_DEPTH_MAX as u64,
            )?;
            let path = at.join(entry.name()).map_err(|source| Error::Path {
                text: format!("{at}/{}", entry.name()),
                source,
            })?;
            depth = depth.max(path.names().len() as u64);
            match entry.tree_ref() {
                Some(tree) => {
                    let before = difference.a.as_ref().and_then(Entry::tree_ref);
                    depth = depth.max(self.directory(before, tree, &path, census)?);
                }
                None => self.leaf(entry, &path)?,
            }
        }
        Ok(depth)
    }

    fn leaf(&self, entry: &Entry, path: &TreePath) -> Result<()> {
        if self.profile == Profile::Posix || entry.kind() != EntryKind::Link {
            return Ok(());
        }
        let mut target = Vec::new();
        self.view
            .read_blob(BlobId::new(entry.id()), entry.size(), &mut |bytes| {
                target.extend_from_slice(bytes);
                Ok(())
            })?;
        let depth = path.names().len().saturating_sub(1);
        check_portable_target(&String::from_utf8_lossy(&target), depth)
            .map_err(|error| not_portable(path, &error))
    }
}

fn not_portable(at: &TreePath, error: &PortableError) -> Error {
    Error::usage(format!(
        "the repo takes portable names only, and in /{at} {error}"
    ))
}
