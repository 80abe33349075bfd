//! Counts: recomputed from the published trees and roots, compared with what the catalog says, and put right.
//!
//! A count that is too high leaks: the object never dies. That is repaired. A count that is too low would let an object
//! die that is needed, and must be impossible: it is put right and told as a problem.
//!
//! # Invariants
//!
//! - What is needed is what releases that are not retired, and builds' pins, reach.
//! - Nothing is worked out if something that is needed has children that are not known: they would be taken for
//!   unneeded.
//!
//! # Not here
//!
//! Counting while publishing and retiring (`store::counting`).

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::catalog::{failed, open_table};

use super::mending::Mending;
use super::needs::Object;
use super::place::Place;
use super::problem::{Problem, bounded};
use super::published::Published;
use super::reader::Reader;
use super::rows::{BuildRow, BuildState, Owner, PackRow, SnapshotRef};
use super::tables::{
    BUILDS, LINGERING, OBJECTS, ObjectKey, ObjectRow, PACKS, PINS, object_key, parse_object_key,
    parse_pin, pins_in,
};
use super::transaction::Transaction;
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;

/// Where problems of counts are.
const PLACE: &str = "the catalog";

/// What the rows of one repo should say and do not.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Drift {
    repo: u32,
    /// Objects and their right counts.
    counts: BTreeMap<Object, u32>,
    /// Objects that nothing needs.
    leaked: BTreeSet<Object>,
    /// Objects that only pins keep, as far as they are not listed as such.
    unlisted: BTreeSet<Object>,
    /// Objects that are listed so and are not.
    listed: BTreeSet<Object>,
    /// Where objects lie whose rows are wrong or missing.
    places: BTreeMap<Object, Place>,
    /// Packs and their right numbers of live objects and bytes.
    packs: BTreeMap<u64, (u64, u64)>,
    /// Builds that have pins and are over.
    stale_pins: BTreeSet<u64>,
    /// In words, what leaks.
    pub(super) leaks: Vec<String>,
    /// What would have lost data.
    pub(super) losses: Vec<Problem>,
}

impl Drift {
    /// Whether every row is right.
    pub(super) fn is_none(&self) -> bool {
        self.leaks.is_empty() && self.losses.is_empty() && self.places.is_empty()
    }

    /// Compares the rows of a repo with what follows from its `roots`; a snapshot is there once for each release of which
    /// it is a root. `published` is the set as `mending` makes it. None if something that is needed has children that are
    /// not known.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub(super) fn find(
        reader: &Reader<'_>,
        repo: u32,
        published: &Published,
        roots: &[SnapshotRef],
        mending: Mending,
    ) -> Result<Option<Self>> {
        let mut drift = Self {
            repo,
            places: mending.places,
            ..Self::default()
        };
        let pins = drift.pins(reader, published)?;
        let right = Counts::of(published, roots, &pins);
        let mut needed = (0..published.len()).filter(|at| right.is_needed[*at]);
        if needed.any(|at| mending.unknown.contains(&published.object(at))) {
            return Ok(None);
        }
        drift.compare_counts(published, &right);
        drift.compare_lingering(reader, published, &right)?;
        drift.compare_packs(reader, published, &right)?;
        Ok(Some(drift))
    }

    /// The places of all pinned objects. Pins of builds that are over are left out.
    fn pins(&mut self, reader: &Reader<'_>, published: &Published) -> Result<Vec<usize>> {
        let builds: BTreeMap<u64, BuildRow> = reader
            .rows::<_, BuildRow>(BUILDS)?
            .into_iter()
            .map(|build| (build.id, build))
            .collect();
        let is_over = |build: &u64| {
            let state = builds.get(build).map(|build| build.state);
            matches!(
                state,
                None | Some(BuildState::Purged | BuildState::Published)
            )
        };
        let (mut places, mut missing) = (Vec::new(), Vec::new());
        let table = open_table(&reader.read, PINS)?;
        let lists = table.range((self.repo, 0)..=(self.repo, u64::MAX));
        for list in lists.map_err(failed("read"))? {
            let (key, list) = list.map_err(failed("read"))?;
            let build = key.value().1;
            if is_over(&build) {
                self.stale_pins.insert(build);
                self.leaks
                    .push(format!("pins of build {build}, which is over"));
                continue;
            }
            for pin in pins_in(list.value()) {
                let object = parse_pin(pin)?;
                match published.find(object) {
                    Some(place) => places.push(place),
                    None => missing.push(Problem::new(
                        "lost object",
                        PLACE,
                        format!("build {build} needs {}, which is gone", named(object)),
                    )),
                }
            }
        }
        self.losses.extend(bounded("lost object", PLACE, missing));
        Ok(places)
    }

    fn compare_counts(&mut self, published: &Published, right: &Counts) {
        let (mut high, mut low, mut leaked) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..published.len() {
            let (object, found) = (published.object(at), published.row(at).count);
            let wanted = right.counts[at];
            let words = format!("{} has the count {found}, not {wanted}", named(object));
            if !right.is_needed[at] {
                self.leaked.insert(object);
                leaked.push(named(object));
            } else if self.places.contains_key(&object) {
                // Told as a row that is wrong.
                self.counts.insert(object, wanted);
            } else if found != wanted {
                self.counts.insert(object, wanted);
                if found > wanted { &mut high } else { &mut low }.push(words);
            }
        }
        self.leak(
            &leaked,
            "object that nothing needs",
            "objects that nothing needs",
        );
        self.leak(&high, "count that is too high", "counts that are too high");
        let losses = low.into_iter();
        let losses = losses.map(|words| Problem::new("count too low", PLACE, words));
        self.losses
            .extend(bounded("count too low", PLACE, losses.collect()));
    }

    /// Puts a kind of leak into words, with the first one.
    fn leak(&mut self, found: &[String], one: &str, many: &str) {
        if let Some(first) = found.first() {
            let what = if found.len() == 1 { one } else { many };
            self.leaks
                .push(format!("{} {what}, first {first}", found.len()));
        }
    }

    fn compare_lingering(
        &mut self,
        reader: &Reader<'_>,
        published: &Published,
        right: &Counts,
    ) -> Result<()> {
        let mut listed = BTreeSet::new();
        let table = open_table(&reader.read, LINGERING)?;
        for row in table.iter().map_err(failed("read"))? {
            let key: ObjectKey = row.map_err(failed("read"))?.0.value();
            if key[..4] == self.repo.to_be_bytes() {
                listed.insert(parse_object_key(&key)?);
            }
        }
        let lingering: BTreeSet<Object> = (0..published.len())
            .filter(|at| right.is_needed[*at] && right.counts[*at] == 0)
            .map(|at| published.object(at))
            .collect();
        self.unlisted = lingering.difference(&listed).copied().collect();
        self.listed = listed.difference(&lingering).copied().collect();
        let wrong: Vec<String> = self
            .unlisted
            .union(&self.listed)
            .copied()
            .map(named)
            .collect();
        self.leak(
            &wrong,
            "wrong mark of lingering",
            "wrong marks of lingering",
        );
        Ok(())
    }

    fn compare_packs(
        &mut self,
        reader: &Reader<'_>,
        published: &Published,
        right: &Counts,
    ) -> Result<()> {
        let mut live: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for at in (0..published.len()).filter(|at| right.is_needed[*at]) {
            let place = published.row(at).place;
            let (objects, bytes) = live.entry(place.pack).or_default();
            *objects += 1;
            *bytes += u64::from(place.length);
        }
        for (number, row) in reader.numbered::<PackRow>(PACKS)? {
            let wanted = live.get(&number).copied().unwrap_or_default();
            let found = (row.live_objects, row.live_bytes);
            if row.owner != Owner::Repo(self.repo) || (found == wanted && wanted.0 > 0) {
                continue;
            }
            self.packs.insert(number, wanted);
            let words = if found == wanted {
                format!("pack {}, in which nothing lives", row.id)
            } else {
                let ((objects, bytes), id) = (found, row.id);
                format!(
                    "pack {id} counts {objects} live objects of {bytes} bytes, not {} of {}",
                    wanted.0, wanted.1
                )
            };
            if found.0 < wanted.0 || found.1 < wanted.1 {
                self.losses
                    .push(Problem::new("count too low", PLACE, words));
            } else {
                self.leaks.push(words);
            }
        }
        Ok(())
    }
}

/// What the counts of a published set should be.
struct Counts {
    counts: Vec<u32>,
    is_needed: Vec<bool>,
}

impl Counts {
    /// Follows everything that roots and pins reach.
    fn of(published: &Published, roots: &[SnapshotRef], pins: &[usize]) -> Self {
        let mut right = Self {
            counts: vec![0; published.len()],
            is_needed: vec![false; published.len()],
        };
        let roots = roots.iter().filter_map(|root| {
            // A root that is missing is a problem of its own.
            published.find((ObjectKind::Snapshot, root.id.hash()))
        });
        let mut waiting = Vec::new();
        for root in roots {
            right.counts[root] += 1;
            waiting.push(root);
        }
        waiting.extend(pins);
        while let Some(at) = waiting.pop() {
            if std::mem::replace(&mut right.is_needed[at], true) {
                continue;
            }
            for child in published.children(at) {
                right.counts[child] += 1;
                waiting.push(child);
            }
        }
        right
    }
}

fn named((kind, id): Object) -> String {
    format!("{} {id}", kind.name())
}

impl Transaction<'_> {
    /// Makes the rows of a repo what they should be. Packs in which nothing lives are forgotten.
    pub(super) fn put_right(&mut self, drift: &Drift) -> Result<()> {
        let repo = drift.repo;
        self.add_now(repo)?;
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        let mut lingering = self.write.open_table(LINGERING).map_err(failed("write"))?;
        for ((kind, id), count) in &drift.counts {
            let key = object_key(repo, *kind, *id);
            let row = objects.get(key).map_err(failed("read"))?;
            let place = row.map(|row| ObjectRow::decode(&row.value()).place);
            let place = drift.places.get(&(*kind, *id)).copied().or(place);
            let row = ObjectRow {
                count: *count,
                place: place.ok_or_else(|| Error::internal("it was there when counted"))?,
            };
            objects.insert(key, row.encode()).map_err(failed("write"))?;
        }
        for (kind, id) in &drift.leaked {
            objects
                .remove(object_key(repo, *kind, *id))
                .map_err(failed("write"))?;
        }
        for (kind, id) in &drift.unlisted {
            lingering
                .insert(object_key(repo, *kind, *id), ())
                .map_err(failed("write"))?;
        }
        for (kind, id) in &drift.listed {
            lingering
                .remove(object_key(repo, *kind, *id))
                .map_err(failed("write"))?;
        }
        drop((objects, lingering));
        if !drift.leaked.is_empty() {
            self.note_deaths()?;
        }
        for build in &drift.stale_pins {
            self.drop_pins(repo, *build)?;
        }
        for (number, (live_objects, live_bytes)) in &drift.packs {
            let row = PackRow {
                live_objects: *live_objects,
                live_bytes: *live_bytes,
                ..self.pack(*number)?
            };
            self.put(PACKS, *number, &row)?;
            if *live_objects == 0 {
                self.doom(*number)?;
            }
        }
        Ok(())
    }
}

/// What tests of other files use to make counts wrong.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::base::name::RefName;
    use crate::store::open::Store;
    use crate::store::rows::{ReleaseRow, RepoRow};
    use crate::store::tables::RELEASES;

    /// Changes the count of every published object of a repo; with `None`, takes the object's row away. Returns how many
    /// rows are different now.
    pub(crate) fn change_counts(
        store: &Store,
        repo: &RepoRow,
        change: &dyn Fn(ObjectKind, u32) -> Option<u32>,
    ) -> Result<usize> {
        let view = store.view(&repo.name, &[])?;
        let published = Published::load(&store.reader()?, &view)?;
        let transaction = Transaction::begin(store)?;
        transaction.add_now(repo.number)?;
        let mut objects = transaction
            .write
            .open_table(OBJECTS)
            .map_err(failed("write"))?;
        let mut changed = 0;
        for at in 0..published.len() {
            let ((kind, id), row) = (published.object(at), published.row(at));
            let key = object_key(repo.number, kind, id);
            let count = change(kind, row.count);
            changed += usize::from(count != Some(row.count));
            match count {
                Some(count) => {
                    let row = ObjectRow { count, ..row };
                    objects.insert(key, row.encode()).map_err(failed("write"))?;
                }
                None => {
                    objects.remove(key).map_err(failed("write"))?;
                }
            }
        }
        drop(objects);
        transaction.commit()?;
        Ok(changed)
    }

    /// Makes every row of one kind of a repo say that its object lies one byte further; returns how many there are.
    pub(crate) fn misplace(store: &Store, repo: &RepoRow, kind: ObjectKind) -> Result<usize> {
        let view = store.view(&repo.name, &[])?;
        let published = Published::load(&store.reader()?, &view)?;
        let transaction = Transaction::begin(store)?;
        let mut objects = transaction
            .write
            .open_table(OBJECTS)
            .map_err(failed("write"))?;
        let mut changed = 0;
        for at in (0..published.len()).filter(|at| published.object(*at).0 == kind) {
            let (row, (kind, id)) = (published.row(at), published.object(at));
            let place = Place {
                start: row.place.start + 1,
                ..row.place
            };
            let row = ObjectRow { place, ..row };
            let key = object_key(repo.number, kind, id);
            objects.insert(key, row.encode()).map_err(failed("write"))?;
            changed += 1;
        }
        drop(objects);
        transaction.commit()?;
        Ok(changed)
    }

    /// Adds the row of an object of one kind that is nowhere.
    pub(crate) fn invent(store: &Store, repo: &RepoRow, kind: ObjectKind) -> Result<()> {
        let transaction = Transaction::begin(store)?;
        let mut objects = transaction
            .write
            .open_table(OBJECTS)
            .map_err(failed("write"))?;
        let place = Place {
            pack: 1,
            frame: 0,
            start: 0,
            length: 1,
        };
        let key = object_key(repo.number, kind, crate::base::id::Hash::of(b"invented"));
        let row = ObjectRow { place, count: 1 };
        objects.insert(key, row.encode()).map_err(failed("write"))?;
        drop(objects);
        transaction.commit()
    }

    /// Changes the live objects and bytes of every pack that a repo owns.
    pub(crate) fn change_live(store: &Store, by: i64) -> Result<()> {
        let rows = store.reader()?.numbered::<PackRow>(PACKS)?;
        let transaction = Transaction::begin(store)?;
        for (number, row) in rows {
            if let Owner::Repo(_) = row.owner {
                let row = PackRow {
                    live_objects: row.live_objects.saturating_add_signed(by),
                    live_bytes: row.live_bytes.saturating_add_signed(by),
                    ..row
                };
                transaction.put(PACKS, number, &row)?;
            }
        }
        transaction.commit()
    }

    /// Says that a release is retired, and takes nothing away.
    pub(crate) fn leak_release(
        store: &Store,
        repo: &RepoRow,
        target: &RefName,
        seq: u64,
    ) -> Result<()> {
        let transaction = Transaction::begin(store)?;
        let key = (repo.number, target.as_str(), 1, seq);
        let row: Option<ReleaseRow> = transaction.row(RELEASES, key)?;
        let row = row.ok_or_else(|| Error::not_found("release", seq))?;
        let row = ReleaseRow {
            retired: true,
            ..row
        };
        transaction.put(RELEASES, key, &row)?;
        transaction.commit()
    }
}
