//! Pin files: what is needed for first contact with a repo, handed out by whoever has its keys.
//!
//! ```text
//! bindery pin 1
//! repo example.org/os
//! repo-id <id of the first keyset>
//! keyset <version> <id>
//! url https://example.org/r/example.org/os
//! ```
//!
//! # Invariants
//!
//! - A pin has one spelling, and at most [`PIN_URLS_MAX`] lines `url`, also none.
//!
//! # Not here
//!
//! Whether an origin is what the pin says (`remote::pull`).

use std::fmt::Write;

use crate::base::id::StatementId;
use crate::base::name::RepoName;
use crate::base::text::{Fields, Lines, TextError};
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::notes::Notes;
use crate::store::rows::RepoRow;

/// Bytes of the largest pin file.
pub const PIN_BYTES_MAX: u64 = 64 * 1024;
/// Places that one pin names: more mirrors than anybody tries.
pub const PIN_URLS_MAX: usize = 16;

/// What is needed for first contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The repo.
    pub repo: RepoName,
    /// The id of its first keyset.
    pub repo_id: StatementId,
    /// The version and id of its newest keyset when the pin was made: an origin must have come as far.
    pub keyset: (u64, StatementId),
    /// Where it can be pulled from.
    pub urls: Vec<String>,
}

impl Pin {
    /// The pin of a repo, for those who can pull it from `urls`.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if its keysets do not hold, [`Error::Usage`] if a URL cannot be in a pin file.
    pub fn of(store: &Store, repo: &RepoRow, urls: Vec<String>) -> Result<Self> {
        let notes = Notes::open(store.disk(), &repo.name, Some(repo.repo_id))?;
        let newest = notes.keysets().last();
        let newest = newest.ok_or_else(|| Error::internal("notes that are open have a keyset"))?;
        let pin = Self {
            repo: repo.name.clone(),
            repo_id: repo.repo_id,
            keyset: (newest.keyset().version(), newest.id()),
            urls: Vec::new(),
        };
        pin.at(urls)
    }

    /// The same pin, for those who can pull the repo from `urls`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if a URL cannot be in a pin file.
    pub fn at(self, urls: Vec<String>) -> Result<Self> {
        let pin = Self { urls, ..self };
        match Self::parse(&pin.encode()) {
            Ok(pin) => Ok(pin),
            Err(error) => Err(Error::usage(format!(
                "these URLs cannot be in a pin file: {error}"
            ))),
        }
    }

    /// Reads a pin file.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is none in its one spelling.
    pub fn parse(text: &str) -> Result<Self> {
        let pin = read(text).map_err(Error::text("pin file"))?;
        if pin.encode() == text {
            Ok(pin)
        } else {
            Err(Error::malformed(
                "pin file",
                "it is not in its one spelling",
            ))
        }
    }

    /// The text of the pin file.
    #[must_use]
    pub fn encode(&self) -> String {
        let Self {
            repo,
            repo_id,
            keyset: (version, id),
            urls,
        } = self;
        let mut text =
            format!("bindery pin 1\nrepo {repo}\nrepo-id {repo_id}\nkeyset {version} {id}\n");
        for url in urls {
            // Writing to a text cannot fail.
            writeln!(text, "url {url}").ok();
        }
        text
    }
}

fn read(text: &str) -> Result<Pin, TextError> {
    let mut lines = Lines::new(text.as_bytes());
    let mut first = lines.next_with("bindery")?;
    first.word("pin")?;
    first.version(1)?;
    first.end()?;
    let repo = value(&mut lines, "repo", |fields| fields.value("a repo's name"))?;
    let repo_id = value(&mut lines, "repo-id", |fields| {
        fields.value("a statement's id")
    })?;
    let keyset = value(&mut lines, "keyset", |fields| {
        Ok((fields.number()?, fields.value("a statement's id")?))
    })?;
    let mut urls = Vec::new();
    while !lines.is_at_end() {
        if urls.len() == PIN_URLS_MAX {
            return Err(lines.expected(format!("at most {PIN_URLS_MAX} urls")));
        }
        let url: String = value(&mut lines, "url", |fields| fields.value("a URL"))?;
        if url.is_empty() {
            return Err(lines.expected("a URL"));
        }
        urls.push(url);
    }
    Ok(Pin {
        repo,
        repo_id,
        keyset,
        urls,
    })
}

fn value<'a, T>(
    lines: &mut Lines<'a>,
    word: &str,
    read: impl FnOnce(&mut Fields<'a>) -> Result<T, TextError>,
) -> Result<T, TextError> {
    let mut fields = lines.next_with(word)?;
    let value = read(&mut fields)?;
    fields.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin() -> Result<Pin> {
        Ok(Pin {
            repo: "example.org/os".parse().map_err(|_| Error::usage("name"))?,
            repo_id: StatementId::of(b"first"),
            keyset: (3, StatementId::of(b"third")),
            urls: vec!["https://example.org/r/os".into(), "/srv/store".into()],
        })
    }

    #[test]
    fn a_pin_has_one_spelling() -> Result<()> {
        let text = pin()?.encode();
        assert_eq!(Pin::parse(&text)?, pin()?);
        for (find, replace, reason) in [
            ("bindery pin 1", "bindery pin 2", "another version"),
            ("keyset 3", "keyset 03", "a leading zero"),
            ("repo-id", "repoid", "another word"),
            ("url /srv", "url  /srv", "two spaces"),
            ("url /srv/store\n", "url /srv/store", "no end of line"),
            ("url /srv/store\n", "url\n", "nothing after url"),
            ("repo example.org/os\n", "", "a line is missing"),
            ("url /srv", "mirror /srv", "an unknown line"),
        ] {
            let changed = text.replace(find, replace);
            assert_ne!(changed, text);
            assert!(Pin::parse(&changed).is_err(), "{reason}");
        }
        for end in 0..text.len() {
            let is_whole_lines =
                text[..end].ends_with('\n') && text[..end].matches('\n').count() >= 4;
            assert_eq!(
                Pin::parse(&text[..end]).is_ok(),
                is_whole_lines,
                "cut at {end}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_pin_names_no_more_places_than_the_limit() -> Result<()> {
        for (urls, good) in [(0, true), (PIN_URLS_MAX, true), (PIN_URLS_MAX + 1, false)] {
            let pin = Pin {
                urls: vec!["u".to_owned(); urls],
                ..pin()?
            };
            assert_eq!(Pin::parse(&pin.encode()).is_ok(), good, "{urls}");
        }
        Ok(())
    }
}
