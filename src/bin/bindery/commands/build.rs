//! `bindery build`: make, commit and show builds.
//!
//! # Not here
//!
//! Filling a build (`build_stage`), checking it (`build_check`), ending it (`build_purge`).

use std::collections::BTreeMap;
use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::spec::only_repo;
use bindery::remote::http::api::Wanted;
use bindery::remote::wire::builds::{BuildSaid, CreateBuild, EventsSaid};
use bindery::remote::wire::due::DueSaid;
use bindery::store::rows::BuildState;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::build_answer::{Build, Builds};
use super::publish_plan::Publisher;
use super::{build_check, build_purge, build_stage};
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;
use crate::values::{BuildId, Label};

/// What can be done with builds.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a build and print its id
    #[command(after_help = examples!(
        "bindery build create --ref stable"
        "bindery build create --ref app/editor --label commit=1f3a --label arch=x86_64"
    ))]
    Create(CreateArguments),
    /// Put files into an open build
    #[command(after_help = build_stage::STAGE_EXAMPLES)]
    Stage(build_stage::StageArguments),
    /// Take paths out of what the build will publish
    #[command(after_help = build_stage::REMOVE_EXAMPLES)]
    Remove(build_stage::RemoveArguments),
    /// Check a build and freeze it; prints the id of its snapshot
    #[command(after_help = examples!("bindery build commit 17 -m 'Mesa 24.1'"))]
    Commit(CommitArguments),
    /// Report what an outside check found in a committed build; prints the state that this gives the build
    #[command(after_help = build_check::EXAMPLES)]
    Check(build_check::Arguments),
    /// Show a build
    #[command(after_help = examples!("bindery build show 17"))]
    Show(OneArguments),
    /// List the builds of the store
    #[command(after_help = examples!("bindery build list" "bindery build list --state ready"))]
    List(ListArguments),
    /// List what happened to a build
    #[command(after_help = examples!("bindery build log 17"))]
    Log(OneArguments),
    /// End a build and free what only it held
    #[command(after_help = build_purge::EXAMPLES)]
    Purge(build_purge::Arguments),
}

/// What `build create` takes.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The repo it is for; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
    /// The ref it is meant for
    #[arg(long = "ref", value_name = "REF")]
    target: Option<RefName>,
    /// A fact about it, such as commit=1f3a; can be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<Label>,
    /// Start with what another build changes
    #[arg(long, value_name = "BUILD")]
    from: Option<BuildId>,
}

/// What `build commit` takes.
#[derive(Debug, Args)]
pub struct CommitArguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
    /// What it is, for whoever reads the log
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
}

/// What `build show` and `build log` take.
#[derive(Debug, Args)]
pub struct OneArguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
}

/// What `build list` takes.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only those of this repo
    #[arg(long)]
    repo: Option<RepoName>,
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
}

/// The state of a build, as `build list --state` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Files can be staged.
    Open,
    /// Committed, and waiting for checks.
    Checking,
    /// Committed, and waiting to be published.
    Ready,
    /// Committed, and a check failed.
    Rejected,
    /// Merged into a ref's pending tree.
    Publishing,
    /// Part of a release.
    Published,
    /// Ended.
    Purged,
}

impl State {
    /// The state's name in the catalog.
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Rejected => "rejected",
            Self::Publishing => "publishing",
            Self::Published => "published",
            Self::Purged => "purged",
        }
    }
}

#[derive(Debug, Serialize)]
struct Created {
    build: u64,
}

#[derive(Debug, Serialize)]
struct Committed {
    snapshot: SnapshotId,
    root: TreeId,
    files: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<DueSaid>,
}

#[derive(Debug, Serialize)]
struct Event {
    time: Time,
    what: String,
}

#[derive(Debug, Serialize)]
struct Events {
    events: Vec<Event>,
}

/// Runs a verb.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Create(arguments) => create_build(session, arguments),
        Verb::Stage(arguments) => build_stage::stage_paths(session, arguments),
        Verb::Remove(arguments) => build_stage::remove_paths(session, arguments),
        Verb::Commit(arguments) => commit_build(session, arguments),
        Verb::Check(arguments) => build_check::run(session, arguments),
        Verb::Show(arguments) => show(session, arguments.build),
        Verb::List(arguments) => list(session, arguments),
        Verb::Log(arguments) => log(session, arguments.build),
        Verb::Purge(arguments) => build_purge::run(session, arguments),
    }
}

fn create_build(session: &Session, arguments: &CreateArguments) -> Result<()> {
    if let Some(server) = session.server()? {
        let repo = server.only_repo(arguments.repo.as_ref())?;
        let wanted = CreateBuild {
            target: arguments.target.clone(),
            labels: labels(&arguments.labels)?,
            from: arguments.from.map(|build| build.0),
        };
        let made = server.create_build(&repo, &wanted)?;
        let base = made.base.map(|base| base.seq);
        return tell_created(session, made.build, arguments.target.as_ref(), base);
    }
    let store = session.write()?;
    let options = CreateOptions {
        repo: only_repo(&store, arguments.repo.as_ref())?.name,
        target: arguments.target.clone(),
        labels: labels(&arguments.labels)?,
        from: arguments.from.map(|build| build.0),
    };
    let row = create(&store, options, Time::now()?)?;
    let base = row.base.map(|base| base.seq);
    tell_created(session, row.id, row.target.as_ref(), base)
}

fn tell_created(
    session: &Session,
    id: u64,
    target: Option<&RefName>,
    base: Option<u64>,
) -> Result<()> {
    session.output.answer(&Created { build: id })?;
    let purpose = match (target, base) {
        (Some(target), Some(base)) => format!(" for {target}, on top of {target}@{base}"),
        (Some(target), None) => format!(" for {target}, which has no release yet"),
        (None, _) => String::new(),
    };
    session.output.note(format_args!(
        "build {id} is open{purpose}; next: bindery build stage {id} PATH"
    ));
    Ok(())
}

fn labels(given: &[Label]) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for label in given {
        if labels
            .insert(label.key.clone(), label.value.clone())
            .is_some()
        {
            return Err(Error::usage(format!(
                "the label {} is given twice",
                label.key
            )));
        }
    }
    Ok(labels)
}

fn commit_build(session: &Session, arguments: &CommitArguments) -> Result<()> {
    let id = arguments.build.0;
    let (said, look, by) = if let Some(server) = session.server()? {
        let place = server.server().join(&format!("b/{id}/files/-/"));
        let said = server.commit(id, &arguments.message)?;
        let look = format!("its files are at {place}");
        (said, look, Publisher::Server)
    } else {
        let row = commit(&session.write()?, id, &arguments.message, Time::now()?)?;
        let look = format!("look at it with 'bindery ls build:{id}'");
        (row.into(), look, Publisher::Jobs)
    };
    tell_committed(session, &said, &look, by)
}

fn tell_committed(session: &Session, said: &BuildSaid, look: &str, by: Publisher) -> Result<()> {
    let (id, committed) = (said.id, said.committed);
    let committed = committed.ok_or_else(|| Error::internal("a committed build has a snapshot"))?;
    session.output.answer(&Committed {
        snapshot: committed.snapshot.id,
        root: committed.snapshot.root.id,
        files: committed.files,
        bytes: committed.bytes,
        due: said.due.clone(),
    })?;
    let sums = format!(
        "{}, {}",
        counted(committed.files, "file"),
        size(committed.bytes)
    );
    if said.state == BuildState::Ready && said.due.is_none() {
        session.output.note(format_args!(
            "build {id} is ready: {sums}; {look}, then: bindery publish {id}"
        ));
    } else {
        session.output.note(format_args!(
            "build {id} is committed: {sums}; {look}\n{}",
            build_check::standing(id, said.state, &said.unmet(), said.due.as_ref(), by)
        ));
    }
    if committed.conflicts > 0 {
        let paths = counted(committed.conflicts, "path");
        session.output.note(format_args!(
            "note: {paths} changed in its ref, too, since the build was created"
        ));
    }
    Ok(())
}

fn show(session: &Session, build: BuildId) -> Result<()> {
    if let Some(server) = session.server()? {
        return session.output.answer(&Build::from(server.build(build.0)?));
    }
    let store = session.read()?;
    let row = store.reader()?.build(build.0)?;
    session.output.answer(&Build::from(BuildSaid::from(row)))
}

fn list(session: &Session, arguments: &ListArguments) -> Result<()> {
    if let Some(server) = session.server()? {
        let builds = server.builds(Wanted {
            repo: arguments.repo.as_ref(),
            state: arguments.state.map(State::name),
        })?;
        let builds = builds.into_iter().map(Build::from).collect();
        return session.output.answer(&Builds { builds });
    }
    let store = session.read()?;
    let reader = store.reader()?;
    if let Some(repo) = &arguments.repo {
        reader.repo(repo)?;
    }
    let mut rows = reader.builds()?;
    rows.retain(|row| {
        arguments.repo.as_ref().is_none_or(|repo| row.repo == *repo)
            && arguments
                .state
                .is_none_or(|state| row.state.name() == state.name())
    });
    let builds = rows.into_iter().map(BuildSaid::from);
    let builds = builds.map(Build::from).collect();
    session.output.answer(&Builds { builds })
}

fn log(session: &Session, build: BuildId) -> Result<()> {
    let said = if let Some(server) = session.server()? {
        server.build_log(build.0)?
    } else {
        let store = session.read()?;
        let reader = store.reader()?;
        reader.build(build.0)?;
        EventsSaid::from(reader.events(build.0, 0, usize::MAX)?)
    };
    if said.forgotten > 0 {
        let forgotten = said.forgotten;
        session.output.note(format_args!(
            "older events that are not kept any more: {forgotten}"
        ));
    }
    let events = said
        .events
        .into_iter()
        .map(|event| Event {
            time: event.time,
            what: event.what,
        })
        .collect();
    session.output.answer(&Events { events })
}

impl Answer for Created {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.build)
    }
}

impl Answer for Committed {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.snapshot)
    }
}

impl Answer for Events {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut events = self.events.iter();
        events.try_for_each(|event| writeln!(out, "{}  {}", event.time, printable(&event.what)))
    }
}
