//! Borrowed stores: empty ones that are there for one command, which brings into them what it needs of a store elsewhere.
//!
//! # Invariants
//!
//! - A borrowed store goes with all that is in it: when it is dropped, when its lender recalls it, or, of a process that was killed,
//!   when the next store is lent in the same folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::Result;
use crate::disk::scratch::{Scratch, sweep};
use crate::store::{Patience, Store};

/// How the names of folders begin in which borrowed stores lie.
const PREFIX: &str = "bindery-borrowed";
/// How often a folder is removed in vain, because something is still written into it, before it is left to the next who borrows.
const RECALLS_MAX: u32 = 100;
/// How long is waited between two such attempts.
const RECALL_PAUSE: Duration = Duration::from_millis(10);

/// Where stores are borrowed from.
#[derive(Clone, Debug)]
pub struct Lender {
    /// The folder that they are made in, usually that for temporary files.
    folder: PathBuf,
    /// Who borrows.
    patience: Patience,
    loans: Arc<Loans>,
}

/// The folders of the stores that are lent now, each by its number.
#[derive(Debug, Default)]
struct Loans(Mutex<BTreeMap<u64, Scratch>>);

/// A store that is there for one command.
#[derive(Debug)]
pub struct Borrowed {
    // The store ends before its folder goes.
    store: Store,
    _loan: Loan,
}

/// The folder of a borrowed store.
#[derive(Debug)]
struct Loan {
    number: u64,
    root: PathBuf,
    loans: Arc<Loans>,
}

impl Lender {
    /// Lends stores in `folder`, to whom `patience` names.
    #[must_use]
    pub fn new(folder: PathBuf, patience: Patience) -> Self {
        Self {
            folder,
            patience,
            loans: Arc::default(),
        }
    }

    /// Makes an empty store, and removes those that processes left which were killed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if there is no room for one.
    pub fn lend(&self) -> Result<Borrowed> {
        sweep(&self.folder, PREFIX);
        let loan = self.loan()?;
        let store = Store::create(&loan.root.join("store"), &self.patience)?;
        Ok(Borrowed { store, _loan: loan })
    }

    fn loan(&self) -> Result<Loan> {
        let mut lent = self.loans.lent();
        let scratch = Scratch::create(&self.folder, &format!("{PREFIX}-{}", std::process::id()))?;
        let root = scratch.root().to_owned();
        let number = lent.last_key_value().map_or(0, |(last, _)| last + 1);
        lent.insert(number, scratch);
        Ok(Loan {
            number,
            root,
            loans: Arc::clone(&self.loans),
        })
    }

    /// Removes all stores that are lent, also under the hands of who uses them, and then calls `end`, which ends the process:
    /// until it has, nobody who used one gets any further than to give it back.
    pub fn recall(&self, end: impl FnOnce()) {
        let mut lent = self.loans.lent();
        for (_, scratch) in std::mem::take(&mut *lent) {
            let root = scratch.root().to_owned();
            drop(scratch);
            for _ in 0..RECALLS_MAX {
                if !root.exists() {
                    break;
                }
                std::thread::sleep(RECALL_PAUSE);
                sweep(&self.folder, PREFIX);
            }
        }
        end();
    }
}

impl Loans {
    fn lent(&self) -> MutexGuard<'_, BTreeMap<u64, Scratch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // The folder goes while nobody can recall it.
        self.loans.lent().remove(&self.number);
    }
}

impl Borrowed {
    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    fn lender(folder: &tempfile::TempDir) -> Lender {
        let patience = Patience {
            wait: Duration::ZERO,
            holder: "test".into(),
            tell: None,
        };
        Lender::new(folder.path().to_owned(), patience)
    }

    fn names(folder: &tempfile::TempDir) -> std::io::Result<usize> {
        Ok(std::fs::read_dir(folder.path())?.count())
    }

    #[test]
    fn a_borrowed_store_goes_with_all_that_is_in_it() -> Outcome {
        let folder = tempfile::tempdir()?;
        let lender = lender(&folder);
        let (one, two) = (lender.lend()?, lender.lend()?);
        assert_ne!(one.store().root(), two.store().root());
        assert!(one.store().reader()?.repos()?.is_empty());
        drop(one);
        assert!(two.store().root().exists());
        assert_eq!(names(&folder)?, 1);
        let three = lender.lend()?;
        assert_eq!(names(&folder)?, 2, "what is used is not swept");
        drop((two, three));
        assert_eq!(names(&folder)?, 0);
        Ok(())
    }

    #[test]
    fn what_is_lent_can_be_recalled_at_any_time() -> Outcome {
        let folder = tempfile::tempdir()?;
        let lender = lender(&folder);
        let (one, two) = (lender.lend()?, lender.lend()?);
        let mut left = None;
        lender.recall(|| left = names(&folder).ok());
        assert_eq!(left, Some(0));
        drop((one, two));
        assert_eq!(names(&folder)?, 0);
        Ok(())
    }
}
