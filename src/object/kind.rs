//! Kinds: what a stored object is.
//!
//! Nothing is ever sniffed: whoever points at an object says its kind, so a blob that looks like a tree stays a blob,
//! and the same bytes can be stored once as each.

/// What a stored object is; the number is the byte that packs store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// The bytes of a file, of a link's target, or of a chunk of a large file. Its id is their hash.
    Blob = 1,
    /// A node of a directory: text. Its id is the hash of the text.
    Tree = 2,
    /// A snapshot: text. Its id is the hash of the text.
    Snapshot = 3,
    /// How to put a large blob together from pieces. It is stored *in place of the blob* and found under the blob's id,
    /// which is the hash of the pieces put together, not of the recipe's text.
    Recipe = 4,
}

impl ObjectKind {
    /// Every kind, in the order of their bytes.
    pub const ALL: [Self; 4] = [Self::Blob, Self::Tree, Self::Snapshot, Self::Recipe];

    /// The byte that packs store.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The kind of a stored byte, if it is one.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }

    /// The kind's name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Snapshot => "snapshot",
            Self::Recipe => "recipe",
        }
    }
}
