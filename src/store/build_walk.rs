//! A walk over what a build needs and does not get from what is published, when some of its packs are hurt.
//!
//! # Invariants
//!
//! - Nothing that is published is followed: what it names is published too (I2), and is checked with the published set.
//! - What cannot be read is listed once. Where replacements can be had the walk goes on through them, so what lies beneath
//!   something that is lost is found too.
//!
//! # Not here
//!
//! What a build needs as a whole, and the words for it (`store::explain`).

use std::collections::{BTreeMap, HashSet};

use super::explain::{BuildRoot, build_roots};
use super::needs::Object;
use super::reach::{snapshot_edge, tree_edge};
use super::reader::Reader;
use super::rows::BuildRow;
use super::view::{Found, View};
use crate::base::Result;
use crate::base::id::BlobId;
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;

/// Gives the bytes of an object that a build cannot read any more, if they can be had elsewhere.
pub(super) type Replacements<'a> = dyn FnMut(Object) -> Option<Vec<u8>> + 'a;

/// Lists what a build needs and `view` cannot give, each with the reason. `view` shows what is left of the build.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
pub(super) fn missing_of_build(
    reader: &Reader<'_>,
    build: &BuildRow,
    view: &View<'_>,
    replacements: &mut Replacements<'_>,
) -> Result<BTreeMap<Object, String>> {
    let roots = build_roots(reader, build)?.into_iter();
    let mut waiting: Vec<Edge> = roots
        .map(|root| match root {
            BuildRoot::Snapshot(snapshot) => snapshot_edge(snapshot),
            BuildRoot::Tree(tree, _) => tree_edge(tree),
        })
        .collect();
    let (mut seen, mut missing) = (HashSet::new(), BTreeMap::new());
    while let Some(edge) = waiting.pop() {
        let object = (edge.kind, edge.id);
        if !seen.insert(object) {
            continue;
        }
        let (reason, bytes) = match view.find(edge.kind, edge.id)? {
            Some(Found::Published(_)) => continue,
            Some(Found::Own(_)) => match read_own(view, edge) {
                Ok(children) => {
                    waiting.extend(children);
                    continue;
                }
                Err(error) => (error.to_string(), replacements(object)),
            },
            None => ("it is in no pack".to_owned(), replacements(object)),
        };
        missing.insert(object, reason);
        let children = bytes.and_then(|bytes| edges_of(edge.kind, &bytes).ok());
        waiting.extend(children.into_iter().flatten());
    }
    Ok(missing)
}

/// Reads an object of the build's own; says what it points at.
fn read_own(view: &View<'_>, edge: Edge) -> Result<Vec<Edge>> {
    let bytes = view.read(edge.kind, edge.id)?;
    if edge.kind == ObjectKind::Recipe {
        // Only its pieces show whether a recipe is right; those that are missing are told by themselves.
        let children = edges_of(edge.kind, bytes.as_slice()?)?;
        let is_whole = children.iter().all(|child| {
            let found = view.read(child.kind, child.id);
            found.is_ok()
        });
        if is_whole {
            view.read_blob(BlobId::new(edge.id), edge.size, &mut |_| Ok(()))?;
        }
        return Ok(children);
    }
    edges_of(edge.kind, bytes.as_slice()?)
}
