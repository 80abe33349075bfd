//! Repairing stores that were filled by the real verbs, with copies of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::fsck_tests::{assert_clean, busy, problems};
use super::sandbox::{AnyError, Sandbox, flip, large_file, patience, time};
use super::verify::verify_repo;
use crate::base::Error;
use crate::base::progress::Silent;
use crate::store::layout;
use crate::store::repair::RepairReport;

type Outcome = Result<(), AnyError>;

/// A copy of a closed store, in a folder that goes with the value.
struct Backup(tempfile::TempDir);

impl Backup {
    fn of(sandbox: &mut Sandbox) -> Result<Self, AnyError> {
        sandbox.close();
        let folder = tempfile::tempdir()?;
        copy(&sandbox.root(), &folder.path().join("store"))?;
        sandbox.reopen()?;
        Ok(Self(folder))
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Opens the store again, and heals it from the one in the folder `from`.
fn repaired(sandbox: &mut Sandbox, from: &Path) -> Result<RepairReport, AnyError> {
    let store = sandbox.reopen()?;
    let other = store.open_other(from, &patience())?;
    Ok(store.repair(&other, &Silent)?)
}

fn expect_whole(sandbox: &Sandbox) -> Outcome {
    assert_clean(&sandbox.fsck()?);
    let store = sandbox.store()?;
    for repo in store.reader()?.repos()? {
        verify_repo(store, &repo, &Silent)?;
    }
    Ok(())
}

fn told(problems: &[crate::store::fsck::Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn packs_that_are_missing_come_back_for_repos_and_builds() -> Outcome {
    let mut sandbox = busy()?;
    let backup = Backup::of(&mut sandbox)?;
    sandbox.close();
    let packs = sandbox.packs()?;
    for pack in &packs {
        fs::remove_file(pack)?;
    }
    sandbox.reopen()?;
    let found = problems(&sandbox.fsck()?);
    for part in ["lost pack", "of build 7", "of build 8"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let report = repaired(&mut sandbox, &backup.root())?;
    assert_eq!(report.packs, packs.len() as u64);
    assert_eq!((told(&report.lost).as_str(), report.moved), ("", 0));
    let healed = told(&report.healed);
    assert!(healed.contains("needed by /usr/a in stable@3"), "{healed}");
    let also = "also in the base of build 7, build 8";
    assert!(healed.contains(also), "{healed}");
    assert!(healed.contains("in build 8"), "{healed}");
    expect_whole(&sandbox)?;
    assert!(
        packs.iter().all(|pack| !pack.exists()),
        "new files have other names"
    );
    // What was staged is still there to be committed and published.
    super::commit::commit(sandbox.store()?, 7, "", time(30)?)?;
    expect_whole(&sandbox)
}

#[test]
fn what_is_left_of_a_damaged_pack_needs_nobody_else() -> Outcome {
    let mut sandbox = busy()?;
    let mut other = Sandbox::with_repo()?;
    other.close();
    let damaged = sandbox.packs()?;
    for (at, pack) in damaged.iter().enumerate() {
        // Of one the version, of another the salt, of another the hash at the end.
        let place = [8, 16, fs::read(pack)?.len() - 1][at % 3];
        flip(pack, place)?;
    }
    assert!(!problems(&sandbox.fsck()?).is_empty());
    let report = repaired(&mut sandbox, &other.root())?;
    assert_eq!((report.packs, report.objects), (damaged.len() as u64, 0));
    assert_eq!((told(&report.lost), report.kept.len()), (String::new(), 0));
    assert!(report.moved > 0);
    expect_whole(&sandbox)?;
    assert!(damaged.iter().all(|pack| !pack.exists()));
    Ok(())
}

#[test]
fn what_nobody_has_is_told_and_the_damaged_pack_is_kept_for_another_time() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    let noise = super::testing::noise(200);
    sandbox.publish("main", "stable", &[("a", b"good"), ("usr/b", &noise)])?;
    let backup = Backup::of(&mut sandbox)?;
    let mut other = Sandbox::with_repo()?;
    other.publish("main", "stable", &[("a", b"good")])?;
    other.close();
    let mut hurt = None;
    for pack in sandbox.packs()? {
        let bytes = fs::read(&pack)?;
        let at = bytes.windows(16).position(|window| *window == noise[..16]);
        if let Some(at) = at {
            flip(&pack, at)?;
            hurt = Some(pack);
        }
    }
    let pack = hurt.ok_or("the noise is in a pack")?;
    let before = fs::read(&pack)?;
    for _ in ["once", "and again"] {
        let report = repaired(&mut sandbox, &other.root())?;
        let lost = told(&report.lost);
        assert!(lost.contains("needed by /usr/b in stable@1"), "{lost}");
        assert_eq!(report.lost.len(), 1, "{lost}");
        assert_eq!(report.kept, [pack.display().to_string()]);
        assert_eq!(fs::read(&pack)?, before, "damaged bytes may yet be of use");
        let found = problems(&sandbox.fsck()?);
        assert!(found.contains("needed by /usr/b in stable@1"), "{found}");
        assert!(!found.contains("count too low"), "{found}");
    }
    let report = repaired(&mut sandbox, &backup.root())?;
    assert_eq!((report.objects, report.packs), (1, 1));
    assert!(!pack.exists());
    expect_whole(&sandbox)
}

#[test]
fn another_store_is_not_trusted() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    let noise = super::testing::noise(200);
    sandbox.publish("main", "stable", &[("usr/b", &noise)])?;
    let backup = Backup::of(&mut sandbox)?;
    sandbox.close();
    for pack in sandbox.packs()? {
        let forged = backup.root().join(pack.strip_prefix(sandbox.root())?);
        let bytes = fs::read(&pack)?;
        if let Some(at) = bytes.windows(16).position(|window| *window == noise[..16]) {
            flip(&forged, at)?;
            fs::remove_file(&pack)?;
        }
    }
    for folder in ["statements", "refs", "keyset"] {
        let folder = layout::trust(&"main".parse()?).join(folder);
        for note in fs::read_dir(backup.root().join(&folder))? {
            let note = note?;
            flip(&note.path(), 40)?;
            fs::remove_file(sandbox.root().join(&folder).join(note.file_name()))?;
        }
    }
    let report = repaired(&mut sandbox, &backup.root())?;
    assert!(
        told(&report.lost).contains("blob"),
        "{}",
        told(&report.lost)
    );
    assert_eq!(report.notes, [""; 0]);
    let found = problems(&sandbox.fsck()?);
    assert!(
        found.contains("lost pack") && found.contains("wrong note"),
        "{found}"
    );
    Ok(())
}

#[test]
fn notes_come_back_from_the_other_store_or_from_the_catalog() -> Outcome {
    let mut sandbox = busy()?;
    let backup = Backup::of(&mut sandbox)?;
    let trust = sandbox.root().join(layout::trust(&"main".parse()?));
    let heads = fs::read(trust.join("heads"))?;
    fs::remove_dir_all(&trust)?;
    let report = repaired(&mut sandbox, &backup.root())?;
    assert!(report.notes.len() >= 6, "{:?}", report.notes);
    assert_eq!(fs::read(trust.join("heads"))?, heads);
    expect_whole(&sandbox)?;
    // The list that the newest heads name follows from the catalog.
    let mut empty = Sandbox::with_repo()?;
    empty.close();
    fs::remove_dir_all(trust.join("refs"))?;
    let report = repaired(&mut sandbox, &empty.root())?;
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    expect_whole(&sandbox)?;
    // Heads of another time are no replacement.
    sandbox.publish("main", "stable", &[("usr/later", b"later")])?;
    fs::remove_file(trust.join("heads"))?;
    let report = repaired(&mut sandbox, &backup.root())?;
    assert_eq!(report.notes, [""; 0]);
    let found = problems(&sandbox.fsck()?);
    assert!(
        found.contains("version 0 of the heads statement"),
        "{found}"
    );
    Ok(())
}

#[test]
fn a_recipe_and_its_pieces_come_back_and_only_if_they_make_the_blob() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("image", &large_file()?)])?;
    let backup = Backup::of(&mut sandbox)?;
    for pack in sandbox.packs()? {
        let whole = fs::read(&pack)?;
        let recipe = whole
            .windows(14)
            .position(|window| window == b"bindery recipe");
        // In the first piece's id, where a recipe stays one for the same blob; in a chunk; in the last bytes.
        let places = [
            recipe.map(|at| at + 120),
            Some(whole.len() / 2),
            Some(whole.len() - 40),
        ];
        for at in places.into_iter().flatten() {
            flip(&pack, at)?;
            sandbox.reopen()?;
            let found = problems(&sandbox.fsck()?);
            let is_told = found.contains("damaged pack") || found.contains("lost pack");
            assert!(is_told, "{at}: {found}");
            let is_content = at + 2000 < whole.len();
            assert!(
                !is_content || found.contains("in stable@1"),
                "{at}: {found}"
            );
            sandbox.close();
            fs::write(&pack, &whole)?;
            sandbox.reopen()?;
        }
    }
    sandbox.close();
    for pack in sandbox.packs()? {
        let middle = fs::read(&pack)?.len() / 2;
        flip(&pack, middle)?;
    }
    let report = repaired(&mut sandbox, &backup.root())?;
    assert_eq!((told(&report.lost), report.kept.len()), (String::new(), 0));
    assert!(report.moved > 0 && report.objects > 0, "{report:?}");
    expect_whole(&sandbox)
}

#[test]
fn a_store_does_not_heal_itself_and_is_written_for_it() -> Outcome {
    let mut sandbox = busy()?;
    let backup = Backup::of(&mut sandbox)?;
    let root = sandbox.root();
    let store = sandbox.store()?;
    let same = store.open_other(&root, &patience());
    assert!(matches!(same, Err(Error::Refused { .. })), "{same:?}");
    let link = backup.0.path().join("link");
    std::os::unix::fs::symlink(&root, &link)?;
    let same = store.open_other(&link, &patience());
    assert!(matches!(same, Err(Error::Refused { .. })), "{same:?}");
    let nowhere = store.open_other(&root.join("none"), &patience());
    assert!(
        matches!(nowhere, Err(Error::NotFound { .. })),
        "{nowhere:?}"
    );
    let report = repaired(&mut sandbox, &backup.root())?;
    assert_eq!(report, RepairReport::default(), "nothing was hurt");
    sandbox.close();
    let store = crate::store::Store::open(&root, crate::store::Access::Read, &patience())?;
    let other = store.open_other(&backup.root(), &patience())?;
    let refused = store.repair(&other, &Silent);
    assert!(
        matches!(refused, Err(Error::NotAllowed { .. })),
        "{refused:?}"
    );
    Ok(())
}
