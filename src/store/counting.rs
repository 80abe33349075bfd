//! Counting: how many published parents and roots point at each published object.
//!
//! Publishing adds one for each edge of a newly inserted object and for each root; retiring takes away and follows the
//! zeros down. Both cost what changes, never a scan of the store.
//!
//! # Invariants
//!
//! - **I2**: every published tree, recipe and snapshot has all its children published.
//! - **I3**: the count of every object, with what waits to be added to it, equals the count recomputed from the
//!   published trees and roots.
//! - An object dies when its count is zero and nothing pins it; while only pins keep it, it is listed as lingering.
//!
//! # Not here
//!
//! Counting everything anew to compare (`store::fsck`); when counts are added (`store::additions`); what a build reaches
//! (`store::reach`).

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata};

use super::additions::Addition;
use super::catalog::failed;
use super::landing::Landing;
use super::place::Place;
use super::reach::{Graft, Reach};
use super::rows::{Owner, Receipt};
use super::tables::{
    COUNTERS, DEATHS, LINGERING, OBJECTS, ObjectRow, PACKS, PINS, PinBytes, object_key, parse_pin,
    pin_bytes, pins_in,
};
use super::transaction::Transaction;
use super::view::View;
use crate::base::id::Hash;
use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::{Error, Kind, Result};
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;

/// Objects and bytes that became live, or ceased to be, in one pack.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    objects: u64,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, place: Place) {
        self.objects += 1;
        self.bytes += u64::from(place.length);
    }
}

impl Transaction<'_> {
    /// Publishes what a graft planned: inserts the new objects, and adds to the counts of all that are pointed at.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if what is published has changed since the graft was planned; nothing changes then.
    pub(super) fn insert(&self, repo: u32, graft: &Graft) -> Result<()> {
        let is_as_seen = self.deaths()? == graft.deaths;
        let mut tallies: BTreeMap<u64, Tally> = BTreeMap::new();
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        let mut added: Vec<Addition> = graft.added.iter().map(|(p, c)| (*p, *c)).collect();
        added.sort_unstable();
        let mut later = Vec::new();
        for (pin, count) in added {
            let (kind, id) = parse_pin(&pin)?;
            let key = object_key(repo, kind, id);
            let is_unexpected = if let Some(place) = graft.new.get(&pin) {
                tallies.entry(place.pack).or_default().add(*place);
                let row = ObjectRow {
                    place: *place,
                    count,
                };
                let known = objects.insert(key, row.encode()).map_err(failed("write"))?;
                known.is_some()
            } else {
                later.push((pin, count));
                !is_as_seen && objects.get(key).map_err(failed("read"))?.is_none()
            };
            // Adding for the edges of what is published already would count them twice.
            if is_unexpected {
                return Err(Error::refused(format!(
                    "{} {id} was published or retired meanwhile; try again",
                    kind.name()
                )));
            }
        }
        drop(objects);
        self.end_lingering(repo, &mut later)?;
        self.add_later(repo, &later)?;
        for (number, tally) in tallies {
            let mut pack = self.pack(number)?;
            pack.live_objects += tally.objects;
            pack.live_bytes += tally.bytes;
            self.put(PACKS, number, &pack)?;
        }
        Ok(())
    }

    /// Adds to the counts of those objects that linger, which they do no more, and takes them out of `additions`.
    fn end_lingering(&self, repo: u32, additions: &mut Vec<Addition>) -> Result<()> {
        let mut lingering = self.write.open_table(LINGERING).map_err(failed("write"))?;
        if lingering.is_empty().map_err(failed("read"))? {
            return Ok(());
        }
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        let mut waiting = Vec::new();
        for (pin, count) in std::mem::take(additions) {
            let (kind, id) = parse_pin(&pin)?;
            let key = object_key(repo, kind, id);
            if lingering.remove(key).map_err(failed("write"))?.is_none() {
                waiting.push((pin, count));
                continue;
            }
            let row = objects.get(key).map_err(failed("read"))?;
            let row = row.map(|row| ObjectRow::decode(&row.value()));
            let row = row.ok_or_else(|| Error::internal("what lingers is published"))?;
            let row = row.plus(count)?;
            objects.insert(key, row.encode()).map_err(failed("write"))?;
        }
        *additions = waiting;
        Ok(())
    }

    /// How often published objects have died.
    pub(super) fn deaths(&self) -> Result<u64> {
        let counters = self.write.open_table(COUNTERS).map_err(failed("read"))?;
        let deaths = counters.get(DEATHS).map_err(failed("read"))?;
        Ok(deaths.map_or(0, |deaths| deaths.value()))
    }

    /// Lets everybody who saw what is published before look again.
    pub(super) fn note_deaths(&self) -> Result<()> {
        let deaths = self.deaths()? + 1;
        let mut counters = self.write.open_table(COUNTERS).map_err(failed("write"))?;
        counters.insert(DEATHS, deaths).map_err(failed("write"))?;
        Ok(())
    }

    /// Takes one from the count of each of `pins`, and follows the zeros down. What dies is read through `view`.
    ///
    /// Returns the packs in which something died, and how many objects did.
    pub(super) fn subtract(
        &self,
        view: &View<'_>,
        pins: Vec<PinBytes>,
    ) -> Result<(BTreeSet<u64>, u64)> {
        self.follow_zeros(view, pins, 1)
    }

    /// Lets those of `pins` die that only pins had kept, now that a build's pins are gone.
    fn unpin(&self, view: &View<'_>, pins: &[u8]) -> Result<(BTreeSet<u64>, u64)> {
        let lingering = self.write.open_table(LINGERING).map_err(failed("read"))?;
        let mut freed = Vec::new();
        if !lingering.is_empty().map_err(failed("read"))? {
            for pin in pins_in(pins) {
                let (kind, id) = parse_pin(pin)?;
                if lingering
                    .get(object_key(view.repo(), kind, id))
                    .map_err(failed("read"))?
                    .is_some()
                {
                    freed.push(*pin);
                }
            }
        }
        drop(lingering);
        if freed.is_empty() {
            return Ok((BTreeSet::new(), 0));
        }
        self.follow_zeros(view, freed, 0)
    }

    fn follow_zeros(
        &self,
        view: &View<'_>,
        pins: Vec<PinBytes>,
        taken: u32,
    ) -> Result<(BTreeSet<u64>, u64)> {
        let repo = view.repo();
        self.add_now(repo)?;
        let pinned = self.pins_of_repo(repo)?;
        let is_pinned = |pin: &PinBytes| {
            pinned
                .iter()
                .any(|list| pins_in(list).binary_search(pin).is_ok())
        };
        let mut tallies: BTreeMap<u64, Tally> = BTreeMap::new();
        let mut died = 0;
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        let mut lingering = self.write.open_table(LINGERING).map_err(failed("write"))?;
        let mut waiting: Vec<(PinBytes, u32)> = pins.into_iter().map(|pin| (pin, taken)).collect();
        while let Some((pin, taken)) = waiting.pop() {
            let (kind, id) = parse_pin(&pin)?;
            let key = object_key(repo, kind, id);
            let row = objects
                .get(key)
                .map_err(failed("read"))?
                .map(|row| ObjectRow::decode(&row.value()));
            let row = row
                .ok_or_else(|| Error::internal(format!("{} {id} is not published", kind.name())))?;
            let count = row
                .count
                .checked_sub(taken)
                .ok_or_else(|| Error::internal("a count falls below zero"))?;
            if count > 0 || is_pinned(&pin) {
                objects
                    .insert(key, ObjectRow { count, ..row }.encode())
                    .map_err(failed("write"))?;
                if count == 0 {
                    lingering.insert(key, ()).map_err(failed("write"))?;
                }
                continue;
            }
            objects.remove(key).map_err(failed("write"))?;
            lingering.remove(key).map_err(failed("write"))?;
            tallies.entry(row.place.pack).or_default().add(row.place);
            died += 1;
            let edges = edges_of_dying(view, kind, id, row.place)?;
            waiting.extend(edges.iter().map(|e| (pin_bytes(e.kind, e.id), 1)));
        }
        drop((objects, lingering));
        if died > 0 {
            self.note_deaths()?;
        }
        for (number, tally) in &tallies {
            let mut pack = self.pack(*number)?;
            pack.live_objects = pack.live_objects.saturating_sub(tally.objects);
            pack.live_bytes = pack.live_bytes.saturating_sub(tally.bytes);
            self.put(PACKS, *number, &pack)?;
        }
        Ok((tallies.into_keys().collect(), died))
    }

    /// The pins of every build for a repo, one sorted list each.
    fn pins_of_repo(&self, repo: u32) -> Result<Vec<Vec<u8>>> {
        let pins = self.write.open_table(PINS).map_err(failed("read"))?;
        let lists = pins
            .range((repo, 0)..=(repo, u64::MAX))
            .map_err(failed("read"))?;
        lists
            .map(|entry| Ok(entry.map_err(failed("read"))?.1.value().to_vec()))
            .collect()
    }

    /// Hands a build's packs to its repo. Packs in which nothing is published are forgotten.
    pub(super) fn hand_over(&mut self, build: u64, repo: u32) -> Result<()> {
        for (number, pack) in self.packs_of(build)? {
            if pack.live_objects == 0 {
                self.doom(number)?;
            } else {
                self.disown(build, number)?;
                self.put(
                    PACKS,
                    number,
                    &super::rows::PackRow {
                        owner: Owner::Repo(repo),
                        ..pack
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Replaces a build's pins without looking whether they are published.
    pub(super) fn put_pins(&self, repo: u32, build: u64, pins: &BTreeSet<PinBytes>) -> Result<()> {
        let list: Vec<u8> = pins.iter().flatten().copied().collect();
        let mut table = self.write.open_table(PINS).map_err(failed("write"))?;
        table
            .insert((repo, build), list.as_slice())
            .map_err(failed("write"))?;
        Ok(())
    }

    /// Pins for a build what it reaches and `others`, in place of what it pinned before. Others are known to be published.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if what it reaches is not published any more; nothing changes then.
    pub(super) fn pin(
        &self,
        verb: &'static str,
        repo: u32,
        build: u64,
        reach: &Reach,
        others: BTreeSet<PinBytes>,
    ) -> Result<()> {
        if self.deaths()? != reach.deaths {
            self.check_published(verb, repo, build, &reach.pins)?;
        }
        let mut pins = others;
        pins.extend(&reach.pins);
        self.put_pins(repo, build, &pins)
    }

    /// Checks that all of `pins` are published, which are needed to do `verb` with a build.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] with the first that are not.
    pub(super) fn check_published(
        &self,
        verb: &'static str,
        repo: u32,
        build: u64,
        pins: &BTreeSet<PinBytes>,
    ) -> Result<()> {
        let objects = self.write.open_table(OBJECTS).map_err(failed("read"))?;
        let mut missing = Vec::new();
        for pin in pins {
            let (kind, id) = parse_pin(pin)?;
            let row = objects.get(object_key(repo, kind, id));
            if row.map_err(failed("read"))?.is_none() && missing.len() < LISTED_PATHS_MAX {
                missing.push(format!("{} {id}", kind.name()));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::Missing {
            verb,
            build,
            objects: missing,
        })
    }

    /// Drops a build's pins and returns them. What only they kept lingers on.
    pub(super) fn drop_pins(&self, repo: u32, build: u64) -> Result<Vec<u8>> {
        let mut table = self.write.open_table(PINS).map_err(failed("write"))?;
        let pins = table.remove((repo, build)).map_err(failed("write"))?;
        Ok(pins.map(|list| list.value().to_vec()).unwrap_or_default())
    }

    /// Drops a build's pins, and lets go of what only they kept. Returns what that frees.
    pub(super) fn let_go(&mut self, repo: u32, build: u64) -> Result<Receipt> {
        // A view made now shows what the transaction started from: nobody else can write meanwhile.
        let view = View::new(self.store, repo, &[], &Landing::default())?;
        let pins = self.drop_pins(repo, build)?;
        let (thinned, objects) = self.unpin(&view, &pins)?;
        let freed = self.doom_dead(&thinned)?;
        Ok(Receipt { objects, ..freed })
    }
}

/// What an object that dies points at. Of a damaged one that is not known, so what it points at stays counted: that leaks
/// until counts are recomputed, but what is damaged can be let go of like anything else.
fn edges_of_dying(view: &View<'_>, kind: ObjectKind, id: Hash, place: Place) -> Result<Vec<Edge>> {
    if kind == ObjectKind::Blob {
        return Ok(Vec::new());
    }
    let read = view
        .read_at(kind, id, place)
        .and_then(|bytes| edges_of(kind, bytes.as_slice()?));
    match read {
        Err(error) if error.kind() == Kind::Integrity => Ok(Vec::new()),
        read => read,
    }
}
