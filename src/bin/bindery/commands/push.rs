//! `bindery push`: put a directory into a build, and commit and publish it, in one line.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::path::TreePath;
use bindery::base::{Error, Kind, Result};
use bindery::build::spec::only_repo;
use bindery::build::stage::Source;
use bindery::disk::exclude::Excludes;
use bindery::remote::builds::Builds;
use bindery::remote::http::builds::HttpBuilds;
use bindery::remote::http::url::ServerUrl;
use bindery::remote::push::{Goal, PushAnswer, PushOptions, check_target, push};
use bindery::remote::store_builds::StoreBuilds;
use bindery::remote::wire::builds::StageMode;
use bindery::remote::wire::due::DueSaid;
use bindery::store::{Access, Store};
use clap::Args;
use serde::Serialize;

use super::build_check;
use super::build_stage::note_dropped;
use super::publish_plan::Publisher;
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;
use crate::url::parse_url;
use crate::values::{BuildId, Label};

/// What `push` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery push dist --ref stable --publish"
    "bindery push dist --ref stable --at x86_64 --remote https://builds.example.org --commit"
    "bindery push dist --ref stable --replace --publish         what dist lacks is removed"
    "bindery push dist --build 17 --publish                     go on with one that broke off"
    "bindery push dist --ref stable --remote /srv/store --publish"
))]
pub struct Arguments {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The ref that the build is for; not needed with --build
    #[arg(long = "ref", value_name = "REF", required_unless_present = "build")]
    target: Option<RefName>,
    /// Where the directory goes in the build
    #[arg(
        long,
        value_name = "DEST",
        default_value = "",
        hide_default_value = true
    )]
    at: TreePath,
    /// Put the directory in place of what is at DEST, instead of merging it in: what it lacks is removed
    #[arg(long)]
    replace: bool,
    /// Leave out what matches, as in .gitignore; can be repeated
    #[arg(long = "exclude", value_name = "GLOB")]
    excludes: Vec<String>,
    /// An open build to push into; else one is made
    #[arg(long, value_name = "ID")]
    build: Option<BuildId>,
    /// What is to be known about a new build; that of --build has its labels already
    #[arg(long = "label", value_name = "K=V")]
    labels: Vec<Label>,
    /// Commit the build
    #[arg(long)]
    commit: bool,
    /// Commit and publish the build
    #[arg(long)]
    publish: bool,
    /// What to say about the commit
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// The repo there; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Pushed {
    build: u64,
    requests: u64,
    sent_objects: u64,
    sent_bytes: u64,
    snapshot: Option<SnapshotId>,
    root: Option<TreeId>,
    #[serde(rename = "ref")]
    target: Option<RefName>,
    seq: Option<u64>,
    tested: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<DueSaid>,
}

/// Pushes a directory.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    if !arguments.directory.is_dir() {
        let reason = "is no directory: a push takes the contents of one";
        return Err(Error::usage(format!(
            "{} {reason}",
            arguments.directory.display()
        )));
    }
    let remote = session.globals.remote.as_deref();
    let url = remote.filter(|remote| ServerUrl::is_meant_by(remote));
    let (answer, by) = if let Some(url) = url {
        let agent = session.agent(parse_url(url)?)?;
        let repo = match arguments.build {
            Some(_) => None,
            None => Some(agent.only_repo(arguments.repo.as_ref())?),
        };
        let answer = push_to(session, arguments, &HttpBuilds::new(agent, repo))?;
        (answer, Publisher::Server)
    } else {
        let there = open_there(session, remote)?;
        let repo = only_repo(&there, arguments.repo.as_ref())?;
        let builds = StoreBuilds::new(&there, repo.name, Time::now()?);
        (push_to(session, arguments, &builds)?, Publisher::Jobs)
    };
    tell(session, arguments, &answer, by)
}

fn push_to(session: &Session, arguments: &Arguments, builds: &dyn Builds) -> Result<PushAnswer> {
    let excludes = Excludes::parse(&arguments.excludes)?;
    let source = Source::open(&arguments.directory, &arguments.at, &excludes)?;
    let mut answer = begin(session, arguments, builds)?;
    let progress = session.progress("pushing");
    let pushed = push(
        &source,
        builds,
        &push_options(arguments),
        &progress,
        &mut answer,
    );
    drop(progress);
    if let Err(error) = &pushed
        && error.kind() != Kind::NotFound
    {
        note_how_far(session, &answer);
    }
    pushed?;
    note_dropped(session, &source.into_dropped());
    Ok(answer)
}

/// The build that is pushed into: the one that was named, or a new one.
fn begin(session: &Session, arguments: &Arguments, builds: &dyn Builds) -> Result<PushAnswer> {
    let said = arguments.target.as_ref();
    let Some(build) = arguments.build else {
        let target = said.ok_or_else(|| Error::usage("say --ref, or --build"))?;
        let build = builds.create(target, &labels(arguments))?;
        // Whoever is killed can say nothing any more.
        session.output.note(format_args!(
            "build {build} is made; should this break off, go on with the same command and --build {build}"
        ));
        return Ok(PushAnswer::begin(build, 1));
    };
    let build = build.0;
    if said.is_none() {
        return Ok(PushAnswer::begin(build, 0));
    }
    match builds.target(build) {
        Ok(found) => check_target(build, found.as_ref(), said)?,
        // Who may fill it and not look at it hears so before it is committed.
        Err(error) if matches!(error.kind(), Kind::NotAllowed | Kind::NotFound) => {}
        Err(error) => return Err(error),
    }
    Ok(PushAnswer::begin(build, 1))
}

/// Says what there is of a push that failed: it need not begin anew.
fn note_how_far(session: &Session, answer: &PushAnswer) {
    let build = answer.build;
    if answer.committed.is_some() {
        session.output.note(format_args!(
            "build {build} is committed; when nothing is in the way any more: bindery publish {build}"
        ));
    } else {
        session.output.note(format_args!(
            "what was sent is kept in build {build}; go on with the same command and --build {build}"
        ));
    }
}

fn labels(arguments: &Arguments) -> BTreeMap<String, String> {
    let labels = arguments.labels.iter();
    labels
        .map(|label| (label.key.clone(), label.value.clone()))
        .collect()
}

fn open_there(session: &Session, remote: Option<&str>) -> Result<Store> {
    match remote {
        None => session.write(),
        Some(remote) => {
            let place = session.surroundings.store_at(Path::new(remote));
            Store::open(&place, Access::Write, &session.patience()?)
        }
    }
}

fn push_options(arguments: &Arguments) -> PushOptions {
    let message = arguments.message.clone();
    PushOptions {
        target: arguments.target.clone(),
        at: arguments.at.clone(),
        mode: if arguments.replace {
            StageMode::Replace
        } else {
            StageMode::Merge
        },
        goal: if arguments.publish {
            Goal::Publish(message)
        } else if arguments.commit {
            Goal::Commit(message)
        } else {
            Goal::Stage
        },
    }
}

fn tell(
    session: &Session,
    arguments: &Arguments,
    answer: &PushAnswer,
    by: Publisher,
) -> Result<()> {
    let committed = answer.committed.as_ref();
    let published = answer.published.as_ref();
    let build = answer.build;
    let state = match (published, committed) {
        (Some(release), _) => format!("published as {}@{}", release.target, release.seq),
        (None, Some(committed)) => {
            let (state, due) = (committed.state, committed.due.as_ref());
            let standing = build_check::standing(build, state, &committed.unmet, due, by);
            format!("committed\n{standing}")
        }
        (None, None) => format!("still open; next: bindery build commit {build}"),
    };
    session.output.answer(&Pushed {
        build,
        requests: answer.requests,
        sent_objects: answer.sent_objects,
        sent_bytes: answer.sent_bytes,
        snapshot: published
            .map(|release| release.snapshot.id)
            .or(committed.map(|committed| committed.snapshot.id)),
        root: published
            .map(|release| release.root.id)
            .or(committed.map(|committed| committed.root.id)),
        target: published.map(|release| release.target.clone()),
        seq: published.map(|release| release.seq),
        tested: published.map(|release| release.tested),
        due: committed.and_then(|it| it.due.clone().filter(|_| published.is_none())),
    })?;
    session.output.note(format_args!(
        "{} went into build {build}: {} sent, {}; it is {state}",
        arguments.directory.display(),
        counted(answer.sent_objects, "object"),
        size(answer.sent_bytes)
    ));
    Ok(())
}

impl Answer for Pushed {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        match (&self.target, self.seq) {
            (Some(target), Some(seq)) => writeln!(out, "{target}@{seq}"),
            _ => writeln!(out, "{}", self.build),
        }
    }
}
