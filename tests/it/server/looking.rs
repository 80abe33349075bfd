//! Looking into a store that is served: what is said is what is said on the store's own machine.

use std::error::Error;

use crate::support::Node::File;
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch, noise, text};

/// More bytes than a file has that is one object: it is put together from pieces.
const LARGE_BYTES: usize = 9 * 1024 * 1024;

/// A store with two releases of `stable`, and a committed build for it that was not published.
fn world() -> Result<Scratch, Box<dyn Error>> {
    let scratch = Scratch::new()?;
    scratch.write("one", crate::server::TREE)?;
    std::fs::write(scratch.path("one/large"), noise(LARGE_BYTES))?;
    scratch.publish("stable", "one")?;
    scratch.write(
        "two",
        &[("etc/more", File("more\n")), ("index.txt", File("9"))],
    )?;
    scratch.publish("stable", "two")?;
    scratch.write("three", &[("share/doc/new", File("new\n"))])?;
    let build = scratch.commit("stable", "three")?;
    assert_eq!(build, 3);
    // A server would prepare them behind its answers.
    scratch.ok("run-jobs")?;
    Ok(scratch)
}

/// Runs each line on this machine, then on the server, and compares.
fn check_same(scratch: &Scratch, lines: &[String], options: &str) -> Outcome {
    let here: Vec<Answer> = lines
        .iter()
        .map(|line| scratch.run(line.split(' ')))
        .collect::<Result<_, _>>()?;
    let served = Served::start(scratch, options)?;
    for (line, here) in lines.iter().zip(here) {
        let remote = format!("{line} --remote {}", served.url());
        let there = served.run(scratch, &remote)?;
        assert_eq!(there.code, here.code, "{line}: {}", there.stderr);
        assert_eq!(there.stdout, here.stdout, "{line}");
    }
    served.end_sound(scratch)
}

#[test]
fn what_a_store_shows_is_the_same_on_a_server() -> Outcome {
    let scratch = world()?;
    let released = text(&scratch.json("show stable@1")?, "snapshot")?;
    let committed = text(&scratch.json("show build:3")?, "snapshot")?;
    let mut lines = Vec::new();
    for line in [
        "ls stable",
        "ls stable -l",
        "ls stable etc -l",
        "ls stable -r -l",
        "ls stable@1 bin/latest -l",
        "ls main:stable~1 index.txt",
        "ls build:3 -r",
        "ls build:1 -r",
        "ls stable nowhere",
        "ls stable@9",
        "ls nowhere",
        "ls build:9",
        "cat stable index.txt",
        "cat stable bin/latest",
        "cat stable large",
        "cat build:3 share/doc/new",
        "cat build:3 large",
        "cat stable bin",
        "cat stable nowhere",
        "show stable",
        "show stable~1",
        "show build:3",
        "diff stable~1 stable",
        "diff stable build:3",
        "diff build:3 stable --stat",
        "diff stable stable --exit-code",
        "diff stable build:3 --name-status --exit-code",
        "stats",
        "repo show",
        "repo show main",
        "repo show nowhere",
        "repo pin --url https://example.org/r/main",
        "refs",
        "log stable",
        "log stable -n 1",
        "log stable -n 0",
    ] {
        lines.push(line.to_owned());
        if !line.starts_with("cat") && !line.starts_with("repo pin") {
            lines.push(format!("{line} --json"));
        }
    }
    for id in [&released, &committed] {
        lines.push(format!("show {id}"));
        lines.push(format!("ls {} -r", &id[..16]));
    }
    check_same(&scratch, &lines, "--anonymous nothing")
}

#[test]
fn a_spec_says_which_of_several_repos_is_meant() -> Outcome {
    let scratch = world()?;
    scratch.ok("repo create tools")?;
    scratch.write("four", &[("tool", File("tool"))])?;
    scratch.ok("push four --ref stable --repo tools --publish")?;
    let lines = [
        "ls tools:stable",
        "ls stable --repo tools",
        "ls main:stable@1",
        "ls build:3 -r",
        "ls stable",
        "diff main:stable tools:stable",
    ];
    check_same(&scratch, &lines.map(str::to_owned), "")
}

#[test]
fn refs_may_be_called_like_the_words_of_paths() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("one", crate::server::TREE)?;
    let mut lines = Vec::new();
    for name in [
        "team/events",
        "team/refs",
        "x/refs/y/log",
        "snapshots",
        "a+b_c.d",
    ] {
        scratch.publish(name, "one")?;
        for verb in ["show", "ls -r", "log", "diff snapshots~0"] {
            lines.push(format!("{verb} {name}"));
        }
        lines.push(format!("cat {name} index.txt"));
        lines.push(format!("show {name}@1"));
    }
    scratch.ok("run-jobs")?;
    check_same(&scratch, &lines, "")
}

#[test]
fn what_is_wrong_has_the_same_hints() -> Outcome {
    let scratch = world()?;
    scratch.ok("repo create tools")?;
    let lines = [
        "show main:nowhere",
        "show main:stable@9",
        "log main:nowhere",
        "log main:nowhere -n 0",
        "log stable@1",
        "ls main:stable nowhere",
        "show build:9",
        "show nowhere:stable",
    ];
    let hint = |answer: &Answer| {
        let mut lines = answer.stderr.lines();
        lines
            .find(|line| line.starts_with("hint:"))
            .map(str::to_owned)
    };
    let here: Vec<Answer> = lines
        .iter()
        .map(|line| scratch.run(line.split(' ')))
        .collect::<Result<_, _>>()?;
    let several = scratch.run("show stable".split(' '))?;
    let served = Served::start(&scratch, "")?;
    for (line, here) in lines.iter().zip(here) {
        let there = served.run(&scratch, &format!("{line} --remote {}", served.url()))?;
        assert_eq!(there.code, here.code, "{line}: {}", there.stderr);
        assert!(hint(&here).is_some(), "{line}: {}", here.stderr);
        assert_eq!(hint(&there), hint(&here), "{line}: {}", there.stderr);
    }
    let there = served.run(&scratch, &format!("show stable --remote {}", served.url()))?;
    let words = "has several repos: say main:..., tools:... or --repo";
    for answer in [several, there] {
        answer.expect_failure(2, &[words])?;
    }
    served.end_sound(&scratch)
}

#[test]
fn a_token_for_a_build_shows_it_before_and_after_it_is_published() -> Outcome {
    let scratch = world()?;
    let of_build = scratch.ok("token create --repo main --ref stable --build 3 --can read")?;
    let of_ref = scratch.ok("token create --repo main --ref stable --can read")?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let run = |token: &Answer, line: &str| {
        let line = format!("{line} --remote {}", served.url());
        let mut command = scratch.command(line.split(' '));
        Answer::of(command.env("BINDERY_TOKEN", token.text()))
    };
    let lines = [
        "show build:3",
        "ls build:3 -r -l",
        "cat build:3 share/doc/new",
        "cat build:3 large",
    ];
    let look = || -> Result<Vec<String>, Box<dyn Error>> {
        let mut said = Vec::new();
        for line in lines {
            for token in [&of_build, &of_ref] {
                said.push(run(token, line)?.expect_code(0)?.stdout);
            }
        }
        Ok(said)
    };
    let before = look()?;
    run(&of_build, "checkout build:3 before")?.expect_code(0)?;
    served
        .run(&scratch, &format!("publish 3 --remote {}", served.url()))?
        .expect_code(0)?;
    let after = look()?;
    // It was merged with what the ref shows, which is what it was made from.
    assert_eq!(after[2..], before[2..]);
    run(&of_build, "checkout build:3 after")?.expect_code(0)?;
    assert_eq!(
        std::fs::read(scratch.path("after/share/doc/new"))?,
        b"new\n"
    );
    run(&of_ref, "verify build:3")?.expect_code(0)?;
    run(&of_build, "show build:2")?.expect_code(3)?;
    // What is published in a repo is of all its refs, and which token shows it is said.
    run(&of_ref, "show stable")?.expect_failure(4, &["not for all refs", "'--ref *'"])?;
    served.end_sound(&scratch)
}

#[test]
fn who_may_not_see_a_build_finds_it_neither_by_number_nor_by_its_snapshot() -> Outcome {
    let scratch = world()?;
    let committed = text(&scratch.json("show build:3")?, "snapshot")?;
    let released = text(&scratch.json("show stable")?, "snapshot")?;
    let served = Served::start(&scratch, "--anonymous published")?;
    let get = |target: &str| served.get(target);
    let snapshots = "/api/v1/repos/main/snapshots?spec=";
    get(&format!("{snapshots}{}", &released[..12]))?.expect(200)?;
    get(&format!("{snapshots}{}", &committed[..12]))?.expect(404)?;
    get(&format!("{snapshots}{committed}"))?.expect(404)?;
    get("/api/v1/builds/3/snapshot")?.expect(401)?;
    // The number of a build is no name in a repo, and neither is another repo.
    get(&format!("{snapshots}build:3"))?.expect(400)?;
    get(&format!("{snapshots}main:stable"))?.expect(400)?;
    let said = get(&format!("{snapshots}stable~1"))?.expect(200)?.json()?;
    assert_eq!(said["name"], "stable@1");
    assert_eq!(said["builds"].as_array().map(Vec::len), Some(0));
    let seen = served.ask("GET", &format!("{snapshots}{committed}"), "")?;
    assert_eq!(seen.expect(200)?.json()?["builds"][0], 3);
    served.end_sound(&scratch)
}

#[test]
fn a_long_log_comes_in_pages() -> Outcome {
    let scratch = world()?;
    for seq in [1, 2, 1] {
        scratch.ok(&format!("rollback stable --to {seq}"))?;
    }
    let here = scratch.json("log stable")?;
    let served = Served::start(&scratch, "")?;
    let log = "/api/v1/repos/main/refs/stable/log";
    let mut seqs = Vec::new();
    let mut cursor = String::new();
    for _ in 0..4 {
        let page = served.get(&format!("{log}?number=2{cursor}"))?;
        let page = page.expect(200)?.json()?;
        let releases = page["releases"].as_array().ok_or("releases")?;
        seqs.extend(releases.iter().map(|release| release["seq"].clone()));
        match page["next"].as_u64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected = here["releases"].as_array().ok_or("releases")?;
    let expected: Vec<_> = expected.iter().map(|one| one["seq"].clone()).collect();
    assert_eq!((seqs.len(), seqs), (5, expected));
    for number in ["0", "1001", "x"] {
        served.get(&format!("{log}?number={number}"))?.expect(400)?;
    }
    served.end_sound(&scratch)
}
