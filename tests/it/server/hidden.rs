//! What is hidden: what tokens that are no good, or for other refs, are told, and what is not told of what may not be read.

use std::error::Error;

use crate::server::TREE;
use crate::support::http::{Ask, Reply};
use crate::support::served::Served;
use crate::support::{Answer, Node, Outcome, Scratch, TIME_S, number, text};

/// Seconds that are longer than a token lasts if nothing is said.
const LATER_S: u64 = 5 * 60 * 60;

/// A store with the refs `ch/one` and `other` in the repo `main`, and with the repo `second`.
fn store() -> Result<Scratch, Box<dyn Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    for target in ["ch/one", "other"] {
        scratch.publish(target, "tree")?;
    }
    scratch.ok("repo create second")?;
    Ok(scratch)
}

fn token(scratch: &Scratch, words: &str) -> Result<String, Box<dyn Error>> {
    let line = format!("token create {words}");
    Ok(scratch.ok(&line)?.text().to_owned())
}

fn ask(served: &Served, token: &str, method: &str, target: &str) -> Result<Reply, Box<dyn Error>> {
    let ask = Ask::new(method, target).token(token);
    ask.send(served.address)
}

fn run(
    scratch: &Scratch,
    served: &Served,
    token: &str,
    line: &str,
) -> Result<Answer, Box<dyn Error>> {
    let line = format!("{line} --remote {}", served.url());
    let mut command = scratch.command(line.split(' '));
    Answer::of(command.env("BINDERY_TOKEN", token))
}

#[test]
fn a_token_that_is_no_good_is_answered_alike_whatever_there_is() -> Outcome {
    let scratch = store()?;
    let expired = token(&scratch, "--repo second --ref * --can *")?;
    let revoked = token(&scratch, "--repo second --ref * --can * --expires 30d")?;
    scratch.write("revoked.token", &[])?;
    std::fs::write(scratch.path("revoked.token/t"), &revoked)?;
    let shown = scratch.json("token inspect --token-file revoked.token/t")?;
    let id = shown["blocks"][0]["id"].as_str().ok_or("an id")?;
    scratch.ok(&format!("token revoke {id}"))?;
    let served = Served::start_at(&scratch, "--anonymous nothing", TIME_S + LATER_S)?;
    for (token, words) in [
        (&expired, "the token expired"),
        (&revoked, "the token was revoked"),
    ] {
        let mut answers = Vec::new();
        for (method, target) in [
            ("GET", "/r/main/trust/heads"),
            ("GET", "/r/nope/trust/heads"),
            ("GET", "/r/main/files/other/"),
            ("GET", "/api/v1/builds/1"),
            ("GET", "/api/v1/builds/999"),
            ("GET", "/api/v1/builds"),
            ("GET", "/api/v1/repos"),
            ("POST", "/api/v1/builds/1/stage"),
            ("POST", "/api/v1/builds/999/stage"),
            ("POST", "/api/v1/builds/999/commit"),
            ("POST", "/api/v1/builds/1/commit"),
        ] {
            let reply = ask(&served, token, method, target)?;
            answers.push(reply.expect_problem(401, "not_allowed", words)?.text());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].matches("not allowed").count(), 1, "{answers:?}");
        let pushed = run(&scratch, &served, token, "push tree --ref ch/one")?;
        pushed.expect_failure(4, &[words])?;
    }
    served.end_sound(&scratch)?;
    // What was refused is written down all the same.
    let audit = scratch.ok("audit")?.stdout;
    for (verb, words) in [
        ("/commit", "the token expired"),
        ("/commit", "the token was revoked"),
    ] {
        let refused = |line: &&str| line.contains(verb) && line.contains(words);
        assert_eq!(audit.lines().filter(refused).count(), 2, "{audit}");
    }
    Ok(())
}

#[test]
fn a_change_is_written_down_that_is_refused_to_somebody_without_a_good_token() -> Outcome {
    let scratch = store()?;
    let good = token(&scratch, "--repo main --ref * --can *")?;
    let forged = format!(
        "{}{}",
        &good[..good.len() - 1],
        if good.ends_with('0') { '1' } else { '0' }
    );
    let served = Served::start(&scratch, "")?;
    let target = "/api/v1/builds/1/withdraw";
    Ask::new("POST", target).send(served.address)?.expect(401)?;
    ask(&served, &forged, "POST", target)?.expect(401)?;
    // Questions are not written down, and of junk there are so many lines and no more.
    ask(&served, &forged, "GET", "/api/v1/builds/1")?.expect(401)?;
    for _ in 0..200 {
        ask(&served, "junk", "DELETE", "/api/v1/builds/1")?.expect(401)?;
    }
    served.end_sound(&scratch)?;
    let audit = scratch.ok("audit -n 1000")?.stdout;
    let of = |part: &str| audit.lines().filter(|line| line.contains(part)).count();
    assert_eq!(of("/withdraw"), 2, "{audit}");
    assert!((50..70).contains(&of("DELETE ")), "{audit}");
    Ok(())
}

#[test]
fn what_is_open_to_everybody_is_so_with_a_token_that_expired() -> Outcome {
    let scratch = store()?;
    let expired = token(&scratch, "--repo second --ref *")?;
    let served = Served::start_at(&scratch, "", TIME_S + LATER_S)?;
    ask(&served, &expired, "GET", "/r/main/files/other/index.txt")?.expect(200)?;
    ask(&served, &expired, "GET", "/r/nope/files/other/")?.expect(404)?;
    Ok(())
}

#[test]
fn the_repos_that_a_token_is_for_are_listed_whatever_it_may_do_there() -> Outcome {
    let scratch = store()?;
    let capabilities = ["stage", "mirror", "read"];
    let tokens =
        capabilities.map(|can| token(&scratch, &format!("--repo main --ref ch --can {can}")));
    let may_fill = token(&scratch, "--repo main --ref ch --can stage --can commit")?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    for token in tokens {
        let listed = ask(&served, &token?, "GET", "/api/v1/repos")?;
        let listed = listed.expect(200)?.json()?;
        assert_eq!(
            listed["repos"].as_array().map(Vec::len),
            Some(1),
            "{listed}"
        );
        assert_eq!(listed["repos"][0]["repo"], "main", "{listed}");
    }
    let pushed = run(
        &scratch,
        &served,
        &may_fill,
        "push tree --ref ch/one --commit",
    )?;
    pushed.expect_code(0)?;
    served.end_sound(&scratch)
}

#[test]
fn a_ref_that_a_token_is_not_for_is_told_as_that() -> Outcome {
    let scratch = store()?;
    let words = "--repo main --ref ch --can stage --can commit --can publish";
    let token = token(&scratch, words)?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let line = "push tree --repo main --ref other";
    let pushed = run(&scratch, &served, &token, line)?;
    pushed.expect_failure(4, &["not for ref other"])?;
    let line = "push tree --repo second --ref ch/one";
    let pushed = run(&scratch, &served, &token, line)?;
    pushed.expect_failure(3, &["repo second"])?;
    let push = "push tree --repo main --ref ch/one --commit --json";
    let pushed = run(&scratch, &served, &token, push)?.expect_code(0)?;
    let build = number(&pushed.json()?, "build")?;
    let line = format!("publish {build} --ref elsewhere");
    let published = run(&scratch, &served, &token, &line)?;
    published.expect_failure(4, &["not for ref elsewhere"])?;
    // A build for another ref stays as one that is not there.
    for target in ["/api/v1/builds/2", "/api/v1/builds/999"] {
        ask(&served, &token, "GET", target)?.expect_problem(404, "not_found", "build")?;
    }
    let line = format!("publish {build}");
    run(&scratch, &served, &token, &line)?.expect_code(0)?;
    served.end_sound(&scratch)
}

#[test]
fn a_token_for_some_refs_reads_what_is_plainly_theirs() -> Outcome {
    let scratch = store()?;
    let base = "/r/main/files";
    let tokens =
        ["read", "mirror"].map(|can| token(&scratch, &format!("--repo main --ref ch --can {can}")));
    let statement = |name: &str| {
        let found = scratch.json(&format!("log main:{name}"))?;
        let id = found["releases"][0]["statement"].as_str().ok_or("an id")?;
        Ok::<_, Box<dyn Error>>(format!("/r/main/statements/{id}"))
    };
    let (of_ch, of_other) = (statement("ch/one")?, statement("other")?);
    let served = Served::start(&scratch, "--anonymous nothing")?;
    for token in tokens {
        let token = token?;
        let get = |target: &str| ask(&served, &token, "GET", target);
        for target in ["ch/one/", "ch/one/index.txt", "ch/one@1/index.txt", ""] {
            get(&format!("{base}/{target}"))?.expect(200)?;
        }
        // Lists show its refs alone.
        let listed = get(&format!("{base}/"))?.text();
        assert!(
            listed.contains("ch/") && !listed.contains("other"),
            "{listed}"
        );
        // Whether there is another ref is not told.
        let [there, not_there] = ["other", "nope"].map(|name| {
            let reply = get(&format!("{base}/{name}/index.txt"))?;
            let reply = reply.expect_problem(404, "not_found", "file")?;
            Ok::<_, Box<dyn Error>>(reply.text().replace(name, "it"))
        });
        assert_eq!(there?, not_there?);
        get(&of_ch)?.expect(200)?;
        let nothing = format!("/r/main/statements/{}", "0".repeat(64));
        for target in [&of_other, &nothing] {
            get(target)?.expect_problem(404, "not_found", "statement")?;
        }
        // What tells of all refs is for those who may read all.
        let heads = get("/r/main/trust/heads")?;
        heads.expect_problem(403, "not_allowed", "not for all refs")?;
    }
    served.end_sound(&scratch)
}

/// Whether a server asks for a blob of this content to be sent.
fn is_missing(
    served: &Served,
    token: &str,
    build: u64,
    content: &str,
) -> Result<bool, Box<dyn Error>> {
    let target = format!("/api/v1/builds/{build}/missing?kind=blob");
    let id = blake3::hash(content.as_bytes());
    let ask = Ask::new("POST", &target).token(token).body(*id.as_bytes());
    let reply = ask.send(served.address)?.expect(200)?;
    Ok(reply.body == [1])
}

#[test]
fn who_may_not_read_what_is_published_is_not_told_of_it() -> Outcome {
    let scratch = store()?;
    let may_fill = token(&scratch, "--repo main --ref ch --can stage --can commit")?;
    let may_read = "--repo main --ref ch --can stage --can commit --can read";
    let may_read = token(&scratch, may_read)?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let push = "push tree --ref ch/one --json";
    let mut roots = Vec::new();
    for (token, is_told) in [(&may_fill, false), (&may_read, true)] {
        let make = Ask::new("POST", "/api/v1/repos/main/builds").token(token);
        let answer = make.body(r#"{"ref": "ch/one"}"#).send(served.address)?;
        let build = number(&answer.expect(201)?.json()?, "build")?;
        assert_eq!(is_missing(&served, token, build, "0123456789")?, !is_told);
        assert!(is_missing(&served, token, build, "9876543210")?);
        // What nobody sent cannot be named, be it published or not.
        let pushed = run(&scratch, &served, token, &format!("{push} --build {build}"))?;
        let pushed = pushed.expect_code(0)?.json()?;
        let is_sent = number(&pushed, "sent_objects")? > 0;
        assert_eq!(is_sent, !is_told, "{pushed}");
        assert!(!is_missing(&served, token, build, "0123456789")?);
        let committed = run(
            &scratch,
            &served,
            token,
            &format!("build commit {build} --json"),
        )?;
        roots.push(committed.expect_code(0)?.json()?["root"].clone());
        let line = format!("publish {build} --remote {}", served.url());
        served.run(&scratch, &line)?.expect_code(0)?;
    }
    assert_eq!(roots[0], roots[1]);
    served.end_sound(&scratch)
}

#[test]
fn a_tree_that_was_not_sent_is_not_staged_by_who_may_not_read_it() -> Outcome {
    let scratch = store()?;
    let may_fill = token(&scratch, "--repo main --ref ch --can stage --can commit")?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let make = Ask::new("POST", "/api/v1/repos/main/builds").token(&may_fill);
    let answer = make.body(r#"{"ref": "ch/one"}"#).send(served.address)?;
    let build = number(&answer.expect(201)?.json()?, "build")?;
    let published = served.ask("GET", "/api/v1/builds/1", "")?.json()?;
    let root = &published["committed"]["snapshot"]["root"];
    let body = format!(r#"{{"at": "x", "tree": {root}}}"#);
    let target = format!("/api/v1/builds/{build}/stage");
    let stage = |token: &str| Ask::new("POST", &target).token(token).body(body.as_str());
    let refused = stage(&may_fill).send(served.address)?;
    refused.expect_problem(409, "conflict", "")?;
    stage(&served.token).send(served.address)?.expect(200)?;
    served.end_sound(&scratch)
}

#[test]
fn a_build_for_another_ref_is_published_by_who_sees_it_alone() -> Outcome {
    let scratch = store()?;
    let ours = token(&scratch, "--repo main --ref ch --can publish")?;
    let both = "--repo main --ref ch --ref other --can publish";
    let both = token(&scratch, both)?;
    let served = Served::start(&scratch, "--anonymous published")?;
    scratch.write("tree", &[("more", Node::File("of other"))])?;
    let line = "push tree --ref other --repo main --commit --json --remote";
    let pushed = served.run(&scratch, &format!("{line} {}", served.url()))?;
    let build = number(&pushed.expect_code(0)?.json()?, "build")?;
    let target = format!("/api/v1/builds/{build}/publish?wait");
    let publish = |token: &str| {
        let ask = Ask::new("POST", &target).token(token);
        ask.body(r#"{"ref": "ch/one"}"#).send(served.address)
    };
    // As if there were no such build.
    publish(&ours)?.expect_problem(404, "not_found", "build")?;
    publish(&both)?.expect(200)?;
    let audit = served.ask("GET", "/api/v1/audit", "")?.expect(200)?.text();
    let refused = "the token is not for ref other: ask for one with that '--ref'";
    assert!(audit.contains(refused), "{audit}");
    served.end_sound(&scratch)
}

#[test]
fn a_build_shows_no_more_of_its_repo_than_the_repo_does() -> Outcome {
    let scratch = store()?;
    let statement = |name: &str| {
        let found = scratch.json(&format!("log main:{name}"))?;
        let id = found["releases"][0]["statement"].as_str().ok_or("an id")?;
        Ok::<_, Box<dyn Error>>(format!("statements/{id}"))
    };
    let (of_ch, of_other) = (statement("ch/one")?, statement("other")?);
    let snapshot = scratch.json("show build:1")?["snapshot"].clone();
    let snapshot = snapshot.as_str().ok_or("a snapshot")?.to_owned();
    let of_ref = token(&scratch, "--repo main --ref ch --can read")?;
    let of_all = token(&scratch, "--repo main --ref * --can read")?;
    let elsewhere = token(&scratch, "--repo main --ref other --can read")?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let target = "/api/v1/repos/main/builds";
    let made = served.ask("POST", target, r#"{"ref": "ch/one"}"#)?;
    let made = made.expect(201)?.json()?;
    let (open, of_build) = (number(&made, "build")?, text(&made, "token")?);
    let of_build = of_build.as_str();
    let build = |path: &str, token: &str, build: u64| {
        ask(&served, token, "GET", &format!("/b/{build}/{path}"))
    };
    let repo = |path: &str, token: &str| ask(&served, token, "GET", &format!("/r/main/{path}"));
    let shown = ["trust/heads", "trust/keyset/1", "pin", &of_ch, &of_other];
    let own = [
        format!("objects/{snapshot}"),
        format!("packs/{snapshot}/full.pack"),
        "files/ch/one/index.txt".into(),
        String::new(),
    ];
    for path in shown {
        // The same as the repo answers, be it the thing or the reason why not.
        for (token, id) in [(&*of_ref, 1), (&of_all, 1), (of_build, open)] {
            let (below, of_repo) = (build(path, token, id)?, repo(path, token)?);
            assert_eq!(below.status, of_repo.status, "{path}");
            assert_eq!(below.text(), of_repo.text(), "{path}");
        }
        build(path, &of_all, 1)?.expect(200)?;
    }
    build("trust/heads", &of_ref, 1)?.expect_problem(403, "not_allowed", "not for all refs")?;
    build(&of_ch, &of_ref, 1)?.expect(200)?;
    build(&of_other, &of_ref, 1)?.expect_problem(404, "not_found", "statement")?;
    build("pin", of_build, open)?.expect_problem(403, "not_allowed", "not for all")?;
    // What is the build's is shown to those who read it, and nothing of it to others.
    for path in &own {
        build(path, &of_ref, 1)?.expect(200)?;
    }
    for path in shown.into_iter().chain(own.iter().map(String::as_str)) {
        for (token, id) in [(&*elsewhere, 1), (of_build, 1)] {
            build(path, token, id)?.expect_problem(404, "not_found", "build")?;
        }
    }
    served.end_sound(&scratch)
}
