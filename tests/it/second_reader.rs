//! A reader in Python, written from `docs/FORMAT.md` alone, opens what the Rust code writes and agrees with it.
//!
//! # Invariants
//!
//! - A missing Python package is an error, never a test that passes: `.ci/setup` brings them.
//!
//! # Not here
//!
//! Golden bytes: they are compared beside the codecs (`object::golden`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bindery::base::id::{BlobId, Hash};
use bindery::base::name::EntryName;
use bindery::object::frame_builder::FrameBuilder;
use bindery::object::kind::ObjectKind;
use bindery::object::pack_writer::PackWriter;
use bindery::object::recipe::{Piece, Recipe};
use bindery::object::totals::Totals;
use bindery::object::tree::{Entry, EntryKind, Leaf, Node};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// An object on its way into a pack.
type Object = (ObjectKind, Hash, Vec<u8>);

fn second_reader(pack: &Path, arguments: &[&str]) -> Outcome<Output> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(Command::new("python3")
        .arg(root.join("tests/read_pack.py"))
        .arg(pack)
        .args(arguments)
        .env("PYTHONPATH", root.join("target/python"))
        .output()?)
}

/// What the second reader prints, if it takes the pack.
fn read(pack: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = second_reader(pack, arguments)?;
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr)?.into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn object(kind: ObjectKind, bytes: &[u8]) -> Object {
    (kind, Hash::of(bytes), bytes.to_vec())
}

/// Two blobs, the large blob that both make, and a tree that names them.
fn objects() -> Outcome<Vec<Object>> {
    let (hello, line) = (b"Hello, world.\n".to_vec(), b"A line again.\n".repeat(1000));
    let large = [line.clone(), hello.clone()].concat();
    let pieces = [&line, &hello].map(|bytes| Piece {
        bytes: bytes.len() as u64,
        id: BlobId::of(bytes),
    });
    let recipe = Recipe::new(BlobId::of(&large), pieces.to_vec())?;
    let names = ["a name with spaces", "quotes \"' and \u{1f4e6}", "z"];
    let mut entries = Vec::new();
    for (name, (kind, bytes)) in names.into_iter().zip([
        (EntryKind::File, &hello),
        (EntryKind::Executable, &large),
        (EntryKind::File, &line),
    ]) {
        let name: EntryName = name.parse()?;
        entries.push(Entry::new(kind, bytes.len() as u64, Hash::of(bytes), name)?);
    }
    let totals = Totals::new(3, (hello.len() + large.len() + line.len()) as u64)?;
    let tree = Node::Leaf(Leaf::new(totals, entries)?);
    Ok(vec![
        object(ObjectKind::Blob, &hello),
        object(ObjectKind::Blob, &line),
        (ObjectKind::Recipe, Hash::of(&large), recipe.encode()),
        object(ObjectKind::Tree, &tree.encode()),
    ])
}

fn write_pack(folder: &Path, objects: &[Object]) -> Outcome<PathBuf> {
    let mut writer = PackWriter::new(Vec::new(), [7; 16])?;
    for (kind, id, bytes) in objects {
        let mut frame = FrameBuilder::new();
        frame.push(*kind, *id, bytes)?;
        writer.append(&frame.seal()?)?;
    }
    let (bytes, _) = writer.finish()?;
    let path = folder.join("pack");
    std::fs::write(&path, bytes)?;
    Ok(path)
}

#[test]
fn the_second_reader_finds_every_object_that_the_first_wrote() -> Outcome {
    let folder = tempfile::tempdir()?;
    let objects = objects()?;
    let pack = write_pack(folder.path(), &objects)?;
    let listed = read(&pack, &[])?;
    let mut expected: Vec<String> = objects
        .iter()
        .map(|(kind, id, bytes)| format!("{} {id} {}", kind.name(), bytes.len()))
        .collect();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for (kind, id, bytes) in objects {
        let printed = read(&pack, &["--cat", &id.to_string()])?;
        assert_eq!(Hash::of(printed.as_bytes()), id, "{}", kind.name());
        if kind == ObjectKind::Tree {
            let lines = read(&pack, &["--tree", &id.to_string()])?;
            assert!(String::from_utf8(bytes)?.ends_with(&lines), "{lines}");
        }
    }
    Ok(())
}

#[test]
fn the_second_reader_refuses_a_pack_with_a_flipped_bit() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = write_pack(folder.path(), &objects()?)?;
    let good = std::fs::read(&path)?;
    for at in [0, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad)?;
        let output = second_reader(&path, &[])?;
        assert_eq!(output.status.code(), Some(1), "byte {at}");
    }
    Ok(())
}
