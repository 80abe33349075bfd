//! Packs that break off: they are gone on with where they broke off, and only with more of the same.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::liar::{Asked, Said, honest, reply};
use super::world::World;
use crate::support::Outcome;

/// Bytes of a pack that come before it breaks off.
const PART: usize = 100;

/// The first bytes of an answer that promises the whole of `good`.
fn part(good: &[u8], headers: &str) -> Said {
    let length = good.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    Said::All([head.as_bytes(), &good[..PART]].concat())
}

/// Breaks off the first answer about a pack, whose tag is `"one"`, and answers the next with what `next` says.
fn then(
    next: impl Fn(&Asked, &[u8]) -> Vec<u8> + Send + 'static,
) -> impl Fn(&Asked, Option<&[u8]>) -> Said + Send + 'static {
    let times = AtomicUsize::new(0);
    move |asked, good| match good {
        Some(good) if asked.path.contains("packs/") => {
            if times.fetch_add(1, Ordering::Relaxed) == 0 {
                part(good, "ETag: \"one\"\r\n")
            } else {
                Said::All(next(asked, good))
            }
        }
        good => honest(good),
    }
}

/// An answer with the bytes from one on.
fn rest(range: &str, tag: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("Content-Range: bytes {range}\r\nETag: {tag}\r\n");
    reply("206 Partial Content", &headers, body)
}

/// What a liar answers to who wants the rest of a pack of `length` bytes: the range, the tag, and from where to where the
/// bytes come.
type Lie = (
    &'static str,
    i32,
    &'static str,
    fn(usize) -> String,
    &'static str,
    fn(usize) -> (usize, usize),
);

const RANGES: [Lie; 6] = [
    (
        "from another byte on",
        7,
        "other bytes",
        |length| format!("50-{}/{length}", length - 1),
        "\"one\"",
        |length| (50, length),
    ),
    (
        "past the end",
        7,
        "other bytes",
        |length| format!("{length}-{length}/{length}"),
        "\"one\"",
        |length| (length - 1, length),
    ),
    (
        "in a range that is none",
        7,
        "other bytes",
        |_| "some".to_owned(),
        "\"one\"",
        |length| (PART, length),
    ),
    (
        "of another whole",
        8,
        "another one",
        |length| format!("{PART}-{}/{}", length - 1, length + 9),
        "\"one\"",
        |length| (PART, length),
    ),
    (
        "of another tag",
        8,
        "another one",
        |length| format!("{PART}-{}/{length}", length - 1),
        "\"two\"",
        |length| (PART, length),
    ),
    (
        "other bytes under the same tag",
        7,
        "malformed",
        |length| format!("{PART}-{}/{length}", length - 1),
        "\"one\"",
        |length| (0, length - PART),
    ),
];

#[test]
fn what_follows_a_part_is_the_rest_of_the_same() -> Outcome {
    let world = World::new()?;
    for (lie, code, words, range, tag, place) in RANGES {
        world.liar.tell(then(move |_, good| {
            let (start, end) = place(good.len());
            rest(&range(good.len()), tag, &good[start..end])
        }));
        world.check(lie, code, &[words])?;
    }
    world.finish()
}

/// What a liar answers with something else than a part.
type Next = fn(&Asked, &[u8]) -> Vec<u8>;

#[test]
fn what_follows_a_part_and_is_none_is_the_same_once_more() -> Outcome {
    let world = World::new()?;
    let lies: [(&str, i32, &str, Next); 5] = [
        ("all of another", 8, "another one", |_, good| {
            reply("200 OK", "ETag: \"two\"\r\n", good)
        }),
        ("all of what has no tag", 8, "another one", |_, good| {
            reply("200 OK", "", good)
        }),
        ("nothing any more", 8, "no longer there", |_, _| {
            reply("404 Not Found", "", b"")
        }),
        ("no such part", 8, "status 416", |_, _| {
            reply("416 No", "", b"")
        }),
        ("others behind the part", 7, "malformed", |_, good| {
            let body = [&good[..PART], &vec![b'x'; good.len() - PART]].concat();
            reply("200 OK", "ETag: \"one\"\r\n", &body)
        }),
    ];
    for (lie, code, words, next) in lies {
        world.liar.tell(then(next));
        world.check(lie, code, &[words])?;
    }
    // A server that knows ranges, and asks whether it is still the same.
    world.liar.asked();
    world.liar.tell(then(|asked, good| {
        let start = asked.start.unwrap_or_default();
        rest(
            &format!("{start}-{}/{}", good.len() - 1, good.len()),
            "\"one\"",
            &good[start..],
        )
    }));
    let line = format!("--store copy pull {}", world.liar.url());
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@2\n");
    let asked = world.liar.asked();
    let again = asked.iter().find(|asked| asked.start.is_some());
    let again = again.map(|asked| (asked.start, asked.if_range.as_deref()));
    assert_eq!(again, Some((Some(PART), Some("\"one\""))));
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole_again() -> Outcome {
    let world = World::new()?;
    let times = AtomicUsize::new(0);
    world.liar.tell(move |asked, good| match good {
        Some(good) if asked.path.contains("packs/") => {
            if times.fetch_add(1, Ordering::Relaxed) < 2 {
                part(good, "")
            } else {
                Said::All(reply("200 OK", "", good))
            }
        }
        good => honest(good),
    });
    let line = format!("--store copy pull {}", world.liar.url());
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@2\n");
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}
