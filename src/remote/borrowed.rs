//! Borrowed stores: empty ones that are there for one command, which brings into them what it needs of a store elsewhere. And
//! borrowed folders, for a command that shows something in one.
//!
//! # Invariants
//!
//! - What is borrowed goes with all that is in it: when it is dropped, when its lender recalls it, or, of a process that was killed,
//!   and if it is a store, when the next store is lent in the same folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::{Error, Result};
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

/// The folders that are lent now, each by its number.
#[derive(Debug, Default)]
struct Loans(Mutex<BTreeMap<u64, Scratch>>);

/// A store that is there for one command.
#[derive(Debug)]
pub struct Borrowed {
    // The store ends before its folder goes.
    store: Store,
    _loan: Loan,
}

/// A folder that is there for one command.
#[derive(Debug)]
#[must_use = "the folder is removed when it is dropped"]
pub struct Loan {
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
    /// [`Error::Io`] if there is no room for one.
    pub fn lend(&self) -> Result<Borrowed> {
        sweep(&self.folder, PREFIX);
        let loan = self.folder(PREFIX)?;
        let store = Store::create(&loan.root.join("store"), &self.patience)?;
        Ok(Borrowed { store, _loan: loan })
    }

    /// Makes an empty folder, whose name begins with `prefix`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no room for one.
    pub fn folder(&self, prefix: &str) -> Result<Loan> {
        let mut lent = self.loans.lent();
        let scratch = Scratch::create(&self.folder, &format!("{prefix}-{}", std::process::id()))?;
        let root = scratch.root().to_owned();
        let number = lent.last_key_value().map_or(0, |(last, _)| last + 1);
        lent.insert(number, scratch);
        Ok(Loan {
            number,
            root,
            loans: Arc::clone(&self.loans),
        })
    }

    /// Removes all that is lent, also under the hands of who uses it, and then calls `end`, which ends the process: until it has,
    /// nobody who used some of it gets any further than to give it back.
    pub fn recall(&self, end: impl FnOnce()) {
        let mut lent = self.loans.lent();
        for (_, scratch) in std::mem::take(&mut *lent) {
            scratch.remove_from_under(RECALLS_MAX, RECALL_PAUSE);
        }
        end();
    }
}

impl Loans {
    fn lent(&self) -> MutexGuard<'_, BTreeMap<u64, Scratch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan {
    /// Where the folder is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file in the folder, and makes the folders above it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        match self.loans.lent().get(&self.number) {
            Some(scratch) => scratch.write(path, text),
            None => Err(Error::Interrupted),
        }
    }

    /// Removes the folder and all that is in it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let mut lent = self.loans.lent();
        // While nobody can recall it.
        lent.remove(&self.number).map_or(Ok(()), Scratch::remove)
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
    fn a_borrowed_folder_goes_and_what_others_left_there_stays() -> Outcome {
        let folder = tempfile::tempdir()?;
        let lender = lender(&folder);
        // A folder of that name which somebody kept.
        let kept = lender.folder("show")?.root().to_owned();
        std::fs::create_dir(&kept)?;
        let (one, two) = (lender.folder("show")?, lender.folder("show")?);
        one.write("a/b", "text")?;
        two.write("c", "text")?;
        assert_eq!(std::fs::read(one.root().join("a/b"))?, b"text");
        one.remove()?;
        assert_eq!(names(&folder)?, 2);
        lender.recall(|| {});
        assert!(matches!(two.write("d", ""), Err(Error::Interrupted)));
        two.remove()?;
        assert!(kept.exists());
        assert_eq!(names(&folder)?, 1);
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
