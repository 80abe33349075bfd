//! Tokens of a store: the key that makes them, and which blocks were revoked.
//!
//! The key lies where secret keys lie, in a file of mode 0600. The file `tokens/key` of the store names it: stores that share
//! a folder of keys have keys of their own, or a token of one would be good in the other. A revocation is a file in
//! `tokens/revoked/`, named after the block.
//!
//! # Invariants
//!
//! - None of this is in the catalog: a catalog that is made anew, or put aside, gives no revoked token back its power.
//! - A revocation is durable when it is acknowledged, and what cannot be looked up is not allowed.
//! - The name of the key's file is durable before the key is, so a crash leaves no secret that nothing names.
//!
//! # Not here
//!
//! What tokens say (`trust::token`), the log of what was granted and refused (`store::audit`).

use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use super::layout;
use super::open::Store;
use super::token_files::{self, FILE_BYTES_MAX, KeyPlace};
use crate::base::clock::Time;
use crate::base::error::check_limit;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::whole;
use crate::trust::token::id::BlockId;
use crate::trust::token::{Token, TokenKey, Verified};

/// Blocks that may be revoked under one key: each is a small file. Whoever needs more replaces the key, which ends all
/// tokens at once.
pub const REVOKED_MAX: usize = 65_536;

/// What a store knows of tokens.
#[derive(Clone, Debug)]
pub struct Tokens<'s> {
    store: &'s Store,
}

/// A block that was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revoked {
    /// The block.
    pub id: BlockId,
    /// When; `None` if the file does not tell any more. It holds all the same.
    pub time: Option<Time>,
}

impl Store {
    /// What the store knows of tokens.
    #[must_use]
    pub const fn tokens(&self) -> Tokens<'_> {
        Tokens { store: self }
    }
}

impl Tokens<'_> {
    /// Reads the key that makes and checks the tokens of this store; `None` if no token was ever made. It is worth being
    /// kept while the store is open.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if its file is not one, [`Error::Io`] if it cannot be read.
    pub fn key(&self) -> Result<Option<TokenKey>> {
        match self.key_file()? {
            Some(name) => self.read_key(&name),
            None => Ok(None),
        }
    }

    /// Reads the key, or makes one.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key); [`Error::NotAllowed`] if the store is open to read only.
    pub fn key_or_new(&self) -> Result<TokenKey> {
        self.check_writable()?;
        let _alone = self.alone();
        let name = self.key_file_or_new()?;
        match self.read_key(&name)? {
            Some(key) => {
                // A process that made it may have been killed before its name was durable.
                self.store.settle_keys()?;
                Ok(key)
            }
            None => self.make_key(&name),
        }
    }

    /// Puts a new key in the place of the old one: every token made so far is worth nothing from now on. What was revoked is
    /// forgotten, as no token needs it any more.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`] if the store is open to read only; [`Error::Io`] if the disk fails. If the new key is not in
    /// place then, every token and revocation holds as before.
    pub fn replace_key(&self) -> Result<TokenKey> {
        self.check_writable()?;
        let _alone = self.alone();
        let name = self.key_file_or_new()?;
        let key = self.make_key(&name)?;
        let folder = Path::new(layout::REVOKED);
        for file in self.revoked_files()? {
            self.disk().remove(&folder.join(file))?;
        }
        Ok(key)
    }

    /// Checks that `key` has made a token and that none of its blocks was revoked. Whether it has expired is a question of
    /// each request: see [`Verified::allows`].
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`] says which of these it is; [`Error::Io`] if that cannot be known, which allows nothing.
    pub fn verify(&self, key: &TokenKey, token: &Token) -> Result<Verified> {
        let verified = key.verify(token)?;
        self.check_good(&verified)?;
        Ok(verified)
    }

    /// Checks that none of the blocks of a genuine token was revoked.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn check_good(&self, verified: &Verified) -> Result<()> {
        match self.revoked_of(verified)? {
            Some(id) => Err(Error::NotAllowed {
                reason: format!("the token was revoked, by its block {id}: ask for a new one"),
            }),
            None => Ok(()),
        }
    }

    /// The first block of a token that was revoked, if any was: it takes all that was made from it with it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be known.
    pub fn revoked_of(&self, verified: &Verified) -> Result<Option<BlockId>> {
        token_files::revoked_of(self.disk(), verified)
    }

    /// Revokes a block, durably: every token that has it is worth nothing from now on. Once more does no harm, and keeps the
    /// first time. Whether there is such a block cannot be known.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if [`REVOKED_MAX`] are revoked; [`Error::NotAllowed`] if the store is open to read only.
    pub fn revoke(&self, id: BlockId, now: Time) -> Result<()> {
        self.check_writable()?;
        let _alone = self.alone();
        let path = layout::revoked(id);
        if !whole::exists(self.disk(), &path)? {
            let count = self.revoked_files()?.len() + 1;
            check_limit(
                "a store, in revoked blocks,",
                count as u64,
                REVOKED_MAX as u64,
            )?;
            self.make_folder(layout::REVOKED)?;
            self.leave_word()?;
            whole::write_whole(self.disk(), &path, format!("time {now}\n").as_bytes())?;
            // If the word stays, the next open only syncs folders for nothing.
            self.disk().remove(Path::new(layout::REVOKING)).ok();
            return Ok(());
        }
        // A call that failed may have left it with a name that is not durable.
        self.settle(layout::REVOKED)
    }

    /// Leaves word, durably, that there may be a revocation whose name is not durable: should this be killed, others would
    /// heed it, and an outage would take it away again.
    fn leave_word(&self) -> Result<()> {
        let word = Path::new(layout::REVOKING);
        if !whole::exists(self.disk(), word)? {
            drop(self.disk().create(word)?);
        }
        self.disk().sync_dir(Path::new(layout::TMP))
    }

    /// Makes revocations durable that a killed process may have left.
    pub(super) fn settle_revoked(&self) -> Result<()> {
        match self.settle(layout::REVOKED) {
            // Whoever took the folder away must not keep others from opening the store.
            Err(error) if error.is_file_not_found() => Ok(()),
            settled => settled,
        }
    }

    /// Files are written by one thread at a time.
    fn alone(&self) -> MutexGuard<'_, ()> {
        let lock = self.store.writing_tokens.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocks that were revoked, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be read.
    pub fn revoked(&self) -> Result<Vec<Revoked>> {
        let mut revoked = Vec::new();
        for file in self.revoked_files()? {
            let Ok(id) = file.parse::<BlockId>() else {
                continue;
            };
            let bytes = whole::read_small(self.disk(), &layout::revoked(id), FILE_BYTES_MAX);
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let time = text.and_then(|text| text.trim_end().strip_prefix("time ")?.parse().ok());
            revoked.push(Revoked { id, time });
        }
        revoked.sort_unstable();
        Ok(revoked)
    }

    fn disk(&self) -> &dyn Disk {
        self.store.disk()
    }

    fn check_writable(&self) -> Result<()> {
        if self.store.is_writable() {
            return Ok(());
        }
        Err(Error::NotAllowed {
            reason: "the store is open to read only".into(),
        })
    }

    /// Names of all files in the folder of revocations.
    fn revoked_files(&self) -> Result<Vec<String>> {
        let files = match self.disk().list(Path::new(layout::REVOKED)) {
            Err(error) if error.is_file_not_found() => return Ok(Vec::new()),
            files => files?,
        };
        Ok(files.into_iter().map(|file| file.name).collect())
    }

    /// Makes a folder of tokens; its name, and that of the one above, is durable.
    fn make_folder(&self, folder: &str) -> Result<()> {
        self.disk().create_dir(Path::new(folder))?;
        self.settle(folder)
    }

    /// Makes the names in a folder of tokens durable, and its own.
    fn settle(&self, folder: &str) -> Result<()> {
        let mut folders = Path::new(folder).ancestors();
        folders.try_for_each(|folder| self.disk().sync_dir(folder))
    }

    /// The name of the key's file, if there is one.
    fn key_file(&self) -> Result<Option<BlockId>> {
        token_files::key_file(self.disk())
    }

    /// The name of the key's file; a new one, which is recorded durably, if there is none.
    fn key_file_or_new(&self) -> Result<BlockId> {
        if let Some(name) = self.key_file()? {
            self.settle(layout::TOKENS)?;
            return Ok(name);
        }
        let name = BlockId::random()?;
        self.make_folder(layout::TOKENS)?;
        let path = Path::new(layout::TOKEN_KEY_NAME);
        whole::write_whole(self.disk(), path, format!("{name}\n").as_bytes())?;
        Ok(name)
    }

    fn key_place(&self, name: BlockId) -> KeyPlace {
        token_files::key_place(&self.store.disk, &self.store.settings, name)
    }

    fn read_key(&self, name: &BlockId) -> Result<Option<TokenKey>> {
        token_files::read_key(&self.key_place(*name))
    }

    fn make_key(&self, name: &BlockId) -> Result<TokenKey> {
        let (disk, folder, file) = self.key_place(*name);
        let key = TokenKey::generate()?;
        disk.create_private_dir(&folder)?;
        whole::write_whole_private(&*disk, &file, key.to_text().as_bytes())?;
        self.store.settle_keys()?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
