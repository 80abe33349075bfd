//! Forging: documents of a repo, changed as a test says and signed again, for those who must not believe them.
//!
//! # Not here
//!
//! How they are shown: by an origin in this process (`remote::lies`), or over HTTP (`server::lying`).

use std::collections::BTreeMap;
use std::fmt::Display;

use bindery::base::id::{Hash, StatementId};
use bindery::base::name::RefName;
use bindery::base::{Error, Result};
use bindery::trust::heads::{Heads, RefsObject};
use bindery::trust::note::Note;
use bindery::trust::ref_statement::RefStatement;
use bindery::trust::refs_list::{RefsEntry, RefsList};
use bindery::trust::secret_key::SecretKey;
use bindery::trust::statement::Statement;

/// Bytes of the text of any document here.
const TEXT_BYTES_MAX: u64 = 1 << 16;

/// A heads statement, changed and signed.
pub fn heads(note: &[u8], keys: &[&SecretKey], change: impl FnOnce(&mut Heads)) -> Result<Vec<u8>> {
    let mut heads = Heads::parse(Note::parse(note, TEXT_BYTES_MAX)?.text())?;
    change(&mut heads);
    Ok(Note::sign(heads.encode()?, keys)?.encode())
}

/// A list of refs, changed, with what names it.
pub fn refs_list(
    list: &[u8],
    change: impl FnOnce(&mut BTreeMap<RefName, RefsEntry>),
) -> Result<(RefsObject, Vec<u8>)> {
    let list = RefsList::decode(list)?;
    let mut entries = list
        .iter()
        .map(|(name, entry)| (name.clone(), entry))
        .collect();
    change(&mut entries);
    let list = RefsList::new(entries)?.encode();
    Ok((named(&list), list))
}

/// What names a list of refs.
pub fn named(list: &[u8]) -> RefsObject {
    RefsObject {
        size: list.len() as u64,
        hash: Hash::of(list),
    }
}

/// A statement, changed and signed, with the entry that names it in a list of refs.
pub fn statement(
    note: &[u8],
    keys: &[&SecretKey],
    change: impl FnOnce(&mut RefStatement),
) -> Result<(RefsEntry, Vec<u8>)> {
    let mut statement = RefStatement::parse(Note::parse(note, TEXT_BYTES_MAX)?.text())?;
    change(&mut statement);
    let text = statement.encode()?;
    let entry = RefsEntry {
        epoch: statement.epoch,
        seq: statement.seq,
        size: text.len() as u64,
        id: StatementId::of(text.as_bytes()),
    };
    Ok((entry, Note::sign(text, keys)?.encode()))
}

/// The text of a document, line by line, also of one that is not legal.
#[derive(Clone, Debug)]
pub struct Lines(Vec<String>);

impl Lines {
    /// The text of a note.
    pub fn of(note: &[u8]) -> Result<Self> {
        let note = Note::parse(note, TEXT_BYTES_MAX)?;
        Ok(Self(note.text().lines().map(str::to_owned).collect()))
    }

    /// The one that follows the keyset of a note: the same keys and roles under the next version.
    pub fn after(note: &[u8]) -> Result<Self> {
        let before = Self::of(note)?;
        let version = before.number("version")?;
        let prev = StatementId::of(before.text().as_bytes());
        Ok(before.set("version", version + 1).set("prev", prev))
    }

    /// The text.
    pub fn text(&self) -> String {
        [self.0.join("\n").as_str(), "\n"].concat()
    }

    fn value(&self, word: &str) -> &str {
        let mut values = self.0.iter().filter_map(|line| line.strip_prefix(word));
        values.next().unwrap_or_default().trim_start()
    }

    fn number(&self, word: &str) -> Result<u64> {
        let number = self.value(word).parse();
        number.map_err(|_| Error::usage(format!("{word} is a number")))
    }

    /// Puts each of these lines, between which stand semicolons, in place of the one that begins like it.
    pub fn with(self, lines: &str) -> Self {
        lines.split("; ").fold(self, |text, line| {
            let words = match line.split(' ').next() {
                Some("role") if line.starts_with("role publish ") => 3,
                Some("role" | "key") => 2,
                _ => 1,
            };
            let end = line.match_indices(' ').nth(words - 1);
            let (words, value) = line.split_at(end.map_or(line.len(), |(at, _)| at));
            text.set(words, value.trim_start())
        })
    }

    /// The entry that a list of refs has of this statement.
    pub fn entry(&self) -> Result<RefsEntry> {
        let text = self.text();
        Ok(RefsEntry {
            epoch: self.number("epoch")?,
            seq: self.number("seq")?,
            size: text.len() as u64,
            id: StatementId::of(text.as_bytes()),
        })
    }

    /// Puts a line in place of those that begin with these words.
    pub fn set(mut self, words: &str, value: impl Display) -> Self {
        let start = format!("{words} ");
        let at = self.0.iter().position(|line| line.starts_with(&start));
        self.0.retain(|line| !line.starts_with(&start));
        let at = at.unwrap_or(self.0.len());
        self.0.insert(at, format!("{words} {value}"));
        self
    }

    /// Puts these keys in place of those that are there.
    pub fn keys(mut self, keys: &[&SecretKey]) -> Self {
        let at = self.0.iter().position(|line| line.starts_with("key "));
        let at = at.unwrap_or(self.0.len());
        self.0.retain(|line| !line.starts_with("key "));
        let lines = keys.iter().map(|key| format!("key {}", key.public()));
        self.0.splice(at..at, lines);
        self
    }

    /// Gives a role, such as `root` or `publish **`, to some of these keys.
    pub fn role(self, role: &str, threshold: usize, keys: &[&SecretKey]) -> Self {
        let names = keys.iter().map(|key| key.name().to_string());
        let names: Vec<String> = names.collect();
        self.set(
            &format!("role {role}"),
            format!("{threshold} {}", names.join(" ")),
        )
    }

    /// Gives all roles to these keys, of which one is enough for each.
    pub fn all_roles(self, keys: &[&SecretKey]) -> Self {
        let roles = ["root", "publish **", "heads"];
        roles
            .iter()
            .fold(self.keys(keys), |lines, role| lines.role(role, 1, keys))
    }

    /// The note of it.
    pub fn sign(&self, keys: &[&SecretKey]) -> Result<Vec<u8>> {
        Ok(Note::sign(self.text(), keys)?.encode())
    }
}

/// A key that nobody gave a role.
pub fn new_key(name: &str) -> Result<SecretKey> {
    let name = name
        .parse()
        .map_err(|_| Error::usage("the name of a key"))?;
    SecretKey::generate(name)
}

/// The bytes with one bit of one of them changed.
pub fn flipped(mut bytes: Vec<u8>, place: usize) -> Vec<u8> {
    let place = place.min(bytes.len().saturating_sub(1));
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1;
    }
    bytes
}
