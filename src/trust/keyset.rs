//! Keysets: which keys there are, and whose signatures each thing needs.
//!
//! ```text
//! bindery/keyset/v1
//! repo example.org/os
//! version 3
//! prev <id of version 2>
//! format 1
//! epoch 1
//! time 2026-11-22T09:00:00Z
//! expires 2027-11-22T09:00:00Z
//! key ana ed25519 <base64>
//! key ci ed25519 <base64>
//! role root 1 ana
//! role publish stable 1 ana
//! role publish ** 1 ci
//! role heads 1 ci
//! ```
//!
//! # Invariants
//!
//! - No name and no public key is listed twice, so names of one keyset stand for distinct public keys.
//! - Every role can be met: see [`Role`].
//! - Version 1 has no `prev`; every other version has one.
//!
//! # Not here
//!
//! Whether a keyset is to be believed (`trust::keyset_chain`), whether it has expired (whoever pulls).

use std::collections::HashSet;

use super::form::{self, Form};
use super::key::PublicKey;
use super::pattern::RefPattern;
use super::role::Role;
use super::statement::Extensions;
use crate::base::clock::Time;
use crate::base::id::StatementId;
use crate::base::limits::KEYSET_BYTES_MAX;
use crate::base::name::{RefName, RepoName};
use crate::base::text::{Fields, Lines, TextError};
use crate::base::{Error, Result};

/// The format of repos that this program reads and writes.
pub const REPO_FORMAT: u64 = 1;

/// One version of a repo's keys and roles. Proves nothing by itself: see
/// [`TrustedKeyset`](super::keyset_chain::TrustedKeyset).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    repo: RepoName,
    version: u64,
    prev: Option<StatementId>,
    format: u64,
    epoch: u64,
    time: Time,
    expires: Option<Time>,
    keys: Vec<PublicKey>,
    root: Role,
    publish: Vec<(RefPattern, Role)>,
    heads: Role,
    extensions: Extensions,
}

impl Keyset {
    /// The first keyset of a repo with one key, which does everything and does not expire.
    #[must_use]
    pub fn one_key(repo: RepoName, key: PublicKey, time: Time) -> Self {
        let role = Role::one_key(key.name().clone());
        Self {
            repo,
            version: 1,
            prev: None,
            format: REPO_FORMAT,
            epoch: 1,
            time,
            expires: None,
            keys: vec![key],
            root: role.clone(),
            publish: vec![(RefPattern::All, role.clone())],
            heads: role,
            extensions: Extensions::default(),
        }
    }

    /// The same keyset with other extensions.
    #[must_use]
    pub fn with_extensions(self, extensions: Extensions) -> Self {
        Self { extensions, ..self }
    }

    /// The repo.
    #[must_use]
    pub const fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// Counts the keysets of the repo from 1.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The version before, unless this is the first.
    #[must_use]
    pub const fn prev(&self) -> Option<StatementId> {
        self.prev
    }

    /// The epoch of the statements made under this keyset, from 1.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When it was made.
    #[must_use]
    pub const fn time(&self) -> Time {
        self.time
    }

    /// From when on it is no longer fresh, if ever.
    #[must_use]
    pub const fn expires(&self) -> Option<Time> {
        self.expires
    }

    /// All keys, in the order of their lines.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Who may make the next keyset.
    #[must_use]
    pub const fn root(&self) -> &Role {
        &self.root
    }

    /// Who may publish to `name`: the role of the first pattern that matches it. `None`: nobody.
    #[must_use]
    pub fn publishers(&self, name: &RefName) -> Option<&Role> {
        let mut lines = self.publish.iter();
        lines
            .find(|(pattern, _)| pattern.matches(name))
            .map(|(_, role)| role)
    }

    /// Who may say which statements are current.
    #[must_use]
    pub const fn heads(&self) -> &Role {
        &self.heads
    }

    /// The lines this version gives no meaning.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn check_keys(&self) -> Result<()> {
        let mut names = HashSet::new();
        let mut points = HashSet::new();
        for key in &self.keys {
            if !names.insert(key.name()) {
                return Err(Self::malformed(format!(
                    "key {} is listed twice",
                    key.name()
                )));
            }
            if !points.insert(key.as_bytes()) {
                return Err(Self::malformed(format!(
                    "key {} is listed under another name too",
                    key.name()
                )));
            }
        }
        let publish = self.publish.iter().map(|(_, role)| role);
        for role in [&self.root, &self.heads].into_iter().chain(publish) {
            role.check_keys(&names).map_err(Self::malformed)?;
        }
        Ok(())
    }
}

impl Form for Keyset {
    const NAME: &'static str = "keyset";
    const DOMAIN: &'static str = "bindery/keyset/v1";
    const BYTES_MAX: u64 = KEYSET_BYTES_MAX;

    fn read(lines: &mut Lines<'_>) -> Result<Self, TextError> {
        Ok(Self {
            repo: form::read_value(lines, "repo", "a repo's name")?,
            version: form::read_number(lines, "version")?,
            prev: form::read_optional(lines, "prev", "a statement's id or '-'")?,
            format: form::read_number(lines, "format")?,
            epoch: form::read_number(lines, "epoch")?,
            time: form::read_value(lines, "time", "a time")?,
            expires: form::read_optional(lines, "expires", "a time or '-'")?,
            keys: read_keys(lines)?,
            root: read_role(lines, "root", Role::read)?,
            publish: read_publish(lines)?,
            heads: read_role(lines, "heads", Role::read)?,
            extensions: Extensions::read(lines)?,
        })
    }

    fn write(&self) -> String {
        let keys = self.keys.iter().map(|key| format!("key {key}\n"));
        let publish = self.publish.iter();
        let publish =
            publish.map(|(pattern, role)| format!("role publish {pattern} {}\n", role.write()));
        format!(
            "repo {}\nversion {}\nprev {}\nformat {}\nepoch {}\ntime {}\nexpires {}\n\
             {}role root {}\n{}role heads {}\n{}",
            self.repo,
            self.version,
            form::or_dash(self.prev),
            self.format,
            self.epoch,
            self.time,
            form::or_dash(self.expires),
            keys.collect::<Vec<_>>().concat(),
            self.root.write(),
            publish.collect::<Vec<_>>().concat(),
            self.heads.write(),
            self.extensions.write(),
        )
    }

    fn check(&self) -> Result<()> {
        if self.format > REPO_FORMAT {
            return Err(Error::NewerFormat {
                path: format!("keyset {} of {}", self.version, self.repo).into(),
                found: self.format,
                supported: REPO_FORMAT,
            });
        }
        form::check_counted::<Self>("format", self.format)?;
        form::check_counted::<Self>("version", self.version)?;
        form::check_counted::<Self>("epoch", self.epoch)?;
        form::check_expires::<Self>(self.time, self.expires)?;
        if self.prev.is_none() != (self.version == 1) {
            return Err(Self::malformed("version 1 alone has no prev"));
        }
        let mut patterns = HashSet::new();
        if let Some((twice, _)) = self
            .publish
            .iter()
            .find(|(pattern, _)| !patterns.insert(pattern))
        {
            return Err(Self::malformed(format!("{twice} has two publish lines")));
        }
        self.check_keys()
    }
}

fn read_keys(lines: &mut Lines<'_>) -> Result<Vec<PublicKey>, TextError> {
    let mut keys = Vec::new();
    while lines.starts_with("key") {
        let key = form::read_line(lines, "key", |fields| {
            let text = std::str::from_utf8(fields.remainder()?);
            let text = text.map_err(|_| fields.expected("a public key"))?;
            text.parse()
                .map_err(|error| fields.expected(format!("a sound public key, but {error}")))
        })?;
        keys.push(key);
    }
    Ok(keys)
}

fn read_role<'a, T>(
    lines: &mut Lines<'a>,
    word: &str,
    read: impl FnOnce(&mut Fields<'a>) -> Result<T, TextError>,
) -> Result<T, TextError> {
    form::read_line(lines, "role", |fields| {
        fields.word(word)?;
        read(fields)
    })
}

fn read_publish(lines: &mut Lines<'_>) -> Result<Vec<(RefPattern, Role)>, TextError> {
    let mut publish = Vec::new();
    while lines.starts_with("role publish") {
        publish.push(read_role(lines, "publish", |fields| {
            Ok((fields.value("a pattern of refs")?, Role::read(fields)?))
        })?);
    }
    Ok(publish)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::statement::Statement;
    use crate::trust::testing::{TIME, line, mutations, one_key, ref_name, secret_key};

    /// A keyset with three keys and several publish lines.
    fn text() -> Result<String> {
        let [ana, ben, ci] =
            [("ana", 1), ("ben", 2), ("ci", 3)].map(|(name, seed)| secret_key(name, seed));
        Ok(format!(
            "bindery/keyset/v1\nrepo example.org/os\nversion 2\nprev {}\nformat 1\nepoch 1\ntime {TIME}\nexpires -\n\
             key {}\nkey {}\nkey {}\nrole root 2 ana ben\nrole publish stable 2 ana ben\nrole publish app/** 1 ana\n\
             role publish ** 1 ci\nrole heads 1 ci\nx-note any text\n",
            StatementId::of(b"1"),
            ana?.public(),
            ben?.public(),
            ci?.public(),
        ))
    }

    #[test]
    fn a_keyset_reads_back_as_it_was_written() -> Result<()> {
        let text = text()?;
        let keyset = Keyset::parse(&text)?;
        assert_eq!(keyset.encode()?, text);
        assert_eq!(keyset.id()?, StatementId::of(text.as_bytes()));
        assert_eq!(
            keyset.extensions().iter().collect::<Vec<_>>(),
            [("x-note", "any text")]
        );
        for bytes in mutations(text.as_bytes()) {
            if let Some(keyset) = std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| Keyset::parse(text).ok())
            {
                assert_eq!(keyset.encode()?.into_bytes(), bytes);
            }
        }
        Ok(())
    }

    #[test]
    fn the_first_pattern_that_matches_decides() -> Result<()> {
        let keyset = Keyset::parse(&text()?)?;
        for (name, threshold, first) in [
            ("stable", 2, "ana"),
            ("app/editor", 1, "ana"),
            ("app", 1, "ci"),
        ] {
            let role = keyset.publishers(&ref_name(name)?);
            let found = role.map(|role| (role.threshold(), role.keys()[0].as_str()));
            assert_eq!(found, Some((threshold, first)), "{name}");
        }
        let closed = Keyset::parse(&text()?.replace("role publish ** 1 ci\n", ""))?;
        assert_eq!(closed.publishers(&ref_name("other")?), None);
        Ok(())
    }

    #[test]
    fn a_keyset_that_says_something_twice_or_wrongly_is_refused() -> Result<()> {
        let text = text()?;
        let ana = line(&text, "key");
        for (find, replace, reason) in [
            ("keyset/v1", "keyset/v2", "another domain"),
            ("version 2", "version 02", "a number with a zero before it"),
            ("version 2", "version 0", "versions begin with 1"),
            ("version 2", "version 1", "the first has no prev"),
            (line(&text, "prev"), "prev -\n", "a later one has a prev"),
            (line(&text, "prev"), "", "a line is missing"),
            ("format 1", "format 0", "formats begin with 1"),
            (
                "format 1\nepoch 1",
                "epoch 1\nformat 1",
                "the order of lines",
            ),
            ("epoch 1\n", "epoch 1\nepoch 1\n", "a doubled line"),
            ("epoch 1", "epoch 0", "epochs begin with 1"),
            (
                "expires -",
                "expires 2026-11-22T09:00:00Z",
                "it expires when it is made",
            ),
            ("expires -", "expires never", "no time"),
            ("key ana", "key ben", "two keys of one name"),
            (
                ana,
                &format!("{ana}{}", ana.replace(" ana ", " alias ")),
                "two names of one key",
            ),
            (
                ana,
                "key ana ed25519 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                "a key of small order",
            ),
            (ana, "", "a role names a key that is not there"),
            ("root 2 ana ben", "root 3 ana ben", "more than there are"),
            ("root 2 ana ben", "root 0 ana ben", "a threshold of none"),
            ("root 2 ana ben", "root 2 ana ana", "one key named twice"),
            ("root 2 ana ben", "root 2 ana  ben", "two spaces"),
            ("root 2 ana ben", "root 2", "a role without keys"),
            ("role root 2 ana ben\n", "", "no root"),
            ("role heads 1 ci\n", "", "no heads"),
            (
                "publish app/**",
                "publish stable",
                "two lines for one pattern",
            ),
            ("publish app/**", "publish app/*", "no pattern"),
            ("x-note any text", "note any text", "an unknown line"),
        ] {
            assert!(text.contains(find), "{find}");
            assert!(
                Keyset::parse(&text.replacen(find, replace, 1)).is_err(),
                "{reason}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_newer_format_is_said_to_be_newer() -> Result<()> {
        let found = Keyset::parse(&text()?.replace("format 1", "format 2"));
        assert!(matches!(
            found,
            Err(Error::NewerFormat {
                found: 2,
                supported: 1,
                ..
            })
        ));
        Ok(())
    }

    #[test]
    fn a_keyset_has_a_largest_size() -> Result<()> {
        let text = text()?;
        let room =
            usize::try_from(KEYSET_BYTES_MAX).unwrap_or_default() - text.len() - "x-pad \n".len();
        assert!(Keyset::parse(&format!("{text}x-pad {}\n", "x".repeat(room))).is_ok());
        assert!(Keyset::parse(&format!("{text}x-pad {}\n", "x".repeat(room + 1))).is_err());
        Ok(())
    }

    #[test]
    fn one_key_does_everything() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        let keyset = trusted.keyset();
        let signers = [key.public()];
        for role in [
            Some(keyset.root()),
            Some(keyset.heads()),
            keyset.publishers(&ref_name("any/ref")?),
        ] {
            assert!(role.is_some_and(|role| role.check("it", &signers).is_ok()));
        }
        assert!(keyset.root().check("it", &[]).is_err());
        assert_eq!(
            (keyset.version(), keyset.epoch(), keyset.prev()),
            (1, 1, None)
        );
        assert_eq!((keyset.time(), keyset.expires()), (TIME.parse()?, None));
        Ok(())
    }
}
