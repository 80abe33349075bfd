//! The demo: what it leaves behind.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Scratch, files_beneath};

/// How long the demo may take to make a store.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the demo, with `more` said, until it has a store, and sends it a signal then; says how many folders it left.
fn stopped(more: &str, name: &str, number: i32) -> Result<usize, Box<dyn std::error::Error>> {
    let scratch = Scratch::empty()?;
    let folder = scratch.path("temporary");
    fs::create_dir(&folder)?;
    let mut command = scratch.command(format!("demo {more}").split_whitespace());
    command.env("TMPDIR", &folder).stdout(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn()?;
    while !files_beneath(&folder)
        .unwrap_or_default()
        .iter()
        .any(|file| file.ends_with(".bindery/bindery.toml"))
    {
        assert!(begun.elapsed() < PATIENCE, "it has no store");
        thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    Command::new("kill").args(["-s", name, &id]).status()?;
    assert_eq!(child.wait()?.signal(), Some(number), "{more} {name}");
    Ok(fs::read_dir(&folder)?.count())
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing_behind_unless_it_is_to_be_kept() -> Outcome {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        assert_eq!(stopped("", name, number)?, 0, "{name}");
        assert_eq!(stopped("--keep", name, number)?, 1, "{name}");
    }
    Ok(())
}
