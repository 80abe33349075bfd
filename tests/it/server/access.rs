//! Access: every kind of request with every capability, and what is said to those who may not see a thing.

use std::collections::BTreeMap;
use std::error::Error;

use bindery::server::route_table::{Needs, ROUTES, Row};
use bindery::trust::token::capability::Capability;

use crate::support::http::{Ask, Reply};
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

/// Statuses that say that a caller may not do what it asked for.
const DENIED: [u16; 2] = [401, 403];

/// A request of each kind that could be done, but for what it needs, and its body.
fn sample(row: &Row, build: u64, empty: &str) -> (String, String) {
    let hash = "0".repeat(64);
    let path = row
        .template
        .replace("{repo+}", "main")
        .replace("{ref+}", "stable")
        .replace("{build}", &build.to_string())
        .replace("{check}", "lint")
        .replace("{job}", "1-1")
        .replace("{version}", "1")
        .replace("{id}", &hash)
        .replace("{to}", &hash)
        .replace("{path+}", "stable/");
    let path = match row.template {
        template if template.contains("/api/v1/builds/{build}/packs") => {
            path.replace("{pack}", &hash) + "?frames=0"
        }
        _ => path.replace("{pack}", "full.pack"),
    };
    let (path, body) = match row.template.rsplit('/').next() {
        Some("missing") => (path + "?kind=tree", String::new()),
        Some("snapshots") => (path + "?spec=stable", String::new()),
        Some("stage") => (path, format!(r#"{{"at": "", "tree": {empty}}}"#)),
        Some("rollback") => (path, r#"{"to": 1}"#.into()),
        Some("{check}") => {
            let body = format!(r#"{{"outcome": "pass", "snapshot": "{hash}"}}"#);
            (path, body)
        }
        Some("schedule") => (path, r#"{"after_seconds": 9000}"#.into()),
        Some("hold") => (path, r#"{"reason": "a test"}"#.into()),
        Some("builds") if row.method == "POST" => (path, r#"{"ref": "stable"}"#.into()),
        _ => (path, String::new()),
    };
    (path, body)
}

/// A server with two repos, and a token for each capability, in `main` and in `other`.
struct World {
    scratch: Scratch,
    served: Served,
    in_main: BTreeMap<Capability, String>,
    in_other: String,
}

impl World {
    fn new(options: &str) -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch::new()?;
        scratch.ok("repo create other")?;
        let token = |line: &str| -> Result<String, Box<dyn Error>> {
            Ok(scratch.ok(line)?.text().to_owned())
        };
        let mut in_main = BTreeMap::new();
        for capability in Capability::ALL {
            let line = format!("token create --repo main --ref * --can {capability}");
            in_main.insert(capability, token(&line)?);
        }
        // What concerns the whole server needs a token for all repos.
        let line = "token create --repo * --ref * --can admin";
        in_main.insert(Capability::Admin, token(line)?);
        let in_other = token("token create --repo other --ref * --can *")?;
        let served = Served::start(&scratch, options)?;
        Ok(Self {
            scratch,
            served,
            in_main,
            in_other,
        })
    }

    /// A new build of `main`.
    fn build(&self) -> Result<u64, Box<dyn Error>> {
        let body = r#"{"ref": "stable"}"#;
        let made = self.served.ask("POST", "/api/v1/repos/main/builds", body)?;
        let made = made.expect(201)?.json()?;
        made["build"].as_u64().ok_or_else(|| "an id".into())
    }

    /// Asks for what a row stands for, on a build of its own.
    fn ask(&self, row: &Row, token: Option<&str>) -> Result<Reply, Box<dyn Error>> {
        let empty = format!(r#"{{"id": "{}", "size": 19}}"#, "0".repeat(64));
        let (target, body) = sample(row, self.build()?, &empty);
        let ask = Ask::new(row.method, &target).body(body);
        let ask = match token {
            Some(token) => ask.token(token),
            None => ask,
        };
        // Streams of events do not end by themselves.
        if row.template.ends_with("/events") {
            ask.send_for_head(self.served.address)
        } else {
            ask.send(self.served.address)
        }
    }
}

#[test]
fn every_request_needs_the_capability_that_the_table_says_and_no_other() -> Outcome {
    let world = World::new("--anonymous nothing")?;
    for row in ROUTES {
        for (capability, token) in &world.in_main {
            let reply = world.ask(row, Some(token))?;
            let is_denied = DENIED.contains(&reply.status);
            let is_published = ["/r/", "/refs", "/snapshots"]
                .iter()
                .any(|part| row.template.contains(part));
            let is_list = ["/api/v1/repos", "/api/v1/builds"].contains(&row.template);
            let expected = match row.needs {
                Needs::Nothing => false,
                Needs::Read if is_list && row.method == "GET" => false,
                Needs::Read if is_published && *capability == Capability::Mirror => false,
                Needs::Read => *capability != Capability::Read,
                Needs::Capability(needed) => *capability != needed,
            };
            assert_eq!(
                is_denied,
                expected,
                "{} {} with {capability}: {} {}",
                row.method,
                row.template,
                reply.status,
                reply.text()
            );
        }
    }
    world.served.end_sound(&world.scratch)
}

#[test]
fn without_a_token_only_what_is_open_is_answered() -> Outcome {
    for (anonymous, reads_published, reads_builds) in [
        ("nothing", false, false),
        ("published", true, false),
        ("builds", true, true),
    ] {
        let world = World::new(&format!("--anonymous {anonymous}"))?;
        for row in ROUTES {
            let reply = world.ask(row, None)?;
            let is_of_repo = row.template.starts_with("/r/")
                // What happens in a repo tells of builds.
                || row.template.starts_with("/api/v1/repos") && !row.template.ends_with("/events")
                || row.template.ends_with("/log") && row.template.contains("/refs/");
            let is_open = match row.needs {
                Needs::Nothing => true,
                Needs::Read if is_of_repo => reads_published,
                Needs::Read => reads_builds,
                Needs::Capability(_) => false,
            };
            let words = format!("{anonymous}: {} {}", row.method, row.template);
            assert_eq!(reply.status != 401, is_open, "{words}: {}", reply.status);
            if reply.status == 401 {
                assert!(
                    reply.header("www-authenticate").contains("Bearer"),
                    "{words}"
                );
            }
        }
        world.served.end_sound(&world.scratch)?;
    }
    Ok(())
}

#[test]
fn what_may_not_be_seen_is_answered_like_what_is_not_there() -> Outcome {
    let world = World::new("--anonymous nothing")?;
    let build = world.build()?;
    for (there, not_there) in [
        (
            format!("/api/v1/builds/{build}"),
            "/api/v1/builds/999".to_owned(),
        ),
        (format!("/b/{build}/files/-/"), "/b/999/files/-/".into()),
        (
            "/r/main/trust/heads".into(),
            "/r/nowhere/trust/heads".into(),
        ),
        (
            "/api/v1/repos/main/refs".into(),
            "/api/v1/repos/nowhere/refs".into(),
        ),
    ] {
        let [there, not_there] = [&there, &not_there].map(|target| {
            let ask = Ask::new("GET", target).token(&world.in_other);
            let reply = ask.send(world.served.address)?.expect(404)?;
            let same = reply.text().replace("main", "nowhere");
            Ok::<_, Box<dyn Error>>(same.replace(&build.to_string(), "999"))
        });
        assert_eq!(there?, not_there?);
    }
    let lists = Ask::new("GET", "/api/v1/builds").token(&world.in_other);
    let lists = lists.send(world.served.address)?.expect(200)?.json()?;
    assert_eq!(lists["builds"].as_array().map(Vec::len), Some(0));
    let lists = Ask::new("GET", "/api/v1/repos").token(&world.in_other);
    let lists = lists.send(world.served.address)?.expect(200)?.json()?;
    assert_eq!(lists["repos"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn every_url_of_a_build_is_for_who_reads_it_and_what_is_of_the_repo_for_who_reads_that() -> Outcome
{
    let world = World::new("--anonymous nothing")?;
    let make = |target: &str| {
        let body = format!(r#"{{"ref": "{target}"}}"#);
        let made = world
            .served
            .ask("POST", "/api/v1/repos/main/builds", &body)?;
        let made = made.expect(201)?.json()?;
        Ok::<_, Box<dyn Error>>((number(&made, "build")?, text(&made, "token")?))
    };
    let (build, own) = make("stable")?;
    let others = [make("stable")?.1, make("elsewhere")?.1];
    let rows = ROUTES.iter().filter(|row| row.template.starts_with("/b/"));
    for row in rows {
        let (target, _) = sample(row, build, "");
        let ask = |token: &str| {
            let ask = Ask::new(row.method, &target).token(token);
            ask.send(world.served.address)
        };
        for other in &others {
            ask(other)?.expect_problem(404, "not_found", &format!("build {build}"))?;
        }
        // The token of a build alone reads what is the build's, and nothing that is the repo's.
        let reply = ask(&own)?;
        let of_repo = ["/trust/", "/pin", "/statements/"];
        let is_of_repo = of_repo.iter().any(|part| row.template.contains(part));
        assert_eq!(DENIED.contains(&reply.status), is_of_repo, "{target}");
    }
    world.served.end_sound(&world.scratch)
}

#[test]
fn a_token_is_as_narrow_as_its_blocks_say() -> Outcome {
    let world = World::new("")?;
    let stage = &world.in_main[&Capability::Stage];
    let body = r#"{"ref": "stable"}"#;
    let ask = Ask::new("POST", "/api/v1/repos/main/builds")
        .token(stage)
        .body(body);
    let made = ask.send(world.served.address)?.expect(201)?.json()?;
    let (build, own) = (made["build"].as_u64().unwrap_or(0), text(&made, "token")?);
    let other = world.build()?;
    let stage = |build: u64, token: &str| {
        let body = r#"{"at": "x", "remove": true}"#;
        let ask = Ask::new("POST", &format!("/api/v1/builds/{build}/stage"));
        ask.token(token).body(body).send(world.served.address)
    };
    // Its own build it may change, as far as there is something to remove; another's not, and it makes none.
    stage(build, &own)?.expect_problem(404, "not_found", "path")?;
    stage(other, &own)?.expect_problem(404, "not_found", "build")?;
    let again = Ask::new("POST", "/api/v1/repos/main/builds")
        .token(&own)
        .body(body);
    assert!([403, 404].contains(&again.send(world.served.address)?.status));
    // As a password, for clients that can send nothing else.
    let read = &world.in_main[&Capability::Read];
    let basic = base64(&format!("anyone:{read}"));
    let ask = Ask::new("GET", &format!("/api/v1/builds/{build}"));
    let ask = ask.header("Authorization", &format!("Basic {basic}"));
    ask.send(world.served.address)?.expect(200)?;
    for wrong in [
        "Bearer nonsense",
        "Basic !",
        "Digest x",
        "Bearer",
        &format!("Bearer {read}x"),
    ] {
        let ask = Ask::new("GET", "/api/v1/repos").header("Authorization", wrong);
        ask.send(world.served.address)?
            .expect_problem(401, "not_allowed", "")?;
    }
    world.served.end_sound(&world.scratch)
}

#[test]
fn every_change_is_a_line_of_the_audit_log_also_one_that_is_refused() -> Outcome {
    let world = World::new("")?;
    let build = world.build()?;
    let target = format!("/api/v1/builds/{build}/commit");
    let read = &world.in_main[&Capability::Read];
    let refused = Ask::new("POST", &target)
        .token(read)
        .send(world.served.address)?;
    refused.expect_problem(403, "not_allowed", "does not allow to commit")?;
    // Whether it can be done is another question.
    world
        .served
        .ask("POST", &target, "")?
        .expect_problem(409, "conflict", "empty")?;
    let World {
        scratch, served, ..
    } = world;
    served.end_sound(&scratch)?;
    let audit = scratch.ok("audit")?.stdout;
    let lines: Vec<&str> = audit
        .lines()
        .filter(|line| line.contains(&target))
        .collect();
    assert_eq!(lines.len(), 2, "{audit}");
    assert!(
        lines[0].contains("refused") && lines[1].contains("granted"),
        "{audit}"
    );
    Ok(())
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().enumerate().fold(0u32, |bits, (at, byte)| {
            bits | u32::from(*byte) << (16 - 8 * at)
        });
        for at in 0..4 {
            if at <= three.len() {
                encoded.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]));
            } else {
                encoded.push('=');
            }
        }
    }
    encoded
}
