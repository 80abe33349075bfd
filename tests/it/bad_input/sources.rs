//! Files that cannot be staged: their names, their kinds, and what others do to them meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bindery::base::clock::Time;
use bindery::base::progress::Progress;
use bindery::base::{Error, Kind};
use bindery::build::stage::{StageOptions, stage};
use bindery::store::{Access, Patience, Store};

use super::{expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::Node::{File, Link};
use crate::support::{Outcome, number};

#[test]
fn a_name_that_is_not_legal_is_refused_with_its_path() -> Outcome {
    for (name, part, reason) in [
        (
            b"a\x07b".as_slice(),
            "control character",
            "it confuses every listing",
        ),
        (b"a\nb", "control character", "it confuses every script"),
        (b"a\xffb", "not valid UTF-8", "it is no text"),
        (b".bindery", "reserved", "it marks a checkout"),
    ] {
        let scratch = with_a_release_and_an_open_build()?;
        scratch.write("bad/deeper", &[("good", File("g"))])?;
        let place = scratch.path("bad/deeper").join(OsStr::from_bytes(name));
        fs::write(&place, b"x")?;
        scratch.fails("build stage 2 bad", 1, &["cannot stage", "deeper", part])?;
        fs::remove_file(&place)?;
        fs::create_dir(&place)?;
        scratch.fails("build stage 2 bad", 1, &["cannot stage", "deeper", part])?;
        // Its contents are staged, which have no such name in them.
        let stage = ["build", "stage", "2"].map(OsStr::new).into_iter();
        scratch
            .run(stage.chain([place.as_os_str()]))?
            .expect_code(0)?;
        expect_nothing_lost(&scratch).map_err(|error| format!("{reason}: {error}"))?;
    }
    Ok(())
}

#[test]
fn a_file_with_an_illegal_name_is_refused_when_it_is_named_itself() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    fs::write(scratch.path("a\u{7}b"), b"x")?;
    fs::write(scratch.path(OsStr::from_bytes(b"a\xff")), b"x")?;
    for (name, part) in [
        (b"a\x07b".as_slice(), "control character"),
        (b"a\xff", "not valid UTF-8"),
    ] {
        let stage = ["build", "stage", "2"].map(OsStr::new).into_iter();
        scratch
            .run(stage.chain([OsStr::from_bytes(name)]))?
            .expect_failure(1, &["cannot stage", part])?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn a_path_is_at_most_128_names_deep() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let deepest: PathBuf = ["d"; 127].iter().collect();
    fs::create_dir_all(scratch.path("deep").join(&deepest))?;
    fs::write(scratch.path("deep").join(&deepest).join("file"), b"x")?;
    fs::create_dir(scratch.path("deep").join(&deepest).join("d"))?;
    let build = scratch.commit("deep", "deep")?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "deep")?;
    fs::write(scratch.path("deep").join(&deepest).join("d/file"), b"x")?;
    scratch.fails(
        "build stage 2 deep",
        1,
        &["d/d/file", "more than 128 names deep"],
    )?;
    // As deep as can be, and put one deeper.
    fs::remove_file(scratch.path("deep").join(&deepest).join("d/file"))?;
    scratch.ok("build create --ref deep")?;
    let parts = ["staged at /one", "more than 128 names deep"];
    scratch.fails(
        &format!("build stage {} deep --at one", build + 1),
        1,
        &parts,
    )?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_path_is_at_most_4095_bytes_long() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let name = "n".repeat(199);
    scratch.write("long", &[(&format!("{name}/{name}"), File("x"))])?;
    // 18 times 199 bytes and a slash, then these, a slash, and 399 bytes: 4,095 in all, and one more.
    let at = vec![name.as_str(); 18].join("/");
    let line = format!("build stage 3 long --at {at}/{}", "m".repeat(95));
    scratch.ok("build create --ref long")?;
    scratch.ok(&line)?;
    scratch.ok("build commit 3")?;
    scratch.ok("build create --ref long")?;
    let parts = ["cannot stage", "its longest path has more than 4095 bytes"];
    scratch.fails(
        &line.replace("stage 3", "stage 4").replace("/m", "/mm"),
        1,
        &parts,
    )?;
    expect_nothing_lost(&scratch)
}

#[test]
fn what_is_no_file_is_left_out_and_said() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.write("special", &[("file", File("f"))])?;
    let _socket = UnixListener::bind(scratch.path("special/socket"))?;
    let staged = scratch.ok("build stage 2 special --at special")?;
    assert!(
        staged.stderr.contains("left out 1 socket"),
        "{}",
        staged.stderr
    );
    assert!(staged.stderr.contains("socket"), "{}", staged.stderr);
    let again = scratch.json("build stage 2 special --at special")?;
    assert_eq!(number(&again, "files")?, 1);
    assert_eq!(number(&again["dropped"], "special_files")?, 1);
    scratch.fails(
        "build stage 2 special/socket",
        1,
        &["cannot stage", "socket"],
    )?;
    scratch.ok("build stage 2 mine --at special --replace")?;
    scratch.ok("build commit 2")?;
    scratch.expect_sound()
}

#[test]
fn a_loop_of_links_is_kept_and_never_followed() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.write(
        "loops",
        &[
            ("a", Link("b")),
            ("b", Link("a")),
            ("d/up", Link("..")),
            ("d/here", Link(".")),
        ],
    )?;
    let build = scratch.commit("loops", "loops")?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "loops")?;
    scratch.fails("build stage 2 loops/a", 1, &["cannot stage loops/a"])?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_link_whose_target_is_no_text_is_refused() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    fs::create_dir(scratch.path("links"))?;
    symlink(OsStr::from_bytes(b"to\xff"), scratch.path("links/bad"))?;
    scratch.fails("build stage 2 links", 1, &["links/bad", "not valid UTF-8"])?;
    expect_nothing_lost(&scratch)
}

/// Does something to the files after they were found and before they are read: that is when staging says how many bytes
/// it expects.
struct Meddler<F: Fn() + Sync>(F);

impl<F: Fn() + Sync> Progress for Meddler<F> {
    fn expect(&self, _bytes: u64) {
        (self.0)();
    }

    fn advance(&self, _bytes: u64) {}
}

/// Stages the folder `changing` into build 2 while `meddle` is done to the file in it; gives the error.
fn stage_while(size: usize, meddle: fn(&Path), part: &str) -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.write("changing", &[("kept", File("k"))])?;
    let file = scratch.path("changing/file");
    fs::write(&file, vec![7; size])?;
    let patience = Patience {
        wait: Duration::ZERO,
        holder: "test".into(),
        tell: None,
    };
    let store = Store::open(&scratch.store(), Access::Write, &patience)?;
    let paths = [scratch.path("changing")];
    let meddler = Meddler(|| meddle(&file));
    let time = Time::from_seconds(0)?;
    let staged = stage(&store, 2, &paths, &StageOptions::default(), &meddler, time);
    match staged {
        Err(error @ Error::Source { .. }) => {
            assert_eq!(error.kind(), Kind::Failed);
            let message = error.to_string();
            assert!(
                message.contains("changing/file") && message.contains(part),
                "{message}"
            );
        }
        other => return Err(format!("it was not refused: {other:?}").into()),
    }
    drop(store);
    expect_nothing_lost(&scratch)
}

/// Sizes of files that are read whole, and in pieces.
const SIZES: [usize; 2] = [1000, 9 * 1024 * 1024];

#[test]
fn a_file_that_vanishes_before_it_is_read_is_refused() -> Outcome {
    for size in SIZES {
        stage_while(size, |file| drop(fs::remove_file(file)), "vanished")?;
    }
    Ok(())
}

#[test]
fn a_file_that_grows_shrinks_or_is_replaced_is_refused() -> Outcome {
    let grow = |file: &Path| {
        let opened = fs::OpenOptions::new().append(true).open(file);
        drop(opened.and_then(|mut file| file.write_all(b"more")));
    };
    let shrink = |file: &Path| {
        let opened = fs::OpenOptions::new().write(true).open(file);
        drop(opened.and_then(|file| file.set_len(10)));
    };
    let replace = |file: &Path| {
        let next = file.with_file_name("kept");
        drop(fs::rename(next, file));
    };
    for size in SIZES {
        stage_while(size, grow, "changed while it was read")?;
        stage_while(size, shrink, "changed while it was read")?;
        stage_while(size, replace, "changed while it was read")?;
    }
    Ok(())
}

#[test]
fn a_file_that_becomes_a_link_is_not_followed() -> Outcome {
    let link = |file: &Path| {
        drop(fs::remove_file(file));
        drop(symlink("/etc/passwd", file));
    };
    for size in SIZES {
        stage_while(size, link, "")?;
    }
    Ok(())
}
