//! Publishing: merges, conflicts and who wins, what was tested, and taking back.

use serde_json::json;

use super::SMALL;
use crate::support::Node::File;
use crate::support::{Outcome, Scratch, text};

#[test]
fn two_builds_of_the_same_base_are_both_published() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("base", SMALL)?;
    scratch.publish("stable", "base")?;
    scratch.write("one", &[("d/one", File("1"))])?;
    scratch.write("two", &[("d/two", File("2"))])?;
    let one = scratch.commit("stable", "one")?;
    let two = scratch.commit("stable", "two")?;
    let first = scratch.json(&format!("publish {one}"))?;
    assert_eq!(first["tested"], json!(true));
    let second = scratch.json(&format!("publish {two}"))?;
    assert_eq!(second["tested"], json!(false), "the ref had moved");
    scratch.write("base/d", &[("one", File("1")), ("two", File("2"))])?;
    scratch.expect_checkout("stable", "out", "base")?;
    scratch.expect_sound()
}

#[test]
fn an_unmoved_ref_shows_the_very_root_that_was_tested() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("base", SMALL)?;
    let build = scratch.stage("stable", "base")?;
    let committed = scratch.json(&format!("build commit {build}"))?;
    let published = scratch.json(&format!("publish {build} --require-tested"))?;
    assert_eq!(published["tested"], json!(true));
    assert_eq!(text(&published, "root")?, text(&committed, "root")?);
    assert_eq!(text(&published, "snapshot")?, text(&committed, "snapshot")?);
    Ok(())
}

#[test]
fn a_tree_that_was_not_tested_is_refused_where_that_is_required() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("base", SMALL)?;
    scratch.write("one", &[("one", File("1"))])?;
    scratch.write("two", &[("two", File("2"))])?;
    scratch.publish("stable", "base")?;
    let one = scratch.commit("stable", "one")?;
    let two = scratch.commit("stable", "two")?;
    scratch.ok(&format!("publish {one}"))?;
    let parts = [
        "cannot publish build 3 as tested",
        "stable@2",
        "hint:",
        "--require-tested",
    ];
    scratch.fails(&format!("publish {two} --require-tested"), 5, &parts)?;
    assert_eq!(
        text(&scratch.json(&format!("build show {two}"))?, "state")?,
        "ready"
    );
    scratch.ok(&format!("publish {two}"))?;
    scratch.expect_sound()
}

/// Publishes a base, and commits two builds on top of it that change the same file.
fn with_conflict() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    scratch.write("base", &[("both", File("0")), ("other", File("0"))])?;
    scratch.publish("stable", "base")?;
    scratch.write("ours", &[("both", File("ours")), ("ours", File("1"))])?;
    scratch.write("theirs", &[("both", File("theirs")), ("theirs", File("1"))])?;
    let theirs = scratch.commit("stable", "theirs")?;
    let ours = scratch.commit("stable", "ours")?;
    assert_eq!((theirs, ours), (2, 3));
    scratch.ok("publish 2")?;
    Ok(scratch)
}

#[test]
fn an_older_build_never_silently_overwrites_a_newer_one() -> Outcome {
    let scratch = with_conflict()?;
    let refused = scratch.fails("publish 3", 5, &[])?;
    assert_eq!(
        refused.stderr,
        "error: cannot publish build 3 to stable: 1 path changed since its base\n  \
         both  published by build 2 (stable@2)\n\
         hint: rebuild on stable@2, or choose with --on-conflict build|ref\n"
    );
    let refused = scratch
        .run(["publish", "3", "--json"])?
        .expect_failure(5, &[])?;
    let error = refused.json_error()?;
    assert_eq!(error["error"]["code"], json!("conflict"));
    assert_eq!(
        error["error"]["paths"],
        json!([{"path": "both", "build": 2, "release": "stable@2"}])
    );
    assert_eq!(scratch.ok("cat stable both")?.stdout, "theirs");
    assert_eq!(text(&scratch.json("build show 3")?, "state")?, "ready");
    scratch.expect_sound()
}

#[test]
fn a_conflict_goes_to_whom_the_command_names() -> Outcome {
    for (winner, content) in [("build", "ours"), ("ref", "theirs")] {
        let scratch = with_conflict()?;
        scratch.ok(&format!("publish 3 --on-conflict {winner}"))?;
        scratch.write("expected", &[("both", File(content)), ("other", File("0"))])?;
        scratch.write("expected", &[("ours", File("1")), ("theirs", File("1"))])?;
        scratch.expect_checkout("stable", "out", "expected")?;
        scratch.expect_sound()?;
    }
    Ok(())
}

#[test]
fn the_settings_of_a_ref_decide_a_conflict_unless_the_command_does() -> Outcome {
    let scratch = with_conflict()?;
    let settings = scratch.store().join("bindery.toml");
    let mut policy = std::fs::read_to_string(&settings)?;
    policy.push_str("[[ref]]\npattern = \"st*\"\non_conflict = \"ref\"\n");
    std::fs::write(&settings, policy)?;
    scratch.fails("publish 3 --on-conflict refuse", 5, &["both"])?;
    scratch.ok("publish 3")?;
    assert_eq!(scratch.ok("cat stable both")?.stdout, "theirs");
    Ok(())
}

#[test]
fn the_same_change_on_both_sides_is_no_conflict() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("base", &[("a", File("0"))])?;
    scratch.publish("stable", "base")?;
    scratch.write("change", &[("a", File("1"))])?;
    let one = scratch.commit("stable", "change")?;
    let two = scratch.commit("stable", "change")?;
    scratch.ok(&format!("publish {one}"))?;
    scratch.ok(&format!("publish {two}"))?;
    assert_eq!(scratch.ok("cat stable a")?.stdout, "1");
    scratch.expect_sound()
}

#[test]
fn each_build_has_a_snapshot_of_its_own_in_the_history() -> Outcome {
    let scratch = Scratch::new()?;
    for content in ["1", "2", "3"] {
        scratch.write("tree", &[("file", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    let log = scratch.json("log stable")?;
    let releases = log["releases"].as_array().ok_or("no releases")?;
    let seqs: Vec<_> = releases
        .iter()
        .map(|release| release["seq"].clone())
        .collect();
    assert_eq!(seqs, [json!(3), json!(2), json!(1)], "newest first");
    let builds: Vec<_> = releases
        .iter()
        .map(|release| release["builds"].clone())
        .collect();
    assert_eq!(builds, [json!([3]), json!([2]), json!([1])]);
    for (spec, parent) in [("stable@3", "stable@2"), ("stable@2", "stable@1")] {
        let parents = scratch.json(&format!("show {spec}"))?["parents"].clone();
        let snapshot = scratch.json(&format!("show {parent}"))?["snapshot"].clone();
        assert_eq!(parents, json!([snapshot]), "{spec}");
    }
    assert_eq!(scratch.json("show stable@1")?["parents"], json!([]));
    let newest = scratch.json("log stable -n 1")?;
    assert_eq!(newest["releases"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn a_build_can_be_published_to_another_ref_than_it_was_made_for() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("testing", "tree")?;
    scratch.publish("stable", "tree")?;
    scratch.write(
        "change",
        &[("etc/tool.conf", File("level = 2\n")), ("new", File("n"))],
    )?;
    let build = scratch.commit("testing", "change")?;
    assert_eq!(
        scratch.ok(&format!("publish {build} --ref stable"))?.text(),
        "stable@2"
    );
    scratch.write(
        "tree",
        &[("etc/tool.conf", File("level = 2\n")), ("new", File("n"))],
    )?;
    scratch.expect_checkout("stable", "out", "tree")?;
    assert_eq!(
        scratch.ok("cat testing etc/tool.conf")?.stdout,
        "level = 1\n"
    );
    scratch.expect_sound()
}

#[test]
fn a_build_without_a_ref_is_published_to_the_one_that_is_named() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.ok("build create")?;
    scratch.ok("build stage 1 tree")?;
    scratch.ok("build commit 1")?;
    scratch.fails("publish 1", 2, &["ref"])?;
    assert_eq!(scratch.ok("publish 1 --ref stable")?.text(), "stable@1");
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.expect_sound()
}

#[test]
fn a_held_ref_takes_nothing_until_it_is_released() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.write("tree", &[("new", File("n"))])?;
    let build = scratch.commit("stable", "tree")?;
    scratch.ok("hold stable --reason freeze")?;
    let line = format!("publish {build}");
    scratch.fails(
        &line,
        5,
        &["stable", "held", "freeze", "hint:", "bindery release"],
    )?;
    assert_eq!(
        scratch.ok("cat stable bin/latest")?.stdout,
        "tool",
        "reading goes on"
    );
    scratch.ok("release stable")?;
    scratch.ok(&line)?;
    scratch.expect_sound()
}

#[test]
fn a_rollback_can_hold_its_ref() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("a", File("1"))])?;
    scratch.publish("stable", "tree")?;
    scratch.write("tree", &[("a", File("2"))])?;
    scratch.publish("stable", "tree")?;
    scratch.write("other", &[("b", File("1"))])?;
    let build = scratch.commit("stable", "other")?;
    assert_eq!(
        scratch.ok("rollback stable --to 1 --hold")?.text(),
        "stable@3"
    );
    assert_eq!(scratch.ok("cat stable a")?.stdout, "1");
    scratch.fails(&format!("publish {build}"), 5, &["held", "stable@1"])?;
    scratch.ok("release stable")?;
    scratch.ok(&format!("publish {build}"))?;
    assert_eq!(scratch.ok("ls stable")?.lines(), ["a", "b"]);
    scratch.expect_sound()
}

#[test]
fn a_withdrawal_restores_what_each_path_showed_before() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write(
        "first",
        &[
            ("kept", File("1")),
            ("changed", File("1")),
            ("removed", File("1")),
        ],
    )?;
    scratch.publish("stable", "first")?;
    scratch.write("change", &[("changed", File("2")), ("added", File("2"))])?;
    let second = scratch.stage("stable", "change")?;
    scratch.ok(&format!("build remove {second} removed"))?;
    scratch.ok(&format!("build commit {second}"))?;
    scratch.ok(&format!("publish {second}"))?;
    scratch.ok(&format!("withdraw {second}"))?;
    scratch.expect_checkout("stable", "out", "first")?;
    let line = format!("withdraw {second}");
    scratch.fails(&line, 5, &["withdrawn already", "stable@3"])?;
    scratch.expect_sound()
}

#[test]
fn a_withdrawal_does_not_undo_what_a_later_build_changed() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("a", File("1"))])?;
    scratch.publish("stable", "tree")?;
    for content in ["2", "3"] {
        scratch.write("tree", &[("a", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    let parts = [
        "cannot withdraw build 2 from stable: 1 path",
        "a  published by build 3 (stable@3)",
        "hint:",
    ];
    scratch.fails("withdraw 2", 5, &parts)?;
    assert_eq!(scratch.ok("cat stable a")?.stdout, "3");
    scratch.expect_sound()
}
