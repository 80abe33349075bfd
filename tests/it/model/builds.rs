//! What is done to builds before they are published, in the store and in the model.
//!
//! # Not here
//!
//! Publishing (`releases`), comparing the two after a verb (`world`).

use std::fs;

use bindery::base::path::TreePath;
use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::create::{CreateOptions, create};
use bindery::build::stage::{StageMode, StageOptions, remove, stage};
use bindery::disk::exclude::Excludes;
use bindery::store::rows::Operation;

use super::reference::{Build, Change, State, Winner};
use super::world::World;
use crate::shelf::{Files, moment, read_files};

/// Directories that are replaced whole; nothing but files is in them.
const CLAIMED: [&str; 2] = ["c0", "c1"];
/// Directories that files are added to.
const SHARED: [&str; 4] = ["", "d0", "d1", "d0/s0"];
/// Files of a wide directory: more than fit in one node.
const WIDE_FILES: u64 = 600;

/// Makes a build, now and then from another one.
pub fn create_build(world: &mut World) -> Result<()> {
    let (name, target) = world.pick_ref()?;
    let has_target = world.below(8) > 0;
    let from = match world.below(6) {
        0 => world.pick_build(|state| matches!(state, State::Open | State::Ready(_))),
        _ => None,
    };
    world.doing(&format!("create a build for {name} from {from:?}"));
    let options = CreateOptions {
        repo: world.shelf()?.repo.clone(),
        target: has_target.then_some(target),
        labels: std::collections::BTreeMap::new(),
        from,
    };
    let id = create(world.store()?, options, moment(1)?)?.id;
    let base = if has_target {
        world.line(&name).shown()
    } else {
        Files::new()
    };
    let changes = match from.map(|from| world.model.builds[&from].clone()) {
        Some(from) if matches!(from.state, State::Open) => from.changes,
        _ => copied_changes(world, id)?,
    };
    let build = Build {
        target: has_target.then_some(name),
        base,
        changes,
        state: State::Open,
        may_miss: from.is_some_and(|from| world.model.builds[&from].may_miss),
    };
    world.model.builds.insert(id, build);
    Ok(())
}

/// What a new build took over from a committed one. How that is put is told in the unit tests of copying; here it is believed.
fn copied_changes(world: &World, build: u64) -> Result<Vec<Change>> {
    let shelf = world.shelf()?;
    let view = shelf.store.view(&shelf.repo, &[build])?;
    let change = |operation| {
        Ok(match operation {
            Operation::Merge { at, tree } => {
                Change::Merge(at.to_string(), read_files(&view, tree.into())?)
            }
            Operation::Replace { at, tree } => {
                Change::Replace(at.to_string(), read_files(&view, tree.into())?)
            }
            Operation::Remove { path } => Change::Remove(path.to_string()),
        })
    };
    let operations = shelf.store.operations(build)?;
    operations.into_iter().map(change).collect()
}

/// Some files, now and then so many that they need a wide directory.
fn some_files(world: &mut World, is_flat: bool) -> Files {
    let mut files = Files::new();
    if !is_flat && world.below(25) == 0 {
        let first = world.below(WIDE_FILES);
        for number in first..first + WIDE_FILES {
            files.insert(format!("wide/w{number}"), (number % 7).to_string());
        }
    }
    for _ in 0..=world.below(4) {
        let name = format!("f{}", world.below(6));
        let path = match world.below(3) {
            0 if !is_flat => format!("d{}/{name}", world.below(2)),
            _ => name,
        };
        let text = some_text(world);
        files.insert(path, text);
    }
    files
}

fn some_text(world: &mut World) -> String {
    match world.below(4) {
        0 => String::new(),
        1 => world.below(5).to_string(),
        _ => {
            world.texts += 1;
            let lines = usize::try_from(world.below(300)).unwrap_or_default();
            format!("{} of seed\n", world.texts).repeat(lines + 1)
        }
    }
}

fn write_source(world: &World, files: &Files) -> std::io::Result<()> {
    let source = world.source();
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    fs::create_dir_all(&source)?;
    for (path, text) in files {
        let path = source.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Stages some files into an open build.
pub fn stage_files(world: &mut World) -> Result<()> {
    let Some(build) = world.pick_build(|state| matches!(state, State::Open)) else {
        return create_build(world);
    };
    let mode = if world.below(4) == 0 {
        StageMode::Replace
    } else {
        StageMode::Merge
    };
    let places: &[&str] = if mode == StageMode::Replace {
        &CLAIMED
    } else {
        &SHARED
    };
    let at = world.pick(places).unwrap_or_default();
    let is_flat = mode == StageMode::Replace || at.contains('/');
    let files = some_files(world, is_flat);
    world.doing(&format!(
        "stage {} files into {build} at /{at}, {mode:?}",
        files.len()
    ));
    let source = world.source();
    write_source(world, &files).map_err(Error::io("write", &source))?;
    let options = StageOptions {
        at: tree_path(at)?,
        mode,
        excludes: Excludes::default(),
    };
    let answer = stage(
        world.store()?,
        build,
        &[source],
        &options,
        &Silent,
        moment(2)?,
    )?;
    assert_eq!(answer.files, files.len() as u64, "{}", world.place());
    let change = match mode {
        StageMode::Merge => Change::Merge(at.to_owned(), files),
        StageMode::Replace => Change::Replace(at.to_owned(), files),
    };
    changes_of(world, build).push(change);
    Ok(())
}

fn changes_of(world: &mut World, build: u64) -> &mut Vec<Change> {
    &mut world
        .model
        .builds
        .get_mut(&build)
        .expect("because it was picked from the model")
        .changes
}

fn tree_path(path: &str) -> Result<TreePath> {
    path.parse()
        .map_err(|_| Error::usage(format!("{path:?} is no path")))
}

/// Removes a path from an open build.
pub fn remove_path(world: &mut World) -> Result<()> {
    let Some(build) = world.pick_build(|state| matches!(state, State::Open)) else {
        return create_build(world);
    };
    let wanted: Vec<String> = world.model.builds[&build].wanted().into_keys().collect();
    let Some(path) = world.pick(&wanted) else {
        return Ok(());
    };
    // What the build claims and then empties is told in the unit tests of merging: an empty directory has no files.
    let changes = &world.model.builds[&build].changes;
    if changes
        .iter()
        .any(|change| matches!(change, Change::Replace(at, _) if path.starts_with(at)))
    {
        return Ok(());
    }
    let path = match (world.below(3), path.split_once('/')) {
        (0, Some((directory, _))) => directory.to_owned(),
        _ => path,
    };
    world.doing(&format!("remove /{path} from {build}"));
    match remove(world.store()?, build, &[tree_path(&path)?], moment(2)?) {
        Err(Error::NotFound { .. }) if world.model.builds[&build].may_miss => {
            return purge(world, build);
        }
        removed => removed?,
    }
    changes_of(world, build).push(Change::Remove(path));
    Ok(())
}

/// Commits an open build.
pub fn commit_build(world: &mut World) -> Result<()> {
    let Some(id) = world.pick_build(|state| matches!(state, State::Open)) else {
        return Ok(());
    };
    world.doing(&format!("commit {id}"));
    let outcome = bindery::build::commit::commit(world.store()?, id, "", moment(3)?);
    let build = world.model.builds[&id].clone();
    if build.changes.is_empty() {
        world.check_refused(outcome);
        return Ok(());
    }
    let onto = match &build.target {
        Some(target) => world.line(target).shown(),
        None => Files::new(),
    };
    let (files, conflicts) = build.merged(&onto, Winner::Build);
    let committed = match outcome {
        Err(Error::Missing { .. }) if build.may_miss => return purge(world, id),
        outcome => outcome?.committed,
    };
    let found = committed.map(|committed| (committed.files, committed.conflicts));
    assert_eq!(
        found,
        Some((files.len() as u64, conflicts)),
        "{}",
        world.place()
    );
    world.set_state(id, State::Ready(files));
    Ok(())
}

/// Ends any build.
pub fn purge_build(world: &mut World) -> Result<()> {
    let Some(id) = world.pick_build(|_| true) else {
        return Ok(());
    };
    purge(world, id)
}

/// Ends a build.
pub fn purge(world: &mut World, id: u64) -> Result<()> {
    world.doing(&format!("purge {id}"));
    let outcome = world.store()?.purge_build(id, moment(6)?);
    match world.model.builds[&id].state {
        State::Pending { .. } => world.check_refused(outcome),
        State::Purged(receipt) => assert_eq!(outcome?, receipt, "{}", world.place()),
        State::Open | State::Ready(_) | State::Published { .. } => {
            world.set_state(id, State::Purged(outcome?));
            world.model.let_go();
        }
    }
    Ok(())
}
