//! Clients that go away before they are answered: what they asked to be changed is done to its end, once.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::builds::push;
use crate::server::served;
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, number, text};

/// How long a change that nobody waits for may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests that are left, each after a little longer than the one before: some of them in the middle of being done.
const LEFT: u32 = 16;

/// Sends a POST and leaves after `pause`, without a look at the answer.
fn leave(served: &Served, target: &str, header: &str, body: &str, pause: Duration) -> Outcome {
    let mut stream = TcpStream::connect(served.address)?;
    let (token, length) = (&served.token, body.len());
    let text = format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n{header}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes())?;
    thread::sleep(pause);
    Ok(())
}

fn builds(served: &Served) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let page = served.ask("GET", "/api/v1/builds", "")?.expect(200)?;
    let builds = page.json()?["builds"].as_array().cloned();
    builds.ok_or_else(|| "builds".into())
}

#[test]
fn what_is_to_be_published_is_so_although_whoever_asked_has_gone() -> Outcome {
    let (scratch, served) = served("")?;
    let mut pushed = Vec::new();
    for place in 0..LEFT {
        scratch.write("tree", &[(&format!("f{place}"), File("new"))])?;
        pushed.push(number(&push(&scratch, &served, "--commit")?, "build")?);
    }
    for (place, build) in (0..LEFT).zip(&pushed) {
        let target = format!("/api/v1/builds/{build}/publish?wait");
        let pause = Duration::from_micros(400) * place;
        leave(&served, &target, "", "{}", pause)?;
        thread::sleep(Duration::from_millis(50));
    }
    let begun = Instant::now();
    loop {
        let builds = builds(&served)?;
        let states = builds.iter().map(|build| text(build, "state"));
        let states: Vec<String> = states.collect::<Result<_, _>>()?;
        // One that was left before it was read was not asked for.
        let done = |state: &String| state == "published" || state == "ready";
        if states.iter().all(done) && states.iter().any(|state| state == "published") {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("they stay on their way: {states:?}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    served.end_sound(&scratch)
}

#[test]
fn a_request_with_a_name_is_done_once_although_whoever_asked_first_has_gone() -> Outcome {
    let (scratch, served) = served("")?;
    let (target, body) = ("/api/v1/repos/main/builds", r#"{"ref": "stable"}"#);
    for place in 0..LEFT {
        let name = format!("Idempotency-Key: k{place}\r\n");
        let pause = Duration::from_micros(300) * (place % 10);
        leave(&served, target, &name, body, pause)?;
        thread::sleep(Duration::from_millis(50));
        let again = Ask::new("POST", target).token(&served.token);
        let again = again.header("Idempotency-Key", &format!("k{place}"));
        let said = again.body(body).send(served.address)?.expect(201)?.json()?;
        assert_eq!(number(&said, "build")?, u64::from(place) + 1, "made twice");
    }
    assert_eq!(builds(&served)?.len(), LEFT as usize);
    served.end_sound(&scratch)
}

#[test]
fn the_end_waits_for_what_was_asked_for_and_left() -> Outcome {
    let (scratch, served) = served("")?;
    let build = number(&push(&scratch, &served, "--commit")?, "build")?;
    // Accepted is merged; that it becomes visible is left to the server, which is told to end.
    let target = format!("/api/v1/builds/{build}/publish");
    served.ask("POST", &target, "")?.expect(202)?;
    served.end_sound(&scratch)?;
    let shown = scratch.ok(&format!("build show {build} --json"))?.json()?;
    assert_eq!(text(&shown, "state")?, "published");
    Ok(())
}
