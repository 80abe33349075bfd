//! Ref statements: each moves one ref.
//!
//! ```text
//! bindery/ref/v1
//! repo example.org/os
//! repo-id <id of the first keyset>
//! ref stable
//! epoch 1
//! seq 42
//! action publish
//! snapshot <size> <id>
//! prev <id of seq 41>
//! keyset 3
//! time 2026-11-22T09:00:00Z
//! expires -
//! ```
//!
//! # Invariants
//!
//! - `end` has no snapshot; every other action has one of at most [`SNAPSHOT_BYTES_MAX`] bytes.
//! - `(epoch, seq)` orders the statements of a ref; `(1, 1)` has no `prev`. A later one
//!   has none only if the numbers before it were given to texts that never became visible.
//! - The fields are free to be set; what breaks a rule cannot be encoded, and so not be signed.
//!
//! # Not here
//!
//! That no second text is ever signed for the same `(repo, ref, epoch, seq)` (`store`), that each statement names the
//! one before (whoever reads the chain).

use super::form::{self, Form};
use super::keyset::Keyset;
use super::role::Role;
use super::signed::{Claim, Governed};
use super::statement::Extensions;
use crate::base::Result;
use crate::base::clock::Time;
use crate::base::id::{SnapshotId, StatementId};
use crate::base::limits::{REF_STATEMENT_BYTES_MAX, SNAPSHOT_BYTES_MAX};
use crate::base::name::{RefName, RepoName};
use crate::base::text::{Fields, Lines, TextError};

/// The statement that moves a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefStatement {
    /// The repo.
    pub repo: RepoName,
    /// The id of the repo's first keyset.
    pub repo_id: StatementId,
    /// The ref.
    pub ref_name: RefName,
    /// The epoch of the keyset, from 1. Only the root can raise it, which cures a run-away `seq`.
    pub epoch: u64,
    /// Counts the statements of this ref and epoch from 1.
    pub seq: u64,
    /// What happens to the ref.
    pub action: Action,
    /// The statement before, if there is one.
    pub prev: Option<StatementId>,
    /// The version of the keyset it is made under, from 1.
    pub keyset: u64,
    /// When it was made.
    pub time: Time,
    /// From when on it is no longer fresh, if ever.
    pub expires: Option<Time>,
    /// Lines this version gives no meaning.
    pub extensions: Extensions,
}

/// What a statement does to its ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves it forward to a new release.
    Publish(SnapshotRef),
    /// Moves it to the snapshot of an earlier release.
    Rewind(SnapshotRef),
    /// Ends the ref: there will be no more releases, and there is no current one.
    End,
}

/// A snapshot, by id and exact size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRef {
    /// Bytes of the snapshot's text, at most [`SNAPSHOT_BYTES_MAX`].
    pub size: u64,
    /// Its id.
    pub id: SnapshotId,
}

impl Action {
    /// The word of the `action` line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Rewind(_) => "rewind",
            Self::End => "end",
        }
    }

    /// Where the ref points afterwards.
    #[must_use]
    pub const fn snapshot(self) -> Option<SnapshotRef> {
        match self {
            Self::Publish(snapshot) | Self::Rewind(snapshot) => Some(snapshot),
            Self::End => None,
        }
    }

    /// Reads the two lines `action` and `snapshot`.
    fn read(lines: &mut Lines<'_>) -> Result<Self, TextError> {
        let word = form::read_line(lines, "action", Fields::field)?;
        let unknown = lines.expected("'publish', 'rewind' or 'end'");
        form::read_line(lines, "snapshot", |fields| match word {
            b"publish" => SnapshotRef::read(fields).map(Self::Publish),
            b"rewind" => SnapshotRef::read(fields).map(Self::Rewind),
            b"end" => fields.word("-").map(|()| Self::End),
            _ => Err(unknown),
        })
    }

    fn write(self) -> String {
        let word = self.word();
        match self.snapshot() {
            Some(SnapshotRef { size, id }) => format!("action {word}\nsnapshot {size} {id}\n"),
            None => format!("action {word}\nsnapshot -\n"),
        }
    }
}

impl SnapshotRef {
    fn read(fields: &mut Fields<'_>) -> Result<Self, TextError> {
        Ok(Self {
            size: fields.number()?,
            id: fields.value("a snapshot's id")?,
        })
    }
}

impl Form for RefStatement {
    const NAME: &'static str = "ref statement";
    const DOMAIN: &'static str = "bindery/ref/v1";
    const BYTES_MAX: u64 = REF_STATEMENT_BYTES_MAX;

    fn read(lines: &mut Lines<'_>) -> Result<Self, TextError> {
        Ok(Self {
            repo: form::read_value(lines, "repo", "a repo's name")?,
            repo_id: form::read_value(lines, "repo-id", "a statement's id")?,
            ref_name: form::read_value(lines, "ref", "a ref's name")?,
            epoch: form::read_number(lines, "epoch")?,
            seq: form::read_number(lines, "seq")?,
            action: Action::read(lines)?,
            prev: form::read_optional(lines, "prev", "a statement's id or '-'")?,
            keyset: form::read_number(lines, "keyset")?,
            time: form::read_value(lines, "time", "a time")?,
            expires: form::read_optional(lines, "expires", "a time or '-'")?,
            extensions: Extensions::read(lines)?,
        })
    }

    fn write(&self) -> String {
        format!(
            "repo {}\nrepo-id {}\nref {}\nepoch {}\nseq {}\n{}prev {}\nkeyset {}\ntime {}\nexpires {}\n{}",
            self.repo,
            self.repo_id,
            self.ref_name,
            self.epoch,
            self.seq,
            self.action.write(),
            form::or_dash(self.prev),
            self.keyset,
            self.time,
            form::or_dash(self.expires),
            self.extensions.write(),
        )
    }

    fn check(&self) -> Result<()> {
        form::check_counted::<Self>("epoch", self.epoch)?;
        form::check_counted::<Self>("seq", self.seq)?;
        form::check_counted::<Self>("keyset", self.keyset)?;
        form::check_expires::<Self>(self.time, self.expires)?;
        if (self.epoch, self.seq) == (1, 1) && self.prev.is_some() {
            return Err(Self::malformed("seq 1 of epoch 1 has a prev"));
        }
        match self.action.snapshot() {
            Some(SnapshotRef { size, .. }) if size > SNAPSHOT_BYTES_MAX => Err(Self::malformed(
                format!("a snapshot of {size} bytes, where {SNAPSHOT_BYTES_MAX} are the most"),
            )),
            _ => Ok(()),
        }
    }
}

impl Governed for RefStatement {
    fn claim(&self) -> Claim<'_> {
        Claim {
            repo: &self.repo,
            repo_id: self.repo_id,
            epoch: self.epoch,
            keyset: self.keyset,
        }
    }

    fn role<'k>(&self, keyset: &'k Keyset) -> Option<&'k Role> {
        keyset.publishers(&self.ref_name)
    }

    fn describe(&self) -> String {
        format!("statement {}@{}", self.ref_name, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::keyset_chain::TrustedKeyset;
    use crate::trust::note::Note;
    use crate::trust::secret_key::SecretKey;
    use crate::trust::signed::{Signed, Unverified, Verified};
    use crate::trust::statement::Statement;
    use crate::trust::testing::{TIME, line, mutations, one_key, ref_name, secret_key};

    fn statement(trusted: &TrustedKeyset) -> Result<RefStatement> {
        Ok(RefStatement {
            repo: trusted.keyset().repo().clone(),
            repo_id: trusted.repo_id(),
            ref_name: ref_name("app/editor")?,
            epoch: 1,
            seq: 2,
            action: Action::Publish(SnapshotRef {
                size: 300,
                id: SnapshotId::of(b"snapshot"),
            }),
            prev: Some(StatementId::of(b"seq 1")),
            keyset: 1,
            time: TIME.parse()?,
            expires: None,
            extensions: Extensions::default(),
        })
    }

    fn verify(
        text: String,
        key: &SecretKey,
        keyset: &TrustedKeyset,
    ) -> Result<Signed<RefStatement, Verified>> {
        Signed::<RefStatement, Unverified>::parse(&Note::sign(text, &[key])?.encode())?
            .verify(keyset)
    }

    #[test]
    fn a_statement_is_the_text_of_its_format() -> Result<()> {
        let trusted = one_key(&secret_key("ana", 1)?)?;
        let text = format!(
            "bindery/ref/v1\nrepo example.org/os\nrepo-id {}\nref app/editor\nepoch 1\nseq 2\naction publish\n\
             snapshot 300 {}\nprev {}\nkeyset 1\ntime {TIME}\nexpires -\n",
            trusted.repo_id(),
            SnapshotId::of(b"snapshot"),
            StatementId::of(b"seq 1"),
        );
        assert_eq!(statement(&trusted)?.encode()?, text);
        assert_eq!(RefStatement::parse(&text)?, statement(&trusted)?);
        Ok(())
    }

    #[test]
    fn every_action_reads_back() -> Result<()> {
        let mut statement = statement(&one_key(&secret_key("ana", 1)?)?)?;
        let snapshot = SnapshotRef {
            size: 0,
            id: SnapshotId::of(b"x"),
        };
        for action in [
            Action::Publish(snapshot),
            Action::Rewind(snapshot),
            Action::End,
        ] {
            statement.action = action;
            statement.expires = Some(statement.time.plus_seconds(1));
            assert_eq!(RefStatement::parse(&statement.encode()?)?, statement);
        }
        Ok(())
    }

    #[test]
    fn a_verified_statement_has_a_value() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        let text = statement(&trusted)?.encode()?;
        let signed = verify(text.clone(), &key, &trusted)?;
        assert_eq!(signed.value(), &statement(&trusted)?);
        assert_eq!(signed.id(), StatementId::of(text.as_bytes()));
        assert_eq!(signed.id(), signed.value().id()?);
        assert_eq!(signed.note().text(), text);
        assert_eq!(signed.into_value(), statement(&trusted)?);
        Ok(())
    }

    #[test]
    fn every_damage_to_a_signed_statement_is_noticed() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        for bytes in mutations(&Note::sign(statement(&trusted)?.encode()?, &[&key])?.encode()) {
            let signed = Signed::<RefStatement, Unverified>::parse(&bytes);
            assert!(signed.and_then(|signed| signed.verify(&trusted)).is_err());
        }
        Ok(())
    }

    #[test]
    fn a_text_that_is_signed_and_wrong_is_refused() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let trusted = one_key(&key)?;
        let text = statement(&trusted)?.encode()?;
        let snapshot = line(&text, "snapshot");
        for (find, replace, reason) in [
            ("ref/v1", "heads/v1", "another domain"),
            ("ref app/editor\n", "", "a line is missing"),
            (
                "ref app/editor\n",
                "ref app/editor\nref app/editor\n",
                "a doubled line",
            ),
            ("epoch 1\nseq 2\n", "seq 2\nepoch 1\n", "the order of lines"),
            ("ref app", "ref ../app", "no ref's name"),
            ("repo example", "repo  example", "two spaces"),
            ("epoch 1", "epoch 0", "epochs begin with 1"),
            ("seq 2", "seq 0", "numbers begin with 1"),
            ("seq 2", "seq 02", "a number with a zero before it"),
            ("seq 2", "seq 1", "nothing is before the first"),
            ("seq 2", "seq 18446744073709551616", "a number of 65 bits"),
            ("keyset 1", "keyset 0", "keysets begin with 1"),
            ("publish", "unpublish", "no action"),
            ("publish", "end", "an end with a snapshot"),
            (snapshot, "snapshot -\n", "a publish without a snapshot"),
            (
                "snapshot 300",
                "snapshot 131073",
                "a snapshot above the limit",
            ),
            ("snapshot 300 ", "snapshot ", "a snapshot without a size"),
            (snapshot, &snapshot.to_uppercase(), "upper case"),
            ("00Z", "00+00:00", "a time in another spelling"),
            (
                "expires -",
                "expires 2026-11-22T09:00:00Z",
                "it expires when it is made",
            ),
            ("expires -\n", "expires -\ny 1\n", "an unknown line"),
            (
                "expires -\n",
                "expires -\nx-a 1\nx-a 2\n",
                "a doubled extension",
            ),
            ("expires -\n", "expires -\n\n", "an empty line"),
        ] {
            assert!(text.contains(find), "{find}");
            let found = verify(text.replacen(find, replace, 1), &key, &trusted);
            assert!(
                matches!(found, Err(crate::base::Error::Malformed { .. })),
                "{reason}: {found:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn what_could_not_be_read_again_is_not_encoded() -> Result<()> {
        let good = statement(&one_key(&secret_key("ana", 1)?)?)?;
        let mut zero = good.clone();
        zero.seq = 0;
        let mut doubled = good.clone();
        (doubled.epoch, doubled.seq) = (1, 1);
        let mut stale = good.clone();
        stale.expires = Some(good.time);
        for bad in [zero, doubled, stale] {
            assert!(bad.encode().is_err(), "{bad:?}");
        }
        let text = good.encode()?;
        let room = usize::try_from(REF_STATEMENT_BYTES_MAX).unwrap_or_default()
            - text.len()
            - "x-pad \n".len();
        assert!(RefStatement::parse(&format!("{text}x-pad {}\n", "x".repeat(room))).is_ok());
        assert!(RefStatement::parse(&format!("{text}x-pad {}\n", "x".repeat(room + 1))).is_err());
        Ok(())
    }

    #[test]
    fn a_statement_for_something_else_is_not_trusted() -> Result<()> {
        let (key, stranger) = (secret_key("ana", 1)?, secret_key("ana", 2)?);
        let trusted = one_key(&key)?;
        let text = statement(&trusted)?.encode()?;
        let (repo_id, other) = (
            trusted.repo_id().to_string(),
            StatementId::of(b"").to_string(),
        );
        for (find, replace, key, reason) in [
            ("example.org/os", "example.org/other", &key, "another repo"),
            (
                repo_id.as_str(),
                other.as_str(),
                &key,
                "a repo of the same name",
            ),
            (
                "epoch 1",
                "epoch 2",
                &key,
                "an epoch that the root did not raise",
            ),
            ("keyset 1", "keyset 2", &key, "another keyset"),
            ("", "", &stranger, "an unknown key of a known name"),
        ] {
            let found = verify(text.replacen(find, replace, 1), key, &trusted);
            assert!(
                matches!(found, Err(crate::base::Error::Untrusted { .. })),
                "{reason}: {found:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_ref_is_moved_by_its_publishers_alone() -> Result<()> {
        let (ana, ci) = (secret_key("ana", 1)?, secret_key("ci", 2)?);
        let text = one_key(&ana)?.note().text().to_owned();
        let key = line(&text, "key");
        let text = text
            .replace(key, &format!("{key}key {}\n", ci.public()))
            .replace(
                "role publish ** 1 ana\n",
                "role publish app/** 2 ana ci\nrole publish next 1 ci\n",
            );
        let trusted = TrustedKeyset::first(&Note::sign(text, &[&ana])?.encode(), None)?;
        for (name, keys, good, reason) in [
            ("app/editor", vec![&ana, &ci], true, "both"),
            ("app/editor", vec![&ci], false, "one of two"),
            ("app/editor", vec![&ci, &ci], false, "one of two, twice"),
            ("next", vec![&ci], true, "the one"),
            ("next", vec![&ana], false, "a key of other roles"),
            ("other", vec![&ana, &ci], false, "a ref of nobody"),
        ] {
            let mut statement = statement(&trusted)?;
            statement.ref_name = ref_name(name)?;
            let note = Note::sign(statement.encode()?, &keys)?.encode();
            let found = Signed::<RefStatement, Unverified>::parse(&note)?.verify(&trusted);
            assert_eq!(found.is_ok(), good, "{name} by {reason}");
        }
        Ok(())
    }
}
