//! What staging puts into a build: kinds, names, places, and what it leaves out.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::SMALL;
use crate::support::Node::{Executable, File, Folder, Link};
use crate::support::{Outcome, Scratch, expect_same_tree, noise, number};

#[test]
fn several_stagings_add_up_and_a_later_one_wins() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("a", &[("both", File("from a")), ("d/a", File("a"))])?;
    scratch.write("b", &[("both", File("from b")), ("d/b", File("b"))])?;
    scratch.write(
        "both",
        &[
            ("both", File("from b")),
            ("d/a", File("a")),
            ("d/b", File("b")),
        ],
    )?;
    let build = scratch.stage("stable", "a")?;
    scratch.ok(&format!("build stage {build} b"))?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "both")?;
    let other = scratch.stage("stable", "a b")?;
    scratch.ok(&format!("build commit {other}"))?;
    scratch.expect_checkout(&format!("build:{other}"), "out2", "both")
}

#[test]
fn a_directory_stages_its_contents_and_a_file_itself_at_the_place_that_is_named() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.write(".", &[("one.deb", File("1")), ("two.deb", Executable("2"))])?;
    let build = scratch.stage("stable", "one.deb two.deb --at pool/main")?;
    scratch.ok(&format!("build stage {build} one.deb"))?;
    scratch.ok(&format!("build stage {build} tree --at opt"))?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.write(
        "expected",
        &[
            ("one.deb", File("1")),
            ("pool/main/one.deb", File("1")),
            ("pool/main/two.deb", Executable("2")),
        ],
    )?;
    scratch.write("expected/opt", SMALL)?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "expected")
}

#[test]
fn replace_puts_a_directory_in_place_of_what_was_there() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write(
        "first",
        &[
            ("lib/old", File("old")),
            ("lib/both", File("1")),
            ("keep", File("k")),
        ],
    )?;
    scratch.publish("stable", "first")?;
    scratch.write("lib", &[("both", File("2")), ("new", File("new"))])?;
    let build = scratch.stage("stable", "lib --at lib --replace")?;
    scratch.ok(&format!("build commit {build}"))?;
    scratch.ok(&format!("publish {build}"))?;
    scratch.write(
        "expected",
        &[
            ("lib/both", File("2")),
            ("lib/new", File("new")),
            ("keep", File("k")),
        ],
    )?;
    scratch.expect_checkout("stable", "out", "expected")?;
    scratch.expect_sound()
}

#[test]
fn what_is_removed_is_missing_from_the_next_release_only() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("first", SMALL)?;
    scratch.publish("stable", "first")?;
    scratch.ok("build create --ref stable")?;
    scratch.ok("build remove 2 etc bin/latest")?;
    scratch.ok("build commit 2")?;
    scratch.ok("publish 2")?;
    let removed = scratch.ok("diff stable~1 stable --name-status")?;
    assert_eq!(removed.lines(), ["D\tbin/latest", "D\tetc/tool.conf"]);
    scratch.expect_checkout("stable@1", "out", "first")?;
    scratch.expect_sound()
}

#[test]
fn excluded_files_are_left_out() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write(
        "tree",
        &[
            ("a.o", File("x")),
            ("src/b.o", File("x")),
            ("src/b.c", File("x")),
            (".git/config", File("x")),
        ],
    )?;
    let build = scratch.stage("stable", "tree --exclude *.o --exclude .git")?;
    scratch.ok(&format!("build commit {build}"))?;
    let listed = scratch.ok(&format!("ls build:{build} -r"))?;
    assert_eq!(listed.lines(), ["src/b.c"]);
    Ok(())
}

#[test]
fn every_name_that_people_use_comes_back_as_it_was() -> Outcome {
    let scratch = Scratch::new()?;
    let longest = "n".repeat(255);
    let names = [
        " leading and trailing ",
        "quote\" and 'quote'",
        "back\\slash",
        "-starts-like-an-option",
        "\u{1f980} crab",
        "e\u{301} is not \u{e9}",
        "\u{e9}",
        "*?[glob]",
        "$HOME `id` ; rm",
        "...",
        "CON",
        &longest,
    ];
    for (number, name) in names.iter().enumerate() {
        let content = number.to_string();
        scratch.write("tree", &[(name, File(&content))])?;
        scratch.write(
            "tree/below",
            &[(&format!("{number}{name:.200}/{name}"), File(&content))],
        )?;
    }
    let build = scratch.commit("stable", "tree")?;
    let spec = format!("build:{build}");
    scratch.expect_checkout(&spec, "out", "tree")?;
    let listed = scratch.ok(&format!("ls {spec}"))?;
    for (number, name) in names.iter().enumerate() {
        assert!(listed.lines().contains(name), "{name:?} is listed as it is");
        let shown = scratch.run(["cat", &spec, "--", name])?.expect_code(0)?;
        assert_eq!(shown.stdout, number.to_string(), "{name:?}");
    }
    Ok(())
}

#[test]
fn links_are_kept_as_they_are_wherever_they_point() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write(
        "tree",
        &[
            ("dangling", Link("nowhere")),
            ("absolute", Link("/etc/passwd")),
            ("outside", Link("../../..")),
            ("self", Link("self")),
            ("d/up", Link("..")),
            ("odd", Link("a \"b\"\nc")),
        ],
    )?;
    let build = scratch.commit("stable", "tree")?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "tree")?;
    let target = scratch.ok(&format!("cat build:{build} dangling"))?;
    assert_eq!(target.stdout, "nowhere");
    Ok(())
}

#[test]
fn a_path_on_the_command_line_may_be_a_link_to_a_directory() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    symlink("tree", scratch.path("link"))?;
    let build = scratch.commit("stable", "link")?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "tree")
}

#[test]
fn only_the_permission_to_run_is_kept() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("private", File("p")), ("tool", File("t"))])?;
    let mode = |path: &str, mode| {
        fs::set_permissions(scratch.path(path), fs::Permissions::from_mode(mode))
    };
    mode("tree/private", 0o600)?;
    mode("tree/tool", 0o700)?;
    let build = scratch.commit("stable", "tree")?;
    scratch.ok(&format!("checkout build:{build} out"))?;
    let found = |path: &str| -> std::io::Result<u32> {
        Ok(fs::metadata(scratch.path(path))?.permissions().mode() & 0o777)
    };
    assert_eq!(found("out/private")? & 0o111, 0);
    assert_eq!(found("out/tool")? & 0o100, 0o100);
    Ok(())
}

#[test]
fn a_wide_directory_changes_in_one_place() -> Outcome {
    let scratch = Scratch::new()?;
    let names: Vec<String> = (0..3000)
        .map(|number| format!("wide/file-{number:04}"))
        .collect();
    for name in &names {
        scratch.write("tree", &[(name, File(name))])?;
    }
    let first = scratch.json("build create --ref stable")?;
    assert_eq!(number(&first, "build")?, 1);
    let staged = scratch.json("build stage 1 tree")?;
    assert_eq!(number(&staged, "files")?, 3000);
    scratch.ok("build commit 1")?;
    scratch.ok("publish 1")?;
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.write(
        "change/wide",
        &[("file-1234", File("changed")), ("new", File("n"))],
    )?;
    let build = scratch.publish("stable", "change")?;
    scratch.ok("build create --ref stable")?;
    scratch.ok(&format!("build remove {} wide/file-0000", build + 1))?;
    scratch.ok(&format!("build commit {}", build + 1))?;
    scratch.ok(&format!("publish {}", build + 1))?;
    let diff = scratch.ok("diff stable@1 stable --name-status")?;
    assert_eq!(
        diff.lines(),
        ["D\twide/file-0000", "M\twide/file-1234", "A\twide/new"]
    );
    scratch.write(
        "tree/wide",
        &[("file-1234", File("changed")), ("new", File("n"))],
    )?;
    fs::remove_file(scratch.path("tree/wide/file-0000"))?;
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.ok("verify")?;
    scratch.expect_sound()
}

#[test]
fn what_is_published_already_is_not_stored_again() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("build create --ref stable")?;
    let again = scratch.json("build stage 2 tree")?;
    assert_eq!(number(&again, "files")?, 4, "three files and a link");
    for field in ["new_objects", "new_bytes", "stored_bytes"] {
        assert_eq!(number(&again, field)?, 0, "{field}");
    }
    Ok(())
}

#[test]
fn a_file_that_changed_between_two_stagings_is_read_again() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("same-size", File("one")), ("other", File("x"))])?;
    let build = scratch.stage("stable", "tree")?;
    for content in ["two", "six", "ten"] {
        scratch.write("tree", &[("same-size", File(content))])?;
        scratch.ok(&format!("build stage {build} tree"))?;
    }
    scratch.ok(&format!("build commit {build}"))?;
    scratch.expect_checkout(&format!("build:{build}"), "out", "tree")
}

#[test]
fn a_large_file_comes_back_whole_and_its_second_version_shares_most_bytes() -> Outcome {
    let scratch = Scratch::new()?;
    let mut bytes = noise(20 * 1024 * 1024);
    fs::create_dir(scratch.path("tree"))?;
    fs::write(scratch.path("tree/image"), &bytes)?;
    scratch.publish("stable", "tree")?;
    scratch.expect_checkout("stable", "out", "tree")?;
    bytes[10_000_000] ^= 1;
    fs::write(scratch.path("tree/image"), &bytes)?;
    scratch.ok("build create --ref stable")?;
    let staged = scratch.json("build stage 2 tree")?;
    assert!(
        number(&staged, "stored_bytes")? < 2 * 1024 * 1024,
        "only what changed is stored: {staged}"
    );
    scratch.ok("build commit 2")?;
    scratch.expect_checkout("build:2", "out", "tree")
}

#[test]
fn a_build_starts_from_what_another_one_changes() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("base", SMALL)?;
    scratch.publish("stable", "base")?;
    scratch.write(
        "change",
        &[("etc/tool.conf", File("level = 2\n")), ("new", File("n"))],
    )?;
    scratch.ok("build create --ref stable")?;
    scratch.ok("build stage 2 change")?;
    scratch.ok("build remove 2 bin/latest")?;
    scratch.ok("build commit 2")?;
    assert_eq!(
        scratch.ok("build create --ref stable --from 2")?.text(),
        "3"
    );
    scratch.write("more", &[("more", File("m"))])?;
    scratch.ok("build stage 3 more")?;
    scratch.ok("build purge 2")?;
    scratch.ok("build commit 3")?;
    let diff = scratch.ok("diff stable build:3 --name-status")?;
    assert_eq!(
        diff.lines(),
        ["D\tbin/latest", "M\tetc/tool.conf", "A\tmore", "A\tnew"]
    );
    scratch.ok("checkout build:3 out")?;
    scratch.write(
        "base",
        &[("etc/tool.conf", File("level = 2\n")), ("new", File("n"))],
    )?;
    scratch.write("base", &[("more", File("m")), ("var/empty", Folder)])?;
    fs::remove_file(scratch.path("base/bin/latest"))?;
    expect_same_tree(&scratch.path("base"), &scratch.path("out"))?;
    scratch.expect_sound()
}

#[test]
fn a_portable_repo_refuses_names_that_some_systems_cannot_hold() -> Outcome {
    for (names, part) in [
        (&["README", "readme"][..], "are one name"),
        (&["\u{e9}", "e\u{301}"], "are one name"),
        (&["aux.c"], "device on Windows"),
        (&["what?"], "contains one of"),
        (&["dot."], "ends with a dot"),
        (&["-option"], "starts with '-'"),
    ] {
        let scratch = Scratch::empty()?;
        scratch.ok("init --profile portable")?;
        for name in names {
            scratch.write("tree/d", &[(name, File("x"))])?;
        }
        let build = scratch.stage("stable", "tree")?;
        let line = format!("build commit {build}");
        scratch.fails(&line, 2, &["portable names only", "in /d ", part])?;
        scratch.ok(&format!(
            "build stage {build} tree/d --at d --replace --exclude *"
        ))?;
        scratch.write("good", &[("good", File("x"))])?;
        scratch.ok(&format!("build stage {build} good"))?;
        scratch.ok(&line)?;
        scratch.expect_sound()?;
    }
    Ok(())
}

#[test]
fn a_portable_repo_refuses_links_that_leave_the_tree() -> Outcome {
    for target in ["/etc/passwd", "../../outside"] {
        let scratch = Scratch::empty()?;
        scratch.ok("init --profile portable")?;
        scratch.write("tree", &[("d/link", Link(target))])?;
        let build = scratch.stage("stable", "tree")?;
        let line = format!("build commit {build}");
        scratch.fails(
            &line,
            2,
            &["/d/link", target, "absolute or leaves the tree"],
        )?;
        scratch.write("tree", &[("d/link", Link("../inside"))])?;
        scratch.ok(&format!("build stage {build} tree"))?;
        scratch.ok(&line)?;
    }
    Ok(())
}
