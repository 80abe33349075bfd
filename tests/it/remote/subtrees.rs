//! One directory of a release, pulled without the rest, and interrupted at every moment.

use std::sync::Arc;

use bindery::base::name::RepoName;
use bindery::base::profile::Profile;
use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::repo::create_repo;
use bindery::remote::known::Root;
use bindery::remote::store_origin::StoreOrigin;
use bindery::remote::subtree::{Subtree, pull_subtree};
use bindery::store::rows::BuildState;
use bindery::store::{Access, Store};

use super::pair::{PULLED_AT, empty, options};
use crate::shelf::{Shelf, files, moment, ref_name};
use crate::support::simulated_disk::{Kept, SimulatedDisk};

fn mine() -> Result<RepoName> {
    "mine".parse().map_err(|_| Error::usage("a repo's name"))
}

/// Pulls the directory `dir` of what `stable` shows there into the store on a disk.
fn pull_part(disk: &SimulatedDisk, origin: &Shelf) -> Result<()> {
    let store = Store::open_on(Arc::new(disk.clone()), Access::Write, None)?;
    let from = StoreOrigin::new(&origin.store, origin.row()?, &Silent);
    let wanted = Subtree {
        target: ref_name("stable")?,
        path: "dir".parse().map_err(|_| Error::usage("a path"))?,
        into: mine()?,
    };
    let options = options(Some(Root::First));
    pull_subtree(
        &store,
        &from,
        &options,
        &wanted,
        moment(PULLED_AT)?,
        &Silent,
    )
    .map(drop)
}

#[test]
fn a_pull_of_a_directory_that_is_interrupted_leaves_no_empty_build() -> Result<()> {
    // Its build was made first and filled after that; a kill in between left it empty.
    let origin = Shelf::create(Arc::new(SimulatedDisk::new()))?;
    origin.release(
        "stable",
        &files(&[("dir/file", "text"), ("other", "other")]),
    )?;
    let before = SimulatedDisk::new();
    let copy = empty(&before)?;
    create_repo(&copy.store, mine()?, Profile::Posix, None, moment(1)?)?;
    drop(copy);
    let before = before.after_crash(Kept::All);
    let whole = before.with_power(None);
    pull_part(&whole, &origin)?;
    let (mut filled, mut absent) = (0, 0);
    for power in 0..whole.operations() {
        let disk = before.with_power(Some(power));
        // Whether it says that it failed is of no interest here: what it leaves is.
        pull_part(&disk, &origin).ok();
        for left in [disk.with_power(None), disk.after_crash(Kept::Synced)] {
            let store = Store::open_on(Arc::new(left), Access::Write, None)?;
            let builds = store.reader()?.builds()?;
            absent += usize::from(builds.is_empty());
            for build in builds {
                let is_open = build.state == BuildState::Open;
                filled += usize::from(is_open);
                let staged = store.operations(build.id)?;
                assert!(!is_open || staged.len() == 1, "{power}: {build:?}");
            }
        }
    }
    assert!(filled > 0 && absent > 0, "{filled} filled, {absent} absent");
    Ok(())
}
