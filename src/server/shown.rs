//! What lists show of repos and refs: those that the caller may see, and how many these are.
//!
//! # Invariants
//!
//! - What the caller may not see is neither named nor counted, and takes no room on a page.
//!
//! # Not here
//!
//! Whether the caller may see a thing (`server::access`), lists of builds (`server::api::builds`).

use super::access::Caller;
use super::app::App;
use super::scope::Scope;
use crate::base::Result;
use crate::remote::wire::refs::{RepoSaid, Repos};
use crate::store::rows::{RefRow, RepoRow};

/// The refs of a repo that the caller may read, by name.
///
/// # Errors
///
/// What the store answers; so for the others.
pub fn refs_shown(app: &App, caller: &Caller, repo: &RepoRow) -> Result<Vec<RefRow>> {
    let rows = app.store.reader()?.refs(repo)?;
    let all = Scope::in_repo(repo.name.clone(), None);
    if caller.may_read_published(app, &all)? {
        return Ok(rows);
    }
    let mut shown = Vec::new();
    for row in rows {
        let scope = Scope::in_repo(repo.name.clone(), Some(row.name.clone()));
        if caller.may_read_published(app, &scope)? {
            shown.push(row);
        }
    }
    Ok(shown)
}

/// The repos that the caller may see.
///
/// # Errors
///
/// As [`refs_shown`].
pub fn repos_shown(app: &App, caller: &Caller) -> Result<Repos> {
    let mut repos = Vec::new();
    for row in app.store.reader()?.repos()? {
        if caller.is_shown(app, &row.name)? {
            let refs = refs_shown(app, caller, &row)?.len();
            repos.push(RepoSaid::with_refs(row, refs as u64));
        }
    }
    Ok(Repos { repos })
}
