//! Between stores on one machine: pull, push and bundles, as a user types them.

use std::fs;

use super::SMALL;
use crate::support::Node::File;
use crate::support::{Outcome, Scratch, number, text};

/// A scratch folder with a release of `stable` in its store, and an empty store `other`.
fn with_a_release() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    scratch.write("tree", SMALL)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("--store other init --repo elsewhere")?;
    Ok(scratch)
}

fn repo_id(scratch: &Scratch) -> Result<String, Box<dyn std::error::Error>> {
    text(&scratch.json("repo show")?, "repo_id")
}

#[test]
fn a_store_is_pulled_from_and_goes_on_being_followed() -> Outcome {
    let scratch = with_a_release()?;
    let id = repo_id(&scratch)?;
    scratch.fails(
        "--store other pull .bindery",
        2,
        &["--root", "--pin", "--trust-first", &id],
    )?;
    let wrong = "0".repeat(64);
    let line = format!("--store other pull .bindery --root {wrong}");
    scratch.fails(&line, 7, &["its id is", &id])?;
    let line = format!("--store other pull .bindery --root {id}");
    let pulled = scratch.json(&line)?;
    assert_eq!(text(&pulled, "repo")?, "main");
    assert_eq!(pulled["refs"][0]["ref"], "stable");
    // Who follows an origin sees that it stands still.
    let signed = text(&pulled, "signed")?;
    assert!(pulled["expires"].is_null(), "{pulled}");
    assert!(number(&pulled, "received_bytes")? > 0);
    scratch.ok("--store other verify --all")?;
    scratch.ok("--store other checkout main:stable out")?;
    scratch.ok("verify stable --against out")?;
    scratch.write("tree", &[("new", File("new"))])?;
    scratch.publish("stable", "tree")?;
    assert_eq!(scratch.ok("--store other pull .")?.text(), "stable@2");
    scratch.ok("--store other checkout main:stable out")?;
    scratch.ok("verify stable --against out")?;
    let nothing = scratch.ok("--store other pull .")?;
    assert!(
        nothing.stdout.is_empty()
            && nothing
                .stderr
                .contains(&format!("nothing is new since {signed}")),
        "{nothing:?}"
    );
    scratch.ok("--store other fsck --counts")?;
    let shown = scratch.ok("--store other repo show main")?;
    assert!(shown.stdout.contains("copy of"), "{}", shown.stdout);
    scratch.fails(
        "--store other build create --repo main --ref stable",
        5,
        &["is a copy of"],
    )?;
    scratch.fails("pull .", 2, &["into itself"])?;
    scratch.fails("pull nowhere", 3, &["no store at"])?;
    scratch.fails("pull . --mirror http://127.0.0.1:1/r/os", 2, &["URL"])?;
    scratch.expect_sound()
}

#[test]
fn a_pin_file_is_all_that_first_contact_needs() -> Outcome {
    let scratch = with_a_release()?;
    let pin = scratch.ok("repo pin --url /srv/store")?.stdout;
    assert!(
        pin.starts_with("bindery pin 1\nrepo main\nrepo-id "),
        "{pin}"
    );
    fs::write(scratch.path("os.bindery"), &pin)?;
    fs::write(
        scratch.path("bad.bindery"),
        pin.replace("repo-id", "repo_id"),
    )?;
    scratch.fails(
        "--store other pull . --pin bad.bindery",
        7,
        &["pin file", "line 3"],
    )?;
    scratch.fails("--store other pull . --pin nothing", 3, &["nothing"])?;
    scratch.fails(
        "--store other pull . --pin os.bindery --trust-first",
        2,
        &["cannot be used with"],
    )?;
    scratch.ok("--store other pull . --pin os.bindery")?;
    scratch.ok("--store other verify --all")?;
    scratch.fails("repo pin --url", 2, &["--url"])?;
    let spaced = scratch
        .run(["repo", "pin", "--url", "a b"])?
        .expect_code(2)?;
    assert!(spaced.stderr.contains("pin file"), "{}", spaced.stderr);
    Ok(())
}

#[test]
fn a_bundle_carries_a_release() -> Outcome {
    let scratch = with_a_release()?;
    let id = repo_id(&scratch)?;
    let made = scratch.json("bundle create stable -o one.bundle")?;
    let bytes = fs::metadata(scratch.path("one.bundle"))?.len();
    assert_eq!(number(&made, "bytes")?, bytes);
    scratch.write("tree", &[("new", File("new"))])?;
    scratch.publish("stable", "tree")?;
    scratch.ok("bundle create stable --from stable@1 -o two.bundle")?;
    scratch.fails(
        "--store other bundle import two.bundle --trust-first",
        3,
        &["no snapshot", "starts"],
    )?;
    scratch.ok(&format!(
        "--store other bundle import one.bundle --root {id}"
    ))?;
    assert_eq!(
        scratch
            .ok("--store other cat main:stable etc/tool.conf")?
            .stdout,
        scratch.ok("cat stable etc/tool.conf")?.stdout
    );
    assert_eq!(
        scratch.ok("--store other bundle import two.bundle")?.text(),
        "stable@2"
    );
    scratch.ok("--store other checkout main:stable out")?;
    scratch.ok("verify stable --against out")?;
    scratch.fails("--store other bundle import one.bundle", 7, &["goes back"])?;
    scratch.fails(
        "--store other bundle import tree/new",
        7,
        &["malformed bundle"],
    )?;
    scratch.fails("bundle create nothing -o x", 3, &["no ref nothing"])?;
    assert!(!scratch.path("x").exists() && !scratch.path("x.next").exists());
    scratch.ok("--store other fsck --counts")?;
    scratch.expect_sound()
}

#[test]
fn a_directory_is_pushed_in_one_line() -> Outcome {
    let scratch = with_a_release()?;
    scratch.write("more", &[("a", File("a")), ("d/b", File("b"))])?;
    let staged = scratch.json("push more --ref stable --at extra")?;
    let build = number(&staged, "build")?;
    assert!(staged["snapshot"].is_null());
    let again = scratch.json(&format!(
        "push more --ref stable --at extra --build {build} --commit"
    ))?;
    assert_eq!(number(&again, "sent_objects")?, 0, "it is there already");
    assert_eq!(
        scratch.ok(&format!("cat build:{build} extra/d/b"))?.stdout,
        "b"
    );
    let released = scratch.json("push more --ref stable --label commit=abc -m why --publish")?;
    assert_eq!(
        (number(&released, "seq")?, released["tested"].as_bool()),
        (2, Some(true))
    );
    assert_eq!(scratch.ok("cat stable d/b")?.stdout, "b");
    let remote = scratch.json("push more --ref testing --remote other --publish")?;
    assert_eq!(text(&remote, "ref")?, "testing");
    assert_eq!(scratch.ok("--store other cat testing a")?.stdout, "a");
    scratch.fails("push nothing --ref stable", 2, &["nothing", "no directory"])?;
    scratch.fails("push more --ref stable --build 99", 3, &["no build 99"])?;
    scratch.fails("push more", 2, &["--ref"])?;
    scratch.ok("--store other fsck --counts")?;
    scratch.expect_sound()
}
