//! Merging: what a build makes of a tree, and how that meets what its ref shows meanwhile.
//!
//! [`apply`] plays a build's operations on its base, which gives what the build *wants*; [`three_way`] merges that into
//! what the ref shows. Both work on the nodes of trees, and look only at those that change.
//!
//! # Invariants
//!
//! - Results depend on the trees and operations alone: the same input gives the same ids everywhere.
//!
//! # Not here
//!
//! When that is done, and what is recorded (`build::commit`, `build::publish`, `build::withdraw`).

use crate::base::Result;
use crate::object::edit::{TreeSink, create};
use crate::object::tree::TreeRef;

pub use super::overlay::apply;
pub use super::three_way::{Merged, Winner, three_way};

/// Stores the empty tree.
///
/// # Errors
///
/// Those of the sink.
pub fn empty_tree(sink: &mut dyn TreeSink) -> Result<TreeRef> {
    Ok(create(sink, [])?.tree)
}
