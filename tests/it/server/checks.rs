//! Checks that report over HTTP: by the API, and by the command line.

use std::error::Error;
use std::fs;

use serde_json::{Value, json};

use crate::server::TREE;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

/// A store that is served, in which `stable` asks for the check `lint`, and build 1, which was pushed and committed.
fn with_a_committed_build() -> Result<(Scratch, Served, Value), Box<dyn Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    let settings = "format = 1\n[[ref]]\npattern = \"stable\"\nchecks = [\"lint\"]\n";
    fs::write(scratch.store().join("bindery.toml"), settings)?;
    let served = Served::start(&scratch, "")?;
    let line = format!("push tree --ref stable --commit --remote {}", served.url());
    let pushed = served.run(&scratch, &line)?.expect_code(0)?;
    assert!(
        pushed.stderr.contains("it waits for the check lint"),
        "{}",
        pushed.stderr
    );
    let said = served.ask("GET", "/api/v1/builds/1", "")?;
    let said = said.expect(200)?.json()?;
    Ok((scratch, served, said))
}

fn report(outcome: &str, snapshot: &str) -> String {
    json!({"outcome": outcome, "snapshot": snapshot, "message": "a word"}).to_string()
}

#[test]
fn a_build_waits_for_what_checks_report() -> Outcome {
    let (scratch, served, said) = with_a_committed_build()?;
    assert_eq!(text(&said, "state")?, "checking");
    assert_eq!(
        said["checks"],
        json!([{"check": "lint", "required": true, "outcome": null, "message": null, "time": null}])
    );
    let publish = "/api/v1/builds/1/publish?wait";
    let waits = served.ask("POST", publish, "")?;
    waits.expect_problem(409, "conflict", "it waits for the check lint")?;
    let snapshot = text(&said["committed"]["snapshot"], "id")?;
    let lint = "/api/v1/builds/1/checks/lint";
    let failed = served.ask("PUT", lint, &report("fail", &snapshot))?;
    let failed = failed.expect(200)?.json()?;
    assert_eq!(text(&failed, "state")?, "rejected");
    let rejected = served.ask("POST", publish, "")?;
    rejected.expect_problem(422, "check", "it failed the check lint")?;
    let passed = served.ask("PUT", lint, &report("pass", &snapshot))?;
    let passed = passed.expect(200)?.json()?;
    assert_eq!(text(&passed, "state")?, "ready");
    assert_eq!(passed["checks"][0]["message"], "a word");
    served.ask("POST", publish, "")?.expect(200)?;
    let late = served.ask("PUT", lint, &report("pass", &snapshot))?;
    late.expect_problem(409, "conflict", "published")?;
    served.end_sound(&scratch)
}

#[test]
fn a_report_that_makes_no_sense_changes_nothing() -> Outcome {
    let (scratch, served, said) = with_a_committed_build()?;
    let (snapshot, other) = (text(&said["committed"]["snapshot"], "id")?, "0".repeat(64));
    let message = "x".repeat(1025);
    let long = json!({"outcome": "pass", "snapshot": snapshot, "message": message}).to_string();
    for (name, body, status, word) in [
        (
            "lint",
            report("pass", &other),
            409,
            "looked at the snapshot",
        ),
        ("lint", report("maybe", &snapshot), 400, "maybe"),
        ("lint", report("pass", "f00"), 400, "64"),
        ("lint", r#"{"outcome": "pass"}"#.to_owned(), 400, "snapshot"),
        ("lint", long, 400, "1024"),
        ("-", report("pass", &snapshot), 404, "check"),
        ("a%20b", report("pass", &snapshot), 404, "check"),
    ] {
        let target = format!("/api/v1/builds/1/checks/{name}");
        let reply = served.ask("PUT", &target, &body)?.expect(status)?;
        assert!(
            reply.text().contains(word),
            "{name} {body}: {}",
            reply.text()
        );
    }
    let now = served.ask("GET", "/api/v1/builds/1", "")?.expect(200)?;
    assert_eq!(now.json()?, said);
    served.end_sound(&scratch)
}

#[test]
fn the_command_reports_to_a_server_as_it_does_here() -> Outcome {
    let (scratch, served, said) = with_a_committed_build()?;
    let on = |line: &str| served.run(&scratch, &format!("{line} --remote {}", served.url()));
    let review = on("build check 1 lint --review --json")?
        .expect_code(0)?
        .json()?;
    assert_eq!(text(&review, "state")?, "checking");
    assert_eq!(
        review["snapshot"], said["committed"]["snapshot"]["id"],
        "of the snapshot that the build has"
    );
    let passed = on("build check 1 lint --pass")?.expect_code(0)?;
    assert_eq!(passed.text(), "ready");
    assert!(
        passed.stderr.contains("bindery publish 1"),
        "{}",
        passed.stderr
    );
    let shown = on("build show 1")?.expect_code(0)?;
    assert!(
        shown.stdout.contains("check      lint passed"),
        "{}",
        shown.stdout
    );
    let created = on("build create --ref stable --json")?
        .expect_code(0)?
        .json()?;
    let open = number(&created, "build")?;
    on(&format!("build check {open} lint --pass"))?.expect_code(5)?;
    served.end_sound(&scratch)
}
