//! Bundles: one release of a ref with everything that proves it, as one file for those who have no network between them.
//!
//! ```text
//! bindery bundle 1
//! repo example.org/os
//! ref stable
//! keyset <version> <bytes>          each version from the first on
//! heads <bytes>
//! refs <bytes> <id>
//! statement <bytes> <id>            the newest first, then those before it
//! pack <to: bytes, id of the snapshot> <from: bytes, id; or - ->
//!                                   an empty line; then the parts, in this order and without gaps
//! ```
//!
//! A bundle is an origin: importing it is a pull, with every check of one.
//!
//! # Invariants
//!
//! - The pack is the last part and ends with the file. Nothing in a bundle is believed because it is in the bundle.
//! - A bundle that was opened says in its header what its own parts say: whoever takes it in may name its repo and ref.
//!
//! # Not here
//!
//! The checks (`remote::follow`), the pack (`delta::make`).

use std::fmt::Write as _;
use std::io::Write;
use std::ops::Range;

use super::older::statements_from;
use super::origin::{Origin, Plain, Sink, Wanted};
use super::store_origin::StoreOrigin;
use crate::base::error::check_limit;
use crate::base::id::{Hash, SnapshotId, StatementId};
use crate::base::limits::{KEYSET_BYTES_MAX, STATEMENT_CHAIN_MAX};
use crate::base::name::{RefName, RepoName};
use crate::base::text::{Fields, Lines, TextError};
use crate::base::{Error, Result};
use crate::delta::parts::told_apart;
use crate::disk::files::Mapping;
use crate::store::Store;
use crate::store::notes::{KEYSETS_MAX, Notes};
use crate::store::rows::{Current, RepoRow, SnapshotRef};
use crate::trust::heads::{Heads, RefsObject};
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::note::note_bytes_max;
use crate::trust::ref_statement::RefStatement;
use crate::trust::refs_list::RefsList;
use crate::trust::signed::{Signed, Unverified, verify_under};

/// Bytes of the lines before the parts: those of the most keysets and statements that a bundle has fit twice.
const HEADER_BYTES_MAX: usize = 1024 * 1024;
/// Parts before the pack: keysets, heads, list of refs, statements.
const PARTS_MAX: usize = KEYSETS_MAX + STATEMENT_CHAIN_MAX + 2;

/// Writes a bundle of what `target` shows now, for those who have `from`, or nothing. `origin` is the repo of the store, and `far`,
/// which may be the same, has the statements before and the pack.
///
/// # Errors
///
/// [`Error::NotFound`] if the ref shows nothing, or there is no pack that starts from `from`; [`Error::Untrusted`] if a statement
/// does not hold; what the origins and the output answer.
pub fn create(
    store: &Store,
    repo: &RepoRow,
    target: &RefName,
    from: Option<SnapshotRef>,
    origin: &StoreOrigin<'_>,
    far: &dyn Origin,
    out: &mut dyn Write,
) -> Result<SnapshotRef> {
    let row = store.reader()?.find_ref(repo, target)?;
    let current = row.and_then(|row| row.current);
    let current = current.ok_or_else(|| Error::not_found("ref", target))?;
    let notes = Notes::open(store.disk(), &repo.name, Some(repo.repo_id))?;
    let heads = notes.heads()?;
    let heads = heads.ok_or_else(|| Error::not_found("release in", &repo.name))?;
    let mut header = format!("bindery bundle 1\nrepo {}\nref {target}\n", repo.name);
    let mut parts = Vec::new();
    let mut add = |line: String, part: Vec<u8>| {
        // Writing to a text cannot fail.
        writeln!(header, "{line}").ok();
        parts.push(part);
    };
    for keyset in notes.keysets() {
        let note = keyset.note().encode();
        let version = keyset.keyset().version();
        add(format!("keyset {version} {}", note.len()), note);
    }
    let note = origin.heads()?;
    add(format!("heads {}", note.len()), note);
    let list = origin.refs_list(heads.refs)?;
    check_follows(&list, target, &current)?;
    add(format!("refs {} {}", list.len(), heads.refs.hash), list);
    let (keysets, newest) = (notes.keysets(), current.statement);
    for (id, note) in statements_from(far, keysets, newest, &|_| Ok(None))? {
        add(format!("statement {} {id}", note.len()), note);
    }
    let to = current.snapshot;
    let from_words = from.map_or_else(|| "- -".into(), |from| format!("{} {}", from.size, from.id));
    writeln!(header, "pack {} {} {from_words}\n", to.size, to.id).ok();
    let failed = |error| Error::Io {
        action: "write",
        path: "the bundle".into(),
        source: error,
    };
    out.write_all(header.as_bytes()).map_err(failed)?;
    for part in parts {
        out.write_all(&part).map_err(failed)?;
    }
    if far.pack(Wanted { to, from }, &mut Plain(out))? == from {
        return Ok(to);
    }
    let place = far.place();
    Err(Error::not_found(
        "pack",
        format!("at {place} that starts from {}", from_words.trim()),
    ))
}

/// Checks that a ref shows what the list of refs that goes with it says: who reads the bundle would refuse another release.
fn check_follows(list: &[u8], target: &RefName, current: &Current) -> Result<()> {
    let signed = RefsList::decode(list)?.get(target);
    match signed.filter(|signed| signed.is_after(current.epoch, current.seq)) {
        None => Ok(()),
        Some(signed) => Err(Error::refused(format!(
            "{target}@{} was not followed to @{}, which is signed: 'bindery pull' brings it, with --allow-rewind also if it is an older \
             release",
            current.seq, signed.seq
        ))),
    }
}

/// A bundle that was opened: an origin of one release.
#[derive(Debug)]
pub struct Bundle {
    place: String,
    bytes: Mapping,
    repo: RepoName,
    target: RefName,
    /// From version 1 on.
    keysets: Vec<Range<usize>>,
    heads: Range<usize>,
    refs: (Hash, Range<usize>),
    /// The newest first, each followed by the one before it.
    statements: Vec<(StatementId, Range<usize>)>,
    pack: Wanted,
    pack_at: usize,
}

impl Bundle {
    /// Opens the bytes of a bundle; `place` says in messages where they are.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if they are no bundle, cut short before the pack, or the header says anything else than the parts;
    /// [`Error::Untrusted`] if keysets do not follow each other, or their keys did not sign heads and statements.
    pub fn open(bytes: Mapping, place: String) -> Result<Self> {
        let bundle = Self::read(bytes, place)?;
        bundle.check()?;
        Ok(bundle)
    }

    /// Takes the header apart, and finds the parts.
    fn read(bytes: Mapping, place: String) -> Result<Self> {
        let header = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
        let end = header.windows(2).position(|pair| pair == b"\n\n");
        let end = end.ok_or_else(|| malformed("it has no header"))? + 1;
        let mut reader = Reader {
            lines: Lines::new(&bytes[..end]),
            next: end + 1,
            parts: 0,
        };
        let bundle = reader.read(place).map_err(Error::text("bundle"))?;
        if reader.parts > PARTS_MAX {
            return Err(malformed(format!("it has {} parts", reader.parts)));
        }
        if bundle.pack_at > bytes.len() {
            let reason = format!(
                "it is cut short: {} bytes of {}",
                bytes.len(),
                bundle.pack_at
            );
            return Err(malformed(reason));
        }
        Ok(Self { bytes, ..bundle })
    }

    /// The header says what the parts say. Whether the keysets are those of the repo, only whoever takes it in knows.
    fn check(&self) -> Result<()> {
        let heads = Signed::<Heads, Unverified>::parse(&self.part(&self.heads))?;
        let keysets = self.chain()?;
        let newest = keysets.last();
        let newest = newest.ok_or_else(|| malformed("it has no keyset"))?;
        let heads = heads.verify(newest)?;
        let named = &heads.value().repo;
        if *named != self.repo {
            let reason = format!("it says that it is of {}, its heads of {named}", self.repo);
            return Err(malformed(reason));
        }
        let object = heads.value().refs;
        let list = self.part(&self.refs.1);
        if object.hash != self.refs.0 || Hash::of(&list) != object.hash {
            return Err(malformed("its list of refs is not the one of its heads"));
        }
        let entry = RefsList::decode(&list)?.get(&self.target);
        let entry =
            entry.ok_or_else(|| malformed(format!("its list of refs has no {}", self.target)))?;
        if self.statements.iter().all(|(id, _)| *id != entry.id) {
            let reason = format!("it lacks {}, which {} shows", entry.id, self.target);
            return Err(malformed(reason));
        }
        self.check_statements(entry.id, &keysets)
    }

    /// Each statement is the one before the last, from `newest` on.
    fn check_statements(&self, newest: StatementId, keysets: &[TrustedKeyset]) -> Result<()> {
        let mut next = Some(newest);
        for (id, range) in &self.statements {
            let signed = verify_under::<RefStatement>(&self.part(range), keysets)?;
            if next != Some(*id) || signed.id() != *id {
                let wanted = next.map_or_else(|| "none".to_owned(), |next| next.to_string());
                let reason = format!("it has the statement {id} where {wanted} belongs");
                return Err(malformed(reason));
            }
            next = signed.value().prev;
        }
        Ok(())
    }

    /// Its keysets, each of which follows the one before.
    fn chain(&self) -> Result<Vec<TrustedKeyset>> {
        let mut chain: Vec<TrustedKeyset> = Vec::with_capacity(self.keysets.len());
        for range in &self.keysets {
            let note = self.part(range);
            chain.push(match chain.last() {
                Some(before) => before.successor(&note)?,
                None => TrustedKeyset::first(&note, None)?,
            });
        }
        Ok(chain)
    }

    /// The repo that it is of, as it says.
    #[must_use]
    pub const fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// The ref that it brings, as it says.
    #[must_use]
    pub const fn target(&self) -> &RefName {
        &self.target
    }

    /// The pack in it: what it brings, and what must be there before.
    #[must_use]
    pub const fn pack(&self) -> Wanted {
        self.pack
    }

    fn part(&self, range: &Range<usize>) -> Vec<u8> {
        self.bytes[range.clone()].to_vec()
    }
}

impl Origin for Bundle {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        let place = usize::try_from(version.saturating_sub(1)).ok();
        let range = place.and_then(|place| self.keysets.get(place));
        Ok(range.filter(|_| version > 0).map(|range| self.part(range)))
    }

    fn heads(&self) -> Result<Vec<u8>> {
        Ok(self.part(&self.heads))
    }

    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>> {
        if self.refs.0 == object.hash {
            Ok(self.part(&self.refs.1))
        } else {
            Err(malformed(format!("it has no list of refs {}", object.hash)))
        }
    }

    fn statement(&self, id: StatementId) -> Result<Vec<u8>> {
        let mut statements = self.statements.iter();
        statements
            .find(|(listed, _)| *listed == id)
            .map(|(_, range)| self.part(range))
            .ok_or_else(|| Error::not_found("statement", id))
    }

    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        if wanted.to != self.pack.to {
            let (to, shown) = told_apart(self.pack.to, wanted.to);
            return Err(malformed(format!(
                "its pack leads to {to}, and its ref shows {shown}"
            )));
        }
        out.asked();
        let written = out.write_all(&self.bytes[self.pack_at..]);
        written.map_err(|source| Error::Io {
            action: "copy",
            path: self.place.clone().into(),
            source,
        })?;
        Ok(self.pack.from)
    }
}

struct Reader<'a> {
    lines: Lines<'a>,
    /// Where the next part starts.
    next: usize,
    parts: usize,
}

impl Reader<'_> {
    fn read(&mut self, place: String) -> Result<Bundle, TextError> {
        let mut first = self.lines.next_with("bindery")?;
        first.word("bundle")?;
        first.version(1)?;
        first.end()?;
        let mut repo = self.lines.next_with("repo")?;
        let name = repo.value("a repo's name")?;
        repo.end()?;
        let mut target = self.lines.next_with("ref")?;
        let target_name = target.value("a ref's name")?;
        target.end()?;
        let mut keysets = Vec::new();
        while self.lines.starts_with("keyset") {
            let mut fields = self.lines.next_with("keyset")?;
            let expected = keysets.len() as u64 + 1;
            if fields.number()? != expected {
                return Err(fields.expected(format!("keyset {expected}")));
            }
            keysets.push(self.part(&mut fields)?);
            fields.end()?;
        }
        let mut fields = self.lines.next_with("heads")?;
        let heads = self.part(&mut fields)?;
        fields.end()?;
        let mut fields = self.lines.next_with("refs")?;
        let list = self.part(&mut fields)?;
        let refs = (fields.value("a hash")?, list);
        fields.end()?;
        let mut statements = Vec::new();
        while self.lines.starts_with("statement") {
            let mut fields = self.lines.next_with("statement")?;
            let note = self.part(&mut fields)?;
            statements.push((fields.value("a statement's id")?, note));
            fields.end()?;
        }
        let mut fields = self.lines.next_with("pack")?;
        let to = snapshot(&mut fields)?;
        let from = if fields.clone().word("-").is_ok() {
            fields.word("-")?;
            fields.word("-")?;
            None
        } else {
            Some(snapshot(&mut fields)?)
        };
        fields.end()?;
        if !self.lines.is_at_end() {
            return Err(self.lines.expected("an empty line"));
        }
        Ok(Bundle {
            place,
            bytes: Mapping::owned(Vec::new()),
            repo: name,
            target: target_name,
            keysets,
            heads,
            refs,
            statements,
            pack: Wanted { to, from },
            pack_at: self.next,
        })
    }

    /// The place of the next part, whose length is the next field.
    fn part(&mut self, fields: &mut Fields<'_>) -> Result<Range<usize>, TextError> {
        let bytes = fields.number()?;
        let is_legal = check_limit("a part", bytes, PART_BYTES_MAX).is_ok();
        let bytes = usize::try_from(bytes).ok().filter(|_| is_legal);
        let bytes = bytes.ok_or_else(|| fields.expected("the bytes of a note or list"))?;
        let start = self.next;
        self.next += bytes;
        self.parts += 1;
        Ok(start..self.next)
    }
}

/// Bytes of the largest part before the pack.
const PART_BYTES_MAX: u64 = {
    let (note, list) = (
        note_bytes_max(KEYSET_BYTES_MAX),
        crate::trust::refs_list::REFS_LIST_BYTES_MAX,
    );
    if note > list { note } else { list }
};

fn snapshot(fields: &mut Fields<'_>) -> Result<SnapshotRef, TextError> {
    let size = fields.number()?;
    let id: SnapshotId = fields.value("a snapshot's id")?;
    Ok(SnapshotRef { id, size })
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("bundle", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0000000000000000000000000000000000000000000000000000000000000001";

    /// A header with `keysets` and `statements` of no bytes, and heads of `heads` bytes.
    fn header(keysets: usize, heads: u64, statements: usize) -> String {
        let mut text = String::from("bindery bundle 1\nrepo main\nref stable\n");
        for version in 1..=keysets {
            writeln!(text, "keyset {version} 0").ok();
        }
        writeln!(text, "heads {heads}\nrefs 0 {ID}").ok();
        for number in 0..statements {
            writeln!(text, "statement 0 {number:064x}").ok();
        }
        writeln!(text, "pack 1 {ID} - -\n").ok();
        text
    }

    fn read(text: impl Into<Vec<u8>>) -> Result<Bundle> {
        Bundle::read(Mapping::owned(text.into()), "the bundle".into())
    }

    fn check_refused(text: impl Into<Vec<u8>>, expected: &str) {
        let message = read(text).err().map(|error| error.to_string());
        let message = message.unwrap_or_default();
        assert!(message.contains(expected), "{message:?}: {expected}");
    }

    #[test]
    fn a_bundle_has_so_many_parts() -> Result<()> {
        let statements = STATEMENT_CHAIN_MAX;
        let bundle = read(header(KEYSETS_MAX, 0, statements))?;
        assert_eq!(bundle.statements.len(), statements);
        let one_more = format!("it has {} parts", PARTS_MAX + 1);
        check_refused(header(KEYSETS_MAX, 0, statements + 1), &one_more);
        check_refused(header(KEYSETS_MAX + 1, 0, statements), &one_more);
        Ok(())
    }

    #[test]
    fn a_part_has_so_many_bytes() {
        // One that may be as large is not there, one that may not be is not looked for.
        check_refused(header(1, PART_BYTES_MAX, 1), "cut short");
        let legal = "the bytes of a note or list";
        check_refused(header(1, PART_BYTES_MAX + 1, 1), legal);
        check_refused(header(1, u64::MAX, 1), legal);
    }

    #[test]
    fn a_header_has_so_many_bytes() {
        let with = |bytes: usize| {
            let mut text = header(1, 0, 1);
            let line_end = text.find('\n').unwrap_or_default();
            text.insert_str(line_end, &"x".repeat(bytes - text.len()));
            text
        };
        check_refused(with(HEADER_BYTES_MAX), "line 1");
        check_refused(with(HEADER_BYTES_MAX + 1), "it has no header");
    }

    #[test]
    fn keysets_stand_in_order_from_the_first_on() {
        let three = header(3, 0, 0);
        for (from, to, expected) in [
            ("keyset 1 0\n", "", "line 4: expected keyset 1"),
            ("keyset 2 0\n", "", "line 5: expected keyset 2"),
            ("keyset 2 0\n", "keyset 1 0\n", "line 5: expected keyset 2"),
            (
                "keyset 3 0\n",
                "keyset 3 0\nkeyset 3 0\n",
                "line 7: expected keyset 4",
            ),
        ] {
            check_refused(three.replace(from, to), expected);
        }
        let version = three.replace("bundle 1", "bundle 2");
        check_refused(version, "version 2, of which this program knows 1 alone");
    }
}
