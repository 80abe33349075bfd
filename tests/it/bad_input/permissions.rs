//! What the system does not allow. Root is allowed everything, so a run as root does these as the user `nobody`.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::{Answer, Outcome, Scratch};

/// The user and group that have no rights: `nobody` of every system that Bindery runs on.
const NOBODY: u32 = 65534;

/// Someone who is not root, and owns the scratch folder.
struct Somebody<'a> {
    scratch: &'a Scratch,
    /// A program that they can run: the built one may lie where only root can go.
    program: PathBuf,
    is_nobody: bool,
}

/// Copies a program by another process. Had this one the copy open to write, so would all that other tests start meanwhile,
/// and the system runs nothing that is open to write.
fn copy_program(from: &Path, to: &Path) -> io::Result<()> {
    let copied = Command::new("cp").arg(from).arg(to).status()?;
    if copied.success() {
        return Ok(());
    }
    Err(io::Error::other("the program cannot be copied"))
}

impl<'a> Somebody<'a> {
    fn in_scratch(scratch: &'a Scratch) -> io::Result<Self> {
        let is_nobody = rustix::process::geteuid().is_root();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_bindery"));
        if is_nobody {
            let copy = scratch.path("program");
            copy_program(&program, &copy)?;
            program = copy;
            give(&scratch.path(""), NOBODY)?;
        }
        Ok(Self {
            scratch,
            program,
            is_nobody,
        })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(line.split(' '));
        self.scratch.isolate(&mut command);
        if self.is_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn ok(&self, line: &str) -> Result<Answer, Box<dyn std::error::Error>> {
        Answer::of(&mut self.command(line))?.expect_code(0)
    }

    fn fails(&self, line: &str, code: i32, parts: &[&str]) -> Outcome {
        let answer = Answer::of(&mut self.command(line))?;
        answer.expect_failure(code, parts).map(drop)
    }
}

/// Gives a folder and everything in it to a user.
fn give(place: &Path, user: u32) -> io::Result<()> {
    for_each(place, &|place| chown(place, Some(user), Some(user)))
}

/// Does something to a folder and everything in it, the folder last; links are left out.
fn for_each(place: &Path, act: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let kind = fs::symlink_metadata(place)?.file_type();
    if kind.is_symlink() {
        return Ok(());
    }
    if kind.is_dir() {
        for entry in fs::read_dir(place)? {
            for_each(&entry?.path(), act)?;
        }
    }
    act(place)
}

/// Takes the right to write from a folder and everything in it, or gives it back.
fn set_writable(place: &Path, writable: bool) -> io::Result<()> {
    let set = |place: &Path| {
        let mode = fs::metadata(place)?.permissions().mode();
        let mode = if writable {
            mode | 0o200
        } else {
            mode & !0o222
        };
        fs::set_permissions(place, fs::Permissions::from_mode(mode))
    };
    if writable {
        // From the top: names in a folder that cannot be written can still be changed in mode.
        set(place)?;
    }
    for_each(place, &set)
}

#[test]
fn a_file_or_directory_that_cannot_be_read_is_refused() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.write("secret", super::TREE)?;
    let somebody = Somebody::in_scratch(&scratch)?;
    for (path, usual) in [
        ("secret/etc/tool.conf", 0o644),
        ("secret/etc", 0o755),
        ("secret", 0o755),
    ] {
        fs::set_permissions(scratch.path(path), fs::Permissions::from_mode(0o000))?;
        somebody.fails(
            "build stage 2 secret",
            1,
            &["cannot stage", path, "ermission"],
        )?;
        fs::set_permissions(scratch.path(path), fs::Permissions::from_mode(usual))?;
    }
    somebody.ok("build stage 2 secret --at secret")?;
    somebody.ok("build stage 2 mine --at secret --replace")?;
    somebody.ok("build commit 2")?;
    somebody.ok("fsck --counts")?;
    Ok(())
}

#[test]
fn a_store_that_cannot_be_written_is_read_all_the_same() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let somebody = Somebody::in_scratch(&scratch)?;
    set_writable(&scratch.store(), false)?;
    for line in [
        "refs",
        "log stable",
        "ls stable -r",
        "cat stable etc/tool.conf",
        "show stable",
        "build list",
        "stats",
        "verify",
        "checkout stable out",
        "build purge 2 --dry-run",
    ] {
        somebody.ok(line)?;
    }
    for line in [
        "build create --ref stable",
        "build stage 2 tree",
        "build commit 2",
        "build purge 2",
        "rollback stable --to 1",
        "repo create tools",
        "key generate ana",
    ] {
        somebody.fails(line, 4, &["cannot ", ".bindery"])?;
    }
    set_writable(&scratch.store(), true)?;
    if somebody.is_nobody {
        give(&scratch.path(""), 0)?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn a_store_is_not_made_and_files_are_not_written_where_that_is_not_allowed() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    fs::create_dir(scratch.path("closed"))?;
    let somebody = Somebody::in_scratch(&scratch)?;
    set_writable(&scratch.path("closed"), false)?;
    somebody.fails("init -s closed/store", 4, &["closed/store", "ermission"])?;
    somebody.fails(
        "checkout stable closed/out",
        4,
        &["closed/out", "ermission"],
    )?;
    somebody.fails("man --out closed/man", 4, &["closed/man", "ermission"])?;
    set_writable(&scratch.path("closed"), true)?;
    somebody.ok("checkout stable closed/out")?;
    Ok(())
}

#[test]
fn secrets_are_for_their_owner_alone() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let keys = scratch.store().join("keys");
    let mode = |path: &Path| fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    assert_eq!(mode(&keys)?, 0o700);
    assert_eq!(mode(&keys.join("main.key"))?, 0o600);
    Ok(())
}
