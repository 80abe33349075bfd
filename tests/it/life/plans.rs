//! Builds that are published later, and builds that are held.

use crate::support::Node::File;
use crate::support::{Outcome, Scratch, text};

fn with_a_build() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    assert_eq!(scratch.commit("stable", "tree")?, 1);
    Ok(scratch)
}

#[test]
fn a_build_is_published_when_it_is_due_and_not_before() -> Outcome {
    let scratch = with_a_build()?;
    let said = scratch.ok("publish 1 --after 3h")?;
    assert_eq!(said.text(), "2023-11-15T01:13:20Z");
    assert!(said.stderr.contains("bindery run-jobs"), "{}", said.stderr);
    let shown = scratch.json("build show 1")?;
    assert_eq!(
        (text(&shown, "state")?, text(&shown["due"], "at")?),
        ("ready".into(), said.text().into())
    );
    let shown = scratch.ok("build show 1")?.stdout;
    assert!(shown.contains("2023-11-15T01:13:20Z, to stable"), "{shown}");
    let list = scratch.ok("build list")?.stdout;
    assert!(list.contains("ready, due"), "{list}");
    assert_eq!(
        scratch
            .later(3 * 3600 - 1, "run-jobs")?
            .expect_code(0)?
            .text(),
        ""
    );
    scratch.fails("log stable", 3, &["stable"])?;
    let plan = scratch
        .later(3 * 3600, "run-jobs --dry-run")?
        .expect_code(0)?;
    assert_eq!(plan.text(), "due  build 1  2023-11-15T01:13:20Z  stable");
    let done = scratch.later(3 * 3600, "run-jobs")?.expect_code(0)?;
    assert_eq!(done.text(), "published  build 1 as stable@1");
    let shown = scratch.json("build show 1")?;
    assert_eq!(
        (text(&shown, "state")?, &shown["due"]),
        ("published".into(), &serde_json::Value::Null)
    );
    assert_eq!(
        scratch.later(4 * 3600, "run-jobs")?.expect_code(0)?.text(),
        ""
    );
    scratch.expect_sound()
}

#[test]
fn a_time_can_be_said_changed_and_taken_back() -> Outcome {
    let scratch = with_a_build()?;
    let said = scratch.json("publish 1 --at 2030-01-01T00:00:00Z --ref testing")?;
    assert_eq!(
        (&said["ref"], &said["at"]),
        (&"testing".into(), &"2030-01-01T00:00:00Z".into())
    );
    let due = &scratch.json("build show 1")?["due"];
    assert_eq!(text(due, "ref")?, "testing");
    let log = scratch.ok("build log 1")?.stdout;
    assert!(log.contains("2030-01-01T00:00:00Z to testing"), "{log}");
    scratch.ok("publish 1 --after 1h")?;
    assert_eq!(
        text(&scratch.json("build show 1")?["due"], "at")?,
        "2023-11-14T23:13:20Z"
    );
    assert!(
        scratch
            .ok("withdraw 1")?
            .stdout
            .contains("build 1 is ready again")
    );
    assert_eq!(scratch.later(7200, "run-jobs")?.expect_code(0)?.text(), "");
    // Publishing at once is no matter of a time that was said.
    scratch.ok("publish 1 --after 1h")?;
    assert_eq!(scratch.ok("publish 1")?.text(), "stable@1");
    assert_eq!(
        scratch
            .later(7200, "run-jobs --dry-run")?
            .expect_code(0)?
            .text()
            .lines()
            .count(),
        0
    );
    scratch.fails("publish 1 --after 1h", 5, &["it is published"])?;
    for (line, words) in [
        ("publish 1 --at tomorrow", "tomorrow"),
        (
            "publish 1 --at 2030-01-01T00:00:00Z --after 1h",
            "cannot be used with",
        ),
    ] {
        scratch.fails(line, 2, &[words])?;
    }
    Ok(())
}

#[test]
fn whoever_waits_publishes_it_then() -> Outcome {
    let scratch = with_a_build()?;
    let said = scratch.json("publish 1 --after 1s --wait")?;
    assert_eq!(
        (&said["ref"], &said["seq"], &said["tested"]),
        (&"stable".into(), &1.into(), &true.into())
    );
    scratch.expect_checkout("stable", "out", "tree")
}

#[test]
fn a_build_that_is_held_is_not_published_until_it_is_let_go() -> Outcome {
    let scratch = with_a_build()?;
    scratch.ok("release build:1")?;
    let held = scratch.json("hold build:1 --reason look")?;
    assert_eq!((&held["build"], &held["held"]), (&1.into(), &"look".into()));
    scratch.fails("publish 1", 5, &["build 1 is held: look"])?;
    assert_eq!(text(&scratch.json("build show 1")?, "held")?, "look");
    scratch.ok("publish 1 --after 0s")?;
    let jobs = scratch.ok("run-jobs")?;
    assert!(jobs.stderr.contains("is held: look"), "{}", jobs.stderr);
    // So is one whose ref is.
    scratch.ok("release build:1")?;
    scratch.write("more", &[("more", File("more"))])?;
    scratch.publish("stable", "more")?;
    scratch.ok("hold stable")?;
    assert!(scratch.ok("run-jobs")?.stderr.contains("stable is held"));
    scratch.ok("release stable")?;
    assert_eq!(
        scratch.ok("run-jobs --json")?.json()?["published"][0]["seq"],
        2
    );
    let log = scratch.ok("build log 1")?.stdout;
    for words in [
        "held: look",
        "released",
        "to be published at",
        "published as stable@2",
    ] {
        assert!(log.contains(words), "{log}");
    }
    scratch.fails("hold build:1", 5, &["published"])?;
    scratch.fails("hold build:9", 3, &["build 9"])?;
    scratch.fails("hold build:x", 2, &["build:17"])?;
    scratch.expect_sound()
}

#[test]
fn what_cannot_be_published_when_it_is_due_says_why_and_is_not_tried_again() -> Outcome {
    let scratch = with_a_build()?;
    scratch.ok("publish 1 --after 1h")?;
    scratch.write("other", &[("file", File("two"))])?;
    scratch.publish("stable", "other")?;
    scratch
        .later(3600, "run-jobs")?
        .expect_failure(9, &["build 1", "1 path"])?;
    let shown = scratch.json("build show 1")?;
    assert_eq!(
        (text(&shown, "state")?, &shown["due"]),
        ("ready".into(), &serde_json::Value::Null)
    );
    assert!(text(&shown, "reason")?.contains("1 path"), "{shown}");
    assert!(
        !scratch
            .later(7200, "run-jobs")?
            .expect_code(0)?
            .stdout
            .contains("build 1")
    );
    scratch.ok("publish 1 --on-conflict build")?;
    scratch.expect_sound()
}

#[test]
fn what_only_the_machine_was_in_the_way_of_is_gone_on_with() -> Outcome {
    let scratch = with_a_build()?;
    scratch.ok("publish 1 --after 0s")?;
    let (keys, away) = (scratch.path(".bindery/keys"), scratch.path("away"));
    std::fs::rename(&keys, &away)?;
    scratch.fails("run-jobs", 9, &["build 1", "key"])?;
    let shown = scratch.json("build show 1")?;
    assert_eq!(text(&shown, "state")?, "publishing");
    assert!(text(&shown, "reason")?.contains("key"), "{shown}");
    assert_eq!(text(&shown["due"], "ref")?, "stable");
    std::fs::rename(&away, &keys)?;
    let done = scratch.ok("run-jobs")?;
    assert_eq!(done.text(), "published  build 1 as stable@1");
    let shown = scratch.json("build show 1")?;
    assert!(shown["due"].is_null(), "{shown}");
    scratch.expect_sound()
}

#[test]
fn whoever_waits_for_what_is_held_hears_that_it_stays_due() -> Outcome {
    let scratch = with_a_build()?;
    scratch.write("more", &[("more", File("more"))])?;
    scratch.publish("stable", "more")?;
    scratch.ok("hold stable --reason look")?;
    let waits = "publish 1 --after 0s --wait";
    for (held, release) in [
        ("stable is held: look", "bindery release stable"),
        ("build 1 is held: look", "bindery release build:1"),
    ] {
        let still = "build 1 is still due";
        scratch.fails(waits, 5, &[still, "bindery withdraw 1", held, release])?;
        assert!(!scratch.json("build show 1")?["due"].is_null());
        scratch.ok("hold build:1 --reason look")?;
    }
    let listed = scratch.ok("build list")?.stdout;
    assert!(listed.contains("ready, held, due"), "{listed}");
    scratch.ok("build purge 1")?;
    let shown = scratch.json("build show 1")?;
    assert!(shown["due"].is_null() && shown["held"].is_null(), "{shown}");
    scratch.expect_sound()
}

#[test]
fn a_time_that_is_past_is_said_to_be() -> Outcome {
    let scratch = with_a_build()?;
    let said = scratch.ok("publish 1 --at 2001-01-01T00:00:00Z")?;
    assert!(said.stderr.contains("that is past"), "{}", said.stderr);
    scratch.write("below", &[("file", File("one"))])?;
    let nested = scratch.commit("stable/sub", "below")?;
    scratch.ok("publish 1")?;
    let line = format!("publish {nested} --after 1h");
    scratch.fails(&line, 5, &["stable/sub", "within"])?;
    Ok(())
}
