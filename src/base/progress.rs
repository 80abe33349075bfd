//! Progress: how long work tells whoever waits how far it is.
//!
//! # Not here
//!
//! Bars on a terminal: the command line draws them.

use std::fmt::Display;

use super::{Error, Result};

/// Hears how far some work is. Called from many threads.
pub trait Progress: Sync {
    /// There will be `bytes` more to do.
    fn expect(&self, bytes: u64);

    /// Another `bytes` are done.
    fn advance(&self, bytes: u64);

    /// Something is not as it should be, and the work goes on in another way.
    fn note(&self, words: &dyn Display) {
        let _ = words;
    }

    /// Checks that the work is still wanted; asked every now and then while it is done.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if it is not.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Does a part of the work that computes, and waits for nobody else: on the calling thread, or on threads that are kept
    /// for such work. It is done when this returns.
    fn compute(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }
}

/// Does a part of some work where `progress` says, and returns what it gives.
///
/// # Errors
///
/// What `work` answers; [`Error::Internal`] if it was not done.
pub fn compute<T: Send>(
    progress: &dyn Progress,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let (mut work, mut done) = (Some(work), None);
    progress.compute(&mut || done = work.take().map(|work| work()));
    done.unwrap_or_else(|| Err(Error::internal("what is to be computed is computed")))
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn expect(&self, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}
}
