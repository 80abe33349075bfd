//! Builds that a server publishes later, and builds that are held there.

use std::thread;
use std::time::{Duration, Instant};

use crate::server::{TREE, served};
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, TIME_S, text};

/// How long a server may take to publish what is due.
const PATIENCE: Duration = Duration::from_secs(30);

fn with_a_build(options: &str) -> Result<(Scratch, Served), Box<dyn std::error::Error>> {
    let (scratch, served) = served(options)?;
    on(&scratch, &served, "push tree --ref stable --commit")?;
    Ok((scratch, served))
}

fn on(
    scratch: &Scratch,
    served: &Served,
    line: &str,
) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let line = format!("{line} --json --remote {}", served.url());
    served.run(scratch, &line)?.expect_code(0)?.json()
}

/// Waits until the build is published.
fn expect_published(served: &Served, build: u64) -> Outcome {
    let begun = Instant::now();
    loop {
        let said = served.ask("GET", &format!("/api/v1/builds/{build}"), "")?;
        let said = said.expect(200)?.json()?;
        if said["state"] == "published" {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("it is not published: {said}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_publishes_what_is_due_and_whoever_waits_is_told() -> Outcome {
    let (scratch, served) = with_a_build("--anonymous nothing")?;
    let said = on(&scratch, &served, "publish 1 --after 0s --wait")?;
    let shown = on(&scratch, &served, "show stable")?;
    assert_eq!(
        (&said["ref"], &said["seq"], &said["builds"][0]),
        (&"stable".into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&said["snapshot"], &said["root"]),
        (&shown["snapshot"], &shown["root"])
    );
    served.end_sound(&scratch)
}

#[test]
fn a_server_that_was_started_anew_publishes_what_came_due_meanwhile() -> Outcome {
    let (scratch, served) = with_a_build("")?;
    let said = on(&scratch, &served, "publish 1 --after 1h")?;
    let build = on(&scratch, &served, "build show 1")?;
    assert_eq!(
        (&said["at"], text(&build, "state")?),
        (&build["due"]["at"], "ready".into())
    );
    let token = served.token.clone();
    served.end_sound(&scratch)?;
    let mut served = Served::start_at(&scratch, "", TIME_S + 3600)?;
    served.token = token;
    expect_published(&served, 1)?;
    served.end_sound(&scratch)
}

#[test]
fn a_build_that_is_held_there_is_published_when_it_is_let_go() -> Outcome {
    let (scratch, served) = with_a_build("")?;
    assert_eq!(
        on(&scratch, &served, "hold build:1 --reason look")?["held"],
        "look"
    );
    let refused = format!("publish 1 --remote {}", served.url());
    served
        .run(&scratch, &refused)?
        .expect_failure(5, &["held: look"])?;
    let waits = format!("publish 1 --after 0s --wait --remote {}", served.url());
    served
        .run(&scratch, &waits)?
        .expect_failure(5, &["build 1 is still due", "build 1 is held: look"])?;
    assert!(!on(&scratch, &served, "build show 1")?["due"].is_null());
    on(&scratch, &served, "release build:1")?;
    expect_published(&served, 1)?;
    let missing = served.ask("POST", "/api/v1/builds/1/release", "{}")?;
    assert!(missing.status == 409, "{}", missing.text());
    served.end_sound(&scratch)
}

#[test]
fn a_time_on_a_server_is_taken_back_and_what_fails_says_why() -> Outcome {
    let (scratch, served) = with_a_build("")?;
    on(&scratch, &served, "publish 1 --at 2030-01-01T00:00:00Z")?;
    on(&scratch, &served, "withdraw 1")?;
    assert!(on(&scratch, &served, "build show 1")?["due"].is_null());
    std::fs::write(scratch.path("tree/index.txt"), "another")?;
    on(&scratch, &served, "push tree --ref stable --publish")?;
    let waits = format!("publish 1 --after 0s --wait --remote {}", served.url());
    served
        .run(&scratch, &waits)?
        .expect_failure(5, &["was not published", "1 path"])?;
    let shown = on(&scratch, &served, "build show 1")?;
    assert!(
        shown["due"].is_null() && text(&shown, "reason")?.contains("1 path"),
        "{shown}"
    );
    served.end_sound(&scratch)
}

#[test]
fn a_schedule_says_one_time_and_needs_the_right_to_move_its_ref() -> Outcome {
    let (scratch, served) = with_a_build("")?;
    let schedule = "/api/v1/builds/1/schedule";
    for body in [
        "{}",
        r#"{"at": "2030-01-01T00:00:00Z", "after_seconds": 1}"#,
        r#"{"at": "tomorrow"}"#,
        r#"{"after_seconds": 1, "more": 1}"#,
        r#"{"after_seconds": -1}"#,
    ] {
        served.ask("POST", schedule, body)?.expect(400)?;
    }
    let line = format!(
        "token narrow --can publish --ref stable --remote {}",
        served.url()
    );
    let mut command = scratch.command(line.split(' '));
    command.env("BINDERY_TOKEN", &served.token);
    let narrow = crate::support::Answer::of(&mut command)?.expect_code(0)?;
    let ask = |body: &str| {
        let ask = Ask::new("POST", schedule).token(narrow.text()).body(body);
        ask.send(served.address)
    };
    ask(r#"{"after_seconds": 9000, "how": {"ref": "testing"}}"#)?.expect(403)?;
    let said = ask(r#"{"after_seconds": 9000}"#)?.expect(200)?.json()?;
    assert_eq!(said["due"]["at"], "2023-11-15T00:43:20Z");
    // Whoever may say it may take it back, there and nowhere else.
    let elsewhere = r#"{"after_seconds": 9000, "how": {"ref": "testing"}}"#;
    let take_back = || {
        Ask::new("DELETE", schedule)
            .token(narrow.text())
            .send(served.address)
    };
    served.ask("POST", schedule, elsewhere)?.expect(200)?;
    take_back()?.expect(403)?;
    // Nor may it say another time in its place, which would take it back.
    ask(r#"{"after_seconds": 9000}"#)?.expect(403)?;
    let back = r#"{"after_seconds": 9000}"#;
    served.ask("POST", schedule, back)?.expect(200)?;
    let line = format!("withdraw 1 --remote {}", served.url());
    let mut withdraw = scratch.command(line.split(' '));
    withdraw.env("BINDERY_TOKEN", narrow.text());
    let said = crate::support::Answer::of(&mut withdraw)?.expect_code(0)?;
    assert_eq!(said.text(), "build 1 is ready again");
    assert!(on(&scratch, &served, "build show 1")?["due"].is_null());
    take_back()?.expect(404)?;
    served.end_sound(&scratch)
}

#[test]
fn whoever_waits_for_a_ref_that_is_held_there_hears_that_it_stays_due() -> Outcome {
    let (scratch, served) = with_a_build("")?;
    on(&scratch, &served, "publish 1")?;
    std::fs::write(scratch.path("tree/more.txt"), "more")?;
    on(&scratch, &served, "push tree --ref stable --commit")?;
    on(&scratch, &served, "hold stable --reason look")?;
    let waits = format!("publish 2 --after 0s --wait --remote {}", served.url());
    let parts = [
        "build 2 is still due",
        "stable is held: look",
        "bindery release stable",
    ];
    served.run(&scratch, &waits)?.expect_failure(5, &parts)?;
    let shown = on(&scratch, &served, "build show 2")?;
    assert_eq!(text(&shown["due"], "ref")?, "stable");
    // A check that fails takes it back.
    on(&scratch, &served, "build check 2 lint --fail")?;
    let shown = on(&scratch, &served, "build show 2")?;
    assert!(shown["due"].is_null(), "{shown}");
    on(&scratch, &served, "build check 2 lint --pass")?;
    on(&scratch, &served, "publish 2 --after 0s")?;
    on(&scratch, &served, "release stable")?;
    expect_published(&served, 2)?;
    served.end_sound(&scratch)
}

#[test]
fn a_server_publishes_what_the_settings_of_a_ref_say() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    let settings = "format = 1\n[[ref]]\npattern = \"*\"\npublish_after = \"0s\"\n\
        [[ref]]\npattern = \"checked/*\"\npublish_after = \"0s\"\nchecks = [\"lint\"]\n";
    std::fs::write(scratch.store().join("bindery.toml"), settings)?;
    let served = Served::start(&scratch, "")?;
    let push = |target: &str| {
        let line = format!(
            "push tree --ref {target} --commit --remote {}",
            served.url()
        );
        served.run(&scratch, &line)?.expect_code(0)
    };
    let said = push("stable")?.stderr;
    assert!(
        said.contains("by the server, as the settings of its ref say"),
        "{said}"
    );
    expect_published(&served, 1)?;
    push("checked/stable")?;
    assert!(on(&scratch, &served, "build show 2")?["due"].is_null());
    // So that what is said of it can be seen, and that letting it go wakes the server.
    on(&scratch, &served, "hold build:2")?;
    on(&scratch, &served, "build check 2 lint --pass")?;
    let shown = on(&scratch, &served, "build show 2")?;
    assert!(
        shown["due"].is_null() && text(&shown, "state")? == "ready",
        "{shown}"
    );
    on(&scratch, &served, "release build:2")?;
    expect_published(&served, 2)?;
    push("checked/testing")?;
    on(&scratch, &served, "build check 3 lint --pass")?;
    expect_published(&served, 3)?;
    served.end_sound(&scratch)
}

#[test]
fn what_was_on_its_way_when_a_server_was_killed_is_gone_on_with() -> Outcome {
    let (scratch, served) = with_a_build("")?;
    let keys = scratch.path(".bindery/keys");
    let away = scratch.path("away");
    std::fs::rename(&keys, &away)?;
    let waits = format!("publish 1 --after 0s --wait --remote {}", served.url());
    served
        .run(&scratch, &waits)?
        .expect_failure(5, &["build 1 is still due", "key"])?;
    let shown = on(&scratch, &served, "build show 1")?;
    assert_eq!(text(&shown, "state")?, "publishing");
    let token = served.token.clone();
    served.kill()?;
    std::fs::rename(&away, &keys)?;
    let mut served = Served::start(&scratch, "")?;
    served.token = token;
    expect_published(&served, 1)?;
    served.end_sound(&scratch)
}
