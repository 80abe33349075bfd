//! Golden bytes: the files in `tests/data`, which `docs/FORMAT.md` describes. A change that breaks one of these tests
//! changes the format.
//!
//! # Invariants
//!
//! - A golden file is never changed; a new version of the format gets files of its own.
//!
//! # Not here
//!
//! The codec's choices: other versions of zstd may compress to other bytes, which is why packs are compared expanded.

use super::frame_builder::{FrameBuilder, SealedFrame};
use super::kind::ObjectKind;
use super::pack::{IndexEntry, PackSummary};
use super::pack_reader::PackReader;
use super::pack_writer::PackWriter;
use super::patch::tests::linked::{Target, linked};
use super::patch::tests::made::{object_file, program};
use super::patch::tests::slow;
use super::patch::{Pair, apply};
use super::recipe::{Piece, Recipe};
use crate::base::error::{Error, Result};
use crate::base::id::{BlobId, Hash, PackId};

const PACK: &[u8] = include_bytes!("../../tests/data/golden.pack");
const ROOT_TREE: &[u8] = include_bytes!("../../tests/data/root.tree");
const BIN_TREE: &[u8] = include_bytes!("../../tests/data/bin.tree");
const WIDE_INDEX: &[u8] = include_bytes!("../../tests/data/wide.tree-index");
const SNAPSHOT: &[u8] = include_bytes!("../../tests/data/golden.snapshot");
const RECIPE: &[u8] = include_bytes!("../../tests/data/large.recipe");
const PATCH_PROGRAM: &[u8] = include_bytes!("../../tests/data/patch-base.program");
const PATCH_OBJECT: &[u8] = include_bytes!("../../tests/data/patch-base.object");
const DIFFERENCE: &[u8] = include_bytes!("../../tests/data/difference.patch");
const PATCH_X86: &[u8] = include_bytes!("../../tests/data/patch-base.x86-64");
const PATCH_ARM64: &[u8] = include_bytes!("../../tests/data/patch-base.arm64");
const DIFFERENCE_2: &[u8] = include_bytes!("../../tests/data/difference-2.patch");
const PREFIX: &[u8] = include_bytes!("../../tests/data/prefix.patch");
const SURROUNDINGS: &[u8] = include_bytes!("../../tests/data/surroundings.patch");
/// Bytes of what the patches make.
const LENGTHS: [u32; 4] = [2148, 1770, 14, 2050];
/// Bytes of what the patch of the second version makes.
const LENGTHS_2: [u32; 3] = [1439, 1235, 1770];
const FORMAT: &str = include_str!("../../docs/FORMAT.md");

const HELLO: &[u8] = b"Hello, world.\n";
const BYE: &[u8] = b"Good bye.\n";
const SCRIPT: &[u8] = b"#!/bin/sh\necho 'Hello, world.'\n";
const TARGET: &[u8] = b"README";
const LINE: &[u8] = b"All work and no play makes Jack a dull boy.\n";
const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The objects of the golden pack, frame by frame.
fn contents() -> [Vec<(ObjectKind, Hash, Vec<u8>)>; 4] {
    let object = |kind, bytes: &[u8]| (kind, Hash::of(bytes), bytes.to_vec());
    let large = Hash::of(&[HELLO, BYE].concat());
    [
        [HELLO, BYE, SCRIPT, TARGET]
            .map(|bytes| object(ObjectKind::Blob, bytes))
            .to_vec(),
        vec![object(ObjectKind::Blob, &LINE.repeat(40))],
        vec![
            object(ObjectKind::Tree, BIN_TREE),
            object(ObjectKind::Tree, ROOT_TREE),
            object(ObjectKind::Snapshot, SNAPSHOT),
        ],
        vec![(ObjectKind::Recipe, large, RECIPE.to_vec())],
    ]
}

fn write(frames: &[SealedFrame]) -> Result<(Vec<u8>, PackSummary)> {
    let written = || {
        let mut writer = PackWriter::new(Vec::new(), SALT)?;
        frames.iter().try_for_each(|frame| writer.append(frame))?;
        writer.finish()
    };
    written().map_err(|error| Error::internal(error.to_string()))
}

fn entries(pack: &[u8]) -> Result<Vec<IndexEntry>> {
    PackReader::open(pack)?.entries().collect()
}

#[test]
fn the_golden_pack_is_read() -> Result<()> {
    let pack = PackReader::open(PACK)?;
    assert_eq!(pack.verify()?, PackId::of(PACK));
    assert_eq!(pack.salt(), SALT);
    let mut objects = 0;
    for (number, expected) in (0..).zip(contents()) {
        let frame = pack.frame(number)?;
        assert_eq!(frame.objects().len(), expected.len());
        for ((kind, bytes), (expected_kind, id, expected)) in frame.objects().zip(expected) {
            assert_eq!((kind, bytes), (expected_kind, &expected[..]));
            let found = pack.find(kind, id).map(|location| location.frame);
            assert_eq!(found, Some(number));
            objects += 1;
        }
    }
    assert_eq!(pack.objects(), objects);
    Ok(())
}

#[test]
fn the_golden_pack_is_written_again_from_its_frames() -> Result<()> {
    let pack = PackReader::open(PACK)?;
    let frames: Vec<SealedFrame> = pack
        .entries_by_place()?
        .chunk_by(|a, b| a.location.frame == b.location.frame)
        .map(|run| pack.sealed_frame(run[0].location.frame, run))
        .collect::<Result<_>>()?;
    let (bytes, summary) = write(&frames)?;
    assert!(bytes == PACK);
    assert_eq!(summary.id, PackId::of(PACK));
    Ok(())
}

#[test]
fn the_objects_of_the_golden_pack_are_written_as_it_has_them() -> Result<()> {
    let mut frames = Vec::new();
    for contents in contents() {
        let mut builder = FrameBuilder::new();
        for (kind, id, bytes) in contents {
            builder.push(kind, id, &bytes)?;
        }
        frames.push(builder.seal()?);
    }
    let (bytes, _) = write(&frames)?;
    assert_eq!(entries(&bytes)?, entries(PACK)?);
    // The first frame is stored raw, so header and frame must be the same bytes.
    let raw = 32 + frames[0].stored().len();
    assert!(bytes[..raw] == PACK[..raw]);
    Ok(())
}

#[test]
fn the_golden_recipe_has_one_spelling() -> Result<()> {
    let piece = |bytes: &[u8]| Piece {
        bytes: bytes.len() as u64,
        id: BlobId::of(bytes),
    };
    let blob = BlobId::of(&[HELLO, BYE].concat());
    let recipe = Recipe::new(blob, vec![piece(HELLO), piece(BYE)])?;
    assert_eq!(recipe.encode(), RECIPE);
    assert_eq!(Recipe::decode(RECIPE)?, recipe);
    Ok(())
}

/// What a patch makes, by both appliers.
fn made(patch: &[u8], bases: &[&[u8]], lengths: &[u32]) -> Result<Vec<Vec<u8>>> {
    let mut made = vec![Vec::new(); bases.len()];
    apply(patch, bases, lengths, &mut |number, piece| {
        made[number].extend_from_slice(piece);
        Ok(())
    })?;
    let targets = bases.iter().zip(&made);
    let pairs: Vec<Pair<'_>> = targets
        .map(|(base, target)| Pair { base, target })
        .collect();
    assert!(slow::apply(patch, &pairs)? == made);
    Ok(made)
}

/// The functions of the programs from which the second version is made, and of those that it makes.
const FUNCTIONS: [u64; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
const FUNCTIONS_MADE: [u64; 9] = [1, 2, 3, 500, 4, 5, 6, 7, 0];

#[test]
fn the_golden_patch_of_the_second_version_makes_its_targets() -> Result<()> {
    let text = LINE.repeat(40);
    let bases = [PATCH_X86, PATCH_ARM64, &text];
    let made = made(DIFFERENCE_2, &bases, &LENGTHS_2)?;
    let machines = [Target::X86, Target::Arm64];
    for ((target, base), made) in machines.into_iter().zip(bases).zip(&made) {
        assert!(base == linked(target, &FUNCTIONS));
        assert!(*made == linked(target, &FUNCTIONS_MADE));
    }
    assert_eq!(made[2], [&text[..1000], BYE, &text[1000..]].concat());
    Ok(())
}

#[test]
fn the_golden_patches_make_their_targets() -> Result<()> {
    let text = LINE.repeat(40);
    let bases = [PATCH_PROGRAM, &text, b"", PATCH_OBJECT];
    let second_prefix = [&[2], &PREFIX[1..]].concat();
    for patch in [DIFFERENCE, PREFIX, &second_prefix, SURROUNDINGS] {
        let made = made(patch, &bases, &LENGTHS)?;
        assert_eq!(made[2], HELLO);
        assert_eq!(made[1], [&text[..1000], BYE, &text[1000..]].concat());
        assert!(
            made[0] == program(2, 14),
            "the program has two more functions"
        );
        assert!(made[3] == object_file(2, 8), "and so has the object file");
    }
    assert!(PATCH_PROGRAM == program(1, 12) && PATCH_OBJECT == object_file(1, 6));
    Ok(())
}

#[test]
fn the_format_document_names_the_golden_files_by_their_hashes() {
    for (file, bytes) in [
        ("golden.pack", PACK),
        ("root.tree", ROOT_TREE),
        ("bin.tree", BIN_TREE),
        ("wide.tree-index", WIDE_INDEX),
        ("golden.snapshot", SNAPSHOT),
        ("large.recipe", RECIPE),
        ("patch-base.program", PATCH_PROGRAM),
        ("patch-base.object", PATCH_OBJECT),
        ("difference.patch", DIFFERENCE),
        ("prefix.patch", PREFIX),
        ("surroundings.patch", SURROUNDINGS),
        ("patch-base.x86-64", PATCH_X86),
        ("patch-base.arm64", PATCH_ARM64),
        ("difference-2.patch", DIFFERENCE_2),
    ] {
        let row = format!("| `{file}` | {} | `{}` |", bytes.len(), Hash::of(bytes));
        assert!(FORMAT.contains(&row), "{row}");
    }
}
