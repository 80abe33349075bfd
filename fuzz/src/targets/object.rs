//! Things: trees, snapshots, recipes, frames and packs.

use bindery::base::id::PackId;
use bindery::object::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader};
use bindery::object::pack_reader::PackReader;
use bindery::object::recipe::Recipe;
use bindery::object::snapshot::Snapshot;
use bindery::object::tree::Node;

use crate::Verdict;

/// Most frames of a pack that are opened one by one before the pack is checked as a whole.
const FRAMES_OPENED_MAX: u32 = 64;

/// A node of a directory.
#[must_use]
pub fn tree(data: &[u8]) -> Verdict {
    Verdict::of(data, Node::decode(data), Node::encode)
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

/// A pack: opened, listed, its frames read, checked, and searched for what is damaged.
///
/// # Panics
///
/// If the reader contradicts itself: that is a finding.
#[must_use]
pub fn pack(data: &[u8]) -> Verdict {
    let Ok(pack) = PackReader::open(data) else {
        return Verdict::Refused;
    };
    for entry in pack.entries().filter_map(Result::ok) {
        let found = pack.find(entry.kind, entry.id);
        let Some(frame) = found.filter(|place| place.frame < FRAMES_OPENED_MAX) else {
            continue;
        };
        if let Ok(frame) = pack.frame(frame.frame) {
            let place = entry.location;
            let read = frame.object(entry.kind, place.start, place.length);
            assert!(read.is_err() || read.is_ok_and(|bytes| bytes.len() == place.length as usize));
        }
    }
    let damaged = pack.damaged_objects();
    assert!(
        damaged.len() <= pack.objects() as usize,
        "no more are damaged than there are"
    );
    match pack.verify() {
        Ok(id) => {
            assert!(
                id == PackId::of(data) && damaged.is_empty(),
                "a sound pack is sound"
            );
            Verdict::Accepted
        }
        Err(_) => Verdict::Refused,
    }
}
