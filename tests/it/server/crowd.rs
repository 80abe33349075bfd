//! Many clients at once: each fills builds of its own, and none is lost or mixed up with another.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

/// Clients at a time.
const CLIENTS: usize = 16;
/// Builds of all of them.
const BUILDS: usize = 100;
/// Files of each build.
const FILES: usize = 100;

/// The folder of a build, whose files nobody else has.
fn write_files(scratch: &Scratch, build: usize) -> Result<String, Box<dyn Error>> {
    let name = format!("files-{build}");
    for file in 0..FILES {
        let folder = scratch.path(&name).join(format!("{}", file % 7));
        fs::create_dir_all(&folder)?;
        let content = format!("file {file} of build {build}\n").repeat(1 + file % 5);
        fs::write(folder.join(format!("{file}.txt")), content)?;
    }
    Ok(name)
}

/// Pushes and commits one build after the other, as long as there are any; returns which folder went into which build.
fn push_some(
    scratch: &Scratch,
    served: &Served,
    next: &AtomicUsize,
) -> Result<Vec<(usize, u64)>, String> {
    let mut pushed = Vec::new();
    loop {
        let folder = next.fetch_add(1, Ordering::Relaxed);
        if folder >= BUILDS {
            return Ok(pushed);
        }
        let push = || -> Result<u64, Box<dyn Error>> {
            let name = write_files(scratch, folder)?;
            let line = format!(
                "push {name} --ref stable --commit --json --remote {}",
                served.url()
            );
            let pushed = served.run(scratch, &line)?.expect_code(0)?.json()?;
            number(&pushed, "build")
        };
        let build = push().map_err(|error| format!("folder {folder}: {error}"))?;
        pushed.push((folder, build));
    }
}

#[test]
fn a_hundred_builds_of_sixteen_clients_are_all_there() -> Outcome {
    let scratch = Scratch::new()?;
    let served = Served::start(&scratch, "")?;
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let outcomes: Vec<Result<Vec<(usize, u64)>, String>> = thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| scope.spawn(|| push_some(&scratch, &served, &next)));
        let clients = clients.into_iter().map(|client| {
            let panicked = |_| Err("a client panicked".to_owned());
            client.join().unwrap_or_else(panicked)
        });
        clients.collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut pushed = Vec::new();
    for outcome in outcomes {
        pushed.extend(outcome?);
    }
    let mut builds: Vec<u64> = pushed.iter().map(|(_, build)| *build).collect();
    builds.sort_unstable();
    let expected: Vec<u64> = (1..=BUILDS as u64).collect();
    assert_eq!(builds, expected);
    for (folder, build) in &pushed {
        let said = served.ask("GET", &format!("/api/v1/builds/{build}"), "")?;
        let said = said.expect(200)?.json()?;
        assert_eq!(text(&said, "state")?, "ready");
        assert_eq!(number(&said["committed"], "files")?, FILES as u64);
        let file = served.ask("GET", &format!("/b/{build}/files/stable/3/3.txt"), "")?;
        let content = fs::read(scratch.path(format!("files-{folder}/3/3.txt")))?;
        assert_eq!(file.expect(200)?.body, content, "build {build}");
    }
    let requests: f64 = requests(&served)?;
    writeln!(
        std::io::stderr(),
        "{BUILDS} builds by {CLIENTS} clients: {:.0} requests a second",
        requests / seconds
    )?;
    served.end_sound(&scratch)?;
    scratch.ok("verify build:100")?;
    Ok(())
}

/// How many requests of the API were answered.
fn requests(served: &Served) -> Result<f64, Box<dyn Error>> {
    let figures = served.get("/metrics")?.expect(200)?.text();
    let lines = figures.lines();
    let lines = lines.filter(|line| line.starts_with("bindery_requests_total"));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(counts.sum())
}
