//! A verified token: what the key has vouched for, without what makes it a secret.

use super::block::Block;
use super::capability::Capability;
use super::id::BlockId;
use super::request::{Denied, Request};
use crate::base::clock::Time;
use crate::base::name::RepoName;
use crate::base::path::TreePath;

/// A chain of blocks that the key has made, each narrowed by who held the ones before. Only
/// [`TokenKey::verify`](super::TokenKey::verify) makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    blocks: Vec<Block>,
}

impl Verified {
    pub(super) const fn new(blocks: Vec<Block>) -> Self {
        Self { blocks }
    }

    /// The blocks, the first one first.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The ids of the blocks that have one, the first one first: who acted, for the audit log; and what may have been
    /// revoked.
    #[must_use]
    pub fn ids(&self) -> Vec<BlockId> {
        self.blocks.iter().filter_map(|block| block.id).collect()
    }

    /// From when on it allows nothing: the earliest end of all blocks.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        self.blocks.iter().filter_map(|block| block.expires).min()
    }

    /// The paths that the blocks are restricted to: what is read or changed lies beneath all of them.
    pub fn paths(&self) -> impl Iterator<Item = &TreePath> {
        self.blocks.iter().filter_map(|block| block.path.as_ref())
    }

    /// Requires that no block has expired at `now`.
    ///
    /// # Errors
    ///
    /// [`Denied::Expired`].
    pub fn allows_moment(&self, now: Time) -> Result<(), Denied> {
        let mut blocks = self.blocks.iter();
        blocks.try_for_each(|block| block.allows_moment(now))
    }

    /// Whether every block is for `capability` in `repo`, be it for some ref or build alone, and whenever it ends: the holder
    /// may then know that the repo is there.
    #[must_use]
    pub fn reaches(&self, capability: Capability, repo: &RepoName) -> bool {
        self.blocks.iter().all(|block| {
            let (can, repos) = (block.can.as_ref(), block.repos.as_ref());
            can.is_none_or(|can| can.holds(Some(&capability)))
                && repos.is_none_or(|repos| repos.holds(Some(repo)))
        })
    }

    /// Requires that every block allows `request`. That it has expired is said before anything else.
    ///
    /// Whether a block was revoked is not known here: see `store::tokens`.
    ///
    /// # Errors
    ///
    /// [`Denied`], of the first block that does not allow it.
    pub fn allows(&self, request: &Request<'_>) -> Result<(), Denied> {
        self.allows_moment(request.now)?;
        let mut blocks = self.blocks.iter();
        blocks.try_for_each(|block| block.allows(request))
    }
}
