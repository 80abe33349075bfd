//! Pulling from a server: what arrives is verified, and a mirror that will not do is passed over.

use std::fs;

use crate::server::released;
use crate::support::Node::File;
use crate::support::{Outcome, number, text};

#[test]
fn an_update_takes_five_requests_and_nothing_new_three() -> Outcome {
    let (scratch, served) = released("")?;
    scratch.ok("--store copy init --repo own")?;
    let url = served.url();
    scratch.fails(&format!("--store copy pull {url}"), 2, &["--root", "--pin"])?;
    let wrong = "0".repeat(64);
    let line = format!("--store copy pull {url}/r/main --root {wrong}");
    scratch.fails(&line, 7, &["its id is"])?;
    let pin = served.get("/r/main/pin")?.expect(200)?.text();
    fs::write(scratch.path("main.bindery"), &pin)?;
    let first = scratch.json(&format!(
        "--store copy pull {url}/r/main --pin main.bindery"
    ))?;
    assert_eq!(text(&first, "repo")?, "main");
    scratch.write("tree", &[("new", File("new"))])?;
    let line = format!("push tree --ref stable --publish --remote {url}");
    served.run(&scratch, &line)?.expect_code(0)?;
    let update = scratch.json(&format!("--store copy pull {url}/r/main"))?;
    assert_eq!(number(&update, "requests")?, 5, "{update}");
    let nothing = scratch.json(&format!("--store copy pull {url}/r/main"))?;
    assert_eq!(number(&nothing, "requests")?, 3, "{nothing}");
    scratch.ok("--store copy verify --all")?;
    scratch.ok("--store copy checkout main:stable out")?;
    served.end_sound(&scratch)?;
    scratch.ok("verify stable --against out")?;
    let gone = format!("--store copy pull {url}/r/main");
    scratch.fails(&gone, 8, &["cannot reach", "hint:"])?;
    Ok(())
}

#[test]
fn a_mirror_that_will_not_do_is_passed_over() -> Outcome {
    let (scratch, served) = released("")?;
    scratch.ok("--store copy init --repo own")?;
    let url = served.url();
    // One that is not there, and one that has something else at the place.
    let line = format!(
        "--store copy pull http://127.0.0.1:1/r/main --mirror {url}/r/nowhere --mirror {url}/r/main --trust-first"
    );
    let pulled = scratch.ok(&line)?;
    assert_eq!(pulled.stdout, "stable@1\n");
    assert_eq!(
        pulled.stderr.matches("passed over").count(),
        2,
        "{}",
        pulled.stderr
    );
    scratch.ok("--store copy verify --all")?;
    for (place, code) in [
        ("http://", 2),
        ("http://host/r/main?x", 2),
        ("https://user@host/r/x", 2),
    ] {
        scratch.fails(&format!("--store copy pull {place}"), code, &["URL"])?;
    }
    served.end_sound(&scratch)
}

#[test]
fn a_copy_is_served_on_and_pulled_from() -> Outcome {
    let (scratch, served) = released("")?;
    scratch.ok("--store copy init --repo own")?;
    let line = format!("--store copy pull {}/r/main --trust-first", served.url());
    scratch.ok(&line)?;
    served.end_sound(&scratch)?;
    let mut command = scratch.command(["--store", "copy", "repo", "pin", "main"]);
    let pin = crate::support::Answer::of(&mut command)?
        .expect_code(0)?
        .stdout;
    fs::write(scratch.path("main.bindery"), pin)?;
    let copy = crate::support::served::Served::start_with(&scratch, "--store copy")?;
    scratch.ok("--store second init --repo own")?;
    let line = format!(
        "--store second pull {}/r/main --pin main.bindery",
        copy.url()
    );
    assert_eq!(scratch.ok(&line)?.stdout, "stable@1\n");
    scratch.ok("--store second verify --all")?;
    copy.end()?;
    scratch.expect_sound()
}
