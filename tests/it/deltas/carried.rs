//! Deltas and bundles as files that users name: where they may be written, and what is said of those that cannot be taken.
//!
//! # Not here
//!
//! What is in them (`deltas`, `remote::bundles`).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use super::{FIRST, SECOND, release, stores};
use crate::support::{Outcome, Scratch, number, text};

/// The lines that make the same file, each with `-o` at its end.
const MAKERS: [&str; 2] = [
    "delta make stable~1 stable -o",
    "bundle create stable --from stable~1 -o",
];

#[test]
fn what_a_user_has_is_left_alone_when_a_file_is_written() -> Outcome {
    let (maker, _) = stores()?;
    for line in MAKERS {
        maker.ok(&format!("{line} plain"))?;
        let plain = fs::read(maker.path("plain"))?;
        fs::write(maker.path("z.next"), "mine")?;
        fs::write(maker.path("real"), "old")?;
        fs::set_permissions(maker.path("real"), PermissionsExt::from_mode(0o640))?;
        symlink("real", maker.path("z"))?;
        maker.ok(&format!("{line} z"))?;
        assert!(
            fs::symlink_metadata(maker.path("z"))?.is_symlink(),
            "{line}"
        );
        assert_eq!(fs::read(maker.path("real"))?, plain, "{line}");
        let mode = fs::metadata(maker.path("real"))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{line}");
        assert_eq!(fs::read(maker.path("z.next"))?, b"mine", "{line}");
        fs::remove_file(maker.path("z"))?;
        for typed in ["none/file", "z.next/below"] {
            let failed = maker.run(format!("{line} {typed}").split(' '))?;
            let expected = format!("error: cannot write {typed}: ");
            assert!(failed.stderr.starts_with(&expected), "{failed:?}");
        }
        maker.fails(&format!("{line} .bindery"), 2, &[".bindery is a folder"])?;
    }
    Ok(())
}

#[test]
fn a_pipe_is_written_to_and_standard_output_has_a_name() -> Outcome {
    let (maker, _) = stores()?;
    for line in MAKERS {
        maker.ok(&format!("{line} plain"))?;
        let plain = fs::read(maker.path("plain"))?;
        for name in ["-", "/dev/stdout"] {
            let mut command = maker.command(format!("{line} {name}").split(' '));
            let output = command.stdout(Stdio::piped()).output()?;
            assert!(output.status.success(), "{line} {name}");
            assert!(output.stdout == plain, "{line} {name}");
            maker.fails(&format!("{line} {name} --json"), 2, &["is no text"])?;
        }
        // The reader ends when the writer does; neither waits for long if there is a fault.
        let script = format!(
            "mkfifo pipe && {{ timeout 60 cat pipe >through & }} && timeout 60 \"$BINDERY\" {line} pipe && wait"
        );
        let mut command = Command::new("sh");
        maker.isolate(&mut command);
        command.env("BINDERY", env!("CARGO_BIN_EXE_bindery"));
        let output = command.args(["-c", &script]).output()?;
        assert!(output.status.success(), "{output:?}");
        assert!(fs::read(maker.path("through"))? == plain, "{line}");
        assert!(
            !fs::metadata(maker.path("pipe"))?.is_file(),
            "it stays a pipe"
        );
        fs::remove_file(maker.path("pipe"))?;
    }
    Ok(())
}

#[test]
fn a_pipe_and_standard_input_are_read_from() -> Outcome {
    let (maker, receiver) = stores()?;
    maker.ok(&format!("{} update", MAKERS[0]))?;
    maker.ok("bundle create stable -o update.bundle")?;
    let shown = maker.ok("delta show update")?.stdout;
    let copy = Scratch::empty()?;
    copy.ok("init --no-repo")?;
    for (scratch, line, file) in [
        (&receiver, "delta show", "update"),
        (&receiver, "delta apply", "update"),
        (&copy, "bundle import --trust-first", "update.bundle"),
    ] {
        // Whoever writes ends when nobody reads; neither waits for long if there is a fault.
        let script = "mkfifo pipe && { timeout 60 cat \"$FILE\" >pipe & } && timeout 60 \"$BINDERY\" $LINE pipe && wait \
                      && cat \"$FILE\" | timeout 60 \"$BINDERY\" $LINE -";
        let mut command = Command::new("sh");
        scratch.isolate(&mut command);
        command.env("BINDERY", env!("CARGO_BIN_EXE_bindery"));
        command.env("LINE", line).env("FILE", maker.path(file));
        let output = command.args(["-c", script]).output()?;
        assert!(output.status.success(), "{line}: {output:?}");
        if line == "delta show" {
            assert_eq!(String::from_utf8(output.stdout)?, shown.repeat(2));
        }
        fs::remove_file(scratch.path("pipe"))?;
    }
    let snapshot = text(&maker.json("show stable")?, "snapshot")?;
    for (scratch, spec) in [
        (&receiver, "build:2"),
        (&receiver, "build:3"),
        (&copy, "stable"),
    ] {
        let found = scratch.json(&format!("show {spec}"))?;
        assert_eq!(text(&found, "snapshot")?, snapshot, "{spec}");
    }
    let mut command = receiver.command(["delta", "apply", "-"]);
    let output = command.stdin(Stdio::null()).output()?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.starts_with("error: malformed delta: -: "), "{told}");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_taken_is_named_and_told_what_it_is() -> Outcome {
    let (maker, receiver) = stores()?;
    for line in MAKERS {
        let name = line.split(' ').next().unwrap_or_default();
        let file = receiver.path(format!("update.{name}"));
        maker.ok(&format!("{line} {}", file.display()))?;
        let whole = fs::read(&file)?;
        fs::write(
            receiver.path(format!("cut.{name}")),
            &whole[..whole.len() / 2],
        )?;
    }
    for (line, code, parts) in [
        (
            "delta apply cut.delta",
            7,
            ["malformed delta: cut.delta: ", "hint: it may be cut short"],
        ),
        (
            "delta show cut.delta",
            7,
            ["malformed delta: cut.delta: ", "fetch it again"],
        ),
        (
            "bundle import cut.bundle --trust-first",
            7,
            [
                "malformed bundle: cut.bundle: ",
                "hint: it may be cut short",
            ],
        ),
        (
            "delta apply update.bundle",
            2,
            ["is a bundle", "'bindery bundle import update.bundle'"],
        ),
        (
            "bundle import update.delta --trust-first",
            2,
            ["is a delta", "'bindery delta apply update.delta'"],
        ),
        (
            "delta show .bindery",
            2,
            [".bindery is a folder", "delta in it"],
        ),
        (
            "bundle import .bindery --trust-first",
            2,
            [".bindery is a folder", "bundle in it"],
        ),
        ("delta apply absent", 3, ["cannot open absent: ", ""]),
    ] {
        receiver.fails(line, code, &parts)?;
    }
    receiver.expect_sound()
}

#[test]
fn who_lacks_what_a_file_starts_from_hears_what_to_do() -> Outcome {
    let (maker, _) = stores()?;
    let other = Scratch::new()?;
    for line in MAKERS {
        let name = line.split(' ').next().unwrap_or_default();
        let file = other.path(format!("update.{name}"));
        maker.ok(&format!("{line} {}", file.display()))?;
    }
    let hint = [
        "no snapshot",
        "hint: apply the delta that leads to it first",
    ];
    other.fails("delta apply update.delta", 3, &hint)?;
    let receiver = Scratch::empty()?;
    receiver.ok("init --no-repo")?;
    fs::copy(other.path("update.bundle"), receiver.path("update.bundle"))?;
    let hint = ["no snapshot", "hint: take in first what leads to it"];
    receiver.fails("bundle import update.bundle --trust-first", 3, &hint)?;
    Ok(())
}

#[test]
fn a_bundle_is_made_of_what_a_ref_shows_by_any_name() -> Outcome {
    let (maker, _) = stores()?;
    maker.ok("bundle create stable -o plain")?;
    let plain = fs::read(maker.path("plain"))?;
    for spec in ["stable@2", "main:stable", "main:stable@2", "stable~0"] {
        maker.ok(&format!("bundle create {spec} -o other"))?;
        assert!(fs::read(maker.path("other"))? == plain, "{spec}");
    }
    let now = "a bundle carries what a ref shows now";
    for (spec, said) in [
        ("stable@1", "stable shows stable@2 and not stable@1"),
        ("stable~1", "stable shows stable@2 and not stable~1"),
        ("build:2", "build:2 is no ref"),
    ] {
        maker.fails(&format!("bundle create {spec} -o x"), 5, &[said, now])?;
    }
    maker.fails("bundle create missing -o x", 3, &["no ref missing"])?;
    assert!(!maker.path("x").exists());
    Ok(())
}

#[test]
fn a_build_that_a_delta_made_has_sums() -> Outcome {
    let (maker, receiver) = stores()?;
    let file = receiver.path("update.delta");
    maker.ok(&format!("delta make stable~1 stable -o {}", file.display()))?;
    let build = number(&receiver.json("delta apply update.delta")?, "build")?;
    let builds = receiver.json("build list")?;
    let builds = builds["builds"].as_array().cloned().unwrap_or_default();
    let listed = builds.iter().find(|one| one["build"] == build);
    let staged = &listed.ok_or("it is listed")?["staged"];
    let bytes = number(
        &receiver.json(&format!("build show {build}"))?["committed"],
        "bytes",
    )?;
    assert_eq!(number(staged, "files")?, SECOND.len() as u64);
    assert_eq!(number(staged, "bytes")?, bytes);
    assert!(number(staged, "new_objects")? > 0 && number(staged, "stored_bytes")? > 0);
    assert!(bytes > 0);
    Ok(())
}

#[test]
fn one_file_differs() -> Outcome {
    let maker = Scratch::new()?;
    release(&maker, "first", FIRST)?;
    let told = maker.ok("delta make stable -o full.delta")?;
    assert!(told.stdout.contains(" files differ, "), "{}", told.stdout);
    let told = maker.ok("delta make stable stable -o none.delta")?;
    assert!(
        told.stdout.contains(": 0 files differ, "),
        "{}",
        told.stdout
    );
    Ok(())
}
