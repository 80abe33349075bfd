//! Complete: everything that an unpacked snapshot reaches is there, and is what it is said to be.
//!
//! What the snapshot has in common with the one that the delta started from was checked when that became part of the store,
//! and is not looked at again. All else is: trees are cut as the rules say and their totals are true, contents have the
//! sizes that trees say, large ones are put together and hashed, but for those that were so a moment ago.
//!
//! # Invariants
//!
//! - The cost is that of what differs.
//!
//! # Not here
//!
//! Whether small objects are what their ids say: they were hashed when they were unpacked, and are hashed when they are read
//! (`store::view`). The same check for whole releases (`build::verify`).

use std::collections::HashSet;

use super::changes::{Seen, Way, changes};
use super::parts::malformed;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::canonical::check_canonical;
use crate::object::directory::TreeSource;
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::snapshot::Snapshot;
use crate::object::tree::Entry;
use crate::object::walk::{Step, walk};
use crate::store::rows::SnapshotRef;
use crate::store::view::{Found, View};

/// What need not be looked at again.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The snapshot that the delta started from.
    pub from: Option<SnapshotRef>,
    /// Large contents that were hashed while the delta was unpacked, in just the pieces that were taken in.
    pub assembled: HashSet<Hash>,
}

/// Checks that `to`, which was unpacked, is complete. `view` shows what was unpacked, too.
///
/// # Errors
///
/// [`Error::NotFound`] for the first object that is not there, [`Error::Damaged`] for the first that is not what it is said
/// to be, [`Error::Malformed`] for a tree or snapshot that breaks the rules, [`Error::Interrupted`] if `progress` says so.
pub fn check(
    view: &View<'_>,
    checked: &Checked,
    to: SnapshotRef,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let before = checked
        .from
        .map(|from| view.snapshot_of_size(from))
        .transpose()?;
    let snapshot = view.snapshot_of_size(to)?;
    let mut blobs = Blobs {
        view,
        assembled: &checked.assembled,
        seen: HashSet::new(),
    };
    let mut depth = before.as_ref().map_or(0, |before| before.depth);
    let a = before.map(|before| before.tree);
    changes(view, a, Some(snapshot.tree), &mut |seen| {
        match seen {
            Seen::Directory { at, b: Some(b), .. } => {
                progress.check()?;
                check_canonical(view, b).map_err(|error| needed(error, at))?;
            }
            Seen::Entry {
                path, b: Some(b), ..
            } => {
                depth = depth.max(path.names().len() as u64);
                blobs.check_entry(b, path)?;
            }
            _ => {}
        }
        Ok(Way::Into)
    })?;
    if snapshot.depth < depth && snapshot.depth < deepest(view, &snapshot)? {
        return Err(malformed(
            "a path of its tree is deeper than its snapshot says",
        ));
    }
    if snapshot.totals != view.node(snapshot.tree)?.totals() {
        return Err(malformed("its snapshot states other totals than its tree"));
    }
    Ok(snapshot)
}

/// The most names of any path. Rarely asked for: a snapshot that is made of another states at least the same depth.
fn deepest(view: &View<'_>, snapshot: &Snapshot) -> Result<u64> {
    let mut depth = 0;
    walk(view, snapshot.tree, &mut |path, _| {
        depth = depth.max(path.names().len() as u64);
        Ok(Step::Into)
    })?;
    Ok(depth)
}

/// Says which path needs what is not there.
fn needed(error: Error, path: &TreePath) -> Error {
    match error {
        Error::NotFound { what, name } => Error::NotFound {
            what,
            name: format!("{name}, which the delta needs for /{path}"),
        },
        other => other,
    }
}

/// The contents that were met.
struct Blobs<'v, 's> {
    view: &'v View<'s>,
    assembled: &'v HashSet<Hash>,
    seen: HashSet<(Hash, u64)>,
}

impl Blobs<'_, '_> {
    fn check_entry(&mut self, entry: &Entry, path: &TreePath) -> Result<()> {
        if entry.tree_ref().is_some() {
            return Ok(());
        }
        self.check(entry.id(), entry.size(), RECIPE_LEVELS_MAX)
            .map_err(|error| needed(error, path))
    }

    /// Checks that a blob is there, in the form and with the bytes that its size says.
    fn check(&mut self, id: Hash, bytes: u64, levels: usize) -> Result<()> {
        if !self.seen.insert((id, bytes)) {
            return Ok(());
        }
        let (view, kind) = (self.view, blob_form(bytes));
        let wrong = |reason: String| {
            Error::malformed("blob", reason).in_stored(kind.name(), id, "the delta")
        };
        let found = view.find(kind, id)?;
        let found = found.ok_or_else(|| Error::not_found("blob", id))?;
        let stored = u64::from(found.place().length());
        if kind == ObjectKind::Blob {
            return if stored == bytes {
                Ok(())
            } else {
                Err(wrong(format!("it has {stored} bytes, not {bytes}")))
            };
        }
        let levels = levels.checked_sub(1);
        let levels = levels.ok_or_else(|| wrong("its recipes are nested too deep".into()))?;
        let text = view.read_at(kind, id, found.place())?;
        let recipe = Recipe::decode(text.as_slice()?)?;
        if recipe.bytes() != bytes || recipe.blob().hash() != id {
            return Err(wrong(format!("its recipe makes {} bytes", recipe.bytes())));
        }
        for piece in recipe.pieces() {
            self.check(piece.id.hash(), piece.bytes, levels)?;
        }
        match found {
            // It was put together and hashed when it was published.
            Found::Published(_) => Ok(()),
            Found::Own(_) if self.assembled.contains(&id) => Ok(()),
            Found::Own(_) => view.read_blob(BlobId::new(id), bytes, &mut |_| Ok(())),
        }
    }
}
