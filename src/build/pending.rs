//! Pending: builds that were merged onto their refs and are not visible yet, because something was in the way or everything ended.
//!
//! # Not here
//!
//! Making them visible (`build::publish`), builds that are due (`build::schedule`).

use crate::base::Result;
use crate::base::name::{RefName, RepoName};
use crate::store::Store;

/// A ref on which builds are pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its repo.
    pub repo: RepoName,
    /// The ref.
    pub target: RefName,
    /// The last of the builds: whoever makes it visible makes the others so.
    pub build: u64,
}

/// The refs on which builds are pending, but for those that are held: what is pending there waits until they are let go.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
pub fn pending(store: &Store) -> Result<Vec<Pending>> {
    let reader = store.reader()?;
    let mut pending = Vec::new();
    for repo in reader.repos()? {
        for row in reader.refs(&repo)? {
            let last = row.pending.last().filter(|_| row.held.is_none());
            pending.extend(last.map(|last| Pending {
                repo: repo.name.clone(),
                target: row.name.clone(),
                build: last.build,
            }));
        }
    }
    Ok(pending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::commit::commit;
    use crate::build::hold::hold_ref;
    use crate::build::publish::{PublishOptions, merge, publish};
    use crate::build::sandbox::{AnyError, Sandbox, time};

    #[test]
    fn what_was_merged_is_pending_until_it_is_visible_or_while_its_ref_is_held()
    -> std::result::Result<(), AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        let mut builds = Vec::new();
        for path in ["a", "b"] {
            let build = sandbox.stage("main", "stable", &[(path, b"1")])?.id;
            commit(sandbox.store()?, build, "", time(5)?)?;
            builds.push(build);
        }
        assert_eq!(pending(sandbox.store()?)?, []);
        let options = PublishOptions::default();
        for build in &builds {
            merge(sandbox.store()?, *build, &options, time(6)?)?;
        }
        let store = sandbox.reopen()?;
        let found = pending(store)?;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].target.as_str(), found[0].build),
            ("stable", builds[1])
        );
        let (repo, target) = (sandbox.repo("main")?, "stable".parse()?);
        let store = sandbox.store()?;
        hold_ref(store, &repo, &target, Some("look".into()))?;
        assert_eq!(pending(store)?, []);
        hold_ref(store, &repo, &target, None)?;
        assert_eq!(pending(store)?, found);
        publish(store, builds[0], &options, time(7)?)?;
        assert_eq!(pending(store)?, []);
        Ok(())
    }
}
