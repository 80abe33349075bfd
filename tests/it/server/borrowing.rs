//! What a command fetches from a server before it writes: no more than it needs, in as few parts as that makes sense, and gone when the
//! command is, however it ends.

use std::error::Error;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::server::lying::liar::{Asked, Files, Liar, Said, reply};
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch, expect_same_tree, files_beneath, noise, number};

/// Bytes of the one file that is not small.
const LARGE_BYTES: usize = 1024 * 1024;
/// Files that are small.
const SMALL_FILES: usize = 40;
/// Questions that a checkout asks that takes everything at once.
const QUESTIONS_MAX: usize = 6;
/// How long a command may take to come as far as is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine without a store; a store; its server; and somebody in between, who hears what is asked.
struct World {
    there: Scratch,
    here: Scratch,
    served: Served,
    between: Liar,
}

/// Publishes many small files, which say which release this is, and a large one that stays as it is.
fn release(scratch: &Scratch, which: u32) -> Outcome {
    fs::create_dir_all(scratch.path("tree/small"))?;
    for number in 0..SMALL_FILES {
        let text = format!("file {number} of release {which}");
        fs::write(scratch.path(format!("tree/small/{number}")), text)?;
    }
    fs::write(scratch.path("tree/large"), noise(LARGE_BYTES))?;
    scratch.publish("stable", "tree")?;
    Ok(())
}

impl World {
    fn of(there: Scratch) -> Result<Self, Box<dyn Error>> {
        let here = Scratch::empty()?;
        fs::create_dir(here.path("scratch"))?;
        let served = Served::start(&there, "")?;
        let between = Liar::start(Files::new())?;
        let world = Self {
            there,
            here,
            served,
            between,
        };
        world.pass_on(|_, bytes| Said::All(bytes));
        Ok(world)
    }

    /// Passes on what the server says, as `say` does it.
    fn pass_on(&self, say: fn(&Asked, Vec<u8>) -> Said) {
        let (address, token) = (self.served.address, self.served.token.clone());
        self.between.tell(move |asked, _| {
            let asking = Ask::new("GET", &asked.path).token(&token).send(address);
            let Ok(said) = asking else {
                return Said::Nothing;
            };
            say(
                asked,
                reply(&format!("{} said", said.status), "", &said.body),
            )
        });
    }

    fn command(&self, line: &str) -> Command {
        let url = self.between.url();
        let line = format!("{line} --remote {}", url.trim_end_matches("/r/main"));
        let mut command = self.here.command(line.split(' '));
        command.env("BINDERY_TOKEN", &self.served.token);
        command.env("TMPDIR", self.here.path("scratch"));
        command
    }

    /// Runs a command line on the server, and says also what was asked for that.
    fn run(&self, line: &str) -> Result<(Answer, Vec<Asked>), Box<dyn Error>> {
        self.between.asked();
        let answer = Answer::of(&mut self.command(line))?;
        Ok((answer, self.between.asked()))
    }

    fn borrowed(&self) -> std::io::Result<usize> {
        Ok(fs::read_dir(self.here.path("scratch"))?.count())
    }

    /// Starts a command that borrows a store, and waits until something is in it that is not all.
    fn start(&self, line: &str) -> Result<Child, Box<dyn Error>> {
        let begun = Instant::now();
        let child = self.command(line).spawn()?;
        loop {
            let files = files_beneath(&self.here.path("scratch")).unwrap_or_default();
            let sizes = files.iter().filter_map(|file| fs::metadata(file).ok());
            if sizes.map(|stat| stat.len()).max() >= Some(LARGE_BYTES as u64 / 4) {
                return Ok(child);
            }
            if begun.elapsed() > PATIENCE {
                return Err("nothing was borrowed".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn packs(asked: &[Asked]) -> usize {
    let packs = asked.iter().filter(|asked| asked.path.contains(".pack"));
    packs.count()
}

#[test]
fn what_a_command_borrowed_goes_when_it_is_stopped_or_with_the_next_one() -> Outcome {
    let there = Scratch::new()?;
    release(&there, 1)?;
    let world = World::of(there)?;
    world.pass_on(|asked, mut bytes| {
        if !asked.path.contains(".pack") {
            return Said::All(bytes);
        }
        bytes.truncate(bytes.len() / 2);
        Said::Held(bytes)
    });
    for (name, signal, left) in [
        ("INT", 2, 0),
        ("TERM", 15, 0),
        ("HUP", 1, 0),
        ("KILL", 9, 1),
    ] {
        let mut child = world.start("checkout stable out")?;
        let id = child.id().to_string();
        Command::new("kill").args(["-s", name, &id]).status()?;
        assert_eq!(child.wait()?.signal(), Some(signal), "{name}");
        assert_eq!(world.borrowed()?, left, "{name}");
    }
    // Who is told to ignore it does: it goes on, and has what it needs.
    let mut command = world.command("checkout stable out");
    let mut ignoring = Command::new("nohup");
    ignoring.arg(command.get_program()).args(command.get_args());
    world.here.isolate(&mut ignoring);
    for (name, value) in command.get_envs() {
        ignoring.env(name, value.unwrap_or_default());
    }
    // Only what is asked from here on shows that it began.
    world.between.asked();
    let mut child = ignoring.spawn()?;
    let begun = Instant::now();
    while world
        .between
        .asked()
        .iter()
        .all(|asked| !asked.path.contains(".pack"))
    {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    Command::new("kill").args(["-s", "HUP", &id]).status()?;
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait()?.is_none(), "it still runs");
    assert_eq!(
        world.borrowed()?,
        1,
        "what the one that was killed left is gone"
    );
    Command::new("kill").args(["-s", "INT", &id]).status()?;
    assert_eq!(child.wait()?.signal(), Some(2));
    assert_eq!(world.borrowed()?, 0);
    world.pass_on(|_, bytes| Said::All(bytes));
    command.output()?;
    expect_same_tree(&world.there.path("tree"), &world.here.path("out"))?;
    assert_eq!(world.borrowed()?, 0);
    world.served.end_sound(&world.there)
}

/// Leaves a checkout of `stable` in the folder `out` that broke off: the large file could not be read.
fn break_off(there: &Scratch) -> Outcome {
    let (needle, mut damaged) = (&noise(LARGE_BYTES)[..64], Vec::new());
    for pack in files_beneath(&there.store().join("packs"))? {
        let bytes = fs::read(&pack)?;
        if let Some(at) = bytes.windows(64).position(|window| window == needle) {
            let mut wrong = bytes.clone();
            wrong[at + 100] ^= 1;
            fs::write(&pack, wrong)?;
            damaged.push((pack, bytes));
        }
    }
    assert_eq!(damaged.len(), 1);
    there.fails("checkout stable out", 7, &[])?;
    for (pack, bytes) in damaged {
        fs::write(pack, bytes)?;
    }
    let marker = fs::read(there.path("out/.bindery"))?;
    assert!(String::from_utf8_lossy(&marker).contains("state incomplete"));
    Ok(())
}

#[test]
fn a_checkout_asks_for_all_at_once_or_for_the_little_that_changed() -> Outcome {
    let there = Scratch::new()?;
    release(&there, 1)?;
    break_off(&there)?;
    let world = World::of(there)?;
    fs::rename(world.there.path("out"), world.here.path("out"))?;
    let (answer, asked) = world.run("checkout stable out --json")?;
    let written = number(&answer.expect_code(0)?.json()?, "written")?;
    assert_eq!(written, SMALL_FILES as u64 + 1);
    assert!(
        packs(&asked) == 1 && asked.len() <= QUESTIONS_MAX,
        "{asked:?}"
    );
    let check =
        |world: &World| expect_same_tree(&world.there.path("tree"), &world.here.path("out"));
    check(&world)?;
    // Little is asked for one by one.
    let push = |world: &World| {
        let line = format!(
            "push tree --ref stable --publish --remote {}",
            world.served.url()
        );
        world.served.run(&world.there, &line)?.expect_code(0)
    };
    world.there.write("tree", &[("small/1", File("changed"))])?;
    push(&world)?;
    let (answer, asked) = world.run("checkout stable out --json")?;
    assert_eq!(number(&answer.expect_code(0)?.json()?, "written")?, 1);
    assert_eq!(packs(&asked), 0, "{asked:?}");
    check(&world)?;
    // Much comes at once, although the large file is there already.
    for number in 0..SMALL_FILES {
        fs::write(
            world.there.path(format!("tree/small/{number}")),
            format!("again {number}"),
        )?;
    }
    push(&world)?;
    let (answer, asked) = world.run("checkout stable out --json")?;
    let answer = answer.expect_code(0)?.json()?;
    assert_eq!(number(&answer, "written")?, SMALL_FILES as u64);
    assert_eq!(number(&answer, "unchanged")?, 1);
    assert!(
        packs(&asked) == 1 && asked.len() <= 2 * QUESTIONS_MAX,
        "{asked:?}"
    );
    check(&world)?;
    // So also of a directory alone, whose pack is a smaller one.
    let (answer, _) = world.run("checkout stable part --path small")?;
    answer.expect_code(0)?;
    let (answer, asked) = world.run("checkout stable~2 part --path small --json")?;
    let answer = answer.expect_code(0)?.json()?;
    assert_eq!(number(&answer, "written")?, SMALL_FILES as u64);
    assert!(
        packs(&asked) == 1 && asked.len() <= 2 * QUESTIONS_MAX,
        "{asked:?}"
    );
    assert_eq!(world.borrowed()?, 0);
    world.served.end_sound(&world.there)
}

#[test]
fn a_folder_that_will_not_do_is_refused_before_anything_is_fetched() -> Outcome {
    let there = Scratch::new()?;
    release(&there, 1)?;
    let world = World::of(there)?;
    world.here.write("own", &[("mine", File("mine"))])?;
    for (line, words) in [
        (
            "checkout stable own",
            "it is not empty, and no earlier checkout",
        ),
        ("checkout stable own/mine", "it is not a directory"),
        ("export --static own", "is no export: it has mine"),
        ("export --static own stable", "is no export: it has mine"),
    ] {
        let (answer, asked) = world.run(line)?;
        answer.expect_failure(5, &[words])?;
        let fetched = asked.iter().filter(|asked| asked.path.starts_with("/r/"));
        assert_eq!(fetched.count(), 0, "{line}: {asked:?}");
    }
    assert_eq!(files_beneath(&world.here.path("own"))?.len(), 1);
    world.served.end_sound(&world.there)
}

#[test]
fn what_a_bundle_cannot_carry_is_refused_before_anything_is_fetched() -> Outcome {
    let there = Scratch::new()?;
    release(&there, 1)?;
    release(&there, 2)?;
    let world = World::of(there)?;
    let words = "stable shows stable@2 and not stable";
    for (spec, code, words) in [
        ("stable@1", 5, words),
        ("stable~1", 5, words),
        ("build:2", 5, "a bundle carries what a ref shows"),
        ("nowhere", 3, "no ref nowhere"),
        ("stable --from build:1", 2, "a bundle starts from a release"),
    ] {
        let line = format!("bundle create {spec} -o some.bundle");
        let (answer, asked) = world.run(&line)?;
        answer.expect_failure(code, &[words])?;
        let mut asked = asked.iter();
        assert!(!asked.any(|asked| asked.path.starts_with("/r/")), "{line}");
        assert!(!world.here.path("some.bundle").exists(), "{line}");
    }
    // What is shown now is carried, by whatever name.
    for spec in ["stable", "stable@2", "stable~0"] {
        let (answer, _) = world.run(&format!("bundle create {spec} -o some.bundle"))?;
        answer.expect_code(0)?;
        fs::remove_file(world.here.path("some.bundle"))?;
    }
    world.served.end_sound(&world.there)
}
