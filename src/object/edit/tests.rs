//! Tests of writing directories: against the rules as `object::cutter` states them, and for what an update costs.
//!
//! # Invariants
//!
//! - The rules are written a second time here, over whole levels at once, and share no code with the cutter.
//!
//! # Not here
//!
//! Foreign trees that break the rules (`object::canonical`, `object::cursor`).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::directory::{entries, find};
use super::super::memory::{AnyError, MemoryTrees, directory, file};
use super::super::tree::{Index, IndexLine, Leaf};
use super::*;
use crate::base::id::{Hash, TreeId};

type Outcome = Result<(), AnyError>;
type Content = BTreeMap<EntryName, Child>;
type Edits = BTreeMap<EntryName, Edit>;

/// Small numbers: a hundred names make many levels.
const SHAPES: [Shape; 3] = [
    Shape {
        uncut: 4,
        lines: 8,
        bits: 1,
    },
    Shape {
        uncut: 3,
        lines: 5,
        bits: 2,
    },
    Shape {
        uncut: 16,
        lines: 20,
        bits: 3,
    },
];

/// Low bits of the hash of `name` that are zero, counted apart from the code under test.
fn zero_bits(name: &str) -> u32 {
    let hash = Hash::of(name.as_bytes());
    let zero_bytes = hash.as_bytes().iter().take_while(|byte| **byte == 0);
    let zero_bytes = zero_bytes.count();
    let next = hash.as_bytes().get(zero_bytes);
    8 * u32::try_from(zero_bytes).unwrap_or(0) + next.map_or(0, |byte| byte.trailing_zeros())
}

/// Cuts a whole level at once.
fn cut<T: Clone>(shape: Shape, level: u32, lines: &[T], last: fn(&T) -> &EntryName) -> Vec<Vec<T>> {
    if lines.len() <= shape.uncut {
        return vec![lines.to_vec()];
    }
    let mut nodes = Vec::new();
    let mut node = Vec::new();
    for line in lines {
        node.push(line.clone());
        let bits = zero_bits(last(line).as_str());
        if node.len() == shape.lines || bits >= shape.bits * (level + 1) {
            nodes.push(std::mem::take(&mut node));
        }
    }
    nodes.extend((!node.is_empty()).then_some(node));
    nodes
}

fn sum(mut parts: impl Iterator<Item = Totals>) -> crate::base::Result<Totals> {
    parts.try_fold(Totals::ZERO, Totals::plus)
}

/// Builds a directory level by level: its root, and the ids of all its nodes.
fn by_the_rules(shape: Shape, content: &Content) -> Result<(Written, BTreeSet<TreeId>), AnyError> {
    let children: Vec<_> = content.values().cloned().collect();
    let mut nodes = Vec::new();
    for pieces in cut(shape, 0, &children, |child| child.entry.name()) {
        let totals = sum(pieces.iter().map(Child::totals))?;
        let entries = pieces.into_iter().map(|child| child.entry).collect();
        nodes.push(Node::Leaf(Leaf::new(totals, entries)?));
    }
    let mut ids = BTreeSet::new();
    for level in 1.. {
        let mut lines = Vec::new();
        for node in &nodes {
            let (tree, totals) = (TreeRef::of(&node.encode()), node.totals());
            ids.insert(tree.id);
            if nodes.len() == 1 {
                return Ok((Written { tree, totals }, ids));
            }
            let last = node.last().cloned().ok_or("a node without entries")?;
            lines.push((IndexLine::new(node.entries(), tree, last)?, totals));
        }
        nodes.clear();
        for pieces in cut(shape, level, &lines, |line| line.0.last()) {
            let totals = sum(pieces.iter().map(|line| line.1))?;
            let lines = pieces.into_iter().map(|line| line.0).collect();
            nodes.push(Node::Index(Index::new(totals, lines)?));
        }
    }
    Err("levels end".into())
}

/// Checks that creation follows the rules, puts nothing else, and that what it writes reads as it was.
fn check_create(shape: Shape, trees: &MemoryTrees, content: &Content) -> Result<Written, AnyError> {
    let (expected, ids) = by_the_rules(shape, content)?;
    let fresh = MemoryTrees::default();
    let written = create_shaped(shape, &mut &fresh, content.values().cloned().map(Ok))?;
    assert_eq!(written, expected);
    assert_eq!(fresh.ids(), ids, "only nodes of the directory are put");
    let read = entries(&fresh, written.tree).collect::<crate::base::Result<Vec<_>>>()?;
    assert!(read.iter().eq(content.values().map(Child::entry)));
    trees.take_from(&fresh);
    Ok(written)
}

/// Checks that an update writes what the rules say for the resulting entries, and puts no other node.
fn check_update(
    shape: Shape,
    trees: &MemoryTrees,
    base: TreeRef,
    content: &Content,
    edits: &Edits,
) -> Result<Content, AnyError> {
    let mut changed = content.clone();
    for (name, edit) in edits {
        match edit {
            Edit::Put(child) => changed.insert(name.clone(), child.clone()),
            Edit::Remove => changed.remove(name),
        };
    }
    let (expected, ids) = by_the_rules(shape, &changed)?;
    let fresh = MemoryTrees::default();
    let written = update_shaped(shape, trees, &mut &fresh, base, edits.clone())?;
    assert_eq!(written, expected);
    assert!(fresh.ids().is_subset(&ids), "only its nodes are put");
    Ok(changed)
}

/// Runs rounds of edits on one directory: name number so-and-so gets that content, or is removed.
fn check_rounds(shape: Shape, rounds: &[Vec<(u8, Option<u8>)>]) -> Outcome {
    let trees = MemoryTrees::default();
    let one = trees.directory([file("a", "abc")?])?;
    let two = trees.directory([file("a", "abc")?, directory("d", one)?])?;
    let subdirectories = [trees.directory([])?, one, two];
    let mut content = Content::new();
    for round in rounds {
        let mut edits = Edits::new();
        for (number, value) in round {
            let name = number.to_string();
            let edit = match value.map(usize::from) {
                None => Edit::Remove,
                Some(value) => Edit::Put(match subdirectories.get(value) {
                    Some(written) => directory(&name, *written)?,
                    None => file(&name, &"x".repeat(value))?,
                }),
            };
            edits.insert(name.parse()?, edit);
        }
        let base = check_create(shape, &trees, &content)?;
        content = check_update(shape, &trees, base.tree, &content, &edits)?;
    }
    Ok(())
}

fn rounds() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
    let edits = |most| {
        let edit = (any::<u8>(), proptest::option::weighted(0.6, 0u8..6));
        proptest::collection::vec(edit, 0..most)
    };
    (edits(300), edits(4), edits(4), edits(100), edits(8))
        .prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_update_gives_what_creation_would(shape in 0..SHAPES.len(), rounds in rounds()) {
        let outcome = check_rounds(SHAPES[shape], &rounds);
        outcome.map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}

/// `count` names; each `border_every`th ends a leaf by its hash, the others do not.
fn named(count: usize, border_every: usize) -> Vec<String> {
    let candidates = || (0u64..).map(|number| format!("{:06}", number * 48_271 % 1_000_003));
    let mut plain = candidates().filter(|name| zero_bits(name) < 8);
    let mut border = candidates().filter(|name| zero_bits(name) >= 8);
    let names = (1..=count).filter_map(|place| match place % border_every {
        0 => border.next(),
        _ => plain.next(),
    });
    names.collect()
}

#[test]
fn sizes_around_the_limits_are_cut_by_the_rules() -> Outcome {
    let trees = MemoryTrees::default();
    for (border_every, sizes) in [
        // No borders by hash: one leaf up to 2,048 entries.
        (
            usize::MAX,
            &[0, 1, 512, 513, 2047, 2048, 2049, 4096, 4097][..],
        ),
        // Each second name is a border: two levels of index from about 1,025 entries.
        (2, &[512, 513, 1023, 1024, 1025, 1026, 1100]),
        (100, &[512, 513, 2049]),
    ] {
        let names = named(4097, border_every);
        for size in sizes {
            let files = names[..*size]
                .iter()
                .map(|name| Ok((name.parse()?, file(name, "1")?)));
            let content = files.collect::<Result<Content, AnyError>>()?;
            let base = check_create(Shape::FORMAT, &trees, &content)?;
            let sorted: Vec<_> = content.keys().map(EntryName::as_str).collect();
            let put = |name: &str| Ok::<_, AnyError>(Edit::Put(file(name, "new")?));
            for (name, edit) in [
                ("!first", put("!first")?),
                ("~last", put("~last")?),
                ("absent", Edit::Remove),
                (sorted.first().unwrap_or(&"a"), Edit::Remove),
                (sorted.last().unwrap_or(&"a"), Edit::Remove),
                (sorted.get(size / 2).unwrap_or(&"a"), Edit::Remove),
                (names[0].as_str(), put(&names[0])?),
            ] {
                let edits = Edits::from([(name.parse()?, edit)]);
                check_update(Shape::FORMAT, &trees, base.tree, &content, &edits)?;
            }
        }
    }
    Ok(())
}

#[test]
fn the_roots_of_known_directories_never_change() -> Outcome {
    // Empty files file-000000 and so on; made by a second implementation of docs/FORMAT.md, in another language.
    for (count, size, id) in [
        (
            1,
            100,
            "6e7095f1cfe66eca32b9b5ae837f8e83690e36abc4979b5828b0531b841efd1b",
        ),
        (
            512,
            41493,
            "c549c5a0e4423839c8cb208061930f061d886125d1bc5d08a260899e5c75f4b5",
        ),
        (
            513,
            41574,
            "7f112cfe0cf46c79689c3f45a5a1c74353570420b39a79939eb9f2d1f562a6cc",
        ),
        (
            5_000,
            1269,
            "fe59c205b5dbd44d0bac4f507a86b8f95703dff9c53d8c40106eb0ca0b8e9bc9",
        ),
        (
            200_000,
            213,
            "df917f36b713abab277ac99ccacc7a50142f408b625b03ba43260467014a61e7",
        ),
    ] {
        let files = (0..count)
            .map(|number| file(&format!("file-{number:06}"), "").map_err(|_| Error::Interrupted));
        let written = create(&mut &MemoryTrees::default(), files)?;
        let id = id.parse()?;
        assert_eq!(written.tree, TreeRef { id, size }, "{count} files");
    }
    Ok(())
}

#[test]
fn a_wide_directory_that_loses_its_first_leaves_is_uncut() -> Outcome {
    let trees = MemoryTrees::default();
    let names = named(1000, 10);
    let files = names
        .iter()
        .map(|name| Ok((name.parse()?, file(name, "1")?)));
    let content = files.collect::<Result<Content, AnyError>>()?;
    let base = check_create(Shape::FORMAT, &trees, &content)?;
    for removed in [487, 488, 900, 1000] {
        let first = content.keys().take(removed).cloned();
        let edits = first.map(|name| (name, Edit::Remove)).collect();
        check_update(Shape::FORMAT, &trees, base.tree, &content, &edits)?;
    }
    Ok(())
}

#[test]
fn one_change_among_200_000_files_costs_a_few_nodes() -> Outcome {
    let trees = MemoryTrees::default();
    let names: Vec<_> = (0..200_000)
        .map(|number| format!("package-{number:06}.rpm"))
        .collect();
    let files = names
        .iter()
        .map(|name| file(name, "old").map_err(|error| Error::internal(error.to_string())));
    let base = create(&mut &trees, files)?;
    for name in [0, 100_000, 199_999].map(|place| names[place].as_str()) {
        trees.counts();
        let edits = Edits::from([(name.parse()?, Edit::Put(file(name, "newer")?))]);
        let written = update(&trees, &mut &trees, base.tree, edits)?;
        let (loads, puts) = trees.counts();
        assert!(loads <= 8 && puts <= 8, "{loads} loads and {puts} puts");
        assert_eq!(written.totals, Totals::new(200_000, 600_002)?);
        let entry = find(&trees, written.tree, &name.parse()?)?;
        assert_eq!(entry.map(|entry| entry.size()), Some(5));
        let back = Edits::from([(name.parse()?, Edit::Put(file(name, "old")?))]);
        assert_eq!(update(&trees, &mut &trees, written.tree, back)?, base);
    }
    Ok(())
}

#[test]
fn ten_changes_among_3900_directories_cost_a_few_nodes() -> Outcome {
    let trees = MemoryTrees::default();
    let one = |number: usize| -> Result<Child, AnyError> {
        let written = trees.directory([file("a", &"x".repeat(number))?])?;
        directory(&format!("directory-{number}"), written)
    };
    let children = (0..3900).map(one).collect::<Result<Vec<_>, _>>()?;
    let base = trees.directory(children.iter().cloned())?;
    let large = trees.directory([file("a", "1")?, file("b", "2")?])?;
    let mut edits = Edits::new();
    let mut expected = base.totals;
    for child in children.iter().step_by(390) {
        let name = child.entry.name();
        edits.insert(name.clone(), Edit::Put(directory(name.as_str(), large)?));
        expected = expected.minus(child.totals)?.plus(large.totals)?;
    }
    trees.counts();
    let written = update(&trees, &mut &trees, base.tree, edits)?;
    let (loads, puts) = trees.counts();
    assert_eq!(written.totals, expected);
    // The root, the first leaf, ten leaves at most, and the ten old directories for their totals.
    assert!(loads <= 22 && puts <= 12, "{loads} loads and {puts} puts");
    Ok(())
}

#[test]
fn no_edits_cost_one_load() -> Outcome {
    let trees = MemoryTrees::default();
    let base = trees.directory([file("a", "1")?])?;
    trees.counts();
    assert_eq!(update(&trees, &mut &trees, base.tree, Edits::new())?, base);
    assert_eq!(trees.counts(), (1, 0));
    Ok(())
}

#[test]
fn an_empty_directory_is_the_empty_tree() -> Outcome {
    let trees = MemoryTrees::default();
    let base = trees.directory([file("a", "1")?])?;
    let edits = Edits::from([("a".parse()?, Edit::Remove)]);
    let written = update(&trees, &mut &trees, base.tree, edits)?;
    assert_eq!(written.tree, TreeRef::empty());
    assert_eq!(written.totals, Totals::ZERO);
    Ok(())
}

#[test]
fn broken_promises_of_callers_are_refused() -> Outcome {
    let trees = MemoryTrees::default();
    let base = trees.directory([])?;
    for names in [["b", "a"], ["a", "a"]] {
        let children = names.map(|name| file(name, "1").map_err(|_| Error::Interrupted));
        let written = create(&mut &trees, children);
        assert!(matches!(written, Err(Error::Internal { .. })), "{names:?}");
    }
    let edits = Edits::from([("a".parse()?, Edit::Put(file("b", "1")?))]);
    let written = update(&trees, &mut &trees, base.tree, edits);
    assert!(matches!(written, Err(Error::Internal { .. })));
    let entry = file("a", "12")?.entry().clone();
    assert!(Child::new(entry, Totals::new(1, 1)?).is_err());
    assert!(Child::file(directory("d", base)?.entry().clone()).is_err());
    Ok(())
}

#[test]
fn an_error_of_the_source_or_among_the_children_passes() {
    let trees = MemoryTrees::default();
    let absent = TreeRef::of(b"absent");
    let updated = update(&trees, &mut &trees, absent, Edits::new());
    assert!(matches!(updated, Err(Error::NotFound { .. })));
    let created = create(&mut &trees, [Err(Error::Interrupted)]);
    assert!(matches!(created, Err(Error::Interrupted)));
}

#[test]
fn levels_end_at_their_limit() {
    // Nodes of one line each never get fewer: such names cannot be found for the numbers of the format.
    let shape = Shape {
        uncut: 1,
        lines: 1,
        bits: 1,
    };
    let trees = MemoryTrees::default();
    let children = ["a", "b"].map(|name| file(name, "1").map_err(|_| Error::Interrupted));
    let written = create_shaped(shape, &mut &trees, children);
    assert!(matches!(written, Err(Error::Limit { found: 9, .. })));
}
