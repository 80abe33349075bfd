//! What a release says to whoever made it.

use crate::base::name::RefName;
use crate::object::tree::TreeRef;
use crate::store::rows::SnapshotRef;

/// What was published.
#[derive(Clone, Debug)]
pub struct PublishAnswer {
    /// The ref.
    pub target: RefName,
    /// The epoch of its statement.
    pub epoch: u64,
    /// The seq of its statement.
    pub seq: u64,
    /// What it shows.
    pub snapshot: SnapshotRef,
    /// The tree of that.
    pub root: TreeRef,
    /// Whether the tree of the build that was asked for is the one that was tested.
    pub tested: bool,
    /// The builds that became visible.
    pub builds: Vec<u64>,
}
