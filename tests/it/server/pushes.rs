//! Pushing: which build gets what, what it loses, and where to go on.

use std::fs;

use crate::server::{TREE, served};
use crate::support::Node::File;
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch, text};

type Asked = Result<Answer, Box<dyn std::error::Error>>;

fn on(scratch: &Scratch, served: &Served, line: &str) -> Asked {
    served.run(scratch, &format!("{line} --remote {}", served.url()))
}

#[test]
fn a_build_for_another_ref_is_not_published() -> Outcome {
    let (scratch, served) = served("--anonymous nothing")?;
    let on = |line: &str| on(&scratch, &served, line);
    on("build create --ref beta")?.expect_code(0)?;
    let said = ["build 1 is for beta, not for stable"];
    on("push tree --ref stable --build 1 --publish")?.expect_failure(5, &said)?;
    let shown = on("build show 1 --json")?.json()?;
    assert_eq!(shown["staged"]["operations"], 0, "{shown}");
    // Who may fill it and not look at it hears so, too, and it is not committed.
    let narrow = {
        let mut narrow = scratch.command(["token", "narrow", "--can", "stage", "--can", "commit"]);
        narrow.env("BINDERY_TOKEN", &served.token);
        Answer::of(&mut narrow)?.expect_code(0)?
    };
    let line = format!(
        "push tree --ref stable --build 1 --commit --remote {}",
        served.url()
    );
    let mut push = scratch.command(line.split(' '));
    push.env("BINDERY_TOKEN", narrow.text());
    Answer::of(&mut push)?.expect_failure(5, &said)?;
    let shown = on("build show 1 --json")?.json()?;
    assert_eq!(text(&shown, "state")?, "open");
    // The build says which ref it is for.
    let pushed = on("push tree --build 1 --publish")?.expect_code(0)?;
    assert_eq!(pushed.stdout, "beta@1\n");
    on("push tree --ref beta --build 1")?.expect_code(5)?;
    on("push tree")?.expect_failure(2, &["--ref"])?;
    served.end_sound(&scratch)
}

#[test]
fn a_build_for_another_ref_of_a_store_here_is_not_published_either() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    scratch.ok("build create --ref beta")?;
    let said = ["build 1 is for beta, not for stable"];
    scratch.fails("push tree --ref stable --build 1 --publish", 5, &said)?;
    let pushed = scratch.ok("push tree --build 1 --publish")?;
    assert_eq!(pushed.stdout, "beta@1\n");
    Ok(())
}

#[test]
fn what_a_directory_lacks_is_removed_if_it_replaces_what_is_there() -> Outcome {
    let (scratch, served) = served("")?;
    let on = |line: &str| on(&scratch, &served, line)?.expect_code(0);
    on("push tree --ref stable --publish")?;
    fs::remove_file(scratch.path("tree/index.txt"))?;
    scratch.write("tree", &[("left.tmp", File("x")), ("new", File("y"))])?;
    on("push tree --ref stable --exclude *.tmp --publish")?;
    let listed = on("ls stable")?.stdout;
    assert!(listed.contains("index.txt"), "it is merged in: {listed}");
    on("push tree --ref stable --replace --exclude *.tmp --publish")?;
    let listed = on("ls stable")?.stdout;
    assert_eq!(listed, "bin\netc\nnew\n");
    // Beneath a directory, what lies beside it stays.
    fs::remove_dir_all(scratch.path("tree/bin"))?;
    fs::remove_dir_all(scratch.path("tree/etc"))?;
    on("push tree --ref stable --at etc --replace --exclude *.tmp --publish")?;
    assert_eq!(on("ls stable")?.stdout, "bin\netc\nnew\n");
    assert_eq!(on("ls stable etc")?.stdout, "new\n");
    served.end_sound(&scratch)
}

#[test]
fn a_push_says_at_once_in_which_build_to_go_on() -> Outcome {
    let (scratch, served) = served("")?;
    let line = "push tree --ref stable --label commit=abc";
    let pushed = on(&scratch, &served, line)?.expect_code(0)?;
    let first = pushed.stderr.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("build 1 is made") && first.ends_with("--build 1"),
        "{first}"
    );
    let none = on(&scratch, &served, &format!("{line} --build 9"))?.expect_code(3)?;
    assert!(!none.stderr.contains("what was sent"), "{}", none.stderr);
    let again = on(&scratch, &served, &format!("{line} --build 1 --commit"))?.expect_code(0)?;
    assert!(!again.stderr.contains("is made"), "{}", again.stderr);
    let quiet = on(&scratch, &served, "-q push tree --ref stable")?.expect_code(0)?;
    assert_eq!(quiet.stderr, "");
    served.end_sound(&scratch)
}

#[test]
fn the_token_of_a_job_finds_and_ends_what_the_job_left() -> Outcome {
    let (scratch, served) = served("--anonymous nothing")?;
    let rights = "stage commit publish read purge".split(' ');
    let rights: Vec<&str> = rights.flat_map(|right| ["--can", right]).collect();
    let words = ["token", "narrow", "--repo", "main", "--ref", "stable"];
    let mut narrow = scratch.command(words.iter().chain(&rights));
    narrow.env("BINDERY_TOKEN", &served.token);
    let token = Answer::of(&mut narrow)?.expect_code(0)?;
    let job = |line: &str| {
        let line = format!("{line} --remote {}", served.url());
        let mut command = scratch.command(line.split(' '));
        command.env("BINDERY_TOKEN", token.text());
        Answer::of(&mut command)
    };
    job("push tree --ref stable")?.expect_code(0)?;
    let listed = job("build list --json")?.expect_code(0)?.json()?;
    assert_eq!(listed["builds"][0]["build"], 1, "{listed}");
    job("push tree --build 1 --publish")?.expect_code(0)?;
    job("push tree --ref stable")?.expect_code(0)?;
    job("-y build purge 2")?.expect_code(0)?;
    served.end_sound(&scratch)
}
