//! Measuring what the packs of a store take on disk, by looking at the files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes by which what a file takes on disk may be more than its length: file systems give whole blocks.
const BLOCK_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a block, as file systems are asked for them.
const BLOCK_UNIT: u64 = 512;

/// The files of packs, with their lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    files: BTreeMap<PathBuf, u64>,
}

impl Disk {
    /// Looks at the packs of the store in `folder`.
    pub fn measure(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for shelf in fs::read_dir(folder.join("packs"))? {
            for file in fs::read_dir(shelf?.path())? {
                let file = file?;
                let metadata = file.metadata()?;
                let taken = metadata.blocks() * BLOCK_UNIT;
                let is_given_back = taken <= metadata.len() + BLOCK_BYTES_MAX;
                assert!(is_given_back, "{taken} bytes taken by {metadata:?}");
                files.insert(file.path(), metadata.len());
            }
        }
        Ok(Self { files })
    }

    /// How many there are.
    pub fn packs(&self) -> u64 {
        self.files.len() as u64
    }

    /// Their bytes together.
    pub fn bytes(&self) -> u64 {
        self.files.values().sum()
    }
}
