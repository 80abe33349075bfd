//! The stat cache: which blob each file of a directory was, when it was last staged.
//!
//! # Invariants
//!
//! - Nothing depends on a cache: one that is torn, foreign or gone is no cache, and files are read.
//!
//! # Not here
//!
//! Its records (`build::file_list`), which files are put into it (`build::stage::remember`), what of it is believed
//! (`build::stage::believe`).

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::Result;
use crate::base::id::Hasher;
use crate::build::file_list::{ListWriter, RECORD_BYTES_MAX, Records, check_hash, malformed};
use crate::disk::exclude::Excludes;
use crate::store::layout;

/// Bytes of a cache.
pub(super) const CACHE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Files that always fit. Of larger directories all files are read.
pub(super) const CACHE_FILES_MAX: usize = CACHE_BYTES_MAX / RECORD_BYTES_MAX;
/// The first bytes.
const MAGIC: &[u8] = b"bindery stat cache 1\n";

/// The cache of a directory, staged without what `excludes` matches.
pub(super) fn cache_path(directory: &Path, excludes: &Excludes) -> PathBuf {
    let mut hasher = Hasher::new();
    hasher.update(directory.as_os_str().as_encoded_bytes());
    for text in excludes.texts() {
        hasher.update(b"\0");
        hasher.update(text.as_bytes());
    }
    layout::stat_cache(hasher.hash())
}

/// Starts a cache that is written to `out`.
pub(super) fn begin<W: Write>(out: W) -> ListWriter<W> {
    ListWriter::new(out, MAGIC)
}

/// Checks that `bytes` are a cache, and gives its records.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if they are not.
pub(super) fn open(bytes: &[u8]) -> Result<Records<'_>> {
    let records = check_hash(bytes)?.strip_prefix(MAGIC);
    let records = records.ok_or_else(|| malformed("it is no stat cache"))?;
    Ok(Records::new(records))
}

/// Reads a cache and writes it again, byte for byte: for fuzzing, as what it says stays in this folder.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if `bytes` are no cache.
pub fn respell(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut records = open(bytes)?;
    let mut writer = begin(Vec::new());
    while let Some(record) = records.next()? {
        writer.add(&record)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::mutations;
    use crate::build::file_list::Record;

    #[test]
    fn a_cache_that_is_cut_or_changed_anywhere_is_none() -> Result<()> {
        let mut writer = begin(Vec::new());
        for record in [Record::Name("a"), Record::Enter("b"), Record::Leave] {
            writer.add(&record)?;
        }
        let bytes = writer.finish()?;
        assert_eq!(respell(&bytes)?, bytes);
        for bad in mutations(&bytes) {
            assert!(open(&bad).is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn only_a_cache_is_opened() -> Result<()> {
        assert!(open(&begin(Vec::new()).finish()?).is_ok());
        let other = ListWriter::new(Vec::new(), b"bindery checkout 1\n").finish()?;
        assert!(open(&other).is_err());
        Ok(())
    }

    #[test]
    fn each_directory_and_each_way_to_stage_it_has_a_cache() -> Result<()> {
        let path = |directory: &str, patterns: &[&str]| -> Result<PathBuf> {
            Ok(cache_path(
                Path::new(directory),
                &Excludes::parse(patterns)?,
            ))
        };
        let paths = [
            path("/a", &[])?,
            path("/b", &[])?,
            path("/a", &["x"])?,
            path("/a", &["x", "y"])?,
            path("/a", &["xy"])?,
        ];
        for (at, one) in paths.iter().enumerate() {
            assert!(!paths[at + 1..].contains(one));
        }
        Ok(())
    }
}
