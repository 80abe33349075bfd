//! Reindex on stores that were filled by the real verbs: what comes back, whatever was lost.

use std::collections::BTreeMap;
use std::fs;

use super::fsck_tests::{assert_clean, busy, problems};
use super::publish::PublishAnswer;
use super::rollback::rollback;
use super::sandbox::{AnyError, Sandbox, flip, large_file, patience, time};
use super::verify::verify_repo;
use crate::base::Error;
use crate::base::id::BlobId;
use crate::base::profile::Profile;
use crate::base::progress::Silent;
use crate::object::walk::{Step, walk};
use crate::store::layout;
use crate::store::reindex::{ReindexReport, reindex};
use crate::store::retire::Mode;
use crate::store::{Access, Store};

type Outcome = Result<(), AnyError>;

/// The packs of a busy store that belong to builds: what was staged into two, and what one commit made.
const UNPUBLISHED_PACKS: u64 = 3;

/// Every ref with its seq, statement and files, and every release that is not retired.
fn shown(sandbox: &Sandbox) -> Result<BTreeMap<String, String>, AnyError> {
    let store = sandbox.store()?;
    let reader = store.reader()?;
    let mut shown = BTreeMap::new();
    for repo in reader.repos()? {
        let view = store.view(&repo.name, &[])?;
        let facts = (
            repo.profile,
            repo.repo_id,
            repo.keyset,
            &repo.key,
            repo.heads,
            repo.created,
        );
        shown.insert(repo.name.to_string(), format!("{facts:?}"));
        for row in reader.refs(&repo)? {
            let mut lines = vec![format!("{:?}", row.current)];
            for release in reader.releases(&repo, &row.name)? {
                if release.retired {
                    continue;
                }
                lines.push(format!("{} {:?}", release.seq, release.kind));
                let tree = view.snapshot_of_size(release.snapshot)?.tree;
                walk(&view, tree, &mut |path, entry| {
                    lines.push(format!("{path} {:?}", entry.kind()));
                    if entry.tree_ref().is_none() {
                        let id = BlobId::new(entry.id());
                        view.read_blob(id, entry.size(), &mut |bytes| {
                            lines.push(format!("{} bytes: {}", bytes.len(), BlobId::of(bytes)));
                            Ok(())
                        })?;
                    }
                    Ok(Step::Into)
                })?;
            }
            let text = lines.join("\n");
            shown.insert(format!("{}:{}", repo.name, row.name), text);
        }
    }
    Ok(shown)
}

fn verify_all(sandbox: &Sandbox) -> Outcome {
    let store = sandbox.store()?;
    for repo in store.reader()?.repos()? {
        verify_repo(store, &repo, &Silent)?;
    }
    Ok(())
}

/// Closes the store, makes a new catalog, and opens it again.
fn reindexed(sandbox: &mut Sandbox) -> Result<ReindexReport, AnyError> {
    sandbox.close();
    let report = reindex(&sandbox.root(), &patience())?;
    sandbox.reopen()?;
    Ok(report)
}

fn told(report: &ReindexReport) -> String {
    let lines: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn what_was_published_comes_back_from_packs_and_notes_alone() -> Outcome {
    let mut sandbox = busy()?;
    let before = shown(&sandbox)?;
    sandbox.close();
    fs::remove_file(sandbox.root().join(layout::CATALOG))?;
    let refused = Store::open(&sandbox.root(), Access::Write, &patience());
    assert!(refused.is_err_and(|error| error.is_file_not_found()));
    let report = reindexed(&mut sandbox)?;
    assert_eq!(told(&report), "");
    assert_eq!((report.repos, report.refs, report.releases), (2, 2, 6));
    assert_eq!((report.retired, report.snapshots), (0, 6));
    assert_eq!(report.unowned_packs, UNPUBLISHED_PACKS);
    assert_eq!(report.old_catalog, None);
    assert_eq!(shown(&sandbox)?, before);
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)?;
    assert!(sandbox.store()?.reader()?.builds()?.is_empty());
    Ok(())
}

#[test]
fn publishing_goes_on_with_the_next_numbers() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    for content in [b"1", b"2"] {
        sandbox.publish("main", "stable", &[("a", content)])?;
    }
    let heads = sandbox.repo("main")?.heads;
    reindexed(&mut sandbox)?;
    let answer: PublishAnswer = sandbox.publish("main", "stable", &[("b", b"3")])?;
    assert_eq!(
        (answer.epoch, answer.seq, &answer.builds[..]),
        (1, 3, &[3][..])
    );
    assert_eq!(sandbox.repo("main")?.heads, heads + 1);
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)?;
    rollback(
        sandbox.store()?,
        &"main".parse()?,
        &"stable".parse()?,
        1,
        None,
        time(9)?,
    )?;
    assert_clean(&sandbox.fsck()?);
    sandbox.create_repo("second", Profile::Posix)?;
    sandbox.publish("second", "stable", &[("a", b"1")])?;
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)
}

#[test]
fn what_only_the_old_catalog_knew_is_told_by_name() -> Outcome {
    let mut sandbox = busy()?;
    let row = sandbox.repo("main")?;
    let (store, name) = (sandbox.store()?, "stable".parse()?);
    store.record_hold(&row, &name, Some("broken".into()))?;
    let told = reindexed(&mut sandbox)?.forgotten.join("\n");
    for part in [
        "build 7 of main for stable, open, into which 1 files were staged",
        "build 8 of main for stable, ready, into which 1 files were staged",
        "the hold of main:stable: broken",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    sandbox.close();
    let catalog = sandbox.root().join(layout::CATALOG);
    fs::remove_file(sandbox.root().join(layout::old_catalog(1)))?;
    fs::write(&catalog, b"no catalog")?;
    let told = reindexed(&mut sandbox)?.forgotten.join("\n");
    assert!(
        told.contains("which there were") && told.contains("cannot be read"),
        "{told}"
    );
    sandbox.close();
    fs::remove_file(sandbox.root().join(layout::old_catalog(1)))?;
    fs::remove_file(&catalog)?;
    let told = reindexed(&mut sandbox)?.forgotten;
    assert_eq!(told.len(), 1, "{told:?}");
    Ok(())
}

#[test]
fn the_old_catalog_is_kept_and_a_second_time_gives_the_same() -> Outcome {
    let mut sandbox = busy()?;
    let before = shown(&sandbox)?;
    for old in ["catalog.redb.old-1", "catalog.redb.old-2"] {
        let report = reindexed(&mut sandbox)?;
        assert_eq!(report.old_catalog.as_deref(), Some(old));
        assert_eq!(report.unowned_packs, UNPUBLISHED_PACKS, "looked at again");
        assert!(sandbox.root().join(old).exists());
        assert_eq!(shown(&sandbox)?, before);
        assert_clean(&sandbox.fsck()?);
    }
    Ok(())
}

#[test]
fn what_was_retired_stays_so() -> Outcome {
    let mut sandbox = busy()?;
    // The committed build pins nothing of the first two releases that they alone had.
    let releases = [("stable".parse()?, 1, 1), ("stable".parse()?, 1, 2)];
    let repo = sandbox.repo("main")?;
    sandbox
        .store()?
        .retire_releases(&repo, &releases, Mode::Apply)?;
    let before = shown(&sandbox)?;
    let report = reindexed(&mut sandbox)?;
    assert_eq!((report.releases, report.retired), (4, 2));
    assert_eq!(told(&report), "", "to be retired is no problem");
    assert_eq!(shown(&sandbox)?, before);
    assert_clean(&sandbox.fsck()?);
    Ok(())
}

#[test]
fn what_two_repos_need_of_one_pack_is_copied() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.create_repo("other", Profile::Posix)?;
    let files: [(&str, &[u8]); 2] = [("a", b"the same"), ("b/c", b"as well")];
    sandbox.publish("main", "stable", &files)?;
    let first = sandbox.packs()?;
    sandbox.publish("other", "stable", &files)?;
    let before = shown(&sandbox)?;
    sandbox.close();
    // One of the two repos has lost its copy of the files, and kept its snapshot.
    for pack in sandbox.packs()?.iter().filter(|pack| !first.contains(pack)) {
        if holds(&fs::read(pack)?, b"as well") {
            fs::remove_file(pack)?;
        }
    }
    let report = reindexed(&mut sandbox)?;
    assert_eq!(told(&report), "");
    assert_eq!(shown(&sandbox)?, before);
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)?;
    let mut is_copied = false;
    for pack in sandbox.packs()?.iter().filter(|pack| !first.contains(pack)) {
        is_copied |= holds(&fs::read(pack)?, b"as well");
    }
    assert!(is_copied, "each repo owns what it shows");
    Ok(())
}

/// Whether some bytes occur among others.
fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_damaged_object_costs_only_the_releases_that_need_it() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    let noise: Vec<u8> = (0..64_u32)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect();
    sandbox.publish("main", "stable", &[("a", b"good"), ("b", &noise)])?;
    sandbox.publish("main", "stable", &[("b", b"small")])?;
    let before = shown(&sandbox)?;
    sandbox.close();
    let needle = &noise[..16];
    for pack in sandbox.packs()? {
        let bytes = fs::read(&pack)?;
        let at = bytes
            .windows(needle.len())
            .position(|window| window == needle);
        if let Some(at) = at {
            flip(&pack, at)?;
        }
    }
    let report = reindexed(&mut sandbox)?;
    assert_eq!(
        (report.releases, report.retired),
        (1, 1),
        "{}",
        told(&report)
    );
    assert!(told(&report).contains("damaged pack"), "{}", told(&report));
    let newest = |shown: &BTreeMap<String, String>| {
        let text = shown.get("main:stable").cloned().unwrap_or_default();
        text.lines()
            .skip_while(|line| !line.starts_with("2 "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(newest(&shown(&sandbox)?), newest(&before));
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)
}

#[test]
fn a_ref_whose_newest_release_is_lost_is_held_and_can_be_rolled_back() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("a", b"1")])?;
    let first = sandbox.packs()?;
    sandbox.publish("main", "stable", &[("a", b"2")])?;
    sandbox.close();
    for pack in sandbox.packs()?.iter().filter(|pack| !first.contains(pack)) {
        fs::remove_file(pack)?;
    }
    let report = reindexed(&mut sandbox)?;
    assert!(told(&report).contains("lost release"), "{}", told(&report));
    assert_eq!((report.releases, report.retired), (1, 1));
    let refused = sandbox.publish("main", "stable", &[("a", b"3")]);
    assert!(refused.is_err(), "nothing is published onto what is lost");
    sandbox.store()?.purge_build(3, time(8)?)?;
    assert!(!problems(&sandbox.fsck()?).is_empty());
    let (repo, name) = ("main".parse()?, "stable".parse()?);
    let answer = rollback(sandbox.store()?, &repo, &name, 1, None, time(9)?)?;
    assert_eq!(
        answer.seq, 3,
        "the number of what is lost is not given away again"
    );
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)?;
    let row = sandbox.repo("main")?;
    sandbox.store()?.record_hold(&row, &name, None)?;
    assert_eq!(sandbox.publish("main", "stable", &[("a", b"3")])?.seq, 4);
    Ok(())
}

#[test]
fn without_heads_the_statements_themselves_tell() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    for content in [b"1", b"2"] {
        sandbox.publish("main", "stable", &[("a", content)])?;
    }
    let before = sandbox.repo("main")?.heads;
    fs::write(
        sandbox.root().join(layout::heads(&"main".parse()?)),
        b"no note",
    )?;
    let report = reindexed(&mut sandbox)?;
    assert!(
        told(&report).contains("no heads statement"),
        "{}",
        told(&report)
    );
    assert_eq!(report.releases, 2);
    assert_eq!(sandbox.publish("main", "stable", &[("b", b"3")])?.seq, 3);
    assert!(sandbox.repo("main")?.heads > before);
    verify_all(&sandbox)
}

#[test]
fn a_repo_whose_keyset_does_not_hold_is_told_and_its_packs_are_kept() -> Outcome {
    let mut sandbox = busy()?;
    let before = shown(&sandbox)?;
    let keyset = sandbox
        .root()
        .join(layout::keyset(&"org/other".parse()?, 1));
    flip(&keyset, 40)?;
    let report = reindexed(&mut sandbox)?;
    assert!(
        told(&report).contains("lost repo in org/other"),
        "{}",
        told(&report)
    );
    assert_eq!(report.repos, 1);
    assert!(
        report.unowned_packs > UNPUBLISHED_PACKS,
        "{}",
        report.unowned_packs
    );
    flip(&keyset, 40)?;
    let report = reindexed(&mut sandbox)?;
    assert_eq!(told(&report), "");
    assert_eq!(shown(&sandbox)?, before, "nothing was destroyed");
    Ok(())
}

#[test]
fn a_store_that_others_hold_is_not_touched() -> Outcome {
    let sandbox = busy()?;
    let refused = reindex(&sandbox.root(), &patience());
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    assert_clean(&sandbox.fsck()?);
    let nowhere = reindex(&sandbox.root().join("none"), &patience());
    assert!(
        matches!(nowhere, Err(Error::NotFound { .. })),
        "{nowhere:?}"
    );
    Ok(())
}

#[test]
fn a_large_file_comes_back_in_its_pieces() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("image", &large_file()?)])?;
    let before = shown(&sandbox)?;
    let report = reindexed(&mut sandbox)?;
    assert_eq!((told(&report).as_str(), report.unowned_packs), ("", 0));
    assert_eq!(shown(&sandbox)?, before);
    assert_clean(&sandbox.fsck()?);
    verify_all(&sandbox)
}

#[test]
fn an_interrupted_attempt_is_made_again() -> Outcome {
    let mut sandbox = busy()?;
    let before = shown(&sandbox)?;
    sandbox.close();
    let root = sandbox.root();
    fs::rename(
        root.join(layout::CATALOG),
        root.join(layout::old_catalog(1)),
    )?;
    fs::write(root.join(layout::NEXT_CATALOG), b"half a catalog")?;
    fs::write(root.join(layout::LANDING), b"")?;
    fs::write(root.join(layout::unfinished_pack(99)), b"half a pack")?;
    let report = reindexed(&mut sandbox)?;
    assert_eq!((told(&report).as_str(), report.old_catalog), ("", None));
    assert_eq!(shown(&sandbox)?, before);
    assert_clean(&sandbox.fsck()?);
    assert!(!root.join(layout::NEXT_CATALOG).exists());
    assert_eq!(fs::read_dir(root.join(layout::TMP))?.count(), 0);
    Ok(())
}
