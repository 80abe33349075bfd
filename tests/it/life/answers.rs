//! Answers: the fields that scripts and measurements read, and what goes to which stream.

use std::fs;

use serde_json::Value;

use super::SMALL;
use crate::support::{Outcome, Scratch, number, text};

/// Expects a document of schema 1 that has numbers and full ids in these fields.
fn expect_fields(document: &Value, numbers: &[&str], ids: &[&str]) -> Outcome {
    assert_eq!(document["schema"], 1, "{document}");
    for field in numbers {
        number(document, field)?;
    }
    for field in ids {
        let id = text(document, field)?;
        let is_hash = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_hash, "{field} in {document}");
    }
    Ok(())
}

#[test]
fn the_documents_have_the_fields_that_measurements_read() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    expect_fields(&scratch.json("build create --ref stable")?, &["build"], &[])?;
    let staged = scratch.json("build stage 1 tree")?;
    let sums = ["files", "bytes", "new_objects", "new_bytes", "stored_bytes"];
    expect_fields(&staged, &sums, &[])?;
    assert_eq!(
        (number(&staged, "files")?, number(&staged, "bytes")?),
        (4, 33)
    );
    let committed = scratch.json("build commit 1")?;
    expect_fields(&committed, &["files", "bytes"], &["snapshot", "root"])?;
    let published = scratch.json("publish 1")?;
    expect_fields(&published, &["seq"], &["snapshot", "root"])?;
    assert_eq!(text(&published, "ref")?, "stable");
    assert!(published["tested"].is_boolean());
    scratch.commit("stable", "tree")?;
    let purged = scratch.json("build purge 2")?;
    expect_fields(&purged, &["objects", "packs", "bytes"], &[])?;
    let totals = scratch.json("stats")?;
    let sums = [
        "objects",
        "packs",
        "stored_bytes",
        "logical_bytes",
        "live_bytes",
    ];
    expect_fields(&totals, &sums, &[])?;
    let builds = scratch.json("build list")?["builds"].clone();
    let builds = builds.as_array().ok_or("no builds")?;
    let states: Vec<_> = builds.iter().map(|build| &build["state"]).collect();
    assert_eq!(states, ["published", "purged"]);
    assert_eq!(
        (number(&builds[0], "build")?, text(&builds[0], "ref")?),
        (1, "stable".into())
    );
    Ok(())
}

#[test]
fn every_command_answers_with_one_document_on_one_line() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.publish("stable", "tree")?;
    for line in [
        "repo create tools",
        "repo list",
        "repo show main",
        "key generate ana",
        "key list",
        "key export ana",
        "build create --repo main --ref stable",
        "build stage 3 tree",
        "build remove 3 etc",
        "build show 3",
        "build list",
        "build list --state open",
        "build log 3",
        "build commit 3",
        "publish 3",
        "withdraw 3",
        "rollback main:stable --to 1",
        "hold main:stable",
        "release main:stable",
        "refs --repo main",
        "log main:stable",
        "show main:stable",
        "ls main:stable -r",
        "diff main:stable@1 main:stable@3",
        "checkout main:stable out",
        "verify main:stable",
        "verify main:stable --against out",
        "retire main:stable --keep-last 1 --dry-run",
        "retire main:stable --keep-last 1",
        "build purge 1",
        "stats",
        "fsck --counts",
        "help exit-codes",
        "man --out man",
    ] {
        let answer = scratch.ok(&format!("{line} --json"))?;
        assert_eq!(answer.lines().len(), 1, "{line}: {}", answer.stdout);
        assert_eq!(answer.json()?["schema"], 1, "{line}");
    }
    Ok(())
}

#[test]
fn scripts_read_data_only_and_people_are_told_the_rest() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    let created = scratch.ok("build create --ref stable")?;
    assert_eq!(created.stdout, "1\n");
    assert!(
        created.stderr.contains("bindery build stage 1"),
        "the next step"
    );
    let staged = scratch.ok("build stage 1 tree")?;
    assert_eq!(staged.stdout, "");
    assert!(staged.stderr.contains("4 files"), "{}", staged.stderr);
    assert!(
        !staged.stderr.contains('\u{1b}'),
        "no colours or bars without a terminal"
    );
    let committed = scratch.ok("build commit 1")?;
    assert_eq!(committed.text().len(), 64);
    assert_eq!(scratch.ok("publish 1 -q")?.stderr, "");
    assert_eq!(scratch.ok("ls stable --color always -q")?.stderr, "");
    Ok(())
}

#[test]
fn the_store_is_the_named_one_or_the_nearest() -> Outcome {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.path("deep/er"))?;
    scratch.ok("init -s other --repo elsewhere")?;
    assert!(scratch.ok("-C deep/er repo list")?.stdout.contains("main"));
    assert!(
        scratch
            .ok("repo list -s other")?
            .stdout
            .contains("elsewhere")
    );
    let mut named = scratch.command(["repo", "list"]);
    named.env("BINDERY_STORE", scratch.path("other"));
    assert!(
        crate::support::Answer::of(&mut named)?
            .stdout
            .contains("elsewhere")
    );
    let mut home = scratch.command(["init"]);
    home.env("BINDERY_STORE", scratch.path("home/.local/share/bindery"));
    crate::support::Answer::of(&mut home)?.expect_code(0)?;
    let mut bare = scratch.command(["repo", "list"]);
    bare.current_dir("/");
    crate::support::Answer::of(&mut bare)?.expect_code(0)?;
    Ok(())
}

#[test]
fn help_completions_and_manual_pages_are_made() -> Outcome {
    let scratch = Scratch::empty()?;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = scratch.ok(&format!("completions {shell}"))?;
        assert!(script.stdout.contains("checkout"), "{shell}");
    }
    scratch.ok("man --out man")?;
    for page in ["bindery.1", "bindery-build-stage.1", "bindery-publish.1"] {
        let page = fs::read_to_string(scratch.path("man").join(page))?;
        assert!(
            page.starts_with(".ie") || page.contains(".TH"),
            "{page:.80}"
        );
    }
    let codes = scratch.ok("help exit-codes")?;
    for code in [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "70", "130",
    ] {
        let starts = |line: &&str| line.split_whitespace().next() == Some(code);
        assert!(codes.lines().iter().any(starts), "{code}");
    }
    for line in ["--help", "help", "help build stage", "build stage --help"] {
        let help = scratch.ok(line)?;
        assert!(help.stdout.contains("Usage: bindery"), "{line}");
        assert!(help.stdout.contains("bindery help exit-codes"), "{line}");
    }
    assert!(scratch.ok("--version")?.stdout.starts_with("bindery "));
    Ok(())
}

#[test]
fn the_demo_lives_through_a_whole_life() -> Outcome {
    let scratch = Scratch::empty()?;
    let before = scratch.ok("demo")?;
    assert!(
        before.stdout.contains("$ bindery build create"),
        "{}",
        before.stdout
    );
    for part in ["publish", "diff", "rollback", "verify", "build purge"] {
        assert!(
            before.stdout.contains(&format!("$ bindery {part}")),
            "{part}"
        );
    }
    scratch.write("mine", SMALL)?;
    scratch.write("copy", SMALL)?;
    // What a machine that fills builds has in its environment is none of the demo's.
    let mut elsewhere = scratch.command(["demo", "mine"]);
    elsewhere.env("BINDERY_REMOTE", "http://127.0.0.1:1");
    elsewhere.env("BINDERY_TOKEN", "none");
    elsewhere.env("BINDERY_CA_FILE", "none");
    crate::support::Answer::of(&mut elsewhere)?.expect_code(0)?;
    crate::support::expect_same_tree(&scratch.path("copy"), &scratch.path("mine"))
}
