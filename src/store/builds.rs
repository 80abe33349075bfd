//! What the catalog does for builds: create, stage, commit, purge.
//!
//! Every method is one transaction that checks the state it leaves: of two that race, one wins and the other is told
//! which state it found. After commit nothing changes a build's content.
//!
//! # Not here
//!
//! Working out what to record (`build`); publishing (`store::releases`).

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::failed;
use super::landing::Landing;
use super::open::Store;
use super::reach::Reach;
use super::rows::{Base, BuildRow, BuildState, Committed, Operation, Owner, Receipt, Staged};
use super::tables::{NEXT_BUILD, OPERATIONS, PinBytes, pin_bytes};
use super::transaction::Transaction;
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
        let mut transaction = Transaction::begin(self)?;
        let base = match &new.target {
            Some(target) => transaction.ref_row(repo.number, target)?.current,
            None => None,
        };
        let base = base.map(|current| current.base());
        let mut build = BuildRow {
            id: transaction.count_up(NEXT_BUILD)?,
            repo: new.repo,
            target: new.target,
            state: BuildState::Open,
            labels: new.labels,
            created: time,
            base,
            staged: Staged::default(),
            committed: None,
            published: None,
            withdrawn: None,
            receipt: None,
            reason: None,
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

    /// Freezes an open build: it has a snapshot from now on, and its own trees' published children are pinned.
    ///
    /// `planned` is the build as the commit was planned. The packs in `dropped`, which it does not need any more, are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is no longer open, [`Error::Refused`] if something was staged into it meanwhile,
    /// [`Error::Missing`] if something to be pinned was retired meanwhile; nothing changes.
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
        let bases = [row.base, committed.onto];
        let bases: BTreeSet<PinBytes> = bases.iter().flatten().map(base_pin).collect();
        transaction.check_published(repo, build, &bases)?;
        transaction.pin(repo, build, reach, bases)?;
        transaction.land(landing, Owner::Build(build))?;
        for number in dropped {
            transaction.doom(*number)?;
        }
        row.state = BuildState::Ready;
        row.committed = Some(committed);
        let what = format!("committed as {}", committed.snapshot.id);
        transaction.put_build(&row, committed.time, what)?;
        transaction.commit()?;
        Ok(row)
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
        if let Some(receipt) = self.reader()?.build(build)?.receipt {
            return Ok(receipt);
        }
        let repo = self.repo_of(build)?;
        let mut transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &PURGEABLE, "purge")?;
        let mut receipt = receipt_of(&transaction.packs_of(build)?);
        for (number, _) in transaction.packs_of(build)? {
            transaction.doom(number)?;
        }
        transaction.drop_operations(build)?;
        receipt = receipt.plus(transaction.let_go(repo, build)?);
        row.state = BuildState::Purged;
        row.receipt = Some(receipt);
        transaction.put_build(&row, time, format!("purged: {} bytes freed", receipt.bytes))?;
        transaction.commit()?;
        Ok(receipt)
    }

    /// What purging a build would free, but for what was retired and only its pins keep.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it cannot be purged now, [`Error::NotFound`] if there is none.
    pub fn plan_purge(&self, build: u64) -> Result<Receipt> {
        let reader = self.reader()?;
        let row = reader.build(build)?;
        match row.receipt {
            Some(receipt) => Ok(receipt),
            None if PURGEABLE.contains(&row.state) => {
                let packs = reader.packs_of(build)?.into_iter();
                let rows = packs
                    .map(|number| Ok((number, reader.pack(number)?)))
                    .collect::<Result<Vec<_>>>()?;
                Ok(receipt_of(&rows))
            }
            None => Err(Error::State {
                build,
                state: row.state.to_string(),
                verb: "purge",
            }),
        }
    }

    /// Writes down why a pending build could not go on. One that is visible by now needs no reason.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not pending.
    pub fn record_reason(&self, build: u64, reason: String, time: Time) -> Result<()> {
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &[BuildState::Publishing], "explain")?;
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
        let mut what = String::new();
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
}

/// The states that purge leaves.
const PURGEABLE: [BuildState; 5] = [
    BuildState::Open,
    BuildState::Checking,
    BuildState::Ready,
    BuildState::Rejected,
    BuildState::Published,
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
