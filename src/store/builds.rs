//! What the catalog does for builds: create, stage, commit, purge.
//!
//! Every method is one transaction that checks the state it leaves: of two that race, one wins and the other is told
//! which state it found. After commit nothing changes a build's content.
//!
//! # Not here
//!
//! Working out what to record (`build`); checks (`store::checks`); publishing (`store::releases`).

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTableMetadata;

use super::catalog::{failed, open_table};
use super::landing::Landing;
use super::open::Store;
use super::reach::Reach;
use super::reader::Reader;
use super::rows::{Base, BuildRow, BuildState, Committed, Operation, Owner, Receipt, Staged};
use super::tables::{
    LINGERING, NEXT_BUILD, OPERATIONS, PINS, PinBytes, object_key, parse_pin, pin_bytes, pins_in,
};
use super::transaction::{Transaction, check_state};
use crate::base::clock::Time;
use crate::base::error::check_limit;
use crate::base::limits::OPERATIONS_MAX;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;

/// What is known of a build when it is made.
#[derive(Clone, Debug)]
pub struct NewBuild {
    /// The repo it is for.
    pub repo: RepoName,
    /// The ref it is meant for, if that is known.
    pub target: Option<RefName>,
    /// What whoever makes it says about it.
    pub labels: BTreeMap<String, String>,
}

/// What one staging adds to a build.
#[derive(Debug)]
#[must_use]
pub struct Staging {
    /// The new objects.
    pub landing: Landing,
    /// The changes of paths, in order.
    pub operations: Vec<Operation>,
    /// Sums over them.
    pub sums: Staged,
}

impl BuildRow {
    /// An open build without a base.
    fn open(id: u64, new: NewBuild, time: Time) -> Self {
        Self {
            id,
            repo: new.repo,
            target: new.target,
            state: BuildState::Open,
            labels: new.labels,
            created: time,
            base: None,
            staged: Staged::default(),
            committed: None,
            required: BTreeSet::new(),
            checks: BTreeMap::new(),
            published: None,
            withdrawn: None,
            receipt: None,
            reason: None,
            held: None,
            due: None,
            is_time_decided: false,
        }
    }
}

impl Store {
    /// Makes an open build, with what it starts with; what its ref shows now becomes its base, and is pinned.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such repo, [`Error::Limit`] if there are too many operations; nothing changes.
    pub fn create_build(
        &self,
        new: NewBuild,
        staging: Option<Staging>,
        time: Time,
    ) -> Result<BuildRow> {
        let repo = self.reader()?.repo(&new.repo)?;
        repo.check_own()?;
        let mut transaction = Transaction::begin(self)?;
        let base = transaction.shown(repo.number, new.target.as_ref())?;
        let mut build = BuildRow {
            base,
            ..BuildRow::open(transaction.count_up(NEXT_BUILD)?, new, time)
        };
        transaction.put_pins(repo.number, build.id, &base.iter().map(base_pin).collect())?;
        transaction.put_build(&build, time, "created")?;
        if let Some(staging) = staging {
            build = transaction.stage(build, staging, time)?;
        }
        transaction.commit()?;
        Ok(build)
    }

    /// Adds a staging to an open build: its packs become the build's.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is no longer open, [`Error::Limit`] if it has too many operations; nothing changes.
    pub fn record_staging(&self, build: u64, staging: Staging, time: Time) -> Result<BuildRow> {
        let mut transaction = Transaction::begin(self)?;
        let row = transaction.build_in(build, &[BuildState::Open], "stage into")?;
        let row = transaction.stage(row, staging, time)?;
        transaction.commit()?;
        Ok(row)
    }

    /// Freezes an open build: it has a snapshot from now on, and its own trees' published children are pinned. It is ready,
    /// or waits for the checks that its ref asks for.
    ///
    /// `planned` is the build as the commit was planned. The packs in `dropped`, which it does not need any more, are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is no longer open, [`Error::Refused`] if something was staged into it or its ref moved
    /// meanwhile, [`Error::Missing`] if something to be pinned was retired meanwhile; nothing changes.
    pub fn record_commit(
        &self,
        planned: &BuildRow,
        committed: Committed,
        landing: Landing,
        reach: &Reach,
        dropped: &BTreeSet<u64>,
    ) -> Result<BuildRow> {
        let build = planned.id;
        let repo = self.repo_of(build)?;
        let mut transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &[BuildState::Open], "commit")?;
        if row.staged != planned.staged {
            let reason = format!("build {build} was staged into meanwhile; try again");
            return Err(Error::refused(reason));
        }
        transaction.check_shown(repo, row.target.as_ref(), committed.onto)?;
        let bases = [row.base, committed.onto];
        let bases: BTreeSet<PinBytes> = bases.iter().flatten().map(base_pin).collect();
        transaction.check_published("commit", repo, build, &bases)?;
        transaction.pin("commit", repo, build, reach, bases)?;
        transaction.land(landing, Owner::Build(build))?;
        for number in dropped {
            transaction.doom(*number)?;
        }
        let planned = self.freeze(&mut row, committed);
        let what = format!("committed as {}{planned}", committed.snapshot.id);
        transaction.put_build(&row, committed.time, what)?;
        transaction.commit()?;
        Ok(row)
    }

    /// Makes a build that is committed from the start: its snapshot was made elsewhere and `landing` brings it. It is
    /// checked as others are.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such repo, [`Error::Refused`] if the build's ref does not show any more what
    /// `committed` was made onto, [`Error::Missing`] if something to be pinned was retired meanwhile; nothing changes.
    pub fn create_committed(
        &self,
        new: NewBuild,
        committed: Committed,
        landing: Landing,
        reach: &Reach,
    ) -> Result<BuildRow> {
        let repo = self.reader()?.repo(&new.repo)?;
        repo.check_own()?;
        let mut transaction = Transaction::begin(self)?;
        let base = committed.onto;
        transaction.check_shown(repo.number, new.target.as_ref(), base)?;
        // All of the tree is what this build brings, although nothing was staged into it file by file.
        let staged = Staged {
            operations: 0,
            files: committed.files,
            bytes: committed.bytes,
            new_objects: landing.objects,
            new_bytes: landing.expanded_bytes,
            stored_bytes: landing.stored_bytes,
        };
        let mut build = BuildRow {
            base,
            staged,
            ..BuildRow::open(transaction.count_up(NEXT_BUILD)?, new, committed.time)
        };
        let planned = self.freeze(&mut build, committed);
        let bases: BTreeSet<PinBytes> = base.iter().map(base_pin).collect();
        transaction.check_published("commit", repo.number, build.id, &bases)?;
        transaction.pin("commit", repo.number, build.id, reach, bases)?;
        transaction.land(landing, Owner::Build(build.id))?;
        let what = format!("made of a delta, as {}{planned}", committed.snapshot.id);
        transaction.put_build(&build, committed.time, what)?;
        transaction.commit()?;
        Ok(build)
    }

    /// Ends a build and frees what only it held, before it returns: also what was retired and only its pins kept. Purging
    /// twice gives the same receipt.
    ///
    /// The cost is that of the build's rows and packs, whatever else the store holds.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is being published right now; nothing changes.
    pub fn purge_build(&self, build: u64, time: Time) -> Result<Receipt> {
        let repo = self.repo_of(build)?;
        let mut transaction = Transaction::begin(self)?;
        // Looked at here, so that of two that purge at once the second finds what the first wrote.
        if let Some(receipt) = transaction.build_in(build, &PURGEABLE, "purge")?.receipt {
            return Ok(receipt);
        }
        let receipt = transaction.purge(repo, build, time)?;
        transaction.commit()?;
        Ok(receipt)
    }

    /// What purging a build would free; `None` if something was retired that only its pins keep: then only
    /// [`rehearse_purge`](Self::rehearse_purge) can tell.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it cannot be purged now, [`Error::NotFound`] if there is none.
    pub fn plan_purge(&self, build: u64) -> Result<Option<Receipt>> {
        let reader = self.reader()?;
        let row = reader.build(build)?;
        if row.receipt.is_some() {
            return Ok(row.receipt);
        }
        check_state(&row, &PURGEABLE, "purge")?;
        if reader.is_keeping(reader.repo(&row.repo)?.number, build)? {
            return Ok(None);
        }
        let packs = reader.packs_of(build)?.into_iter();
        let rows = packs
            .map(|number| Ok((number, reader.pack(number)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(receipt_of(&rows)))
    }

    /// What purging a build would free, found out by a transaction that is thrown away.
    ///
    /// # Errors
    ///
    /// As [`purge_build`](Self::purge_build).
    pub fn rehearse_purge(&self, build: u64, time: Time) -> Result<Receipt> {
        if let Some(receipt) = self.reader()?.build(build)?.receipt {
            return Ok(receipt);
        }
        let repo = self.repo_of(build)?;
        Transaction::begin(self)?.purge(repo, build, time)
    }

    /// Writes down why a pending build could not go on. One that is visible by now needs no reason.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not pending.
    pub fn record_reason(&self, build: u64, reason: String, time: Time) -> Result<()> {
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &[BuildState::Publishing], "explain")?;
        if row.reason.as_ref() == Some(&reason) {
            // What is due is tried again and again.
            return Ok(());
        }
        row.reason = Some(reason.clone());
        transaction.put_build(&row, time, reason)?;
        transaction.commit()
    }

    pub(super) fn repo_of(&self, build: u64) -> Result<u32> {
        let reader = self.reader()?;
        Ok(reader.repo(&reader.build(build)?.repo)?.number)
    }

    /// What was staged into a build, in order.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub fn operations(&self, build: u64) -> Result<Vec<Operation>> {
        let read = self.catalog.read()?;
        let table = super::catalog::open_table(&read, OPERATIONS)?;
        let rows = table
            .range((build, 0)..=(build, u32::MAX))
            .map_err(failed("read"))?;
        rows.map(|row| super::catalog::parse_row(row.map_err(failed("read"))?.1.value()))
            .collect()
    }
}

impl Transaction<'_> {
    /// Adds a staging to an open build: its packs become the build's.
    fn stage(&mut self, mut row: BuildRow, staging: Staging, time: Time) -> Result<BuildRow> {
        let first = row.staged.operations;
        row.staged = row.staged.plus(Staged {
            operations: u32::try_from(staging.operations.len()).unwrap_or(u32::MAX),
            ..staging.sums
        });
        check_limit(
            "operations of a build",
            u64::from(row.staged.operations),
            OPERATIONS_MAX as u64,
        )?;
        let mut what = format!("received {} objects", staging.landing.objects);
        for (number, operation) in (first..).zip(&staging.operations) {
            self.put(OPERATIONS, (row.id, number), operation)?;
            what = match operation {
                Operation::Merge { at, .. } => {
                    format!("staged {} files at /{at}", staging.sums.files)
                }
                Operation::Replace { at, .. } => {
                    format!("staged {} files in place of /{at}", staging.sums.files)
                }
                Operation::Remove { path } => format!("removed /{path}"),
            };
        }
        self.land(staging.landing, Owner::Build(row.id))?;
        self.put_build(&row, time, what)?;
        Ok(row)
    }

    /// Forgets what only a build held; returns what that frees.
    fn purge(&mut self, repo: u32, build: u64, time: Time) -> Result<Receipt> {
        let mut row = self.build_in(build, &PURGEABLE, "purge")?;
        let packs = self.packs_of(build)?;
        for (number, _) in &packs {
            self.doom(*number)?;
        }
        self.drop_operations(build)?;
        let receipt = receipt_of(&packs).plus(self.let_go(repo, build)?);
        row.state = BuildState::Purged;
        (row.due, row.held) = (None, None);
        row.receipt = Some(receipt);
        self.put_build(&row, time, format!("purged: {} bytes freed", receipt.bytes))?;
        Ok(receipt)
    }
}

impl Reader<'_> {
    /// Whether a build pins something that was retired.
    fn is_keeping(&self, repo: u32, build: u64) -> Result<bool> {
        let lingering = open_table(&self.read, LINGERING)?;
        if lingering.is_empty().map_err(failed("read"))? {
            return Ok(false);
        }
        let pins = open_table(&self.read, PINS)?;
        let Some(pins) = pins.get((repo, build)).map_err(failed("read"))? else {
            return Ok(false);
        };
        for pin in pins_in(pins.value()) {
            let (kind, id) = parse_pin(pin)?;
            let row = lingering.get(object_key(repo, kind, id));
            if row.map_err(failed("read"))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The states in which a build can be purged, also once more.
const PURGEABLE: [BuildState; 6] = [
    BuildState::Open,
    BuildState::Checking,
    BuildState::Ready,
    BuildState::Rejected,
    BuildState::Published,
    BuildState::Purged,
];

/// The pin of a build's base.
fn base_pin(base: &Base) -> PinBytes {
    pin_bytes(ObjectKind::Snapshot, base.snapshot.id.hash())
}

fn receipt_of(packs: &[(u64, super::rows::PackRow)]) -> Receipt {
    let mut receipt = Receipt {
        packs: packs.len() as u64,
        ..Receipt::default()
    };
    for (_, pack) in packs {
        receipt.objects += pack.objects;
        receipt.bytes += pack.bytes;
    }
    receipt
}
