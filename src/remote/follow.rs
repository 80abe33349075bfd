//! Following: what an origin shows now, checked step by step against what is known of it.
//!
//! The algorithm is that of The Update Framework (specification 1.0, section 5), reduced to three documents: keysets one by
//! one, then the heads statement, then the list of refs that it names, then the statement of each ref with the chain back
//! to the one that is known.
//!
//! # Invariants
//!
//! - Nothing is changed here. A step that fails ends the whole, with a reason that names the step and both values.
//! - Versions and seqs never go down within an epoch, and epochs never do. Equal ones with different ids mean that a signer
//!   made two statements: both notes are kept as evidence.
//! - What is new of a ref that is followed was made under the keyset that was seen last, or a newer one.
//!
//! # Not here
//!
//! The objects that statements name (`remote::pull`).

use std::collections::BTreeMap;

use super::known::Known;
use super::origin::Origin;
use crate::base::clock::Time;
use crate::base::id::{Hash, StatementId};
use crate::base::limits::STATEMENT_CHAIN_MAX;
use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::store::notes::KEYSETS_MAX;
use crate::store::rows::{Current, SnapshotRef};
use crate::trust::heads::Heads;
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::pattern::RefPattern;
use crate::trust::ref_statement::{Action, RefStatement};
use crate::trust::refs_list::{RefsEntry, RefsList};
use crate::trust::signed::{Signed, Unverified, Verified, verify_under};

/// Seconds that a signer's clock may be ahead of ours.
pub const CLOCK_SKEW_SECONDS_MAX: u64 = 300;

/// Which refs are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Those that are followed already; before first contact, all.
    Followed,
    /// All that the origin has.
    All,
    /// These.
    Named(Vec<RefName>),
    /// Those that one of the patterns matches.
    Matching(Vec<RefPattern>),
}

/// What is done about a ref that its signers moved back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewinds {
    /// It is refused.
    Refuse,
    /// It is followed.
    Allow,
}

/// What an origin shows: verified, and not yet fetched.
#[derive(Debug)]
#[must_use]
pub struct Update {
    /// Every keyset from the first on; the last one is current.
    pub keysets: Vec<TrustedKeyset>,
    /// The heads statement.
    pub heads: Signed<Heads, Verified>,
    /// The list of refs that it names, as bytes.
    pub refs_list: Vec<u8>,
    /// The refs that were asked for and show something new.
    pub moves: Vec<Move>,
    /// Why refs that were asked for are not followed, although others are: their signers moved them back, or ended them.
    pub left: Vec<String>,
    /// The refs that were asked for and are not followed, although others are, because a statement that leads to what is signed
    /// of them is not there; each with the reason.
    pub missing: Vec<(RefName, String)>,
}

/// A ref that shows something new.
#[derive(Debug)]
pub struct Move {
    /// The ref.
    pub target: RefName,
    /// What is known of it.
    pub before: Option<Current>,
    /// The statements that are new, oldest first; never empty.
    pub statements: Vec<Signed<RefStatement, Verified>>,
    /// The snapshot that it shows now.
    pub snapshot: SnapshotRef,
}

/// Asks an origin what it shows.
///
/// `first` is the first keyset, verified against the trust root; it is used if no keyset is known. Notes that contradict
/// what is known are added to `evidence`, each with the id of its text.
///
/// # Errors
///
/// [`Error::Untrusted`] or [`Error::Malformed`] if a document does not hold or goes back; [`Error::NotFound`] if a ref that
/// was named is not there; [`Error::Refused`] if a ref was moved back or ended, that is not allowed, and no other one moved, and
/// [`Error::Untrusted`] if so a statement that is signed for is not there; what the origin answers if it cannot be reached.
pub fn follow(
    origin: &dyn Origin,
    known: &Known,
    first: Option<&TrustedKeyset>,
    asked: &Asked,
    rewinds: Rewinds,
    time: Time,
    evidence: &mut Evidence,
) -> Result<Update> {
    let mut follower = Follower {
        origin,
        known,
        time,
        rewinds,
        evidence,
    };
    let keysets = follower.keysets(first)?;
    let heads = follower.heads(&keysets)?;
    let (list, refs_list) = follower.refs_list(heads.value())?;
    follower.check_listed(&list, &keysets)?;
    let (mut moves, mut left, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for name in asked.names(known, &list) {
        match follower.movement(name.clone(), &list, &keysets) {
            Err(Error::Refused { reason }) => left.push(reason),
            // A copy that left a ref where it was shows newer heads, and not what they lead to.
            Err(Error::NotFound { what, name: id }) if list.get(&name).is_some() => {
                let reason =
                    format!("there is no {what} {id}, which what is signed of {name} needs");
                missing.push((name, reason));
            }
            movement => moves.extend(movement?),
        }
    }
    if moves.is_empty() && !missing.is_empty() {
        return Err(not_there(origin.place(), &missing, &left));
    }
    if moves.is_empty() && !left.is_empty() {
        return Err(Error::refused(left.join("; ")));
    }
    Ok(Update {
        keysets,
        heads,
        refs_list,
        moves,
        left,
        missing,
    })
}

/// That refs are not followed because a statement is not at a place; and why others are not.
#[must_use]
pub(super) fn not_there(place: String, missing: &[(RefName, String)], left: &[String]) -> Error {
    let reasons = missing.iter().map(|(_, reason)| reason).chain(left);
    let reasons: Vec<&str> = reasons.map(String::as_str).collect();
    Error::Untrusted {
        what: place,
        reason: reasons.join("; "),
    }
}

/// Notes that contradict what is known, by the id of their text.
pub type Evidence = BTreeMap<Hash, Vec<u8>>;

impl Asked {
    fn names(&self, known: &Known, list: &RefsList) -> Vec<RefName> {
        match self {
            Self::Named(names) => names.clone(),
            Self::Matching(patterns) => {
                let matches = |name: &RefName| patterns.iter().any(|one| one.matches(name));
                let listed = list.iter().map(|(name, _)| name);
                listed.filter(|name| matches(name)).cloned().collect()
            }
            Self::Followed if !known.refs.is_empty() => known.refs.keys().cloned().collect(),
            Self::Followed | Self::All => list.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

struct Follower<'a> {
    origin: &'a dyn Origin,
    known: &'a Known,
    time: Time,
    rewinds: Rewinds,
    evidence: &'a mut Evidence,
}

impl Follower<'_> {
    /// Step 1: newer keysets, one by one.
    fn keysets(&self, first: Option<&TrustedKeyset>) -> Result<Vec<TrustedKeyset>> {
        let mut keysets = self.known.keysets.clone();
        if keysets.is_empty() {
            keysets.extend(first.cloned());
        }
        loop {
            let newest = keysets.last();
            let newest = newest.ok_or_else(|| Error::internal("the first keyset is known"))?;
            let version = newest.keyset().version() + 1;
            let Some(note) = self.origin.keyset(version)? else {
                break;
            };
            if keysets.len() >= KEYSETS_MAX {
                return Err(Error::Limit {
                    what: "a repo, in keysets,",
                    found: version,
                    max: KEYSETS_MAX as u64,
                });
            }
            let next = newest.successor(&note)?;
            keysets.push(next);
        }
        if let Some(newest) = keysets.last().map(TrustedKeyset::keyset)
            && let Some(expires) = newest.expires()
            && expires <= self.time
        {
            let what = format!("keyset {} of {}", newest.version(), newest.repo());
            return Err(self.untrusted(&what, format!("it expired at {expires}")));
        }
        Ok(keysets)
    }

    /// Step 2: the heads statement.
    fn heads(&mut self, keysets: &[TrustedKeyset]) -> Result<Signed<Heads, Verified>> {
        let newest = keysets.last();
        let newest = newest.ok_or_else(|| Error::internal("the first keyset is known"))?;
        let note = self.origin.heads()?;
        let signed = Signed::<Heads, Unverified>::parse(&note)?.verify(newest)?;
        let (heads, id) = (signed.value(), signed.id());
        let what = format!("heads {} of {}", heads.version, heads.repo);
        if let Some(known) = self.known.heads {
            // The root can raise the epoch, and so take back a version that ran away.
            let (shown, seen) = ((heads.epoch, heads.version), (known.epoch, known.version));
            if shown < seen {
                let reason = format!("version {} was seen before: it goes back", known.version);
                return Err(self.untrusted(&what, reason));
            }
            if shown == seen && id != known.id {
                let reason = format!("another one was seen before: {} and {id}", known.id);
                let before = self.known.heads_note.clone();
                self.evidence.insert(known.id.hash(), before);
                self.evidence.insert(id.hash(), note);
                return Err(self.contradiction(&what, reason));
            }
            if self.time.plus_seconds(CLOCK_SKEW_SECONDS_MAX) < known.time {
                return Err(Error::refused(format!(
                    "the clock says {}, but a statement of {} was seen before: set the clock",
                    self.time, known.time
                )));
            }
        }
        if heads.time > self.time.plus_seconds(CLOCK_SKEW_SECONDS_MAX) {
            let reason = format!("it was made at {}, and it is {} now", heads.time, self.time);
            return Err(self.untrusted(&what, reason));
        }
        if let Some(expires) = heads.expires.filter(|expires| *expires <= self.time) {
            return Err(self.untrusted(
                &what,
                format!("it expired at {expires}: it is held back or stale"),
            ));
        }
        Ok(signed)
    }

    /// Step 3: the list of refs, by id and exact size.
    fn refs_list(&self, heads: &Heads) -> Result<(RefsList, Vec<u8>)> {
        let bytes = self.origin.refs_list(heads.refs)?;
        if bytes.len() as u64 != heads.refs.size || Hash::of(&bytes) != heads.refs.hash {
            let what = format!("the list of refs of {}", heads.repo);
            let reason = format!("it is not the one that heads {} names", heads.version);
            return Err(self.untrusted(&what, reason));
        }
        Ok((RefsList::decode(&bytes)?, bytes))
    }

    /// Every ref that is followed is still listed, and none goes back.
    fn check_listed(&mut self, list: &RefsList, keysets: &[TrustedKeyset]) -> Result<()> {
        let known = self.known;
        for (name, current) in &known.refs {
            let what = format!("the list of refs for {name}");
            let Some(entry) = list.get(name) else {
                return Err(self.untrusted(&what, "it is no longer there"));
            };
            let (listed, held) = ((entry.epoch, entry.seq), (current.epoch, current.seq));
            if listed < held {
                let reason = format!("it goes back from seq {} to seq {}", held.1, listed.1);
                return Err(self.untrusted(&what, reason));
            }
            if listed == held && entry.id != current.statement {
                let (id, note) = (entry.id, self.origin.statement(entry.id)?);
                let other = verify_under::<RefStatement>(&note, keysets);
                if other.is_ok_and(|other| is_listed(&other, name, entry)) {
                    self.evidence.insert(id.hash(), note);
                }
                let reason = format!(
                    "seq {} is {id}, and was {}: two statements have one number",
                    entry.seq, current.statement
                );
                // Without a signature it is the origin that lies, and not the signer.
                return Err(if self.evidence.contains_key(&id.hash()) {
                    self.contradiction(&what, reason)
                } else {
                    self.untrusted(&what, reason)
                });
            }
        }
        Ok(())
    }

    /// Steps 4 and 5: the statement of one ref, and those between it and the known one. `None` if it has not moved.
    fn movement(
        &self,
        target: RefName,
        list: &RefsList,
        keysets: &[TrustedKeyset],
    ) -> Result<Option<Move>> {
        let entry = list.get(&target);
        let entry = entry.ok_or_else(|| Error::not_found("ref", &target))?;
        let before = self.known.refs.get(&target).copied();
        if before.is_some_and(|before| before.statement == entry.id) {
            return Ok(None);
        }
        let newest = self.statement(&target, entry, keysets)?;
        self.check_fresh(newest.value())?;
        if before.is_some() {
            self.check_keyset(newest.value())?;
        }
        let snapshot = self.check_action(newest.value(), before.is_some())?;
        let mut statements = vec![newest];
        if let Some(before) = before {
            self.chain(&before, &mut statements, keysets)?;
        }
        statements.reverse();
        Ok(Some(Move {
            target,
            before,
            statements,
            snapshot,
        }))
    }

    /// The statement that a list of refs says a ref shows.
    fn statement(
        &self,
        target: &RefName,
        entry: RefsEntry,
        keysets: &[TrustedKeyset],
    ) -> Result<Signed<RefStatement, Verified>> {
        let signed = self.verified(target, entry.id, keysets)?;
        if !is_listed(&signed, target, entry) {
            let what = format!("statement {target}@{}", signed.value().seq);
            let reason = format!("it is not what the list of refs says of seq {}", entry.seq);
            return Err(self.untrusted(&what, reason));
        }
        Ok(signed)
    }

    fn verified(
        &self,
        target: &RefName,
        id: StatementId,
        keysets: &[TrustedKeyset],
    ) -> Result<Signed<RefStatement, Verified>> {
        let signed = verify_under::<RefStatement>(&self.origin.statement(id)?, keysets)?;
        let what = || format!("a statement of {target}");
        if signed.id() != id {
            return Err(self.untrusted(&what(), format!("it is {}, not {id}", signed.id())));
        }
        if signed.value().ref_name != *target {
            let reason = format!("it is of the ref {}", signed.value().ref_name);
            return Err(self.untrusted(&what(), reason));
        }
        Ok(signed)
    }

    /// What is new has not expired.
    fn check_fresh(&self, statement: &RefStatement) -> Result<()> {
        match statement.expires.filter(|expires| *expires <= self.time) {
            Some(expires) => {
                let what = format!("statement {}@{}", statement.ref_name, statement.seq);
                Err(self.untrusted(&what, format!("it expired at {expires}")))
            }
            None => Ok(()),
        }
    }

    /// What was made since a keyset was seen is made under it or a newer one: keys that were replaced sign nothing more.
    fn check_keyset(&self, statement: &RefStatement) -> Result<()> {
        let seen = self.known.keysets.last();
        let seen = seen.map_or(0, |keyset| keyset.keyset().version());
        if statement.keyset >= seen {
            return Ok(());
        }
        let what = format!("statement {}@{}", statement.ref_name, statement.seq);
        let reason = format!(
            "it is new and made under keyset {}, and keyset {seen} was seen before",
            statement.keyset
        );
        Err(self.untrusted(&what, reason))
    }

    /// The snapshot that a ref shows now.
    fn check_action(&self, statement: &RefStatement, is_followed: bool) -> Result<SnapshotRef> {
        let name = format!("{}@{}", statement.ref_name, statement.seq);
        let snapshot = match statement.action {
            Action::End => {
                let words = "ends its ref: there is nothing more to pull of it";
                return Err(Error::refused(format!("{name} {words}")));
            }
            Action::Rewind(_) if is_followed && self.rewinds == Rewinds::Refuse => {
                let words = "shows an older release again; allow it with --allow-rewind";
                return Err(Error::refused(format!("{name} {words}")));
            }
            Action::Publish(snapshot) | Action::Rewind(snapshot) => snapshot,
        };
        Ok(SnapshotRef {
            id: snapshot.id,
            size: snapshot.size,
        })
    }

    /// Goes back from the newest statement to the known one, which must be among those before it.
    fn chain(
        &self,
        before: &Current,
        statements: &mut Vec<Signed<RefStatement, Verified>>,
        keysets: &[TrustedKeyset],
    ) -> Result<()> {
        for _ in 0..STATEMENT_CHAIN_MAX {
            let Some(newer) = statements.last().map(Signed::value) else {
                break;
            };
            let (target, number) = (newer.ref_name.clone(), (newer.epoch, newer.seq));
            if newer.prev == Some(before.statement) {
                return Ok(());
            }
            let what = format!("statement {target}@{}", number.1);
            let Some(prev) = newer.prev else {
                let reason = format!("it does not follow {target}@{}, which was seen", before.seq);
                return Err(self.untrusted(&what, reason));
            };
            let older = self.verified(&target, prev, keysets)?;
            let found = (older.value().epoch, older.value().seq);
            if found >= number || found <= (before.epoch, before.seq) {
                let reason = format!(
                    "it follows seq {} and not {target}@{}, which was seen",
                    found.1, before.seq
                );
                return Err(self.untrusted(&what, reason));
            }
            if older.value().action == Action::End {
                return Err(self.untrusted(&what, "it follows the end of its ref"));
            }
            statements.push(older);
        }
        let reason = format!("it is more than {STATEMENT_CHAIN_MAX} statements after the one seen");
        Err(self.untrusted("the chain of statements", reason))
    }

    /// That signers of the repo made two statements where there can be one.
    fn contradiction(&self, what: &str, reason: String) -> Error {
        Error::Contradiction {
            what: format!("{what} from {}", self.origin.place()),
            reason,
        }
    }

    fn untrusted(&self, what: &str, reason: impl Into<String>) -> Error {
        Error::Untrusted {
            what: format!("{what} from {}", self.origin.place()),
            reason: reason.into(),
        }
    }
}

/// Whether a statement is the one of which a list of refs has this entry.
fn is_listed(signed: &Signed<RefStatement, Verified>, target: &RefName, entry: RefsEntry) -> bool {
    let value = signed.value();
    value.ref_name == *target
        && entry
            == RefsEntry {
                epoch: value.epoch,
                seq: value.seq,
                size: signed.note().text().len() as u64,
                id: signed.id(),
            }
}
