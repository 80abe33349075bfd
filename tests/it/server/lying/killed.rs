//! Pulls that are killed while a pack comes: the next one goes on where it broke off, and believes none of it.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::liar::{Asked, Said, honest, reply};
use super::world::World;
use crate::support::served::Served;
use crate::support::{Node, Outcome, files_beneath, number};

/// Bytes of a pack that come before the pull is killed.
const PART: usize = 100;
/// How long a pull may take until these bytes are here.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is kept of packs in the store `copy`.
fn kept(world: &World) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = files_beneath(&world.scratch.path("copy/cache"))?;
    files.retain(|file| file.to_string_lossy().contains("arrival-"));
    Ok(files)
}

/// Has a command be killed when the first bytes of a pack have come, with the rest on its way for ever.
fn kill(world: &World, line: &str, headers: &'static str) -> Outcome {
    world.liar.tell(move |asked, good| match good {
        Some(good) if asked.path.contains("packs/") => {
            let length = good.len();
            let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
            Said::Held([head.as_bytes(), &good[..PART]].concat())
        }
        good => honest(good),
    });
    let mut command = world.scratch.command(line.split(' '));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let begun = Instant::now();
    let has_come = || {
        let mut files = kept(world)?;
        files.extend(files_beneath(&world.scratch.path("copy/tmp"))?);
        let lengths = files.iter().filter_map(|file| fs::metadata(file).ok());
        let mut lengths = lengths.map(|metadata| metadata.len());
        Ok::<_, Box<dyn Error>>(lengths.any(|length| length == PART as u64))
    };
    while !has_come()? && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn killed_pull(world: &World) -> Result<PathBuf, Box<dyn Error>> {
    kill(
        world,
        &format!("--store copy pull {}", world.liar.url()),
        "ETag: \"one\"\r\n",
    )?;
    let kept = kept(world)?;
    let [file] = &kept[..] else {
        return Err(format!("one file is kept, and not {kept:?}").into());
    };
    Ok(file.clone())
}

/// What an honest server that knows ranges says of a pack whose tag is `tag`.
fn with_ranges(asked: &Asked, good: &[u8], tag: &str) -> Vec<u8> {
    let is_same = asked.if_range.as_ref().is_none_or(|asked| asked == tag);
    let Some(start) = asked.start.filter(|_| is_same) else {
        return reply("200 OK", &format!("ETag: {tag}\r\n"), good);
    };
    let (length, last) = (good.len(), good.len() - 1);
    let headers = format!("Content-Range: bytes {start}-{last}/{length}\r\nETag: {tag}\r\n");
    reply("206 Partial Content", &headers, &good[start..])
}

/// Answers questions for packs with what `say` says, by how many there were before.
fn tell(world: &World, say: impl Fn(usize, &Asked, &[u8]) -> Vec<u8> + Send + 'static) {
    let times = AtomicUsize::new(0);
    world.liar.tell(move |asked, good| match good {
        Some(good) if asked.path.contains("packs/") => {
            Said::All(say(times.fetch_add(1, Ordering::Relaxed), asked, good))
        }
        good => honest(good),
    });
    world.liar.asked();
}

/// From where on the one pack that there is was asked for; a delta, which there is not, is asked for before.
fn starts(world: &World) -> Vec<Option<usize>> {
    let asked = world.liar.asked().into_iter();
    let packs = asked.filter(|asked| asked.path.contains("full.pack"));
    packs.map(|asked| asked.start).collect()
}

/// Expects a pull to bring what is new, with these questions for packs, and to leave nothing behind.
fn expect_pulled(world: &World, reason: &str, expected: &[Option<usize>]) -> Outcome {
    let line = format!("--store copy pull {}", world.liar.url());
    let pulled = world
        .scratch
        .ok(&line)
        .map_err(|error| format!("{reason}: {error}"))?;
    assert_eq!(pulled.stdout, "stable@2\n", "{reason}");
    assert_eq!(starts(world), expected, "{reason}");
    assert_eq!(kept(world)?, Vec::<PathBuf>::new(), "{reason}");
    world.scratch.ok("--store copy verify --all")?;
    world.scratch.ok("--store copy fsck --counts")?;
    Ok(())
}

#[test]
fn a_pull_that_was_killed_goes_on_where_it_broke_off() -> Outcome {
    let world = World::new()?;
    let file = killed_pull(&world)?;
    assert_eq!(fs::metadata(&file)?.len(), PART as u64);
    // Other commands leave it alone.
    world.scratch.ok("--store copy fsck --counts")?;
    world.scratch.ok("--store copy verify --all")?;
    world.scratch.ok("--store copy fsck --repair .bindery")?;
    assert_eq!(kept(&world)?, [file]);
    tell(&world, |_, asked, good| with_ranges(asked, good, "\"one\""));
    let line = format!("--store copy --json pull {}", world.liar.url());
    let pulled = world.scratch.ok(&line)?;
    let pulled: serde_json::Value = serde_json::from_str(&pulled.stdout)?;
    let asked = world.liar.asked();
    assert_eq!(number(&pulled, "requests")?, asked.len() as u64);
    let packs: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path.contains("full.pack"))
        .collect();
    assert_eq!(packs.len(), 1);
    let rest = (packs[0].start, packs[0].if_range.as_deref());
    assert_eq!(rest, (Some(PART), Some("\"one\"")));
    assert_eq!(kept(&world)?, Vec::<PathBuf>::new());
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn what_is_whole_already_is_not_asked_for_again() -> Outcome {
    let world = World::new()?;
    let file = killed_pull(&world)?;
    let packs = world
        .second
        .files
        .iter()
        .filter(|(path, _)| path.contains("packs/"));
    let part = fs::read(&file)?;
    let mut same = packs.filter(|(_, pack)| pack.starts_with(&part));
    let (_, whole) = same.next().ok_or("the pack of which this is a part")?;
    fs::write(&file, whole)?;
    tell(&world, |_, asked, good| with_ranges(asked, good, "\"one\""));
    expect_pulled(&world, "it is whole", &[])
}

/// What is said, the more often it is asked for.
type Say = fn(usize, &Asked, &[u8]) -> Vec<u8>;

const ONE: &str = "\"one\"";
const TWO: &str = "\"two\"";

/// What may have changed at a server meanwhile, and from where on it is asked for.
const CHANGES: [(&str, Say, &[Option<usize>]); 7] = [
    (
        "another tag",
        |_, asked, good| with_ranges(asked, good, TWO),
        &[Some(PART)],
    ),
    (
        "no ranges",
        |_, _, good| reply("200 OK", "ETag: \"one\"\r\n", good),
        &[Some(PART)],
    ),
    (
        "no ranges, no tags",
        |_, _, good| reply("200 OK", "", good),
        &[Some(PART)],
    ),
    (
        "a part of another",
        |_, asked, good| {
            let asked = Asked {
                if_range: None,
                ..asked.clone()
            };
            with_ranges(&asked, good, TWO)
        },
        &[Some(PART), None],
    ),
    (
        "no such part",
        |_, asked, good| match asked.start {
            Some(_) => reply("416 No", "", b""),
            None => with_ranges(asked, good, ONE),
        },
        &[Some(PART), None],
    ),
    (
        "other bytes under the same tag",
        |_, asked, good| match asked.start {
            Some(_) => with_ranges(asked, &vec![b'x'; good.len()], ONE),
            None => with_ranges(asked, good, ONE),
        },
        &[Some(PART), None],
    ),
    (
        "other bytes than were asked for",
        |_, asked, good| match asked.start {
            Some(start) => with_ranges(
                &Asked {
                    start: Some(start - 1),
                    ..asked.clone()
                },
                good,
                ONE,
            ),
            None => with_ranges(asked, good, ONE),
        },
        &[Some(PART), None],
    ),
];

#[test]
fn where_there_is_no_rest_the_whole_comes_and_nothing_is_noticed() -> Outcome {
    let world = World::new()?;
    for (index, (change, say, expected)) in CHANGES.into_iter().enumerate() {
        let spare = format!("spare{index}");
        world.another_copy(&spare)?;
        killed_pull(&world)?;
        tell(&world, say);
        expect_pulled(&world, change, expected)?;
        fs::remove_dir_all(world.scratch.path("copy"))?;
        fs::rename(world.scratch.path(&spare), world.scratch.path("copy"))?;
    }
    Ok(())
}

#[test]
fn what_is_torn_is_fetched_once_more_and_what_is_wrong_is_not_believed() -> Outcome {
    let world = World::new()?;
    let before = world.state("copy")?;
    let file = killed_pull(&world)?;
    fs::write(&file, [0; PART])?;
    tell(&world, |_, asked, good| match asked.start {
        Some(_) => with_ranges(asked, good, ONE),
        None => with_ranges(asked, &vec![b'x'; good.len()], ONE),
    });
    let line = format!("--store copy pull {}", world.liar.url());
    world.scratch.fails(&line, 7, &["malformed"])?;
    assert_eq!(starts(&world), [Some(PART), None], "once, and not for ever");
    assert_eq!(world.state("copy")?, before, "it is as it was");
    let file = killed_pull(&world)?;
    fs::write(&file, [0; PART])?;
    tell(&world, |_, asked, good| with_ranges(asked, good, ONE));
    expect_pulled(&world, "it was torn", &[Some(PART), None])
}

#[test]
fn a_pack_that_breaks_off_too_often_is_gone_on_with_later() -> Outcome {
    let world = World::new()?;
    // Each answer has a few bytes more.
    tell(&world, |_, asked, good| {
        let answer = with_ranges(asked, good, ONE);
        let head = answer.len() - good[asked.start.unwrap_or(0)..].len();
        answer[..head + 10].to_vec()
    });
    let line = format!("--store copy pull {}", world.liar.url());
    world.scratch.fails(&line, 8, &["cannot reach"])?;
    let times = starts(&world).len();
    let [file] = &kept(&world)?[..] else {
        return Err("one file is kept".into());
    };
    assert_eq!(fs::metadata(file)?.len(), 10 * times as u64);
    tell(&world, |_, asked, good| with_ranges(asked, good, ONE));
    expect_pulled(&world, "it goes on", &[Some(10 * times)])
}

#[test]
fn what_has_no_tag_is_not_kept() -> Outcome {
    let world = World::new()?;
    kill(
        &world,
        &format!("--store copy pull {}", world.liar.url()),
        "",
    )?;
    assert_eq!(kept(&world)?, Vec::<PathBuf>::new());
    world.finish()
}

#[test]
fn a_mirror_that_was_killed_goes_on_too() -> Outcome {
    let world = World::new()?;
    let line = format!("--store copy mirror {}", world.liar.url());
    kill(&world, &line, "ETag: \"one\"\r\n")?;
    tell(&world, |_, asked, good| with_ranges(asked, good, ONE));
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@2\n");
    assert_eq!(starts(&world), [Some(PART)]);
    assert_eq!(kept(&world)?, Vec::<PathBuf>::new());
    Ok(())
}

#[test]
fn a_server_that_mirrors_ends_soon_while_a_pack_comes_and_goes_on_with_it_later() -> Outcome {
    let world = World::new()?;
    world.scratch.write(
        "copy",
        &[(
            "bindery.toml",
            Node::File(&format!(
                "format = 1\n[[serve.mirror]]\nurl = \"{}\"\nevery_seconds = 3600\n",
                world.liar.url()
            )),
        )],
    )?;
    // A byte comes every now and then, which is not so slow that it would be given up before the test ends.
    world.liar.tell(|asked, good| match good {
        Some(good) if asked.path.contains("packs/") => {
            let length = good.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nETag: {ONE}\r\nContent-Length: {length}\r\n\r\n");
            let (first, rest) = good.split_at(PART);
            let first = [head.as_bytes(), first].concat();
            Said::Slowly(first, rest.to_vec(), Duration::from_millis(200))
        }
        good => honest(good),
    });
    let served = Served::start_with(&world.scratch, "--store copy")?;
    let begun = Instant::now();
    while kept(&world)?.is_empty() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let (status, said) = served.end()?;
    assert!(status.success(), "{said}");
    // It would wait half a minute for what does not end by itself.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let [file] = &kept(&world)?[..] else {
        return Err("one file is kept".into());
    };
    let arrived = usize::try_from(fs::metadata(file)?.len())?;
    tell(&world, |_, asked, good| with_ranges(asked, good, ONE));
    expect_pulled(&world, "it goes on", &[Some(arrived)])
}

#[test]
fn a_directory_alone_is_gone_on_with_too() -> Outcome {
    let mut world = World::new()?;
    let served = Served::start(&world.scratch, "")?;
    let is_new =
        |path: &&String| path.ends_with("/full.pack") && !world.first.files.contains_key(*path);
    let url = world.second.files.keys().find(is_new).ok_or("a new pack")?;
    let url = format!("{url}?path=bin");
    let pack = served.get(&url)?.expect(200)?.body;
    served.end_sound(&world.scratch)?;
    world.second.put(url.trim_start_matches("/r/main/"), pack);
    world.liar.show(world.second.files.clone());
    world.scratch.ok("--store copy repo create mine")?;
    let line = format!("--store copy pull {} stable --path bin", world.liar.url());
    kill(&world, &line, "ETag: \"one\"\r\n")?;
    assert_eq!(kept(&world)?.len(), 1);
    tell(&world, |_, asked, good| with_ranges(asked, good, ONE));
    world.scratch.ok(&line)?;
    assert_eq!(starts(&world), [Some(PART)]);
    assert_eq!(kept(&world)?, Vec::<PathBuf>::new());
    world.scratch.ok("--store copy fsck --counts")?;
    Ok(())
}
