//! What is done to refs and their releases, in the store and in the model; what the one answers, the other must have foretold.
//!
//! # Not here
//!
//! Builds before they are published (`builds`), comparing the two after a verb (`world`).

use bindery::base::{Error, Result};
use bindery::build::publish::{PublishAnswer, PublishOptions, import, publish, update};
use bindery::build::retire::{Keep, plan};
use bindery::build::rollback::rollback;
use bindery::build::withdraw::{Withdrawn, withdraw};
use bindery::store::retire::Mode;
use bindery::store::settings::OnConflict;

use super::builds;
use super::reference::{Import, Release, State, Winner, merged};
use super::world::World;
use crate::shelf::{Files, moment};

/// A ready build, and how it is to be published.
fn publication(world: &mut World) -> Result<Option<(u64, String, PublishOptions)>> {
    let Some(id) = world.pick_build(|state| matches!(state, State::Ready(_))) else {
        return Ok(None);
    };
    let (other, other_ref) = world.pick_ref()?;
    let own = world.model.builds[&id].target.clone();
    let elsewhere = own.is_none() || world.below(10) == 0;
    let policies = [None, Some(OnConflict::Build), Some(OnConflict::Ref)];
    let options = PublishOptions {
        target: elsewhere.then_some(other_ref),
        on_conflict: world.pick(&policies).flatten(),
        ..PublishOptions::default()
    };
    let target = own.filter(|_| !elsewhere).unwrap_or(other);
    world.doing(&format!(
        "publish {id} to {target}, {:?}",
        options.on_conflict
    ));
    Ok(Some((id, target, options)))
}

/// What importing a build should make of a ref; `None` if it should be refused, for as many conflicts.
fn foretold(
    world: &mut World,
    id: u64,
    target: &str,
    options: &PublishOptions,
) -> Result<Import, u64> {
    let winner = match options.on_conflict {
        Some(OnConflict::Ref) => Winner::Ref,
        _ => Winner::Build,
    };
    let build = world.model.builds[&id].clone();
    let line = world.line(target);
    let before = line.shown_next();
    let (after, conflicts) = build.merged(&before, winner);
    if line.held || (options.on_conflict.is_none() && conflicts > 0) {
        return Err(conflicts);
    }
    let build = id;
    Ok(Import {
        build,
        before,
        after,
    })
}

fn check_not_published<T>(
    world: &mut World,
    target: &str,
    outcome: Result<T>,
    conflicts: u64,
) -> Result<()> {
    let is_held = world.line(target).held;
    match outcome {
        Err(Error::Conflict { total, .. }) => assert_eq!(total, conflicts, "{}", world.place()),
        Err(Error::Refused { .. }) if is_held => {}
        Err(error) => return Err(error),
        Ok(_) => {
            return Err(Error::internal(format!(
                "{conflicts} conflicts were not seen"
            )));
        }
    }
    Ok(())
}

/// Merges a build onto what its ref shows next, and leaves it at that.
pub fn import_build(world: &mut World) -> Result<()> {
    let Some((id, target, options)) = publication(world)? else {
        return Ok(());
    };
    world.doing("only import");
    let store = world.store()?;
    let row = store.reader()?.build(id)?;
    let outcome = import(
        store,
        &row,
        &crate::shelf::ref_name(&target)?,
        &options,
        moment(4)?,
    );
    match foretold(world, id, &target, &options) {
        Ok(import) => {
            outcome?;
            world.line(&target).pending.push(import);
            if let State::Ready(files) = world.model.builds[&id].state.clone() {
                world.set_state(id, State::Pending { target, files });
            }
        }
        Err(conflicts) => check_not_published(world, &target, outcome, conflicts)?,
    }
    Ok(())
}

/// Publishes a ready build.
pub fn publish_build(world: &mut World) -> Result<()> {
    let Some((id, target, options)) = publication(world)? else {
        return Ok(());
    };
    let outcome = publish(world.store()?, id, &options, moment(4)?);
    match foretold(world, id, &target, &options) {
        Ok(import) => {
            world.line(&target).pending.push(import);
            released(world, &target, &outcome?);
        }
        Err(conflicts) => check_not_published(world, &target, outcome, conflicts)?,
    }
    Ok(())
}

/// Makes everything pending of the model's ref a release.
fn released(world: &mut World, target: &str, answer: &PublishAnswer) {
    world.model.let_go();
    let line = world.line(target);
    let imports = std::mem::take(&mut line.pending);
    let builds: Vec<u64> = imports.iter().map(|import| import.build).collect();
    let files = imports.last().map(|import| import.after.clone());
    line.releases.push(Release {
        seq: answer.seq,
        snapshot: answer.snapshot,
        files: files.unwrap_or_default(),
        imports,
        is_retired: false,
    });
    assert_eq!(answer.builds, builds, "{}", world.place());
    for build in builds {
        let (target, seq, is_withdrawn) = (target.to_owned(), answer.seq, false);
        let state = State::Published {
            target,
            seq,
            is_withdrawn,
        };
        world.set_state(build, state);
    }
}

/// Makes what is pending visible.
pub fn update_ref(world: &mut World) -> Result<()> {
    let (name, target) = world.pick_ref()?;
    world.doing(&format!("update {name}"));
    let outcome = update(world.store()?, &world.shelf()?.row()?, &target, moment(4)?);
    let line = world.line(&name);
    if line.pending.is_empty() || line.held {
        assert!(outcome.is_err(), "{}", world.place());
    } else {
        released(world, &name, &outcome?);
    }
    Ok(())
}

/// Takes a build back, or out of its ref.
pub fn withdraw_build(world: &mut World) -> Result<()> {
    let is_out = |state: &State| matches!(state, State::Pending { .. } | State::Published { .. });
    let Some(id) = world.pick_build(is_out) else {
        return Ok(());
    };
    world.doing(&format!("withdraw {id}"));
    let outcome = withdraw(world.store()?, id, moment(5)?);
    match world.model.builds[&id].state.clone() {
        State::Pending { target, .. } => {
            let Withdrawn::Pending { builds, .. } = outcome? else {
                return Err(Error::internal("a pending build is taken back"));
            };
            take_back(world, id, &target, &builds);
        }
        State::Published {
            target,
            seq,
            is_withdrawn,
        } => {
            let line = world.line(&target).clone();
            let is_kept = |seq| {
                line.releases
                    .iter()
                    .any(|kept: &Release| kept.seq == seq && !kept.is_retired)
            };
            if is_withdrawn || !line.pending.is_empty() || !is_kept(seq) {
                world.check_refused(outcome);
                return Ok(());
            }
            withdraw_published(world, id, &target, seq, outcome)?;
        }
        State::Open | State::Ready(_) | State::Purged(_) => {}
    }
    Ok(())
}

fn take_back(world: &mut World, id: u64, target: &str, builds: &[u64]) {
    let line = world.line(target);
    let kept = line
        .pending
        .iter()
        .take_while(|import| import.build != id)
        .count();
    let dropped: Vec<u64> = line
        .pending
        .drain(kept..)
        .map(|import| import.build)
        .collect();
    assert_eq!(builds, dropped, "{}", world.place());
    for build in dropped {
        if let State::Pending { files, .. } = world.model.builds[&build].state.clone() {
            world.set_state(build, State::Ready(files));
        }
    }
}

fn withdraw_published(
    world: &mut World,
    id: u64,
    target: &str,
    seq: u64,
    outcome: Result<Withdrawn>,
) -> Result<()> {
    let line = world.line(target).clone();
    let at = line
        .releases
        .iter()
        .position(|release| release.seq == seq)
        .unwrap_or_default();
    let import = line.releases[at]
        .imports
        .iter()
        .find(|import| import.build == id);
    let import = import
        .ok_or_else(|| Error::internal("the release has the build"))?
        .clone();
    let (files, conflicts) = merged(
        &import.after,
        &import.before,
        &line.shown(),
        &[],
        Winner::Ref,
    );
    let is_first = line.releases[at]
        .imports
        .first()
        .is_some_and(|first| first.build == id);
    let may_be_lost = is_first && at > 0 && line.releases[at - 1].is_retired;
    let answer = match outcome {
        Err(Error::Refused { .. }) if may_be_lost => return Ok(()),
        Err(Error::Conflict { total, .. }) if conflicts > 0 => {
            assert_eq!(total, conflicts, "{}", world.place());
            return Ok(());
        }
        outcome => outcome?,
    };
    assert_eq!(conflicts, 0, "{}", world.place());
    let Withdrawn::Released(answer) = answer else {
        return Err(Error::internal("a published build is taken out"));
    };
    show(world, target, &answer, files);
    let (target, is_withdrawn) = (target.to_owned(), true);
    let state = State::Published {
        target,
        seq,
        is_withdrawn,
    };
    world.set_state(id, state);
    Ok(())
}

/// Adds a release without builds to the model.
fn show(world: &mut World, target: &str, answer: &PublishAnswer, files: Files) {
    world.line(target).releases.push(Release {
        seq: answer.seq,
        snapshot: answer.snapshot,
        files,
        imports: Vec::new(),
        is_retired: false,
    });
}

/// Shows an earlier release again.
pub fn roll_back(world: &mut World) -> Result<()> {
    let (name, target) = world.pick_ref()?;
    let line = world.line(&name).clone();
    let Some(release) = world.pick(&line.releases) else {
        return Ok(());
    };
    let hold = (world.below(4) == 0).then(|| "broken".to_owned());
    let is_held = hold.is_some();
    world.doing(&format!("roll {name} back to {}", release.seq));
    let shelf = world.shelf()?;
    let outcome = rollback(
        &shelf.store,
        &shelf.repo,
        &target,
        release.seq,
        hold,
        moment(5)?,
    );
    let is_shown = line.releases.last().map(|last| last.snapshot) == Some(release.snapshot);
    if !line.pending.is_empty() || release.is_retired || is_shown {
        world.check_refused(outcome);
        return Ok(());
    }
    show(world, &name, &outcome?, release.files);
    world.line(&name).held |= is_held;
    Ok(())
}

/// Holds a ref, or lets it go.
pub fn hold_or_release(world: &mut World) -> Result<()> {
    let (name, target) = world.pick_ref()?;
    let reason = (world.below(4) == 0).then(|| "not now".to_owned());
    world.doing(&format!("hold {name}: {reason:?}"));
    let is_held = reason.is_some();
    let shelf = world.shelf()?;
    shelf.store.record_hold(&shelf.row()?, &target, reason)?;
    world.line(&name).held = is_held;
    Ok(())
}

/// Lets go of all releases of a ref but the last so many.
pub fn retire(world: &mut World, name: &str, last: u64) -> Result<()> {
    world.doing(&format!("retire all but {last} of {name}"));
    let line = world.line(name).clone();
    if line.releases.is_empty() {
        return Ok(());
    }
    let keep = Keep {
        last: Some(last),
        ..Keep::default()
    };
    let shelf = world.shelf()?;
    let target = crate::shelf::ref_name(name)?;
    let going = plan(&shelf.store, &shelf.repo, Some(&target), keep, moment(7)?)?;
    let going = going.ids();
    shelf
        .store
        .retire_releases(&shelf.row()?, &going, Mode::Apply)?;
    let expected = line.going(usize::try_from(last).unwrap_or_default());
    let found = going.iter().map(|(_, _, seq)| *seq).collect();
    assert_eq!(expected, found, "{}", world.place());
    let releases = &mut world.line(name).releases;
    for release in releases
        .iter_mut()
        .filter(|release| expected.contains(&release.seq))
    {
        release.is_retired = true;
    }
    world.model.let_go();
    Ok(())
}

/// Ends everything but what the refs show.
pub fn finish(world: &mut World) -> Result<()> {
    while let Some(id) = world.pick_build(|state| matches!(state, State::Pending { .. })) {
        world.doing(&format!("take {id} back"));
        let State::Pending { target, .. } = world.model.builds[&id].state.clone() else {
            break;
        };
        let Withdrawn::Pending { builds, .. } = withdraw(world.store()?, id, moment(8)?)? else {
            return Err(Error::internal("a pending build is taken back"));
        };
        take_back(world, id, &target, &builds);
    }
    let names: Vec<String> = world.model.lines.keys().cloned().collect();
    for name in names {
        retire(world, &name, 1)?;
    }
    while let Some(id) = world.pick_build(|state| !matches!(state, State::Purged(_))) {
        world.doing(&format!("purge {id}"));
        builds::purge(world, id)?;
    }
    Ok(())
}
