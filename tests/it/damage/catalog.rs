//! The catalog is damaged: every answer is an error, or right as long as `fsck` finds nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bindery::base::progress::Silent;
use bindery::base::{Kind, Result};
use bindery::disk::files::Disk;
use bindery::store::Access;
use bindery::store::fsck::FsckOptions;

use super::{Borrowed, Scene, is_long_run, open, put, words};

/// Damages that are tried in a usual run, spread over the file.
const DAMAGES: usize = 150;

/// What of the damages was seen.
#[derive(Debug, Default)]
struct Seen {
    refused: usize,
    found: usize,
    harmless: usize,
}

/// Opens and reads a store whose catalog has these bytes.
fn check(scene: &Scene, bytes: &[u8], what: &str, seen: &mut Seen) -> Result<()> {
    let disk = scene.disk.with_power(None);
    put(&disk, Path::new("catalog.redb"), bytes)?;
    for access in [Access::Read, Access::Write] {
        let store = match open(&disk, access) {
            Ok(store) => store,
            Err(error) => {
                let kind = error.kind();
                let is_told = matches!(kind, Kind::Integrity | Kind::Unavailable | Kind::Failed);
                assert!(is_told, "{what}: {kind:?}: {error}");
                seen.refused += 1;
                continue;
            }
        };
        let report = store.fsck(FsckOptions::default(), &Silent)?;
        let found = words(&report);
        if found.is_empty() {
            scene.read_all(&store, &found)?;
            seen.harmless += 1;
            continue;
        }
        seen.found += 1;
        // redb may panic on what it does not check; the command line makes that the error that the catalog is damaged.
        let read = catch_unwind(AssertUnwindSafe(|| Borrowed(&store).shown()));
        if let Ok(Ok(files)) = read {
            assert_eq!(files, scene.shown, "{what}: {found}");
        }
        std::mem::forget(store);
    }
    Ok(())
}

#[test]
fn a_damaged_catalog_is_found_and_never_leads_to_wrong_bytes() -> Result<()> {
    let scene = Scene::new()?;
    let whole = scene.disk.map(Path::new("catalog.redb"))?.to_vec();
    let step = if is_long_run() {
        61
    } else {
        whole.len() / DAMAGES
    };
    let mut seen = Seen::default();
    for at in (0..whole.len()).step_by(step).chain(0..256) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        check(&scene, &bytes, &format!("byte {at}"), &mut seen)?;
    }
    for length in (0..whole.len()).step_by(step * 4 + 1) {
        check(
            &scene,
            &whole[..length],
            &format!("cut at {length}"),
            &mut seen,
        )?;
    }
    assert!(
        seen.refused > 0 && seen.found > 0 && seen.harmless > 0,
        "{seen:?}"
    );
    Ok(())
}
