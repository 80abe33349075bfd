//! Bad input: what is asked for and cannot be, each with its exit code, a message that says what to do, and nothing lost.
//!
//! # Invariants
//!
//! - Every variant of the library's error is provoked by a test, which a table names: see `variants`.
//!
//! # Not here
//!
//! What works (`life`); a loss of power or a failing disk at every write (`crash`).

mod damage;
mod full_disk;
mod names;
mod permissions;
mod processes;
mod settings;
mod sources;
mod states;
mod variants;

use std::error::Error;

use crate::support::Node::{Executable, File};
use crate::support::{Node, Outcome, Scratch};

/// A small tree.
const TREE: &[(&str, Node<'_>)] = &[
    ("bin/tool", Executable("#!/bin/sh\n")),
    ("etc/tool.conf", File("level = 1\n")),
];

/// A store whose build 1 is published as `stable@1` and whose build 2 is open, with the file `mine` staged.
fn with_a_release_and_an_open_build() -> Result<Scratch, Box<dyn Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    scratch.write("mine", &[("mine", File("mine"))])?;
    assert_eq!(scratch.publish("stable", "tree")?, 1);
    assert_eq!(scratch.stage("stable", "mine")?, 2);
    Ok(scratch)
}

/// Expects nothing to be lost: the release is whole, and the open build is published as if nothing had happened.
fn expect_nothing_lost(scratch: &Scratch) -> Outcome {
    scratch.expect_sound()?;
    scratch.expect_checkout("stable", "out-of-stable", "tree")?;
    scratch.ok("build commit 2")?;
    assert_eq!(scratch.ok("publish 2")?.text(), "stable@2");
    let added = scratch.ok("diff stable~1 stable --name-status")?;
    assert_eq!(added.lines(), ["A\tmine"]);
    scratch.ok("verify")?;
    scratch.expect_sound()
}
