//! Names of things that are not there, and texts that are no names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::{Outcome, text};

const BUILD: &[&str] = &["no build 99", "hint:", "bindery build list"];
const NIGHTLY: &[&str] = &["no ref nightly", "hint:", "bindery refs"];
const RELEASE: &[&str] = &["no release stable", "99", "hint:", "bindery log"];
const PATH: &[&str] = &["no path no/such", "hint:", "bindery ls"];

/// Command lines that name what is not there, and what the answer has in it.
const MISSING: &[(&str, &[&str])] = &[
    ("build show 99", BUILD),
    ("build log 99", BUILD),
    ("build stage 99 tree", BUILD),
    ("build remove 99 etc", BUILD),
    ("build commit 99", BUILD),
    ("build check 99 lint --pass", BUILD),
    ("build purge 99", BUILD),
    ("build purge 99 --dry-run", BUILD),
    ("build create --from 99", BUILD),
    ("publish 99", BUILD),
    ("withdraw 99", BUILD),
    ("ls build:99", BUILD),
    ("ls nightly", NIGHTLY),
    ("ls nightly@1", NIGHTLY),
    ("log nightly", NIGHTLY),
    ("verify nightly", NIGHTLY),
    ("checkout nightly out", NIGHTLY),
    ("diff stable nightly", NIGHTLY),
    ("rollback nightly --to 1", NIGHTLY),
    ("hold nightly", NIGHTLY),
    ("release nightly", NIGHTLY),
    ("retire nightly --keep-last 1", NIGHTLY),
    ("ls stable@99", RELEASE),
    ("ls stable~99", RELEASE),
    ("rollback stable --to 99", RELEASE),
    (
        "show 0123456789abcdef",
        &["no ref or snapshot 0123456789abcdef"],
    ),
    ("ls stable no/such", PATH),
    (
        "ls stable etc/tool.conf/below",
        &["no path etc/tool.conf/below"],
    ),
    ("cat stable no/such", PATH),
    ("checkout stable out --path no/such", PATH),
    ("build remove 2 no/such", PATH),
    (
        "build stage 2 no/such",
        &["cannot stage no/such", "No such file"],
    ),
    (
        "build create --repo nowhere",
        &["no repo nowhere", "bindery repo list"],
    ),
    ("refs --repo nowhere", &["no repo nowhere"]),
    ("ls nowhere:stable", &["no repo nowhere"]),
    (
        "key export bob",
        &["no key bob", "hint:", "bindery key list"],
    ),
    ("key import no-such.key", &["no-such.key"]),
    (
        "stats -s elsewhere",
        &["no store at", "elsewhere", "hint:", "bindery init"],
    ),
    ("stats -C elsewhere", &["cannot enter elsewhere"]),
];

#[test]
fn what_is_not_there_is_named_with_the_command_that_lists_what_is() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    for (line, parts) in MISSING {
        scratch.fails(line, 3, parts)?;
    }
    assert!(
        !scratch.path("out").exists(),
        "nothing is made for what is not there"
    );
    assert!(!scratch.path("elsewhere").exists());
    expect_nothing_lost(&scratch)
}

#[test]
fn what_makes_no_sense_is_refused_as_usage() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let deep = vec!["d"; 129].join("/");
    let long = "n".repeat(256);
    for (line, part) in [
        ("build stage 2", "PATH"),
        ("build show seventeen", "a build is named by its number"),
        ("build create --ref .hidden", ".hidden"),
        ("build create --ref a//b", "a//b"),
        ("build create --label novalue", "KEY=VALUE"),
        ("build create --label a=1 --label a=2", "twice"),
        (
            "build stage 2 mine tree --replace",
            "one path can replace a directory, not 2",
        ),
        ("build stage 2 mine --at ../up", "'.' or '..'"),
        ("build stage 2 mine --at a/.bindery", "reserved"),
        ("build stage 2 mine --at a\u{7}b", "control character"),
        (
            &format!("build stage 2 mine --at {deep}"),
            "more than 128 names deep",
        ),
        (
            &format!("build stage 2 mine --at {long}"),
            "256 bytes, more than 255",
        ),
        ("build stage 2 mine --exclude [", "["),
        ("ls stable@x", "\"x\" is no number"),
        ("ls stable~x", "\"x\" is no number"),
        ("ls build:x", "\"x\" is no number"),
        ("ls sta*ble", "other than A-Z"),
        ("cat stable etc", "is a directory"),
        ("diff stable", "<B>"),
        ("publish 2 --on-conflict both", "both"),
        ("rollback stable", "--to"),
        ("init --profile windows", "windows"),
        ("repo create -x", "-x"),
        ("stats --lock-wait soon", "soon"),
        ("stats --no-such-option", "--no-such-option"),
        ("no-such-command", "no-such-command"),
        ("help no-such-command", "no-such-command"),
        ("completions tcsh", "tcsh"),
    ] {
        scratch.fails(line, 2, &[part])?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn a_misspelt_command_is_answered_with_the_nearest_one() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.fails("comit", 2, &["comit"])?;
    scratch.fails("build comit 2", 2, &["comit", "commit"])?;
    scratch.fails("publihs 2", 2, &["publihs", "publish"])?;
    Ok(())
}

#[test]
fn arguments_that_are_no_text_are_refused() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let bad = OsStr::from_bytes(b"bad\xff");
    for words in [
        [OsStr::new("ls"), bad].as_slice(),
        &[
            OsStr::new("build"),
            OsStr::new("stage"),
            OsStr::new("2"),
            OsStr::new("mine"),
            OsStr::new("--at"),
            bad,
        ],
    ] {
        scratch.run(words)?.expect_failure(2, &["UTF-8"])?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn a_failure_is_one_document_where_json_is_asked_for() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    for (line, code, word) in [
        ("build show 99 --json", 3, "not_found"),
        ("build show x --json", 2, "usage"),
        ("publish 2 --json", 5, "conflict"),
    ] {
        let error = scratch.fails(line, code, &[])?.json_error()?;
        assert_eq!(error["schema"], 1, "{line}");
        assert_eq!(text(&error["error"], "code")?, word, "{line}");
        assert!(!text(&error["error"], "message")?.is_empty(), "{line}");
    }
    Ok(())
}
