//! Rewriting packs: what still matters in them moves into new ones, and the old files go.
//!
//! A published pack that is less than half alive is rewritten, so at most one byte is copied for each byte freed. A
//! build's many small packs are joined when it is committed.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::catalog::{failed, open_table, parse_row};
use super::departed::Era;
use super::intake::Intake;
use super::landing::Landing;
use super::open::Store;
use super::place::{OpenPack, Place};
use super::reach::Reach;
use super::rows::{Owner, PackRow, Receipt, RepoRow};
use super::tables::{
    OBJECTS, ObjectKey, ObjectRow, ObjectValue, PACKS, PinBytes, object_key, pin_bytes,
};
use super::transaction::Transaction;
use crate::base::id::{Hash, PackId};
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;
use crate::object::pack::IndexEntry;

/// Packs below this many bytes count as small.
const SMALL_PACK_BYTES: u64 = 4 * 1024 * 1024;
/// So many small packs of one build are joined.
const SMALL_PACKS_MIN: usize = 8;

/// Objects by kind and id, and where they lie.
pub(super) type Places = BTreeMap<PinBytes, Place>;

/// What rewriting would put in the place of packs.
struct Rewritten {
    thin: Vec<(u64, PackRow)>,
    landing: Landing,
    moved: Places,
}

impl Rewritten {
    /// What it frees; nothing if what lives, which was compressed together with what does not, takes as much by itself:
    /// then the packs are left as they are.
    fn frees(&self) -> Option<Receipt> {
        let before: u64 = self.thin.iter().map(|(_, row)| row.bytes).sum();
        let bytes = before.checked_sub(self.landing.stored_bytes);
        bytes.filter(|bytes| *bytes > 0).map(|bytes| Receipt {
            objects: 0,
            packs: (self.thin.len() as u64).saturating_sub(self.landing.packs.len() as u64),
            bytes,
        })
    }
}

impl Transaction<'_> {
    /// What rewriting the packs of a repo that are less than half alive will free when this is committed.
    pub(super) fn plan_repack(&self, repo: &RepoRow) -> Result<Receipt> {
        let packs = self.write.open_table(PACKS).map_err(failed("read"))?;
        let objects = self.write.open_table(OBJECTS).map_err(failed("read"))?;
        let era = self.store.packs.era();
        let rewritten = self.store.rewrite(&era, repo, &packs, &objects)?;
        Ok(rewritten.frees().unwrap_or_default())
    }
}

impl Store {
    /// Rewrites the packs of a repo that are less than half alive, also those that an earlier failure left so.
    pub(super) fn repack(&self, repo: &RepoRow) -> Result<Receipt> {
        // Others may rewrite the same packs meanwhile: what they make depart can be read since before it was looked up.
        let (era, reader) = (self.packs.era(), self.reader()?);
        let objects = open_table(&reader.read, OBJECTS)?;
        let rewritten = self.rewrite(&era, repo, &reader.table(PACKS)?, &objects)?;
        let Some(freed) = rewritten.frees() else {
            return Ok(Receipt::default());
        };
        let Rewritten {
            thin,
            landing,
            moved,
        } = rewritten;
        let made: Vec<(u64, PackId)> = landing
            .packs
            .iter()
            .map(|pack| (pack.number, pack.id))
            .collect();
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

    /// Copies what lives in the packs of a repo that are less than half alive into new ones.
    fn rewrite(
        &self,
        era: &Era<OpenPack>,
        repo: &RepoRow,
        packs: &impl ReadableTable<u64, &'static [u8]>,
        objects: &impl ReadableTable<ObjectKey, ObjectValue>,
    ) -> Result<Rewritten> {
        let thin = thin_packs(repo, packs)?;
        let mut intake = self.intake();
        let mut moved: Places = BTreeMap::new();
        for (number, row) in &thin {
            let lives = |kind, id, place: Place| {
                let key = object_key(repo.number, kind, id);
                let row = objects.get(key).map_err(failed("read"))?;
                Ok(row.is_some_and(|row| ObjectRow::decode(&row.value()).place == place))
            };
            moved.extend(self.copy_out(era, *number, row, &mut intake, &lives)?);
        }
        Ok(Rewritten {
            thin,
            landing: intake.finish()?,
            moved,
        })
    }

    /// Makes the rows of the objects in `moved` point into the packs `made`, in which nothing else lives.
    pub(super) fn point_to_copies(
        &self,
        transaction: &Transaction<'_>,
        repo: &RepoRow,
        moved: &Places,
        made: &[(u64, PackId)],
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

    /// Copies what `lives` of a pack, which may depart meanwhile, into an intake, in the order in which it lay.
    pub(super) fn copy_out(
        &self,
        era: &Era<OpenPack>,
        number: u64,
        row: &PackRow,
        intake: &mut Intake<'_>,
        lives: &dyn Fn(ObjectKind, Hash, Place) -> Result<bool>,
    ) -> Result<Places> {
        let pack = self.packs.open_since(era, row.id)?;
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
            intake.put(kind, id, bytes)?;
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
        let (era, reader) = (self.packs.era(), self.reader()?);
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
                self.copy_out(&era, number, &row, intake, &lives)?;
                dropped.insert(number);
            }
        }
        Ok(dropped)
    }
}

/// The packs of a repo that are less than half alive: O(packs).
fn thin_packs(
    repo: &RepoRow,
    packs: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Vec<(u64, PackRow)>> {
    let mut thin = Vec::new();
    for entry in packs.iter().map_err(failed("read"))? {
        let (number, row) = entry.map_err(failed("read"))?;
        let row: PackRow = parse_row(row.value())?;
        if row.owner == Owner::Repo(repo.number) && row.is_thin() {
            thin.push((number.value(), row));
        }
    }
    Ok(thin)
}
