//! Prepare: deltas to what refs show, from what they showed before, so that they lie ready when somebody asks.
//!
//! What is wanted follows from the releases and the settings, and what is there from the folder of deltas. The difference is
//! the list of jobs: nothing else is recorded, so nothing of it can be lost or done twice. Packs of everything are not prepared:
//! they are made of the store's frames while they are sent.
//!
//! # Not here
//!
//! Where they lie (`store::deltas`), which are begun (`delta::attempts`), when that is (the command line and the server).

use std::collections::HashSet;

use super::make::{DeltaSummary, MakeOptions, make};
use crate::base::Result;
use crate::base::id::SnapshotId;
use crate::base::name::{RefName, RepoName};
use crate::base::progress::Progress;
use crate::store::Store;
use crate::store::rows::{RefRow, RepoRow, SnapshotRef};
use crate::store::settings::DELTAS_DEFAULT;

/// A delta that should lie ready and does not.
#[derive(Clone, Debug)]
pub struct Owed {
    /// The repo.
    pub repo: RepoRow,
    /// The ref that shows the snapshot that it leads to.
    pub target: RefName,
    /// The snapshot that it starts from.
    pub from: SnapshotRef,
    /// The snapshot that it leads to.
    pub to: SnapshotRef,
}

/// The deltas that should lie ready and do not: by repo and ref, and from the newest releases first.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog) or [`Error::Io`](crate::base::Error::Io) if the store cannot be read.
pub fn owed(store: &Store) -> Result<Vec<Owed>> {
    let reader = store.reader()?;
    let mut owed = Vec::new();
    for repo in reader.repos()? {
        let mut ready = Ready::of(store, &repo)?;
        for row in reader.refs(&repo)? {
            owed.extend(ready.owed(store, &repo, &row)?);
        }
    }
    Ok(owed)
}

/// The same, of one ref; nothing if there is none of that name.
///
/// # Errors
///
/// As [`owed`].
pub fn owed_for(store: &Store, repo: &RepoName, target: &RefName) -> Result<Vec<Owed>> {
    let reader = store.reader()?;
    let repo = reader.repo(repo)?;
    match reader.find_ref(&repo, target)? {
        Some(row) => Ready::of(store, &repo)?.owed(store, &repo, &row),
        None => Ok(Vec::new()),
    }
}

/// The deltas of a repo that lie ready, or were found to be owed: each to and from.
struct Ready(HashSet<(SnapshotId, SnapshotId)>);

impl Ready {
    fn of(store: &Store, repo: &RepoRow) -> Result<Self> {
        let ready = store.prepared_deltas(&repo.name)?;
        let pairs = ready.iter().map(|delta| (delta.to, delta.from));
        Ok(Self(pairs.collect()))
    }

    fn owed(&mut self, store: &Store, repo: &RepoRow, row: &RefRow) -> Result<Vec<Owed>> {
        let mut wanted = wanted(store, repo, row)?;
        wanted.retain(|(from, to)| self.0.insert((to.id, from.id)));
        let owed = wanted.into_iter().map(|(from, to)| Owed {
            repo: repo.clone(),
            target: row.name.clone(),
            from,
            to,
        });
        Ok(owed.collect())
    }
}

/// The deltas that should lie ready for one ref: each from and to.
fn wanted(store: &Store, repo: &RepoRow, row: &RefRow) -> Result<Vec<(SnapshotRef, SnapshotRef)>> {
    let most = store
        .settings()
        .policy(&row.name)
        .deltas
        .unwrap_or(DELTAS_DEFAULT);
    let Some(current) = row.current.filter(|_| most > 0) else {
        return Ok(Vec::new());
    };
    let to = current.snapshot;
    let releases = store.reader()?.releases(repo, &row.name)?;
    let mut wanted: Vec<(SnapshotRef, SnapshotRef)> = Vec::new();
    let shown = releases.iter().rev().filter(|release| !release.retired);
    for from in shown.map(|release| release.snapshot) {
        if wanted.len() as u64 == most {
            break;
        }
        if from != to && wanted.iter().all(|(known, _)| *known != from) {
            wanted.push((from, to));
        }
    }
    Ok(wanted)
}

/// Makes a delta and lets it lie ready. Those to releases that are not shown any more go: nobody is led to them.
///
/// # Errors
///
/// Those of [`make`]; nothing lies ready then. [`Error::Io`](crate::base::Error::Io) if one that should go cannot be removed.
pub fn prepare(
    store: &Store,
    owed: &Owed,
    options: &MakeOptions,
    progress: &dyn Progress,
) -> Result<DeltaSummary> {
    let view = store.view(&owed.repo.name, &[])?;
    let (from, to) = (owed.from, owed.to);
    let made = store.prepare_delta(&owed.repo.name, to.id, from.id, |out| {
        make(&view, Some(from), to, options, out, progress)
    })?;
    store.drop_outdated_deltas(&owed.repo)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::progress::Silent;
    use crate::build::sandbox::{AnyError, Sandbox};
    use crate::store::retire::Mode;

    type Outcome = Result<(), AnyError>;

    /// A store with so many releases of `stable`.
    fn with_releases(count: u8) -> Result<Sandbox, AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        for number in 0..count {
            sandbox.publish("main", "stable", &[("a", &[number])])?;
        }
        Ok(sandbox)
    }

    fn prepare_all(sandbox: &Sandbox) -> Result<usize, AnyError> {
        let (store, mut count) = (sandbox.store()?, 0);
        for owed in owed(store)? {
            prepare(store, &owed, &MakeOptions::default(), &Silent)?;
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn deltas_from_the_last_releases_are_owed_until_they_lie_ready() -> Outcome {
        let mut sandbox = with_releases(8)?;
        assert_eq!(prepare_all(&sandbox)?, 5);
        assert_eq!(prepare_all(&sandbox)?, 0);
        sandbox.publish("main", "stable", &[("a", b"another")])?;
        assert_eq!(prepare_all(&sandbox)?, 5);
        assert!(sandbox.fsck()?.repaired.is_empty());
        Ok(())
    }

    #[test]
    fn deltas_to_what_no_ref_shows_any_more_go() -> Outcome {
        let mut sandbox = with_releases(3)?;
        sandbox.publish("main", "testing", &[("b", b"1")])?;
        sandbox.publish("main", "testing", &[("b", b"2")])?;
        assert_eq!(prepare_all(&sandbox)?, 3);
        let ready = |sandbox: &Sandbox| -> Result<HashSet<_>, AnyError> {
            let deltas = sandbox.store()?.prepared_deltas(&"main".parse()?)?;
            Ok(deltas
                .into_iter()
                .map(|delta| (delta.to, delta.from))
                .collect())
        };
        let before = ready(&sandbox)?;
        for number in 10..14 {
            sandbox.publish("main", "stable", &[("a", &[number])])?;
            let made = prepare_all(&sandbox)?;
            let after = ready(&sandbox)?;
            // Those of this release, and the one of the other ref.
            assert_eq!(after.len(), made + 1);
            assert_eq!(before.intersection(&after).count(), 1);
        }
        Ok(())
    }

    #[test]
    fn the_setting_of_a_ref_says_how_many() -> Outcome {
        for (count, expected) in [(0, 0), (2, 2), (100, 3)] {
            let mut sandbox = with_releases(4)?;
            sandbox.close();
            let settings = sandbox.root().join("bindery.toml");
            let text = fs::read_to_string(&settings)?;
            fs::write(
                &settings,
                format!("{text}\n[[ref]]\npattern = \"**\"\ndeltas = {count}\n"),
            )?;
            sandbox.reopen()?;
            assert_eq!(prepare_all(&sandbox)?, expected, "{count}");
        }
        Ok(())
    }

    #[test]
    fn retiring_a_release_removes_its_deltas_and_no_others() -> Outcome {
        let sandbox = with_releases(4)?;
        prepare_all(&sandbox)?;
        let (store, repo) = (sandbox.store()?, sandbox.repo("main")?);
        store.retire_releases(&repo, &[("stable".parse()?, 1, 2)], Mode::Apply)?;
        let left = store.prepared_deltas(&repo.name)?;
        assert_eq!(left.len(), 2);
        assert!(
            owed(store)?.is_empty(),
            "no delta starts from what is retired"
        );
        Ok(())
    }

    #[test]
    fn a_damaged_delta_is_removed_by_a_check_and_made_again() -> Outcome {
        let sandbox = with_releases(2)?;
        prepare_all(&sandbox)?;
        let (store, repo) = (sandbox.store()?, sandbox.repo("main")?);
        let [delta] = store.prepared_deltas(&repo.name)?[..] else {
            return Err("one delta".into());
        };
        let name = format!("deltas/main/{}-{}.pack", delta.to, delta.from);
        crate::build::sandbox::flip(&sandbox.root().join(name), 40)?;
        let report = sandbox.fsck()?;
        assert_eq!((report.problems.len(), report.repaired.len()), (0, 1));
        assert_eq!(prepare_all(&sandbox)?, 1);
        assert!(sandbox.fsck()?.repaired.is_empty());
        Ok(())
    }

    #[test]
    fn a_delta_that_cannot_be_made_leaves_nothing_behind() -> Outcome {
        let sandbox = with_releases(2)?;
        let store = sandbox.store()?;
        let owed = owed(store)?.pop().ok_or("one is owed")?;
        let (name, to, from) = (&owed.repo.name, owed.to.id, owed.from.id);
        let failed: Result<()> = store.prepare_delta(name, to, from, |out| {
            out.write_all(b"half of it")
                .map_err(crate::base::Error::io("write", "x".as_ref()))?;
            Err(crate::base::Error::internal("no more"))
        });
        assert!(failed.is_err());
        assert!(store.prepared_deltas(name)?.is_empty());
        assert_eq!(fs::read_dir(sandbox.root().join("tmp"))?.count(), 0);
        Ok(())
    }
}
