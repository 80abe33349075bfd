//! Things: trees, snapshots, recipes and frames.

use bindery::object::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader};
use bindery::object::recipe::Recipe;
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
