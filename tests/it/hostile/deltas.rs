//! Deltas that nobody signed: some kilobytes that promise very much. They are refused before they take memory, disk or time.

use std::fs;

use bindery::base::id::{HASH_BYTES, Hash};
use bindery::base::limits::MIB;
use bindery::object::frame_builder::{FrameBuilder, SealedFrame};
use bindery::object::kind::ObjectKind;
use bindery::object::pack_writer::PackWriter;
use bindery::object::script_frame::{seal_group, seal_text};
use bindery::object::snapshot::{Labels, Snapshot};
use bindery::object::totals::Totals;
use bindery::object::tree::TreeRef;

use super::forged::measured;
use crate::shelf::moment;
use crate::support::{Node, Outcome, Scratch, files_beneath, text};

type Bytes = Result<Vec<u8>, Box<dyn std::error::Error>>;

/// Bytes of the file that the store has.
const OLD_BYTES: u64 = 3 << 20;

/// A store whose ref shows one file of noise, which no compressor makes smaller.
fn store() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    let noise: String = (0..OLD_BYTES / 64)
        .map(|number| Hash::of(&number.to_le_bytes()).to_string())
        .collect();
    scratch.write("tree", &[("old", Node::File(&noise))])?;
    let build = scratch.commit("stable", "tree")?;
    scratch.ok(&format!("publish {build}"))?;
    Ok(scratch)
}

/// A delta from what the ref shows, or from nothing, to a snapshot of `tree` with `totals`.
fn delta(from: Option<&Scratch>, tree: TreeRef, totals: Totals, frames: &[SealedFrame]) -> Bytes {
    let snapshot = Snapshot {
        tree,
        totals,
        depth: 100,
        parents: Vec::new(),
        time: moment(3)?,
        labels: Labels::default(),
        message: String::new(),
    };
    let mut salt = [0; 16];
    if let Some(scratch) = from {
        let id: Hash = text(&scratch.json("show stable")?, "snapshot")?.parse()?;
        salt.copy_from_slice(&id.as_bytes()[..HASH_BYTES / 2]);
    }
    let snapshot = snapshot.encode()?;
    let mut whole = FrameBuilder::new();
    whole.push(ObjectKind::Snapshot, Hash::of(&snapshot), &snapshot)?;
    let mut pack = Vec::new();
    let mut writer = PackWriter::new(&mut pack, salt)?;
    writer.append(&whole.seal()?)?;
    frames.iter().try_for_each(|frame| writer.append(frame))?;
    writer.finish()?;
    Ok(pack)
}

/// The frames of a script and its groups.
fn told(script: &str, groups: &[SealedFrame]) -> Result<Vec<SealedFrame>, bindery::base::Error> {
    let mut frames = seal_text(&format!("bindery script 1\n{script}"))?;
    frames.extend_from_slice(groups);
    Ok(frames)
}

/// A tree that is nowhere.
fn unknown() -> TreeRef {
    TreeRef::of(b"bindery tree 1 0 0\n")
}

/// Applies a delta, which is refused as damaged and leaves nothing.
fn check_refused(scratch: &Scratch, delta: &[u8], expected: &str) -> Outcome {
    assert!(delta.len() as u64 <= MIB / 8, "{} bytes", delta.len());
    fs::write(scratch.path("hostile.delta"), delta)?;
    let answer = measured(scratch, "delta apply hostile.delta")?;
    assert_eq!(answer.code, 7, "{expected}: {answer:?}");
    assert!(answer.stderr.contains(expected), "{expected}: {answer:?}");
    let left = files_beneath(&scratch.store().join("tmp"))?;
    assert!(left.is_empty(), "{expected}: {left:?}");
    Ok(())
}

#[test]
fn bases_are_not_read_before_it_is_known_that_they_may_be_so_many() -> Outcome {
    let scratch = store()?;
    let lines = (0..100).map(|number| format!("< old\nf p 0 -{} n{number:03}\n", OLD_BYTES - 1));
    let group = seal_group(b"never looked at", 100, 100)?;
    let frames = told(&lines.collect::<String>(), &[group])?;
    let delta = delta(Some(&scratch), unknown(), Totals::new(100, 100)?, &frames)?;
    check_refused(&scratch, &delta, "bytes of the bases of a group")
}

#[test]
fn no_more_is_made_than_the_snapshot_says_there_is() -> Outcome {
    let scratch = store()?;
    let id = Hash::of(b"x");
    let group = |contents, bytes| seal_group(b"never looked at", contents, bytes);
    let cases = [
        ("f n 0 5000000 a\n", Some(group(1, 5_000_000)?), "a content"),
        ("< old\nf p 0 0 a\n", Some(group(1, OLD_BYTES)?), "a patch"),
        (
            "< old\nf a 0 3145728 900 8000 a\n",
            Some(group(1, 900)?),
            "an archive",
        ),
        (
            "f n 0 7 a\nf n 0 7 b\n",
            Some(group(2, 14)?),
            "two contents",
        ),
        (
            "< old\nf = a\n< old\nf = b\n< old\nf = c\n",
            None,
            "three files",
        ),
        (&format!("f w 1000 {id} a\n"), None, "one that comes whole"),
    ];
    for (script, group, reason) in cases {
        let frames = told(script, group.as_slice())?;
        let delta = delta(Some(&scratch), unknown(), Totals::new(2, 13)?, &frames)?;
        check_refused(&scratch, &delta, "more than its snapshot says")
            .map_err(|error| format!("{reason}: {error}"))?;
    }
    Ok(())
}

#[test]
fn archives_are_not_longer_unpacked_than_writers_tell_them() -> Outcome {
    let scratch = store()?;
    let most = 16 * 100 + MIB;
    for (base, form, expected) in [
        (10_000, most + 1, "bytes of an archive, unpacked"),
        (16 * OLD_BYTES + MIB + 1, most, "bytes of a base, unpacked"),
        // What may be so long is unpacked, and is no archive.
        (16 * OLD_BYTES + MIB, most, "a base does not unpack"),
    ] {
        let script = format!("< old\nf a 0 {base} {form} 100 a\n");
        let frames = told(&script, &[seal_group(b"never looked at", 1, form)?])?;
        let delta = delta(Some(&scratch), unknown(), Totals::new(1, 100)?, &frames)?;
        check_refused(&scratch, &delta, expected)?;
    }
    Ok(())
}

#[test]
fn a_script_of_deep_paths_takes_little_memory() -> Outcome {
    let scratch = store()?;
    let below = "/a".repeat(126);
    let lines = (0..1000).map(|number| format!("d e {number:07}{below}\n"));
    let frames = told(&lines.collect::<String>(), &[])?;
    let delta = delta(Some(&scratch), unknown(), Totals::ZERO, &frames)?;
    check_refused(&scratch, &delta, "what it makes is not the tree")
}

#[test]
fn a_tree_that_names_itself_over_and_over_is_counted_before_it_is_walked() -> Outcome {
    let scratch = Scratch::new()?;
    let mut trees = FrameBuilder::new();
    let mut text = "bindery tree 1 0 0\n".to_owned();
    for _ in 0..100 {
        let tree = TreeRef::of(text.as_bytes());
        trees.push(ObjectKind::Tree, tree.id.hash(), text.as_bytes())?;
        let lines = ["a", "b"].map(|name| format!("d {} {} {name}\n", tree.size, tree.id));
        text = format!("bindery tree 1 0 0\n{}", lines.concat());
    }
    let root = TreeRef::of(text.as_bytes());
    trees.push(ObjectKind::Tree, root.id.hash(), text.as_bytes())?;
    let delta = delta(None, root, Totals::ZERO, &[trees.seal()?])?;
    check_refused(&scratch, &delta, "a tree's number of entries")
}
