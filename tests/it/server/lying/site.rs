//! A site: the files of a repo as a web server has them, of which a test changes and signs again what it likes.

use std::collections::BTreeMap;
use std::error::Error;

use bindery::base::name::RefName;
use bindery::trust::heads::Heads;
use bindery::trust::note::Note;
use bindery::trust::ref_statement::RefStatement;
use bindery::trust::refs_list::{RefsEntry, RefsList};
use bindery::trust::secret_key::SecretKey;
use bindery::trust::statement::Statement;

use super::liar::Files;
use crate::support::forge::{self, Lines};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The path of the repo in URLs.
pub const ROOT: &str = "/r/main";

/// The files of a repo.
#[derive(Clone, Debug)]
pub struct Site {
    pub files: Files,
}

impl Site {
    /// A file.
    pub fn get(&self, path: &str) -> Result<&[u8]> {
        let file = self.files.get(&format!("{ROOT}/{path}"));
        Ok(file.ok_or_else(|| format!("no {path}"))?)
    }

    /// Puts a file in its place.
    pub fn put(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(format!("{ROOT}/{path}"), bytes);
    }

    /// The note of a keyset.
    pub fn keyset(&self, version: u64) -> Result<&[u8]> {
        self.get(&format!("trust/keyset/{version}"))
    }

    /// The keyset that would follow the one of a version.
    pub fn keyset_after(&self, version: u64) -> Result<Lines> {
        Ok(Lines::after(self.keyset(version)?)?)
    }

    /// Puts a keyset in the place of a version.
    pub fn put_keyset(&mut self, version: u64, lines: &Lines, keys: &[&SecretKey]) -> Result<()> {
        self.put(&format!("trust/keyset/{version}"), lines.sign(keys)?);
        Ok(())
    }

    /// The heads statement.
    pub fn heads(&self) -> Result<Heads> {
        let note = Note::parse(self.get("trust/heads")?, 1 << 16)?;
        Ok(Heads::parse(note.text())?)
    }

    /// The text of the heads statement.
    pub fn heads_lines(&self) -> Result<Lines> {
        Ok(Lines::of(self.get("trust/heads")?)?)
    }

    /// Changes the heads statement.
    pub fn put_heads(
        &mut self,
        keys: &[&SecretKey],
        change: impl FnOnce(&mut Heads),
    ) -> Result<()> {
        let note = forge::heads(self.get("trust/heads")?, keys, change)?;
        self.put("trust/heads", note);
        Ok(())
    }

    fn refs_list(&self) -> Result<&[u8]> {
        self.get(&format!("objects/{}", self.heads()?.refs.hash))
    }

    /// What the list of refs says of a ref.
    pub fn entry(&self, name: &str) -> Result<RefsEntry> {
        let entry = RefsList::decode(self.refs_list()?)?.get(&name.parse()?);
        Ok(entry.ok_or_else(|| format!("no {name}"))?)
    }

    /// Changes the list of refs, and the heads that name it.
    pub fn put_refs(
        &mut self,
        keys: &[&SecretKey],
        change: impl FnOnce(&mut BTreeMap<RefName, RefsEntry>),
    ) -> Result<()> {
        let (refs, list) = forge::refs_list(self.refs_list()?, change)?;
        self.put(&format!("objects/{}", refs.hash), list);
        self.put_heads(keys, |heads| heads.refs = refs)
    }

    /// The note of the statement that a ref shows.
    pub fn statement(&self, name: &str) -> Result<&[u8]> {
        self.get(&format!("statements/{}", self.entry(name)?.id))
    }

    /// The text of the statement that `stable` shows.
    pub fn statement_lines(&self) -> Result<Lines> {
        Ok(Lines::of(self.statement("stable")?)?)
    }

    /// Puts a statement of this text in place of the one that `stable` shows, in list and heads, which `heads_keys` sign.
    pub fn put_statement_lines(
        &mut self,
        lines: &Lines,
        keys: &[&SecretKey],
        heads_keys: &[&SecretKey],
    ) -> Result<()> {
        let entry = lines.entry()?;
        self.put(&format!("statements/{}", entry.id), lines.sign(keys)?);
        let name: RefName = "stable".parse()?;
        self.put_refs(heads_keys, |entries| {
            entries.insert(name, entry);
        })
    }

    /// Puts a changed statement in place of the one that `stable` shows, in list and heads, which `heads_keys` sign.
    pub fn put_statement(
        &mut self,
        keys: &[&SecretKey],
        heads_keys: &[&SecretKey],
        change: impl FnOnce(&mut RefStatement),
    ) -> Result<RefsEntry> {
        let (entry, note) = forge::statement(self.statement("stable")?, keys, change)?;
        self.put(&format!("statements/{}", entry.id), note);
        let name: RefName = "stable".parse()?;
        self.put_refs(heads_keys, |entries| {
            entries.insert(name, entry);
        })?;
        Ok(entry)
    }
}
