//! Jobs of a server: deltas that come up by themselves, checks that somebody asks for, and what becomes of them.

use std::error::Error;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{released, served};
use bindery::object::pack_reader::PackReader;

use crate::support::Node::File;
use crate::support::forge::flipped;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, files_beneath, text};

/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn push(scratch: &Scratch, served: &Served) -> Outcome {
    let line = format!("push tree --ref stable --publish --remote {}", served.url());
    served.run(scratch, &line)?.expect_code(0).map(drop)
}

fn jobs(served: &Served) -> Result<Vec<Value>, Box<dyn Error>> {
    let page = served.ask("GET", "/api/v1/jobs", "")?.expect(200)?.json()?;
    Ok(page["jobs"].as_array().ok_or("jobs")?.clone())
}

/// Waits until some jobs have ended, and nothing else is to be done.
pub fn ended(served: &Served, count: usize) -> Result<Vec<Value>, Box<dyn Error>> {
    let begun = Instant::now();
    loop {
        let jobs = jobs(served)?;
        if jobs.len() >= count && jobs.iter().all(|job| !job["ended"].is_null()) {
            return Ok(jobs);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("not ended: {jobs:?}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn deltas_are_prepared_after_a_publish_and_pulled() -> Outcome {
    let (scratch, served) = released("")?;
    scratch.ok("--store copy init --no-repo")?;
    let pin = served.get("/r/main/pin")?.expect(200)?;
    fs::write(scratch.path("main.bindery"), &pin.body)?;
    let pull = format!(
        "--store copy pull {}/r/main --pin main.bindery",
        served.url()
    );
    scratch.ok(&pull)?;
    scratch.write("tree", &[("index.txt", File("0123456789, and more"))])?;
    push(&scratch, &served)?;
    let jobs = ended(&served, 1)?;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(text(&jobs[0], "state")?, "done");
    assert_eq!(text(&jobs[0], "kind")?, "delta");
    let id = text(&jobs[0], "job")?;
    let log = served
        .ask("GET", &format!("/api/v1/jobs/{id}/log"), "")?
        .expect(200)?;
    assert!(log.text().contains("done: a delta of"), "{}", log.text());
    let later = format!("/api/v1/jobs/{id}/log?offset={}", log.body.len());
    assert!(served.ask("GET", &later, "")?.expect(200)?.body.is_empty());
    let deltas = fs::read_dir(scratch.store().join("deltas/main"))?.count();
    assert_eq!(deltas, 1);
    let pulled = scratch.json(&pull)?;
    assert_eq!(pulled["requests"], 5, "{pulled}");
    // It lies ready: nothing is to be done after another start.
    served.end_sound(&scratch)?;
    let again = Served::start(&scratch, "")?;
    // All refs are looked at before the first job is begun, so what was owed would stand beside this one.
    again
        .ask("POST", "/api/v1/jobs", r#"{"kind": "scrub"}"#)?
        .expect(202)?;
    let kinds = ended(&again, 1)?;
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    assert_eq!(text(&kinds[0], "kind")?, "scrub");
    again.end_sound(&scratch)
}

#[test]
fn a_delta_that_is_damaged_where_it_lies_is_neither_sent_nor_exported() -> Outcome {
    let scratch = Scratch::new()?;
    for content in ["one", "two"] {
        scratch.write("tree", &[("file", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    scratch.ok("run-jobs")?;
    let deltas = crate::support::files_beneath(&scratch.store().join("deltas"))?;
    let [delta] = &deltas[..] else {
        return Err(format!("{deltas:?}").into());
    };
    let name = delta.file_stem().and_then(|name| name.to_str());
    let (to, from) = name.and_then(|name| name.split_once('-')).ok_or("a name")?;
    let good = fs::read(delta)?;
    fs::write(delta, flipped(good.clone(), good.len() / 2))?;
    let exported = scratch.ok("export --static www")?;
    assert!(
        exported.stderr.contains("left out: the delta"),
        "{exported:?}"
    );
    let out = format!("www/r/main/packs/{to}");
    assert!(scratch.path(&out).join("full.pack").exists());
    assert!(!scratch.path(&out).join(format!("{from}.pack")).exists());
    let served = Served::start(&scratch, "")?;
    let target = format!("/r/main/packs/{to}/{from}.pack");
    for _ in 0..2 {
        let sent = served.get(&target)?.expect(200)?.body;
        PackReader::open(sent.as_slice())?.check_layout()?;
    }
    served.wait_for_word("was damaged and is removed")?;
    // A whole one is sent as it lies.
    fs::write(delta, &good)?;
    for _ in 0..2 {
        assert_eq!(served.get(&target)?.expect(200)?.body, good);
    }
    served.end_sound(&scratch)
}

#[test]
fn what_is_owed_when_the_server_starts_is_done() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    scratch.publish("stable", "tree")?;
    scratch.write("tree", &[("file", File("two"))])?;
    scratch.publish("stable", "tree")?;
    let served = Served::start(&scratch, "")?;
    let jobs = ended(&served, 1)?;
    assert_eq!(text(&jobs[0], "state")?, "done");
    served.end_sound(&scratch)
}

#[test]
fn a_repo_is_verified_and_the_store_checked_while_it_is_served() -> Outcome {
    let (scratch, served) = released("")?;
    let on = |line: &str| served.run(&scratch, &format!("{line} --remote {}", served.url()));
    let verified = on("job verify --wait")?.expect_code(0)?;
    assert!(
        verified.stdout.contains("good: 3 statements"),
        "{}",
        verified.stdout
    );
    let checked = on("job scrub --wait")?.expect_code(0)?;
    assert!(
        checked.stdout.contains(": 0 problems"),
        "{}",
        checked.stdout
    );
    let listed = on("job list")?.expect_code(0)?;
    assert_eq!(
        listed.stdout.matches("  done ").count(),
        2,
        "{}",
        listed.stdout
    );
    // Something is damaged: the job fails and says what.
    let packs = scratch.store().join("packs");
    let path = files_beneath(&packs)?.pop().ok_or("a pack")?;
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path)?;
    fs::write(&path, bytes)?;
    let failed = on("job scrub --wait")?.expect_code(9)?;
    assert!(failed.stderr.contains("problem"), "{}", failed.stderr);
    let newest = &jobs(&served)?[0];
    assert_eq!(text(newest, "state")?, "failed");
    let id = text(newest, "job")?;
    assert!(text(newest, "reason")?.contains("pack"), "{newest}");
    // Tried again, it fails again; one that was done is not tried again, and none is cancelled that has ended.
    on(&format!("job retry {id}"))?.expect_code(0)?;
    let jobs = ended(&served, 3)?;
    assert_eq!(text(&jobs[0], "state")?, "failed");
    let done = text(&jobs[2], "job")?;
    on(&format!("job retry {done}"))?.expect_code(5)?;
    on(&format!("job cancel {id}"))?.expect_code(5)?;
    served.end().map(drop)
}

#[test]
fn a_job_that_nobody_can_ask_for_and_one_that_is_not_there_are_refused() -> Outcome {
    let (scratch, served) = served("")?;
    for (body, status, word) in [
        (r#"{"kind": "delta"}"#, 400, "verify"),
        (r#"{"kind": "verify"}"#, 400, "repo"),
        (r#"{"kind": "verify", "repo": "other"}"#, 404, "other"),
        (r#"{"kind": "scrub", "repo": "main"}"#, 400, "scrub"),
        (r#"{"kind": "sleep"}"#, 400, "sleep"),
    ] {
        let refused = served.ask("POST", "/api/v1/jobs", body)?.expect(status)?;
        assert!(refused.text().contains(word), "{body}: {}", refused.text());
    }
    for target in ["1-1", "7", "x", "18446744073709551615-1"] {
        let target = format!("/api/v1/jobs/{target}");
        for (method, end) in [
            ("GET", ""),
            ("GET", "/log"),
            ("POST", "/retry"),
            ("POST", "/cancel"),
        ] {
            let reply = served.ask(method, &format!("{target}{end}"), "")?;
            reply.expect_problem(404, "not_found", "job")?;
        }
    }
    scratch.fails("job list", 2, &["--remote", "run-jobs"])?;
    let anybody = Ask::new("GET", "/api/v1/jobs").send(served.address)?;
    anybody.expect(401)?;
    served.end_sound(&scratch)
}
