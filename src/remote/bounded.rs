//! Bounds: how much of a pack is taken from an origin that nobody believes.
//!
//! A pack is as long as its origin likes. Up to [`TRUSTED_PACK_BYTES`] that is let pass; of a longer one the snapshot, whose id is
//! signed, says how much there is to send. So an origin cannot fill the disk, and large releases need one question more.
//!
//! # Not here
//!
//! What is in a pack (`delta::unpack`).

use std::io::{self, Write};

use super::origin::{Origin, Part, Sink};
use crate::base::limits::{GIB, MIB, PACK_BYTES_MAX};
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;
use crate::object::pack_check::check_object;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, Totals};
use crate::store::arrival::Promise;
use crate::store::rows::SnapshotRef;

/// Bytes of a pack that are taken without asking how much there is to send.
pub const TRUSTED_PACK_BYTES: u64 = GIB;
/// Bytes that a file takes in a pack beside its own, at most but for odd trees: its rows, its name, and directories above it.
const BYTES_PER_FILE: u64 = 4096;
/// Bytes that a pack takes beside that of its files: directories without files, a script.
const BYTES_BESIDE: u64 = 256 * MIB;

/// An output that takes no more than there is to send.
pub(super) struct Bounded<'a> {
    out: &'a mut dyn Sink,
    totals: &'a dyn Fn() -> Result<Totals>,
    trusted_bytes: u64,
    bytes: u64,
    bytes_max: Option<u64>,
    refusal: Option<Error>,
}

impl<'a> Bounded<'a> {
    /// Bounds what `out` takes. `totals` finds out what there is to send, if need be.
    pub(super) fn new(out: &'a mut dyn Sink, totals: &'a dyn Fn() -> Result<Totals>) -> Self {
        Self {
            out,
            totals,
            trusted_bytes: TRUSTED_PACK_BYTES,
            bytes: 0,
            bytes_max: None,
            refusal: None,
        }
    }

    /// The outcome of what was written here: that too much came, if that is why it failed.
    ///
    /// # Errors
    ///
    /// As said.
    pub(super) fn outcome<T>(self, outcome: Result<T>) -> Result<T> {
        match (outcome, self.refusal) {
            (Err(_), Some(refusal)) => Err(refusal),
            (outcome, _) => outcome,
        }
    }

    /// Checks that there may be so many bytes.
    fn admit(&mut self, bytes: u64) -> Result<()> {
        if bytes <= self.trusted_bytes {
            return Ok(());
        }
        let bytes_max = match self.bytes_max {
            Some(known) => known,
            None => *self.bytes_max.insert(pack_bytes_max((self.totals)()?)),
        };
        if bytes <= bytes_max {
            return Ok(());
        }
        let reason = format!("it has {bytes} bytes, and all that is in it has at most {bytes_max}");
        Err(Error::malformed("pack", reason))
    }
}

/// The bytes of a pack of so many files.
fn pack_bytes_max(totals: Totals) -> u64 {
    let beside = totals.files().saturating_mul(BYTES_PER_FILE);
    let sum = totals.bytes().saturating_add(beside);
    sum.saturating_add(BYTES_BESIDE).min(PACK_BYTES_MAX)
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(refusal) = self.admit(self.bytes + bytes.len() as u64) {
            let words = refusal.to_string();
            self.refusal = Some(refusal);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
        }
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Sink for Bounded<'_> {
    fn kept(&mut self, url: &str) -> Option<(u64, Promise)> {
        let kept = self.out.kept(url)?;
        self.bytes = kept.0;
        Some(kept)
    }

    fn begin(&mut self, url: &str, bytes: Option<u64>, promise: Option<&Promise>) -> Result<()> {
        self.bytes = 0;
        self.admit(bytes.unwrap_or(0))?;
        self.out.begin(url, bytes, promise)
    }

    fn asked(&mut self) {
        self.out.asked();
    }

    fn check(&self) -> Result<()> {
        self.out.check()
    }
}

/// A snapshot, as the origin shows it.
///
/// # Errors
///
/// [`Error::NotFound`] if the origin does not show it; [`Error::Malformed`] or [`Error::Damaged`] if it is another one.
pub(super) fn shown(origin: &dyn Origin, snapshot: SnapshotRef) -> Result<Snapshot> {
    let id = snapshot.id.hash();
    let text = origin.object(id)?;
    check_object(ObjectKind::Snapshot, id, &text)?;
    Snapshot::decode(&text)
}

/// What a directory holds, as the origin shows it.
///
/// # Errors
///
/// As [`shown`].
pub(super) fn totals_of_part(origin: &dyn Origin, part: &Part) -> Result<Totals> {
    let id = part.tree.id.hash();
    let text = origin.object(id)?;
    check_object(ObjectKind::Tree, id, &text)?;
    Ok(Node::decode(&text)?.totals())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const FILES: u64 = 3;
    const MOST: u64 = 1000 + FILES * BYTES_PER_FILE + BYTES_BESIDE;

    /// What becomes of a pack that is said to have, or has, so many bytes; and how often was asked what there is to send.
    fn take(trusted_bytes: u64, announced: Option<u64>, pieces: &[u64]) -> (Result<()>, u32) {
        let asked = Cell::new(0);
        let totals = || {
            asked.set(asked.get() + 1);
            Totals::new(FILES, 1000)
        };
        let mut out = Nowhere;
        let mut bounded = Bounded::new(&mut out, &totals);
        bounded.trusted_bytes = trusted_bytes;
        let outcome = bounded.begin("url", announced, None);
        let outcome = outcome.and_then(|()| {
            pieces.iter().try_for_each(|piece| {
                let written = bounded.write_all(&vec![0; usize::try_from(*piece).unwrap_or(0)]);
                written.map_err(|error| Error::internal(error.to_string()))
            })
        });
        (bounded.outcome(outcome), asked.get())
    }

    struct Nowhere;

    impl Write for Nowhere {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Nowhere {}

    #[test]
    fn a_short_pack_is_taken_without_a_question() {
        for (announced, pieces) in [(Some(10), vec![10]), (None, vec![4, 6]), (None, vec![])] {
            let (outcome, asked) = take(10, announced, &pieces);
            assert!(outcome.is_ok() && asked == 0, "{announced:?} {pieces:?}");
        }
    }

    #[test]
    fn a_long_pack_has_no_more_than_what_there_is_to_send() {
        for (announced, pieces, is_taken) in [
            (Some(11), vec![11], true),
            (None, vec![10, 1], true),
            (Some(MOST), vec![], true),
            (Some(MOST + 1), vec![], false),
            (None, vec![MOST - 1, 1], true),
            (None, vec![MOST - 1, 1, 1], false),
        ] {
            let (outcome, asked) = take(10, announced, &pieces);
            assert_eq!(asked, 1, "{announced:?} {pieces:?}");
            let reason = outcome.map_err(|error| error.to_string()).err();
            let expected = format!("it has {} bytes", MOST + 1);
            let is_refused = reason.as_ref().map(|reason| reason.contains(&expected));
            let expected = (!is_taken).then_some(true);
            assert_eq!(is_refused, expected, "{announced:?} {pieces:?}: {reason:?}");
        }
    }

    #[test]
    fn no_totals_reach_past_the_limit_of_packs() -> Result<()> {
        let totals = Totals::new(1, 1 << 40)?;
        assert_eq!(pack_bytes_max(totals), PACK_BYTES_MAX);
        Ok(())
    }
}
