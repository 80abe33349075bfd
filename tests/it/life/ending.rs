//! Ending: purge and retire, what they free, and what a dry run leaves alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use bindery::base::id::Hash;

use super::{SMALL, sum_bytes};
use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch, TIME_S, files_beneath, noise, number, text};

/// Every file of the store with the hash of its content, but for the text of the lock and those whose names end with
/// `but`.
fn contents(scratch: &Scratch, but: &str) -> io::Result<BTreeMap<PathBuf, Hash>> {
    let files = files_beneath(&scratch.store())?.into_iter();
    files
        .filter(|file| !file.ends_with("lock") && !file.ends_with(but))
        .map(|file| Ok((file.clone(), Hash::of(&fs::read(&file)?))))
        .collect()
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() -> Outcome {
    let scratch = Scratch::new()?;
    for content in ["1", "2"] {
        scratch.write("tree", &[("n", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    scratch.write("tree", SMALL)?;
    let build = scratch.commit("stable", "tree")?;
    let before = contents(&scratch, "")?;
    let purge = format!("build purge {build}");
    let planned = scratch.json(&format!("{purge} --dry-run"))?;
    assert_eq!(
        contents(&scratch, "")?,
        before,
        "not even a byte of the catalog"
    );
    let done = scratch.json(&purge)?;
    for field in ["objects", "packs", "bytes"] {
        assert_eq!(done[field], planned[field], "{field}");
    }
    // A plan to retire is a transaction that is rolled back: the catalog says the same, in other pages.
    let before = (
        contents(&scratch, "catalog.redb")?,
        scratch.json("log stable")?,
    );
    let planned = scratch.json("retire stable --keep-last 1 --dry-run")?;
    assert_eq!(planned["retired"].as_array().map(Vec::len), Some(1));
    let after = (
        contents(&scratch, "catalog.redb")?,
        scratch.json("log stable")?,
    );
    assert_eq!(before, after);
    let done = scratch.json("retire stable --keep-last 1")?;
    for field in ["objects", "packs", "bytes", "retired", "kept"] {
        assert_eq!(done[field], planned[field], "{field}");
    }
    scratch.expect_sound()
}

#[test]
fn a_plan_says_to_the_byte_what_rewriting_and_purging_free() -> Outcome {
    let scratch = Scratch::new()?;
    let old: String = noise(100_000).iter().map(u8::to_string).collect();
    scratch.write("tree", &[("kept", File("k")), ("old", File(&old))])?;
    scratch.publish("stable", "tree")?;
    scratch.ok("build create --ref stable")?;
    scratch.write("tree", &[("old", File("new"))])?;
    scratch.publish("stable", "tree")?;
    let packs = scratch.store().join("packs");
    for (line, frees) in [
        // The open build pins what it was made on.
        ("retire stable --keep-last 1", false),
        ("build purge 2", true),
        ("retire stable --keep-last 1", true),
    ] {
        let files = files_beneath(&packs)?;
        let planned = scratch.json(&format!("{line} --dry-run"))?;
        assert_eq!(files_beneath(&packs)?, files, "{line}");
        let done = scratch.json(line)?;
        let left = files_beneath(&packs)?;
        for field in ["objects", "packs", "bytes"] {
            assert_eq!(done[field], planned[field], "{field}: {line}");
        }
        assert_eq!(number(&done, "bytes")? > 0, frees, "{line}: {done}");
        let gone = files.len().checked_sub(left.len()).ok_or("more files")?;
        assert_eq!(number(&done, "packs")?, gone as u64, "{line}");
        assert!(frees || left == files, "{line}");
    }
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.expect_sound()
}

/// Publishes `content` as the release of a build that has a tag.
fn publish_tagged(scratch: &Scratch, content: &str, tag: &str) -> Outcome {
    scratch.write("tree", &[("n", File(content))])?;
    let line = format!("build create --ref stable --label tag={tag}");
    let build = number(&scratch.json(&line)?, "build")?;
    scratch.ok(&format!("build stage {build} tree"))?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.ok(&format!("publish {build}"))?;
    Ok(())
}

/// The seqs in a list of releases.
fn seqs(releases: &serde_json::Value) -> Vec<u64> {
    let releases = releases.as_array().into_iter().flatten();
    releases
        .filter_map(|release| release["seq"].as_u64())
        .collect()
}

#[test]
fn tagged_releases_stay_until_it_is_said_that_they_go() -> Outcome {
    let scratch = Scratch::new()?;
    for (content, tag) in [
        ("1", "v1.0"),
        ("2", ""),
        ("3", "v2.0"),
        ("4", ""),
        ("5", ""),
    ] {
        if tag.is_empty() {
            scratch.write("tree", &[("n", File(content))])?;
            scratch.publish("stable", "tree")?;
        } else {
            publish_tagged(&scratch, content, tag)?;
        }
    }
    let log = scratch.json("log stable")?;
    assert_eq!(log["releases"][4]["tag"], "v1.0");
    assert!(scratch.ok("log stable")?.stdout.contains("[tag v2.0]"));
    assert!(scratch.ok("show stable@1")?.stdout.contains("tag=v1.0"));

    let said = scratch.ok("retire stable --keep-last 2 --dry-run")?;
    let kept = "would keep 4 releases: 1 shown now, 1 among the last 2, 2 tagged (v2.0, v1.0)";
    assert!(said.stdout.contains(kept), "{}", said.stdout);
    let done = scratch.json("retire stable --keep-last 1")?;
    assert_eq!(seqs(&done["retired"]), [4, 2]);
    assert_eq!(seqs(&done["kept"]), [5, 3, 1]);
    assert_eq!(done["kept"][1]["because"], "tagged");
    assert_eq!(done["kept"][1]["tag"], "v2.0");
    assert_eq!(scratch.ok("cat stable@1 n")?.stdout, "1");

    // What is left without a tagged build is not what was tagged.
    publish_tagged(&scratch, "6", "v3.0")?;
    scratch.ok("withdraw 6")?;
    let planned = scratch.json("retire stable --keep-last 1 --dry-run")?;
    assert_eq!(seqs(&planned["kept"]), [7, 6, 3, 1], "{planned}");
    assert_eq!(planned["kept"][0]["because"], "shown");

    // Tags are in snapshots: a new catalog knows them.
    fs::remove_file(scratch.store().join("catalog.redb"))?;
    scratch.ok("fsck --reindex")?;
    let planned = scratch.json("retire main:stable --keep-last 1 --dry-run")?;
    assert_eq!(seqs(&planned["kept"]), [7, 6, 3, 1], "{planned}");

    let settings = scratch.store().join("bindery.toml");
    let mut policy = fs::read_to_string(&settings)?;
    policy.push_str("[[ref]]\npattern = \"**\"\nkeep_last = 1\nkeep_tagged = false\n");
    fs::write(&settings, policy)?;
    let kept = |line: &str| Ok::<_, Box<dyn std::error::Error>>(seqs(&scratch.json(line)?["kept"]));
    assert_eq!(kept("retire main:stable --dry-run")?, [7]);
    assert_eq!(
        kept("retire main:stable --keep-tagged true --dry-run")?,
        [7, 6, 3, 1]
    );
    assert_eq!(kept("retire main:stable --keep-tagged false")?, [7]);
    scratch.fails("cat main:stable@1 n", 5, &["stable@1 is retired"])?;
    scratch.expect_sound()
}

#[test]
fn young_releases_stay() -> Outcome {
    let scratch = Scratch::new()?;
    for (content, days_ago) in [("1", 40), ("2", 20), ("3", 1), ("4", 0)] {
        scratch.write("tree", &[("n", File(content))])?;
        let build = scratch.commit("stable", "tree")?;
        let mut publish = scratch.command(["publish".to_owned(), build.to_string()]);
        let time_s = TIME_S - days_ago * 24 * 60 * 60;
        publish.env("SOURCE_DATE_EPOCH", time_s.to_string());
        Answer::of(&mut publish)?.expect_code(0)?;
    }
    for (rules, kept) in [
        ("--keep-younger 30d", &[4, 3, 2][..]),
        ("--keep-younger 25h", &[4, 3]),
        ("--keep-younger 24h", &[4]),
        ("--keep-days 41", &[4, 3, 2, 1]),
        ("--keep-last 3 --keep-younger 1s", &[4, 3, 2]),
        ("--keep-last 0", &[4]),
    ] {
        let planned = scratch.json(&format!("retire stable {rules} --dry-run"))?;
        assert_eq!(seqs(&planned["kept"]), kept, "{rules}: {planned}");
    }
    let both = "retire stable --keep-younger 1d --keep-days 1";
    scratch.fails(both, 2, &["cannot be used with"])?;
    Ok(())
}

#[test]
fn a_build_can_be_purged_in_every_state() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.ok("build create --ref stable")?;
    let staged = scratch.stage("stable", "tree")?;
    let ready = scratch.commit("stable", "tree")?;
    let published = scratch.publish("stable", "tree")?;
    for (build, frees) in [
        (1, false),
        (staged, true),
        (ready, true),
        (published, false),
    ] {
        let receipt = scratch.json(&format!("build purge {build}"))?;
        assert_eq!(
            number(&receipt, "bytes")? > 0,
            frees,
            "build {build}: {receipt}"
        );
        let shown = scratch.json(&format!("build show {build}"))?;
        assert_eq!(text(&shown, "state")?, "purged");
    }
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.expect_sound()
}

#[test]
fn a_retired_release_frees_what_only_it_held() -> Outcome {
    let scratch = Scratch::new()?;
    let large = "large ".repeat(100_000);
    scratch.write("first", &[("large", File(&large)), ("kept", File("k"))])?;
    scratch.publish("stable", "first")?;
    scratch.write("second", &[("kept", File("k")), ("small", File("s"))])?;
    let build = scratch.stage("stable", "second --replace")?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.ok(&format!("publish {build}"))?;
    let packs = scratch.store().join("packs");
    let before = sum_bytes(&files_beneath(&packs)?)?;
    let live = number(&scratch.json("stats")?, "live_bytes")?;
    scratch.ok("retire stable --keep-last 1")?;
    assert!(sum_bytes(&files_beneath(&packs)?)? < before);
    let live_after = number(&scratch.json("stats")?, "live_bytes")?;
    assert!(live_after + 600_000 <= live, "{live_after} of {live}");
    scratch.expect_checkout("stable", "out", "second")?;
    scratch.fails("ls stable@1", 5, &["stable@1 is retired"])?;
    scratch.fails("rollback stable --to 1", 5, &["stable@1 is retired"])?;
    scratch.ok("verify")?;
    scratch.expect_sound()
}

#[test]
fn retire_keeps_what_the_settings_say() -> Outcome {
    let scratch = Scratch::new()?;
    for content in ["1", "2", "3", "4"] {
        scratch.write("tree", &[("n", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    let none = scratch.json("retire")?;
    assert_eq!(
        none["retired"].as_array().map(Vec::len),
        Some(0),
        "nothing is set"
    );
    let settings = scratch.store().join("bindery.toml");
    let mut policy = fs::read_to_string(&settings)?;
    policy.push_str("[[ref]]\npattern = \"**\"\nkeep_last = 2\n");
    fs::write(&settings, policy)?;
    let two = scratch.json("retire")?;
    assert_eq!(two["retired"].as_array().map(Vec::len), Some(2));
    assert_eq!(scratch.ok("cat stable~1 n")?.stdout, "3");
    scratch.expect_sound()
}

#[test]
fn an_open_build_keeps_the_base_that_it_was_made_on() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("build create --ref stable")?;
    scratch.ok("build stage 2 tree/bin --at copy")?;
    scratch.write("other", &[("only", File("this"))])?;
    let third = scratch.stage("stable", "other --replace")?;
    scratch.ok(&format!("build commit {third}"))?;
    scratch.ok(&format!("publish {third}"))?;
    scratch.ok("retire stable --keep-last 1")?;
    scratch.ok("build commit 2")?;
    scratch.ok("publish 2")?;
    scratch.write("other/copy", &[])?;
    scratch.write(
        "other/copy",
        &[SMALL[0], SMALL[1]].map(|(path, node)| (&path[4..], node)),
    )?;
    scratch.expect_checkout("stable", "out", "other")?;
    scratch.ok("build purge 2")?;
    scratch.expect_sound()
}

#[test]
fn when_everything_is_let_go_of_nothing_is_left_but_the_newest_release() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("n", File("0"))])?;
    scratch.publish("stable", "tree")?;
    let smallest = number(&scratch.json("stats")?, "live_bytes")?;
    for content in ["1", "2"] {
        scratch.write("tree", &[("n", File(content))])?;
        scratch.publish("stable", "tree")?;
        scratch.stage("stable", "tree")?;
    }
    scratch.write("more", SMALL)?;
    let open = scratch.stage("stable", "more")?;
    for build in 1..=open {
        scratch.ok(&format!("build purge {build}"))?;
    }
    scratch.ok("retire stable --keep-last 1")?;
    let stats = scratch.json("stats")?;
    assert_eq!(
        number(&stats, "objects")?,
        3,
        "a snapshot, a tree and a file: {stats}"
    );
    let live = number(&stats, "live_bytes")?;
    assert!(
        live <= smallest + 100,
        "{live} bytes live, {smallest} at first: a parent more"
    );
    assert_eq!(files_beneath(&scratch.store().join("tmp"))?.len(), 0);
    scratch.expect_sound()
}
