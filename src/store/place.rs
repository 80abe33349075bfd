//! Places: where objects lie in packs.
//!
//! # Not here
//!
//! Opening packs (`store::packs`).

use std::sync::Arc;

use crate::disk::files::Mapping;
use crate::object::pack::Location;
use crate::object::pack_reader::PackReader;

/// A pack opened to read.
pub type OpenPack = Arc<PackReader<Mapping>>;

/// Where an object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The pack's number in the catalog.
    pub(super) pack: u64,
    /// The frame within the pack.
    pub(super) frame: u32,
    /// Where it starts in the expanded frame, in bytes.
    pub(super) start: u32,
    /// Its length, in bytes.
    pub(super) length: u32,
}

impl Place {
    /// Its length, in bytes; of a recipe, that of its text.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }

    /// Where it lies within its pack.
    #[must_use]
    pub const fn location(self) -> Location {
        Location {
            frame: self.frame,
            start: self.start,
            length: self.length,
        }
    }

    /// The frame in which it lies, by the pack's number and its own: what is read together.
    #[must_use]
    pub const fn frame(self) -> (u64, u32) {
        (self.pack, self.frame)
    }
}
