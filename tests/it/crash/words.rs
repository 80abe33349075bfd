//! A store in words: everything that users can see of it, so that two states can be compared.
//!
//! # Invariants
//!
//! - Times, and the numbers of statements, are left out: a verb that is done again is done later, and a number that was
//!   signed and lost is skipped for good (I5).

use std::fmt::Write;

use bindery::base::Result;
use bindery::object::pack_reader::PackReader;
use bindery::store::rows::BuildState;

use crate::shelf::{Shelf, read_files};

/// What users see of the store.
pub fn words(shelf: &Shelf) -> Result<String> {
    let reader = shelf.store.reader()?;
    let mut text = String::new();
    let tokens = shelf.store.tokens();
    let revoked: Vec<_> = tokens.revoked()?.iter().map(|one| one.id).collect();
    let has_key = tokens.key()?.is_some();
    line(&mut text, &format!("tokens {has_key} {revoked:?}"));
    for repo in reader.repos()? {
        line(&mut text, &format!("repo {}", repo.name));
        let view = shelf.store.view(&repo.name, &[])?;
        for delta in shelf.store.prepared_deltas(&repo.name)? {
            // What lies ready is whole.
            let bytes = shelf
                .store
                .prepared_delta(&repo.name, delta.to, delta.from)?;
            let id = PackReader::open(bytes)?.check_layout()?;
            line(&mut text, &format!("delta {id}"));
        }
        for row in reader.refs(&repo)? {
            let pending: Vec<u64> = row.pending.iter().map(|import| import.build).collect();
            let words = format!("ref {} {pending:?} {:?}", row.name, row.held);
            line(&mut text, &words);
            for release in reader.releases(&repo, &row.name)? {
                let is_shown = row.current.is_some_and(|c| c.seq == release.seq);
                line(
                    &mut text,
                    &format!("release, shown: {is_shown}, retired: {}", release.retired),
                );
                if !release.retired {
                    let tree = view.snapshot_of_size(release.snapshot)?.tree;
                    line(&mut text, &format!("{:?}", read_files(&view, tree)?));
                }
            }
        }
    }
    for build in reader.builds()? {
        let words = format!("build {} {} {:?}", build.id, build.state, build.receipt);
        line(&mut text, &words);
        let operations = shelf.store.operations(build.id)?;
        line(&mut text, &format!("{operations:?}"));
        let checks = build.checks.iter();
        let checks = checks.map(|(name, check)| format!("{name} {}", check.outcome));
        let (asked, found) = (&build.required, checks.collect::<Vec<String>>());
        line(&mut text, &format!("checks {asked:?} {found:?}"));
        let is_over = matches!(build.state, BuildState::Published | BuildState::Purged);
        if build.committed.is_some() && !is_over {
            line(&mut text, &format!("{:?}", shelf.tested(build.id)?));
        }
    }
    Ok(text)
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").ok();
}
