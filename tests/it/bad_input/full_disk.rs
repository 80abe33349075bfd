//! A disk that is really full: a small file system where one may be mounted, and a limit on the size of files anywhere.

use std::error::Error;
use std::io::Write;
use std::process::Command;

use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch, noise};

/// The exit code of the script if nothing may be mounted.
const NOT_ALLOWED: i32 = 99;

/// What is done on a small disk. Each line of output is a step and its exit code.
const ON_A_SMALL_DISK: &str = r#"
mount -t tmpfs -o size=4m none disk || exit 99
step() { name=$1; shift; "$BINDERY" -s disk/store "$@" >out 2>err; echo "$name $?"; }
step init init
step create build create --ref stable
step stage build stage 1 small
step commit build commit 1
step publish publish 1
step create build create --ref stable
step stage-large build stage 2 large
grep -q 'hint: make room' err && echo 'hint 0'
step fsck fsck --counts
step cat cat stable file
step stage-large build stage 2 large
mount -o remount,size=64m none disk || exit 99
step stage-large build stage 2 large
step commit build commit 2
step publish publish 2
step verify verify
step fsck fsck --counts
step checkout checkout stable checked-out
ls disk/store/tmp | wc -l
"#;

/// A small file, and one that makes a small disk full.
fn write_large(scratch: &Scratch) -> Result<(), Box<dyn Error>> {
    scratch.write("small", &[("file", File("small"))])?;
    scratch.write("large", &[])?;
    Ok(std::fs::write(scratch.path("large/noise"), noise(8 << 20))?)
}

#[test]
fn a_full_disk_fails_the_staging_and_nothing_else() -> Outcome {
    let scratch = Scratch::empty()?;
    write_large(&scratch)?;
    std::fs::create_dir(scratch.path("disk"))?;
    // A mount of its own namespace goes with the last process in it.
    let mut command = Command::new("unshare");
    scratch.isolate(&mut command);
    command
        .args(["--mount", "sh", "-c", ON_A_SMALL_DISK])
        .env("BINDERY", env!("CARGO_BIN_EXE_bindery"));
    let answer = Answer::of(&mut command)?;
    if answer.code == NOT_ALLOWED || answer.stderr.contains("unshare failed") {
        writeln!(
            std::io::stderr(),
            "not tested: nothing may be mounted here: {}",
            answer.stderr
        )?;
        return Ok(());
    }
    let expected = [
        "init 0",
        "create 0",
        "stage 0",
        "commit 0",
        "publish 0",
        "create 0",
        "stage-large 8",
        "hint 0",
        "fsck 0",
        "cat 0",
        "stage-large 8",
        "stage-large 0",
        "commit 0",
        "publish 0",
        "verify 0",
        "fsck 0",
        "checkout 0",
        "0",
    ];
    let said = std::fs::read_to_string(scratch.path("err")).unwrap_or_default();
    assert_eq!(answer.lines(), expected, "{answer:?} {said}");
    crate::support::expect_same_tree(&scratch.path("large"), &{
        std::fs::remove_file(scratch.path("checked-out/file"))?;
        scratch.path("checked-out")
    })
}

#[test]
fn a_file_that_may_not_grow_further_fails_the_staging_and_nothing_else() -> Outcome {
    let scratch = Scratch::new()?;
    write_large(&scratch)?;
    scratch.publish("stable", "small")?;
    scratch.ok("build create --ref stable")?;
    // Of 4 MiB, in blocks of 512 bytes; without the signal that goes with it.
    let script = r#"trap '' XFSZ; ulimit -f 8192; exec "$BINDERY" build stage 2 large"#;
    let mut command = Command::new("sh");
    scratch.isolate(&mut command);
    command
        .args(["-c", script])
        .env("BINDERY", env!("CARGO_BIN_EXE_bindery"));
    Answer::of(&mut command)?.expect_failure(1, &["cannot write", "File too large"])?;
    scratch.expect_sound()?;
    scratch.ok("build stage 2 large")?;
    scratch.ok("build commit 2")?;
    scratch.ok("publish 2")?;
    scratch.ok("verify")?;
    scratch.expect_sound()
}
