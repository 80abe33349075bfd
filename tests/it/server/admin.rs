//! Running a store over HTTP: repos, the audit log, tokens that end, releases that are let go of.

use std::fs;

use serde_json::json;

use crate::server::jobs::ended;
use crate::server::{released, served};
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

#[test]
fn a_repo_is_made_listed_and_pushed_to() -> Outcome {
    let (scratch, served) = served("")?;
    let on = |line: &str| served.run(&scratch, &format!("{line} --remote {}", served.url()));
    let made = on("repo create tools --profile portable --json")?
        .expect_code(0)?
        .json()?;
    assert_eq!(
        (text(&made, "repo")?, text(&made, "profile")?),
        ("tools".into(), "portable".into())
    );
    assert_eq!(number(&made, "refs")?, 0);
    on("push tree --repo main --ref stable --publish")?.expect_code(0)?;
    on("push tree --repo tools --ref stable --commit")?
        .expect_failure(2, &["portable names only", "leaves the tree"])?;
    on("repo create tools")?.expect_code(5)?;
    let listed = on("repo list")?.expect_code(0)?;
    assert!(
        listed.stdout.contains("tools") && listed.stdout.contains("main"),
        "{}",
        listed.stdout
    );
    let body = r#"{"repo": "Not A Name"}"#;
    served
        .ask("POST", "/api/v1/repos", body)?
        .expect_problem(400, "usage", "name has")?;
    served.end_sound(&scratch)
}

#[test]
fn old_releases_are_let_go_of() -> Outcome {
    let (scratch, served) = released("")?;
    let on = |line: &str| served.run(&scratch, &format!("{line} --remote {}", served.url()));
    for content in ["two", "three"] {
        scratch.write("tree", &[("index.txt", File(content))])?;
        on("push tree --ref stable --publish")?.expect_code(0)?;
    }
    // What is prepared meanwhile would be let go of, too: the delta to the second release, and those to the third.
    ended(&served, 3)?;
    let would = on("retire stable --keep-last 1 --dry-run --json")?
        .expect_code(0)?
        .json()?;
    let retired = on("retire stable --keep-last 1 --json")?
        .expect_code(0)?
        .json()?;
    assert_eq!(would["retired"], retired["retired"]);
    assert_eq!(retired["retired"].as_array().map(Vec::len), Some(2));
    assert_eq!(retired["kept"][0]["because"], "shown");
    assert!(number(&retired, "bytes")? > 0);
    assert_eq!(number(&would, "bytes")?, number(&retired, "bytes")?);
    let nothing = on("retire --keep-last 1")?.expect_code(0)?;
    assert!(
        nothing.stderr.contains("nothing is old enough"),
        "{}",
        nothing.stderr
    );
    let unknown = served.ask("POST", "/api/v1/repos/main/retire", r#"{"keep": 1}"#)?;
    unknown.expect_problem(400, "usage", "keep")?;
    served.end_sound(&scratch)
}

#[test]
fn the_audit_log_is_read_in_pages_and_tells_what_was_asked() -> Outcome {
    let (scratch, served) = released("")?;
    let log = served
        .ask("GET", "/api/v1/audit?after=0&number=3", "")?
        .expect(200)?
        .json()?;
    let records = log["records"].as_array().ok_or("records")?;
    assert_eq!((records.len(), &log["last"]), (3, &json!(false)));
    let next = number(&log, "next")?;
    let rest = served
        .ask("GET", &format!("/api/v1/audit?after={next}"), "")?
        .expect(200)?
        .json()?;
    assert_eq!(rest["last"], true);
    let all = serde_json::to_string(&rest)? + &serde_json::to_string(&log)?;
    assert!(all.contains("POST /api/v1/repos/main/builds"), "{all}");
    assert!(
        !all.contains("missing") && !all.contains("GET"),
        "questions change nothing: {all}"
    );
    let line = format!("audit -n 2 --json --remote {}", served.url());
    let newest = served.run(&scratch, &line)?.expect_code(0)?.json()?;
    assert_eq!(newest["records"].as_array().map(Vec::len), Some(2));
    for number in ["0", "1001", "-1"] {
        let target = format!("/api/v1/audit?number={number}");
        served.ask("GET", &target, "")?.expect(400)?;
    }
    served.end_sound(&scratch)
}

#[test]
fn a_token_that_is_revoked_at_the_server_ends_at_once() -> Outcome {
    let scratch = Scratch::new()?;
    let made = scratch.ok("token create --repo main --ref * --can read --can stage")?;
    let doomed = made.text().to_owned();
    fs::write(scratch.path("doomed"), &doomed)?;
    let inspected = scratch.json("token inspect --token-file doomed")?;
    let id = text(&inspected["blocks"][0], "id")?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let asks = || {
        Ask::new("GET", "/api/v1/builds")
            .token(&doomed)
            .send(served.address)
    };
    asks()?.expect(200)?;
    let body = json!({"ids": [id]}).to_string();
    let revoked = served
        .ask("POST", "/api/v1/tokens/revoke", &body)?
        .expect(200)?
        .json()?;
    assert_eq!(revoked["revoked"][0], json!(id));
    asks()?.expect_problem(401, "not_allowed", "revoked")?;
    for body in [
        "{}",
        r#"{"ids": []}"#,
        r#"{"ids": ["bnd1_secret"]}"#,
        r#"{"ids": ["x"], "all": true}"#,
    ] {
        let refused = served
            .ask("POST", "/api/v1/tokens/revoke", body)?
            .expect(400)?;
        assert!(!refused.text().contains("secret"), "{}", refused.text());
    }
    // All of them, that of the one who asks as well.
    served
        .ask("POST", "/api/v1/tokens/revoke", r#"{"all": true}"#)?
        .expect(200)?;
    served.ask("GET", "/api/v1/builds", "")?.expect(401)?;
    served.end_sound(&scratch)
}
