//! The documents tell the truth: every command they show is run as shown, and must print what they say.
//!
//! In blocks of code marked `console`, a line that begins with `$ ` is a command for `sh`, lines after it that begin with
//! `> ` go on with it, and the other lines are what it prints to both outputs. `[..]` stands for anything within a line,
//! and a line `...` for any lines. The blocks of a document run in order in one folder, each command must succeed, and
//! the clock stands still at the time of [`NOW`].
//!
//! # Invariants
//!
//! - A document without commands fails: it would be tested for nothing.
//!
//! # Not here
//!
//! The two commands of the README for a fresh machine: `.ci/run` takes its test command from there.

use std::path::Path;
use std::process::Command;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// 2026-11-22T09:00:00Z, in seconds since 1970.
const NOW: &str = "1795338000";

/// A command and what it is said to print.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    /// The line of the document, counted from 1.
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// The commands of a document, in order.
fn steps(document: &str) -> Outcome<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut within = false;
    for (line, text) in (1..).zip(document.lines()) {
        if let Some(mark) = text.strip_prefix("```") {
            within = mark == "console";
        } else if !within {
        } else if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step {
                line,
                command: command.to_owned(),
                expected: Vec::new(),
            });
        } else {
            let step = steps.last_mut().ok_or("output before the first command")?;
            match text.strip_prefix("> ") {
                Some(more) if step.expected.is_empty() => step.command.extend(["\n", more]),
                _ => step.expected.push(text.to_owned()),
            }
        }
    }
    Ok(steps)
}

/// Whether `actual` is one line of what `expected` allows.
fn line_matches(expected: &str, actual: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == actual,
        Some((start, rest)) => actual.strip_prefix(start).is_some_and(|tail| {
            let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            ends.into_iter().any(|at| line_matches(rest, &tail[at..]))
        }),
    }
}

/// Whether `actual` is what `expected` allows.
fn lines_match(expected: &[String], actual: &[&str]) -> bool {
    match expected {
        [] => actual.is_empty(),
        [any, rest @ ..] if any == "..." => {
            (0..=actual.len()).any(|at| lines_match(rest, &actual[at..]))
        }
        [first, rest @ ..] => actual
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others)),
    }
}

/// Runs the commands of a document in a folder of their own.
fn run_as_shown(name: &str) -> Outcome {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))?;
    let steps = steps(&document)?;
    assert!(!steps.is_empty(), "{name} shows no commands");
    let folder = tempfile::tempdir()?;
    let program = Path::new(env!("CARGO_BIN_EXE_bindery"));
    let programs = program.parent().ok_or("the program lies in no folder")?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    for step in steps {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{}", step.command)])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", &path)
            .env("HOME", folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", NOW)
            .output()?;
        let printed = String::from_utf8(output.stdout)?;
        let actual: Vec<&str> = printed.lines().collect();
        assert!(
            output.status.success() && lines_match(&step.expected, &actual),
            "{name}:{}: $ {}\n{printed}({})\nbut the document says\n{}\n",
            step.line,
            step.command,
            output.status,
            step.expected.join("\n"),
        );
    }
    Ok(())
}

#[test]
fn the_readme_runs_as_shown() -> Outcome {
    run_as_shown("README.md")
}

#[test]
fn the_guide_runs_as_shown() -> Outcome {
    run_as_shown("docs/guide.md")
}

#[test]
fn the_operations_run_as_shown() -> Outcome {
    run_as_shown("docs/operations.md")
}

#[test]
fn commands_are_told_from_what_they_print() -> Outcome {
    let document = "text\n$ no\n```sh\n$ no\n```\n```console\n$ a \\\n> b\nc\n> d\n\n$ e\n```\n";
    let found = steps(document)?;
    let expected = [(7, "a \\\nb", vec!["c", "> d", ""]), (12, "e", vec![])];
    assert_eq!(found.len(), expected.len());
    for (step, (line, command, lines)) in found.into_iter().zip(expected) {
        assert_eq!((step.line, step.command.as_str()), (line, command));
        assert_eq!(step.expected, lines);
    }
    Ok(())
}

#[test]
fn wild_cards_match_what_they_stand_for() {
    for (expected, actual, matches, reason) in [
        ("a\nb", "a\nb", true, "the same"),
        ("a\nb", "a", false, "a line is missing"),
        ("a", "a\nb", false, "a line is too many"),
        ("id [..] ok", "id 12ab ok", true, "a wild card"),
        ("id [..] ok", "id ok", false, "a wild card is no licence"),
        ("[..] of [..]", "1 of 2 of 3", true, "two wild cards"),
        ("a\n...\nc", "a\nb\nb\nc", true, "any lines"),
        ("...\nc", "c", true, "no lines"),
        ("a\n...", "b\nc", false, "another first line"),
    ] {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        let actual: Vec<&str> = actual.lines().collect();
        assert_eq!(lines_match(&expected, &actual), matches, "{reason}");
    }
}
