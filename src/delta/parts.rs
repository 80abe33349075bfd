//! Parts: what a delta consists of, and where it says that it starts.
//!
//! # Invariants
//!
//! - The salt of a delta is the first half of the id of the snapshot that it starts from, or zeros if it starts from nothing.
//! - It has one snapshot: the one that it leads to.
//!
//! # Not here
//!
//! What becomes of the parts (`delta::unpack`), how frames look (`object::script_frame`).

use std::fmt::Write;

use crate::base::error::check_limit;
use crate::base::id::SnapshotId;
use crate::base::limits::SCRIPT_BYTES_MAX;
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;
use crate::object::pack::{IndexEntry, PACK_SALT_BYTES};
use crate::object::pack_reader::PackReader;
use crate::object::script::Script;
use crate::object::script_frame::{DeltaFrame, Group, TextPart};
use crate::store::rows::SnapshotRef;

/// Opens a delta.
///
/// # Errors
///
/// [`Error::Malformed`] if `bytes` are none.
pub fn open_delta<B: AsRef<[u8]>>(bytes: B) -> Result<PackReader<B>> {
    as_delta(PackReader::open(bytes))
}

/// Makes the error that something is above its limit one of the delta that says so.
pub(super) fn as_delta<T>(outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| match error {
        limit @ Error::Limit { .. } => malformed(limit.to_string()),
        other => other,
    })
}

/// The salt of the deltas that start from a snapshot.
#[must_use]
pub(super) fn salt(from: Option<SnapshotId>) -> [u8; PACK_SALT_BYTES] {
    let head = from.and_then(|from| from.hash().as_bytes().first_chunk().copied());
    head.unwrap_or_default()
}

/// The first half of the id of the snapshot that a delta starts from, in hex digits.
pub(super) fn start_digits<B: AsRef<[u8]>>(pack: &PackReader<B>) -> Option<String> {
    let head = pack.salt();
    let digits = head.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        write!(digits, "{byte:02x}").ok();
        digits
    });
    (head != salt(None)).then_some(digits)
}

/// The one snapshot of a delta.
pub(super) fn only_snapshot(entries: &[IndexEntry]) -> Result<SnapshotRef> {
    let mut snapshots = entries
        .iter()
        .filter(|entry| entry.kind == ObjectKind::Snapshot);
    match (snapshots.next(), snapshots.next()) {
        (Some(entry), None) => Ok(SnapshotRef {
            id: SnapshotId::new(entry.id),
            size: entry.location.length.into(),
        }),
        (None, _) => Err(malformed("it holds no snapshot")),
        (Some(_), Some(_)) => Err(malformed("it holds several snapshots")),
    }
}

/// How messages name two snapshots that are not the same: by their ids, or if these are equal, by their sizes.
#[must_use]
pub fn told_apart(one: SnapshotRef, other: SnapshotRef) -> (String, String) {
    let name = |snapshot: SnapshotRef| {
        if one.id == other.id {
            format!("{} of {} bytes", snapshot.id, snapshot.size)
        } else {
            snapshot.id.to_string()
        }
    };
    (name(one), name(other))
}

pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("delta", reason)
}

/// The frames of a delta by what they hold.
pub(super) struct Parts<'p> {
    /// Numbers of the frames of whole objects.
    pub(super) whole: Vec<u32>,
    pub(super) groups: Vec<Group<'p>>,
    text: Vec<TextPart<'p>>,
}

impl<'p> Parts<'p> {
    /// Looks at the headers of all frames.
    pub(super) fn of<B: AsRef<[u8]>>(pack: &'p PackReader<B>) -> Result<Self> {
        let mut parts = Self {
            whole: Vec::new(),
            groups: Vec::new(),
            text: Vec::new(),
        };
        for number in 0..pack.frames() {
            match pack.delta_part(number)? {
                DeltaFrame::Whole => parts.whole.push(number),
                DeltaFrame::Group(group) => parts.groups.push(group),
                DeltaFrame::Text(part) => parts.text.push(part),
            }
        }
        let bytes = parts.text.iter().map(|part| u64::from(part.bytes())).sum();
        check_limit("bytes of a script", bytes, SCRIPT_BYTES_MAX)?;
        Ok(parts)
    }

    /// The script, if there is one.
    pub(super) fn script(&self) -> Result<Option<Script>> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let parts = self.text.iter().map(TextPart::expand);
        let text = parts.collect::<Result<Vec<_>>>()?.concat();
        Script::decode(&text).map(Some)
    }
}
