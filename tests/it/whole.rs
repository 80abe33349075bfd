//! Verbs that meet each other: what one takes away while another counts on it, what fails half-way, what comes too late.
//!
//! Each of these went wrong once.
//!
//! # Not here
//!
//! Random verbs (`model`), lost power (`crash`).

use std::path::Path;
use std::sync::Arc;

use bindery::base::{Error, Kind, Result};
use bindery::build::publish::{PublishOptions, Tested, import, publish, update};
use bindery::build::rollback::rollback;
use bindery::build::withdraw::{Withdrawn, withdraw};
use bindery::disk::files::Disk;
use bindery::store::Store;
use bindery::store::rows::BuildState;
use bindery::store::settings::OnConflict;

use crate::shelf::{Files, Shelf, files, moment, read_files, ref_name};
use crate::support::simulated_disk::{Kept, SimulatedDisk};

/// An empty store, and the disk that it is on.
pub fn shelf() -> Result<(SimulatedDisk, Shelf)> {
    let disk = SimulatedDisk::new();
    let shelf = Shelf::create(Arc::new(disk.clone()))?;
    Ok((disk, shelf))
}

/// Files that fill packs by more than half, so that losing them makes packs thin.
pub fn large(tag: &str) -> Files {
    let text = |number: u64| format!("{tag} {number}\n").repeat(400);
    (0..20)
        .map(|number| (format!("{tag}/{number}"), text(number)))
        .collect()
}

fn import_only(shelf: &Shelf, build: u64) -> Result<()> {
    let row = shelf.store.reader()?.build(build)?;
    let options = PublishOptions::default();
    import(
        &shelf.store,
        &row,
        &ref_name("stable")?,
        &options,
        moment(4)?,
    )
    .map(drop)
}

/// What kind of failure it was, if it failed.
pub fn kind<T>(outcome: Result<T>) -> Option<Kind> {
    outcome.err().map(|error| error.kind())
}

#[test]
fn a_view_goes_on_reading_packs_that_were_rewritten_or_purged() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let mut all = large("a");
    all.extend(large("b"));
    shelf.release("stable", &all)?;
    let build = shelf.committed("testing", &large("c"))?;
    let view = shelf.store.view(&shelf.repo, &[build])?;
    let old = shelf
        .store
        .reader()?
        .releases(&shelf.row()?, &ref_name("stable")?)?;
    let tested = shelf.store.reader()?.build(build)?.committed;
    let tested = tested.ok_or_else(|| Error::internal("it was committed"))?;

    let replaced = all.keys().filter(|path| path.starts_with('a'));
    let replaced = replaced
        .map(|path| (path.clone(), "new".to_owned()))
        .collect();
    shelf.release("stable", &replaced)?;
    assert!(shelf.retire("stable", 1)?.packs > 0);
    shelf.store.purge_build(build, moment(6)?)?;
    shelf.check()?;

    let tree = view.snapshot_of_size(old[0].snapshot)?.tree;
    assert_eq!(read_files(&view, tree)?, all);
    assert_eq!(read_files(&view, tested.root.into())?, large("c"));
    drop(view);
    shelf.check()
}

#[test]
fn what_lingered_for_a_build_is_freed_and_told_when_it_is_purged() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    shelf.release("stable", &large("a"))?;
    let build = shelf.committed("stable", &files(&[("f", "text")]))?;
    let lost = large("a").into_keys().map(|path| (path, String::new()));
    shelf.release("stable", &lost.collect())?;
    shelf.retire("stable", 1)?;
    assert_eq!(
        shelf.tested(build)?.len(),
        21,
        "the build still shows its base"
    );
    let before = shelf.store.reader()?.totals()?;
    let receipt = shelf.store.purge_build(build, moment(6)?)?;
    let after = shelf.store.reader()?.totals()?;
    assert_eq!(receipt.objects, before.objects - after.objects);
    assert_eq!(receipt.bytes, before.stored_bytes - after.stored_bytes);
    shelf.check()
}

#[test]
fn a_build_is_published_also_when_its_base_was_retired() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    shelf.release("stable", &large("a"))?;
    let early = shelf.build("stable")?;
    shelf.put(early, &files(&[("f", "text")]))?;
    for text in ["1", "2"] {
        shelf.release("stable", &files(&[("g", text)]))?;
    }
    shelf.retire("stable", 1)?;
    shelf.retire("stable", 2)?;
    shelf.commit(early)?;
    shelf.publish(early)?;
    let mut expected = large("a");
    expected.extend(files(&[("f", "text"), ("g", "2")]));
    assert_eq!(shelf.shown("stable")?, expected);
    shelf.check()
}

#[test]
fn a_conflict_is_told_also_when_the_history_was_retired() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let early = shelf.committed("stable", &files(&[("f", "mine")]))?;
    for text in ["1", "2", "3"] {
        shelf.release("stable", &files(&[("f", text)]))?;
    }
    shelf.retire("stable", 1)?;
    shelf.retire("stable", 2)?;
    match shelf.publish(early) {
        Err(Error::Conflict {
            paths, total: 1, ..
        }) => {
            assert_eq!(paths[0].release, "stable@3");
        }
        other => return Err(Error::internal(format!("{other:?}"))),
    }
    shelf.check()
}

#[test]
fn a_build_is_not_withdrawn_when_what_it_replaced_was_retired() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    shelf.release("stable", &files(&[("f", "1")]))?;
    let second = shelf.release("stable", &files(&[("f", "2")]))?;
    shelf.retire("stable", 1)?;
    let refused = withdraw(&shelf.store, second, moment(5)?);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert_eq!(shelf.shown("stable")?, files(&[("f", "2")]));
    shelf.check()
}

#[test]
fn nothing_is_withdrawn_or_rolled_back_beneath_a_pending_build() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let first = shelf.release("stable", &files(&[("f", "1")]))?;
    shelf.release("stable", &files(&[("g", "1")]))?;
    let pending = shelf.committed("stable", &files(&[("h", "1")]))?;
    import_only(&shelf, pending)?;
    let target = ref_name("stable")?;
    let back = rollback(&shelf.store, &shelf.repo, &target, 1, None, moment(5)?);
    assert_eq!(kind(back), Some(Kind::Conflict));
    assert_eq!(
        kind(withdraw(&shelf.store, first, moment(5)?)),
        Some(Kind::Conflict)
    );
    shelf.publish(pending)?;
    assert!(matches!(
        withdraw(&shelf.store, first, moment(5)?)?,
        Withdrawn::Released(_)
    ));
    assert_eq!(shelf.shown("stable")?, files(&[("g", "1"), ("h", "1")]));
    shelf.check()
}

#[test]
fn withdrawing_a_pending_build_takes_back_those_merged_onto_it() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let below = shelf.committed("stable", &large("a"))?;
    let above = shelf.committed("stable", &large("b"))?;
    import_only(&shelf, below)?;
    import_only(&shelf, above)?;
    match withdraw(&shelf.store, below, moment(5)?)? {
        Withdrawn::Pending { builds, .. } => assert_eq!(builds, [below, above]),
        other => return Err(Error::internal(format!("{other:?}"))),
    }
    shelf.store.purge_build(below, moment(6)?)?;
    shelf.check()?;
    shelf.publish(above)?;
    assert_eq!(
        shelf.shown("stable")?,
        large("b"),
        "it needs nothing of the other"
    );
    shelf.check()
}

#[test]
fn a_first_build_taken_back_leaves_no_ref_behind() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let build = shelf.committed("app", &files(&[("f", "1")]))?;
    let row = shelf.store.reader()?.build(build)?;
    let options = PublishOptions::default();
    import(&shelf.store, &row, &ref_name("app")?, &options, moment(4)?)?;
    withdraw(&shelf.store, build, moment(5)?)?;
    assert_eq!(shelf.store.reader()?.refs(&shelf.row()?)?, []);
    shelf.release("app/editor", &files(&[("f", "1")]))?;
    let beside = shelf
        .store
        .record_hold(&shelf.row()?, &ref_name("app")?, Some("x".into()));
    assert_eq!(
        kind(beside),
        Some(Kind::Conflict),
        "no ref lies within another"
    );
    shelf.check()
}

#[test]
fn a_held_ref_takes_no_pending_build_either() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let build = shelf.committed("stable", &files(&[("f", "1")]))?;
    import_only(&shelf, build)?;
    let target = ref_name("stable")?;
    shelf
        .store
        .record_hold(&shelf.row()?, &target, Some("broken".into()))?;
    assert!(matches!(shelf.publish(build), Err(Error::Refused { .. })));
    assert!(matches!(
        update(&shelf.store, &shelf.row()?, &target, moment(5)?),
        Err(Error::Refused { .. })
    ));
    shelf.store.record_hold(&shelf.row()?, &target, None)?;
    shelf.publish(build)?;
    shelf.check()
}

#[test]
fn a_pending_build_goes_nowhere_else_and_is_not_more_tested_than_it_is() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let build = shelf.committed("stable", &files(&[("f", "1")]))?;
    shelf.release("stable", &files(&[("g", "1")]))?;
    import_only(&shelf, build)?;
    let elsewhere = PublishOptions {
        target: Some(ref_name("testing")?),
        ..PublishOptions::default()
    };
    let tested = PublishOptions {
        tested: Tested::Required,
        ..PublishOptions::default()
    };
    let to = |options| publish(&shelf.store, build, options, moment(5)?);
    assert!(matches!(to(&elsewhere), Err(Error::Refused { .. })));
    assert!(matches!(to(&tested), Err(Error::Untested { .. })));
    assert_eq!(shelf.shown("stable")?, files(&[("g", "1")]));
    assert_eq!(to(&PublishOptions::default())?.builds, [build]);
    shelf.check()
}

#[test]
fn two_builds_that_are_alike_are_both_published() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let same = large("a");
    let builds = [
        shelf.committed("stable", &same)?,
        shelf.committed("stable", &same)?,
    ];
    for build in builds {
        shelf.publish(build)?;
        shelf.check()?;
    }
    let last = shelf
        .store
        .reader()?
        .releases(&shelf.row()?, &ref_name("stable")?)?;
    let view = shelf.store.view(&shelf.repo, &[])?;
    assert_eq!(view.snapshot_of_size(last[1].snapshot)?.parents.len(), 1);
    shelf.retire("stable", 1)?;
    assert_eq!(shelf.shown("stable")?, same);
    shelf.check()
}

#[test]
fn a_wrong_key_signs_nothing_and_spends_no_number() -> Result<()> {
    let (disk, shelf) = shelf()?;
    let build = shelf.committed("stable", &files(&[("f", "1")]))?;
    let key = disk.files("keys").remove(0);
    let aside = key.with_extension("aside");
    disk.rename(&key, &aside)?;
    assert_eq!(
        kind(shelf.publish(build)),
        Some(Kind::NotFound),
        "there is no key"
    );
    let other = bindery::trust::secret_key::SecretKey::generate(shelf.row()?.key)?;
    shelf.store.keep_key(&other)?;
    assert!(matches!(shelf.publish(build), Err(Error::Untrusted { .. })));
    disk.rename(&aside, &key)?;
    assert_eq!(shelf.publish(build)?.seq, 1);
    shelf.check()
}

#[test]
fn repos_with_names_alike_do_not_share_a_key_unasked() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let name = |text: &str| text.parse().map_err(|_| Error::usage("a repo's name"));
    let make = |text: &str| -> Result<_> {
        let profile = bindery::base::profile::Profile::Posix;
        bindery::build::repo::create_repo(&shelf.store, name(text)?, profile, None, moment(1)?)
    };
    assert_eq!(kind(make("example.org-os")), Some(Kind::Conflict));
    assert!(make("example.org-other").is_ok());
    Ok(())
}

#[test]
fn names_that_clash_only_after_a_merge_are_found_in_a_portable_repo() -> Result<()> {
    let (_disk, shelf) = shelf()?;
    let repo: bindery::base::name::RepoName = "portable"
        .parse()
        .map_err(|_| Error::usage("a repo's name"))?;
    let profile = bindery::base::profile::Profile::Portable;
    bindery::build::repo::create_repo(&shelf.store, repo.clone(), profile, None, moment(1)?)?;
    let shelf = Shelf { repo, ..shelf };
    let late = shelf.committed("stable", &files(&[("README", "1")]))?;
    shelf.release("stable", &files(&[("readme", "1")]))?;
    assert_eq!(kind(shelf.publish(late)), Some(Kind::Usage));
    assert_eq!(shelf.shown("stable")?, files(&[("readme", "1")]));
    shelf.check()
}

#[test]
fn a_damaged_release_can_still_be_let_go_of() -> Result<()> {
    let (disk, shelf) = shelf()?;
    shelf.release("stable", &large("a"))?;
    let damaged = disk.files("packs");
    let lost = large("a").into_keys().map(|path| (path, String::new()));
    shelf.release("stable", &lost.collect())?;
    drop(shelf);
    let disk = disk.after_crash(Kept::All);
    for path in damaged {
        let file = disk.open(&path)?;
        for place in (60..file.len().map_err(Error::io("read", &path))? - 200).step_by(7) {
            file.write_at(place, &[0xff])
                .map_err(Error::io("write", &path))?;
        }
    }
    let shelf = Shelf::open(Arc::new(disk))?;
    let receipt = shelf.retire("stable", 1)?;
    assert!(receipt.objects > 0, "what could be told of it is gone");
    assert_eq!(shelf.shown("stable")?.len(), 20);
    Ok(())
}

#[test]
fn what_a_failed_verb_had_landed_goes_at_once() -> Result<()> {
    let (disk, shelf) = shelf()?;
    let build = shelf.build("stable")?;
    drop(shelf);
    let disk = disk.after_crash(Kept::All);
    let whole = disk.with_power(None);
    Shelf::open(Arc::new(whole.clone()))?.put(build, &large("a"))?;
    let mut seen = 0;
    for failing in 0..whole.operations() {
        let disk = disk.with_power(None);
        let shelf = Shelf::open(Arc::new(disk.clone()))?;
        disk.fail_once(failing);
        let outcome = shelf.put(build, &large("a"));
        if let Err(Error::Io { .. }) = outcome {
            // The catalog is well: the same store goes on, and nothing of the failure is left in it.
            seen += 1;
            shelf.put(build, &large("a"))?;
            shelf.commit(build)?;
            shelf.check()?;
        }
    }
    assert!(seen > 5, "{seen} failures of files were tried");
    Ok(())
}

#[test]
fn a_store_opens_and_purges_while_notes_cannot_be_written() -> Result<()> {
    let (disk, shelf) = shelf()?;
    let purged = shelf.committed("stable", &large("b"))?;
    let build = shelf.committed("stable", &large("a"))?;
    disk.refuse("repos/");
    let failed = shelf.publish(build);
    assert!(failed.is_err(), "the notes are not there");
    let row = shelf.store.reader()?.build(build)?;
    assert_eq!(
        (row.state, row.reason),
        (BuildState::Published, None),
        "but the release stands"
    );
    drop(shelf);
    let shelf = Shelf::open(Arc::new(disk.clone()))?;
    assert_eq!(shelf.shown("stable")?, large("a"));
    disk.refuse("nothing");
    shelf.store.purge_build(purged, moment(6)?)?;
    let heads = "repos/example.org/os/trust/heads";
    assert!(
        disk.map(Path::new(heads)).is_ok(),
        "the next commit wrote them"
    );
    shelf.check()
}

#[test]
fn an_interrupted_attempt_to_make_a_store_is_not_in_the_way() -> Result<()> {
    let folder = tempfile::tempdir().map_err(Error::io("make", Path::new("folder")))?;
    let root = folder.path().join("store");
    let patience = bindery::store::Patience {
        wait: std::time::Duration::ZERO,
        holder: "a test".into(),
        tell: None,
    };
    drop(Store::create(&root, &patience)?);
    let remove = |name: &str| {
        let path = root.join(name);
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))
    };
    remove("bindery.toml")?;
    drop(Store::create(&root, &patience)?);
    remove("bindery.toml")?;
    let pack = root.join("packs/ab");
    std::fs::create_dir(&pack).map_err(Error::io("make", &pack))?;
    let refused = Store::create(&root, &patience);
    assert_eq!(
        kind(refused),
        Some(Kind::Conflict),
        "there is something in it"
    );
    Ok(())
}

#[test]
fn who_wins_a_conflict_is_said_by_the_caller() -> Result<()> {
    for (policy, expected) in [(OnConflict::Build, "mine"), (OnConflict::Ref, "theirs")] {
        let (_disk, shelf) = shelf()?;
        let build = shelf.committed("stable", &files(&[("f", "mine")]))?;
        shelf.release("stable", &files(&[("f", "theirs")]))?;
        let options = PublishOptions {
            on_conflict: Some(policy),
            ..PublishOptions::default()
        };
        publish(&shelf.store, build, &options, moment(5)?)?;
        assert_eq!(shelf.shown("stable")?, files(&[("f", expected)]));
        shelf.check()?;
    }
    Ok(())
}
