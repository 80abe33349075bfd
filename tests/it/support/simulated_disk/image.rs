//! One image of a simulated disk, names and bytes, and the changes that lead from one image to the next.
//!
//! # Invariants
//!
//! - A rename is never applied half: the old name goes only if the new one is there.
//! - A name whose folder is not there cannot be seen: see [`Image::prune`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pages::Pages;

/// The number of a file, which it keeps under whatever name.
pub type FileNumber = u64;

/// Stands for a folder that was opened as if it were a file: it has no bytes. Files are counted from 1.
pub const FOLDER: FileNumber = 0;

/// Names and bytes. Copies are cheap.
#[derive(Clone, Debug)]
pub struct Image {
    pub folders: BTreeSet<PathBuf>,
    pub names: BTreeMap<PathBuf, FileNumber>,
    pub files: BTreeMap<FileNumber, Arc<Pages>>,
}

/// Something that was done to a disk.
#[derive(Clone, Debug)]
pub enum Change {
    /// A folder was made.
    Folder {
        path: PathBuf,
    },
    /// A file got a name.
    Name {
        path: PathBuf,
        file: FileNumber,
    },
    /// A name went; `after` is the new one, if the file was renamed.
    Unname {
        path: PathBuf,
        after: Option<(PathBuf, FileNumber)>,
    },
    Write {
        file: FileNumber,
        offset: usize,
        bytes: Arc<[u8]>,
    },
    Length {
        file: FileNumber,
        bytes: usize,
    },
}

impl Change {
    /// The path of the name that comes or goes; nothing for a change of bytes.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Folder { path } | Self::Name { path, .. } | Self::Unname { path, .. } => {
                Some(path)
            }
            Self::Write { .. } | Self::Length { .. } => None,
        }
    }

    /// Whether it takes away the old name of a file that was renamed within its folder.
    pub fn is_end_of_rename_in_one_folder(&self) -> bool {
        match self {
            Self::Unname {
                path,
                after: Some((to, _)),
            } => path.parent() == to.parent(),
            _ => false,
        }
    }

    /// The file whose bytes change; nothing for a change of names.
    pub fn file(&self) -> Option<FileNumber> {
        match self {
            Self::Write { file, .. } | Self::Length { file, .. } => Some(*file),
            _ => None,
        }
    }
}

impl Image {
    /// A disk with nothing on it.
    pub fn empty() -> Self {
        Self {
            folders: BTreeSet::from([PathBuf::new()]),
            names: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// The bytes of a file, to be changed.
    pub fn pages(&mut self, file: FileNumber) -> &mut Pages {
        Arc::make_mut(self.files.entry(file).or_default())
    }

    /// The length of a file, in bytes.
    pub fn len(&self, file: FileNumber) -> usize {
        self.files.get(&file).map_or(0, |pages| pages.len())
    }

    /// Whether a removal belongs to a rename whose new name is not here.
    pub fn lacks_new_name(&self, change: &Change) -> bool {
        match change {
            Change::Unname {
                after: Some((path, file)),
                ..
            } => self.names.get(path) != Some(file),
            _ => false,
        }
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Folder { path } => {
                self.folders.insert(path.clone());
            }
            Change::Name { path, file } => {
                self.names.insert(path.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Change::Unname { path, .. } => {
                if !self.lacks_new_name(change) {
                    self.names.remove(path);
                }
            }
            Change::Write {
                file,
                offset,
                bytes,
            } => self.pages(*file).write(*offset, bytes),
            Change::Length { file, bytes } => self.pages(*file).set_len(*bytes),
        }
    }

    /// Takes away what lies in folders that are not there, and files without a name.
    pub fn prune(&mut self) {
        let folders = std::mem::take(&mut self.folders);
        // Those above come first in the order of paths.
        for folder in folders {
            let is_there = folder
                .parent()
                .is_none_or(|above| self.folders.contains(above));
            if is_there {
                self.folders.insert(folder);
            }
        }
        let folders = &self.folders;
        self.names
            .retain(|path, _| path.parent().is_some_and(|above| folders.contains(above)));
        let named: BTreeSet<FileNumber> = self.names.values().copied().collect();
        self.files.retain(|file, _| named.contains(file));
    }
}
