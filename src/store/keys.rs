//! Secret keys: files of mode 0600 in the folder that the settings name.
//!
//! # Not here
//!
//! What is in the files (`trust::secret_key`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::layout;
use super::open::Store;
use super::settings::Settings;
use crate::base::name::KeyName;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::real::RealDisk;
use crate::disk::whole;
use crate::trust::secret_key::SecretKey;

/// Bytes of a key's file: far more than any.
const KEY_FILE_BYTES_MAX: u64 = 4096;

impl Store {
    /// Keeps a secret key.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is one of that name: keys are never replaced.
    pub fn keep_key(&self, key: &SecretKey) -> Result<()> {
        let (disk, folder) = self.key_folder();
        disk.create_private_dir(&folder)?;
        let file = layout::secret_key(&folder, key.public().name());
        if whole::exists(&*disk, &file)? {
            return Err(Error::Exists {
                what: "key",
                name: key.public().name().to_string(),
            });
        }
        whole::write_whole_private(&*disk, &file, key.to_text().as_bytes())
    }

    /// Makes the names of all keys durable: a process that made one may have been killed before they were. To be called
    /// before anything lasting is signed with a key that was found.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the disk fails.
    pub fn settle_keys(&self) -> Result<()> {
        let (disk, folder) = self.key_folder();
        let mut folders = folder.ancestors();
        folders.try_for_each(|folder| disk.sync_dir(folder))
    }

    /// Reads a secret key.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none of that name, [`Error::Malformed`] if its file is not one.
    pub fn key(&self, name: &KeyName) -> Result<SecretKey> {
        let (disk, file) = self.key_file(name);
        let bytes = whole::read_small(&*disk, &file, KEY_FILE_BYTES_MAX).map_err(|error| {
            if error.is_file_not_found() {
                Error::not_found("key", name)
            } else {
                error
            }
        })?;
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Error::malformed("secret key", "it is not text"))?;
        SecretKey::parse(text)
    }

    /// The names of all secret keys, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be read.
    pub fn key_names(&self) -> Result<Vec<KeyName>> {
        let (disk, folder) = self.key_folder();
        if !whole::exists(&*disk, &folder)? {
            return Ok(Vec::new());
        }
        let files = disk.list(&folder)?;
        let mut names: Vec<KeyName> = files
            .iter()
            .filter_map(|file| file.name.strip_suffix(".key")?.parse().ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn key_file(&self, name: &KeyName) -> (Arc<dyn Disk>, PathBuf) {
        let (disk, folder) = self.key_folder();
        (disk, layout::secret_key(&folder, name))
    }

    pub(super) fn key_folder(&self) -> (Arc<dyn Disk>, PathBuf) {
        key_folder(&self.disk, &self.settings)
    }
}

/// Where the keys of a store are. They may be kept on another disk than the store's.
pub(super) fn key_folder(disk: &Arc<dyn Disk>, settings: &Settings) -> (Arc<dyn Disk>, PathBuf) {
    let keys = settings.keys();
    if keys.is_absolute() {
        (Arc::new(RealDisk::new(keys)), Path::new("").to_owned())
    } else {
        (Arc::clone(disk), keys.to_owned())
    }
}
