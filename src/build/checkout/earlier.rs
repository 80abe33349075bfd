//! What earlier checkouts wrote into a directory, as its marker says.
//!
//! # Invariants
//!
//! - Every name is one that a tree can hold, and no path is deeper than a tree's: a marker that somebody made up names
//!   nothing outside its directory. Names ascend.
//! - Nothing is allocated for more than the marker has records.

use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::PATH_DEPTH_MAX;
use crate::base::name::EntryName;
use crate::build::file_list::{Facts, Record, Records, malformed};

/// What earlier checkouts wrote into one directory.
#[derive(Debug, Default)]
pub(super) struct EarlierDir {
    /// Files and links, by name.
    pub(super) files: Vec<EarlierFile>,
    /// Directories, by name.
    pub(super) dirs: Vec<(EntryName, EarlierDir)>,
}

/// A file or link that an earlier checkout wrote, or was about to.
#[derive(Debug)]
pub(super) struct EarlierFile {
    /// Its name.
    pub(super) name: EntryName,
    /// What the file system said of it when it was whole, and its blob.
    pub(super) seen: Option<(Facts, Hash)>,
}

impl EarlierDir {
    /// Reads the records of a marker.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`](crate::base::Error::Malformed) if they are not those of one directory.
    pub(super) fn decode(mut records: Records<'_>) -> Result<Self> {
        Self::decode_beneath(&mut records, 0)
    }

    fn decode_beneath(records: &mut Records<'_>, depth: usize) -> Result<Self> {
        if depth > PATH_DEPTH_MAX {
            return Err(malformed("a path is too deep"));
        }
        let mut dir = Self::default();
        loop {
            match records.next()? {
                Some(Record::File { name, facts, id }) => dir.add_file(name, Some((facts, id)))?,
                Some(Record::Name(name)) => dir.add_file(name, None)?,
                Some(Record::Enter(name)) => {
                    let name = parse(name)?;
                    check_order(dir.dirs.last().map(|(name, _)| name), &name)?;
                    dir.dirs
                        .push((name, Self::decode_beneath(records, depth + 1)?));
                }
                Some(Record::Leave) if depth > 0 => return Ok(dir),
                None if depth == 0 => return Ok(dir),
                Some(Record::Leave) => {
                    return Err(malformed("a directory ends that did not begin"));
                }
                None => return Err(malformed("a directory has no end")),
            }
        }
    }

    fn add_file(&mut self, name: &str, seen: Option<(Facts, Hash)>) -> Result<()> {
        let name = parse(name)?;
        if !self.dirs.is_empty() {
            return Err(malformed("a file comes after a directory"));
        }
        check_order(self.files.last().map(|file| &file.name), &name)?;
        self.files.push(EarlierFile { name, seen });
        Ok(())
    }

    /// What the file system said of a file when it was whole, and its blob.
    pub(super) fn seen(&self, name: &EntryName) -> Option<(Facts, Hash)> {
        let at = self.files.binary_search_by(|file| file.name.cmp(name));
        self.files[at.ok()?].seen
    }

    /// Whether any file was known to be whole, here or below. As deep as a marker, which is bounded.
    pub(super) fn has_whole_file(&self) -> bool {
        let mut dirs = self.dirs.iter();
        self.files.iter().any(|file| file.seen.is_some())
            || dirs.any(|(_, below)| below.has_whole_file())
    }

    /// Whether anything of that name was written.
    pub(super) fn has(&self, name: &EntryName) -> bool {
        let files = &self.files;
        files.binary_search_by(|file| file.name.cmp(name)).is_ok() || self.dir(name).is_some()
    }

    /// The directory of that name, if there was one.
    pub(super) fn dir(&self, name: &EntryName) -> Option<&Self> {
        let at = self.dirs.binary_search_by(|(dir, _)| dir.cmp(name)).ok()?;
        Some(&self.dirs[at].1)
    }
}

fn parse(name: &str) -> Result<EntryName> {
    name.parse()
        .map_err(|error| malformed(format!("{name:?}: {error}")))
}

fn check_order(before: Option<&EntryName>, name: &EntryName) -> Result<()> {
    if before.is_none_or(|before| before < name) {
        Ok(())
    } else {
        Err(malformed(format!("{name:?} comes out of order")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Error;
    use crate::build::file_list::ListWriter;

    fn decode(records: &[Record<'_>]) -> Result<EarlierDir> {
        let mut writer = ListWriter::new(Vec::new(), b"");
        for record in records {
            writer.add(record)?;
        }
        let bytes = writer.finish()?;
        EarlierDir::decode(Records::new(&bytes[..bytes.len() - 32]))
    }

    #[test]
    fn a_list_is_a_directory() -> Result<(), Box<dyn std::error::Error>> {
        use Record::{Enter, Leave, Name};
        let dir = decode(&[
            Name("a"),
            Name("b"),
            Enter("a"),
            Enter("x"),
            Leave,
            Leave,
            Enter("c"),
            Name("y"),
            Leave,
        ])?;
        assert_eq!((dir.files.len(), dir.dirs.len()), (2, 2));
        let c = dir.dir(&"c".parse()?).ok_or("c is a directory")?;
        assert_eq!(c.files.len(), 1);
        assert!(dir.dir(&"b".parse()?).is_none());
        Ok(())
    }

    #[test]
    fn a_list_that_somebody_made_up_is_refused() {
        use Record::{Enter, Leave, Name};
        let deep: Vec<_> = std::iter::repeat_n(Enter("d"), PATH_DEPTH_MAX + 1).collect();
        for (records, reason) in [
            ([Name("..")].as_slice(), "it climbs"),
            (&[Enter(".."), Leave], "it climbs"),
            (&[Name("a/b")], "a path is no name"),
            (&[Name("/etc")], "it leaves"),
            (&[Name(".bindery")], "no tree can hold it"),
            (&[Name("")], "no name"),
            (&[Name("b"), Name("a")], "out of order"),
            (&[Name("a"), Name("a")], "twice"),
            (&[Enter("a"), Leave, Enter("a"), Leave], "twice"),
            (&[Enter("a"), Leave, Name("b")], "a file after a directory"),
            (&[Enter("a")], "without an end"),
            (&[Leave], "without a start"),
            (&deep, "too deep"),
        ] {
            let decoded = decode(records);
            assert!(matches!(decoded, Err(Error::Malformed { .. })), "{reason}");
        }
    }
}
