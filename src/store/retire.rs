//! Letting go of old releases: what only they held is freed.
//!
//! The cost is that of what dies, never a scan of the store.
//!
//! # Invariants
//!
//! - Working a retirement out and making it give the same receipt, if nothing else changes in between; and the receipt
//!   says by how much the files of the store have become shorter, rewriting included.
//!
//! # Not here
//!
//! Which releases go (`build::retire`); rewriting packs that are mostly dead (`store::repack`).

use std::collections::BTreeSet;

use super::open::Store;
use super::rows::{Receipt, ReleaseRow, RepoRow};
use super::tables::{RELEASES, pin_bytes};
use super::transaction::Transaction;
use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;

/// Whether a change is made or only worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is made.
    Apply,
    /// It is worked out and thrown away.
    DryRun,
}

impl Store {
    /// Lets go of releases, each given by its ref, epoch and seq, in one transaction; afterwards, packs of the repo that
    /// are less than half alive are rewritten, also those that something else left so, and prepared deltas of snapshots that
    /// no release shows any more go.
    ///
    /// The receipt counts objects that died, and packs and bytes that are gone. How well what is rewritten will compress is
    /// known only when it is compressed, so [`Mode::DryRun`] does that too, and needs room under `tmp/` meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if one of them is what its ref shows now; nothing changes. If rewriting fails, the releases are
    /// let go of all the same, and the next retirement rewrites.
    pub fn retire_releases(
        &self,
        repo: &RepoRow,
        releases: &[(RefName, u64, u64)],
        mode: Mode,
    ) -> Result<Receipt> {
        let mut transaction = Transaction::begin(self)?;
        let (thinned, objects) = transaction.retire(repo, releases)?;
        let freed = transaction.doom_dead(&thinned)?;
        let freed = Receipt { objects, ..freed };
        let deltas = self.stale_deltas(repo, releases)?;
        let freed = freed.plus(Self::receipt_of_deltas(&deltas));
        let rewritten = match mode {
            Mode::DryRun => transaction.plan_repack(repo)?,
            Mode::Apply => {
                transaction.commit()?;
                self.remove_deltas(&repo.name, &deltas)?;
                self.repack(repo)?
            }
        };
        Ok(freed.plus(rewritten))
    }
}

impl Transaction<'_> {
    /// Marks releases as retired, and takes their roots away. Returns the packs in which something died, and how many
    /// objects did.
    fn retire(
        &self,
        repo: &RepoRow,
        releases: &[(RefName, u64, u64)],
    ) -> Result<(BTreeSet<u64>, u64)> {
        // Made now, it shows what the transaction starts from: nobody else can write meanwhile.
        let view = self.store.view(&repo.name, &[])?;
        let mut thinned = BTreeSet::new();
        let mut died = 0;
        for (target, epoch, seq) in releases {
            let key = (repo.number, target.as_str(), *epoch, *seq);
            let row: Option<ReleaseRow> = self.row(RELEASES, key)?;
            let mut row =
                row.ok_or_else(|| Error::not_found("release", format!("{target}@{seq}")))?;
            let current = self.ref_row(repo.number, target)?.current;
            if current.is_some_and(|current| (current.epoch, current.seq) == (*epoch, *seq)) {
                return Err(Error::refused(format!(
                    "{target}@{seq} is what {target} shows now"
                )));
            }
            if row.retired {
                continue;
            }
            row.retired = true;
            self.put(RELEASES, key, &row)?;
            let roots = Store::roots_of(row.snapshot, &row.imports);
            let pins = roots
                .iter()
                .map(|root| pin_bytes(ObjectKind::Snapshot, root.id.hash()))
                .collect();
            let (packs, objects) = self.subtract(&view, pins)?;
            thinned.extend(packs);
            died += objects;
        }
        Ok((thinned, died))
    }
}
