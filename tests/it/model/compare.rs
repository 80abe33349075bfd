//! Comparing a store with a model.
//!
//! # Not here
//!
//! What must hold in any store, whatever is in it (`Shelf::check`).

use std::sync::Arc;

use bindery::base::Error;
use bindery::object::tree::TreeRef;
use bindery::store::Store;
use bindery::store::rows::{BuildRow, Operation, RefRow, SnapshotRef};
use bindery::store::view::View;

use super::Outcome;
use super::history::Line;
use super::perform::repo;
use super::reference::{Build, Change, History, Model, State};
use crate::shelf::{Files, read_files, ref_name};

/// Which contents are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What refs show.
    Shown,
    /// Every release and every committed build.
    All,
}

/// Fails with the words of `complaint`, unless something `holds`.
fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(complaint().into())
    }
}

/// Lets the model know what numbers a store has given away.
pub fn learn(model: &mut Model, store: &Store) -> Outcome {
    let rows = store.reader()?.builds()?;
    let known: Vec<u64> = model.builds.iter().filter_map(|build| build.id).collect();
    let mut new = rows.iter().filter(|row| !known.contains(&row.id));
    for build in &mut model.builds {
        if build.id.is_none() {
            build.id = new.next().map(|row| row.id);
        }
        let row = rows.iter().find(|row| Some(row.id) == build.id);
        if build.state == State::Purged && build.receipt.is_none() {
            build.receipt = row.and_then(|row| row.receipt);
        }
        if build.changes.is_none() {
            build.changes = row.map(|row| changes_of(store, row)).transpose()?;
        }
    }
    for (line, releases) in &mut model.lines {
        let reader = store.reader()?;
        let rows = reader.releases(&reader.repo(&repo(line.repo())?)?, &ref_name(line.name())?)?;
        for (release, row) in releases.releases.iter_mut().zip(rows) {
            release.place.get_or_insert((row.seq, row.snapshot));
            release.is_retired &= row.retired || !release.may_be_back;
            release.may_be_back = false;
        }
    }
    Ok(())
}

/// What a new build took over from a committed one. How that is put is told in the unit tests of copying; here it is
/// believed.
fn changes_of(store: &Store, row: &BuildRow) -> Outcome<Vec<Change>> {
    let view = store.view(&row.repo, &[row.id])?;
    let staged = |tree| -> Outcome<_> { Ok(Arc::new(read_files(&view, TreeRef::from(tree))?)) };
    let change = |operation| {
        Ok(match operation {
            Operation::Merge { at, tree } => Change::Merge(at.to_string(), staged(tree)?),
            Operation::Replace { at, tree } => Change::Replace(at.to_string(), staged(tree)?),
            Operation::Remove { path } => Change::Remove(path.to_string()),
        })
    };
    store.operations(row.id)?.into_iter().map(change).collect()
}

/// Compares everything that can be seen of a store with a model.
pub fn compare(model: &Model, store: &Store, depth: Depth) -> Outcome {
    compare_builds(model, store)?;
    for line in Line::all() {
        let releases = model.find_line(line);
        let shown = compare_line(model, store, line, &releases)?;
        compare_contents(store, line, &releases, shown, depth)?;
    }
    if depth == Depth::All {
        for build in &model.builds {
            compare_tested(store, build)?;
        }
    }
    Ok(())
}

fn compare_builds(model: &Model, store: &Store) -> Outcome {
    let rows = store.reader()?.builds()?;
    let counts = (rows.len(), model.builds.len());
    ensure(counts.0 == counts.1, || {
        format!("there are {} builds, not {}", counts.0, counts.1)
    })?;
    for (row, build) in rows.iter().zip(&model.builds) {
        let expected = build.state.name();
        let is_withdrawn = matches!(
            build.state,
            State::Published {
                is_withdrawn: true,
                ..
            }
        );
        let checks = row.checks.iter();
        let checks = checks.map(|(name, check)| (name.as_str(), check.outcome));
        ensure(checks.eq(build.reports.clone()), || {
            format!("build {:?}: {:?} was reported", build.id, row.checks)
        })?;
        ensure(
            Some(row.id) == build.id
                && row.state == expected
                && row.receipt == build.receipt
                && row.staged.operations as usize >= build.changes().len()
                // A build that was purged stays withdrawn.
                && (row.withdrawn.is_some() == is_withdrawn || build.state == State::Purged),
            || format!("build {:?}: {row:?} is not {expected}", build.id),
        )?;
    }
    Ok(())
}

fn compare_line(
    model: &Model,
    store: &Store,
    line: Line,
    known: &History,
) -> Outcome<Option<RefRow>> {
    let reader = store.reader()?;
    let repo = reader.repo(&repo(line.repo())?)?;
    let name = ref_name(line.name())?;
    let row = reader.find_ref(&repo, &name)?;
    let pending = row.iter().flat_map(|row| &row.pending);
    let pending: Vec<Option<u64>> = pending.map(|import| Some(import.build)).collect();
    let expected = known.pending.iter();
    let expected: Vec<Option<u64>> = expected
        .map(|import| model.builds[import.build].id)
        .collect();
    ensure(pending == expected, || {
        format!("{line}: {pending:?} are pending, not {expected:?}")
    })?;
    let is_held = row.as_ref().is_some_and(|row| row.held.is_some());
    ensure(is_held == known.is_held, || format!("{line}: held"))?;
    let rows = reader.releases(&repo, &name)?.into_iter();
    let found: Vec<_> = rows
        .map(|row| (Some((row.seq, row.snapshot)), row.retired))
        .collect();
    let known = known.releases.iter();
    let known: Vec<_> = known.map(|known| (known.place, known.is_retired)).collect();
    ensure(found == known, || {
        format!("{line}: {found:?} are the releases, not {known:?}")
    })?;
    let is_rising = found.is_sorted_by_key(|(place, _)| place.map(|(seq, _)| seq));
    ensure(is_rising, || format!("{line}: numbers fall: {found:?}"))?;
    Ok(row)
}

fn snapshot_files(view: &View<'_>, snapshot: SnapshotRef) -> Result<Files, Error> {
    read_files(view, view.snapshot_of_size(snapshot)?.tree)
}

fn compare_contents(
    store: &Store,
    line: Line,
    known: &History,
    row: Option<RefRow>,
    depth: Depth,
) -> Outcome {
    let current = row.and_then(|row| row.current);
    let view = store.view(&repo(line.repo())?, &[])?;
    let shown = match current {
        Some(current) => snapshot_files(&view, current.snapshot)?,
        None => Files::new(),
    };
    ensure(shown == *known.shown(), || {
        format!("{line} shows {shown:?}, not {:?}", known.shown())
    })?;
    if depth == Depth::Shown {
        return Ok(());
    }
    for release in known.releases.iter().filter(|release| !release.is_retired) {
        let Some((seq, snapshot)) = release.place else {
            return Err(format!("{line}: a release was not learned").into());
        };
        let shown = snapshot_files(&view, snapshot)?;
        ensure(shown == *release.files, || {
            format!("{line}@{seq} shows {shown:?}, not {:?}", release.files)
        })?;
    }
    Ok(())
}

fn compare_tested(store: &Store, build: &Build) -> Outcome {
    let files = match &build.state {
        State::Pending { files, .. } => Some(files),
        state => state.waiting(),
    };
    let (Some(files), Some(id)) = (files, build.id) else {
        return Ok(());
    };
    let row = store.reader()?.build(id)?;
    let committed = row.committed.ok_or("it was committed")?;
    let view = store.view(&row.repo, &[id])?;
    let shown = snapshot_files(&view, committed.snapshot)?;
    ensure(shown == **files, || {
        format!("build {id} shows {shown:?}, not {files:?}")
    })
}
