//! Entries: what a directory holds under each name.
//!
//! # Invariants
//!
//! - An [`Entry`] has a size that its kind allows, so nothing can be named that could not be stored or read.
//!
//! # Not here
//!
//! The lines in which entries are written (`object::tree_text`), what a name may be (`base::name`).

use crate::base::Result;
use crate::base::error::{Error, check_limit};
use crate::base::id::{Hash, TreeId};
use crate::base::limits::{BLOB_BYTES_MAX, LINK_BYTES_MAX, TREE_BYTES_MAX};
use crate::base::name::EntryName;

use super::totals::Totals;

/// What an entry is. Modes, owners and times are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A file that everyone may read: mode 0644. Its id is that of a blob.
    File,
    /// A file that everyone may run: mode 0755. Its id is that of a blob.
    Executable,
    /// A symbolic link. Its id is that of the blob that holds its target.
    Link,
    /// A directory. Its id is that of a tree.
    Directory,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::File, Self::Executable, Self::Link, Self::Directory];

    /// The letter that starts a line of this kind.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::File => 'f',
            Self::Executable => 'x',
            Self::Link => 'l',
            Self::Directory => 'd',
        }
    }

    /// The kind whose lines start with `letter`, if there is one.
    #[must_use]
    pub const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'f' => Some(Self::File),
            b'x' => Some(Self::Executable),
            b'l' => Some(Self::Link),
            b'd' => Some(Self::Directory),
            _ => None,
        }
    }

    /// The least and the greatest size of an entry of this kind, in bytes, and the words for it.
    const fn sizes(self) -> (u64, u64, &'static str) {
        match self {
            Self::File | Self::Executable => (0, BLOB_BYTES_MAX, "a file's number of bytes"),
            Self::Link => (1, LINK_BYTES_MAX, "a link's number of bytes"),
            Self::Directory => (1, TREE_BYTES_MAX, "a tree node's number of bytes"),
        }
    }
}

/// A tree, or the top node of one: its id, and the size that a reader may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeRef {
    /// The hash of the node's text.
    pub id: TreeId,
    /// Length of the node's text, in bytes.
    pub size: u64,
}

impl TreeRef {
    /// Names the node whose text is `text`.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self {
            id: TreeId::of(text),
            size: text.len() as u64,
        }
    }

    /// Names the tree of an empty directory.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(EMPTY_TREE)
    }
}

/// The text of an empty directory: a header alone.
pub const EMPTY_TREE: &[u8] = b"bindery tree 1 0 0\n";

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    kind: EntryKind,
    size: u64,
    id: Hash,
    name: EntryName,
}

impl Entry {
    /// Makes an entry; `size` is that of the blob or tree node called `id`, in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the size is above what the kind allows, [`Error::Malformed`] for a link or directory of size 0.
    pub fn new(kind: EntryKind, size: u64, id: Hash, name: EntryName) -> Result<Self> {
        let (least, most, what) = kind.sizes();
        check_limit(what, size, most)?;
        if size < least {
            return Err(Error::malformed("entry", format!("{name:?} has no bytes")));
        }
        Ok(Self {
            kind,
            size,
            id,
            name,
        })
    }

    /// Makes the entry of the directory `tree`.
    ///
    /// # Errors
    ///
    /// As [`Entry::new`].
    pub fn directory(name: EntryName, tree: TreeRef) -> Result<Self> {
        Self::new(EntryKind::Directory, tree.size, tree.id.hash(), name)
    }

    /// What the entry is.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Bytes of the file, of the link's target, or of the directory's top node.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The id of a blob, or of a tree for a directory.
    #[must_use]
    pub const fn id(&self) -> Hash {
        self.id
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &EntryName {
        &self.name
    }

    /// The same thing under another name.
    #[must_use]
    pub fn renamed(self, name: EntryName) -> Self {
        Self { name, ..self }
    }

    /// The tree of a directory; `None` for files and links.
    #[must_use]
    pub fn tree_ref(&self) -> Option<TreeRef> {
        (self.kind == EntryKind::Directory).then(|| TreeRef {
            id: TreeId::new(self.id),
            size: self.size,
        })
    }

    /// What a file or link adds to the totals of its directory; `None` for directories, whose lines do not say it.
    #[must_use]
    pub fn own_totals(&self) -> Option<Totals> {
        match self.kind {
            EntryKind::Directory => None,
            // One blob is far below the limits, so this is always `Some`.
            _ => Totals::new(1, self.size).ok(),
        }
    }

    /// Whether both are the same thing, whatever their names.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.kind == other.kind && self.size == other.size && self.id == other.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NameError;

    fn name() -> Result<EntryName, NameError> {
        "n".parse()
    }

    #[test]
    fn every_letter_names_its_kind() {
        for kind in EntryKind::ALL {
            let letter = u8::try_from(kind.letter()).ok();
            assert_eq!(letter.and_then(EntryKind::from_letter), Some(kind));
        }
        assert_eq!(EntryKind::from_letter(b'n'), None);
    }

    #[test]
    fn sizes_end_at_the_limit_of_their_kind() -> Result<(), NameError> {
        for (kind, size, good) in [
            (EntryKind::File, 0, true),
            (EntryKind::File, BLOB_BYTES_MAX, true),
            (EntryKind::File, BLOB_BYTES_MAX + 1, false),
            (EntryKind::Executable, BLOB_BYTES_MAX + 1, false),
            (EntryKind::Link, 0, false),
            (EntryKind::Link, 1, true),
            (EntryKind::Link, LINK_BYTES_MAX, true),
            (EntryKind::Link, LINK_BYTES_MAX + 1, false),
            (EntryKind::Directory, 0, false),
            (EntryKind::Directory, TREE_BYTES_MAX, true),
            (EntryKind::Directory, TREE_BYTES_MAX + 1, false),
        ] {
            let entry = Entry::new(kind, size, Hash::of(b""), name()?);
            assert_eq!(entry.is_ok(), good, "{kind:?} of {size}");
        }
        Ok(())
    }

    #[test]
    fn only_directories_refer_to_trees() -> Result<(), Box<dyn std::error::Error>> {
        let file = Entry::new(EntryKind::File, 7, Hash::of(b"x"), name()?)?;
        let directory = Entry::directory(name()?, TreeRef::empty())?;
        assert_eq!(file.tree_ref(), None);
        assert_eq!(file.own_totals(), Some(Totals::new(1, 7)?));
        assert_eq!(directory.tree_ref(), Some(TreeRef::empty()));
        assert_eq!(directory.own_totals(), None);
        assert!(!file.same_content(&directory));
        assert!(file.same_content(&file.clone().renamed("m".parse()?)));
        Ok(())
    }
}
