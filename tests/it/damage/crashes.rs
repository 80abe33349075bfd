//! Power is lost at every operation of a repair: the store is as damaged as before, or healed, and the repair can be made
//! again.

use std::path::Path;
use std::sync::Arc;

use bindery::base::Result;
use bindery::base::progress::Silent;
use bindery::disk::files::Disk;
use bindery::store::fsck::FsckOptions;
use bindery::store::supply::OtherStore;

use super::{Scene, beneath, is_long_run, put, words};
use crate::shelf::Shelf;
use crate::support::simulated_disk::{Kept, SimulatedDisk};

/// One in so many moments is tried in a usual run.
const EVERY: u64 = 3;

fn repair(disk: &SimulatedDisk, whole: &SimulatedDisk) -> Result<()> {
    let shelf = Shelf::open(Arc::new(disk.clone()))?;
    let whole = OtherStore::open_on(Arc::new(whole.clone()), None)?;
    shelf.store.repair(&whole, &Silent).map(drop)
}

#[test]
fn a_repair_that_is_interrupted_leaves_the_old_store_or_the_healed_one() -> Result<()> {
    let scene = Scene::new()?;
    let packs = beneath(&scene.disk, Path::new("packs"))?;
    for (at, path) in packs.iter().enumerate() {
        if at % 2 == 0 {
            let mut bytes = scene.disk.map(path)?.to_vec();
            bytes[60] ^= 1;
            put(&scene.disk, path, &bytes)?;
        } else {
            scene.disk.remove(path)?;
        }
    }
    let damaged = scene.disk.after_crash(Kept::All);
    let run = damaged.with_power(None);
    repair(&run, &scene.whole)?;
    let operations = run.operations();
    assert!(operations > 20, "{operations}");
    for power in 0..operations {
        if !is_long_run() && power % EVERY != 0 {
            continue;
        }
        let disk = damaged.with_power(Some(power));
        let outcome = repair(&disk, &scene.whole);
        for kept in [
            Kept::Synced,
            Kept::All,
            Kept::Torn(power),
            Kept::Zeroed,
            Kept::Some(power),
        ] {
            let disk = disk.after_crash(kept);
            let place = format!("after {power}, {kept:?}");
            let shelf = Shelf::open(Arc::new(disk.clone()))?;
            let report = shelf.store.fsck(FsckOptions::default(), &Silent)?;
            scene.read_all(&shelf.store, &words(&report))?;
            assert_eq!(report.strays, [""; 0], "{place}");
            assert!(outcome.is_err() || report.problems.is_empty(), "{place}");
            drop(shelf);
            repair(&disk, &scene.whole)?;
            let shelf = Shelf::open(Arc::new(disk))?;
            shelf.check()?;
            assert_eq!(shelf.shown("stable")?, scene.shown, "{place}");
            assert_eq!(shelf.tested(super::BUILDS[1])?, scene.tested, "{place}");
        }
    }
    Ok(())
}
