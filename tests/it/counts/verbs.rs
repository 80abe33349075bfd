//! What each verb asks of the disk, and which rows it adds and takes away.
//!
//! # Invariants
//!
//! - The tables are complete: what is not in them is not done.
//!
//! # Not here
//!
//! The builds that the verbs are given (`story`), other stores and larger builds (`flat`, `rows`).

use bindery::base::Result;

use super::counting_disk::Act::{
    Create, List, MakeFolder, Map, Open, Read, Remove, Rename, SyncFile, SyncFolder, Write,
};
use super::counting_disk::Place::{Cache, Catalog, Keys, Notes, Packs, Root, Unfinished};
use super::story::{Mass, Scene, Works};
use super::work::{CallTable, RowTable};

/// A durable commit of the catalog.
const COMMIT: CallTable<'_> = &[(Catalog, SyncFile, 2, "the pages, then what names them")];

/// A new pack, but for its frames.
const PACK: CallTable<'_> = &[
    (Unfinished, Open, 1, "is there word of packs that land?"),
    (Unfinished, Create, 2, "the word, and the pack"),
    (Unfinished, SyncFolder, 1, "the word is durable"),
    (Unfinished, Write, 2, "header; the first part of the index"),
    (Unfinished, Write, 2, "the index; the list of frames"),
    (Unfinished, Write, 2, "trailer; hash"),
    (Unfinished, SyncFile, 1, "the pack is durable"),
    (Packs, MakeFolder, 1, "the folder of its name"),
    (Packs, Rename, 1, "its name"),
    (Packs, SyncFolder, 1, "its name is durable"),
    (Unfinished, Remove, 1, "the word: the pack has a row"),
];

/// A frame of a new pack.
const FRAME: CallTable<'_> = &[(Unfinished, Write, 1, "the frame")];

/// A new pack, read before it has its name.
const LOOK: CallTable<'_> = &[(Unfinished, Map, 1, "what it brings is followed")];

/// A new stat cache. Nothing waits for it, so it is not synced.
const STAT_CACHE: CallTable<'_> = &[
    (Cache, Map, 1, "the cache of the last staging"),
    (Cache, List, 1, "is there room for one more?"),
    (Unfinished, Create, 1, "the new one"),
    (Unfinished, Write, 1, "all of it"),
    (Cache, Rename, 1, "in place of the last"),
];

/// A signed release: three notes, each whole and durable before the next.
const NOTES: CallTable<'_> = &[
    (Keys, Open, 1, "the repo's key"),
    (Keys, Read, 1, "the repo's key"),
    (Notes, Open, 2, "the keyset, and that there is no newer one"),
    (Notes, Read, 1, "the keyset"),
    (Notes, MakeFolder, 3, "statement, list of refs, heads"),
    (Notes, Create, 3, "statement, list of refs, heads"),
    (Notes, Write, 3, "statement, list of refs, heads"),
    (Notes, SyncFile, 3, "statement, list of refs, heads"),
    (Notes, Rename, 3, "statement, list of refs, heads"),
    (Notes, SyncFolder, 3, "statement, list of refs, heads"),
];

fn story() -> Result<Works> {
    let mass = Mass {
        releases: 1,
        files: 20,
        builds: 1,
    };
    Scene::beside(mass)?.tell()
}

fn check(works: &Works, verb: &str, tables: &[CallTable<'_>], rows: RowTable<'_>) {
    works[verb].check(verb, tables, rows);
}

#[test]
fn building_costs_one_commit_and_at_most_one_pack_a_verb() -> Result<()> {
    let works = story()?;
    let rows: RowTable<'_> = &[
        ("builds", 1, "the build"),
        ("events", 1, "created"),
        ("pins", 1, "its list of pins"),
    ];
    check(&works, "create", &[COMMIT], rows);
    let rows: RowTable<'_> = &[
        ("operations", 1, "the directory that is merged"),
        ("packs", 1, "files and trees"),
        ("build packs", 1, "it is the build's"),
        ("events", 1, "staged"),
    ];
    let calls = [COMMIT, PACK, FRAME, FRAME, STAT_CACHE];
    check(&works, "stage", &calls, rows);
    let opened: CallTable<'_> = &[(Packs, Map, 1, "the one that is there")];
    let calls = [COMMIT, opened, PACK, FRAME, FRAME, STAT_CACHE];
    check(&works, "stage three changed", &calls, rows);
    let rows: RowTable<'_> = &[
        ("operations", 1, "the directory that is merged"),
        ("events", 1, "staged"),
    ];
    let calls = [COMMIT, opened, STAT_CACHE];
    check(&works, "stage the same", &calls, rows);
    let rows: RowTable<'_> = &[
        ("packs", 1, "the merged tree and the snapshot"),
        ("build packs", 1, "it is the build's"),
        ("events", 1, "committed"),
    ];
    let opened: CallTable<'_> = &[(Packs, Map, 2, "those of two stagings")];
    let calls = [COMMIT, opened, PACK, FRAME, LOOK];
    check(&works, "commit", &calls, rows);
    let rows: RowTable<'_> = &[("events", 1, "what was found")];
    check(&works, "check", &[COMMIT], rows);
    check(&works, "check the same", &[], &[]);
    Ok(())
}

#[test]
fn publishing_costs_three_commits_and_three_notes() -> Result<()> {
    let works = story()?;
    let rows: RowTable<'_> = &[("refs", 1, "the ref"), ("events", 1, "merged")];
    let opened: CallTable<'_> = &[(Packs, Map, 3, "those of two stagings and a commit")];
    check(&works, "import", &[COMMIT, opened], rows);
    let back: RowTable<'_> = &[("refs", -1, "the ref"), ("events", 1, "withdrawn")];
    check(&works, "withdraw what is pending", &[COMMIT], back);
    let rows: RowTable<'_> = &[
        ("objects", 24, "20 files, 2 folders, the root, the snapshot"),
        ("releases", 1, "the release"),
        ("build packs", -3, "they are the repo's now"),
        ("operations", -3, "what was staged"),
        ("pins", -1, "its list of pins"),
        ("events", 1, "published"),
    ];
    // One commit makes the texts durable before they are signed, one switches.
    check(&works, "update", &[COMMIT, opened, COMMIT, NOTES], rows);
    let rows: RowTable<'_> = &[
        ("objects", 4, "a file, its folder, the root, the snapshot"),
        (
            "additions",
            1,
            "one list: what it shares is counted once more",
        ),
        ("releases", 1, "the release"),
        ("build packs", -2, "they are the repo's now"),
        ("operations", -1, "what was staged"),
        ("pins", -1, "its list of pins"),
        ("events", 2, "merged, published"),
    ];
    let opened: CallTable<'_> = &[(Packs, Map, 2, "those of a staging and a commit")];
    let calls = [COMMIT, COMMIT, COMMIT, opened, NOTES];
    check(&works, "publish", &calls, rows);
    Ok(())
}

#[test]
fn going_back_costs_two_commits_and_three_notes() -> Result<()> {
    let works = story()?;
    let rows: RowTable<'_> = &[
        ("objects", 1, "the snapshot"),
        ("additions", 1, "one list: its tree is counted once more"),
        ("packs", 1, "the snapshot's"),
        ("releases", 1, "the release"),
        ("events", 1, "withdrawn"),
    ];
    let opened: CallTable<'_> = &[(Packs, Map, 3, "those with both snapshots and roots")];
    let calls = [COMMIT, COMMIT, opened, PACK, FRAME, LOOK, NOTES];
    check(&works, "withdraw", &calls, rows);
    let opened: CallTable<'_> = &[(Packs, Map, 1, "the one with the old snapshot")];
    let rows: RowTable<'_> = &[
        (
            "additions",
            1,
            "one list: the snapshot is counted once more",
        ),
        ("releases", 1, "the release"),
    ];
    check(&works, "roll back", &[COMMIT, COMMIT, opened, NOTES], rows);
    Ok(())
}

#[test]
fn ending_costs_one_commit_and_the_packs_that_go() -> Result<()> {
    let works = story()?;
    let two_packs: CallTable<'_> = &[
        (Packs, Remove, 2, "what was staged, what was committed"),
        (Packs, SyncFolder, 2, "the folders of their names"),
    ];
    let rows: RowTable<'_> = &[
        (
            "objects",
            -4,
            "a file, its folder, the root and the snapshot",
        ),
        (
            "additions",
            -3,
            "those of a publish, a withdrawal and a rollback",
        ),
        ("counters", 1, "objects have died for the first time"),
        ("packs", -2, "what was staged, what was committed"),
    ];
    let opened: CallTable<'_> = &[(Packs, Map, 2, "the same: what dies is read")];
    let looked: CallTable<'_> = &[(Root, List, 1, "whether deltas of it lie ready")];
    check(&works, "retire", &[COMMIT, opened, two_packs, looked], rows);
    let one_pack: CallTable<'_> = &[
        (Packs, Remove, 1, "what was staged"),
        (Packs, SyncFolder, 1, "the folder of its name"),
    ];
    let rows: RowTable<'_> = &[
        ("packs", -1, "what was staged"),
        ("build packs", -1, "what was staged"),
        ("operations", -1, "what was staged"),
        ("pins", -1, "its list of pins"),
        ("events", 1, "purged"),
    ];
    check(&works, "purge an open build", &[COMMIT, one_pack], rows);
    let rows: RowTable<'_> = &[
        ("packs", -2, "what was staged, what was committed"),
        ("build packs", -2, "what was staged, what was committed"),
        ("operations", -1, "what was staged"),
        ("pins", -1, "its list of pins"),
        ("events", 1, "purged"),
    ];
    let calls = [COMMIT, two_packs];
    check(&works, "purge a committed build", &calls, rows);
    let rows: RowTable<'_> = &[("events", 1, "purged")];
    check(&works, "purge a published build", &[COMMIT], rows);
    check(&works, "purge a withdrawn build", &[COMMIT], rows);
    check(&works, "purge again", &[], &[]);
    Ok(())
}

#[test]
fn opening_looks_at_no_pack_and_no_note() -> Result<()> {
    let works = story()?;
    let opened: CallTable<'_> = &[
        (Root, Open, 1, "the settings"),
        (Root, Read, 1, "the settings"),
        (Catalog, Open, 1, "the catalog"),
    ];
    check(&works, "open to read", &[opened], &[]);
    check(&works, "list refs", &[], &[]);
    check(&works, "plan a purge", &[], &[]);
    let recovered: CallTable<'_> = &[
        (Catalog, SyncFile, 1, "says that the file is in use"),
        (Packs, MakeFolder, 1, "if it is not there"),
        (Notes, MakeFolder, 1, "if it is not there"),
        (Unfinished, MakeFolder, 1, "if it is not there"),
        (Cache, MakeFolder, 1, "if it is not there"),
        (Unfinished, List, 1, "what a crash left"),
    ];
    check(&works, "open to write", &[opened, recovered], &[]);
    let closed: CallTable<'_> = &[(Catalog, SyncFile, 2, "says that it is in use no more")];
    check(&works, "close", &[COMMIT, closed], &[]);
    Ok(())
}
