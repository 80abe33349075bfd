//! Gathering: what a snapshot elsewhere holds, brought into a store that is there for this alone, for as long as it is looked at.
//!
//! All of a directory comes in one pack; or each object when it is looked at, where little of much is wanted. Should much of it
//! be wanted after all, the pack comes.
//!
//! # Invariants
//!
//! - What was gathered is never published: it goes with the [`Gathered`].
//! - Every object was checked against its id.
//!
//! # Not here
//!
//! Copies that stay, and whose signatures are checked (`remote::pull`).

use std::collections::HashSet;
use std::sync::Arc;

use super::objects::fetch_beneath;
use super::origin::{Origin, Part, Wanted};
use super::{pull, subtree};
use crate::base::id::BlobId;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::contents::{Contents, Stock, Take};
use crate::object::assembly::Sink;
use crate::object::directory::{TreeSource, find_path};
use crate::object::edges::{Edge, blob_form};
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};
use crate::store::Store;
use crate::store::landing::Landing;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// How much of a snapshot is gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount<'p> {
    /// All that lies beneath a directory, at once.
    Beneath(&'p TreePath),
    /// What is looked at of what lies beneath a directory.
    LookedAt(&'p TreePath),
}

/// What it costs to ask for one more object, as bytes that could have come meanwhile: 50 ms at 5 MB a second.
const REQUEST_BYTES: u64 = 256 * 1024;

/// What was gathered of a snapshot, and what can be.
pub struct Gathered<'g> {
    store: &'g Store,
    origin: &'g dyn Origin,
    far: &'g dyn Contents,
    landing: Landing,
    near: View<'g>,
    snapshot: SnapshotRef,
    /// The directory of which nothing was gathered yet but what is looked at.
    looked_at: Option<&'g TreePath>,
    progress: &'g dyn Progress,
}

impl<'g> Gathered<'g> {
    /// Gathers of a snapshot that `origin` has into `store`, which has nothing. `far` shows the objects of the origin.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is nothing at a path; [`Error::Malformed`] or [`Error::Damaged`] if the origin shows something
    /// else than the ids say; what the way to it answers.
    pub fn new(
        store: &'g Store,
        origin: &'g dyn Origin,
        far: &'g dyn Contents,
        snapshot: SnapshotRef,
        amount: Amount<'g>,
        progress: &'g dyn Progress,
    ) -> Result<Self> {
        let mut gathered = Self {
            store,
            origin,
            far,
            landing: Landing::default(),
            near: store.view_of_nothing()?,
            snapshot,
            looked_at: None,
            progress,
        };
        match amount {
            Amount::LookedAt(path) => gathered.looked_at = Some(path),
            Amount::Beneath(path) => {
                gathered.landing = gathered.pack(path)?;
                gathered.near = store.view_of_nothing()?.with(&gathered.landing)?;
            }
        }
        Ok(gathered)
    }

    /// Fetches all that lies beneath a directory, at once; nothing if it is a file.
    fn pack(&self, path: &TreePath) -> Result<Landing> {
        let (store, origin, to) = (self.store, self.origin, self.snapshot);
        if path.is_root() {
            let wanted = Wanted { to, from: None };
            return Ok(pull::arrive(store, origin, wanted, &self.near, self.progress)?.0);
        }
        let Some(tree) = self.directory(path)? else {
            return Ok(Landing::default());
        };
        let (of, path) = (to.id, path.clone());
        let part = Part { of, path, tree };
        subtree::arrive(store, origin, &part, &self.near, self.progress)
    }

    /// The directory at a path; none if it is a file.
    fn directory(&self, path: &TreePath) -> Result<Option<TreeRef>> {
        let root = self.far.snapshot(self.snapshot)?.tree;
        let found = find_path(self.far, root, path)?;
        let found = found.ok_or_else(|| Error::not_found("path", path))?;
        Ok(found.tree_ref())
    }

    /// Whether all that lies beneath a directory is here sooner than these blobs of it, one by one.
    fn is_pack_sooner(&self, path: &TreePath, blobs: &[Edge]) -> Result<bool> {
        let Some(tree) = self.directory(path)? else {
            return Ok(false);
        };
        let all = self.far.node(tree)?.totals().bytes();
        Ok(is_pack_sooner(all, blobs))
    }

    /// Fetches blobs one by one, as far as `view` does not show them.
    fn singly(&self, blobs: &[Edge], view: &View<'_>) -> Result<Landing> {
        let mut intake = self.store.intake();
        for blob in blobs {
            if view.find(blob.kind, blob.id)?.is_none() {
                self.progress.expect(blob.size);
                fetch_beneath(self.origin, *blob, view, &mut intake, self.progress)?;
            }
        }
        intake.finish()
    }

    /// What was gathered, or else what can be.
    fn either<T>(&self, read: &mut dyn FnMut(&dyn Contents) -> Result<T>) -> Result<T> {
        match read(&self.near) {
            Err(Error::NotFound { .. }) => read(self.far),
            found => found,
        }
    }
}

impl TreeSource for Gathered<'_> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        self.either(&mut |contents| contents.node(tree))
    }
}

impl Contents for Gathered<'_> {
    fn snapshot(&self, snapshot: SnapshotRef) -> Result<Snapshot> {
        self.either(&mut |contents| contents.snapshot(snapshot))
    }

    fn read_file(&self, id: BlobId, bytes: u64, sink: &mut Sink<'_>) -> Result<()> {
        // A file is not begun twice: it comes from where the first object of it is.
        let is_near = self.near.find(blob_form(bytes), id.hash())?.is_some();
        let contents = if is_near {
            &self.near as &dyn Contents
        } else {
            self.far
        };
        contents.read_file(id, bytes, sink)
    }
}

impl Stock for Gathered<'_> {
    fn with_blobs(&self, blobs: &[Edge], take: &mut Take<'_>) -> Result<()> {
        let mut view = self.store.view_of_nothing()?.with(&self.landing)?;
        if let Some(path) = self.looked_at
            && self.is_pack_sooner(path, blobs)?
        {
            view = view.with(&self.pack(path)?)?;
        }
        let singles = self.singly(blobs, &view)?;
        take(&view.with(&singles)?)
    }
}

/// Whether all of a directory, which has so many bytes, is here sooner than these blobs of it, one by one.
fn is_pack_sooner(all_bytes: u64, blobs: &[Edge]) -> bool {
    let mut seen = HashSet::new();
    let different = blobs.iter().filter(|blob| seen.insert(blob.id));
    let costs = different.map(|blob| blob.size.saturating_add(REQUEST_BYTES));
    let singly = costs.fold(0, u64::saturating_add);
    all_bytes.saturating_add(REQUEST_BYTES) < singly
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hash;
    use crate::object::kind::ObjectKind;

    #[test]
    fn a_pack_comes_where_much_of_it_is_wanted_or_in_many_parts() {
        let blob = |number: u64, size| Edge {
            kind: ObjectKind::Blob,
            id: Hash::of(&number.to_le_bytes()),
            size,
        };
        let blobs = |number, size| (0..number).map(|each| blob(each, size)).collect::<Vec<_>>();
        let (mib, gib) = (1 << 20, 1 << 30);
        for (all, wanted, expected, reason) in [
            (gib, blobs(0, 0), false, "nothing"),
            (10, blobs(1, 10), false, "the only file"),
            (20, blobs(2, 10), true, "two small files"),
            (gib, blobs(2, 10), false, "two small files of much"),
            (gib, blobs(100, mib), false, "a tenth"),
            (gib, blobs(1000, mib), true, "nearly all"),
            (gib, blobs(5000, 100), true, "little, in many parts"),
            (
                mib,
                vec![blob(1, 10); 5000],
                false,
                "one that is in many places",
            ),
            (u64::MAX, blobs(2, u64::MAX), false, "more than can be"),
        ] {
            assert_eq!(is_pack_sooner(all, &wanted), expected, "{reason}");
        }
    }
}
