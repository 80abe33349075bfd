//! Rewriting packs: what still matters in them moves into new ones, and the old files go.
//!
//! A published pack that is less than half alive is rewritten, so at most one byte is copied for each byte freed. A
//! build's many small packs are joined when it is committed.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::catalog::{failed, parse_row};
use super::intake::Intake;
use super::open::Store;
use super::place::Place;
use super::reach::Reach;
use super::rows::{Owner, PackRow, Receipt, RepoRow};
use super::tables::{OBJECTS, ObjectRow, PACKS, PinBytes, object_key, pin_bytes};
use super::transaction::Transaction;
use crate::base::id::Hash;
use crate::base::{Error, Result};
use crate::object::frame_builder::FrameBuilder;
use crate::object::kind::ObjectKind;
use crate::object::pack::IndexEntry;

/// Packs below this many bytes count as small.
const SMALL_PACK_BYTES: u64 = 4 * 1024 * 1024;
/// So many small packs of one build are joined.
const SMALL_PACKS_MIN: usize = 8;

/// Objects by kind and id, and where they lie.
type Places = BTreeMap<PinBytes, Place>;

impl Store {
    /// Rewrites the packs of a repo that are less than half alive, also those that an earlier failure left so.
    pub(super) fn repack(&self, repo: &RepoRow) -> Result<Receipt> {
        let thin = self.thin_packs(repo)?;
        let mut freed = Receipt::default();
        if thin.is_empty() {
            return Ok(freed);
        }
        let view = self.view(&repo.name, &[])?;
        let mut intake = self.intake();
        let mut moved: Places = BTreeMap::new();
        for (number, row) in &thin {
            let lives = |kind, id, place: Place| {
                Ok(view
                    .published_row(kind, id)?
                    .is_some_and(|row| row.place == place))
            };
            moved.extend(self.copy_out(*number, row, &mut intake, &lives)?);
        }
        drop(view);
        let landing = intake.finish()?;
        let made: Vec<(u64, crate::base::id::PackId)> = landing
            .packs
            .iter()
            .map(|pack| (pack.number, pack.id))
            .collect();
        freed.bytes = thin
            .iter()
            .map(|(_, row)| row.bytes)
            .sum::<u64>()
            .saturating_sub(landing.stored_bytes);
        freed.packs = (thin.len() as u64).saturating_sub(made.len() as u64);
        let mut transaction = Transaction::begin(self)?;
        for (number, row) in &thin {
            // Somebody else retired or rewrote meanwhile: what was copied is not what lives. The next one sees to it.
            if transaction.row(PACKS, *number)? != Some(*row) {
                return Ok(Receipt::default());
            }
        }
        transaction.land(landing, Owner::Repo(repo.number))?;
        self.point_to_copies(&transaction, repo, &moved, &made)?;
        for (number, _) in &thin {
            transaction.doom(*number)?;
        }
        transaction.commit()?;
        Ok(freed)
    }

    /// The packs of a repo that are less than half alive: O(packs).
    fn thin_packs(&self, repo: &RepoRow) -> Result<Vec<(u64, PackRow)>> {
        let mut thin = Vec::new();
        for entry in self
            .reader()?
            .table(PACKS)?
            .iter()
            .map_err(failed("read"))?
        {
            let (number, row) = entry.map_err(failed("read"))?;
            let row: PackRow = parse_row(row.value())?;
            if row.owner == Owner::Repo(repo.number) && row.is_thin() {
                thin.push((number.value(), row));
            }
        }
        Ok(thin)
    }

    fn point_to_copies(
        &self,
        transaction: &Transaction<'_>,
        repo: &RepoRow,
        moved: &Places,
        made: &[(u64, crate::base::id::PackId)],
    ) -> Result<()> {
        let packs = made
            .iter()
            .map(|(number, id)| Ok((*number, self.packs.open(*id)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut objects = transaction
            .write
            .open_table(OBJECTS)
            .map_err(failed("write"))?;
        for pin in moved.keys() {
            let (kind, id) = super::tables::parse_pin(pin)?;
            let copy = packs
                .iter()
                .find_map(|(number, pack)| pack.find(kind, id).map(|location| (*number, location)));
            let (pack, location) =
                copy.ok_or_else(|| Error::internal("a copied object is in the new packs"))?;
            let key = object_key(repo.number, kind, id);
            let row = objects
                .get(key)
                .map_err(failed("read"))?
                .map(|row| ObjectRow::decode(&row.value()));
            let row = row.ok_or_else(|| Error::internal("a copied object is published"))?;
            let place = Place {
                pack,
                frame: location.frame,
                start: location.start,
                length: location.length,
            };
            objects
                .insert(key, ObjectRow { place, ..row }.encode())
                .map_err(failed("write"))?;
        }
        drop(objects);
        for (number, _) in made {
            let row = transaction.pack(*number)?;
            let row = PackRow {
                live_objects: row.objects,
                live_bytes: row.expanded_bytes,
                ..row
            };
            transaction.put(PACKS, *number, &row)?;
        }
        Ok(())
    }

    /// Copies what `lives` of a pack into an intake, in the order in which it lay.
    pub(super) fn copy_out(
        &self,
        number: u64,
        row: &PackRow,
        intake: &mut Intake<'_>,
        lives: &dyn Fn(ObjectKind, Hash, Place) -> Result<bool>,
    ) -> Result<Places> {
        let pack = self.packs.open(row.id)?;
        let mut copied: Places = BTreeMap::new();
        let mut in_order: Vec<(ObjectKind, Hash, Place)> = Vec::new();
        for entry in pack.entries() {
            let IndexEntry { kind, id, location } = entry?;
            let place = Place {
                pack: number,
                frame: location.frame,
                start: location.start,
                length: location.length,
            };
            if lives(kind, id, place)? {
                in_order.push((kind, id, place));
                copied.insert(pin_bytes(kind, id), place);
            }
        }
        // An empty blob starts where the next one does.
        in_order.sort_unstable_by_key(|(_, _, place)| (place.frame, place.start, place.length));
        let mut blobs = FrameBuilder::new();
        let mut open: Option<(u32, crate::object::frame::Frame<'_>)> = None;
        for (kind, id, place) in in_order {
            if open.as_ref().is_none_or(|(frame, _)| *frame != place.frame) {
                open = Some((place.frame, pack.frame(place.frame)?));
            }
            let Some((_, frame)) = &open else { continue };
            let bytes = frame.object(kind, place.start, place.length)?;
            if kind != ObjectKind::Recipe && Hash::of(bytes) != id {
                let error = Error::malformed(kind.name(), "its bytes have another hash");
                return Err(error.in_stored(kind.name(), id, self.pack_place(number)));
            }
            if kind != ObjectKind::Blob {
                intake.put(kind, id, bytes)?;
                continue;
            }
            if !blobs.is_empty() && !blobs.has_room_for(bytes.len()) {
                intake.append(&std::mem::take(&mut blobs).seal()?)?;
            }
            blobs.push(kind, id, bytes)?;
        }
        if !blobs.is_empty() {
            intake.append(&blobs.seal()?)?;
        }
        Ok(copied)
    }

    /// Tidies up a build that is about to be committed: says which of its packs are not needed any more, after copying
    /// what matters in many small, or mostly unneeded, ones into `intake`.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if a pack cannot be read.
    pub fn tidy_packs(
        &self,
        build: u64,
        reach: &Reach,
        intake: &mut Intake<'_>,
    ) -> Result<BTreeSet<u64>> {
        let reader = self.reader()?;
        let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
        for place in reach.own.values() {
            *needed.entry(place.pack).or_default() += u64::from(place.length);
        }
        let mut rows = Vec::new();
        for number in reader.packs_of(build)? {
            let row = reader.pack(number)?;
            let live_bytes = needed.get(&number).copied().unwrap_or_default();
            rows.push((number, PackRow { live_bytes, ..row }));
        }
        let small = rows
            .iter()
            .filter(|(_, row)| row.bytes < SMALL_PACK_BYTES)
            .count();
        let is_small = |row: &PackRow| small >= SMALL_PACKS_MIN && row.bytes < SMALL_PACK_BYTES;
        let mut dropped = BTreeSet::new();
        for (number, row) in rows {
            if row.is_thin() || is_small(&row) {
                let lives = |kind, id, place: Place| {
                    Ok(reach.own.get(&pin_bytes(kind, id)) == Some(&place))
                };
                self.copy_out(number, &row, intake, &lives)?;
                dropped.insert(number);
            }
        }
        Ok(dropped)
    }
}
