//! An archive and its base, each unpacked.
//!
//! # Invariants
//!
//! - A form makes the archive again, bit for bit; a base unpacks to the same with just as much room as it takes.
//!
//! # Not here
//!
//! Whether that makes a smaller patch (`delta::archives`).

use super::group::read;
use super::memo::{Memo, Sort, key};
use super::plan::{Base, Wanted};
use crate::base::id::{BlobId, HASH_BYTES, Hash};
use crate::base::limits::archive_form_bytes_max;
use crate::base::{Error, Result};
use crate::object::archive::{Findings, is_archive, unfold, unfold_as, unpack};
use crate::object::patch::{Effort, Pair};
use crate::store::view::View;

/// Bytes at the start of a content that show whether it is an archive.
const HEAD_BYTES: usize = 512;

/// Whether a content starts as archives do.
///
/// # Errors
///
/// Those of reading it.
pub(super) fn starts_as_archive(view: &View<'_>, id: Hash, bytes: u64) -> Result<bool> {
    let mut answer = None;
    let outcome = view.read_blob(BlobId::new(id), bytes, &mut |piece| {
        if answer.is_some() {
            // The rest of a long content is not read.
            return Err(Error::internal("the first piece is enough"));
        }
        answer = Some(is_archive(&piece[..piece.len().min(HEAD_BYTES)]));
        Ok(())
    });
    match answer {
        Some(answer) => Ok(answer),
        None => outcome.map(|()| false),
    }
}

/// An archive and its base.
#[derive(Debug)]
pub(super) struct Unfolded {
    /// The unfolded form of the target.
    pub(super) form: Vec<u8>,
    /// The base, unpacked.
    pub(super) base: Vec<u8>,
}

impl Unfolded {
    /// Reads a content and a base and unpacks both, if the content can be made again.
    ///
    /// # Errors
    ///
    /// Those of reading them.
    pub(super) fn of(
        view: &View<'_>,
        wanted: &Wanted,
        base: &Base,
        memo: &Memo<'_>,
    ) -> Result<Option<Self>> {
        let target = read(view, wanted.id, wanted.bytes)?;
        let Some(form) = form_of(&target, wanted.id, memo) else {
            return Ok(None);
        };
        drop(target);
        let packed_base = read(view, base.id, base.bytes)?;
        let Some(unpacked) = unpack(&packed_base, most(base.bytes)) else {
            return Ok(None);
        };
        // Whoever applies the patch has just as much room: a stream that was given up for want of it must be the same one.
        if unpack(&packed_base, unpacked.len()).as_ref() != Some(&unpacked) {
            return Ok(None);
        }
        Ok(Some(Self {
            form,
            base: unpacked,
        }))
    }

    /// What is patched.
    pub(super) fn pair(&self) -> Pair<'_> {
        Pair {
            base: &self.base,
            target: &self.form,
        }
    }
}

/// The unfolded form of a content. How its streams are made again is looked up, or searched and kept: the next delta to the same
/// content starts from another base.
fn form_of(target: &[u8], id: Hash, memo: &Memo<'_>) -> Option<Vec<u8>> {
    let bytes_max = most(target.len() as u64);
    let key = key(
        Sort::Findings,
        Effort::Quick,
        std::iter::once((&id, std::iter::empty())),
    );
    let known = memo.find(key);
    if let Some((findings, hash)) = known
        .as_deref()
        .and_then(<[u8]>::split_last_chunk::<HASH_BYTES>)
    {
        if findings.is_empty() {
            return None;
        }
        let form = Findings::decode(findings);
        let form = form.and_then(|findings| unfold_as(target, findings, bytes_max));
        // It was the form when the memo was written; so it is now.
        if let Some(form) = form.filter(|form| Hash::of(form).as_bytes() == hash) {
            return Some(form);
        }
    }
    let unfolded = unfold(target, bytes_max);
    let (mut kept, hash) = match &unfolded {
        Some(unfolded) => (unfolded.findings.encode(), Hash::of(&unfolded.form)),
        None => (Vec::new(), id),
    };
    kept.extend_from_slice(hash.as_bytes());
    memo.keep(key, kept);
    Some(unfolded?.form)
}

/// How long an archive of so many bytes may be when it is unpacked; a longer one is told as it is.
fn most(bytes: u64) -> usize {
    usize::try_from(archive_form_bytes_max(bytes)).unwrap_or(usize::MAX)
}
