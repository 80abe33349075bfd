//! Fsck on stores that were filled by the real verbs, whole and damaged.

use std::fs;

use super::commit::commit;
use super::sandbox::{AnyError, Sandbox, flip, patience, time};
use crate::base::progress::Silent;
use crate::object::kind::ObjectKind;
use crate::store::counts::testing::{change_counts, change_live, invent, leak_release, misplace};
use crate::store::fsck::{Counts, FsckOptions, FsckReport};
use crate::store::layout;
use crate::store::retire::Mode;
use crate::store::{Access, Store};

type Outcome = Result<(), AnyError>;

/// Two repos, a few releases, an open build and a committed one that pins what is published.
pub(super) fn busy() -> Result<Sandbox, AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.create_repo("org/other", crate::base::profile::Profile::Portable)?;
    for (content, other) in [("1", "one"), ("2", "two"), ("3", "three")] {
        let files = [("usr/a", content.as_bytes()), ("usr/b", b"always")];
        sandbox.publish("main", "stable", &files)?;
        sandbox.publish("org/other", "app/x", &[("a", other.as_bytes())])?;
    }
    sandbox.stage("main", "stable", &[("open", b"open")])?;
    let ready = sandbox.stage("main", "stable", &[("usr/ready", b"ready")])?;
    commit(sandbox.store()?, ready.id, "", time(20)?)?;
    Ok(sandbox)
}

/// All problems, one line for each.
pub(super) fn problems(report: &FsckReport) -> String {
    let lines: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[track_caller]
pub(super) fn assert_clean(report: &FsckReport) {
    let nothing: [String; 0] = [];
    assert_eq!(problems(report), "");
    assert_eq!(
        (&report.repaired[..], &report.leaks[..]),
        (&nothing[..], &nothing[..])
    );
    assert_eq!(report.strays, nothing);
}

#[test]
fn a_store_in_use_is_clean_whatever_was_done() -> Outcome {
    let mut sandbox = busy()?;
    assert_clean(&sandbox.fsck()?);
    let repo = sandbox.repo("main")?;
    // What the committed build pins lingers from now on.
    let releases = [("stable".parse()?, 1, 1), ("stable".parse()?, 1, 2)];
    sandbox
        .store()?
        .retire_releases(&repo, &releases, Mode::Apply)?;
    let report = sandbox.fsck()?;
    assert_clean(&report);
    assert_eq!(report.packs, sandbox.packs()?.len() as u64);
    for build in [7, 8] {
        sandbox.store()?.purge_build(build, time(21)?)?;
        assert_clean(&sandbox.fsck()?);
    }
    sandbox.reopen()?;
    assert_clean(&sandbox.fsck()?);
    Ok(())
}

#[test]
fn no_damaged_byte_of_a_pack_goes_unnoticed() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("usr/text", b"some text"), ("b", b"2")])?;
    let mut with_path = 0;
    for pack in sandbox.packs()? {
        for at in 0..fs::read(&pack)?.len() {
            flip(&pack, at)?;
            let report = sandbox.store()?.fsck(FsckOptions::default(), &Silent)?;
            flip(&pack, at)?;
            let found = problems(&report);
            assert!(
                found.contains(&pack.display().to_string()),
                "byte {at}: {found}"
            );
            with_path += usize::from(found.contains("needed by /") && found.contains("stable@1"));
        }
    }
    assert!(with_path > 100, "{with_path}");
    assert_clean(&sandbox.fsck()?);
    Ok(())
}

#[test]
fn a_pack_that_is_cut_or_missing_is_told_by_what_needs_it() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("usr/text", b"some text")])?;
    let pack = sandbox.packs()?.pop().ok_or("there is a pack")?;
    let whole = fs::read(&pack)?;
    for (length, reason) in [
        (Some(whole.len() - 1), "the end is cut off"),
        (Some(10), "not even a header"),
        (Some(0), "an empty file"),
        (None, "no file"),
    ] {
        sandbox.close();
        fs::remove_file(&pack)?;
        if let Some(length) = length {
            fs::write(&pack, &whole[..length])?;
        }
        sandbox.reopen()?;
        let report = sandbox.fsck()?;
        let found = problems(&report);
        assert!(found.contains("lost pack"), "{reason}: {found}");
        assert!(
            found.contains("needed by / in stable@1"),
            "{reason}: {found}"
        );
        assert!(
            found.contains("counts of main were not recomputed"),
            "{reason}: {found}"
        );
        assert_eq!(report.repaired.len(), 0, "{reason}");
        fs::write(&pack, &whole)?;
    }
    sandbox.reopen()?;
    assert_clean(&sandbox.fsck()?);
    Ok(())
}

#[test]
fn a_damaged_pack_of_a_build_is_told_with_the_build() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    let build = sandbox.stage("main", "stable", &[("text", b"some text")])?;
    let pack = sandbox.packs()?.pop().ok_or("there is a pack")?;
    flip(&pack, 50)?;
    let found = problems(&sandbox.fsck()?);
    let owner = format!("of build {}", build.id);
    assert!(
        found.contains("damaged object") && found.contains(&owner),
        "{found}"
    );
    Ok(())
}

#[test]
fn strays_are_listed_and_left_alone() -> Outcome {
    let sandbox = busy()?;
    let pack = sandbox.packs()?.pop().ok_or("there is a pack")?;
    let folder = sandbox.root().join("packs/00");
    fs::create_dir_all(&folder)?;
    let stray = folder.join("0".repeat(64));
    fs::copy(&pack, &stray)?;
    let report = sandbox.fsck()?;
    assert_eq!(report.strays, [stray.display().to_string()]);
    assert_eq!(problems(&report), "");
    assert!(stray.exists());
    Ok(())
}

#[test]
fn counts_that_are_too_high_are_put_right() -> Outcome {
    for kind in ObjectKind::ALL {
        let mut sandbox = busy()?;
        let repo = sandbox.repo("main")?;
        let changed = change_counts(sandbox.store()?, &repo, &|found, count| {
            Some(if found == kind { count + 1 } else { count })
        })?;
        change_live(sandbox.store()?, 1)?;
        let report = sandbox.fsck()?;
        assert_eq!(problems(&report), "", "{kind:?}");
        let leaks = report.repaired.join("\n");
        assert!(leaks.contains("live objects"), "{kind:?}: {leaks}");
        assert!(
            changed == 0 || leaks.contains("too high"),
            "{kind:?}: {leaks}"
        );
        assert_clean(&sandbox.fsck()?);
        sandbox.reopen()?;
        assert_clean(&sandbox.fsck()?);
    }
    Ok(())
}

#[test]
fn what_nothing_needs_is_let_go_of() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    for content in [b"1", b"2", b"3"] {
        sandbox.publish("main", "stable", &[("a", content)])?;
    }
    let before = sandbox.fsck()?;
    let repo = sandbox.repo("main")?;
    leak_release(sandbox.store()?, &repo, &"stable".parse()?, 1)?;
    let report = sandbox.fsck()?;
    assert_eq!(problems(&report), "");
    let leaks = report.repaired.join("\n");
    assert!(leaks.contains("3 objects that nothing needs"), "{leaks}");
    let after = sandbox.fsck()?;
    assert_clean(&after);
    assert!(after.packs < before.packs, "{} packs", after.packs);
    assert_eq!(after.packs, sandbox.packs()?.len() as u64);
    Ok(())
}

#[test]
fn a_store_that_is_only_read_is_not_repaired() -> Outcome {
    let mut sandbox = busy()?;
    let repo = sandbox.repo("main")?;
    change_counts(sandbox.store()?, &repo, &|_, count| Some(count + 1))?;
    sandbox.close();
    let options = FsckOptions {
        counts: Counts::Recompute,
    };
    let store = Store::open(&sandbox.root(), Access::Read, &patience())?;
    for attempt in 0..2 {
        let report = store.fsck(options, &Silent)?;
        assert_eq!(
            (report.repaired.len(), report.leaks.len()),
            (0, 1),
            "{attempt}"
        );
    }
    Ok(())
}

#[test]
fn counts_that_are_too_low_are_put_right_and_told() -> Outcome {
    let sandbox = busy()?;
    let repo = sandbox.repo("main")?;
    let lower = |_, count: u32| Some(count.saturating_sub(1));
    change_counts(sandbox.store()?, &repo, &lower)?;
    let report = sandbox.fsck()?;
    assert!(
        problems(&report).contains("count too low"),
        "{}",
        problems(&report)
    );
    assert_clean(&sandbox.fsck()?);
    change_live(sandbox.store()?, -1)?;
    let report = sandbox.fsck()?;
    assert!(
        problems(&report).contains("count too low"),
        "{}",
        problems(&report)
    );
    assert_clean(&sandbox.fsck()?);
    Ok(())
}

#[test]
fn a_row_that_is_lost_is_told_by_what_points_at_it() -> Outcome {
    for (kind, word) in [
        (ObjectKind::Blob, "points at it; needed by /usr/"),
        (ObjectKind::Tree, "points at it; needed by / in stable@3"),
        (ObjectKind::Snapshot, "of stable@3 is not published"),
    ] {
        let sandbox = busy()?;
        let repo = sandbox.repo("main")?;
        change_counts(sandbox.store()?, &repo, &|found, count| {
            (found != kind).then_some(count)
        })?;
        let found = problems(&sandbox.fsck()?);
        assert!(found.contains(word), "{kind:?}: {found}");
        assert_clean(&sandbox.fsck()?);
    }
    Ok(())
}

#[test]
fn rows_that_say_a_wrong_place_are_told_and_put_right() -> Outcome {
    for kind in [ObjectKind::Blob, ObjectKind::Tree, ObjectKind::Snapshot] {
        let sandbox = busy()?;
        let repo = sandbox.repo("main")?;
        assert!(misplace(sandbox.store()?, &repo, kind)? > 0);
        let unwritten = sandbox.store()?.fsck(FsckOptions::default(), &Silent)?;
        let found = problems(&unwritten);
        assert!(found.contains("it does not lie there in pack"), "{found}");
        let found = problems(&sandbox.fsck()?);
        assert!(found.contains("it does not lie there in pack"), "{found}");
        assert_clean(&sandbox.fsck()?);
    }
    Ok(())
}

#[test]
fn rows_of_what_is_nowhere_are_taken_away() -> Outcome {
    for kind in [ObjectKind::Blob, ObjectKind::Tree, ObjectKind::Snapshot] {
        let sandbox = busy()?;
        let repo = sandbox.repo("main")?;
        invent(sandbox.store()?, &repo, kind)?;
        let report = sandbox.fsck()?;
        let leaks = report.repaired.join("\n");
        assert!(leaks.contains("1 object that nothing needs"), "{leaks}");
        assert_clean(&sandbox.fsck()?);
    }
    Ok(())
}

#[test]
fn one_count_that_is_off_by_one_is_found() -> Outcome {
    for by in [-1, 1] {
        let sandbox = busy()?;
        let repo = sandbox.repo("main")?;
        let is_done = std::cell::Cell::new(false);
        let changed = change_counts(sandbox.store()?, &repo, &|_, count| {
            let is_meant = count > 0 && !is_done.replace(is_done.get() || count > 0);
            Some(if is_meant {
                count.saturating_add_signed(by)
            } else {
                count
            })
        })?;
        assert_eq!(changed, 1);
        let report = sandbox.fsck()?;
        let (losses, leaks) = (report.problems.len(), report.repaired.len());
        assert_eq!((losses, leaks), if by < 0 { (1, 0) } else { (0, 1) });
        assert_clean(&sandbox.fsck()?);
    }
    Ok(())
}

#[test]
fn no_damaged_byte_of_a_note_goes_unnoticed() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    for content in [b"1", b"2"] {
        sandbox.publish("main", "stable", &[("a", content)])?;
    }
    let trust = sandbox.root().join(layout::trust(&"main".parse()?));
    let mut notes = vec![trust.join("heads")];
    for folder in ["keyset", "statements", "refs"] {
        for note in fs::read_dir(trust.join(folder))? {
            notes.push(note?.path());
        }
    }
    assert_eq!(notes.len(), 6, "with those of the older release");
    for note in notes {
        for at in (0..fs::read(&note)?.len()).step_by(7) {
            flip(&note, at)?;
            let found = problems(&sandbox.store()?.fsck(FsckOptions::default(), &Silent)?);
            flip(&note, at)?;
            assert!(
                found.contains("wrong note"),
                "{}: byte {at}",
                note.display()
            );
        }
    }
    assert_clean(&sandbox.fsck()?);
    Ok(())
}

#[test]
fn notes_that_are_missing_are_told() -> Outcome {
    let sandbox = busy()?;
    fs::remove_file(sandbox.root().join(layout::heads(&"main".parse()?)))?;
    fs::remove_dir_all(sandbox.root().join(layout::trust(&"org/other".parse()?)))?;
    let found = problems(&sandbox.fsck()?);
    assert!(found.contains("org/other/trust"), "{found}");
    assert!(
        found.contains("version 0 of the heads statement, the catalog has 3"),
        "{found}"
    );
    Ok(())
}
