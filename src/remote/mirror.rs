//! Mirrors of a repo: copies that follow all that its owners do, and are served on.
//!
//! A mirror needs no trust: whoever pulls from it verifies what its owners signed.
//!
//! # Not here
//!
//! What is verified (`remote::follow`), when it is done (whoever runs it).

use super::follow::{Asked, Rewinds};
use super::known::Root;
use super::mirrors::pull_from_any;
use super::origin::Origin;
use super::pull::{PullAnswer, PullOptions};
use crate::base::clock::Time;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::store::Store;
use crate::trust::pattern::RefPattern;

/// What a mirror follows.
#[derive(Clone, Debug)]
pub struct MirrorOptions {
    /// Why the origin is believed at first contact.
    pub root: Option<Root>,
    /// The refs that are followed, also those that are new; all, if none is named.
    pub refs: Vec<RefPattern>,
}

/// Brings a mirror up to what its origins show, also if that is an older release: the owners decide what a ref shows.
///
/// # Errors
///
/// As [`pull_from_any`]; the mirror is as it was then.
pub fn mirror(
    store: &Store,
    origins: &[&dyn Origin],
    options: &MirrorOptions,
    time: Time,
    progress: &dyn Progress,
    passed_over: &mut dyn FnMut(&Error),
) -> Result<PullAnswer> {
    let options = PullOptions {
        root: options.root.clone(),
        asked: if options.refs.is_empty() {
            Asked::All
        } else {
            Asked::Matching(options.refs.clone())
        },
        rewinds: Rewinds::Allow,
    };
    pull_from_any(store, origins, &options, time, progress, passed_over)
}
