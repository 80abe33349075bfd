//! Looking: how snapshots are named, listed, compared, written out and verified.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use super::SMALL;
use crate::support::Node::{Executable, File, Folder, Link};
use crate::support::{Outcome, Scratch, expect_same_tree, number, text};

/// Publishes three releases of `stable` whose file `n` has the number of the release.
fn with_three_releases() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    for content in ["1", "2", "3"] {
        scratch.write("tree", &[("n", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    Ok(scratch)
}

#[test]
fn a_snapshot_has_many_names() -> Outcome {
    let scratch = with_three_releases()?;
    let id = text(&scratch.json("show stable@2")?, "snapshot")?;
    for (spec, content) in [
        ("stable", "3"),
        ("stable@3", "3"),
        ("stable@1", "1"),
        ("stable~0", "3"),
        ("stable~", "2"),
        ("stable~2", "1"),
        ("main:stable@2", "2"),
        ("build:2", "2"),
        (&id, "2"),
        (&id[..8], "2"),
        (&id[..63], "2"),
    ] {
        assert_eq!(
            scratch.ok(&format!("cat {spec} n"))?.stdout,
            content,
            "{spec}"
        );
    }
    scratch.write("tree", &[("n", File("4"))])?;
    let build = scratch.commit("stable", "tree")?;
    let id = text(&scratch.json(&format!("show build:{build}"))?, "snapshot")?;
    assert_eq!(
        scratch.ok(&format!("cat {} n", &id[..8]))?.stdout,
        "4",
        "not published yet"
    );
    Ok(())
}

#[test]
fn ls_lists_names_facts_or_everything_beneath() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    assert_eq!(
        scratch.ok("ls stable")?.lines(),
        ["bin", "empty.txt", "etc", "var"]
    );
    assert_eq!(scratch.ok("ls stable bin")?.lines(), ["latest", "tool"]);
    assert_eq!(scratch.ok("ls stable bin/tool")?.lines(), ["bin/tool"]);
    assert_eq!(
        scratch.ok("ls stable -r")?.lines(),
        ["bin/latest", "bin/tool", "empty.txt", "etc/tool.conf"]
    );
    let entries = scratch.json("ls stable bin")?["entries"].clone();
    assert_eq!(entries[0]["kind"], "link");
    assert_eq!(entries[0]["target"], "tool");
    assert_eq!(entries[1]["kind"], "executable");
    assert_eq!(entries[1]["bytes"], 19);
    let long = scratch.ok("ls stable -l")?;
    assert_eq!(long.lines().len(), 4);
    assert!(
        long.stdout
            .contains(&text(&scratch.json("ls stable")?["entries"][1], "id")?)
    );
    Ok(())
}

#[test]
fn diff_says_what_was_added_changed_and_removed() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("a", SMALL)?;
    scratch.publish("stable", "a")?;
    scratch.write(
        "b",
        &[
            ("bin/tool", Executable("#!/bin/sh\necho two\n")),
            ("bin/latest", File("a file now")),
            ("empty.txt", Folder),
            ("empty.txt/inside", File("i")),
            ("etc/tool.conf", Executable("level = 1\n")),
        ],
    )?;
    let build = scratch.stage("stable", "b --replace")?;
    scratch.ok(&format!("build commit {build}"))?;
    let line = format!("diff stable build:{build}");
    let names = scratch.ok(&format!("{line} --name-status"))?;
    assert_eq!(
        names.lines(),
        [
            "M\tbin/latest",
            "M\tbin/tool",
            "D\tempty.txt",
            "A\tempty.txt/inside",
            "M\tetc/tool.conf",
            "D\tvar/empty/",
        ]
    );
    let sums = scratch.json(&format!("{line} --stat"))?;
    assert_eq!(
        (&sums["added"], &sums["modified"], &sums["deleted"]),
        (&json!(1), &json!(3), &json!(2))
    );
    let exit = scratch.run(format!("{line} --exit-code").split(' '))?;
    assert_eq!(exit.code, 1, "there are differences");
    scratch.ok("diff stable stable@1 --exit-code")?;
    Ok(())
}

#[test]
fn a_second_checkout_writes_only_what_changed() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.write("tree", &[("gone", File("g"))])?;
    scratch.publish("stable", "tree")?;
    let first = scratch.json("checkout stable out")?;
    assert_eq!(number(&first, "files")?, 5);
    assert_eq!(number(&first, "unchanged")?, 0);
    let inode = |path: &str| fs::metadata(scratch.path(path)).map(|found| found.ino());
    let before = inode("out/bin/tool")?;
    let idle = scratch.json("checkout stable out")?;
    assert_eq!(
        (number(&idle, "written")?, number(&idle, "removed")?),
        (0, 0)
    );
    scratch.write(
        "tree",
        &[("etc/tool.conf", File("level = 2\n")), ("new", File("n"))],
    )?;
    fs::remove_file(scratch.path("tree/gone"))?;
    let build = scratch.stage("stable", "tree --replace")?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.ok(&format!("publish {build}"))?;
    let second = scratch.json("checkout stable out")?;
    assert_eq!(number(&second, "written")?, 2, "{second}");
    assert_eq!(number(&second, "removed")?, 1, "{second}");
    assert_eq!(inode("out/bin/tool")?, before, "left as it was");
    expect_same_tree(&scratch.path("tree"), &scratch.path("out"))
}

#[test]
fn a_checkout_puts_right_what_was_changed_in_it_and_leaves_what_was_added() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("checkout stable out")?;
    fs::write(scratch.path("out/etc/tool.conf"), "level = 9\n")?;
    fs::remove_file(scratch.path("out/bin/tool"))?;
    fs::write(scratch.path("out/mine"), "mine")?;
    scratch.ok("checkout stable out")?;
    assert_eq!(fs::read_to_string(scratch.path("out/mine"))?, "mine");
    fs::remove_file(scratch.path("out/mine"))?;
    expect_same_tree(&scratch.path("tree"), &scratch.path("out"))
}

#[test]
fn a_checkout_never_writes_into_a_directory_that_is_not_its_own() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.write("mine", &[("notes", File("keep"))])?;
    scratch.fails("checkout stable mine", 5, &["mine", "empty"])?;
    assert_eq!(fs::read_dir(scratch.path("mine"))?.count(), 1);
    fs::create_dir(scratch.path("new"))?;
    scratch.ok("checkout stable new")?;
    expect_same_tree(&scratch.path("tree"), &scratch.path("new"))
}

#[test]
fn a_part_of_a_snapshot_can_be_checked_out() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("checkout stable bin --path bin")?;
    expect_same_tree(&scratch.path("tree/bin"), &scratch.path("bin"))?;
    scratch.ok("checkout stable one --path etc/tool.conf")?;
    scratch.write("expected", &[("tool.conf", File("level = 1\n"))])?;
    expect_same_tree(&scratch.path("expected"), &scratch.path("one"))?;
    scratch.fails(
        "checkout stable none --path no/such",
        3,
        &["no path no/such"],
    )?;
    assert!(!scratch.path("none/.bindery").exists());
    Ok(())
}

#[test]
fn a_directory_is_compared_with_a_release() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("checkout stable out")?;
    scratch.ok("verify stable --against out")?;
    scratch.ok("verify stable --against tree")?;
    for (change, path) in [
        (("etc/tool.conf", File("level = 9\n")), "etc/tool.conf"),
        (("bin/latest", Link("other")), "bin/latest"),
        (("bin/tool", File("#!/bin/sh\necho one\n")), "bin/tool"),
        (("added", File("a")), "added"),
    ] {
        scratch.write("changed", SMALL)?;
        scratch.write("changed", &[change])?;
        let answer = scratch
            .run(["verify", "stable", "--against", "changed"])?
            .expect_code(7)?;
        assert!(answer.stdout.contains(path), "{path}: {answer:?}");
        assert_eq!(answer.lines().len(), 1, "only that differs: {answer:?}");
        fs::remove_dir_all(scratch.path("changed"))?;
    }
    scratch.write("changed", &SMALL[1..])?;
    let answer = scratch
        .run(["verify", "stable", "--against", "changed"])?
        .expect_code(7)?;
    assert!(answer.stdout.contains("bin/tool"), "{answer:?}");
    Ok(())
}

#[test]
fn a_message_and_labels_stay_with_the_snapshot() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.ok("build create --ref stable --label commit=1f3a --label arch=x86_64")?;
    scratch.ok("build stage 1 tree")?;
    scratch
        .run(["build", "commit", "1", "-m", "Two words\n\nand a paragraph"])?
        .expect_code(0)?;
    scratch.ok("publish 1")?;
    let shown = scratch.json("show stable")?;
    assert_eq!(shown["labels"], json!({"arch": "x86_64", "commit": "1f3a"}));
    assert_eq!(shown["message"], "Two words\n\nand a paragraph");
    assert_eq!(shown["time"], "2023-11-14T22:13:20Z", "SOURCE_DATE_EPOCH");
    assert!(
        scratch
            .ok("show stable")?
            .stdout
            .contains("    Two words\n")
    );
    Ok(())
}
