//! Remembering: writes the stat cache for the next staging of the same directory.
//!
//! # Invariants
//!
//! - Only files that had not changed for a while when they were looked at are remembered (git's rule for racily clean
//!   entries): any later change gives them another time.
//!
//! # Not here
//!
//! Where a cache lies (`build::stage::recall`), its bytes (`build::stage::cache`, `build::file_list`).

use std::io::Write;
use std::path::Path;

use super::cache::{self, CACHE_FILES_MAX, cache_path};
use super::listing::Source;
use super::recall::Recalled;
use crate::base::Result;
use crate::base::id::Hash;
use crate::build::file_list::{Facts, ListWriter, Record};
use crate::disk::exclude::Excludes;
use crate::disk::files::{Disk, Sequential};
use crate::disk::walk::{SourceContent, SourceDir};
use crate::disk::whole::write_whole_unsynced;
use crate::store::Store;
use crate::store::layout;

/// Caches of a store: one for each directory that is staged again and again.
const CACHES_MAX: usize = 64;
/// How long a file must not have changed when it is looked at, if its file system counts nanoseconds: more than a tick
/// of the kernel's clock.
const SETTLING_NS: i64 = 100_000_000;
/// The same if its file system counts seconds, or pairs of them as FAT does.
const COARSE_SETTLING_NS: i64 = 2_000_000_000;
/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// Writes the cache of `source`, whose walk began at `walk_started_ns` by the clock of files, if what is there is not the
/// same already. A cache that cannot be written costs time and nothing else, so that is no error.
pub(super) fn remember(
    store: &Store,
    source: &Source,
    excludes: &Excludes,
    recalled: &Recalled,
    walk_started_ns: i64,
) {
    let Some(directory) = source.directory().filter(|_| !recalled.is_current()) else {
        return;
    };
    let path = cache_path(directory, excludes);
    if source.file_count() <= CACHE_FILES_MAX && make_room(store, &path).is_ok() {
        put(store.disk(), &path, |file| {
            encode(file, source.contents(), recalled.ids(), walk_started_ns)
        })
        .ok();
    }
}

/// Writes a cache. Until it is whole it lies under `tmp/`, so that the next open removes what a crash leaves of it.
fn put<T>(disk: &dyn Disk, path: &Path, write: impl FnOnce(Sequential) -> Result<T>) -> Result<()> {
    let next = Path::new(layout::TMP).join(path.file_name().unwrap_or_default());
    write_whole_unsynced(disk, &next, path, write)
}

/// Removes caches, whichever, until there is room for one more.
fn make_room(store: &Store, path: &Path) -> Result<()> {
    let folder = Path::new(layout::CACHE);
    let mut others = store.disk().list(folder)?;
    others.retain(|other| {
        other.name.starts_with(layout::STAT_CACHE_PREFIX) && folder.join(&other.name) != path
    });
    for other in others.iter().skip(CACHES_MAX - 1) {
        store.disk().remove(&folder.join(&other.name))?;
    }
    Ok(())
}

/// Writes the cache of a directory whose files have these ids.
pub(super) fn encode<W: Write>(
    out: W,
    contents: &SourceDir,
    ids: &[Option<Hash>],
    walk_started_ns: i64,
) -> Result<W> {
    let mut remembering = Remembering {
        writer: cache::begin(out),
        ids: ids.iter(),
        walk_started_ns,
    };
    remembering.directory(contents)?;
    remembering.writer.finish()
}

struct Remembering<'a, W> {
    writer: ListWriter<W>,
    ids: std::slice::Iter<'a, Option<Hash>>,
    walk_started_ns: i64,
}

impl<W: Write> Remembering<'_, W> {
    fn directory(&mut self, dir: &SourceDir) -> Result<()> {
        for file in &dir.files {
            let (SourceContent::File(stat), Some(Some(id))) = (&file.content, self.ids.next())
            else {
                continue;
            };
            let facts = Facts::from(stat);
            if has_settled(&facts, self.walk_started_ns) {
                let (name, id) = (file.name.as_str(), *id);
                self.writer.add(&Record::File { name, facts, id })?;
            }
        }
        for (name, below) in &dir.dirs {
            self.writer.add(&Record::Enter(name.as_str()))?;
            self.directory(below)?;
            self.writer.add(&Record::Leave)?;
        }
        Ok(())
    }
}

/// Whether a file that was looked at after `walk_started_ns` had not changed for so long that any later change gives it
/// another time.
fn has_settled(facts: &Facts, walk_started_ns: i64) -> bool {
    let is_coarse = facts.ctime_ns % SECOND_NS == 0;
    let settling_ns = if is_coarse {
        COARSE_SETTLING_NS
    } else {
        SETTLING_NS
    };
    facts.mtime_ns.max(facts.ctime_ns) < walk_started_ns.saturating_sub(settling_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_just_changed_is_not_remembered() {
        let now = 1_000 * SECOND_NS + 7;
        for (mtime_ns, ctime_ns, expected, reason) in [
            (5, now - SETTLING_NS - 1, true, "settled"),
            (
                5,
                now - SETTLING_NS,
                false,
                "the same tick may change it again",
            ),
            (5, now + 1, false, "a clock that went back"),
            (now, 5, false, "a time that somebody set"),
            (
                5,
                999 * SECOND_NS,
                false,
                "a file system that counts seconds",
            ),
            (5, 997 * SECOND_NS, true, "the same, settled"),
        ] {
            let facts = Facts {
                size: 0,
                mtime_ns,
                ctime_ns,
                inode: 0,
                device: 0,
            };
            assert_eq!(has_settled(&facts, now), expected, "{reason}");
        }
    }

    #[test]
    fn an_unfinished_cache_lies_where_the_next_open_removes_it()
    -> Result<(), Box<dyn std::error::Error>> {
        // It lay beside the others once, and stayed there if its staging was killed.
        let scene = crate::build::testing::Scene::new()?;
        let disk = scene.store.disk();
        let files = |folder: &str| Ok::<_, crate::base::Error>(disk.list(Path::new(folder))?.len());
        let path = layout::stat_cache(Hash::of(b"a directory"));
        put(disk, &path, |_| {
            assert_eq!((files(layout::CACHE)?, files(layout::TMP)?), (0, 1));
            Ok(())
        })?;
        assert_eq!((files(layout::CACHE)?, files(layout::TMP)?), (1, 0));
        Ok(())
    }

    #[test]
    fn there_is_room_for_a_number_of_caches() -> Result<(), Box<dyn std::error::Error>> {
        let scene = crate::build::testing::Scene::new()?;
        let disk = scene.store.disk();
        let place = |number: usize| layout::stat_cache(Hash::of(&number.to_le_bytes()));
        for number in 0..CACHES_MAX + 10 {
            make_room(&scene.store, &place(number))?;
            put(disk, &place(number), |mut file| {
                file.write_all(b"x")
                    .map_err(crate::base::Error::io("write", Path::new("x")))
            })?;
        }
        make_room(&scene.store, &place(CACHES_MAX + 9))?;
        assert_eq!(disk.list(Path::new(layout::CACHE))?.len(), CACHES_MAX);
        Ok(())
    }
}
