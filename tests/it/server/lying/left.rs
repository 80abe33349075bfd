//! What a copy left where it was: its newer heads lead to what it does not have, which keeps nobody from the rest.

use super::liar::Liar;
use super::world::exported_from;
use crate::support::Node::File;
use crate::support::{Outcome, Scratch};

#[test]
fn what_a_copy_left_keeps_no_other_ref_from_those_who_follow_the_copy() -> Outcome {
    let scratch = Scratch::new()?;
    for content in ["one", "two"] {
        scratch.write("tree", &[("file", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    scratch.publish("app", "tree")?;
    scratch.ok("--store middle init --no-repo")?;
    scratch.ok("--store middle pull .bindery --trust-first")?;
    for last in ["last", "far", "both"] {
        scratch.ok(&format!("--store {last} init --no-repo"))?;
        scratch.ok(&format!("--store {last} pull middle --trust-first"))?;
    }
    scratch.ok("rollback stable --to 1")?;
    scratch.write("tree", &[("file", File("three"))])?;
    scratch.publish("app", "tree")?;
    scratch
        .run("--store middle pull .bindery".split(' '))?
        .expect_code(5)?;
    // What cannot be carried on is said where it would be.
    let bundle = "--store middle bundle create stable --output out.bundle";
    let behind = "stable@2 was not followed to @3, which is signed";
    scratch.fails(bundle, 5, &[behind])?;
    let exported = scratch.ok("--store middle export --static shown")?.stderr;
    assert!(exported.contains(behind), "{exported}");
    assert!(
        exported.contains("1 ref of main can be pulled"),
        "{exported}"
    );
    let site = Liar::start(exported_from(&scratch, "middle", "www")?.files)?;
    for (last, place) in [("last", "middle".to_owned()), ("far", site.url())] {
        let pull = format!("--store {last} pull {place}");
        let pulled = scratch.run(pull.split(' '))?.expect_code(7)?;
        assert_eq!(pulled.stdout, "app@2\n", "{pull}: {}", pulled.stderr);
        let is_said = ["there is no statement", "of stable needs"];
        let is_said = is_said.iter().all(|words| pulled.stderr.contains(words));
        assert!(is_said, "{pull}: {}", pulled.stderr);
        scratch.fails(&pull, 7, &["there is no statement"])?;
        scratch.ok(&format!("--store {last} verify --all"))?;
        scratch.ok(&format!("--store {last} fsck --counts"))?;
    }
    // A mirror that has it is asked for it.
    let whole = Liar::start(exported_from(&scratch, ".bindery", "whole")?.files)?;
    let line = format!(
        "--store both pull {} --mirror {} --allow-rewind",
        site.url(),
        whole.url()
    );
    let pulled = scratch.ok(&line)?;
    assert_eq!(pulled.stdout, "app@2\nstable@3\n", "{}", pulled.stderr);
    assert!(pulled.stderr.contains("passed over"), "{}", pulled.stderr);
    scratch.ok("--store both verify --all")?;
    Ok(())
}
