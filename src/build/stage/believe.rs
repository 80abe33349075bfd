//! Belief: which of the files that a walk saw are, by the stat cache, what they were when they were last staged.
//!
//! # Invariants
//!
//! - Walk and cache are in the same order, so one pass over both is enough. A cache in another order is believed less,
//!   never wrongly.
//! - Recursion is as deep as the walk, which is bounded.
//!
//! # Not here
//!
//! The bytes of a cache (`build::stage::cache`), which files were put into it (`build::stage::remember`).

use super::cache;
use crate::base::Result;
use crate::base::id::Hash;
use crate::build::file_list::{Facts, Record, Records, malformed};
use crate::disk::walk::{SourceContent, SourceDir};

/// Fills `ids` from a cache; says whether the cache has exactly the files of the directory.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if `bytes` are no cache: `ids` then hold nothing of use.
pub fn believe(bytes: &[u8], contents: &SourceDir, ids: &mut [Option<Hash>]) -> Result<bool> {
    let mut records = cache::open(bytes)?;
    let record = records.next()?;
    let mut believing = Believing {
        records,
        record,
        ids: ids.iter_mut(),
        differences: 0,
    };
    believing.directory(contents)?;
    Ok(believing.differences == 0)
}

/// Goes through a walk and a cache together: both are in the same order.
struct Believing<'a, I> {
    records: Records<'a>,
    /// The record that comes next.
    record: Option<Record<'a>>,
    /// The ids of the files that come next.
    ids: I,
    differences: usize,
}

impl<'a, 'i, I: Iterator<Item = &'i mut Option<Hash>>> Believing<'a, I> {
    fn directory(&mut self, dir: &SourceDir) -> Result<()> {
        for file in &dir.files {
            let id = self.file(file.name.as_str(), &file.content)?;
            if let Some(place) = self.ids.next() {
                *place = id;
            }
        }
        while self.file_name().is_some() {
            self.pass()?;
        }
        for (name, below) in &dir.dirs {
            while matches!(self.record, Some(Record::Enter(other)) if other < name.as_str()) {
                self.pass_directory()?;
            }
            if matches!(self.record, Some(Record::Enter(other)) if other == name.as_str()) {
                self.record = self.records.next()?;
                self.directory(below)?;
                self.pass_directory_end()?;
            } else {
                // Between the end of one directory and the start of another there is nothing to believe.
                let rest = self.record.take();
                self.directory(below)?;
                self.record = rest;
                self.differences += 1;
            }
        }
        Ok(())
    }

    /// The id of a file or link, if it is what it was.
    fn file(&mut self, name: &str, content: &SourceContent) -> Result<Option<Hash>> {
        let stat = match content {
            SourceContent::Link(target) => return Ok(Some(Hash::of(target.as_bytes()))),
            SourceContent::File(stat) => stat,
        };
        while self.file_name().is_some_and(|other| other < name) {
            self.pass()?;
        }
        if self.file_name() == Some(name) {
            let record = self.record;
            self.record = self.records.next()?;
            if let Some(Record::File { facts, id, .. }) = record
                && facts == Facts::from(stat)
            {
                return Ok(Some(id));
            }
        }
        self.differences += 1;
        Ok(None)
    }

    /// The name of the file that comes next in the cache, if one does.
    fn file_name(&self) -> Option<&'a str> {
        match self.record {
            Some(Record::File { name, .. } | Record::Name(name)) => Some(name),
            Some(Record::Enter(_) | Record::Leave) | None => None,
        }
    }

    /// Passes a record of something that is not there any more.
    fn pass(&mut self) -> Result<Option<Record<'a>>> {
        self.differences += 1;
        let passed = self.record;
        self.record = self.records.next()?;
        Ok(passed)
    }

    /// Passes a directory that is not there any more.
    fn pass_directory(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match self.pass()? {
                Some(Record::Enter(_)) => depth += 1,
                Some(Record::Leave) => depth = depth.saturating_sub(1),
                Some(Record::File { .. } | Record::Name(_)) => {}
                None => return Err(malformed("a directory has no end")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Passes what is left of the directory that the walk has come to the end of, and its end.
    fn pass_directory_end(&mut self) -> Result<()> {
        while matches!(self.record, Some(Record::Enter(_))) {
            self.pass_directory()?;
        }
        if self.record != Some(Record::Leave) {
            return Err(malformed("a directory has no end"));
        }
        self.record = self.records.next()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::remember::encode;
    use super::*;
    use crate::disk::stat::{FileKind, Stat};
    use crate::disk::walk::SourceEntry;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A directory with these files; each has the number as its size. Paths that end with a slash are directories.
    fn directory(paths: &[(&str, u64)]) -> Result<SourceDir, crate::base::name::NameError> {
        let (mut files, mut dirs) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        for (path, size) in paths {
            match path.split_once('/') {
                Some((name, "")) => drop(dirs.entry(name).or_default()),
                Some((name, below)) => dirs.entry(name).or_default().push((below, *size)),
                None => files.push(SourceEntry {
                    name: path.parse()?,
                    content: SourceContent::File(stat(*size)),
                }),
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let dirs = dirs
            .into_iter()
            .map(|(name, below)| Ok((name.parse()?, directory(&below)?)))
            .collect::<Result<_, _>>()?;
        Ok(SourceDir {
            files: files.into(),
            dirs,
        })
    }

    fn stat(size: u64) -> Stat {
        Stat {
            size,
            mtime_ns: 1,
            ctime_ns: 1,
            inode: size,
            device: 1,
            mode: 0o644,
            kind: FileKind::Regular,
        }
    }

    /// Stages `before`, then looks at `after`: which of its files are believed, in the order of the listing?
    fn check(before: &[(&str, u64)], after: &[(&str, u64)], expected: &[bool]) -> Outcome {
        let known: Vec<_> = (0..before.len())
            .map(|number| Some(Hash::of(&[u8::try_from(number).unwrap_or(0)])))
            .collect();
        let bytes = encode(Vec::new(), &directory(before)?, &known, i64::MAX)?;
        let files = after
            .iter()
            .filter(|(path, _)| !path.ends_with('/'))
            .count();
        let mut ids = vec![None; files];
        let is_current = believe(&bytes, &directory(after)?, &mut ids)?;
        let found: Vec<_> = ids.iter().map(Option::is_some).collect();
        assert_eq!(found, expected, "{before:?} -> {after:?}");
        assert_eq!(is_current, before == after, "{before:?} -> {after:?}");
        Ok(())
    }

    #[test]
    fn what_did_not_change_is_believed_whatever_changed_beside_it() -> Outcome {
        let tree = [("b", 1), ("d", 2), ("x/a", 3), ("x/y/a", 4), ("z/a", 5)];
        check(&tree, &tree, &[true; 5])?;
        check(&tree, &[], &[])?;
        check(&[], &tree, &[false; 5])?;
        check(
            &tree,
            &[("a", 9), ("b", 1), ("c", 9), ("d", 2), ("e", 9)],
            &[false, true, false, true, false],
        )?;
        check(
            &tree,
            &[("b", 9), ("x/y/a", 4), ("z/a", 5)],
            &[false, true, true],
        )?;
        check(&tree, &[("d", 2), ("z/a", 5)], &[true, true])?;
        check(&tree, &[("x", 2), ("z/a", 5)], &[false, true])?;
        check(
            &tree,
            &[("b/a", 1), ("x/a", 3), ("x/b/a", 3), ("x/y/a", 4)],
            &[false, true, false, true],
        )?;
        check(
            &tree,
            &[("b", 1), ("d", 2), ("x/", 0), ("z/a/b", 5)],
            &[true, true, false],
        )?;
        check(
            &[("x/", 0), ("y/", 0), ("z/a", 1)],
            &[("y/", 0), ("z/a", 1)],
            &[true],
        )
    }

    #[test]
    fn a_cache_whose_directories_do_not_end_is_no_cache() -> Outcome {
        for (records, reason) in [
            (
                [Record::Enter("gone"), Record::Enter("below")],
                "one that is gone",
            ),
            (
                [Record::Enter("x"), Record::Enter("x")],
                "one that is there",
            ),
        ] {
            let mut writer = cache::begin(Vec::new());
            for record in records {
                writer.add(&record)?;
            }
            let contents = directory(&[("x/", 0)])?;
            let believed = believe(&writer.finish()?, &contents, &mut []);
            assert!(
                matches!(believed, Err(crate::base::Error::Malformed { .. })),
                "{reason}"
            );
        }
        Ok(())
    }
}
