//! Progress: how long work tells whoever waits how far it is.
//!
//! # Not here
//!
//! Bars on a terminal: the command line draws them.

use super::Result;

/// Hears how far some work is. Called from many threads.
pub trait Progress: Sync {
    /// There will be `bytes` more to do.
    fn expect(&self, bytes: u64);

    /// Another `bytes` are done.
    fn advance(&self, bytes: u64);

    /// Checks that the work is still wanted; asked every now and then while it is done.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`](super::Error::Interrupted) if it is not.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn expect(&self, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}
}
