//! Browsers: pages of others that ask for changes, and pages that builds hold.

use crate::server::limits::limited;
use crate::server::released;
use crate::support::Outcome;
use crate::support::http::Ask;

#[test]
fn a_page_of_somebody_else_changes_nothing() -> Outcome {
    let (scratch, served) = released("")?;
    let make = |headers: &[(&str, &str)]| {
        let ask = Ask::new("POST", "/api/v1/repos/main/builds").token(&served.token);
        let ask = ask.body(r#"{"ref": "stable"}"#);
        let headers = headers.iter();
        let ask = headers.fold(ask, |ask, (name, value)| ask.header(name, value));
        ask.send(served.address)
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let refused = make(&[("Origin", origin)])?;
        refused.expect_problem(403, "not_allowed", "another origin")?;
    }
    for sent_as in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let refused = make(&[("Content-Type", sent_as)])?;
        refused.expect_problem(415, "usage", "application/json")?;
    }
    make(&[("Content-Type", "application/json; charset=utf-8")])?.expect(201)?;
    make(&[])?.expect(201)?;
    // The client of these tests says that the host is `test`.
    make(&[("Origin", "http://test")])?.expect(201)?;
    // Reading is for everybody.
    let read =
        Ask::new("GET", "/r/main/files/stable/index.txt").header("Origin", "https://evil.example");
    read.send(served.address)?.expect(200)?;
    served.end_sound(&scratch)
}

#[test]
fn what_a_page_of_somebody_else_asked_for_is_written_down_and_counted() -> Outcome {
    let (scratch, served) = limited("requests_per_minute_per_token = 30")?;
    let ask = |token: Option<&str>, name: &str, value: &str| {
        let ask = Ask::new("POST", "/api/v1/repos/main/builds").header(name, value);
        let ask = token.into_iter().fold(ask, Ask::token);
        ask.body("{}").send(served.address)
    };
    let token = served.token.clone();
    for token in [Some(token.as_str()), None] {
        ask(token, "Origin", "https://evil.example")?.expect(403)?;
        ask(token, "Content-Type", "text/plain")?.expect(415)?;
    }
    let mut refused = 0;
    for _ in 0..62 {
        // A minute may end meanwhile, and begin anew.
        let status = ask(Some(&token), "Origin", "https://evil.example")?.status;
        refused += u32::from(status != 403);
    }
    assert!(refused > 0, "they are not counted");
    served.end_sound(&scratch)?;
    let audit = scratch.ok("audit")?.stdout;
    for words in ["another origin", "application/json"] {
        let lines = audit.lines().filter(|line| line.contains(words));
        let (unknown, known): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| line.contains("unknown"));
        assert_eq!(unknown.len(), 1, "{audit}");
        assert!(!known.is_empty(), "{audit}");
    }
    Ok(())
}

#[test]
fn what_a_build_holds_runs_no_scripts_with_the_origin_of_the_server() -> Outcome {
    let (scratch, served) = released("")?;
    for target in [
        "/r/main/files/stable/index.txt",
        "/r/main/files/stable/",
        "/r/main/pin",
        "/r/main/",
    ] {
        let reply = served.get(target)?.expect(200)?;
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("sandbox")
                && !policy.contains("allow-scripts")
                && !policy.contains("allow-same-origin"),
            "{target}: {policy}"
        );
        assert_eq!(
            reply.header("x-content-type-options"),
            "nosniff",
            "{target}"
        );
    }
    served.end_sound(&scratch)
}
