//! Servers that let a client wait: it gives them up, and goes to the next one.
//!
//! The waits of the command line are minutes; here the same code waits for parts of a second.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bindery::base::clock::Time;
use bindery::base::progress::Silent;
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::http::agent::Agent;
use bindery::remote::http::origin::{HttpOrigin, RESUMES_MAX};
use bindery::remote::http::waits::Waits;
use bindery::remote::mirrors::pull_from_any;
use bindery::remote::origin::Origin;
use bindery::remote::pull::{PullAnswer, PullOptions};
use bindery::store::{Access, Patience, Store};

use super::liar::{Liar, Said, at, honest, ok, reply};
use super::world::World;
use crate::support::{Outcome, TIME_S};

/// Waits that a test can wait for.
const SHORT: Waits = Waits {
    busy: Duration::from_secs(2),
    busy_file: Duration::from_secs(2),
    connect: Duration::from_secs(5),
    answer: LONGEST,
    file: Duration::from_millis(400),
    read: Duration::from_millis(400),
    write: Duration::from_millis(400),
    slow_start: Duration::from_millis(300),
    bytes_per_second_min: 1000,
    answers_per_second_min: 10,
    resume: Duration::from_millis(1),
};
/// The longest that giving up may take, on a machine that has much else to do.
const LONGEST: Duration = Duration::from_secs(20);
/// A pause between bytes that makes an answer far slower than it may be.
const PAUSE: Duration = Duration::from_millis(20);

/// Pulls into the copy, in this process; says also what was passed over.
fn pull(
    world: &World,
    liars: &[&Liar],
) -> Result<(Result<PullAnswer, String>, String), Box<dyn Error>> {
    pull_waiting(world, liars, SHORT)
}

/// The same, waiting for so long.
fn pull_waiting(
    world: &World,
    liars: &[&Liar],
    waits: Waits,
) -> Result<(Result<PullAnswer, String>, String), Box<dyn Error>> {
    let agent = |liar: &&Liar| {
        let url = liar.url().parse()?;
        Ok(HttpOrigin::new(Agent::with_waits(url, None, waits)))
    };
    let origins: Vec<HttpOrigin> = liars
        .iter()
        .map(agent)
        .collect::<Result<_, Box<dyn Error>>>()?;
    let origins: Vec<&dyn Origin> = origins.iter().map(|origin| origin as &dyn Origin).collect();
    let patience = Patience {
        wait: LONGEST,
        holder: String::new(),
        tell: None,
    };
    let store = Store::open(&world.scratch.path("copy"), Access::Write, &patience)?;
    let options = PullOptions {
        repo_id: None,
        root: None,
        asked: Asked::Followed,
        rewinds: Rewinds::Refuse,
    };
    let mut told = String::new();
    let mut passed_over = |error: &bindery::base::Error| told += &error.to_string();
    let time = Time::from_seconds(TIME_S)?;
    let pulled = pull_from_any(&store, &origins, &options, time, &Silent, &mut passed_over);
    Ok((pulled.map_err(|error| error.to_string()), told))
}

/// What is said of a good file.
type Say = fn(&[u8]) -> Said;

/// What is said of what is asked for at a path that has `part` in it.
fn about(
    part: &'static str,
    say: Say,
) -> impl Fn(&super::liar::Asked, Option<&[u8]>) -> Said + Send + 'static {
    move |asked, good| match good {
        Some(good) if asked.path.contains(part) => say(good),
        good => honest(good),
    }
}

fn head(good: &[u8]) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", good.len()).into_bytes()
}

#[test]
fn who_lets_a_client_wait_is_given_up_and_passed_over() -> Outcome {
    let world = World::new()?;
    let honest_one = Liar::start(world.second.files.clone())?;
    let lies: [(&str, &str, &str, Say); 8] = [
        ("it says nothing", "heads", "", |_| Said::Held(Vec::new())),
        ("half a head, and nothing more", "heads", "", |_| {
            Said::Held(b"HTTP/1.1 200 OK\r\nX".to_vec())
        }),
        ("a head that trickles", "heads", "", |good| {
            Said::Slowly(Vec::new(), head(good), PAUSE)
        }),
        ("half of it, and nothing more", "heads", "", |good| {
            Said::Held([head(good).as_slice(), &good[..good.len() / 2]].concat())
        }),
        ("a body that trickles", "heads", "bytes a second", |good| {
            Said::Slowly(head(good), good.to_vec(), PAUSE)
        }),
        (
            "a list that trickles",
            "objects/",
            "bytes a second",
            |good| Said::Slowly(head(good), good.to_vec(), PAUSE),
        ),
        ("a pack that never begins", "packs/", "", |_| {
            Said::Held(Vec::new())
        }),
        ("a pack that trickles", "packs/", "bytes a second", |good| {
            Said::Slowly(head(good), good.to_vec(), PAUSE)
        }),
    ];
    for (lie, part, words, say) in lies {
        world.liar.tell(about(part, say));
        let before = world.state("copy")?;
        let started = Instant::now();
        let (pulled, _) = pull(&world, &[&world.liar])?;
        let Err(said) = pulled else {
            return Err(format!("{lie}: it was believed").into());
        };
        assert!(
            started.elapsed() < LONGEST,
            "{lie}: {:?}",
            started.elapsed()
        );
        assert!(
            said.contains("cannot reach") && said.contains(words),
            "{lie}: {said}"
        );
        assert!(said.contains(&world.liar.url()), "{lie}: {said}");
        assert_eq!(world.state("copy")?, before, "{lie}");
    }
    // The last lie is still told.
    let (pulled, told) = pull(&world, &[&world.liar, &honest_one])?;
    assert_eq!(pulled?.moves.len(), 1);
    assert!(told.contains("bytes a second"), "{told}");
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn who_lets_a_client_wait_for_each_of_many_answers_is_given_up() -> Outcome {
    let mut world = World::new()?;
    let honest_one = Liar::start(world.second.files.clone())?;
    let all = super::packs::objects(&super::packs::full(&world.second)?)?;
    world
        .second
        .files
        .retain(|path, _| !path.contains("packs/"));
    for (_, id, bytes) in &all {
        world.second.put(&format!("objects/{id}"), bytes.clone());
    }
    world.liar.show(world.second.files.clone());
    // Each of them comes in time.
    world.liar.tell(about("objects/", |good| {
        Said::Late(Duration::from_secs(1), reply("200 OK", "", good))
    }));
    let waits = Waits {
        file: LONGEST,
        read: LONGEST,
        ..SHORT
    };
    let (pulled, _) = pull_waiting(&world, &[&world.liar], waits)?;
    let said = pulled.err().ok_or("it was waited for")?;
    assert!(said.contains("answers took it"), "{said}");
    let (pulled, told) = pull_waiting(&world, &[&world.liar, &honest_one], waits)?;
    assert_eq!(pulled?.moves.len(), 1);
    assert!(told.contains("answers took it"), "{told}");
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn who_asks_to_be_asked_later_is_not_taken_for_slow() -> Outcome {
    let world = World::new()?;
    let asked = AtomicU32::new(0);
    world.liar.tell(at("heads", move |good| {
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Said::All(reply("503 Busy", "Retry-After: 2\r\n", b"")),
            _ => ok(good),
        }
    }));
    // So few answers in that time would be too few, whatever their bytes.
    let waits = Waits {
        file: LONGEST,
        read: LONGEST,
        slow_start: Duration::from_millis(1500),
        answers_per_second_min: 1000,
        bytes_per_second_min: 1_000_000,
        ..SHORT
    };
    let (pulled, told) = pull_waiting(&world, &[&world.liar], waits)?;
    assert_eq!((pulled?.moves.len(), told.as_str()), (1, ""));
    Ok(())
}

#[test]
fn a_pack_that_breaks_off_each_time_is_given_up_after_so_many_times() -> Outcome {
    let world = World::new()?;
    world.liar.tell(about("packs/", |good| {
        Said::All([head(good).as_slice(), &good[..50]].concat())
    }));
    world.liar.asked();
    let (pulled, _) = pull(&world, &[&world.liar])?;
    assert!(pulled.is_err_and(|said| said.contains("cannot reach")));
    let asked = world.liar.asked();
    let last = asked.last().ok_or("it was asked")?;
    let same = asked.iter().filter(|asked| asked.path == last.path);
    assert_eq!(same.count(), 1 + RESUMES_MAX as usize);
    world.finish()
}

#[test]
fn an_answer_that_is_slow_and_no_slower_than_it_may_be_is_read() -> Outcome {
    let world = World::new()?;
    // All but the last bytes come at once, so that on average it is fast enough.
    world.liar.tell(about("packs/", |good| {
        let (first, rest) = good.split_at(good.len() - 40);
        Said::Slowly(
            [head(good).as_slice(), first].concat(),
            rest.to_vec(),
            Duration::from_millis(10),
        )
    }));
    let (pulled, told) = pull(&world, &[&world.liar])?;
    assert_eq!((pulled?.moves.len(), told.as_str()), (1, ""));
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn what_takes_a_server_long_is_waited_for_and_files_are_not() -> Outcome {
    let liar = Liar::start(super::liar::Files::new())?;
    liar.tell(|_, _| Said::Late(SHORT.file * 3, reply("200 OK", "", b"{}")));
    let agent = Agent::with_waits(liar.url().parse()?, None, SHORT);
    // A commit may take a server long, and it says nothing meanwhile.
    let done: serde_json::Value = agent.post("commit", &())?;
    assert_eq!(done, serde_json::json!({}));
    let file = agent.fetch("trust/heads", 100);
    assert!(file.is_err_and(|error| error.to_string().contains("cannot reach")));
    let pack = agent.open("packs/full.pack", None);
    assert!(pack.is_err_and(|error| error.to_string().contains("cannot reach")));
    Ok(())
}
