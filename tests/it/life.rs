//! The life of a build through the real binary: what vision.md promises a CI job and a release engineer.
//!
//! # Not here
//!
//! What goes wrong (`bad_input`), the same verbs at random against a model (`model`).

mod answers;
mod checks;
mod demo;
mod ending;
mod exchange;
mod looking;
mod plans;
mod printable;
mod publish_after;
mod publishing;
mod repos;
mod staging;
mod tokens;

use crate::support::Node::{Executable, File, Folder, Link};
use crate::support::{Node, Outcome, Scratch, files_beneath, number, text};

/// A small tree with one of everything that trees keep.
pub const SMALL: &[(&str, Node<'_>)] = &[
    ("bin/tool", Executable("#!/bin/sh\necho one\n")),
    ("bin/latest", Link("tool")),
    ("etc/tool.conf", File("level = 1\n")),
    ("empty.txt", File("")),
    ("var/empty", Folder),
];

#[test]
fn a_build_lives_from_creation_to_publication_and_a_second_one_changes_it() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("first", SMALL)?;
    assert_eq!(scratch.ok("build create --ref stable")?.text(), "1");
    scratch.ok("build stage 1 first")?;
    let snapshot = scratch.ok("build commit 1 -m first")?.text().to_owned();
    scratch.expect_checkout("build:1", "tested", "first")?;
    assert!(
        scratch.run(["refs"])?.text().is_empty(),
        "users see nothing of a build before it is published"
    );
    assert_eq!(scratch.ok("publish 1")?.text(), "stable@1");
    assert_eq!(text(&scratch.json("show stable")?, "snapshot")?, snapshot);
    scratch.expect_checkout("stable", "out", "first")?;

    scratch.write(
        "change",
        &[
            ("etc/tool.conf", File("level = 2\n")),
            ("doc/new", File("new\n")),
        ],
    )?;
    let build = scratch.commit("stable", "change")?;
    let diff = scratch.ok(&format!("diff stable build:{build} --name-status"))?;
    assert_eq!(diff.lines(), ["A\tdoc/new", "M\tetc/tool.conf"]);
    assert_eq!(scratch.ok(&format!("publish {build}"))?.text(), "stable@2");
    scratch.write("second", SMALL)?;
    scratch.write(
        "second",
        &[
            ("etc/tool.conf", File("level = 2\n")),
            ("doc/new", File("new\n")),
        ],
    )?;
    scratch.expect_checkout("stable", "out", "second")?;
    scratch.expect_checkout("stable@1", "again", "first")?;
    scratch.ok("verify")?;
    scratch.expect_sound()
}

#[test]
fn a_release_can_be_rolled_back_and_a_build_withdrawn() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("one", &[("a", File("1")), ("b", File("1"))])?;
    scratch.write("two", &[("a", File("2"))])?;
    scratch.write("three", &[("b", File("3"))])?;
    scratch.publish("stable", "one")?;
    let second = scratch.publish("stable", "two")?;
    scratch.publish("stable", "three")?;
    assert_eq!(scratch.ok("rollback stable --to 1")?.text(), "stable@4");
    scratch.expect_checkout("stable", "out", "one")?;
    assert_eq!(scratch.ok("rollback stable --to 3")?.text(), "stable@5");
    assert_eq!(
        scratch.ok(&format!("withdraw {second}"))?.text(),
        "stable@6"
    );
    scratch.write("without", &[("a", File("1")), ("b", File("3"))])?;
    scratch.expect_checkout("stable", "out", "without")?;
    scratch.ok("verify")?;
    scratch.expect_sound()
}

#[test]
fn purging_a_build_gives_back_the_bytes_that_only_it_held_before_it_returns() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("first", SMALL)?;
    scratch.publish("stable", "first")?;
    let packs = scratch.store().join("packs");
    let before = files_beneath(&packs)?;
    scratch.write("big", &[("big", File(&"0123456789abcdef".repeat(4096)))])?;
    let build = scratch.commit("stable", "big")?;
    let during = files_beneath(&packs)?;
    let own_bytes = sum_bytes(&during)? - sum_bytes(&before)?;
    let receipt = scratch.json(&format!("build purge {build}"))?;
    assert_eq!(number(&receipt, "bytes")?, own_bytes);
    assert_eq!(
        number(&receipt, "packs")?,
        (during.len() - before.len()) as u64
    );
    assert!(number(&receipt, "objects")? > 0);
    assert_eq!(
        files_beneath(&packs)?,
        before,
        "they are gone when it returns"
    );
    scratch.expect_checkout("stable", "out", "first")?;
    scratch.expect_sound()
}

/// The bytes of some files.
pub fn sum_bytes(files: &[std::path::PathBuf]) -> std::io::Result<u64> {
    files.iter().map(|file| Ok(file.metadata()?.len())).sum()
}
