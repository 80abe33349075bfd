//! Tests of scrubbing: on the packs of real builds.

use super::sandbox::{AnyError, Sandbox, flip, time};
use super::verify::verify_repo;
use crate::base::Error;
use crate::base::progress::{Progress, Silent};

/// Whoever waited has given up.
struct GivenUp;

impl Progress for GivenUp {
    fn expect(&self, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}

    fn check(&self) -> crate::base::Result<()> {
        Err(Error::Interrupted)
    }
}

#[test]
fn checks_that_nobody_waits_for_any_more_end_and_find_nothing() -> Result<(), AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("a", b"1")])?;
    let (store, repo) = (sandbox.store()?, sandbox.repo("main")?);
    assert!(matches!(store.scrub(&GivenUp), Err(Error::Interrupted)));
    let verified = verify_repo(store, &repo, &GivenUp);
    assert!(matches!(verified, Err(Error::Interrupted)), "{verified:?}");
    Ok(())
}

#[test]
fn damage_is_found_and_what_is_purged_is_none() -> Result<(), AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("a", b"1")])?;
    let build = sandbox.stage("main", "stable", &[("b", b"2")])?.id;
    let store = sandbox.store()?;
    let sound = store.scrub(&Silent)?;
    assert!(sound.problems.is_empty() && sound.packs > 1, "{sound:?}");
    let mut packs = Vec::new();
    for folder in std::fs::read_dir(sandbox.root().join("packs"))? {
        for file in std::fs::read_dir(folder?.path())? {
            packs.push(file?.path());
        }
    }
    assert_eq!(packs.len() as u64, sound.packs);
    for pack in &packs {
        flip(pack, 40)?;
    }
    let hurt = store.scrub(&Silent)?;
    assert_eq!(hurt.problems.len(), packs.len());
    assert_eq!(hurt.problems[0].what, "damaged pack");
    store.purge_build(build, time(9)?)?;
    let less = store.scrub(&Silent)?;
    assert!(less.problems.len() < packs.len() && less.packs < sound.packs);
    Ok(())
}
