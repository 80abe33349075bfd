//! What a catalog that is put aside knew and a new one does not: builds, holds, and imports that were not visible.
//!
//! # Invariants
//!
//! - The old catalog is only read, as a copy. If it cannot be, that is told instead.
//!
//! # Not here
//!
//! What packs and notes tell (`store::history`, `store::salvage`).

use std::collections::BTreeMap;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable};

use super::catalog::{contained, failed, open_table, parse_row};
use super::catalog_copy::open_copy;
use super::rows::{BuildRow, BuildState, RefRow, RepoRow};
use super::tables::{BUILDS, REFS, REPOS};
use crate::base::Result;
use crate::base::limits::LISTED_PATHS_MAX;
use crate::disk::files::Disk;

/// What is told if no old catalog says more.
const NOTHING_KNOWN: &str = "builds that were not published, holds of refs, and imports that were not visible: which \
     there were, only the old catalog could say";

/// Says in words what the old catalog in the file `path` knew and packs and notes do not.
pub(super) fn forgotten(disk: &dyn Disk, path: Option<&Path>) -> Vec<String> {
    let Some(path) = path else {
        return vec![NOTHING_KNOWN.to_owned()];
    };
    match open_copy(disk, path).and_then(|database| contained("read", || told(&database))) {
        Ok(told) => told,
        Err(error) => vec![format!("{NOTHING_KNOWN}, which cannot be read: {error}")],
    }
}

fn told(database: &redb::Database) -> Result<Vec<String>> {
    let read = database.begin_read().map_err(failed("read"))?;
    let mut told = Vec::new();
    let builds = open_table(&read, BUILDS)?;
    for row in builds.iter().map_err(failed("read"))? {
        let build: BuildRow = parse_row(row.map_err(failed("read"))?.1.value())?;
        if matches!(build.state, BuildState::Purged | BuildState::Published) {
            continue;
        }
        let target = build.target.as_ref();
        let target = target.map_or_else(String::new, |target| format!(" for {target}"));
        let (id, state, repo, files) = (build.id, build.state, &build.repo, build.staged.files);
        told.push(format!(
            "build {id} of {repo}{target}, {state}, into which {files} files were staged"
        ));
    }
    let repos = open_table(&read, REPOS)?;
    let mut names = BTreeMap::new();
    for row in repos.iter().map_err(failed("read"))? {
        let repo: RepoRow = parse_row(row.map_err(failed("read"))?.1.value())?;
        names.insert(repo.number, repo.name);
    }
    let refs = open_table(&read, REFS)?;
    for row in refs.iter().map_err(failed("read"))? {
        let (key, row) = row.map_err(failed("read"))?;
        let row: RefRow = parse_row(row.value())?;
        let repo = names.get(&key.value().0);
        let repo = repo.map_or_else(String::new, |repo| format!("{repo}:"));
        if let Some(reason) = &row.held {
            told.push(format!("the hold of {repo}{}: {reason}", row.name));
        }
        if !row.pending.is_empty() {
            let builds: Vec<String> = row.pending.iter().map(|i| i.build.to_string()).collect();
            let builds = builds.join(", ");
            told.push(format!(
                "what {repo}{} was about to show: builds {builds}",
                row.name
            ));
        }
    }
    let more = told.len().saturating_sub(LISTED_PATHS_MAX);
    told.truncate(LISTED_PATHS_MAX);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Ok(told)
}
