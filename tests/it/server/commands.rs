//! The commands of builds and refs, done on a server: they say what they say of a store of this machine.

use std::error::Error;

use crate::server::limits::limited;
use crate::server::{released, served};
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, noise, number, text};

/// Runs a command line on the server.
fn on(scratch: &Scratch, served: &Served, line: &str) -> Result<String, Box<dyn Error>> {
    let line = format!("{line} --remote {}", served.url());
    Ok(served.run(scratch, &line)?.expect_code(0)?.stdout)
}

fn json(
    scratch: &Scratch,
    served: &Served,
    line: &str,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let line = format!("{line} --json --remote {}", served.url());
    served.run(scratch, &line)?.expect_code(0)?.json()
}

#[test]
fn a_build_lives_on_a_server_as_it_does_here() -> Outcome {
    let (scratch, served) = served("")?;
    let created = json(
        &scratch,
        &served,
        "build create --ref stable --label commit=1f3a",
    )?;
    assert_eq!(number(&created, "build")?, 1);
    let staged = json(&scratch, &served, "build stage 1 tree")?;
    assert_eq!(
        (
            number(&staged, "files")?,
            number(&staged, "new_objects")? > 0
        ),
        (5, true)
    );
    scratch.write("more", &[("f", File("f"))])?;
    // A file by itself, at a place; and what another machine stages beside it.
    on(&scratch, &served, "build stage 1 more/f --at lib")?;
    on(&scratch, &served, "build stage 1 more --at share --replace")?;
    on(&scratch, &served, "build remove 1 bin/out")?;
    let committed = json(&scratch, &served, "build commit 1 -m first")?;
    let shown = json(&scratch, &served, "build show 1")?;
    assert_eq!(
        (text(&shown, "state")?.as_str(), &shown["labels"]["commit"]),
        ("ready", &"1f3a".into())
    );
    assert_eq!(shown["committed"]["snapshot"], committed["snapshot"]);
    let published = json(&scratch, &served, "publish 1 --require-tested")?;
    assert_eq!(published["root"], committed["root"]);
    assert!(on(&scratch, &served, "build log 1")?.contains("published as stable@1"));
    on(&scratch, &served, "build create --ref stable")?;
    let builds = json(&scratch, &served, "build list --state open")?;
    assert_eq!(builds["builds"].as_array().map(Vec::len), Some(1));
    assert!(on(&scratch, &served, "build purge 2 --dry-run")?.contains("would free"));
    assert!(on(&scratch, &served, "build purge 2")?.contains("freed"));
    on(&scratch, &served, "push more --ref stable --publish")?;
    assert_eq!(json(&scratch, &served, "rollback stable --to 1")?["seq"], 3);
    on(&scratch, &served, "hold stable --reason look")?;
    assert_eq!(json(&scratch, &served, "refs")?["refs"][0]["held"], "look");
    on(&scratch, &served, "release main:stable")?;
    let log = json(&scratch, &served, "log stable -n 2")?;
    assert_eq!(log["releases"].as_array().map(Vec::len), Some(2));
    served.end_sound(&scratch)?;
    scratch.ok("checkout stable out")?;
    assert_eq!(std::fs::read_to_string(scratch.path("out/lib/f"))?, "f");
    assert!(!scratch.path("out/bin/out").exists());
    Ok(())
}

#[test]
fn what_works_here_alone_is_not_taken_for_the_same_on_a_server() -> Outcome {
    let (scratch, served) = served("")?;
    for line in ["fsck", "key list"] {
        let line = format!("{line} --remote {}", served.url());
        scratch.fails(&line, 2, &["works on a store of this machine"])?;
    }
    for (line, code, words) in [
        ("build show 9", 3, "build 9"),
        ("publish 9", 3, "build 9"),
        ("build create --repo nowhere", 3, "nowhere"),
        ("log nowhere", 3, "nowhere"),
    ] {
        let line = format!("{line} --remote {}", served.url());
        served
            .run(&scratch, &line)?
            .expect_failure(code, &["says", words])?;
    }
    scratch.fails("build list --remote nonsense", 2, &["nonsense", "http://"])?;
    served.end_sound(&scratch)
}

#[test]
fn who_may_only_stage_fills_a_build_that_others_made() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    let token = scratch.ok("token create --repo main --ref stable --can stage")?;
    let served = Served::start(&scratch, "--anonymous nothing")?;
    on(&scratch, &served, "build create --ref stable")?;
    let stage = |line: &str| -> Result<(), Box<dyn Error>> {
        let line = format!("{line} --remote {}", served.url());
        let mut command = scratch.command(line.split(' '));
        command.env("BINDERY_TOKEN", token.text());
        crate::support::Answer::of(&mut command)?.expect_code(0)?;
        Ok(())
    };
    stage("build stage 1 tree --at x86_64")?;
    stage("push tree --ref stable --build 1 --at aarch64")?;
    on(&scratch, &served, "build commit 1")?;
    let shown = json(&scratch, &served, "build show 1")?;
    assert_eq!(shown["state"], "ready");
    Ok(())
}

#[test]
fn a_push_that_fails_says_in_which_build_to_go_on() -> Outcome {
    let (scratch, small) = limited("staged_bytes_per_build = 100_000")?;
    std::fs::create_dir(scratch.path("large"))?;
    std::fs::write(scratch.path("large/f"), noise(200_000))?;
    let push = |served: &Served, more: &str| {
        let url = served.url();
        let line = format!("push large --ref stable --commit --remote {url}{more}");
        served.run(&scratch, &line)
    };
    let refused = push(&small, "")?;
    assert!(refused.stderr.contains("--build 1"), "{}", refused.stderr);
    assert!(refused.code != 0);
    small.end_sound(&scratch)?;
    let settings = scratch.store().join("bindery.toml");
    let unlimited = std::fs::read_to_string(&settings)?.replace("100_000", "100_000_000");
    std::fs::write(&settings, unlimited)?;
    let large = Served::start(&scratch, "")?;
    push(&large, " --build 1")?.expect_code(0)?;
    large.end_sound(&scratch)
}

#[test]
fn what_is_said_to_be_done_next_can_be_done() -> Outcome {
    let (scratch, served) = served("")?;
    let line = format!("push tree --ref stable --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    let line = format!("build commit 1 --remote {}", served.url());
    let said = served.run(&scratch, &line)?.expect_code(0)?.stderr;
    let place = said
        .split(&served.url())
        .nth(1)
        .ok_or_else(|| said.clone())?;
    let place = place.split(',').next().unwrap_or_default();
    served.ask("GET", place, "")?.expect(200)?;
    // Hints name 'token inspect', and 'bindery refs' with --remote.
    let mut inspect = scratch.command(["token", "inspect"]);
    inspect
        .env("BINDERY_REMOTE", served.url())
        .env("BINDERY_TOKEN", &served.token);
    let shown = crate::support::Answer::of(&mut inspect)?.expect_code(0)?;
    assert!(shown.stdout.contains("could tell"), "{}", shown.stdout);
    scratch.ok("--store copy init --no-repo")?;
    let publish = format!("publish 1 --remote {}", served.url());
    served.run(&scratch, &publish)?.expect_code(0)?;
    let pull = format!("--store copy pull {} nope --trust-first", served.url());
    scratch.fails(&pull, 3, &["ref nope", "hint: ", "--remote"])?;
    let pull = "--store copy pull ftp://x/y";
    scratch.fails(pull, 2, &["ftp://x/y", "http:// or https://"])?;
    scratch.fails("token create --expires 0s", 2, &["--expires 0s"])?;
    Ok(())
}

#[test]
fn a_token_is_made_beside_the_server_and_is_good_at_once() -> Outcome {
    let (scratch, served) = released("--anonymous nothing")?;
    let create = "token create --ref * --can read";
    let made = scratch.ok(&format!("{create} --repo main"))?;
    assert!(
        made.stderr.contains("the store is served"),
        "{}",
        made.stderr
    );
    let ask = Ask::new("GET", "/r/main/files/stable/index.txt").token(made.text());
    ask.send(served.address)?.expect(200)?;
    scratch.ok(&format!("{create} --repo *"))?;
    scratch.fails(&format!("{create} --repo nope"), 3, &["repo nope"])?;
    scratch.fails(create, 2, &["served", "--repo"])?;
    // What needs the store itself is to be said to the server.
    let line = "build create --ref stable --lock-wait 0s";
    scratch.fails(line, 6, &["serve", "--remote URL"])?;
    served.end_sound(&scratch)
}
