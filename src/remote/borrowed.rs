//! Borrowed stores: empty ones that are there for one command, which brings into them what it needs of a store elsewhere.
//!
//! # Invariants
//!
//! - A borrowed store goes with all that is in it; of a process that was killed, it is left to the system, as all temporary files.

use std::path::PathBuf;

use crate::base::Result;
use crate::disk::scratch::Scratch;
use crate::store::{Patience, Store};

/// Where stores are borrowed from.
#[derive(Clone, Debug)]
pub struct Lender {
    /// The folder that they are made in, usually that for temporary files.
    pub folder: PathBuf,
    /// Who borrows.
    pub patience: Patience,
}

/// A store that is there for one command.
#[derive(Debug)]
pub struct Borrowed {
    // The store ends before its folder goes.
    store: Store,
    _scratch: Scratch,
}

impl Lender {
    /// Makes an empty store.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if there is no room for one.
    pub fn lend(&self) -> Result<Borrowed> {
        let name = format!("bindery-{}", std::process::id());
        let scratch = Scratch::create(&self.folder, &name)?;
        let store = Store::create(&scratch.root().join("store"), &self.patience)?;
        Ok(Borrowed {
            store,
            _scratch: scratch,
        })
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_borrowed_store_goes_with_all_that_is_in_it()
    -> std::result::Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let lender = Lender {
            folder: folder.path().to_owned(),
            patience: Patience {
                wait: Duration::ZERO,
                holder: "test".into(),
                tell: None,
            },
        };
        let (one, two) = (lender.lend()?, lender.lend()?);
        assert_ne!(one.store().root(), two.store().root());
        assert!(one.store().reader()?.repos()?.is_empty());
        drop((one, two));
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }
}
