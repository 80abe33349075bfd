//! Interrupts: what a command borrowed goes, also when it is stopped halfway. The program then ends by the signal, as it would have.
//!
//! # Invariants
//!
//! - A signal that the process was started to ignore, as by `nohup`, is still ignored.
//!
//! # Not here
//!
//! What a server does when it is asked to end (`server::serve`); processes that are killed (`disk::scratch`).

use std::path::Path;
use std::thread;

use bindery::base::{Error, Result};
use bindery::disk::ignored::is_ignored;
use bindery::remote::borrowed::Lender;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The signals by which people and systems stop a command.
const STOPPING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// Recalls what `lender` lent as soon as the process is asked to end.
///
/// # Errors
///
/// [`Error::Io`] if the system gives no thread, or does not tell of signals.
pub fn watch(lender: &Lender) -> Result<()> {
    let heard = STOPPING.iter().filter(|signal| !is_ignored(**signal));
    let failed = || Error::io("listen for", Path::new("signals"));
    let mut signals = Signals::new(heard).map_err(failed())?;
    let lender = lender.clone();
    let watching = thread::Builder::new().name("interrupts".into());
    let watch = watching.spawn(move || {
        for signal in signals.forever() {
            lender.recall(|| {
                // Of these three it does not fail, and if it did, the command would go on without what it needs, and fail.
                emulate_default_handler(signal).ok();
            });
        }
    });
    watch.map_err(failed())?;
    Ok(())
}
