//! What others say about builds and refs, as a terminal is shown it.
//!
//! # Not here
//!
//! Lines of the audit log, and what a server says (beside the commands that show it).

use serde_json::Value;

use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch, text};

/// A text that is shown in another order than it is written in, and how it is made printable.
const TURNED: (&str, &str) = ("a\u{202e}b", "a b");
/// What a terminal obeys.
const OBEYED: [&str; 4] = ["a\u{1b}[2Jb", "a\u{7}b", "a\nb", "a\rb"];

fn run(scratch: &Scratch, words: &[&str]) -> Result<Answer, Box<dyn std::error::Error>> {
    Answer::of(&mut scratch.command(words))
}

/// Checks that what a command shows of it is printable.
fn expect_printable(scratch: &Scratch, line: &str) -> Outcome {
    let answer = scratch.ok(line)?;
    let shown = answer.stdout + &answer.stderr;
    assert!(shown.contains(TURNED.1), "{line}: {shown}");
    let is_foul =
        |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
    assert!(!shown.contains(is_foul), "{line}: {shown:?}");
    Ok(())
}

#[test]
fn what_a_terminal_obeys_is_refused_where_it_comes_in() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    let build = scratch.commit("stable", "tree")?.to_string();
    scratch.publish("testing", "tree")?;
    scratch.ok("build create --ref stable")?;
    let open = (build.parse::<u64>()? + 2).to_string();
    scratch.ok(&format!("build stage {open} tree"))?;
    for said in OBEYED {
        let label = format!("key={said}");
        let held = format!("build:{build}");
        for words in [
            &["build", "create", "--label", &label][..],
            &["build", "check", &build, "lint", "--fail", "-m", said],
            &["hold", &held, "--reason", said],
            &["hold", "testing", "--reason", said],
        ] {
            run(&scratch, words)?.expect_failure(2, &["line"])?;
        }
        if said != "a\nb" {
            // A message has lines, and nothing else of that sort.
            run(&scratch, &["build", "commit", &open, "-m", said])?.expect_failure(2, &[])?;
        }
    }
    let shown = scratch.json(&format!("build show {build}"))?;
    assert_eq!(
        (&shown["held"], &shown["checks"]),
        (&Value::Null, &Value::Array(Vec::new()))
    );
    scratch.expect_sound()
}

#[test]
fn what_turns_the_order_of_a_line_is_not_shown() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    let label = format!("tag={}", TURNED.0);
    run(
        &scratch,
        &["build", "create", "--ref", "stable", "--label", &label],
    )?
    .expect_code(0)?;
    scratch.ok("build stage 1 tree")?;
    run(&scratch, &["build", "commit", "1", "-m", TURNED.0])?.expect_code(0)?;
    for line in ["build show 1", "build list", "show build:1"] {
        expect_printable(&scratch, line)?;
    }
    let check = ["build", "check", "1", "lint", "--pass", "-m", TURNED.0];
    run(&scratch, &check)?.expect_code(0)?;
    run(&scratch, &["hold", "build:1", "--reason", TURNED.0])?.expect_code(0)?;
    for line in ["build show 1", "build log 1"] {
        expect_printable(&scratch, line)?;
    }
    scratch.fails("publish 1", 5, &["build 1 is held: a b\n"])?;
    let shown = scratch.json("build show 1")?;
    assert_eq!(
        (
            text(&shown, "held")?,
            text(&shown["checks"][0], "message")?,
            text(&shown["labels"], "tag")?
        ),
        (TURNED.0.into(), TURNED.0.into(), TURNED.0.into()),
        "a document says exactly what was said"
    );
    assert_eq!(text(&scratch.json("show build:1")?, "message")?, TURNED.0);
    scratch.ok("release build:1")?;
    scratch.ok("publish 1")?;
    run(&scratch, &["hold", "stable", "--reason", TURNED.0])?.expect_code(0)?;
    for line in ["log stable", "refs"] {
        expect_printable(&scratch, line)?;
    }
    scratch.expect_sound()
}
