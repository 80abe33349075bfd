//! Gathering: what a snapshot elsewhere holds, brought into a store that is there for this alone, for as long as it is looked at.
//!
//! All of a directory comes in one pack; or each object when it is looked at, where little of much is wanted.
//!
//! # Invariants
//!
//! - What was gathered is never published: it goes with the [`Gathered`].
//! - Every object was checked against its id.
//!
//! # Not here
//!
//! Copies that stay, and whose signatures are checked (`remote::pull`).

use std::sync::Arc;

use super::objects::fetch_beneath;
use super::origin::{Origin, Part, Wanted};
use super::{pull, subtree};
use crate::base::id::BlobId;
use crate::base::path::TreePath;
use crate::base::progress::{Progress, Silent};
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
    /// What is looked at.
    LookedAt,
}

/// What was gathered of a snapshot, and what can be.
pub struct Gathered<'g> {
    store: &'g Store,
    origin: &'g dyn Origin,
    far: &'g dyn Contents,
    landing: Landing,
    near: View<'g>,
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
        amount: Amount<'_>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let nothing = store.view_of_nothing()?;
        let landing = match amount {
            Amount::LookedAt => Landing::default(),
            Amount::Beneath(path) if path.is_root() => {
                let (to, from) = (snapshot, None);
                pull::arrive(store, origin, Wanted { to, from }, &nothing, progress)?.0
            }
            Amount::Beneath(path) => {
                let root = far.snapshot(snapshot)?.tree;
                let found = find_path(far, root, path)?;
                let found = found.ok_or_else(|| Error::not_found("path", path))?;
                match found.tree_ref() {
                    Some(tree) => {
                        let (of, path) = (snapshot.id, path.clone());
                        let part = Part { of, path, tree };
                        subtree::arrive(store, origin, &part, &nothing, progress)?
                    }
                    None => Landing::default(),
                }
            }
        };
        let near = nothing.with(&landing)?;
        Ok(Self {
            store,
            origin,
            far,
            landing,
            near,
        })
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
        let mut intake = self.store.intake();
        let mut is_lacking = false;
        for blob in blobs {
            if self.near.find(blob.kind, blob.id)?.is_none() {
                is_lacking = true;
                fetch_beneath(self.origin, *blob, &self.near, &mut intake, &Silent)?;
            }
        }
        if !is_lacking {
            return take(&self.near);
        }
        let landing = intake.finish()?;
        let view = self.store.view_of_nothing()?;
        take(&view.with(&self.landing)?.with(&landing)?)
    }
}
