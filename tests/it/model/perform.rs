//! Doing a verb to a store, and telling its answer in the words of the model.
//!
//! # Not here
//!
//! What should come of it (`foretell`), what comes in its way (`world`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bindery::base::name::RepoName;
use bindery::base::path::TreePath;
use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::checkout::{Links, checkout};
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishAnswer, PublishOptions, import, publish, update};
use bindery::build::retire::{Keep, plan};
use bindery::build::rollback::rollback;
use bindery::build::stage::{StageMode, StageOptions, remove, stage};
use bindery::build::withdraw::{Withdrawn, withdraw};
use bindery::disk::exclude::Excludes;
use bindery::store::Store;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::retire::Mode;
use bindery::store::rows::RepoRow;
use bindery::store::settings::OnConflict;

use super::foretell::Answer;
use super::history::{Hold, Line, REPOS};
use super::reference::Model;
use super::verb::Verb;
use crate::shelf::{Files, moment, ref_name, report};

/// A store, what is known of it, and a folder for what is staged and checked out.
pub struct Stage<'a> {
    pub store: &'a Store,
    pub model: &'a Model,
    pub folder: &'a Path,
}

/// The name of a repo.
pub fn repo(number: usize) -> Result<RepoName> {
    let name = REPOS[number].parse();
    name.map_err(|_| Error::usage("a repo's name"))
}

fn tree_path(path: &str) -> Result<TreePath> {
    path.parse()
        .map_err(|_| Error::usage(format!("{path:?} is no path")))
}

impl Stage<'_> {
    /// Does a verb.
    pub fn perform(&self, verb: &Verb) -> Result<Answer> {
        match verb {
            Verb::Create { repo, target, from } => self.create(*repo, *target, *from)?,
            Verb::Stage {
                build,
                mode,
                at,
                files,
            } => return self.stage(*build, *mode, at, files),
            Verb::Remove { build, path } => {
                let paths = [tree_path(path)?];
                remove(self.store, self.id(*build)?, &paths, moment(2)?)?;
            }
            Verb::Commit(build) => return self.commit(*build),
            Verb::Check(build, name, outcome) => return self.check(*build, name, *outcome),
            Verb::Publish {
                build,
                line,
                policy,
            } => {
                let options = self.options(*build, *line, *policy)?;
                let answer = publish(self.store, self.id(*build)?, &options, moment(4)?)?;
                return self.released(&answer);
            }
            Verb::Import {
                build,
                line,
                policy,
            } => {
                let options = self.options(*build, *line, *policy)?;
                let row = self.store.reader()?.build(self.id(*build)?)?;
                let target = ref_name(line.name())?;
                import(self.store, &row, &target, &options, moment(4)?)?;
            }
            Verb::Update(line) => {
                let target = ref_name(line.name())?;
                let answer = update(self.store, &self.repo_row(*line)?, &target, moment(4)?)?;
                return self.released(&answer);
            }
            Verb::Withdraw(build) => {
                return match withdraw(self.store, self.id(*build)?, moment(5)?)? {
                    Withdrawn::Pending { builds, .. } => {
                        Ok(Answer::TakenBack(self.places(&builds)?))
                    }
                    Withdrawn::Released(answer) => self.released(&answer),
                    Withdrawn::Unscheduled { .. } => Err(Error::internal("nothing is due")),
                };
            }
            Verb::RollBack {
                line,
                release,
                hold,
            } => return self.roll_back(*line, *release, *hold),
            Verb::Hold(line, hold) => {
                let reason = (*hold == Hold::On).then(|| "not now".to_owned());
                let target = ref_name(line.name())?;
                self.store
                    .record_hold(&self.repo_row(*line)?, &target, reason)?;
            }
            Verb::Purge(build) => {
                self.store.purge_build(self.id(*build)?, moment(6)?)?;
            }
            Verb::Retire { line, last } => return self.retire(*line, *last),
            Verb::CheckOut(line) => return self.check_out(*line),
            Verb::Reindex | Verb::Reopen => {
                return Err(Error::internal("the store must be closed for this"));
            }
        }
        Ok(Answer::Nothing)
    }

    fn id(&self, place: usize) -> Result<u64> {
        let id = self.model.builds[place].id;
        id.ok_or_else(|| Error::internal("the number of a build was not learned"))
    }

    fn places(&self, ids: &[u64]) -> Result<Vec<usize>> {
        let place = |id: &u64| {
            let mut builds = self.model.builds.iter();
            let place = builds.position(|build| build.id == Some(*id));
            place.ok_or_else(|| Error::internal(format!("the model has no build {id}")))
        };
        ids.iter().map(place).collect()
    }

    fn repo_row(&self, line: Line) -> Result<RepoRow> {
        self.store.reader()?.repo(&repo(line.repo())?)
    }

    fn released(&self, answer: &PublishAnswer) -> Result<Answer> {
        Ok(Answer::Released(self.places(&answer.builds)?))
    }

    fn options(
        &self,
        build: usize,
        line: Line,
        policy: Option<OnConflict>,
    ) -> Result<PublishOptions> {
        let is_own = self.model.builds[build].target == Some(line);
        let target = (!is_own).then(|| ref_name(line.name())).transpose()?;
        Ok(PublishOptions {
            target,
            on_conflict: policy,
            ..PublishOptions::default()
        })
    }

    fn create(&self, number: usize, target: Option<Line>, from: Option<usize>) -> Result<()> {
        let target = target.map(|line| ref_name(line.name())).transpose()?;
        let options = CreateOptions {
            repo: repo(number)?,
            target,
            labels: BTreeMap::new(),
            from: from.map(|from| self.id(from)).transpose()?,
        };
        create(self.store, options, moment(1)?).map(drop)
    }

    fn stage(&self, build: usize, mode: StageMode, at: &str, files: &Files) -> Result<Answer> {
        let source = self.folder.join("source");
        write_source(&source, files).map_err(Error::io("write", &source))?;
        let options = StageOptions {
            at: tree_path(at)?,
            mode,
            excludes: Excludes::default(),
        };
        let build = self.id(build)?;
        let answer = stage(self.store, build, &[source], &options, &Silent, moment(2)?)?;
        let files = answer.files;
        Ok(Answer::Staged { files })
    }

    fn commit(&self, build: usize) -> Result<Answer> {
        let row = commit(self.store, self.id(build)?, "", moment(3)?)?;
        let committed = row.committed;
        let committed = committed.ok_or_else(|| Error::internal("a commit leaves a snapshot"))?;
        let (files, conflicts) = (committed.files, committed.conflicts);
        Ok(Answer::Committed { files, conflicts })
    }

    fn check(&self, build: usize, name: &str, outcome: CheckOutcome) -> Result<Answer> {
        let id = self.id(build)?;
        let row = report(self.store, id, name, outcome, moment(3)?)?;
        Ok(Answer::Judged(row.state))
    }

    fn roll_back(&self, line: Line, release: usize, hold: Hold) -> Result<Answer> {
        let place = self.model.find_line(line).releases[release].place;
        let (seq, _) = place.ok_or_else(|| Error::internal("a release was not learned"))?;
        let hold = (hold == Hold::On).then(|| "broken".to_owned());
        let (repo, target) = (repo(line.repo())?, ref_name(line.name())?);
        let answer = rollback(self.store, &repo, &target, seq, hold, moment(5)?)?;
        self.released(&answer)
    }

    fn retire(&self, line: Line, last: u64) -> Result<Answer> {
        let keep = Keep {
            last: Some(last),
            ..Keep::default()
        };
        let target = ref_name(line.name())?;
        let repo = repo(line.repo())?;
        let going = plan(self.store, &repo, Some(&target), keep, moment(7)?)?.ids();
        let seqs: Vec<u64> = going.iter().map(|(_, _, seq)| *seq).collect();
        self.store
            .retire_releases(&self.repo_row(line)?, &going, Mode::Apply)?;
        let releases = self.model.find_line(line).releases.into_iter().enumerate();
        let gone = releases
            .filter(|(_, release)| release.place.is_some_and(|(seq, _)| seqs.contains(&seq)));
        Ok(Answer::Retired(gone.map(|(place, _)| place).collect()))
    }

    fn check_out(&self, line: Line) -> Result<Answer> {
        let target = self.folder.join("checkout");
        let row = self.repo_row(line)?;
        let shown = self
            .store
            .reader()?
            .find_ref(&row, &ref_name(line.name())?)?;
        let current = shown.and_then(|shown| shown.current);
        let current = current.ok_or_else(|| Error::not_found("ref", line))?;
        let view = self.store.view(&row.name, &[])?;
        let (root, snapshot) = (current.root.into(), current.snapshot.id);
        checkout(
            &view,
            root,
            snapshot,
            &TreePath::root(),
            &target,
            Links::All,
            &Silent,
        )?;
        let mut files = Files::new();
        read_target(&target, "", &mut files).map_err(Error::io("read", &target))?;
        files.remove(".bindery");
        Ok(Answer::Shown(Arc::new(files)))
    }
}

fn write_source(source: &Path, files: &Files) -> std::io::Result<()> {
    if source.exists() {
        fs::remove_dir_all(source)?;
    }
    fs::create_dir_all(source)?;
    for (path, text) in files {
        let path = source.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

fn read_target(folder: &Path, at: &str, files: &mut Files) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{at}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_target(&entry.path(), &format!("{path}/"), files)?;
        } else {
            let bytes = fs::read(entry.path())?;
            files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}
