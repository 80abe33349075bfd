//! Each step of a pull, and what an origin may say instead of the truth: the lie is detected and named, and the copy is as
//! it was.

use std::collections::BTreeMap;

use bindery::base::clock::Time;
use bindery::base::id::StatementId;
use bindery::base::name::RefName;
use bindery::base::{Error, Kind, Result};
use bindery::remote::origin::Origin;
use bindery::store::note_files::NoteFiles;
use bindery::trust::heads::Heads;
use bindery::trust::note::Note;
use bindery::trust::ref_statement::{Action, RefStatement, SnapshotRef};
use bindery::trust::refs_list::{RefsEntry, RefsList};
use bindery::trust::secret_key::SecretKey;
use bindery::trust::statement::{Extensions, Statement};

use super::liar::Liar;
use super::pair::{PULLED_AT, Pair};
use crate::shelf::{files, moment, ref_name};
use crate::support::forge::{self, flipped};

/// A pair that followed the first of two releases, and what a forger needs who has the keys, or has none.
pub struct Forger {
    pub pair: Pair,
    /// The note of heads that the copy has seen.
    old_heads: Vec<u8>,
    old_list: Vec<u8>,
    key: SecretKey,
    stranger: SecretKey,
}

impl Forger {
    pub fn new() -> Result<Self> {
        let pair = Pair::following(&files(&[("f", "1"), ("g", "same")]))?;
        let (old_heads, old_list) = current(&pair)?;
        pair.origin
            .release("stable", &files(&[("f", "2"), ("h", "new")]))?;
        let key = pair.origin.store.key(&pair.repo()?.key)?;
        let stranger = SecretKey::generate(key.name().clone())?;
        Ok(Self {
            pair,
            old_heads,
            old_list,
            key,
            stranger,
        })
    }

    /// The heads statement that is true, changed and signed.
    fn heads(&self, key: &SecretKey, change: impl Fn(&mut Heads)) -> Result<Vec<u8>> {
        forge::heads(&current(&self.pair)?.0, &[key], change)
    }

    /// Heads that name another list of refs, with the list.
    fn relist(
        &self,
        change: impl Fn(&mut BTreeMap<RefName, RefsEntry>),
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let (refs, list) = forge::refs_list(&current(&self.pair)?.1, change)?;
        Ok((self.heads(&self.key, |heads| heads.refs = refs)?, list))
    }

    /// The statement that `stable` shows, changed and signed, with heads and list that name it.
    fn restate(&self, key: &SecretKey, change: impl Fn(&mut RefStatement)) -> Result<Forged> {
        let list = RefsList::decode(&current(&self.pair)?.1)?;
        let entry = list.get(&ref_name("stable")?);
        let entry = entry.ok_or_else(|| Error::internal("it was released"))?;
        let note = self.pair.honest()?.statement(entry.id)?;
        let (entry, note) = forge::statement(&note, &[key], change)?;
        let name = ref_name("stable")?;
        let (heads, list) = self.relist(|entries| {
            entries.insert(name.clone(), entry);
        })?;
        Ok(Forged {
            heads,
            list,
            id: entry.id,
            note,
        })
    }

    /// Expects a lie to be seen, and nothing to be changed by it.
    pub fn check(&self, reason: &str, said: &str, lie: impl FnOnce(&mut Liar<'_>)) -> Result<()> {
        self.check_kind(reason, said, Kind::Integrity, lie)
    }

    fn check_kind(
        &self,
        reason: &str,
        said: &str,
        kind: Kind,
        lie: impl FnOnce(&mut Liar<'_>),
    ) -> Result<()> {
        let honest = self.pair.honest()?;
        let mut liar = Liar::new(&honest);
        lie(&mut liar);
        let before = self.pair.state()?;
        match self.pair.pull_from(&liar) {
            Ok(answer) => return Err(Error::internal(format!("{reason}: believed: {answer:?}"))),
            Err(error) => {
                assert_eq!(error.kind(), kind, "{reason}: {error}");
                let text = error.to_string();
                assert!(text.contains(said), "{reason}: {said:?} is not in {text:?}");
            }
        }
        assert_eq!(self.pair.state()?, before, "{reason}");
        self.pair.check_copy()
    }

    /// After all the lies, the truth is still believed.
    pub fn finish(&self) -> Result<()> {
        self.pair.pull()?;
        let expected = files(&[("f", "2"), ("g", "same"), ("h", "new")]);
        self.pair.check_shows("stable", &expected)
    }
}

/// A statement that nobody made, and what names it.
struct Forged {
    heads: Vec<u8>,
    list: Vec<u8>,
    id: StatementId,
    note: Vec<u8>,
}

impl Forged {
    fn tell(self, liar: &mut Liar<'_>) {
        let Self {
            heads,
            list,
            id,
            note,
        } = self;
        liar.heads = Box::new(move |_| heads.clone());
        liar.refs_list = Box::new(move |_, _| Ok(list.clone()));
        liar.statement = Box::new(move |asked, honest| {
            if asked == id {
                Ok(note.clone())
            } else {
                honest
            }
        });
    }
}

/// The note of heads, and the list of refs, that an origin shows.
fn current(pair: &Pair) -> Result<(Vec<u8>, Vec<u8>)> {
    let files = NoteFiles::new(pair.origin.store.disk(), pair.origin.repo.clone());
    let missing = || Error::internal("it was released");
    let note = files.heads()?.ok_or_else(missing)?;
    let heads = Heads::parse(Note::parse(&note, 1 << 16)?.text())?;
    Ok((note, files.refs_list(heads.refs.hash)?.ok_or_else(missing)?))
}

fn later(seconds: u64) -> Result<Time> {
    moment(PULLED_AT + seconds)
}

/// What a forger changes in a statement.
type Change<'c> = &'c dyn Fn(&mut RefStatement);

#[test]
fn keysets_follow_each_other() -> Result<()> {
    let forger = Forger::new()?;
    let first = forger.pair.honest()?.keyset(1)?.unwrap_or_default();
    for (reason, said, note) in [
        (
            "the first one again",
            "it does not follow version 1",
            first.clone(),
        ),
        ("one that is no note", "note", b"keyset".to_vec()),
        ("nothing at all", "note", Vec::new()),
        ("a flipped byte", "signature", flipped(first, 60)),
    ] {
        forger.check(reason, said, |liar| {
            liar.keyset = Box::new(move |version, honest| {
                if version == 2 {
                    Some(note.clone())
                } else {
                    honest
                }
            });
        })?;
    }
    forger.finish()
}

#[test]
fn heads_never_go_back_and_are_fresh() -> Result<()> {
    let forger = Forger::new()?;
    let (key, stranger) = (&forger.key, &forger.stranger);
    let (too_late, passed) = (later(301)?, moment(PULLED_AT)?);
    let other_repo = "example.org/other"
        .parse()
        .map_err(|_| Error::usage("name"))?;
    let truth = current(&forger.pair)?.0;
    for (reason, said, note) in [
        ("a flipped byte", "signature", flipped(truth.clone(), 100)),
        ("cut short", "note", truth[..truth.len() / 2].to_vec()),
        (
            "somebody else signed it",
            "no known key",
            forger.heads(stranger, |_| {})?,
        ),
        (
            "of another repo",
            "it is for",
            forger.heads(key, |heads| heads.repo.clone_from(&other_repo))?,
        ),
        (
            "of another trust root",
            "it is for",
            forger.heads(key, |heads| heads.repo_id = StatementId::of(b"another"))?,
        ),
        (
            "under a keyset that is not there",
            "it is for",
            forger.heads(key, |heads| heads.keyset = 2)?,
        ),
        (
            "of another epoch",
            "it is for",
            forger.heads(key, |heads| heads.epoch = 2)?,
        ),
        (
            "made in the future",
            "it was made at",
            forger.heads(key, |heads| heads.time = too_late)?,
        ),
        (
            "expired",
            "expired",
            forger.heads(key, |heads| heads.expires = Some(passed))?,
        ),
        (
            "another one of the version that was seen",
            "another one was seen",
            forger.heads(key, |heads| heads.version -= 1)?,
        ),
    ] {
        forger.check(reason, said, |liar| {
            liar.heads = Box::new(move |_| note.clone());
        })?;
    }
    let old = forger.old_heads.clone();
    let (pair, older) = (&forger.pair, forger.heads(key, |heads| heads.version = 1)?);
    pair.pull()?;
    for (reason, note) in [
        ("what was shown before", old),
        ("an old version, new", older),
    ] {
        forger.check(reason, "it goes back", |liar| {
            liar.heads = Box::new(move |_| note.clone());
        })?;
    }
    forger.finish()
}

#[test]
fn the_list_of_refs_is_the_one_that_heads_name() -> Result<()> {
    let forger = Forger::new()?;
    let truth = current(&forger.pair)?.1;
    for (reason, list) in [
        ("nothing", Vec::new()),
        ("cut short", truth[..truth.len() - 1].to_vec()),
        ("a byte more", [&truth[..], b"\n"].concat()),
        ("a flipped byte", flipped(truth, 9)),
        ("the one before", forger.old_list.clone()),
    ] {
        let said = "it is not the one that heads";
        forger.check(reason, said, |liar| {
            liar.refs_list = Box::new(move |_, _| Ok(list.clone()));
        })?;
    }
    let stable = ref_name("stable")?;
    let change = |change: &dyn Fn(&mut RefsEntry)| {
        forger.relist(|entries| {
            if let Some(entry) = entries.get_mut(&stable) {
                change(entry);
            }
        })
    };
    for (reason, said, (heads, list)) in [
        (
            "the ref is gone",
            "no longer there",
            forger.relist(BTreeMap::clear)?,
        ),
        (
            "another size",
            "not what the list",
            change(&|entry| entry.size -= 1)?,
        ),
        (
            "another seq",
            "not what the list",
            change(&|entry| entry.seq += 1)?,
        ),
        (
            "another epoch",
            "not what the list",
            change(&|entry| entry.epoch += 1)?,
        ),
        (
            "the number that was seen, for another statement",
            "two statements have one number",
            change(&|entry| entry.seq = 1)?,
        ),
    ] {
        forger.check(reason, said, |liar| {
            liar.heads = Box::new(move |_| heads.clone());
            liar.refs_list = Box::new(move |_, _| Ok(list.clone()));
        })?;
    }
    forger.finish()
}

#[test]
fn a_ref_that_goes_back_is_refused() -> Result<()> {
    let forger = Forger::new()?;
    forger.pair.pull()?;
    let old = forger.old_list.clone();
    let refs = forge::named(&old);
    let heads = forger.heads(&forger.key, |heads| {
        heads.refs = refs;
        heads.version += 1;
    })?;
    forger.check(
        "an older list under newer heads",
        "it goes back from seq 2 to seq 1",
        |liar| {
            liar.heads = Box::new(move |_| heads.clone());
            liar.refs_list = Box::new(move |_, _| Ok(old.clone()));
        },
    )?;
    forger.finish()
}

#[test]
fn a_statement_is_the_one_that_was_asked_for() -> Result<()> {
    let forger = Forger::new()?;
    forger
        .pair
        .origin
        .release("testing", &files(&[("t", "t")]))?;
    let list = RefsList::decode(&current(&forger.pair)?.1)?;
    let id = |name: &str| -> Result<StatementId> {
        let entry = list.get(&ref_name(name)?);
        Ok(entry.ok_or_else(|| Error::internal("it was released"))?.id)
    };
    let honest = forger.pair.honest()?;
    let (truth, other) = (
        honest.statement(id("stable")?)?,
        honest.statement(id("testing")?)?,
    );
    for (reason, said, note) in [
        ("nothing", "note", Vec::new()),
        ("cut short", "note", truth[..truth.len() - 5].to_vec()),
        ("a flipped byte", "signature", flipped(truth.clone(), 80)),
        ("that of another ref", "it is", other),
        ("far too much", "note", vec![b'x'; 1 << 20]),
        ("a keyset", "", honest.keyset(1)?.unwrap_or_default()),
    ] {
        forger.check(reason, said, |liar| {
            liar.statement = Box::new(move |_, _| Ok(note.clone()));
        })?;
    }
    Ok(())
}

#[test]
fn a_statement_is_signed_and_follows_the_one_that_was_seen() -> Result<()> {
    let forger = Forger::new()?;
    let (key, stranger) = (&forger.key, &forger.stranger);
    let testing = ref_name("testing")?;
    let evil = SnapshotRef {
        size: 9,
        id: bindery::base::id::SnapshotId::of(b"evil"),
    };
    let cases: [(&str, &str, &SecretKey, Change<'_>); 8] = [
        ("somebody else signed it", "no known key", stranger, &|_| {}),
        ("of another ref", "it is of the ref", key, &|statement| {
            statement.ref_name = testing.clone();
        }),
        ("of another trust root", "it is for", key, &|statement| {
            statement.repo_id = StatementId::of(b"another");
        }),
        (
            "under a keyset that is not there",
            "it is for",
            key,
            &|statement| statement.keyset = 2,
        ),
        ("after nothing", "it does not follow", key, &|statement| {
            statement.prev = None;
        }),
        ("after another", "no statement", key, &|statement| {
            statement.prev = Some(StatementId::of(b"another"));
        }),
        (
            "an older release again",
            "--allow-rewind",
            key,
            &|statement| {
                statement.action = Action::Rewind(evil);
            },
        ),
        ("the end", "ends its ref", key, &|statement| {
            statement.action = Action::End;
        }),
    ];
    for (reason, said, key, change) in cases {
        let false_one = forger.restate(key, change)?;
        let kind = match reason {
            "an older release again" | "the end" => Kind::Conflict,
            _ => Kind::Integrity,
        };
        forger.check_kind(reason, said, kind, |liar| false_one.tell(liar))?;
    }
    let false_one = forger.restate(key, |statement| {
        statement.extensions = Extensions::default();
    })?;
    assert!(
        !false_one.note.is_empty(),
        "what is changed is signed as it is"
    );
    forger.finish()
}

#[test]
fn two_statements_of_one_number_are_kept_as_evidence() -> Result<()> {
    let forger = Forger::new()?;
    let false_one = forger.restate(&forger.key, |statement| {
        statement.seq = 1;
        statement.prev = None;
    })?;
    let id = false_one.id;
    let said = "two statements have one number";
    forger.check("a second first release", said, |liar| false_one.tell(liar))?;
    let kept = forger
        .pair
        .copy_disk
        .files("repos/example.org/os/trust/evidence");
    let names: Vec<String> = kept
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    assert_eq!(names, [id.to_string()]);
    forger.finish()
}
