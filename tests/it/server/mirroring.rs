//! Mirrors that are served while they are kept up to date.

use std::error::Error;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::released;
use crate::support::Node::File;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, text};

/// How long a mirror may take to follow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sets what a store mirrors.
fn set(scratch: &Scratch, store: &str, mirror: &str) -> Outcome {
    let settings = format!("format = 1\n[[serve.mirror]]\n{mirror}\nevery_seconds = 1\n");
    Ok(fs::write(
        scratch.path(store).join("bindery.toml"),
        settings,
    )?)
}

/// Waits until a file of a release is what it is to be.
fn wait_for(served: &Served, target: &str, expected: &str) -> Outcome {
    let begun = Instant::now();
    loop {
        let found = served.get(target)?;
        if found.status == 200 && found.text() == expected {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{target}: {} {}", found.status, found.text()).into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A release that is served, and a store beside it that mirrors it and is served, too.
fn mirrored(more: &str) -> Result<(Scratch, Served, Served), Box<dyn Error>> {
    let (scratch, origin) = released("")?;
    scratch.ok("--store mirror init --no-repo")?;
    let pin = origin.get("/r/main/pin")?.expect(200)?.text();
    fs::write(scratch.path("mirror/main.bindery"), pin)?;
    let url = format!("{}/r/main", origin.url());
    set(
        &scratch,
        "mirror",
        &format!("url = \"{url}\"\npin = \"main.bindery\"\n{more}"),
    )?;
    let mirror = served_mirror(&scratch)?;
    Ok((scratch, origin, mirror))
}

/// The mirror, and a token for everything there.
fn served_mirror(scratch: &Scratch) -> Result<Served, Box<dyn Error>> {
    let token = scratch.ok("--store mirror token create --repo * --ref * --can *")?;
    let mut mirror = Served::start_with(scratch, "--store mirror")?;
    token.text().clone_into(&mut mirror.token);
    Ok(mirror)
}

/// Waits until the newest round of a mirror has failed, for want of its origin.
fn wait_for_failure(mirror: &Served) -> Outcome {
    let begun = Instant::now();
    loop {
        let page = mirror.ask("GET", "/api/v1/jobs", "")?.expect(200)?.json()?;
        let newest = &page["jobs"][0];
        if newest["state"] == "failed" {
            assert!(text(newest, "reason")?.contains("reach"), "{page}");
            assert!(text(newest, "url")?.ends_with("/r/main"), "{page}");
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "{page}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_mirror_follows_while_it_is_served() -> Outcome {
    let (scratch, origin, mirror) = mirrored("")?;
    let file = "/r/main/files/stable/index.txt";
    wait_for(&mirror, file, "0123456789")?;
    for content in ["second", "third"] {
        scratch.write("tree", &[("index.txt", File(content))])?;
        let line = format!("push tree --ref stable --publish --remote {}", origin.url());
        origin.run(&scratch, &line)?.expect_code(0)?;
        wait_for(&mirror, file, content)?;
    }
    // What it shows is verified by whoever pulls from it, and its origin may be gone.
    origin.end_sound(&scratch)?;
    scratch.ok("--store copy init --no-repo")?;
    let url = mirror.url();
    scratch.ok(&format!(
        "--store copy pull {url}/r/main --pin mirror/main.bindery"
    ))?;
    scratch.ok("--store copy verify --all")?;
    wait_for_failure(&mirror)?;
    wait_for(&mirror, file, "third")?;
    mirror.end()?;
    scratch.ok("--store mirror verify --all")?;
    scratch.ok("--store mirror fsck --counts")?;
    Ok(())
}

#[test]
fn a_mirror_follows_only_what_it_is_told_and_says_what_fails() -> Outcome {
    let (scratch, origin, mirror) =
        mirrored("refs = [\"app/**\"]\nothers = [\"http://127.0.0.1:1/r/main\"]")?;
    let line = format!(
        "push tree --ref app/editor --publish --remote {}",
        origin.url()
    );
    origin.run(&scratch, &line)?.expect_code(0)?;
    wait_for(&mirror, "/r/main/files/app/editor/index.txt", "0123456789")?;
    mirror.get("/r/main/files/stable/index.txt")?.expect(404)?;
    mirror.end()?;
    origin.end_sound(&scratch)?;
    // Without its origin a round fails, and is a job that says so.
    let mirror = served_mirror(&scratch)?;
    wait_for_failure(&mirror)?;
    mirror
        .get("/r/main/files/app/editor/index.txt")?
        .expect(200)?;
    mirror.end().map(drop)
}

#[test]
fn settings_of_mirrors_that_make_no_sense_are_told_at_once() -> Outcome {
    let scratch = Scratch::new()?;
    for (mirror, word) in [
        ("url = \"example.org\"", "example.org"),
        (
            "url = \"https://example.org/r/os\"\nrefs = [\"a//b\"]",
            "component",
        ),
        (
            "url = \"https://example.org/r/os\"\npin = \"nothing\"",
            "nothing",
        ),
        (
            "url = \"https://example.org/r/os\"\ntoken_file = \"nothing\"",
            "nothing",
        ),
        ("url = \"https://example.org/r/os\"\nref = []", "ref"),
        ("refs = []", "url"),
    ] {
        set(&scratch, ".bindery", mirror)?;
        let answer = scratch.run(["serve", "--listen", "127.0.0.1:0"])?;
        assert_ne!(answer.code, 0, "{mirror}");
        assert!(answer.stderr.contains(word), "{mirror}: {}", answer.stderr);
    }
    Ok(())
}

#[test]
fn a_copy_that_is_not_kept_up_to_date_is_told_of() -> Outcome {
    let (scratch, origin) = released("")?;
    scratch.ok("--store mirror init --no-repo")?;
    let url = format!("{}/r/main", origin.url());
    set(&scratch, "mirror", &format!("url = \"{url}\""))?;
    let mirror = Served::start_with(&scratch, "--store mirror")?;
    mirror.wait_for_word("warning: the copy of http")?;
    mirror.wait_for_word("name its pin file with 'pin =' in [[serve.mirror]]")?;
    let figures = mirror.get("/metrics")?.expect(200)?.text();
    for figure in [
        "bindery_jobs_failed_total{kind=\"mirror\"}",
        &format!("bindery_mirror_age_seconds{{url=\"{url}\"}}"),
    ] {
        assert!(figures.contains(figure), "{figures}");
    }
    mirror.end()?;
    origin.end_sound(&scratch)
}
