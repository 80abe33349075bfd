//! Builds that are published because the settings of their ref say so.

use std::fs;

use serde_json::Value;

use crate::support::Node::File;
use crate::support::{Outcome, Scratch, text};

/// The time of most commands, and three hours later.
const IN_3H: &str = "2023-11-15T01:13:20Z";

/// A store whose ref `stable` publishes what is ready after three hours, with other settings of that ref.
fn store(more: &str) -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    let policy = format!("[[ref]]\npattern = \"stable\"\npublish_after = \"3h\"\n{more}");
    let settings = format!("format = 1\n{policy}");
    fs::write(scratch.store().join("bindery.toml"), settings)?;
    Ok(scratch)
}

fn due(scratch: &Scratch) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(scratch.json("build show 1")?["due"].clone())
}

#[test]
fn a_build_that_is_ready_when_it_is_committed_has_a_time_from_then_on() -> Outcome {
    let scratch = store("")?;
    scratch.ok("build create --ref stable")?;
    scratch.ok("build stage 1 tree")?;
    let said = scratch.ok("build commit 1")?.stderr;
    for words in [
        "build 1 is ready; it is published at 2023-11-15T01:13:20Z by 'bindery run-jobs', or a server",
        "as the settings of its ref say",
        "'bindery withdraw 1' takes that back",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let due = due(&scratch)?;
    assert_eq!(
        (
            text(&due, "at")?,
            text(&due, "ref")?,
            text(&due, "said_by")?
        ),
        (IN_3H.into(), "stable".into(), "policy".into())
    );
    let shown = scratch.ok("build show 1")?.stdout;
    let words = format!("{IN_3H}, to stable, as the settings of the ref say");
    assert!(shown.contains(&words), "{shown}");
    let log = scratch.ok("build log 1")?.stdout;
    let words = format!("; to be published at {IN_3H} to stable, by the policy of the ref\n");
    assert!(log.contains(&words), "{log}");
    assert_eq!(
        scratch
            .later(3 * 3600 - 1, "run-jobs")?
            .expect_code(0)?
            .text(),
        ""
    );
    let done = scratch.later(3 * 3600, "run-jobs")?.expect_code(0)?;
    assert_eq!(done.text(), "published  build 1 as stable@1");
    // A push says it, too, and so does its answer in JSON; what is for another ref waits for somebody's word.
    let pushed = scratch.json("push tree --ref stable --at more --commit")?;
    assert_eq!(pushed["due"]["at"], IN_3H);
    let pushed = scratch.json("push tree --ref testing --commit")?;
    assert!(pushed["due"].is_null(), "{pushed}");
    let pushed = scratch.json("push tree --ref stable --at most --publish")?;
    assert_eq!((&pushed["seq"], &pushed["due"]), (&2.into(), &Value::Null));
    scratch.expect_sound()
}

#[test]
fn a_build_that_waits_for_checks_has_a_time_when_the_last_one_passed() -> Outcome {
    let scratch = store("checks = [\"lint\", \"licence\"]\n")?;
    scratch.commit("stable", "tree")?;
    let report = |seconds: u64, what: &str| {
        scratch
            .later(seconds, &format!("build check 1 {what}"))?
            .expect_code(0)
    };
    report(60, "lint --pass")?;
    assert!(due(&scratch)?.is_null(), "it waits for the other");
    report(90, "licence --fail")?;
    assert!(due(&scratch)?.is_null(), "it failed");
    let said = report(3600, "licence --pass --json")?.json()?;
    assert_eq!(said["due"]["at"], "2023-11-15T02:13:20Z", "{said}");
    // What is said once more changes nothing, and neither does what a check adds to a build that is ready.
    report(7200, "licence --pass")?;
    report(7200, "spelling --pass")?;
    assert_eq!(due(&scratch)?["at"], "2023-11-15T02:13:20Z");
    report(7200, "spelling --fail")?;
    let shown = scratch.json("build show 1")?;
    assert!(shown["due"].is_null() && !shown["reason"].is_null());
    let said = report(7200, "spelling --pass")?.stderr;
    assert!(said.contains("published at 2023-11-15T03:13:20Z"), "{said}");
    assert!(scratch.json("build show 1")?["reason"].is_null());
    assert_eq!(
        scratch
            .later(5 * 3600 - 1, "run-jobs")?
            .expect_code(0)?
            .text(),
        ""
    );
    let done = scratch.later(5 * 3600, "run-jobs")?.expect_code(0)?;
    assert_eq!(done.text(), "published  build 1 as stable@1");
    scratch.expect_sound()
}

#[test]
fn what_was_taken_back_stays_so_and_what_is_held_has_no_time() -> Outcome {
    let scratch = store("checks = [\"lint\"]\n")?;
    scratch.commit("stable", "tree")?;
    scratch.ok("hold build:1")?;
    scratch.ok("build check 1 lint --pass")?;
    assert!(due(&scratch)?.is_null(), "it is held");
    let said = scratch
        .later(3600, "release build:1")?
        .expect_code(0)?
        .stderr;
    assert!(said.contains("published at 2023-11-15T02:13:20Z"), "{said}");
    assert_eq!(text(&due(&scratch)?, "said_by")?, "policy");
    // Somebody's word goes before that of the ref.
    scratch.ok("publish 1 --at 2030-01-01T00:00:00Z")?;
    scratch.ok("build check 1 spelling --pass")?;
    let said = due(&scratch)?;
    assert_eq!(
        (&said["at"], &said["said_by"]),
        (&"2030-01-01T00:00:00Z".into(), &"person".into())
    );
    scratch.ok("withdraw 1")?;
    scratch.ok("build check 1 spelling --pass -m fine")?;
    scratch.ok("release build:1")?;
    assert!(due(&scratch)?.is_null(), "it was taken back");
    expect_no_time_again(&scratch)?;
    assert_eq!(
        scratch.later(24 * 3600, "run-jobs")?.expect_code(0)?.text(),
        ""
    );
    scratch.ok("publish 1")?;
    scratch.expect_sound()
}

/// Holds the build and lets it go, and has its check not pass and then pass: it gets no time by that.
fn expect_no_time_again(scratch: &Scratch) -> Outcome {
    for [away, back] in [
        ["hold build:1", "release build:1"],
        ["build check 1 lint --fail", "build check 1 lint --pass"],
        ["build check 1 lint --review", "build check 1 lint --pass"],
    ] {
        scratch.ok(away)?;
        scratch.ok(back)?;
        assert!(due(scratch)?.is_null(), "after {back}");
    }
    Ok(())
}

#[test]
fn a_time_of_the_ref_that_was_taken_back_does_not_come_again() -> Outcome {
    let scratch = store("checks = [\"lint\"]\n")?;
    scratch.commit("stable", "tree")?;
    scratch.ok("build check 1 lint --pass")?;
    assert!(!due(&scratch)?.is_null());
    scratch.ok("withdraw 1")?;
    expect_no_time_again(&scratch)?;
    scratch.expect_sound()
}

#[test]
fn somebodys_time_that_a_check_took_back_is_not_replaced_by_that_of_the_ref() -> Outcome {
    let scratch = store("checks = [\"lint\"]\n")?;
    scratch.commit("stable", "tree")?;
    scratch.ok("build check 1 lint --pass")?;
    scratch.ok("publish 1 --ref testing --after 7d --require-tested")?;
    assert_eq!(text(&due(&scratch)?, "ref")?, "testing");
    scratch.ok("build check 1 lint --review")?;
    scratch.ok("build check 1 lint --pass")?;
    assert!(due(&scratch)?.is_null(), "it goes to its own ref");
    scratch.expect_sound()
}

#[test]
fn a_build_of_a_delta_is_published_by_itself_too() -> Outcome {
    let scratch = store("")?;
    scratch.publish("testing", "tree")?;
    scratch.ok("delta make testing -o full.delta")?;
    let said = scratch.ok("delta apply full.delta --ref stable")?.stderr;
    assert!(
        said.contains("it is published at 2023-11-15T01:13:20Z"),
        "{said}"
    );
    let list = scratch.ok("build list")?.stdout;
    assert!(list.contains("ready, due"), "{list}");
    scratch.expect_sound()
}
