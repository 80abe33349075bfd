//! The life of a build over HTTP, and of the refs that builds are published to.

use std::error::Error;
use std::sync::Arc;

use bindery::disk::real::RealDisk;
use bindery::server::api::refs::PAGE_REFS_MAX;
use serde_json::Value;

use crate::server::events::listen;
use crate::server::{released, served};
use crate::shelf::{Shelf, ref_name};
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

/// Pushes the folder `tree` to `stable`, with these options more.
pub fn push(scratch: &Scratch, served: &Served, options: &str) -> Result<Value, Box<dyn Error>> {
    let line = format!(
        "push tree --ref stable --json --remote {} {options}",
        served.url()
    );
    served.run(scratch, line.trim())?.expect_code(0)?.json()
}

#[test]
fn a_build_is_pushed_committed_published_withdrawn_and_purged() -> Outcome {
    let (scratch, served) = served("")?;
    let pushed = push(&scratch, &served, "--commit --label commit=1f3a")?;
    let build = number(&pushed, "build")?;
    let said = served.ask("GET", &format!("/api/v1/builds/{build}"), "")?;
    let said = said.expect(200)?.json()?;
    assert_eq!(text(&said, "state")?, "ready");
    assert_eq!(said["labels"]["commit"], "1f3a");
    assert_eq!(said["committed"]["snapshot"]["id"], pushed["snapshot"]);
    let publish = format!("/api/v1/builds/{build}/publish?wait");
    let published = served.ask("POST", &publish, "")?.expect(200)?.json()?;
    assert_eq!(
        (number(&published, "seq")?, &published["visible"]),
        (1, &Value::Bool(true))
    );
    assert_eq!(
        published["snapshot"]["root"]["id"], pushed["root"],
        "as it was tested"
    );
    let again = served.ask("POST", &publish, "")?;
    again.expect_problem(409, "conflict", "published")?;
    // A second one, on top, and the first one out again.
    scratch.write("tree", &[("new", File("new"))])?;
    let second = number(&push(&scratch, &served, "--publish")?, "build")?;
    let withdrawn = served.ask("POST", &format!("/api/v1/builds/{second}/withdraw"), "")?;
    assert_eq!(number(&withdrawn.expect(200)?.json()?, "seq")?, 3);
    let log = served.ask("GET", "/api/v1/repos/main/refs/stable/log", "")?;
    let log = log.expect(200)?.json()?;
    assert_eq!(log["releases"].as_array().map(Vec::len), Some(3));
    let rolled = served.ask(
        "POST",
        "/api/v1/repos/main/refs/stable/rollback",
        r#"{"to": 2}"#,
    )?;
    assert_eq!(number(&rolled.expect(200)?.json()?, "seq")?, 4);
    // An open build: what purging would free is what it frees, also the second time.
    let third = number(&push(&scratch, &served, "")?, "build")?;
    let target = format!("/api/v1/builds/{third}");
    let rehearsed = served
        .ask("DELETE", &format!("{target}?dry_run"), "")?
        .expect(200)?
        .json()?;
    for _ in 0..2 {
        assert_eq!(
            served.ask("DELETE", &target, "")?.expect(200)?.json()?,
            rehearsed
        );
    }
    served
        .ask("POST", &format!("{target}/commit"), "")?
        .expect_problem(409, "conflict", "purged")?;
    served.end_sound(&scratch)?;
    scratch.ok("verify --all")?;
    Ok(())
}

#[test]
fn a_push_without_a_token_says_what_is_missing() -> Outcome {
    let (scratch, served) = served("")?;
    let line = format!("push tree --ref stable --remote {}", served.url());
    scratch.fails(&line, 4, &["says", "this needs a token", "BINDERY_TOKEN"])?;
    served.end_sound(&scratch)
}

#[test]
fn a_push_of_what_is_there_sends_nothing_and_asks_little() -> Outcome {
    let (scratch, served) = released("")?;
    let again = push(&scratch, &served, "--publish")?;
    assert_eq!(
        (
            number(&again, "sent_objects")?,
            number(&again, "sent_bytes")?
        ),
        (0, 0)
    );
    assert!(number(&again, "requests")? <= 12, "{again}");
    served.end_sound(&scratch)
}

#[test]
fn a_ref_that_is_held_publishes_nothing_until_it_is_let_go() -> Outcome {
    let (scratch, served) = released("")?;
    let hold = served.ask(
        "POST",
        "/api/v1/repos/main/refs/stable/hold",
        r#"{"reason": "a look"}"#,
    )?;
    assert_eq!(text(&hold.expect(200)?.json()?, "held")?, "a look");
    scratch.write("tree", &[("new", File("new"))])?;
    let build = number(&push(&scratch, &served, "--commit")?, "build")?;
    let publish = format!("/api/v1/builds/{build}/publish?wait");
    served
        .ask("POST", &publish, "")?
        .expect_problem(409, "conflict", "held: a look")?;
    served
        .ask("POST", "/api/v1/repos/main/refs/stable/release", "")?
        .expect(200)?;
    served.ask("POST", &publish, "")?.expect(200)?;
    let nowhere = served.ask("POST", "/api/v1/repos/main/refs/nowhere/release", "")?;
    nowhere.expect_problem(404, "not_found", "nowhere")?;
    served.end_sound(&scratch)
}

#[test]
fn builds_that_wait_together_become_visible_together() -> Outcome {
    let (scratch, served) = released("")?;
    let mut builds = Vec::new();
    for number_of in 0..8 {
        scratch.write(
            &format!("t{number_of}"),
            &[(&*format!("f{number_of}"), File("x"))],
        )?;
        let line = format!(
            "push t{number_of} --ref stable --commit --json --remote {}",
            served.url()
        );
        builds.push(number(
            &served.run(&scratch, &line)?.expect_code(0)?.json()?,
            "build",
        )?);
    }
    let replies: Vec<_> = std::thread::scope(|scope| {
        let ask = |build: &u64| {
            let target = format!("/api/v1/builds/{build}/publish?wait");
            let ask = Ask::new("POST", &target).token(&served.token);
            let address = served.address;
            scope.spawn(move || ask.send(address).map_err(|error| error.to_string()))
        };
        let asked: Vec<_> = builds.iter().map(ask).collect();
        asked
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    for reply in replies {
        let reply = reply.map_err(|_| "a thread panicked")??;
        assert_eq!(reply.expect(200)?.json()?["visible"], true);
    }
    let log = served
        .ask("GET", "/api/v1/repos/main/refs/stable/log", "")?
        .json()?;
    let releases = log["releases"].as_array().ok_or("releases")?;
    let carried: usize = releases
        .iter()
        .map(|release| release["builds"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(carried, 9, "{log}");
    served.end_sound(&scratch)?;
    scratch.ok("checkout stable out")?;
    for number_of in 0..8 {
        assert!(scratch.path(format!("out/f{number_of}")).exists());
    }
    Ok(())
}

#[test]
fn a_request_with_a_name_is_done_once() -> Outcome {
    let (scratch, served) = served("")?;
    let ask = |key: &str, body: &str| {
        let ask = Ask::new("POST", "/api/v1/repos/main/builds").token(&served.token);
        ask.header("Idempotency-Key", key)
            .body(body)
            .send(served.address)
    };
    let first = ask("one", r#"{"ref": "stable"}"#)?.expect(201)?.json()?;
    assert_eq!(
        ask("one", r#"{"ref": "stable"}"#)?.expect(201)?.json()?,
        first
    );
    ask("one", r#"{"ref": "other"}"#)?.expect_problem(409, "conflict", "Idempotency-Key")?;
    // Who holds a narrower token is not answered what the wider one was, which may make builds, and has a token in it.
    let narrow = Ask::new("POST", "/api/v1/repos/main/builds").token(&text(&first, "token")?);
    let narrow = narrow.header("Idempotency-Key", "one");
    let reply = narrow.body(r#"{"ref": "stable"}"#).send(served.address)?;
    assert!(
        [403, 404].contains(&reply.status),
        "{} {}",
        reply.status,
        reply.text()
    );
    let second = ask("two", r#"{"ref": "stable"}"#)?.expect(201)?.json()?;
    assert_ne!(second["build"], first["build"]);
    ask("", "{}")?.expect_problem(400, "usage", "Idempotency-Key")?;
    ask(&"k".repeat(256), "{}")?.expect_problem(400, "usage", "Idempotency-Key")?;
    ask(&"k".repeat(255), "{}")?.expect(201)?;
    served.end_sound(&scratch)
}

/// Requests that make no sense, `{b}` standing for an open build: method, target, body, and the status and words of what
/// they are answered with.
const SENSELESS: &[(&str, &str, &str, u16, &str)] = &[
    (
        "POST",
        "repos/main/builds",
        r#"{"reff": "x"}"#,
        400,
        "unknown field",
    ),
    (
        "POST",
        "repos/main/builds",
        r#"{"ref": "../x"}"#,
        400,
        "component",
    ),
    ("POST", "repos/main/builds", "[", 400, "makes no sense"),
    ("POST", "repos/nowhere/builds", "{}", 404, "repo nowhere"),
    ("GET", "builds?state=nice", "", 400, "no state"),
    ("GET", "builds?colour=red", "", 400, "no meaning"),
    ("GET", "builds?state=open&state=open", "", 400, "twice"),
    ("GET", "builds/x", "", 404, "no page"),
    ("GET", "builds/999", "", 404, "build 999"),
    ("GET", "nothing", "", 404, "page"),
    ("PATCH", "builds/{b}", "", 405, "GET, DELETE, HEAD"),
    (
        "POST",
        "builds/{b}/stage",
        r#"{"at": "x"}"#,
        400,
        "which tree",
    ),
    (
        "POST",
        "builds/{b}/stage",
        r#"{"at": "x", "remove": true}"#,
        404,
        "path x",
    ),
    ("POST", "builds/{b}/publish", "", 409, "open"),
    ("POST", "builds/{b}/publish?wait=1", "", 400, "no value"),
    (
        "POST",
        "builds/{b}/missing?kind=tree",
        "short",
        400,
        "32 bytes",
    ),
    ("POST", "builds/{b}/missing", "", 400, "kind=tree"),
    (
        "POST",
        "repos/main/refs/stable/rollback",
        "{}",
        400,
        "missing field",
    ),
    (
        "POST",
        "repos/main/refs/stable/rollback",
        r#"{"to": 1}"#,
        404,
        "ref stable",
    ),
];

#[test]
fn what_makes_no_sense_is_refused_with_what_would() -> Outcome {
    let (scratch, served) = served("")?;
    let build = number(&push(&scratch, &served, "")?, "build")?;
    for (method, target, body, status, words) in SENSELESS {
        let target = target.replace("{b}", &build.to_string());
        let reply = served.ask(method, &format!("/api/v1/{target}"), body)?;
        let said = reply.text();
        let code = match status {
            404 => "not_found",
            409 => "conflict",
            _ => "usage",
        };
        let reply = reply.expect_problem(*status, code, words);
        reply.map_err(|error| format!("{method} {target} {body}: {error} {said}"))?;
    }
    served.end_sound(&scratch)
}

#[test]
fn pages_of_builds_show_each_once() -> Outcome {
    let (_scratch, served) = served("")?;
    for number_of in 0..205 {
        let target = if number_of % 2 == 0 { "even" } else { "odd" };
        let body = format!(r#"{{"ref": "{target}"}}"#);
        served
            .ask("POST", "/api/v1/repos/main/builds", &body)?
            .expect(201)?;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let target = format!("/api/v1/builds?ref=even{cursor}");
        let page = served.ask("GET", &target, "")?.expect(200)?.json()?;
        for build in page["builds"].as_array().ok_or("builds")? {
            seen.push(number(build, "build")?);
        }
        match page["next"].as_u64() {
            None => break,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
    let expected: Vec<u64> = (1..=205).rev().filter(|id| id % 2 == 1).collect();
    assert_eq!(seen, expected);
    Ok(())
}

#[test]
fn refs_are_listed_in_pages_by_name() -> Outcome {
    let scratch = Scratch::empty()?;
    let shelf = Shelf::create(Arc::new(RealDisk::new(scratch.store())))?;
    let repo = shelf.row()?;
    // A ref with a slash is where the first page ends.
    let name = |number: usize| format!("app/{number:04}");
    for number in 0..PAGE_REFS_MAX {
        let hold = |name: String| {
            let reason = Some("no release yet".to_owned());
            shelf.store.record_hold(&repo, &ref_name(&name)?, reason)
        };
        hold(name(number))?;
    }
    drop(shelf);
    let served = Served::start(&scratch, "")?;
    let ask = |query: &str| {
        let target = format!("/api/v1/repos/{}/refs{query}", repo.name);
        served.ask("GET", &target, "")?.expect(200)?.json()
    };
    let page = ask("")?;
    assert_eq!(page["refs"].as_array().map(Vec::len), Some(PAGE_REFS_MAX));
    assert_eq!(text(&page, "next")?, name(PAGE_REFS_MAX - 1));
    // One page is full, and the next is empty.
    let page = ask(&format!("?cursor={}", name(PAGE_REFS_MAX - 1)))?;
    assert_eq!(page["refs"].as_array().map(Vec::len), Some(0));
    assert!(page["next"].is_null());
    let page = ask("?cursor=app%2F0997")?;
    let refs = page["refs"].as_array().ok_or("refs")?;
    assert_eq!(
        refs.iter()
            .map(|one| one["ref"].as_str())
            .collect::<Vec<_>>(),
        [Some("app/0998"), Some("app/0999")]
    );
    assert!(page["next"].is_null());
    served
        .ask(
            "GET",
            &format!("/api/v1/repos/{}/refs?cursor=..", repo.name),
            "",
        )?
        .expect(400)?;
    served.end_sound(&scratch)?;
    // A client of ours asks on until it has all.
    scratch.write("tree", &[("file", File("text"))])?;
    scratch.publish("zoo", "tree")?;
    let served = Served::start(&scratch, "")?;
    let line = format!("refs --json --remote {}", served.url());
    let listed = served.run(&scratch, &line)?.expect_code(0)?.json()?;
    let listed = listed["refs"].as_array().ok_or("refs")?;
    assert_eq!(listed.len(), PAGE_REFS_MAX + 1);
    assert_eq!(listed[PAGE_REFS_MAX]["ref"], "zoo");
    served.end_sound(&scratch)
}

#[test]
fn the_description_of_the_api_is_of_this_server() -> Outcome {
    let (_scratch, served) = served("")?;
    let document = served.get("/api/v1/openapi.json")?.expect(200)?.json()?;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().ok_or("paths")?;
    assert!(paths.contains_key("/api/v1/builds/{build}/publish"));
    assert_eq!(served.get("/healthz")?.expect(200)?.text(), "ok\n");
    Ok(())
}

#[test]
fn a_listener_can_tell_which_builds_became_visible_with_which_release() -> Outcome {
    let (scratch, served) = served("")?;
    let build = number(&push(&scratch, &served, "--publish")?, "build")?;
    // Events are numbered from 0 in each run of the server, which is named after when it started.
    let first = format!("{}-0", crate::support::TIME_S);
    let told = listen(&served, "/api/v1/repos/main/events", Some(&first), |text| {
        text.split("event: published")
            .nth(1)
            .is_some_and(|rest| rest.contains("\n\n"))
    })?;
    let event = |what: &str| -> Result<serde_json::Value, Box<dyn Error>> {
        let mut lines = told.lines().filter_map(|line| line.strip_prefix("data: "));
        let line = lines.find(|line| line.contains(&format!("\"what\":\"{what}\"")));
        Ok(serde_json::from_str(line.ok_or_else(|| told.clone())?)?)
    };
    assert_eq!(number(&event("committed")?, "build")?, build);
    let (merged, published) = (event("merged")?, event("published")?);
    assert_eq!(number(&merged, "build")?, build);
    assert_eq!(
        (&merged["ref"], &merged["seq"]),
        (&published["ref"], &published["seq"])
    );
    assert_eq!(published["builds"], serde_json::json!([build]));
    served.end_sound(&scratch)
}
