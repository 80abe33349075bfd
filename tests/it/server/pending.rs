//! What was merged and could not be made visible: it is made so later, by the server that runs or by the next one.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::builds::push;
use crate::server::served;
use crate::support::served::Served;
use crate::support::{Outcome, number};

/// How long it may take until a build is visible whose key was put back.
const PATIENCE: Duration = Duration::from_secs(30);

fn wait_until_published(served: &Served, build: u64) -> Outcome {
    let begun = Instant::now();
    loop {
        let shown = served.ask("GET", &format!("/api/v1/builds/{build}"), "")?;
        let shown = shown.expect(200)?.json()?;
        if shown["state"] == "published" {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("it stays on its way: {shown}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_build_that_is_pending_is_taken_up_again_by_the_server_and_by_the_next_one() -> Outcome {
    let (scratch, mut served) = served("")?;
    let (keys, away) = (scratch.store().join("keys"), scratch.path("away"));
    let key = fs::read_dir(&keys)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "key"))
        .ok_or("a key")?;
    for is_killed in [false, true] {
        scratch.write("tree", &[("new", crate::support::Node::File("new"))])?;
        let build = number(&push(&scratch, &served, "--commit")?, "build")?;
        fs::rename(&key, &away)?;
        // It is accepted, and then something is in the way.
        let publish = format!("/api/v1/builds/{build}/publish");
        served.ask("POST", &publish, "")?.expect(202)?;
        served.wait_for_word(&format!("publishing build {build}"))?;
        let figures = served.get("/metrics")?.expect(200)?.text();
        assert!(
            figures.contains("bindery_errors_total{code=\"not_found\"}"),
            "{figures}"
        );
        if is_killed {
            let token = served.token.clone();
            served.kill()?;
            fs::rename(&away, &key)?;
            served = Served::start_with(&scratch, "")?;
            served.token = token;
        } else {
            fs::rename(&away, &key)?;
        }
        wait_until_published(&served, build)?;
    }
    served.end_sound(&scratch)
}
