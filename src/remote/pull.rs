//! Pull: a copy of a repo follows its origin.
//!
//! What the origin shows is verified first, then the packs of what is new are fetched, taken apart and verified object by
//! object, then everything becomes visible at once.
//!
//! # Invariants
//!
//! - A pull that fails changes nothing: neither what is known of the origin nor what the copy shows.
//! - What becomes visible is complete and canonical: its totals, names and hashes were recomputed here.
//!
//! # Not here
//!
//! Whom a pull talks to (`remote::contact`), the verification of statements (`remote::follow`), taking packs apart
//! (`delta::unpack`).

use std::path::Path;

use super::bounded::{Bounded, shown};
use super::contact::Contact;
use super::follow::{Asked, Evidence, Move, Rewinds, Update, follow, not_there};
use super::known::Root;
use super::objects::fetch_objects;
use super::origin::{Metered, Origin, Wanted, placed};
use super::receive::{finish, is_of_bytes, receive};
use crate::base::clock::Time;
use crate::base::id::{Hash, StatementId};
use crate::base::name::{RefName, RepoName};
use crate::base::progress::{Progress, compute};
use crate::base::{Error, Result};
use crate::delta::complete::{self, Checked};
use crate::delta::parts::open_delta;
use crate::delta::unpack::{Route, unpack};
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::copies::{CopiedMove, CopiedStatement, Copy};
use crate::store::landing::Landing;
use crate::store::notes::profile_of;
use crate::store::rows::{ReleaseKind, SnapshotRef};
use crate::store::view::View;
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::ref_statement::{Action, RefStatement};
use crate::trust::signed::{Signed, Verified};

/// Snapshots that are looked at, to find one from which the pack for a new ref can start.
const CANDIDATES_MAX: usize = 64;
/// Such a one has as many bytes as the new one, but for one part in so many.
const LIKENESS: u64 = 5;

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Why the origin is believed at first contact.
    pub root: Option<Root>,
    /// Which repo is asked for, by the id of its first keyset, if it is known: an origin that shows another one is not believed.
    pub repo_id: Option<StatementId>,
    /// Which refs are wanted.
    pub asked: Asked,
    /// Whether a ref may be moved back by its signers.
    pub rewinds: Rewinds,
}

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullAnswer {
    /// The repo.
    pub repo: RepoName,
    /// When what the origin shows was signed: one that is behind others, or from which newer releases are held back, shows an
    /// old one.
    pub signed: Time,
    /// Until when that is fresh, if it is not for ever.
    pub expires: Option<Time>,
    /// The refs that moved.
    pub moves: Vec<PulledRef>,
    /// Why refs that were asked for stay where they were although others moved, as [`Update::left`].
    pub left: Vec<String>,
    /// Where refs stay where they were although others moved because what is signed of them is not there, and which, as
    /// [`Update::missing`]; none if there are none.
    pub missing: Option<Missing>,
    /// How often the origin was asked.
    pub requests: u64,
    /// The bytes of its answers.
    pub received_bytes: u64,
    /// Objects that were new here.
    pub new_objects: u64,
}

/// Refs of which a place lacks what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The place.
    pub place: String,
    /// Each ref, and what it lacks of it.
    pub refs: Vec<(RefName, String)>,
}

impl PullAnswer {
    /// That some refs were not brought although others were, if it is so: a place lacks what is signed of them, or their signers
    /// moved them back or ended them.
    #[must_use]
    pub fn shortfall(&self) -> Option<Error> {
        match &self.missing {
            Some(missing) => Some(not_there(missing.place.clone(), &missing.refs, &self.left)),
            None if self.left.is_empty() => None,
            None => Some(Error::refused(self.left.join("; "))),
        }
    }

    /// This one, and one that went on with what was missing.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        self.moves.extend(later.moves);
        self.left.extend(later.left);
        Self {
            moves: self.moves,
            left: self.left,
            requests: self.requests + later.requests,
            received_bytes: self.received_bytes + later.received_bytes,
            new_objects: self.new_objects + later.new_objects,
            ..later
        }
    }
}

/// A ref that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledRef {
    /// Its name.
    pub target: RefName,
    /// The seq that was shown before.
    pub before: Option<u64>,
    /// The epoch of what is shown now.
    pub epoch: u64,
    /// The seq of what is shown now.
    pub seq: u64,
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// Its tree.
    pub root: TreeRef,
}

/// Pulls from an origin into the copy of its repo, which is made at first contact.
///
/// # Errors
///
/// [`Error::Usage`] at first contact without a root; as [`follow`] if what the origin shows does not hold, of which the
/// evidence is kept; [`Error::Malformed`] or [`Error::Damaged`] if a pack is not what was promised. Nothing changes then.
pub fn pull(
    store: &Store,
    origin: &dyn Origin,
    options: &PullOptions,
    time: Time,
    progress: &dyn Progress,
) -> Result<PullAnswer> {
    let metered = Metered::new(origin, progress);
    let (contact, update) = update(store, &metered, options, time)?;
    let heads = update.heads.value();
    let (signed, expires) = (heads.time, heads.expires);
    let (left, refs) = (update.left.clone(), update.missing.clone());
    let place = metered.place();
    let missing = (!refs.is_empty()).then_some(Missing { place, refs });
    let answer = |moves, new_objects| PullAnswer {
        repo: contact.name.clone(),
        signed,
        expires,
        moves,
        left,
        missing,
        requests: metered.requests(),
        received_bytes: metered.received_bytes(),
        new_objects,
    };
    let known = contact.known.heads.map(|heads| heads.id);
    if known == Some(update.heads.id()) && update.moves.is_empty() {
        store.forget_arrivals(&metered.place());
        return Ok(answer(Vec::new(), 0));
    }
    let fetched = fetch(store, &metered, &contact, update, progress);
    let (copy, new_objects) = finish(store, &metered.place(), fetched)?;
    Ok(answer(
        copy.moves.iter().filter_map(pulled).collect(),
        new_objects,
    ))
}

/// Steps 1 to 5: asks an origin what it shows, and verifies that.
pub(super) fn update(
    store: &Store,
    origin: &dyn Origin,
    options: &PullOptions,
    time: Time,
) -> Result<(Contact, Update)> {
    let contact = Contact::make(store, origin, options.root.as_ref(), options.repo_id)?;
    let mut evidence = Evidence::new();
    let update = follow(
        origin,
        &contact.known,
        contact.first.as_ref(),
        &options.asked,
        options.rewinds,
        time,
        &mut evidence,
    );
    let update = update.inspect_err(|_error| {
        // The lie is told in any case; that it cannot be kept is the lesser news.
        store.keep_evidence(&contact.name, &evidence).ok();
    })?;
    if let Some(root) = &options.root {
        root.check(&update.keysets)?;
    }
    Ok((contact, update))
}

/// Step 6: fetches and verifies what the moved refs show, and makes all of it visible. Says how many objects were new.
fn fetch(
    store: &Store,
    origin: &dyn Origin,
    contact: &Contact,
    update: Update,
    progress: &dyn Progress,
) -> Result<(Copy, u64)> {
    // Each pack finds what the ones before it brought.
    let (mut view, mut landing) = (contact.view(store)?, Landing::default());
    let known = contact.known.refs.values();
    let mut here: Vec<SnapshotRef> = known.map(|current| current.snapshot).collect();
    let mut moves = Vec::new();
    for moved in update.moves {
        let before = moved.before.map(|current| current.snapshot);
        let wanted = Wanted {
            to: moved.snapshot,
            from: match before {
                Some(before) => Some(before),
                None => nearest(origin, moved.snapshot, &view, &here)?,
            },
        };
        let mut start = wanted.from;
        let brought = match bring(store, origin, wanted, &mut start, view, progress) {
            Err(error) if start.is_some() && is_of_bytes(&error) && !is_here(&error, store) => {
                // It may be wrong for ever where it lies, and the pack of everything need not be.
                let error = placed(error, &origin.place());
                progress.note(&format_args!(
                    "passed over: {error}; all of it is fetched instead"
                ));
                let whole = Wanted {
                    from: None,
                    ..wanted
                };
                let view = contact.view(store)?.with(&landing)?;
                bring(store, origin, whole, &mut None, view, progress)
            }
            brought => brought,
        }?;
        view = brought.view;
        here.push(moved.snapshot);
        landing.join(brought.landing);
        moves.push(copied(moved, brought.root));
    }
    let copy = copy(
        contact,
        &update.keysets,
        &update.heads,
        update.refs_list,
        moves,
        origin,
    )?;
    let graft = view.graft(&copy.roots())?;
    let new_objects = landing.objects;
    store.record_copy(&copy, &graft, landing)?;
    Ok((copy, new_objects))
}

/// Whether it is this store that is damaged: whatever comes, what it has already is not fetched again.
fn is_here(error: &Error, store: &Store) -> bool {
    matches!(error, Error::Damaged { place, .. } if Path::new(place).starts_with(store.root()))
}

/// A snapshot that was brought, and is complete.
struct Brought<'s> {
    landing: Landing,
    root: TreeRef,
    /// What there is now.
    view: View<'s>,
}

/// Brings one snapshot by the pack that is wanted; `start` is what it turns out to start from.
fn bring<'s>(
    store: &Store,
    origin: &dyn Origin,
    wanted: Wanted,
    start: &mut Option<SnapshotRef>,
    view: View<'s>,
    progress: &dyn Progress,
) -> Result<Brought<'s>> {
    let (landing, checked) = arrive_by(store, origin, wanted, start, &view, progress)?;
    let view = view.with(&landing)?;
    let outcome = compute(progress, || {
        complete::check(&view, &checked, wanted.to, progress).map_err(incomplete)
    });
    let root = outcome?.tree;
    Ok(Brought {
        landing,
        root,
        view,
    })
}

/// Which of the snapshots that are here is likely to have much in common with one that a new ref shows: channels of one thing
/// have, things of one repo have not. None if the origin does not show what the snapshot holds.
fn nearest(
    origin: &dyn Origin,
    to: SnapshotRef,
    view: &View<'_>,
    here: &[SnapshotRef],
) -> Result<Option<SnapshotRef>> {
    if here.is_empty() {
        return Ok(None);
    }
    let wanted = match shown(origin, to) {
        Err(Error::NotFound { .. }) => return Ok(None),
        wanted => wanted?,
    };
    let mut best: Option<(u64, SnapshotRef)> = None;
    // Those that came last are looked at first.
    for candidate in here.iter().rev().take(CANDIDATES_MAX) {
        let snapshot = view.snapshot_of_size(*candidate)?;
        if snapshot.tree == wanted.tree {
            return Ok(Some(*candidate));
        }
        let difference = snapshot.totals.bytes().abs_diff(wanted.totals.bytes());
        if best.is_none_or(|(least, _)| difference < least) {
            best = Some((difference, *candidate));
        }
    }
    let is_like = |(difference, _): &(u64, SnapshotRef)| {
        difference.saturating_mul(LIKENESS) <= wanted.totals.bytes()
    };
    Ok(best.filter(is_like).map(|(_, candidate)| candidate))
}

/// Fetches one snapshot: as a pack, or else object by object. Says also what is known of it.
pub(super) fn arrive(
    store: &Store,
    origin: &dyn Origin,
    wanted: Wanted,
    view: &View<'_>,
    progress: &dyn Progress,
) -> Result<(Landing, Checked)> {
    arrive_by(store, origin, wanted, &mut None, view, progress)
}

/// As [`arrive`]; `start` is what the pack that came starts from.
fn arrive_by(
    store: &Store,
    origin: &dyn Origin,
    wanted: Wanted,
    start: &mut Option<SnapshotRef>,
    view: &View<'_>,
    progress: &dyn Progress,
) -> Result<(Landing, Checked)> {
    receive(store, &origin.place(), &mut |arrival| {
        let mut intake = store.intake();
        let totals = || Ok(shown(origin, wanted.to)?.totals);
        let mut bounded = Bounded::new(arrival, &totals);
        let asked = origin.pack(wanted, &mut bounded);
        let from = match bounded.outcome(asked) {
            Err(Error::NotFound { .. }) => {
                *start = None;
                fetch_objects(origin, wanted.to, view, &mut intake, progress)?;
                return Ok((intake.finish()?, Checked::default()));
            }
            from => from?,
        };
        *start = from;
        check_start(view, from, origin)?;
        let bytes = arrival.map()?;
        let unpacked = compute(progress, || {
            let pack = open_delta(bytes)?;
            let to = Some(wanted.to);
            unpack(&pack, Route { from, to }, view, &mut intake, progress).map_err(incomplete)
        })?;
        let assembled = unpacked.assembled;
        Ok((intake.finish()?, Checked { from, assembled }))
    })
}

fn copy(
    contact: &Contact,
    keysets: &[TrustedKeyset],
    heads: &Signed<crate::trust::heads::Heads, Verified>,
    refs_list: Vec<u8>,
    moves: Vec<CopiedMove>,
    origin: &dyn Origin,
) -> Result<Copy> {
    let (Some(first), Some(newest)) = (keysets.first(), keysets.last()) else {
        return Err(Error::internal("a repo that was followed has a keyset"));
    };
    let key = newest.keyset().keys().first();
    let key = key.ok_or_else(|| Error::internal("a keyset has a key"))?;
    let new = keysets.iter().skip(contact.known.keysets.len());
    Ok(Copy {
        repo: contact.name.clone(),
        repo_id: newest.repo_id(),
        profile: profile_of(first.keyset()),
        key: key.name().clone(),
        created: first.keyset().time(),
        origin: origin.place(),
        keysets: new
            .map(|keyset| (keyset.keyset().version(), keyset.note().encode()))
            .collect(),
        keyset: newest.keyset().version(),
        heads_before: contact.known.heads.map_or(0, |heads| heads.version),
        heads: heads.value().version,
        heads_note: heads.note().encode(),
        refs_list: (Hash::of(&refs_list), refs_list),
        moves,
    })
}

/// What a pack starts from must be here: others can be told so, and need no patches tried in vain.
fn check_start(view: &View<'_>, from: Option<SnapshotRef>, origin: &dyn Origin) -> Result<()> {
    let Some(from) = from else {
        return Ok(());
    };
    match view.snapshot_of_size(from) {
        Err(Error::NotFound { .. }) => Err(Error::not_found(
            "snapshot",
            format!(
                "{} here, from which the pack of {} starts",
                from.id,
                origin.place()
            ),
        )),
        other => other.map(drop),
    }
}

/// What is not there although a pack was to bring it: the pack is wrong, not the question.
pub(super) fn incomplete(error: Error) -> Error {
    match error {
        Error::NotFound { what, name } => {
            Error::malformed("delta", format!("it lacks {what} {name}"))
        }
        other => other,
    }
}

fn copied(moved: Move, root: TreeRef) -> CopiedMove {
    CopiedMove {
        target: moved.target,
        before: moved.before.map(|current| current.base()),
        statements: moved.statements.iter().filter_map(statement).collect(),
        root,
    }
}

fn statement(signed: &Signed<RefStatement, Verified>) -> Option<CopiedStatement> {
    let value = signed.value();
    let snapshot = value.action.snapshot()?;
    Some(CopiedStatement {
        id: signed.id(),
        bytes: signed.note().text().len() as u64,
        note: signed.note().encode(),
        epoch: value.epoch,
        seq: value.seq,
        kind: match value.action {
            Action::Rewind(_) => ReleaseKind::Rollback,
            Action::Publish(_) | Action::End => ReleaseKind::Publish,
        },
        snapshot: SnapshotRef {
            id: snapshot.id,
            size: snapshot.size,
        },
        time: value.time,
    })
}

fn pulled(copied: &CopiedMove) -> Option<PulledRef> {
    let newest = copied.statements.last()?;
    Some(PulledRef {
        target: copied.target.clone(),
        before: copied.before.map(|base| base.seq),
        epoch: newest.epoch,
        seq: newest.seq,
        snapshot: newest.snapshot,
        root: copied.root,
    })
}
