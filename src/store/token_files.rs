//! Token files: the key of a store's tokens and what was revoked, read beside whoever holds the store.
//!
//! None of this is in the catalog, each of it is a whole file, and a file that is there is whole: nobody need be waited for.
//!
//! # Not here
//!
//! Making keys and revoking (`store::tokens`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::keys::key_folder;
use super::layout;
use super::note_files::NoteFiles;
use super::settings::Settings;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::real::RealDisk;
use crate::disk::whole;
use crate::trust::token::id::BlockId;
use crate::trust::token::{TokenKey, Verified};

/// The version of a keyset that every repo has.
const FIRST_KEYSET: u64 = 1;

/// Bytes of a file of this floor: far more than any.
pub(super) const FILE_BYTES_MAX: u64 = 4096;

/// What a store knows of tokens, in files.
pub struct TokenFiles {
    disk: Arc<dyn Disk>,
    settings: Settings,
}

impl TokenFiles {
    /// Those of the store in a folder, whoever holds it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none; what reading its settings answers.
    pub fn at(root: &Path) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root));
        if !whole::exists(&*disk, Path::new(layout::SETTINGS))? {
            return Err(Error::not_found("store at", root.display()));
        }
        let settings = Settings::read(&*disk)?;
        Ok(Self { disk, settings })
    }

    /// Reads the key; `None` if no token was ever made.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if its file is not one, [`Error::Io`] if it cannot be read.
    pub fn key(&self) -> Result<Option<TokenKey>> {
        match key_file(&*self.disk)? {
            Some(name) => read_key(&key_place(&self.disk, &self.settings, name)),
            None => Ok(None),
        }
    }

    /// Whether there is a repo, as its files say.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be known.
    pub fn has_repo(&self, repo: &RepoName) -> Result<bool> {
        let notes = NoteFiles::new(&*self.disk, repo.clone());
        Ok(notes.keyset(FIRST_KEYSET)?.is_some())
    }

    /// The first block of a token that was revoked, if any was.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be known.
    pub fn revoked_of(&self, verified: &Verified) -> Result<Option<BlockId>> {
        revoked_of(&*self.disk, verified)
    }
}

/// The disk that a key lies on, its folder and its file.
pub(super) type KeyPlace = (Arc<dyn Disk>, PathBuf, PathBuf);

/// The name of the key's file, if there is one.
pub(super) fn key_file(disk: &dyn Disk) -> Result<Option<BlockId>> {
    let path = Path::new(layout::TOKEN_KEY_NAME);
    let bytes = match whole::read_small(disk, path, FILE_BYTES_MAX) {
        Err(error) if error.is_file_not_found() => return Ok(None),
        bytes => bytes?,
    };
    let text = String::from_utf8(bytes).ok();
    let name = text.and_then(|text| text.strip_suffix('\n')?.parse().ok());
    let place = disk.place(path);
    name.map(Some).ok_or_else(|| {
        let reason = format!("{} does not name the file of a key", place.display());
        Error::malformed("name of a token key", reason)
    })
}

/// Where the key of that name lies.
pub(super) fn key_place(disk: &Arc<dyn Disk>, settings: &Settings, name: BlockId) -> KeyPlace {
    let (disk, folder) = key_folder(disk, settings);
    let file = layout::token_key(&folder, name);
    (disk, folder, file)
}

/// Reads the key in a place.
pub(super) fn read_key((disk, _, file): &KeyPlace) -> Result<Option<TokenKey>> {
    let bytes = match whole::read_small(&**disk, file, FILE_BYTES_MAX) {
        Err(error) if error.is_file_not_found() => return Ok(None),
        bytes => Zeroizing::new(bytes?),
    };
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Error::malformed("token key", "it is not text"))?;
    TokenKey::parse(text).map(Some)
}

/// The first block of a token that was revoked, if any was.
pub(super) fn revoked_of(disk: &dyn Disk, verified: &Verified) -> Result<Option<BlockId>> {
    for id in verified.ids() {
        if whole::exists(disk, &layout::revoked(id))? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
