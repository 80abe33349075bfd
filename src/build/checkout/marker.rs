//! The marker of a checkout: what was checked out, whether it is complete, and a list of the files.
//!
//! ```text
//! bindery checkout 1
//! state complete|incomplete
//! snapshot <id>
//! tree <size> <id>
//! path <path>
//!
//! records and hash, as in build::file_list
//! ```
//!
//! # Invariants
//!
//! - While it says incomplete, it lists whatever may be there: what earlier checkouts wrote and what this one writes.
//!
//! # Not here
//!
//! Where it lies, and that it is replaced at once (`disk::marker`).

use super::earlier::EarlierDir;
use super::wanted::{Wanted, WantedDir};
use crate::base::Result;
use crate::base::id::SnapshotId;
use crate::base::limits::GIB;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::base::text::{Lines, TextError};
use crate::build::file_list::{Facts, ListWriter, Record, Records, check_hash, malformed};
use crate::object::tree::{Entry, TreeRef};

/// Bytes of a marker: those of the most files that a snapshot can have, with names of usual length.
pub(super) const MARKER_BYTES_MAX: u64 = 8 * GIB;

/// What is checked out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marker<'a> {
    pub(super) snapshot: SnapshotId,
    pub(super) root: TreeRef,
    pub(super) path: &'a TreePath,
}

/// How far a checkout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progressed {
    /// Files may be missing, or not yet removed.
    Incomplete,
    /// All files are there.
    Complete,
}

impl Progressed {
    const fn word(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Complete => "complete",
        }
    }
}

impl Marker<'_> {
    /// The marker before anything is changed.
    ///
    /// # Errors
    ///
    /// Those of [`ListWriter::add`].
    pub(super) fn incomplete(
        &self,
        wanted: &Wanted,
        earlier: Option<&EarlierDir>,
    ) -> Result<Vec<u8>> {
        let mut writer = ListWriter::new(Vec::new(), &self.head(Progressed::Incomplete));
        let nothing = EarlierDir::default();
        list_both(&mut writer, &wanted.top, earlier.unwrap_or(&nothing))?;
        writer.finish()
    }

    /// The marker after everything was written; `facts` are those of the files, by number.
    ///
    /// # Errors
    ///
    /// Those of [`ListWriter::add`].
    pub(super) fn complete(&self, wanted: &Wanted, facts: &[Option<Facts>]) -> Result<Vec<u8>> {
        let mut writer = ListWriter::new(Vec::new(), &self.head(Progressed::Complete));
        list_wanted(&mut writer, &wanted.top, &mut facts.iter())?;
        writer.finish()
    }

    fn head(&self, progressed: Progressed) -> Vec<u8> {
        let (state, snapshot, path) = (progressed.word(), self.snapshot, self.path);
        let (size, id) = (self.root.size, self.root.id);
        format!(
            "bindery checkout 1\nstate {state}\nsnapshot {snapshot}\ntree {size} {id}\npath {path}\n\n"
        )
        .into_bytes()
    }
}

fn list_wanted<'f>(
    writer: &mut ListWriter<Vec<u8>>,
    dir: &WantedDir,
    facts: &mut impl Iterator<Item = &'f Option<Facts>>,
) -> Result<()> {
    for file in &dir.files {
        let (name, id) = (file.name().as_str(), file.id());
        writer.add(&match facts.next() {
            Some(Some(facts)) => Record::File {
                name,
                facts: *facts,
                id,
            },
            Some(None) | None => Record::Name(name),
        })?;
    }
    for (name, below) in &dir.dirs {
        writer.add(&Record::Enter(name.as_str()))?;
        list_wanted(writer, below, facts)?;
        writer.add(&Record::Leave)?;
    }
    Ok(())
}

fn list_both(
    writer: &mut ListWriter<Vec<u8>>,
    wanted: &WantedDir,
    earlier: &EarlierDir,
) -> Result<()> {
    let earlier_files = earlier.files.iter().map(|file| &file.name);
    for name in both(wanted.files.iter().map(Entry::name), earlier_files) {
        writer.add(&match earlier.seen(name) {
            Some((facts, id)) => Record::File {
                name: name.as_str(),
                facts,
                id,
            },
            None => Record::Name(name.as_str()),
        })?;
    }
    let (empty_wanted, empty_earlier) = (WantedDir::default(), EarlierDir::default());
    let earlier_dirs = earlier.dirs.iter().map(|(name, _)| name);
    for name in both(wanted.dirs.iter().map(|(name, _)| name), earlier_dirs) {
        writer.add(&Record::Enter(name.as_str()))?;
        let wanted = wanted.dir(name).unwrap_or(&empty_wanted);
        list_both(writer, wanted, earlier.dir(name).unwrap_or(&empty_earlier))?;
        writer.add(&Record::Leave)?;
    }
    Ok(())
}

/// The names of two ascending lists in one.
fn both<'a>(
    a: impl Iterator<Item = &'a EntryName>,
    b: impl Iterator<Item = &'a EntryName>,
) -> impl Iterator<Item = &'a EntryName> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || {
        let first = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => *a.min(b),
            (Some(name), None) | (None, Some(name)) => *name,
            (None, None) => return None,
        };
        a.next_if(|name| *name == first);
        b.next_if(|name| *name == first);
        Some(first)
    })
}

/// Reads what earlier checkouts wrote from a marker.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if `bytes` are no marker of this program.
pub(super) fn decode(bytes: &[u8]) -> Result<EarlierDir> {
    let checked = check_hash(bytes)?;
    let records = head(checked).map_err(|error| malformed(error.to_string()))?;
    EarlierDir::decode(Records::new(records))
}

/// Reads a marker and writes it again, byte for byte: for fuzzing, as what it says stays in this folder.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if `bytes` are no marker of this program.
pub fn respell(bytes: &[u8]) -> Result<Vec<u8>> {
    let earlier = decode(bytes)?;
    let checked = check_hash(bytes)?;
    let records = head(checked).map_err(|error| malformed(error.to_string()))?;
    let mut writer = ListWriter::new(Vec::new(), &checked[..checked.len() - records.len()]);
    list_both(&mut writer, &WantedDir::default(), &earlier)?;
    writer.finish()
}

/// Checks the text in front of the records, and gives those.
fn head(bytes: &[u8]) -> Result<&[u8], TextError> {
    let mut lines = Lines::new(bytes);
    let mut first = lines.next_with("bindery")?;
    first.word("checkout")?;
    first.version(1)?;
    first.end()?;
    let mut state = lines.next_with("state")?;
    let word = state.field()?;
    if ![Progressed::Incomplete, Progressed::Complete]
        .iter()
        .any(|state| state.word().as_bytes() == word)
    {
        return Err(state.expected("'complete' or 'incomplete'"));
    }
    state.end()?;
    let mut snapshot = lines.next_with("snapshot")?;
    snapshot.value::<SnapshotId>("the id of a snapshot")?;
    snapshot.end()?;
    let mut tree = lines.next_with("tree")?;
    tree.number()?;
    tree.value::<crate::base::id::TreeId>("the id of a tree")?;
    tree.end()?;
    let mut path = lines.next_with("path")?;
    let spelled = path.remainder()?;
    let parsed = std::str::from_utf8(spelled).map(str::parse::<TreePath>);
    if !matches!(parsed, Ok(Ok(path)) if path.to_string().as_bytes() == spelled) {
        return Err(path.expected("the path of a directory"));
    }
    let mut empty = lines.next_line()?;
    if empty.remainder()?.is_empty() {
        Ok(lines.rest())
    } else {
        Err(empty.expected("an empty line"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hash;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_marker_begins_with_lines_that_people_can_read() -> Outcome {
        let path = "usr/share".parse()?;
        let marker = Marker {
            snapshot: SnapshotId::of(b"snapshot"),
            root: TreeRef::empty(),
            path: &path,
        };
        let bytes = marker.complete(&Wanted::default(), &[])?;
        let text = String::from_utf8_lossy(&bytes[..bytes.len() - 32]);
        let expected = format!(
            "bindery checkout 1\nstate complete\nsnapshot {}\ntree 19 {}\npath usr/share\n\n",
            SnapshotId::of(b"snapshot"),
            TreeRef::empty().id
        );
        assert_eq!(text, expected);
        assert!(decode(&bytes)?.files.is_empty());
        Ok(())
    }

    #[test]
    fn a_marker_of_another_kind_is_refused() -> Outcome {
        let root = TreePath::root();
        let marker = Marker {
            snapshot: SnapshotId::of(b"snapshot"),
            root: TreeRef::empty(),
            path: &root,
        };
        let bytes = marker.incomplete(&Wanted::default(), None)?;
        let text = String::from_utf8(bytes[..bytes.len() - 32].to_vec())?;
        let sealed = |text: &str| ListWriter::new(Vec::new(), text.as_bytes()).finish();
        assert!(decode(&sealed(&text)?).is_ok());
        for (from, to) in [
            ("checkout 1", "checkout 2"),
            ("incomplete", "partial"),
            ("snapshot ", "snapshot 0"),
            ("tree 19", "tree 019"),
            ("path", "at"),
            ("path ", "path"),
            ("path ", "path a/../b"),
            ("path ", "path a//b"),
            ("\n\n", "\nx\n"),
        ] {
            assert!(
                decode(&sealed(&text.replacen(from, to, 1))?).is_err(),
                "{to}"
            );
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "{bit}");
        }
        Ok(())
    }

    #[test]
    fn an_incomplete_marker_lists_what_was_and_what_will_be() -> Outcome {
        let facts = Facts {
            size: 1,
            mtime_ns: 2,
            ctime_ns: 3,
            inode: 4,
            device: 5,
        };
        let id = Hash::of(b"1");
        let mut writer = ListWriter::new(Vec::new(), b"");
        for record in [
            Record::File {
                name: "a",
                facts,
                id,
            },
            Record::Name("c"),
            Record::Enter("b"),
            Record::Name("x"),
            Record::Leave,
        ] {
            writer.add(&record)?;
        }
        let list = writer.finish()?;
        let earlier = EarlierDir::decode(Records::new(&list[..list.len() - 32]))?;
        let mut wanted = Wanted::default();
        for name in ["a", "b"] {
            let kind = crate::object::tree::EntryKind::File;
            let entry = Entry::new(kind, 1, id, name.parse()?)?;
            wanted.top.files.push(entry);
        }
        wanted.top.dirs.push(("c".parse()?, WantedDir::default()));
        let marker = Marker {
            snapshot: SnapshotId::of(b"snapshot"),
            root: TreeRef::empty(),
            path: &TreePath::root(),
        };
        let bytes = marker.incomplete(&wanted, Some(&earlier))?;
        assert_eq!(respell(&bytes)?, bytes);
        let listed = decode(&bytes)?;
        let files: Vec<_> = listed.files.iter().map(|file| file.name.as_str()).collect();
        let dirs: Vec<_> = listed.dirs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((files, dirs), (vec!["a", "b", "c"], vec!["b", "c"]));
        assert_eq!(listed.files[0].seen, Some((facts, id)));
        assert_eq!(listed.dirs[0].1.files.len(), 1);
        Ok(())
    }
}
