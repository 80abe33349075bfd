//! Things: trees, snapshots, recipes and frames.

use bindery::object::archive::{refold, unfold, unfold_as, unpack};
use bindery::object::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader};
use bindery::object::patch;
use bindery::object::recipe::Recipe;
use bindery::object::script::Script;
use bindery::object::snapshot::Snapshot;
use bindery::object::tree::Node;

use crate::Verdict;

/// A node of a directory that holds entries.
#[must_use]
pub fn tree(data: &[u8]) -> Verdict {
    match Node::decode(data) {
        Ok(Node::Index(_)) => Verdict::Refused,
        decoded => Verdict::of(data, decoded, Node::encode),
    }
}

/// A node of a wide directory that lists other nodes.
#[must_use]
pub fn tree_index(data: &[u8]) -> Verdict {
    match Node::decode(data) {
        Ok(Node::Leaf(_)) => Verdict::Refused,
        decoded => Verdict::of(data, decoded, Node::encode),
    }
}

/// A snapshot.
#[must_use]
pub fn snapshot(data: &[u8]) -> Verdict {
    let encode = |snapshot: &Snapshot| snapshot.encode().unwrap_or_default();
    Verdict::of(data, Snapshot::decode(data), encode)
}

/// A recipe.
#[must_use]
pub fn recipe(data: &[u8]) -> Verdict {
    Verdict::of(data, Recipe::decode(data), Recipe::encode)
}

/// A script of a delta.
#[must_use]
pub fn script(data: &[u8]) -> Verdict {
    let encode = |script: &Script| script.encode().into_bytes();
    Verdict::of(data, Script::decode(data), encode)
}

/// A frame as it is stored. Other compressors may store the same objects in other bytes, so only the header must encode
/// to itself.
///
/// # Panics
///
/// If the decoder contradicts itself: that is a finding.
#[must_use]
pub fn frame(data: &[u8]) -> Verdict {
    let Some(header) = data.first_chunk::<FRAME_HEADER_BYTES>() else {
        assert!(
            Frame::decode(data).is_err(),
            "no frame is shorter than its header"
        );
        return Verdict::Refused;
    };
    let Ok(decoded) = FrameHeader::decode(header) else {
        assert!(Frame::decode(data).is_err(), "no frame has a bad header");
        return Verdict::Refused;
    };
    assert!(
        decoded.encode() == *header,
        "a header must encode to itself"
    );
    let Ok(frame) = Frame::decode(data) else {
        return Verdict::Refused;
    };
    let count = frame.objects().len();
    assert!(
        count == decoded.objects() as usize,
        "as many objects as the header says"
    );
    let bytes: usize = frame.objects().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= frame.raw_bytes(), "objects lie inside their frame");
    Verdict::Accepted
}

/// Bytes that an archive may have unpacked.
const UNPACKED_BYTES_MAX: usize = 1 << 20;

/// A file that may be an archive: unpacked, also with just as much room as it took; unfolded, and made again.
///
/// # Panics
///
/// If more is unpacked than there is room for, or something else is made: that is a finding.
#[must_use]
pub fn archive(data: &[u8]) -> Verdict {
    if let Some(unpacked) = unpack(data, UNPACKED_BYTES_MAX) {
        // What is given up for want of room may differ: whoever makes a patch compares.
        let room = unpacked.len();
        let again = unpack(data, room);
        assert!(
            again.is_none_or(|again| again.len() <= room),
            "as there is room for"
        );
    }
    let Some(unfolded) = unfold(data, UNPACKED_BYTES_MAX) else {
        return Verdict::Refused;
    };
    let made = refold(&unfolded.form, data.len());
    assert!(made.is_ok_and(|made| made == data), "it is made again");
    let known = unfold_as(data, unfolded.findings, UNPACKED_BYTES_MAX);
    assert!(
        known == Some(unfolded.form),
        "what is known is not searched"
    );
    Verdict::Accepted
}

/// The form of an archive, behind the length of the file (16 bits, little-endian).
///
/// # Panics
///
/// If a file of another length is made: that is a finding.
#[must_use]
pub fn archive_form(data: &[u8]) -> Verdict {
    let Some((bytes, form)) = data.split_first_chunk() else {
        return Verdict::Refused;
    };
    let bytes = usize::from(u16::from_le_bytes(*bytes));
    let Ok(made) = refold(form, bytes) else {
        return Verdict::Refused;
    };
    assert!(made.len() == bytes, "as many bytes as were asked for");
    Verdict::Accepted
}

/// A patch, behind the length of its target, the length of its base (16 bits each, little-endian) and its base: applied
/// twice.
///
/// # Panics
///
/// If more is made than was declared, or not the same each time: that is a finding.
#[must_use]
pub fn patch(data: &[u8]) -> Verdict {
    let Some(([a, b, c, d], rest)) = data.split_first_chunk() else {
        return Verdict::Refused;
    };
    let target_bytes = u32::from(u16::from_le_bytes([*a, *b]));
    let base_bytes = usize::from(u16::from_le_bytes([*c, *d]));
    let Some((base, patch)) = rest.split_at_checked(base_bytes) else {
        return Verdict::Refused;
    };
    let apply = || {
        let mut made = Vec::new();
        let outcome = patch::apply(patch, &[base], &[target_bytes], &mut |_, piece| {
            made.extend_from_slice(piece);
            Ok(())
        });
        (outcome.is_ok(), made)
    };
    let (is_whole, made) = apply();
    assert!(
        made.len() <= target_bytes as usize,
        "no more than was declared"
    );
    assert!(apply() == (is_whole, made.clone()), "the same each time");
    if !is_whole {
        return Verdict::Refused;
    }
    assert!(made.len() == target_bytes as usize, "all that was declared");
    Verdict::Accepted
}
