//! Deltas through the real binary: made in one store, applied in another, and refused when something is wrong with them.
//!
//! # Not here
//!
//! Which bases are chosen, and what random trees make of it: beside the code of `delta`.

mod carried;

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::support::Node::{Executable, File, Link};
use crate::support::{Node, Outcome, Scratch, files_beneath, number, text};

/// What is released first.
const FIRST: &[(&str, Node<'_>)] = &[
    ("bin/tool", Executable("#!/bin/sh\necho one\n")),
    ("bin/latest", Link("tool")),
    (
        "doc/guide-1.0.txt",
        File("It is so.\nIt was ever so.\nIt will be so.\n"),
    ),
    ("doc/same.txt", File("as it was\n")),
    ("gone.txt", File("not for long\n")),
];

/// What is released instead.
const SECOND: &[(&str, Node<'_>)] = &[
    ("bin/tool", Executable("#!/bin/sh\necho two\n")),
    ("bin/latest", Link("tool")),
    (
        "doc/guide-1.1.txt",
        File("It is so.\nIt was ever so.\nIt will be otherwise.\n"),
    ),
    ("moved/same.txt", File("as it was\n")),
];

/// Publishes a tree in place of what `stable` shows.
fn release(
    scratch: &Scratch,
    name: &str,
    tree: &[(&str, Node<'_>)],
) -> Result<u64, Box<dyn std::error::Error>> {
    scratch.write(name, tree)?;
    let build = number(&scratch.json("build create --ref stable")?, "build")?;
    scratch.ok(&format!("build stage {build} {name} --replace"))?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.ok(&format!("publish {build}"))?;
    Ok(build)
}

/// A store with both releases, and one with the first alone.
fn stores() -> Result<(Scratch, Scratch), Box<dyn std::error::Error>> {
    let (maker, receiver) = (Scratch::new()?, Scratch::new()?);
    release(&maker, "first", FIRST)?;
    release(&maker, "second", SECOND)?;
    release(&receiver, "first", FIRST)?;
    Ok((maker, receiver))
}

#[test]
fn a_delta_carries_a_release_to_another_store() -> Outcome {
    let (maker, receiver) = stores()?;
    let file = receiver.path("update.delta");
    let line = format!("delta make stable~1 stable -o {}", file.display());
    let made = maker.json(&line)?;
    assert_eq!(number(&made, "bytes")?, fs::metadata(&file)?.len());
    let counts = ["files", "patched", "whole"].map(|field| made.get(field).and_then(Value::as_u64));
    assert_eq!(counts.map(|count| count.is_some()), [true; 3], "{made}");
    assert_eq!(counts[0], Some(3), "{made}");
    let snapshot = text(&maker.json("show stable")?, "snapshot")?;

    let shown = receiver.json("delta show update.delta")?;
    assert_eq!(text(&shown, "snapshot")?, snapshot);
    let first = text(&receiver.json("show stable")?, "snapshot")?;
    assert!(first.starts_with(&text(&shown, "from")?), "{shown}");
    let people = receiver.ok("delta show update.delta")?;
    for part in [
        "removed",
        "gone.txt",
        "old",
        "moved/same.txt  from doc/same.txt",
    ] {
        assert!(people.stdout.contains(part), "{part}: {}", people.stdout);
    }

    let applied = receiver.json("delta apply update.delta --ref stable")?;
    let build = number(&applied, "build")?;
    assert_eq!(text(&applied, "snapshot")?, snapshot);
    receiver.write("second", SECOND)?;
    receiver.expect_checkout(&format!("build:{build}"), "tested", "second")?;
    receiver.ok(&format!("publish {build} --require-tested"))?;
    assert_eq!(text(&receiver.json("show stable")?, "snapshot")?, snapshot);
    receiver.expect_sound()
}

#[test]
fn a_single_snapshot_is_packed_whole_for_who_has_nothing() -> Outcome {
    let (maker, _) = stores()?;
    let other = Scratch::new()?;
    let file = other.path("full.delta");
    maker.ok(&format!("delta make stable -o {}", file.display()))?;
    assert!(other.json("delta show full.delta")?.get("from").is_none());
    let build = number(&other.json("delta apply full.delta")?, "build")?;
    other.write("second", SECOND)?;
    other.expect_checkout(&format!("build:{build}"), "out", "second")?;
    other.ok(&format!("build purge {build}"))?;
    other.expect_sound()
}

#[test]
fn a_delta_goes_to_standard_output_if_no_file_is_named() -> Outcome {
    let (maker, _) = stores()?;
    maker.ok("delta make stable~1 stable -o named.delta")?;
    let output = maker
        .command("delta make stable~1 stable".split(' '))
        .stdout(Stdio::piped())
        .output()?;
    assert!(output.status.success());
    assert_eq!(output.stdout, fs::read(maker.path("named.delta"))?);
    maker.fails(
        "delta make stable~1 stable --json",
        2,
        &["a delta is no text"],
    )?;
    Ok(())
}

#[test]
fn a_plan_says_which_bases_would_be_tried_and_writes_nothing() -> Outcome {
    let (maker, _) = stores()?;
    let before = files_beneath(&maker.path("."))?;
    let plan = maker.json("delta make stable~1 stable --dry-run")?;
    let paths = plan.get("paths").and_then(Value::as_array).cloned();
    let paths = paths.unwrap_or_default();
    let bases = |path: &str| {
        let line = paths.iter().find(|line| line["path"] == path);
        line.map(|line| line["bases"].clone())
    };
    assert_eq!(bases("bin/tool"), Some(["bin/tool"][..].into()));
    assert_eq!(
        bases("doc/guide-1.1.txt"),
        Some(["doc/guide-1.0.txt"][..].into())
    );
    assert_eq!(files_beneath(&maker.path("."))?, before);
    maker.fails("delta make stable --dry-run", 2, &["single snapshot"])?;
    Ok(())
}

#[test]
fn a_delta_that_is_not_whole_is_refused_and_nothing_is_left_over() -> Outcome {
    let (maker, receiver) = stores()?;
    let file = receiver.path("update.delta");
    maker.ok(&format!("delta make stable~1 stable -o {}", file.display()))?;
    let delta = fs::read(&file)?;
    let packs = files_beneath(&receiver.store().join("packs"))?;
    let refused = |name: &str, bytes: &[u8], code: i32, parts: &[&str]| -> Outcome {
        fs::write(receiver.path(name), bytes)?;
        receiver.fails(&format!("delta apply {name}"), code, parts)?;
        assert_eq!(
            files_beneath(&receiver.store().join("packs"))?,
            packs,
            "{name}"
        );
        assert!(
            files_beneath(&receiver.store().join("tmp"))?.is_empty(),
            "{name}"
        );
        Ok(())
    };
    refused("text", b"no delta at all\n", 7, &["malformed"])?;
    refused("empty", b"", 7, &["shorter"])?;
    for cut in [40, delta.len() / 2, delta.len() - 1] {
        refused("cut", &delta[..cut], 7, &["malformed"])?;
    }
    for at in [40, delta.len() / 2, delta.len() - 40] {
        let mut bad = delta.clone();
        bad[at] ^= 1;
        refused("flipped", &bad, 7, &["malformed"])?;
    }
    let mut other_start = delta.clone();
    other_start[16] ^= 1;
    refused(
        "start",
        &other_start,
        3,
        &["no snapshot", "from which the delta starts"],
    )?;
    assert_eq!(
        receiver.json("build list")?["builds"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    receiver.fails("delta apply absent", 3, &["absent"])?;
    receiver.fails("delta show text", 7, &["malformed"])?;
    receiver.expect_sound()
}

#[test]
fn a_store_without_the_first_snapshot_is_told_which_one_it_needs() -> Outcome {
    let (maker, _) = stores()?;
    let other = Scratch::new()?;
    let file = other.path("update.delta");
    maker.ok(&format!("delta make stable~1 stable -o {}", file.display()))?;
    let first = text(&maker.json("show stable~1")?, "snapshot")?;
    other.fails(
        "delta apply update.delta",
        3,
        &["no snapshot", &first[..32]],
    )?;
    Ok(())
}

#[test]
fn jobs_prepare_deltas_and_a_job_that_fails_does_not_touch_what_is_published() -> Outcome {
    let scratch = Scratch::new()?;
    release(&scratch, "first", FIRST)?;
    release(&scratch, "second", SECOND)?;
    let owed = scratch.json("run-jobs --dry-run")?;
    let [to, from] = ["to", "from"].map(|field| text(&owed["deltas"][0], field));
    // Nothing can get the name that a folder has.
    let in_the_way = scratch
        .store()
        .join(format!("deltas/main/{}-{}.pack", to?, from?));
    fs::create_dir_all(&in_the_way)?;
    let failed = scratch.run(["run-jobs"])?;
    assert_eq!(failed.code, 9, "{failed:?}");
    assert!(failed.stderr.contains("1 job failed"), "{failed:?}");
    assert!(files_beneath(&scratch.store().join("tmp"))?.is_empty());
    scratch.expect_checkout("stable", "out", "second")?;
    release(&scratch, "third", FIRST)?;
    fs::remove_dir(&in_the_way)?;

    let owed = scratch.json("run-jobs --dry-run")?;
    assert_eq!(lengths(&owed), Some(2), "{owed}");
    let done = scratch.json("run-jobs")?;
    assert_eq!(lengths(&done), Some(2), "{done}");
    assert_eq!(lengths(&scratch.json("run-jobs")?), Some(0));
    let stats = scratch.json("stats")?;
    assert_eq!(number(&stats, "deltas")?, 2);
    let mut bytes = 0;
    for file in files_beneath(&scratch.store().join("deltas"))? {
        bytes += fs::metadata(file)?.len();
    }
    assert_eq!(number(&stats, "delta_bytes")?, bytes);
    scratch.ok("-y retire stable --keep-last 1")?;
    assert_eq!(number(&scratch.json("stats")?, "deltas")?, 0);
    scratch.expect_sound()
}

#[test]
fn no_delta_is_begun_for_a_release_whose_seconds_are_spent() -> Outcome {
    let scratch = Scratch::new()?;
    release(&scratch, "first", FIRST)?;
    release(&scratch, "second", SECOND)?;
    release(&scratch, "third", FIRST)?;
    let settings = scratch.store().join("bindery.toml");
    let without = fs::read_to_string(&settings)?;
    // None of the seconds is left before the first, and all but a few behind it.
    for (seconds, expected) in [(0, 0), (600, 2)] {
        let policy = format!("[[ref]]\npattern = \"**\"\ndelta_seconds = {seconds}\n");
        fs::write(&settings, format!("{without}\n{policy}"))?;
        let done = scratch.json("run-jobs")?;
        assert_eq!(lengths(&done), Some(expected), "{seconds}: {done}");
        assert_eq!(number(&scratch.json("stats")?, "deltas")?, expected as u64);
    }
    scratch.expect_sound()
}

fn lengths(answer: &Value) -> Option<usize> {
    Some(answer.get("deltas")?.as_array()?.len())
}
