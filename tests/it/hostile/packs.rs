//! Packs and frames that promise much, or point elsewhere: refused before memory is asked for.

use std::fs;

use bindery::base::id::{BlobId, Hash};
use bindery::base::limits::{GIB, MIB, WHOLE_BLOB_BYTES_MAX};
use bindery::object::frame::{Frame, FrameObject};
use bindery::object::frame_builder::SealedFrame;
use bindery::object::kind::ObjectKind;
use bindery::object::recipe::{Piece, Recipe};
use bindery::object::totals::Totals;
use bindery::object::tree::TreeRef;

use super::forged::{Forge, measured};
use crate::shelf::files;
use crate::support::{Outcome, Scratch, files_beneath};

/// Bytes that each block of these zstd frames expands to: the most that one may.
const BLOCK_BYTES: u64 = 128 * 1024;
/// Bytes of a trailer, of a row of the index and of the fan-out: see `docs/FORMAT.md`.
const TRAILER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 48;
const FANOUT_BYTES: usize = 1024;

/// A stored frame of one object whose header says `raw_bytes`, around a zstd frame with the descriptor and the lengths in
/// `head`, whose blocks expand to `bytes`. Each block takes four bytes.
fn frame(raw_bytes: u64, head: &[u8], bytes: u64) -> Vec<u8> {
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd];
    zstd.extend_from_slice(head);
    let blocks = bytes / BLOCK_BYTES;
    for number in 1..=blocks {
        let is_last = u32::from(number == blocks);
        let header = is_last | (1 << 1) | ((128 * 1024) << 3);
        zstd.extend_from_slice(&header.to_le_bytes()[..3]);
        zstd.push(1);
    }
    let mut stored = vec![1, 0, 0, 0];
    for word in [1, raw_bytes, zstd.len() as u64] {
        stored.extend_from_slice(&u32::try_from(word).unwrap_or(u32::MAX).to_le_bytes());
    }
    stored.extend(zstd);
    stored
}

/// A descriptor: one segment, and `bytes` as its length, which is the window, too.
fn segment(bytes: u64) -> Vec<u8> {
    [&[0xe0], &bytes.to_le_bytes()[..]].concat()
}

/// A descriptor: a window of two to the power `log` bytes, and `bytes` as the length.
fn window(log: u8, bytes: u64) -> Vec<u8> {
    [&[0xc0, (log - 10) << 3], &bytes.to_le_bytes()[..]].concat()
}

#[test]
fn a_frame_that_expands_further_than_it_may_is_refused() {
    let most = 16 * MIB;
    for (frame, reason) in [
        (frame(GIB, &segment(GIB), 16 * MIB), "a header of 1 GiB"),
        (
            frame(most, &segment(GIB), 16 * MIB),
            "a zstd frame of 1 GiB",
        ),
        (
            frame(most, &window(23, GIB), GIB / 32),
            "1 GiB in a small window",
        ),
        (
            frame(most, &window(23, most), 32 * MIB),
            "more than both say",
        ),
        (frame(most, &window(30, most), most), "a window of 1 GiB"),
        (frame(most, &window(41, most), most), "the largest window"),
        (frame(most, &[0x00, 13 << 3], 32 * MIB), "no length at all"),
        (
            frame(most, &window(23, most), 8 * MIB),
            "less than both say",
        ),
    ] {
        assert!(frame.len() < 2048, "{} bytes: {reason}", frame.len());
        assert!(Frame::decode(&frame).is_err(), "{reason}");
    }
}

/// The tree of one file `f`.
fn tree_of(size: u64, id: Hash) -> Vec<u8> {
    format!("bindery tree 1 1 {size}\nf {size} {id} f\n").into_bytes()
}

#[test]
fn a_pack_with_such_a_frame_costs_nobody_memory() -> Outcome {
    let size = WHOLE_BLOB_BYTES_MAX;
    let id = Hash::of(b"never to be seen");
    let object = FrameObject {
        kind: ObjectKind::Blob,
        id,
        start: 5,
        length: u32::try_from(size)?,
    };
    let stored = frame(size + 5, &window(23, size + 5), 32 * MIB);
    let sealed = SealedFrame::from_stored(&stored, vec![object])?;
    let huge = frame(GIB, &segment(GIB), 16 * MIB);
    assert!(SealedFrame::from_stored(&huge, vec![object]).is_err());
    let text = tree_of(size, id);
    let tree = TreeRef::of(&text);
    let forge = Forge::new()?;
    let objects = [(ObjectKind::Tree, tree.id.hash(), text)];
    let build = forge.stage(&objects, &[sealed], tree)?;
    forge.force_commit(build, tree, Totals::new(1, size)?)?;
    let scratch = forge.close();
    for line in [
        "cat build:1 f",
        "checkout build:1 out",
        "verify build:1",
        "fsck",
    ] {
        assert_eq!(measured(&scratch, line)?.code, 7, "{line}");
    }
    assert!(!scratch.path("out/f").exists(), "nor is half of it left");
    Ok(())
}

/// Changes the only pack of a store, has it read, and puts it back.
fn check(scratch: &Scratch, reason: &str, change: &dyn Fn(&mut [u8], usize)) -> Outcome {
    let packs = files_beneath(&scratch.store().join("packs"))?;
    let whole: Vec<Vec<u8>> = packs.iter().map(fs::read).collect::<Result<_, _>>()?;
    for (place, bytes) in packs.iter().zip(&whole) {
        let mut bytes = bytes.clone();
        let trailer = bytes.len() - TRAILER_BYTES;
        let (offset, _) = bytes[trailer..].split_first_chunk().ok_or("a trailer")?;
        let rows = usize::try_from(u64::from_le_bytes(*offset))? + FANOUT_BYTES;
        change(&mut bytes, rows);
        fs::remove_file(place)?;
        fs::write(place, bytes)?;
    }
    for line in ["cat build:1 f", "checkout build:1 out"] {
        let code = measured(scratch, line)?.code;
        assert!(matches!(code, 3 | 7), "{reason}: {line} ended with {code}");
        assert!(!scratch.path("out/f").exists(), "{reason}");
    }
    assert_eq!(measured(scratch, "fsck")?.code, 7, "{reason}");
    for (place, bytes) in packs.iter().zip(&whole) {
        fs::remove_file(place)?;
        fs::write(place, bytes)?;
    }
    scratch.ok("fsck")?;
    Ok(())
}

#[test]
fn an_index_that_points_elsewhere_leads_nowhere() -> Outcome {
    let forge = Forge::new()?;
    forge
        .shelf
        .committed("stable", &files(&[("f", "content")]))?;
    let scratch = forge.close();
    for (at, reason) in [(36, "frame"), (40, "start"), (44, "length")] {
        for word in [u32::MAX, 1 << 31, 1000] {
            let reason = format!("{word} as {reason}");
            check(&scratch, &reason, &|bytes, rows| {
                let end = bytes.len() - TRAILER_BYTES;
                // The frame table comes after the index; it may be changed as well.
                for row in bytes[rows..end].chunks_exact_mut(ENTRY_BYTES) {
                    row[at..at + 4].copy_from_slice(&word.to_le_bytes());
                }
            })?;
        }
    }
    for (rows_say, reason) in [(u32::MAX, "too many"), (0, "none"), (1 << 16, "many")] {
        check(
            &scratch,
            &format!("a fan-out of {reason}"),
            &|bytes, rows| {
                for row in (rows - FANOUT_BYTES..rows).step_by(4) {
                    bytes[row..row + 4].copy_from_slice(&rows_say.to_le_bytes());
                }
            },
        )?;
    }
    for (at, reason) in [
        (0, "index"),
        (8, "frame table"),
        (16, "objects"),
        (20, "frames"),
    ] {
        check(
            &scratch,
            &format!("a trailer with other {reason}"),
            &|bytes, _| {
                let place = bytes.len() - TRAILER_BYTES + at;
                bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
            },
        )?;
    }
    Ok(())
}

/// A recipe under an id that its pieces do not have.
fn recipe(
    blob: BlobId,
    piece: (u64, BlobId),
    times: usize,
) -> Result<Vec<u8>, bindery::base::Error> {
    let (bytes, id) = piece;
    Ok(Recipe::new(blob, vec![Piece { bytes, id }; times])?.encode())
}

#[test]
fn recipes_within_recipes_that_make_very_much_are_refused() -> Outcome {
    let id = |name: &[u8]| BlobId::of(name);
    let piece = b"eight bytes, and no more".to_vec();
    let small = (ObjectKind::Blob, Hash::of(&piece), piece);
    let tib = 1024 * GIB;
    let recipe_of = |name: &[u8], piece: (u64, &[u8]), times: usize| {
        let (bytes, of) = piece;
        let text = recipe(id(name), (bytes, id(of)), times)?;
        Ok::<_, bindery::base::Error>((ObjectKind::Recipe, id(name).hash(), text))
    };
    let lying = recipe(id(b"top"), (8 * MIB, BlobId::new(small.1)), 2)?;
    let cases = [
        (
            "pieces that are shorter than it says",
            16 * MIB,
            vec![
                (ObjectKind::Recipe, id(b"top").hash(), lying.clone()),
                small.clone(),
            ],
        ),
        (
            "three levels, of 1 TiB",
            tib,
            vec![
                recipe_of(b"top", (tib / 1024, b"middle"), 1024)?,
                recipe_of(b"middle", (tib / 1024 / 64, b"low"), 64)?,
                (
                    ObjectKind::Recipe,
                    id(b"low").hash(),
                    recipe(id(b"low"), (8 * MIB, BlobId::new(small.1)), 2)?,
                ),
                small.clone(),
            ],
        ),
        (
            "a recipe of another length than its file",
            tib,
            vec![(ObjectKind::Recipe, id(b"top").hash(), lying), small],
        ),
    ];
    for (reason, size, mut objects) in cases {
        let text = tree_of(size, id(b"top").hash());
        let tree = TreeRef::of(&text);
        objects.push((ObjectKind::Tree, tree.id.hash(), text));
        let forge = Forge::new()?;
        let build = forge.stage(&objects, &[], tree)?;
        forge.force_commit(build, tree, Totals::new(1, size)?)?;
        let scratch = forge.close();
        for line in ["cat build:1 f", "checkout build:1 out", "verify build:1"] {
            assert_eq!(measured(&scratch, line)?.code, 7, "{reason}: {line}");
        }
        assert!(!scratch.path("out/f").exists(), "{reason}");
    }
    let forge = Forge::new()?;
    let text = tree_of(tib, id(b"top").hash());
    let tree = TreeRef::of(&text);
    let top = recipe_of(b"top", (tib / 2, b"nowhere"), 2)?;
    let objects = [top, (ObjectKind::Tree, tree.id.hash(), text)];
    let build = forge.stage(&objects, &[], tree)?;
    let scratch = forge.close();
    let answer = measured(&scratch, &format!("build commit {build}"))?;
    assert!(
        answer.code != 0 && answer.stderr.contains("recipe"),
        "{answer:?}"
    );
    Ok(())
}
