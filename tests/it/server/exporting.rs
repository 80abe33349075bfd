//! What an export may follow in a folder, whether it is made of a store here or of one that is served.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use crate::server::taking::World;
use crate::support::Node::File;
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch, files_beneath, number};

/// Everything in a folder.
fn state(scratch: &Scratch, folder: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>, Box<dyn Error>> {
    let files = files_beneath(&scratch.path(folder))?.into_iter();
    let files = files.map(|file| Ok((file.clone(), fs::read(file)?)));
    files.collect()
}

/// Publishes so many releases of `stable`, each with another file.
fn release(scratch: &Scratch, numbers: std::ops::RangeInclusive<u32>) -> Outcome {
    for number in numbers {
        scratch.write("tree", &[("number", File(&number.to_string()))])?;
        scratch.publish("stable", "tree")?;
    }
    Ok(())
}

#[test]
fn an_export_that_broke_off_gets_the_statements_that_it_lacks() -> Outcome {
    let world = World::new("")?;
    for seq in [1, 2, 1, 2, 1] {
        world.ok(&format!("rollback stable --to {seq}"))?;
    }
    world.ok("export --static site")?;
    let statements = world.here.path("site/r/main/statements");
    let all = files_beneath(&statements)?;
    assert_eq!(all.len(), 7);
    // The newest ones are written first.
    for file in &all {
        let text = fs::read_to_string(file)?;
        let is_new = ["\nseq 6\n", "\nseq 7\n"].map(|seq| text.contains(seq));
        assert!(text.contains("\nseq "), "{text}");
        if is_new == [false, false] {
            fs::remove_file(file)?;
        }
    }
    assert_eq!(files_beneath(&statements)?.len(), 2);
    world.ok("export --static site")?;
    assert_eq!(files_beneath(&statements)?, all);
    // One that is not what its name says is found out.
    let damaged = all.iter().try_fold(None, |found, file| {
        let text = fs::read_to_string(file)?;
        let is_it = text.contains("\nseq 5\n");
        Ok::<_, std::io::Error>(found.or(is_it.then_some((file, text))))
    })?;
    let (file, text) = damaged.ok_or("the fifth statement")?;
    fs::write(file, text.replace("\nseq 5\n", "\nseq 4\n"))?;
    world.run("export --static site")?.expect_failure(7, &[])?;
    fs::write(file, text)?;
    world.ok("export --static site")?;
    world.end()
}

#[test]
fn an_export_is_not_replaced_by_another_repo_of_that_name() -> Outcome {
    let world = World::new("")?;
    let other = Scratch::new()?;
    release(&other, 1..=9)?;
    let site = world.here.path("site").display().to_string();
    world.ok("export --static site")?;
    let before = state(&world.here, "site")?;
    let words = [
        "as what follows the export in",
        "its repo id is",
        "that is new or empty",
    ];
    other.fails(&format!("export --static {site}"), 7, &words)?;
    assert_eq!(state(&world.here, "site")?, before);
    let served = Served::start(&other, "")?;
    let line = format!("export --static site --remote {}", served.url());
    let mut command = world.here.command(line.split(' '));
    command.env("BINDERY_TOKEN", &served.token);
    Answer::of(&mut command)?.expect_failure(7, &words)?;
    assert_eq!(state(&world.here, "site")?, before);
    served.end_sound(&other)?;
    // An export that shows other heads than any that its keysets vouch for is none of ours, either.
    other.ok("export --static www")?;
    fs::copy(
        other.path("www/r/main/trust/heads"),
        world.here.path("site/r/main/trust/heads"),
    )?;
    let words = ["the export in", "that is new or empty"];
    world
        .run("export --static site")?
        .expect_failure(7, &words)?;
    fs::remove_file(world.here.path("site/r/main/trust/keyset/1"))?;
    world
        .run("export --static site")?
        .expect_failure(7, &["it has heads and no keyset 1"])?;
    world.end()
}

#[test]
fn an_export_does_not_go_back_to_what_an_older_copy_shows() -> Outcome {
    let scratch = Scratch::new()?;
    release(&scratch, 1..=2)?;
    let mut copying = std::process::Command::new("cp");
    scratch.isolate(copying.args(["-r", ".bindery", "older"]));
    Answer::of(&mut copying)?.expect_code(0)?;
    release(&scratch, 3..=4)?;
    scratch.ok("export --static www")?;
    let before = state(&scratch, "www")?;
    let words = ["it is at heads", "and the export at heads", "it goes back"];
    scratch.fails("--store older export --static www", 7, &words)?;
    assert_eq!(state(&scratch, "www")?, before);
    // Nor to other releases with the same numbers, which the same key made.
    scratch.write("other", &[("f", File("other"))])?;
    for _ in 0..2 {
        let build = number(
            &scratch.json("--store older build create --ref stable")?,
            "build",
        )?;
        scratch.ok(&format!("--store older build stage {build} other"))?;
        scratch.ok(&format!("--store older build commit {build}"))?;
        scratch.ok(&format!("--store older publish {build}"))?;
    }
    scratch.fails(
        "--store older export --static www",
        7,
        &["heads", "it is", "in the export in"],
    )?;
    assert_eq!(state(&scratch, "www")?, before);
    // What is newer goes on.
    release(&scratch, 5..=5)?;
    scratch.ok("export --static www")?;
    Ok(())
}

#[test]
fn what_cannot_be_exported_leaves_no_folder_behind() -> Outcome {
    let world = World::new("")?;
    let scratch = Scratch::new()?;
    release(&scratch, 1..=1)?;
    for refs in ["nowhere", "stable nowhere"] {
        let line = format!("export --static site {refs}");
        world.run(&line)?.expect_failure(3, &["nowhere"])?;
        assert!(!world.here.path("site").exists(), "{line}");
        scratch.fails(&line, 3, &["nowhere"])?;
        assert!(!scratch.path("site").exists(), "{line}");
    }
    world.end()
}
