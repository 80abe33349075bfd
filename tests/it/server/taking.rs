//! Taking what a served store has, without a store of one's own: checkouts, exports, and what is verified here.

use std::error::Error;
use std::fs;

use crate::support::Node::{File, Link};
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch, expect_same_tree, noise, number, text};

/// More bytes than a file has that is one object.
const LARGE_BYTES: usize = 9 * 1024 * 1024;

/// A machine without a store, beside one whose store is served.
pub(super) struct World {
    pub(super) there: Scratch,
    pub(super) here: Scratch,
    pub(super) served: Served,
}

impl World {
    /// Two releases of `stable`, and a committed build.
    pub(super) fn new(options: &str) -> Result<Self, Box<dyn Error>> {
        let there = Scratch::new()?;
        there.write("one", crate::server::TREE)?;
        fs::write(there.path("one/large"), noise(LARGE_BYTES))?;
        there.publish("stable", "one")?;
        there.write(
            "two",
            &[("etc/more", File("more\n")), ("index.txt", File("9"))],
        )?;
        there.publish("stable", "two")?;
        there.write(
            "three",
            &[("share/doc/new", File("new\n")), ("share/old", Link("doc"))],
        )?;
        there.commit("stable", "three")?;
        for (spec, folder) in [
            ("stable@1", "first"),
            ("stable", "second"),
            ("build:3", "third"),
        ] {
            there.ok(&format!("checkout {spec} {folder}"))?;
        }
        let here = Scratch::empty()?;
        fs::create_dir(here.path("scratch"))?;
        let served = Served::start(&there, options)?;
        Ok(Self {
            there,
            here,
            served,
        })
    }

    /// Runs a command line on the server, from a machine without a store.
    pub(super) fn run(&self, line: &str) -> Result<Answer, Box<dyn Error>> {
        let line = format!("{line} --remote {}", self.served.url());
        let mut command = self.here.command(line.split(' '));
        command.env("BINDERY_TOKEN", &self.served.token);
        command.env("TMPDIR", self.here.path("scratch"));
        Answer::of(&mut command)
    }

    pub(super) fn ok(&self, line: &str) -> Result<Answer, Box<dyn Error>> {
        self.run(line)?.expect_code(0)
    }

    pub(super) fn json(&self, line: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        self.ok(&format!("{line} --json"))?.json()
    }

    fn expect_same(&self, folder: &str, expected: &str) -> Outcome {
        let (found, expected) = (self.here.path(folder), self.there.path(expected));
        for top in [&found, &expected] {
            fs::remove_file(top.join(".bindery")).ok();
        }
        expect_same_tree(&expected, &found)
    }

    pub(super) fn end(self) -> Outcome {
        let left = fs::read_dir(self.here.path("scratch"))?.count();
        assert_eq!(left, 0, "nothing is left in the folder for temporary files");
        self.served.end_sound(&self.there)
    }
}

#[test]
fn what_is_served_is_checked_out_without_a_store_of_ones_own() -> Outcome {
    let world = World::new("--anonymous nothing")?;
    for (spec, folder, expected) in [
        ("stable", "a", "second"),
        ("main:stable~1", "b", "first"),
        ("build:3", "c", "third"),
    ] {
        let said = world.json(&format!("checkout {spec} {folder}"))?;
        assert_eq!(number(&said, "written")?, number(&said, "files")?);
        world.expect_same(folder, expected)?;
    }
    world.ok("checkout stable d --path etc")?;
    assert_eq!(fs::read(world.here.path("d/more"))?, b"more\n");
    world.ok("checkout build:3 e --path share/doc/new")?;
    assert_eq!(fs::read(world.here.path("e/new"))?, b"new\n");
    world.ok("checkout stable f --path large")?;
    assert_eq!(fs::read(world.here.path("f/large"))?, noise(LARGE_BYTES));
    world
        .run("checkout stable g --path nowhere")?
        .expect_failure(3, &["nowhere"])?;
    world.end()
}

#[test]
fn an_earlier_checkout_gets_only_what_changed_from_a_server_too() -> Outcome {
    let world = World::new("")?;
    world.ok("checkout stable@1 out")?;
    fs::write(world.here.path("out/bin/tool"), "changed by hand")?;
    fs::write(world.here.path("out/mine"), "mine")?;
    let said = world.json("checkout stable out")?;
    let counts = ["written", "unchanged", "removed"].map(|field| number(&said, field));
    // The file that was changed by hand, the one that is new, and the one that changed.
    assert_eq!(counts.map(Result::unwrap_or_default), [3, 4, 0]);
    let said = world.json("checkout stable out")?;
    assert_eq!(number(&said, "written")?, 0);
    // A large file is put together of what is fetched piece by piece.
    fs::remove_file(world.here.path("out/large"))?;
    assert_eq!(number(&world.json("checkout stable out")?, "written")?, 1);
    fs::remove_file(world.here.path("out/mine"))?;
    world.expect_same("out", "second")?;
    world.end()
}

#[test]
fn what_is_served_is_verified_here() -> Outcome {
    let world = World::new("")?;
    let all = world.json("verify")?;
    let notes = all["notes"].to_string();
    assert!(notes.contains("compare its repo id"), "{notes}");
    assert!(number(&all, "statements")? >= 3, "{all}");
    let whole = world.json("verify stable")?;
    assert_eq!(whole["objects"], all["objects"]);
    for spec in ["build:3", "stable~1", "stable@2"] {
        let content = world.json(&format!("verify {spec}"))?;
        assert_eq!(number(&content, "statements")?, 0);
        assert!(number(&content, "bytes")? > LARGE_BYTES as u64, "{content}");
    }
    world.ok("verify --all")?;
    world.ok("checkout stable out")?;
    world.ok("verify stable --against out")?;
    fs::write(world.here.path("out/index.txt"), "8")?;
    let differs = world.run("verify stable --against out")?.expect_code(7)?;
    assert_eq!(differs.text(), "changed content  index.txt");
    world.end()
}

#[test]
fn what_is_damaged_there_is_found_here() -> Outcome {
    let world = World::new("")?;
    let build = world.json("build show 3")?;
    assert_eq!(text(&build, "state")?, "ready");
    let World {
        there,
        here,
        served,
    } = world;
    served.end_sound(&there)?;
    // The newest pack has what the third build brought.
    let mut packs = crate::support::files_beneath(&there.store().join("packs"))?;
    packs.sort_by_key(|pack| fs::metadata(pack).and_then(|pack| pack.modified()).ok());
    for pack in packs {
        let mut bytes = fs::read(&pack)?;
        let middle = bytes.len() / 2;
        for byte in &mut bytes[16..middle] {
            *byte ^= 0x55;
        }
        fs::write(&pack, bytes)?;
    }
    let world = World {
        served: Served::start(&there, "")?,
        there,
        here,
    };
    for line in [
        "verify build:3",
        "verify stable",
        "checkout stable out",
        "ls stable -r",
    ] {
        world.run(line)?.expect_code(7)?;
    }
    Ok(())
}

#[test]
fn what_is_served_is_exported_and_can_be_pulled() -> Outcome {
    let world = World::new("")?;
    let exported = world.json("export --static site stable --url https://example.org/r/main")?;
    assert_eq!(
        (number(&exported, "refs")?, &exported["repo"]),
        (1, &"main".into())
    );
    // Whoever followed the first release finds the way to the second.
    let base = world.here.path("site/r/main");
    let statements = fs::read_dir(base.join("statements"))?.count();
    assert_eq!(statements, 2);
    assert_eq!(fs::read(base.join("files/stable/index.txt"))?, b"9");
    let pin = fs::read_to_string(base.join("pin"))?;
    assert!(pin.contains("url https://example.org/r/main"), "{pin}");
    world.ok("push site/r/main/files/stable/etc --ref testing --publish")?;
    world.ok("rollback stable --to 1")?;
    // What was exported once stays, also when another is named.
    let again = world.json("export --static site testing")?;
    assert_eq!(number(&again, "refs")?, 2);
    assert_eq!(
        fs::read(base.join("files/stable/index.txt"))?,
        b"0123456789"
    );
    assert_eq!(fs::read_dir(base.join("statements"))?.count(), 4);
    world
        .run("export --static site nowhere")?
        .expect_failure(3, &["nowhere"])?;
    fs::create_dir(world.here.path("mine"))?;
    fs::write(world.here.path("mine/file"), "mine")?;
    world
        .run("export --static mine stable")?
        .expect_failure(5, &["is no export"])?;
    world.end()
}

#[test]
fn what_is_served_is_bundled_for_those_without_a_network() -> Outcome {
    let world = World::new("")?;
    world.ok("bundle create stable -o whole.bundle")?;
    let said = world.json("bundle create stable@2 --from stable@1 -o part.bundle")?;
    assert!(number(&said, "bytes")? < 20_000, "{said}");
    for (spec, words) in [
        ("stable@1", "shows stable@2"),
        ("build:3", "what a ref shows"),
    ] {
        let line = format!("bundle create {spec} -o none.bundle");
        world.run(&line)?.expect_failure(5, &[words])?;
    }
    world
        .run("bundle create stable --from build:3 -o none.bundle")?
        .expect_failure(2, &["starts from a release"])?;
    world.here.ok("init --no-repo")?;
    let url = world.served.url();
    let pull = format!("pull {url} --trust-first");
    world.here.ok(&pull)?;
    world.here.ok("bundle import whole.bundle")?;
    world.here.ok("bundle import part.bundle")?;
    fs::remove_dir_all(world.here.store())?;
    world.here.ok("init --no-repo")?;
    world
        .here
        .fails("bundle import part.bundle --trust-first", 3, &["starts"])?;
    world.here.ok("bundle import whole.bundle --trust-first")?;
    world.here.ok("checkout stable out")?;
    world.expect_same("out", "second")?;
    world.end()
}

#[test]
fn what_is_of_no_use_on_a_server_says_why_and_what_to_do() -> Outcome {
    let world = World::new("")?;
    for (line, words) in [
        ("fsck", "bindery job scrub"),
        ("fsck --counts", "bindery job verify"),
        ("key list", "run it there"),
        ("token create --ref * --can read", "bindery token narrow"),
        ("run-jobs", "bindery job list"),
        ("delta make stable~1 stable -o x", "pull both"),
        ("delta apply x", "push that"),
        ("bundle import x", "import it here"),
    ] {
        world
            .run(line)?
            .expect_failure(2, &["works on a store of this machine", words])?;
    }
    world.end()
}
