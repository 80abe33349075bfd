//! The same builds cost the same in a small store and in a large one: flatness, without a clock.
//!
//! # Not here
//!
//! What they cost (`verbs`).

use std::collections::BTreeMap;

use bindery::base::Result;

use super::counting_disk::{Act, Place};
use super::story::{Mass, Scene, Works};
use super::work::Work;

/// 200 objects in two packs.
const SMALL: Mass = Mass {
    releases: 1,
    files: 196,
    builds: 0,
};
/// 10,000 objects in 20 packs, and 12 builds that wait, with two packs each.
const LARGE: Mass = Mass {
    releases: 10,
    files: 993,
    builds: 12,
};

/// Digits that the numbers of builds have more in the large store; the snapshot of a withdrawal names its build.
const BUILD_DIGITS_MAX: u64 = 1;
/// Trees of pages that one commit of the catalog changes at most: one for each of its 16 tables, the one that lists those,
/// and four by which redb keeps books of pages.
const TREES_MAX: u64 = 16 + 1 + 4;

/// Pages that a verb may write more in the large store than in the small one.
///
/// A commit writes, of each tree that it changes, the pages from the root down to what changed, and the trees of the large
/// store may be one level higher. Ids are spread over all of the table of objects, so each object that comes, goes or is
/// counted may lie in a leaf of its own there, below a page of its own; in the small store they share a few.
///
/// All of the large store's objects lie in more than 200 pages, so what goes through all of them is found out.
fn more_pages_max(work: &Work) -> u64 {
    let commits = work.calls(Place::Catalog, Act::SyncFile).div_ceil(2);
    commits * TREES_MAX + 2 * work.rows("objects").unsigned_abs()
}

/// The verbs of which reads are compared: those of a store that is open to read only. When one is opened to write, the
/// checks that redb makes in debug builds read every page.
const READING: [&str; 3] = ["open to read", "list refs", "plan a purge"];

/// Tells the story beside the mass, which has so many objects and packs.
fn tell(mass: Mass, objects: u64, packs: u64) -> Result<Works> {
    let scene = Scene::beside(mass)?;
    let rows = scene.open()?.store.reader()?.row_counts()?;
    assert_eq!((rows["objects"], rows["packs"]), (objects, packs));
    scene.tell()
}

/// The rows that a verb adds or takes away; but for lists of what is to be counted, one for each publish since something was
/// last taken from a count: whoever takes next adds them all.
fn rows(work: &Work) -> BTreeMap<String, i64> {
    let mut rows = work.rows.clone();
    if rows.get("additions").is_some_and(|lists| *lists < 0) {
        rows.remove("additions");
    }
    rows
}

#[test]
fn every_verb_costs_the_same_beside_few_objects_and_beside_many() -> Result<()> {
    let (small, large) = (tell(SMALL, 200, 2)?, tell(LARGE, 10_000, 44)?);
    assert_eq!(small.len(), large.len());
    for (verb, small) in &small {
        let large = &large[verb];
        assert_eq!(small.calls, large.calls, "{verb}: calls of the disk");
        assert_eq!(rows(small), rows(large), "{verb}: rows of the catalog");
        let packs = [small, large].map(|work| work.bytes(Place::Packs));
        assert!(
            packs[0].abs_diff(packs[1]) <= BUILD_DIGITS_MAX,
            "{verb}: {packs:?} bytes of packs"
        );
        let pages = [small, large].map(|work| work.pages_written);
        assert!(
            pages[1] <= pages[0] + more_pages_max(small),
            "{verb}: {pages:?} pages of the catalog written"
        );
    }
    Ok(())
}

#[test]
fn reading_costs_the_same_beside_few_objects_and_beside_many() -> Result<()> {
    let (small, large) = (tell(SMALL, 200, 2)?, tell(LARGE, 10_000, 44)?);
    for verb in READING {
        let pages = [&small[verb], &large[verb]].map(|work| work.page_reads);
        assert!(
            pages[0] > 0 && pages[1] <= pages[0] + TREES_MAX,
            "{verb}: {pages:?} pages of the catalog read"
        );
    }
    Ok(())
}
