//! Following: pins, proxies, repos of one name, and what is said when a ref or a round cannot be followed.

use std::fs;

use crate::server::released;
use crate::support::Node::File;
use crate::support::{Outcome, Scratch};

#[test]
fn the_places_that_a_pin_of_a_server_names_are_those_of_the_repo() -> Outcome {
    let places = "--url http://127.0.0.1:1/ --url http://127.0.0.1:2/r/main";
    let (scratch, served) = released(places)?;
    let pin = served.get("/r/main/pin")?.expect(200)?.text();
    let urls: Vec<&str> = pin.lines().filter(|line| line.contains("url")).collect();
    assert_eq!(
        urls,
        [
            "url http://127.0.0.1:1/r/main",
            "url http://127.0.0.1:2/r/main"
        ]
    );
    // With another repo beside it, the server alone does not say which one is meant, and the pin does.
    let line = format!("repo create tools --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    let pin = format!("{pin}url {}\n", served.url());
    fs::write(scratch.path("main.bindery"), pin)?;
    for command in ["pull", "mirror"] {
        scratch.ok(&format!("--store {command} init --no-repo"))?;
        let line =
            format!("--store {command} {command} http://127.0.0.1:1/r/main --pin main.bindery");
        let pulled = scratch.ok(&line)?;
        assert_eq!(pulled.stdout, "stable@1\n", "{command}");
        let said = &pulled.stderr;
        assert_eq!(said.matches("passed over").count(), 2, "{command}: {said}");
    }
    served.end_sound(&scratch)
}

#[test]
fn a_ref_that_was_moved_back_keeps_no_other_from_being_followed() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.ok("--store copy init --no-repo")?;
    for content in ["one", "two"] {
        scratch.write("tree", &[("file", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    scratch.publish("app", "tree")?;
    scratch.ok("--store copy pull .bindery --trust-first")?;
    scratch.ok("rollback stable --to 1")?;
    scratch.write("tree", &[("file", File("three"))])?;
    scratch.publish("app", "tree")?;
    let pull = "--store copy pull .bindery";
    let words = ["stable@3 shows an older release again", "--allow-rewind"];
    let pulled = scratch.run(pull.split(' '))?.expect_code(5)?;
    assert_eq!(pulled.stdout, "app@2\n");
    let is_said = words.iter().all(|words| pulled.stderr.contains(words));
    assert!(is_said, "{}", pulled.stderr);
    scratch.fails(pull, 5, &words)?;
    let verified = scratch.ok("--store copy verify --all")?;
    let note = "stable@2 was not followed to @3";
    assert!(verified.stderr.contains(note), "{}", verified.stderr);
    scratch.ok("--store copy fsck --counts")?;
    let pulled = scratch.ok(&format!("{pull} --allow-rewind"))?;
    assert_eq!(pulled.stdout, "stable@3\n");
    scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn repos_of_one_name_are_told_apart_and_nobody_is_said_to_lie() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    scratch.publish("stable", "tree")?;
    let hint = "hint: keep it in a store of its own: 'bindery init --no-repo";
    scratch.ok("--store other init")?;
    scratch.ok("--store other push tree --ref stable --publish")?;
    let line = "--store other pull .bindery --trust-first";
    scratch.fails(line, 5, &["this store's own", hint])?;
    scratch.ok("--store copy init --no-repo")?;
    scratch.ok("--store copy pull .bindery --trust-first")?;
    let line = "--store copy pull other --trust-first";
    scratch.fails(line, 5, &["main is the name of another repo here", hint])?;
    Ok(())
}
