//! Mirrors: several origins of one repo, of which any will do.
//!
//! A mirror that cannot be reached, lags behind or answers with something wrong is passed over for the next one. What the
//! signers of the repo themselves did, such as two statements with one number, is the same wherever it is seen, and ends the
//! pull.
//!
//! # Not here
//!
//! What is verified (`remote::follow`).

use super::contact::{shown_by, sought};
use super::follow::Asked;
use super::http::origin::lost;
use super::origin::Origin;
use super::pull::{PullAnswer, PullOptions, pull};
use crate::base::clock::Time;
use crate::base::progress::Progress;
use crate::base::{Error, Kind, Result};
use crate::store::Store;

/// Origins that are tried: more than any repo has.
pub const MIRRORS_MAX: usize = 17;

/// Pulls from the first of some origins that will do; what one lacks of some refs, the next ones are asked for. `passed_over` is told why each one before it did not; if none will, of
/// each but the one whose error is returned, unless it was not the last.
///
/// # Errors
///
/// As [`pull`]; the gravest one if none will do.
pub fn pull_from_any(
    store: &Store,
    origins: &[&dyn Origin],
    options: &PullOptions,
    time: Time,
    progress: &dyn Progress,
    passed_over: &mut dyn FnMut(&Error),
) -> Result<PullAnswer> {
    let mut partial: Option<PullAnswer> = None;
    let outcome = from_any(
        store,
        origins,
        options,
        passed_over,
        &mut |origin, options| {
            let missing = partial.as_ref().and_then(|answer| answer.missing.as_ref());
            let asked = missing.map(|missing| missing.refs.iter().map(|(name, _)| name.clone()));
            let asked = asked.map_or_else(
                || options.asked.clone(),
                |names| Asked::Named(names.collect()),
            );
            let options = PullOptions {
                asked,
                ..options.clone()
            };
            let answer = pull(store, origin, &options, time, progress)?;
            let answer = match partial.take() {
                Some(before) => before.and(answer),
                None => answer,
            };
            if answer.missing.is_none() {
                return Ok(answer);
            }
            let error = answer.shortfall();
            partial = Some(answer);
            Err(error.unwrap_or_else(|| Error::internal("what is missing falls short")))
        },
    );
    match (outcome, partial) {
        // What came of it is here, and is said with what is missing: the error of another place would be lost.
        (Err(error), Some(partial)) if is_of_mirror(&error) => {
            let shortfall = partial.shortfall().map(|error| error.to_string());
            if shortfall.as_ref() != Some(&error.to_string()) {
                passed_over(&error);
            }
            Ok(partial)
        }
        (outcome, _) => outcome,
    }
}

/// Takes something of a repo from the first of some origins that will do, with `options` that say which repo it is: if nothing
/// else does, the first origin that shows one. `passed_over` is told why each one before it did not do.
///
/// # Errors
///
/// What `take` answers; the gravest of it if none will do.
pub fn from_any<T>(
    store: &Store,
    origins: &[&dyn Origin],
    options: &PullOptions,
    passed_over: &mut dyn FnMut(&Error),
    take: &mut dyn FnMut(&dyn Origin, &PullOptions) -> Result<T>,
) -> Result<T> {
    let mut options = options.clone();
    if options.repo_id.is_none() {
        options.repo_id = sought(store, origins, options.root.as_ref())?;
    }
    let mut gravest: Option<Error> = None;
    let mut left = origins.len().min(MIRRORS_MAX);
    let is_alone = left == 1;
    for origin in origins.iter().take(MIRRORS_MAX) {
        left -= 1;
        let outcome = bind(*origin, &mut options, is_alone)
            .and_then(|()| take(*origin, &options))
            .map_err(|error| lost(error, &origin.place()));
        match outcome {
            Err(error) if is_of_mirror(&error) => {
                // A wrong answer says more than none.
                let is_graver = error.kind() == Kind::Integrity || gravest.is_none();
                if left > 0 || !is_graver {
                    passed_over(&error);
                }
                gravest = if is_graver { Some(error) } else { gravest };
            }
            outcome => return outcome,
        }
    }
    Err(gravest.unwrap_or_else(|| Error::usage("say where to pull from")))
}

/// What the first of several origins shows is what is asked for of all, unless it is known already.
fn bind(origin: &dyn Origin, options: &mut PullOptions, is_alone: bool) -> Result<()> {
    if options.repo_id.is_none() && !is_alone {
        options.repo_id = Some(shown_by(origin)?);
    }
    Ok(())
}

/// Whether another mirror may do better. What is damaged in this store would look the same, and is found once more.
const fn is_of_mirror(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::Remote { .. }
            | Error::NotFound { .. }
            | Error::Untrusted { .. }
            | Error::Malformed { .. }
            | Error::Damaged { .. }
            | Error::Limit { .. }
    )
}
