//! The server, asked over HTTP by clients that send whatever a test says, and by our own.

mod access;
mod admin;
mod borrowing;
mod browsers;
mod builds;
mod caches;
mod checks;
mod commands;
mod crowd;
mod damaged;
mod described;
mod elsewhere;
mod events;
mod export_lock;
mod exporting;
mod exports;
mod files;
mod following;
mod gone;
mod hidden;
mod jobs;
mod limits;
mod looking;
mod lying;
mod mirroring;
mod narrow;
mod paces;
mod pages;
mod pending;
mod plans;
mod pulling;
mod pushes;
mod refused;
mod running;
mod smuggling;
mod subtrees;
mod taking;
mod uploads;

use std::error::Error;

use crate::support::Scratch;
use crate::support::served::Served;

/// A small tree.
pub const TREE: &[(&str, crate::support::Node<'_>)] = &[
    (
        "bin/tool",
        crate::support::Node::Executable("#!/bin/sh\necho one\n"),
    ),
    ("bin/latest", crate::support::Node::Link("tool")),
    ("bin/out", crate::support::Node::Link("../../etc/passwd")),
    (
        "etc/a name&<b>.conf",
        crate::support::Node::File("level = 1\n"),
    ),
    ("index.txt", crate::support::Node::File("0123456789")),
];

/// A store with the repo `main` that is served, and the folder `tree` with a small tree.
pub fn served(options: &str) -> Result<(Scratch, Served), Box<dyn Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    let served = Served::start(&scratch, options)?;
    Ok((scratch, served))
}

/// The same, with a release of `stable`.
pub fn released(options: &str) -> Result<(Scratch, Served), Box<dyn Error>> {
    let (scratch, served) = served(options)?;
    let line = format!("push tree --ref stable --publish --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    Ok((scratch, served))
}
