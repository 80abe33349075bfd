//! Outside checks: what keeps a build from being published, and what lets it through.
//!
//! # Not here
//!
//! Reports at random against a model (`model`), and two at a time (`together`).

use std::error::Error;
use std::fs;

use serde_json::json;

use crate::support::Node::File;
use crate::support::{Outcome, Scratch, text};

/// Sets which checks the refs of a store ask for: each a pattern and names.
fn ask(scratch: &Scratch, policies: &[(&str, &[&str])]) -> Outcome {
    let mut settings = "format = 1\n".to_owned();
    for (pattern, checks) in policies {
        let policy = format!("[[ref]]\npattern = \"{pattern}\"\nchecks = {checks:?}\n");
        settings.push_str(&policy);
    }
    Ok(fs::write(scratch.store().join("bindery.toml"), settings)?)
}

/// A store whose ref `stable` asks for `lint` and `licence`, and build 1, which was committed for it.
fn with_a_committed_build() -> Result<Scratch, Box<dyn Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("content"))])?;
    ask(&scratch, &[("stable", &["lint", "licence"])])?;
    assert_eq!(scratch.commit("stable", "tree")?, 1);
    Ok(scratch)
}

fn state(scratch: &Scratch, build: u64) -> Result<String, Box<dyn Error>> {
    text(&scratch.json(&format!("build show {build}"))?, "state")
}

#[test]
fn a_build_is_published_when_the_checks_passed_that_its_ref_asks_for() -> Outcome {
    let scratch = with_a_committed_build()?;
    assert_eq!(state(&scratch, 1)?, "checking");
    let checking = scratch.json("build list --state checking")?;
    assert_eq!(checking["builds"][0]["build"], json!(1));
    let shown = scratch.ok("build show 1")?;
    assert!(shown.stdout.contains("check      lint has not reported\n"));
    scratch.expect_checkout("build:1", "tested", "tree")?;

    let parts = [
        "cannot publish build 1 to stable: it waits for the checks licence, lint\n",
        "hint:",
        "bindery build check 1 licence --pass",
    ];
    scratch.fails("publish 1", 5, &parts)?;
    let passed = scratch.ok("build check 1 lint --pass")?;
    assert_eq!(passed.text(), "checking");
    assert!(passed.stderr.contains("it waits for the check licence"));
    scratch.fails("publish 1", 5, &["it waits for the check licence\n"])?;
    let snapshot = text(&scratch.json("show build:1")?, "snapshot")?;
    let line = format!("build check 1 licence --pass --snapshot {snapshot}");
    assert_eq!(
        scratch.json(&line)?,
        json!({"schema": 1, "build": 1, "state": "ready", "check": "licence", "outcome": "pass",
            "snapshot": snapshot, "failed": [], "waiting": []})
    );
    assert_eq!(scratch.ok("publish 1")?.text(), "stable@1");
    let shown = scratch.json("build show 1")?;
    assert_eq!(shown["checks"][0]["check"], json!("licence"));
    assert_eq!(shown["checks"][1]["outcome"], json!("pass"));
    assert_eq!(shown["checks"][1]["required"], json!(true));
    let log = scratch.ok("build log 1")?.stdout;
    assert!(log.contains("  check lint passed\n"), "{log}");
    assert!(log.contains("  check licence passed; the build is ready\n"));
    scratch.expect_sound()
}

#[test]
fn a_check_that_fails_rejects_a_build_until_it_passes() -> Outcome {
    let scratch = with_a_committed_build()?;
    scratch.ok("build check 1 licence --pass")?;
    let words = ["build", "check", "1", "lint", "--fail", "-m", "3 warnings"];
    let failed = scratch.run(words)?.expect_code(0)?;
    assert_eq!(failed.text(), "rejected");
    assert!(failed.stderr.contains("it failed the check lint"));
    let rejected = scratch.json("build list --state rejected")?;
    assert_eq!(rejected["builds"][0]["build"], json!(1));
    let shown = scratch.ok("build show 1")?.stdout;
    assert!(shown.contains("lint failed (") && shown.contains("): 3 warnings\n"));
    let parts = [
        "it failed the check lint\n",
        "hint:",
        "bindery build show 1",
    ];
    let refused = scratch.fails("publish 1", 9, &parts)?;
    assert!(!refused.stderr.contains("licence"), "that one passed");
    let parts = ["stage into", "it is rejected", "hint:", "--from 1"];
    scratch.fails("build stage 1 tree", 5, &parts)?;
    scratch.fails("withdraw 1", 5, &["it is rejected", "build purge 1"])?;

    assert_eq!(scratch.ok("build check 1 lint --pass")?.text(), "ready");
    assert_eq!(
        scratch.ok("build check 1 licence --fail")?.text(),
        "rejected",
        "a build that is ready can still be rejected"
    );
    let log = scratch.ok("build log 1")?.stdout;
    assert!(log.contains("  check lint failed: 3 warnings; the build is rejected\n"));
    assert!(scratch.json("build purge 1")?["bytes"].as_u64() > Some(0));
    scratch.expect_sound()
}

#[test]
fn a_review_holds_a_build_until_somebody_decides() -> Outcome {
    let scratch = with_a_committed_build()?;
    scratch.ok("build check 1 licence --pass")?;
    assert_eq!(
        scratch.ok("build check 1 lint --review")?.text(),
        "checking"
    );
    scratch.fails("publish 1", 5, &["it waits for the check lint\n"])?;
    assert_eq!(scratch.ok("build check 1 lint --pass")?.text(), "ready");
    assert_eq!(
        scratch.ok("build check 1 spelling --review")?.text(),
        "checking",
        "also one that nobody asked for"
    );
    scratch.ok("build check 1 spelling --pass")?;
    assert_eq!(scratch.ok("publish 1")?.text(), "stable@1");
    scratch.expect_sound()
}

#[test]
fn what_nobody_asked_for_can_only_stop_a_build() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("content"))])?;
    let build = scratch.commit("stable", "tree")?;
    assert_eq!(state(&scratch, build)?, "ready", "nothing is asked for");
    let check = format!("build check {build} spelling");
    assert_eq!(scratch.ok(&format!("{check} --pass"))?.text(), "ready");
    assert_eq!(scratch.ok(&format!("{check} --fail"))?.text(), "rejected");
    let line = format!("publish {build} --ref other");
    scratch.fails(&line, 9, &["to other: it failed the check spelling"])?;
    assert_eq!(scratch.ok(&format!("{check} --pass"))?.text(), "ready");
    scratch.ok(&line)?;
    scratch.expect_sound()
}

#[test]
fn a_report_about_another_snapshot_is_refused() -> Outcome {
    let scratch = with_a_committed_build()?;
    let other = "0".repeat(64);
    let line = format!("build check 1 lint --pass --snapshot {other}");
    let parts = ["the check lint looked at the snapshot 0000", "build 1 is"];
    scratch.fails(&line, 5, &parts)?;
    let log = scratch.ok("build log 1")?;
    assert!(!log.stdout.contains("lint"), "nothing was recorded");
    scratch.fails("publish 1", 5, &["licence, lint"])?;
    scratch.expect_sound()
}

#[test]
fn publishing_elsewhere_asks_for_the_checks_of_both_refs() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("content"))])?;
    ask(
        &scratch,
        &[("testing", &["lint"]), ("stable", &["licence"])],
    )?;
    let build = scratch.commit("testing", "tree")?;
    let line = format!("publish {build} --ref stable");
    scratch.fails(&line, 5, &["it waits for the checks licence, lint\n"])?;
    scratch.ok(&format!("build check {build} lint --pass"))?;
    assert_eq!(state(&scratch, build)?, "ready");
    scratch.fails(&line, 5, &["to stable: it waits for the check licence\n"])?;
    scratch.ok(&format!("build check {build} licence --pass"))?;
    assert_eq!(scratch.ok(&line)?.text(), "stable@1");
    // One that was made for no ref is asked for what that one asks for, where it goes.
    scratch.ok("build create")?;
    scratch.ok("build stage 2 tree")?;
    scratch.ok("build commit 2")?;
    assert_eq!(state(&scratch, 2)?, "ready");
    scratch.fails("publish 2 --ref testing", 5, &["the check lint\n"])?;
    scratch.ok("publish 2 --ref free")?;
    scratch.expect_sound()
}

#[test]
fn settings_that_change_after_a_commit_let_nobody_through() -> Outcome {
    let scratch = with_a_committed_build()?;
    ask(&scratch, &[("stable", &[])])?;
    let waits = ["it waits for the checks licence, lint\n"];
    scratch.fails("publish 1", 5, &waits)?;
    assert_eq!(scratch.commit("stable", "tree")?, 2);
    assert_eq!(state(&scratch, 2)?, "ready");
    ask(&scratch, &[("stable", &["tests"])])?;
    assert_eq!(state(&scratch, 2)?, "ready");
    scratch.fails("publish 2", 5, &["it waits for the check tests\n"])?;
    scratch.ok("build check 2 tests --pass")?;
    scratch.ok("publish 2")?;
    scratch.fails("publish 1", 5, &["the checks licence, lint, tests\n"])?;
    scratch.expect_sound()
}

#[test]
fn reports_are_taken_while_they_matter_and_no_longer() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("content"))])?;
    scratch.ok("build create --ref stable")?;
    let parts = [
        "cannot report a check of build 1: it is open",
        "hint:",
        "bindery build commit 1",
    ];
    let snapshot = "0".repeat(64);
    scratch.fails("build check 1 lint --pass", 5, &parts)?;
    let line = format!("build check 1 lint --pass --snapshot {snapshot}");
    scratch.fails(&line, 5, &parts)?;
    scratch.ok("build stage 1 tree")?;
    scratch.ok("build commit 1")?;
    scratch.ok("publish 1")?;
    scratch.fails("build check 1 lint --fail", 5, &["it is published"])?;
    scratch.ok("build purge 1")?;
    scratch.fails("build check 1 lint --fail", 5, &["it is purged"])?;
    scratch.fails("build check 9 lint --pass", 3, &["no build 9"])?;
    scratch.expect_sound()
}

#[test]
fn a_report_that_makes_no_sense_is_refused_as_usage() -> Outcome {
    let scratch = with_a_committed_build()?;
    let long = "x".repeat(1025);
    for (words, part) in [
        (&["lint"][..], "<--pass|--fail|--review>"),
        (&["lint", "--pass", "--fail"], "cannot be used with"),
        (&["two words", "--pass"], "name has a character other than"),
        (&["..", "--pass"], "starts with '.'"),
        (&["lint", "--pass", "-m", "two\nlines"], "must be one line"),
        (&["lint", "--pass", "-m", &long], "1025 bytes"),
        (&["lint", "--pass", "--snapshot", "12"], "64 lower-case"),
    ] {
        let words = ["build", "check", "1"].iter().chain(words);
        scratch.run(words)?.expect_failure(2, &[part])?;
    }
    assert_eq!(state(&scratch, 1)?, "checking");
    scratch.expect_sound()
}

#[test]
fn a_build_that_is_made_of_a_delta_is_checked_as_well() -> Outcome {
    let scratch = with_a_committed_build()?;
    scratch.ok("delta make build:1 -o full.delta")?;
    let applied = scratch.ok("delta apply full.delta --ref stable")?;
    assert!(applied.stderr.contains("build 2 is checking"));
    scratch.fails("publish 2", 5, &["the checks licence, lint"])?;
    scratch.ok("build check 2 lint --pass")?;
    scratch.ok("build check 2 licence --pass")?;
    scratch.ok("publish 2")?;
    scratch.expect_sound()
}
