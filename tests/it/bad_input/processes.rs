//! Other processes: one that holds the store, several that want it, and a reader that goes away.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use bindery::disk::lock::{FolderLock, Sharing};

use super::{expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::Node::File;
use crate::support::{Outcome, Scratch};

/// How long a lock is waited for that was released in this process: a child that another test starts at that moment has
/// it, too, until it becomes another program.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// Processes that are run at a time.
const MANY: usize = 8;

#[test]
fn a_second_process_hears_who_holds_the_store() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let holder = "process 4711 (bindery publish 17) since 2026-11-22T09:00:00Z";
    let root = scratch.store();
    let lock = FolderLock::acquire(&root, LOCK_WAIT, holder, None, Sharing::Alone)?;
    let parts = [
        ".bindery is held by",
        holder,
        "waited 0 s",
        "hint:",
        "--lock-wait",
    ];
    for line in [
        "build create",
        "build stage 2 tree",
        "publish 2",
        "ls stable",
        "stats",
    ] {
        scratch.fails(&format!("{line} --lock-wait 0s"), 6, &parts)?;
    }
    let error = scratch
        .fails("stats --lock-wait 0s --json", 6, &[])?
        .json_error()?;
    assert_eq!(error["error"]["code"], "busy");
    drop(lock);
    let lock = FolderLock::acquire(&root, LOCK_WAIT, holder, None, Sharing::Shared)?;
    scratch.ok("ls stable --lock-wait 0s")?;
    scratch.fails("build create --lock-wait 0s", 6, &[])?;
    drop(lock);
    expect_nothing_lost(&scratch)
}

#[test]
fn a_process_that_waits_says_for_whom() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let holder = "process 4711 (bindery serve)";
    let lock = FolderLock::acquire(&scratch.store(), LOCK_WAIT, holder, None, Sharing::Alone)?;
    let told = format!(
        "waiting up to 3 s for the store {}",
        scratch.store().display()
    );
    let waited = scratch
        .run("refs --lock-wait 3s".split(' '))?
        .expect_code(6)?;
    let first = waited.stderr.lines().next().unwrap_or_default();
    assert_eq!(first, format!("{told}: {holder} holds it"));
    let quiet = scratch
        .run("refs --lock-wait 3s -q".split(' '))?
        .expect_code(6)?;
    assert!(quiet.stderr.starts_with("error:"), "{}", quiet.stderr);
    drop(lock);
    expect_nothing_lost(&scratch)
}

#[test]
fn a_process_that_waits_goes_on_when_the_store_is_free() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let lock = FolderLock::acquire(&scratch.store(), LOCK_WAIT, "test", None, Sharing::Alone)?;
    let mut waiting = scratch.command(["build", "create", "--lock-wait", "60s"]);
    let waiting = waiting
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(lock);
    let output = waiting.wait_with_output()?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"3\n");
    expect_nothing_lost(&scratch)
}

#[test]
fn many_processes_take_turns() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let start = |_| -> std::io::Result<Child> {
        let mut command = scratch.command(["build", "create", "--ref", "stable"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let children: Vec<Child> = (0..MANY).map(start).collect::<Result<_, _>>()?;
    let mut builds = Vec::new();
    for child in children {
        let output = child.wait_with_output()?;
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        builds.push(String::from_utf8(output.stdout)?.trim().parse::<usize>()?);
    }
    builds.sort_unstable();
    assert_eq!(builds, (3..3 + MANY).collect::<Vec<_>>());
    expect_nothing_lost(&scratch)
}

/// Starts a command line that waits for its turn.
fn start(scratch: &Scratch, line: &str) -> std::io::Result<Child> {
    let mut command = scratch.command(line.split(' '));
    command
        .args(["--lock-wait", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

#[test]
fn a_process_that_is_killed_while_it_reads_lets_the_next_writer_in() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    // More than a pipe holds, so the reader stays until somebody reads on.
    let lines = "a line of many\n".repeat(100_000);
    scratch.write("wide", &[("large", File(&lines))])?;
    let build = scratch.commit("stable", "wide")?;
    let mut reader = start(&scratch, &format!("cat build:{build} large"))?;
    let mut first = [0];
    let pipe = reader.stdout.as_mut().ok_or("no pipe")?;
    pipe.read_exact(&mut first)?;
    scratch.ok("ls stable --lock-wait 0s")?;
    scratch.fails("build create --lock-wait 0s", 6, &["held by"])?;
    let waiting = start(&scratch, "build create")?;
    reader.kill()?;
    assert_eq!(reader.wait()?.code(), None, "it was killed");
    let output = waiting.wait_with_output()?;
    assert_eq!(output.stdout, format!("{}\n", build + 1).as_bytes());
    scratch.ok(&format!("build purge {build}"))?;
    scratch.ok(&format!("build purge {}", build + 1))?;
    expect_nothing_lost(&scratch)
}

#[test]
fn processes_that_publish_at_once_publish_one_after_the_other() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let mut builds = Vec::new();
    for number in 0..MANY {
        let (name, text) = (format!("file-{number}"), number.to_string());
        scratch.write(&format!("tree-{number}"), &[(&name, File(&text))])?;
        scratch.write("all", &[(&name, File(&text))])?;
        builds.push(scratch.commit("many", &format!("tree-{number}"))?);
    }
    // Each of them twice: the second hears that the first was faster.
    let lines = builds.iter().chain(&builds);
    let children: Vec<Child> = lines
        .map(|build| start(&scratch, &format!("publish {build}")))
        .collect::<Result<_, _>>()?;
    let (mut released, mut refused) = (Vec::new(), 0);
    for child in children {
        let output = child.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => released.push(String::from_utf8(output.stdout)?.trim().to_owned()),
            Some(5) if stderr.contains("it is published as many@") => refused += 1,
            other => return Err(format!("{other:?}: {stderr}").into()),
        }
    }
    released.sort_unstable();
    let expected: Vec<String> = (1..=MANY).map(|seq| format!("many@{seq}")).collect();
    assert_eq!((released, refused), (expected, MANY));
    scratch.expect_checkout("many", "out-of-many", "all")?;
    expect_nothing_lost(&scratch)
}

/// Runs a command line, reads its first line, closes the pipe and expects it to end as if nothing were wrong.
fn read_one_line(scratch: &Scratch, line: &str) -> Outcome {
    let mut command = scratch.command(line.split(' '));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut first = Vec::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().ok_or("no pipe")?);
    reader.read_until(b'\n', &mut first)?;
    drop(reader);
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!first.is_empty(), "{line}");
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{line}");
    Ok(())
}

#[test]
fn a_pipe_that_is_closed_ends_a_command_silently() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    // More than a pipe holds.
    let lines = "a line of many\n".repeat(100_000);
    scratch.write("wide", &[("large", File(&lines))])?;
    for number in 0..1500 {
        scratch.write(
            "wide",
            &[(&format!("{}-{number}", "name".repeat(20)), File(""))],
        )?;
    }
    let build = scratch.commit("stable", "wide")?;
    for line in [
        "ls SPEC",
        "ls SPEC -r",
        "ls SPEC -l",
        "cat SPEC large",
        "diff stable SPEC",
    ] {
        read_one_line(
            &scratch,
            &format!("{line} -q").replace("SPEC", &format!("build:{build}")),
        )?;
    }
    read_one_line(&scratch, "completions bash")?;
    scratch.ok(&format!("build purge {build}"))?;
    expect_nothing_lost(&scratch)
}

#[test]
fn output_that_cannot_be_written_is_a_failure() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let mut command = scratch.command(["cat", "stable", "etc/tool.conf"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let output = command.stdout(full).stderr(Stdio::piped()).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{stderr}");
    assert!(stderr.contains("standard output"), "{stderr}");
    expect_nothing_lost(&scratch)
}

#[test]
fn a_secret_comes_in_by_a_pipe_and_a_broken_one_is_refused() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let endless = "x".repeat(10_000);
    for (input, code, part) in [
        ("", 7, "malformed secret key"),
        ("not a key\n", 7, "malformed secret key"),
        (&endless, 1, "limit"),
    ] {
        let mut command = scratch.command(["key", "import", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut pipe = child.stdin.take().ok_or("no pipe")?;
        // The program may have stopped reading.
        pipe.write_all(input.as_bytes()).ok();
        drop(pipe);
        let output = child.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
    expect_nothing_lost(&scratch)
}
