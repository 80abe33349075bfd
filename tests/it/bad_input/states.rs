//! Verbs in the wrong order.

use std::fs;

use super::{TREE, expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::Node::File;
use crate::support::{Outcome, Scratch};

#[test]
fn nothing_changes_what_a_build_is_after_its_commit() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.ok("build create --ref stable")?;
    scratch.ok("build stage 3 mine")?;
    scratch.ok("build commit 3")?;
    scratch.commit("stable", "mine")?;
    scratch.ok("build purge 4")?;
    for (build, state) in [(1, "published"), (3, "ready"), (4, "purged")] {
        for (line, verb) in [
            (format!("build stage {build} tree"), "stage into"),
            (format!("build remove {build} etc"), "remove from"),
            (format!("build commit {build}"), "commit"),
        ] {
            let refused = scratch.fails(&line, 5, &[verb, state])?;
            let hint = refused.stderr.contains("hint: ") && refused.stderr.contains("--from");
            assert_eq!(
                hint,
                state != "purged",
                "what to do instead: {}",
                refused.stderr
            );
        }
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn an_empty_build_is_not_committed() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.ok("build create --ref stable")?;
    scratch.fails(
        "build commit 3",
        5,
        &["build 3 is empty", "stage something"],
    )?;
    scratch.ok("build stage 3 mine --at other")?;
    scratch.ok("build commit 3")?;
    scratch.ok("build purge 3")?;
    expect_nothing_lost(&scratch)
}

#[test]
fn only_a_committed_build_is_published_and_only_once() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let parts = [
        "cannot publish build 2: it is open",
        "hint:",
        "bindery build commit 2",
    ];
    scratch.fails("publish 2", 5, &parts)?;
    let parts = [
        "cannot publish build 1: it is published as stable@1",
        "hint:",
        "--from 1",
    ];
    scratch.fails("publish 1", 5, &parts)?;
    scratch.fails("publish 1 --ref other", 5, &["published as stable@1"])?;
    scratch.commit("stable", "mine")?;
    scratch.ok("build purge 3")?;
    scratch.fails("publish 3", 5, &["cannot publish build 3: it is purged"])?;
    expect_nothing_lost(&scratch)
}

#[test]
fn only_a_published_build_is_withdrawn() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.fails("withdraw 2", 5, &["cannot withdraw build 2: it is open"])?;
    scratch.commit("stable", "mine")?;
    let parts = ["it is ready", "hint:", "bindery build purge 3"];
    scratch.fails("withdraw 3", 5, &parts)?;
    expect_nothing_lost(&scratch)
}

#[test]
fn purging_twice_gives_the_same_receipt() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.write("own", &[("own", File("only this build has it"))])?;
    let build = scratch.stage("stable", "own")?;
    let line = format!("build purge {build}");
    let first = scratch.json(&line)?;
    assert!(first["bytes"].as_u64() > Some(0));
    for again in [line.clone(), format!("{line} --dry-run")] {
        let again = scratch.json(&again)?;
        for field in ["objects", "packs", "bytes"] {
            assert_eq!(first[field], again[field], "{field}");
        }
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn a_build_is_looked_into_while_it_has_a_snapshot() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.fails(
        "ls build:2",
        5,
        &["cannot look into build 2: it is open", "commit 2"],
    )?;
    scratch.commit("stable", "mine")?;
    scratch.ok("ls build:3")?;
    scratch.ok("build purge 3")?;
    scratch.fails("ls build:3", 5, &["it is purged"])?;
    let line = "build create --ref stable --from 3";
    scratch.fails(line, 5, &["cannot start from build 3: it is purged"])?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_rollback_goes_somewhere_else() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.fails(
        "rollback stable --to 1",
        5,
        &["stable shows stable@1 already"],
    )?;
    expect_nothing_lost(&scratch)
}

#[test]
fn no_ref_lies_within_another() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let build = scratch.commit("stable/x86_64", "tree")?;
    let parts = ["stable/x86_64", "stable", "within the other"];
    scratch.fails(&format!("publish {build}"), 5, &parts)?;
    scratch.ok(&format!("publish {build} --ref other/x86_64"))?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_store_is_not_made_where_something_else_is() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.fails("init", 5, &["already a store at", "hint:", "--store"])?;
    scratch.fails("init -s tree", 5, &["is not empty"])?;
    scratch.ok("checkout stable out")?;
    scratch.fails("init -C out", 5, &["marks a checkout"])?;
    scratch.fails("init -s tree/etc/tool.conf", 5, &["tool.conf"])?;
    expect_nothing_lost(&scratch)
}

#[test]
fn what_went_from_under_an_open_build_is_listed_and_can_be_staged_again() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    scratch.publish("stable", "tree")?;
    // Not made for a ref: nothing is pinned for it before it is committed.
    scratch.ok("build create")?;
    scratch.ok("build stage 2 tree")?;
    scratch.write("other", &[("only", File("this"))])?;
    let third = scratch.stage("stable", "other --replace")?;
    scratch.ok(&format!("build commit {third}"))?;
    scratch.ok(&format!("publish {third}"))?;
    scratch.ok("retire stable --keep-last 1")?;
    let parts = [
        "cannot commit build 2",
        "missing",
        "hint:",
        "bindery build stage 2",
    ];
    scratch.fails("build commit 2", 5, &parts)?;
    scratch.ok("build stage 2 tree")?;
    scratch.ok("build commit 2")?;
    scratch.ok("publish 2 --ref copy")?;
    scratch.expect_checkout("copy", "out", "tree")?;
    scratch.ok("verify")?;
    scratch.expect_sound()
}

#[test]
fn without_its_key_a_ref_stays_as_it_is() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let (kept, away) = (
        scratch.store().join("keys/main.key"),
        scratch.path("away.key"),
    );
    scratch.ok("build create --ref stable")?;
    scratch.ok("build stage 3 mine --at third")?;
    scratch.ok("build commit 3")?;
    fs::rename(&kept, &away)?;
    let parts = ["no key main", "hint:", "bindery key import"];
    scratch.fails("publish 3", 3, &parts)?;
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.fails("rollback stable --to 1", 5, &[])?;
    scratch.ok("key import away.key")?;
    assert_eq!(scratch.ok("publish 3")?.text(), "stable@2");
    scratch.ok("verify")?;
    scratch.expect_sound()
}
