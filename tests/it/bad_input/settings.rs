//! Settings that a store cannot be opened with.

use std::fs;

use super::{expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::{Answer, Outcome, Scratch};

/// Runs a read and a write with other settings, and puts the settings back.
fn check(scratch: &Scratch, settings: &str, code: i32, parts: &[&str]) -> Outcome {
    let place = scratch.store().join("bindery.toml");
    let before = fs::read_to_string(&place)?;
    fs::write(&place, settings)?;
    scratch.fails("ls stable", code, parts)?;
    scratch.fails("build create", code, parts)?;
    Ok(fs::write(&place, before)?)
}

#[test]
fn a_store_of_a_newer_format_is_left_alone() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let parts = ["bindery.toml has format 2", "reads format 1", "hint:"];
    check(&scratch, "format = 2\n", 8, &parts)?;
    check(&scratch, "format = 2\nshiny = \"new\"\n", 8, &parts)?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_setting_that_is_not_known_is_answered_with_the_nearest_one() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let unknown = [
        "bindery.toml",
        "unknown field `key`",
        "did you mean `keys`?",
    ];
    check(&scratch, "format = 1\nkey = \"x\"\n", 2, &unknown)?;
    let unknown = ["unknown field `keep`", "did you mean `keep_"];
    check(
        &scratch,
        "format = 1\n[[ref]]\npattern = \"*\"\nkeep = 1\n",
        2,
        &unknown,
    )?;
    for (settings, part) in [
        ("", "format = 1"),
        ("format = \"one\"\n", "format = 1"),
        ("format = 1\nthis is no setting\n", "line 2"),
        ("format = 1\n[[ref]]\npattern = \"[\"\n", "["),
        (
            "format = 1\n[[ref]]\npattern = \"*\"\non_conflict = \"both\"\n",
            "both",
        ),
        (
            "format = 1\n[[ref]]\npattern = \"*\"\nchecks = [\"a/b\"]\n",
            "name has a character other than",
        ),
        (
            "format = 1\n[[ref]]\npattern = \"*\"\nchecks = [\"a\", \"a\"]\n",
            "the check a is named twice",
        ),
    ] {
        check(&scratch, settings, 2, &["bindery.toml", part])?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn settings_that_are_no_text_or_too_large_are_refused() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let place = scratch.store().join("bindery.toml");
    let before = fs::read(&place)?;
    fs::write(&place, b"format = 1 # \xff\n")?;
    scratch.fails("ls stable", 2, &["bindery.toml", "utf-8"])?;
    fs::write(&place, vec![b'#'; 2 * 1024 * 1024])?;
    scratch.fails("ls stable", 1, &["2097152", "limit"])?;
    fs::remove_file(&place)?;
    scratch.fails("ls stable", 3, &["no store at"])?;
    fs::write(&place, before)?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_time_that_is_no_time_is_refused() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    for time in [
        "yesterday",
        "-1",
        "1.5",
        "99999999999999999999",
        "9999999999999",
    ] {
        let mut command = scratch.command(["build", "create"]);
        command.env("SOURCE_DATE_EPOCH", time);
        Answer::of(&mut command)?.expect_failure(1, &["cannot read the time"])?;
    }
    expect_nothing_lost(&scratch)
}
