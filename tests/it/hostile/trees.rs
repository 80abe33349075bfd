//! Random trees made to break out, checked out under watch: into new directories, and over earlier checkouts in which
//! somebody put links to the outside in the place of directories.
//!
//! `BINDERY_HOSTILE_TREES` makes a longer run, `BINDERY_HOSTILE_SEED` another one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use bindery::base::id::{Hash, SnapshotId};
use bindery::base::path::TreePath;
use bindery::base::progress::Silent;
use bindery::base::{Error, Kind, Result};
use bindery::build::checkout::{Links, checkout};
use bindery::disk::real::RealDisk;
use bindery::object::kind::ObjectKind;
use bindery::object::tree::{Node as TreeNode, TreeRef};
use bindery::store::builds::Staging;
use bindery::store::intake::Intake;
use bindery::store::rows::Staged;
use bindery::store::view::View;

use super::watch::Arena;
use crate::shelf::{Shelf, moment};
use crate::support::Outcome;
use crate::support::simulated_disk::next_random;

/// Trees of a short run.
const TREES: u64 = 400;
/// Trees that are put into the store at once.
const TREES_AT_ONCE: u64 = 100;
/// Trees that are checked out over each other before the target is made anew.
const TREES_PER_TARGET: u64 = 5;
/// Bytes of the longest path, and names in the deepest one.
const PATH_BYTES: usize = 4095;
const DEPTH: usize = 128;

/// Names that clash on other file systems, or mean something to somebody.
const NAMES: [&str; 18] = [
    "a", "A", "dir", "Dir", "DIR", "link", "Link", "f0", "F0", "...", "-rf", "~", "con", "a\\b",
    "\u{e9}", "e\u{301}", " ", "outside",
];
/// What no name may be. A space stands before each in a line.
const ILLEGAL_NAMES: [&[u8]; 12] = [
    b"..",
    b".",
    b"",
    b"/etc",
    b"a/b",
    b"../outside/file",
    b".bindery",
    b".BinDery",
    b".bindery. ",
    b"a\0b",
    b"a\x1bb",
    b"\xff",
];

/// What a tree has at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(String),
    Directory,
}

/// A tree in the store.
struct Grown {
    tree: TreeRef,
    /// What is in it, by path; `None` if some node of it is no node.
    things: Option<BTreeMap<String, Thing>>,
}

/// Makes trees.
struct Grower<'a, 's> {
    random: u64,
    links: Vec<String>,
    intake: &'a mut Intake<'s>,
    view: &'a View<'s>,
    things: BTreeMap<String, Thing>,
    is_broken: bool,
}

impl Grower<'_, '_> {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(next_random(&mut self.random) % end as u64).unwrap_or_default()
    }

    fn put(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Hash> {
        let id = Hash::of(bytes);
        if self.intake.wants(self.view, kind, id)? {
            self.intake.put(kind, id, bytes)?;
        }
        Ok(id)
    }

    /// A tree of some sort: mostly a bush, now and then one that is as deep as a tree can be.
    fn tree(&mut self) -> Result<Grown> {
        (self.things, self.is_broken) = (BTreeMap::new(), false);
        let (text, _) = if self.below(40) == 0 {
            self.chain("", DEPTH)?
        } else {
            self.bush("", 4)?
        };
        let tree = self.node(&text)?;
        let things = (!self.is_broken).then(|| std::mem::take(&mut self.things));
        Ok(Grown { tree, things })
    }

    fn node(&mut self, text: &[u8]) -> Result<TreeRef> {
        self.put(ObjectKind::Tree, text)?;
        Ok(TreeRef::of(text))
    }

    /// A directory with one in it, and so on; the names are so long that the deepest path is the longest one, too.
    fn chain(&mut self, at: &str, depth: usize) -> Result<(Vec<u8>, (u64, u64))> {
        let room = PATH_BYTES - at.len();
        let name = "n".repeat((room / depth).saturating_sub(1).clamp(1, 255));
        if depth == 1 {
            let target = self.link_target();
            let mut lines = BTreeMap::new();
            self.leaf(&name, Thing::Link(target), at, &mut lines)?;
            return Ok(text(&lines));
        }
        let path = format!("{at}{name}");
        self.things.insert(path.clone(), Thing::Directory);
        let (below, totals) = self.chain(&format!("{path}/"), depth - 1)?;
        let tree = self.node(&below)?;
        let line = format!("d {} {} ", tree.size, tree.id).into_bytes();
        Ok(text(&BTreeMap::from([(name.into_bytes(), (line, totals))])))
    }

    /// A directory with things of all sorts in it.
    fn bush(&mut self, at: &str, depth: usize) -> Result<(Vec<u8>, (u64, u64))> {
        let mut lines = BTreeMap::new();
        for _ in 0..=self.below(6) {
            let name = match self.below(20) {
                0 => "x".repeat(255),
                other => NAMES[other % NAMES.len()].to_owned(),
            };
            if lines.contains_key(name.as_bytes()) {
                continue;
            }
            match self.below(8) {
                0 | 1 => {
                    let text = name.repeat(self.below(4)).into_bytes();
                    self.leaf(&name, Thing::File(text), at, &mut lines)?;
                }
                2 => self.leaf(&name, Thing::Executable(b"run".to_vec()), at, &mut lines)?,
                3 | 4 => {
                    let target = self.link_target();
                    self.leaf(&name, Thing::Link(target), at, &mut lines)?;
                }
                _ if depth == 0 => {}
                _ => {
                    let path = format!("{at}{name}");
                    self.things.insert(path.clone(), Thing::Directory);
                    let (below, totals) = self.bush(&format!("{path}/"), depth - 1)?;
                    let tree = self.node(&below)?;
                    let line = format!("d {} {} ", tree.size, tree.id).into_bytes();
                    lines.insert(name.into_bytes(), (line, totals));
                }
            }
        }
        let (mut whole, totals) = text(&lines);
        if self.below(60) == 0 {
            whole = self.broken(&lines)?;
        }
        Ok((whole, totals))
    }

    fn leaf(&mut self, name: &str, thing: Thing, at: &str, lines: &mut Lines) -> Result<()> {
        let (letter, bytes) = match &thing {
            Thing::File(bytes) => ('f', bytes.clone()),
            Thing::Executable(bytes) => ('x', bytes.clone()),
            Thing::Link(target) => ('l', target.clone().into_bytes()),
            Thing::Directory => return Err(Error::internal("a directory is no leaf")),
        };
        let (id, size) = (self.put(ObjectKind::Blob, &bytes)?, bytes.len() as u64);
        let line = format!("{letter} {size} {id} ").into_bytes();
        lines.insert(name.as_bytes().to_vec(), (line, (1, size)));
        self.things.insert(format!("{at}{name}"), thing);
        Ok(())
    }

    fn link_target(&mut self) -> String {
        let at = self.below(self.links.len());
        self.links[at].clone()
    }

    /// A text that is no node: a name twice, as a link and as a directory; names out of order; a name that climbs.
    fn broken(&mut self, lines: &Lines) -> Result<Vec<u8>> {
        let target = self.links[0].clone().into_bytes();
        let (id, size) = (self.put(ObjectKind::Blob, &target)?, target.len());
        let link = |name: &[u8]| [format!("l {size} {id} ").as_bytes(), name, b"\n"].concat();
        let empty = TreeRef::empty();
        let directory = format!("d {} {} dir\n", empty.size, empty.id).into_bytes();
        let (header, body) = {
            let (whole, _) = text(lines);
            let end = whole
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or_default()
                + 1;
            (
                b"bindery tree 1 1000 100000\n".to_vec(),
                whole[end..].to_vec(),
            )
        };
        let wrong = match self.below(3) {
            0 => [header, link(b"dir"), directory].concat(),
            1 => [header, link(b"z"), link(b"b"), body].concat(),
            _ => {
                let name = ILLEGAL_NAMES[self.below(ILLEGAL_NAMES.len())];
                [header, link(name), body].concat()
            }
        };
        let decoded = TreeNode::decode(&wrong).map_err(|error| error.kind());
        assert_eq!(decoded, Err(Kind::Integrity), "{}", wrong.escape_ascii());
        self.is_broken = true;
        Ok(wrong)
    }
}

/// Lines of a node by name, each with the files and bytes beneath it.
type Lines = BTreeMap<Vec<u8>, (Vec<u8>, (u64, u64))>;

fn text(lines: &Lines) -> (Vec<u8>, (u64, u64)) {
    let totals = lines.values().fold((0, 0), |sum, (_, totals)| {
        (sum.0 + totals.0, sum.1 + totals.1)
    });
    let mut text = format!("bindery tree 1 {} {}\n", totals.0, totals.1).into_bytes();
    for (name, (line, _)) in lines {
        text.extend([line, name, &b"\n"[..]].concat());
    }
    (text, totals)
}

/// Puts trees into a build.
fn grow(shelf: &Shelf, build: u64, seed: u64, count: u64, arena: &Arena) -> Result<Vec<Grown>> {
    let view = shelf.store.view(&shelf.repo, &[build])?;
    let mut intake = shelf.store.intake();
    let outside = arena.outside().display().to_string();
    let links = [
        "..",
        "../..",
        "../../..",
        ".",
        "/",
        "a",
        "dir",
        "../outside",
        "../../outside/dir",
        "../../../outside/file",
        "dir/../../outside",
    ];
    let mut links: Vec<String> = links.iter().map(|link| (*link).to_owned()).collect();
    links.extend(["", "/dir", "/file", "/link", "/empty"].map(|below| format!("{outside}{below}")));
    let mut grower = Grower {
        random: seed,
        links,
        intake: &mut intake,
        view: &view,
        things: BTreeMap::new(),
        is_broken: false,
    };
    let grown = (0..count).map(|_| grower.tree()).collect::<Result<_>>()?;
    let staging = Staging {
        landing: intake.finish()?,
        operations: Vec::new(),
        sums: Staged::default(),
    };
    shelf.store.record_staging(build, staging, moment(2)?)?;
    Ok(grown)
}

/// Puts links to the outside in the place of some of what a checkout wrote.
fn meddle(
    target: &Path,
    things: &BTreeMap<String, Thing>,
    outside: &Path,
    random: &mut u64,
) -> Outcome {
    for (path, thing) in things {
        if !next_random(random).is_multiple_of(8) {
            continue;
        }
        let place = target.join(path);
        let Ok(stat) = fs::symlink_metadata(&place) else {
            // Also what is too deep to be named from the root.
            continue;
        };
        // What is behind a link by now is not ours to meddle with.
        if !is_inside(target, path)? {
            continue;
        }
        let leads_to = match thing {
            Thing::Directory => outside.join("dir"),
            _ => outside.join("file"),
        };
        if stat.is_dir() {
            fs::remove_dir_all(&place)?;
        } else {
            fs::remove_file(&place)?;
        }
        symlink(leads_to, &place)?;
    }
    Ok(())
}

/// Whether no name on the way to a path is a link.
fn is_inside(target: &Path, path: &str) -> std::io::Result<bool> {
    let mut place = target.to_owned();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        place.push(name);
        if names.peek().is_some() && !fs::symlink_metadata(&place)?.is_dir() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Expects a checkout to have written everything that the tree has, with no link on the way to it.
fn expect_written(target: &Path, things: &BTreeMap<String, Thing>) -> Outcome {
    for (path, thing) in things {
        let place = target.join(path);
        if place.as_os_str().len() > PATH_BYTES {
            // It cannot be named from the root; the directories above it were looked at.
            continue;
        }
        assert!(is_inside(target, path)?, "{path}");
        let stat = fs::symlink_metadata(&place)?;
        let mode = stat.permissions().mode() & 0o7777;
        let found = if stat.is_symlink() {
            Thing::Link(fs::read_link(&place)?.to_string_lossy().into_owned())
        } else if stat.is_dir() {
            Thing::Directory
        } else if mode == 0o755 {
            Thing::Executable(fs::read(&place)?)
        } else {
            assert_eq!(mode, 0o644, "{path}");
            Thing::File(fs::read(&place)?)
        };
        assert_eq!(&found, thing, "{path}");
    }
    Ok(())
}

#[test]
fn whatever_a_tree_holds_nothing_outside_its_target_is_touched() -> Outcome {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let trees = setting("BINDERY_HOSTILE_TREES").unwrap_or(TREES);
    let mut random = setting("BINDERY_HOSTILE_SEED").unwrap_or(1);
    let (arena, store) = (Arena::new()?, tempfile::tempdir()?);
    let shelf = Shelf::create(Arc::new(RealDisk::new(store.path().join("store"))))?;
    let build = shelf.build("stable")?;
    let target = arena.work().join("target");
    let (mut done, mut counts) = (0, [0_u64; 3]);
    while done < trees {
        let seed = next_random(&mut random);
        let grown = grow(&shelf, build, seed, TREES_AT_ONCE.min(trees - done), &arena)?;
        let view = shelf.store.view(&shelf.repo, &[build])?;
        for (number, grown) in (done..).zip(&grown) {
            if number % TREES_PER_TARGET == 0 && fs::symlink_metadata(&target).is_ok() {
                fs::remove_dir_all(&target)?;
            }
            let (root, path) = (TreePath::root(), SnapshotId::of(b"snapshot"));
            let answer = checkout(&view, grown.tree, path, &root, &target, Links::All, &Silent);
            let told = format!("tree {number} of batch {seed}: {answer:?}");
            arena.expect_untouched(&told)?;
            let kind = answer.map(drop).map_err(|error| error.kind());
            match (&grown.things, kind) {
                (Some(things), Ok(())) => {
                    counts[0] += 1;
                    expect_written(&target, things).map_err(|error| format!("{error}: {told}"))?;
                    meddle(&target, things, &arena.outside(), &mut random)?;
                }
                // A link that somebody put in the place of a directory, and so on, may be in the way.
                (Some(_), Err(Kind::Conflict)) if number % TREES_PER_TARGET > 0 => counts[1] += 1,
                (None, Err(Kind::Integrity)) => counts[2] += 1,
                (things, other) => return Err(format!("{things:?}, {other:?}: {told}").into()),
            }
        }
        done += grown.len() as u64;
    }
    assert!(
        counts[0] > trees / 2 && counts[2] > 0,
        "of all sorts: {counts:?}"
    );
    Ok(())
}
