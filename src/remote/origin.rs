//! Origins: what can be pulled from, as the few documents and packs that a pull asks for.
//!
//! An origin may be wrong, stale or hostile: whoever asks verifies everything that it answers.
//!
//! # Not here
//!
//! What is asked for, and in which order (`remote::follow`, `remote::pull`).

use std::cell::Cell;
use std::io::{self, Write};

use crate::base::id::{Hash, SnapshotId, StatementId};
use crate::base::name::RepoName;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::tree::TreeRef;
use crate::store::arrival::{Arrival, Promise};
use crate::store::rows::{RepoRow, SnapshotRef};
use crate::trust::heads::RefsObject;

/// What one repo shows to whoever pulls it.
pub trait Origin {
    /// Where it is, in words for messages.
    fn place(&self) -> String;

    /// Which repo it is of, if where it is says so.
    fn repo(&self) -> Option<RepoName> {
        None
    }

    /// Whether a repo here is a copy that was first made from it. Where a place has several repos, the place alone does not tell.
    fn is_origin_of(&self, copy: &RepoRow) -> bool {
        copy.copied_from.as_ref() == Some(&self.place())
    }

    /// The note of a version of the keyset; `None` if there is no such version yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or what else the way to the origin answers, as for every method.
    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>>;

    /// The note of the newest heads statement.
    ///
    /// # Errors
    ///
    /// Also [`Error::NotFound`] if nothing was published yet.
    fn heads(&self) -> Result<Vec<u8>>;

    /// The list of refs that a heads statement names.
    ///
    /// # Errors
    ///
    /// Also [`Error::NotFound`] if it is not there; so for the following.
    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>>;

    /// The note of a ref statement.
    ///
    /// # Errors
    ///
    /// As [`refs_list`](Self::refs_list).
    fn statement(&self, id: StatementId) -> Result<Vec<u8>>;

    /// The bytes of an object that is published. Where an id stands for several, such as a large blob and the recipe of it,
    /// it is the one that is stored. An origin may have packs alone.
    ///
    /// # Errors
    ///
    /// As [`refs_list`](Self::refs_list).
    fn object(&self, id: Hash) -> Result<Vec<u8>> {
        Err(Error::not_found("object", id))
    }

    /// Writes the pack of a snapshot: what it has and another has not, or all of it. Returns what that other one is, which
    /// should be `wanted.from`.
    ///
    /// # Errors
    ///
    /// As [`refs_list`](Self::refs_list); `out` may have been given a part by then.
    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>>;

    /// Writes a pack with a part of a snapshot; it may hold more. An origin may have whole packs alone.
    ///
    /// # Errors
    ///
    /// As [`pack`](Self::pack).
    fn part(&self, part: &Part, out: &mut dyn Sink) -> Result<()> {
        let _ = out;
        Err(Error::not_found("pack of", &part.path))
    }
}

/// Says of bytes that are not what their format says where they come from.
#[must_use]
pub(super) fn placed(error: Error, place: &str) -> Error {
    match error {
        Error::Malformed { what, reason } if !reason.contains(place) => {
            Error::malformed(what, format!("{reason}; it comes from {place}"))
        }
        other => other,
    }
}

/// What is said of a snapshot that cannot be made one pack because it is too large: there is none, and whoever wants it asks for
/// its objects.
#[must_use]
pub fn no_pack(error: Error, to: SnapshotId) -> Error {
    match error {
        Error::Limit { .. } => Error::not_found("pack of snapshot", to),
        other => other,
    }
}

/// Where an origin writes a pack.
pub trait Sink: Write {
    /// What an earlier process got of the file at a URL, in bytes, and what that file was: what is written from now on comes
    /// behind it. It may be torn or foreign, and is verified with all else.
    fn kept(&mut self, url: &str) -> Option<(u64, Promise)> {
        let _ = url;
        None
    }

    /// The file at a URL comes from its first byte on, and is said to have so many bytes. It is called before anything is
    /// written, and again if what was [`kept`](Self::kept) is of no use.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no room for it.
    fn begin(&mut self, url: &str, bytes: Option<u64>, promise: Option<&Promise>) -> Result<()> {
        let _ = (url, bytes, promise);
        Ok(())
    }

    /// Checks that the pack is still wanted; asked every now and then while it comes.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if it is not.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The origin is asked for something: the pack, another one because there is no such pack, or the rest of it.
    fn asked(&mut self) {}
}

impl Sink for Vec<u8> {}

impl Sink for Arrival<'_> {
    fn kept(&mut self, url: &str) -> Option<(u64, Promise)> {
        Arrival::kept(self, url)
    }

    fn begin(&mut self, url: &str, bytes: Option<u64>, promise: Option<&Promise>) -> Result<()> {
        let _ = bytes;
        Arrival::begin(self, url, promise)
    }
}

/// An output that keeps nothing for later.
pub struct Plain<'w>(pub &'w mut dyn Write);

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sink for Plain<'_> {}

/// A directory of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The snapshot.
    pub of: SnapshotId,
    /// Where in it.
    pub path: TreePath,
    /// The directory.
    pub tree: TreeRef,
}

/// A pack that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The snapshot that is to be complete afterwards.
    pub to: SnapshotRef,
    /// A snapshot that is complete already. The origin may not know it, and then answers as if there were none.
    pub from: Option<SnapshotRef>,
}

/// An origin that counts what is asked of it.
pub struct Metered<'o> {
    origin: &'o dyn Origin,
    progress: &'o dyn Progress,
    requests: Cell<u64>,
    received_bytes: Cell<u64>,
}

impl<'o> Metered<'o> {
    /// Starts to count, for as long as `progress` says that it is wanted.
    #[must_use]
    pub const fn new(origin: &'o dyn Origin, progress: &'o dyn Progress) -> Self {
        Self {
            origin,
            progress,
            requests: Cell::new(0),
            received_bytes: Cell::new(0),
        }
    }

    /// How often something was asked for.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// The bytes of all answers.
    #[must_use]
    pub const fn received_bytes(&self) -> u64 {
        self.received_bytes.get()
    }

    fn receive(&self, bytes: u64) {
        self.received_bytes.set(self.received_bytes.get() + bytes);
    }

    fn count_all(&self, counting: &Counting<'_>) {
        self.requests.set(self.requests.get() + counting.requests);
        self.receive(counting.bytes);
    }

    fn count(&self, answer: Result<Vec<u8>>) -> Result<Vec<u8>> {
        self.requests.set(self.requests.get() + 1);
        answer.inspect(|bytes| self.receive(bytes.len() as u64))
    }
}

impl Origin for Metered<'_> {
    fn place(&self) -> String {
        self.origin.place()
    }

    fn repo(&self) -> Option<RepoName> {
        self.origin.repo()
    }

    fn is_origin_of(&self, copy: &RepoRow) -> bool {
        self.origin.is_origin_of(copy)
    }

    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        self.progress.check()?;
        let keyset = self.origin.keyset(version)?;
        self.count(Ok(keyset.clone().unwrap_or_default()))?;
        Ok(keyset)
    }

    fn heads(&self) -> Result<Vec<u8>> {
        self.progress.check()?;
        self.count(self.origin.heads())
    }

    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>> {
        self.progress.check()?;
        self.count(self.origin.refs_list(object))
    }

    fn statement(&self, id: StatementId) -> Result<Vec<u8>> {
        self.progress.check()?;
        self.count(self.origin.statement(id))
    }

    fn object(&self, id: Hash) -> Result<Vec<u8>> {
        self.progress.check()?;
        self.count(self.origin.object(id))
    }

    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        let mut counting = Counting::new(out, self.progress);
        let outcome = self.origin.pack(wanted, &mut counting);
        self.count_all(&counting);
        outcome
    }

    fn part(&self, part: &Part, out: &mut dyn Sink) -> Result<()> {
        let mut counting = Counting::new(out, self.progress);
        let outcome = self.origin.part(part, &mut counting);
        self.count_all(&counting);
        outcome
    }
}

/// An output that counts what goes through it.
struct Counting<'w> {
    out: &'w mut dyn Sink,
    progress: &'w dyn Progress,
    bytes: u64,
    requests: u64,
}

impl<'w> Counting<'w> {
    fn new(out: &'w mut dyn Sink, progress: &'w dyn Progress) -> Self {
        Self {
            out,
            progress,
            bytes: 0,
            requests: 0,
        }
    }
}

impl Sink for Counting<'_> {
    fn kept(&mut self, url: &str) -> Option<(u64, Promise)> {
        self.out.kept(url)
    }

    fn begin(&mut self, url: &str, bytes: Option<u64>, promise: Option<&Promise>) -> Result<()> {
        self.out.begin(url, bytes, promise)
    }

    fn check(&self) -> Result<()> {
        self.progress.check()
    }

    fn asked(&mut self) {
        self.requests += 1;
    }
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;
    use crate::base::error::check_limit;

    #[test]
    fn a_snapshot_too_large_for_a_pack_has_none_and_other_errors_stay() {
        let to = SnapshotId::new(Hash::of(b"snapshot"));
        let limit = check_limit("a pack, in bytes,", 2, 1).map_err(|error| no_pack(error, to));
        assert_eq!(limit.map_err(|error| error.kind()), Err(Kind::NotFound));
        let other = no_pack(Error::refused("for another reason"), to);
        assert!(matches!(other, Error::Refused { .. }));
    }
}
