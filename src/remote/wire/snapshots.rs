//! What the API says about snapshots that people name.
//!
//! # Invariants
//!
//! - A [`Named`] that is made of an answer is one of what was asked for, as far as that can be told without the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::id::{HASH_BYTES, SnapshotId};
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::build::spec::{Which, is_prefix};
use crate::remote::snapshots::Named;
use crate::store::rows::SnapshotRef;

/// The snapshot that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedSaid {
    /// The repo.
    #[schemars(with = "String")]
    pub repo: RepoName,
    /// Its name in full, such as `stable@3` or `build:17`.
    pub name: String,
    /// Its id.
    #[schemars(with = "String")]
    pub snapshot: SnapshotId,
    /// The bytes of its text.
    pub size: u64,
    /// The builds in whose test repositories its objects are, if they are not published.
    pub builds: Vec<u64>,
}

impl From<Named> for NamedSaid {
    fn from(named: Named) -> Self {
        Self {
            repo: named.repo,
            name: named.name,
            snapshot: named.snapshot.id,
            size: named.snapshot.size,
            builds: named.builds,
        }
    }
}

impl NamedSaid {
    /// Takes it as what the server at `place` says the test repository of a build shows. Its objects are seen there, whether it
    /// was published or not.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if it is about something else.
    pub fn of_build(self, build: u64, place: &str) -> Result<Named> {
        let name = format!("build:{build}");
        if self.name != name {
            return Err(other_than(&name, place));
        }
        Ok(self.named(vec![build]))
    }

    /// Takes it as what the server at `place` says that a ref of a repo shows or has shown, or whose id begins like this. What
    /// all digits of an id were asked for is the snapshot of that id.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if it is about something else.
    pub fn of_ref(
        self,
        repo: &RepoName,
        name: &RefName,
        which: Which,
        place: &str,
    ) -> Result<Named> {
        let id = self.snapshot.to_string();
        let may_be_id = which == Which::Newest && is_prefix(name);
        let is_whole_id = may_be_id && name.as_str().len() == 2 * HASH_BYTES;
        let is_snapshot =
            may_be_id && self.name == id && id.starts_with(name.as_str()) && self.builds.len() <= 1;
        let is_release = match (seq_of(&self.name, name), which) {
            (None, _) => false,
            (Some(seq), Which::Seq(asked)) => seq == asked,
            (Some(_), Which::Newest | Which::Back(_)) => true,
        };
        let is_release = is_release && !is_whole_id && self.builds.is_empty();
        if self.repo != *repo || !(is_snapshot || is_release) {
            return Err(other_than(&format!("{repo}:{name}{which}"), place));
        }
        let builds = self.builds.clone();
        Ok(self.named(builds))
    }

    fn named(self, builds: Vec<u64>) -> Named {
        Named {
            repo: self.repo,
            builds,
            snapshot: SnapshotRef {
                id: self.snapshot,
                size: self.size,
            },
            name: self.name,
        }
    }
}

/// The seq in the full name of a release of a ref, such as `stable@3`.
fn seq_of(text: &str, name: &RefName) -> Option<u64> {
    let digits = text.strip_prefix(name.as_str())?.strip_prefix('@')?;
    let seq: u64 = digits.parse().ok()?;
    // It has one spelling.
    (seq.to_string() == digits).then_some(seq)
}

/// What the server says is not repeated: it may be anything.
fn other_than(asked: &str, place: &str) -> Error {
    Error::Untrusted {
        what: place.to_owned(),
        reason: format!("it was asked for {asked}, and answers with something else"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;

    type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn said(repo: &str, name: &str, builds: &[u64]) -> Outcome<NamedSaid> {
        Ok(NamedSaid {
            repo: repo.parse()?,
            name: name.to_owned(),
            snapshot: ID.parse()?,
            size: 1,
            builds: builds.to_vec(),
        })
    }

    #[test]
    fn an_answer_is_about_what_was_asked_for() -> Outcome {
        let newest = Which::Newest;
        let other = ID.replace("01", "02");
        for (asked, which, repo, name, builds, is_good) in [
            ("stable", newest, "main", "stable@3", &[][..], true),
            ("stable", newest, "evil", "stable@3", &[], false),
            ("stable", newest, "main", "stable", &[], false),
            ("stable", newest, "main", "stable@03", &[], false),
            ("stable", newest, "main", "stable@+3", &[], false),
            ("stable", newest, "main", "stable@3\u{1b}[2J", &[], false),
            ("stable", newest, "main", "stable2@3", &[], false),
            ("stable", newest, "main", "zzz@2", &[], false),
            ("stable", newest, "main", ID, &[], false),
            ("stable", newest, "main", "stable@3", &[1], false),
            ("stable", Which::Seq(1), "main", "stable@1", &[], true),
            ("stable", Which::Seq(1), "main", "stable@2", &[], false),
            ("stable", Which::Back(1), "main", "stable@2", &[], true),
            (&ID[..8], newest, "main", ID, &[], true),
            (&ID[..8], newest, "main", ID, &[7], true),
            (&ID[..8], newest, "main", ID, &[7, 8], false),
            (&ID[..8], newest, "main", &other, &[], false),
            (&ID[1..9], newest, "main", ID, &[], false),
            (&ID[..8], Which::Seq(1), "main", ID, &[], false),
            (&ID[..8], newest, "main", "01234567@2", &[], true),
            (ID, newest, "main", ID, &[], true),
            (&other, newest, "main", ID, &[], false),
            (&other, newest, "main", &format!("{other}@2"), &[], false),
        ] {
            let (main, asked) = ("main".parse()?, asked.parse()?);
            let named = said(repo, name, builds)?.of_ref(&main, &asked, which, "there");
            let found = named.map(|named| named.name).map_err(|error| error.kind());
            let expected = is_good.then(|| name.to_owned()).ok_or(Kind::Integrity);
            assert_eq!(found, expected, "{asked}{which} {repo} {name} {builds:?}");
        }
        Ok(())
    }

    #[test]
    fn what_a_build_shows_is_seen_below_it() -> Outcome {
        for builds in [&[][..], &[3], &[4]] {
            let named = said("main", "build:3", builds)?.of_build(3, "there")?;
            assert_eq!(named.builds, [3]);
        }
        let other = said("main", "build:4", &[])?.of_build(3, "there");
        assert_eq!(other.map_err(|error| error.kind()), Err(Kind::Integrity));
        Ok(())
    }
}
