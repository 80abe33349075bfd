//! `bindery delta`: make, apply and show packs that turn one snapshot into another.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::clock::Time;
use bindery::base::id::{PackId, SnapshotId, TreeId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::spec::{Resolved, Spec, only_repo};
use bindery::delta::apply::apply;
use bindery::delta::make::{DeltaSummary, MakeOptions, make};
use bindery::delta::parts::open_delta;
use bindery::delta::show::plan;
use bindery::disk::files::Mapping;
use bindery::object::pack_reader::PackReader;
use bindery::object::patch::Effort;
use bindery::remote::wire::due::DueSaid;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::delta_show::{PlanAnswer, show};
use super::publish_plan::{Publisher, planned_words};
use crate::carried::Carried;
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::{Answer, Way};
use crate::quantity::{counted, size};
use crate::session::Session;

/// What can be done with deltas.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make one file with what a snapshot has and another has not
    #[command(after_help = examples!(
        "bindery delta make stable~1 stable -o update.delta"
        "bindery delta make stable -o full.delta          everything in it, for those who have nothing"
        "bindery delta make stable build:17 --dry-run     which bases would be tried"
        "bindery delta make stable~1 stable --effort thorough > update.delta"
    ))]
    Make(MakeArguments),
    /// Make a committed build of a delta, whose snapshot is the one it leads to
    #[command(after_help = examples!(
        "bindery delta apply update.delta --ref stable"
        "curl https://example.org/update.delta | bindery delta apply - --ref stable"
        "bindery diff stable build:18"
        "bindery publish 18"
    ))]
    Apply(ApplyArguments),
    /// Say what is in a delta
    #[command(after_help = examples!("bindery delta show update.delta"))]
    Show(ShowArguments),
}

/// What `delta make` takes.
#[derive(Debug, Args)]
pub struct MakeArguments {
    /// The snapshot it starts from and the one it leads to; a single one is packed whole
    #[arg(num_args = 1..=2, required = true, value_names = ["A", "B"])]
    specs: Vec<Spec>,
    /// The file to write; else standard output, as with -, if that is no terminal
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How much time compression may take
    #[arg(long, value_enum, default_value_t = EffortArgument::Quick, value_name = "quick|thorough", hide_possible_values = true)]
    effort: EffortArgument,
    /// Say what would be packed and which bases would be tried, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// How much time compression may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EffortArgument {
    /// As much as somebody waits for.
    Quick,
    /// As much as a release may take in the background.
    Thorough,
}

impl From<EffortArgument> for Effort {
    fn from(argument: EffortArgument) -> Self {
        match argument {
            EffortArgument::Quick => Self::Quick,
            EffortArgument::Thorough => Self::Thorough,
        }
    }
}

/// What `delta apply` takes.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The delta; - is standard input
    file: PathBuf,
    /// The ref that the build is meant for
    #[arg(long = "ref", value_name = "REF")]
    target: Option<RefName>,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

/// What `delta show` takes.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The delta; - is standard input
    file: PathBuf,
}

/// Runs a verb.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Make(arguments) => run_make(session, arguments),
        Verb::Apply(arguments) => run_apply(session, arguments),
        Verb::Show(arguments) => {
            let shown = open(&arguments.file).and_then(|pack| show(session, &pack));
            shown.map_err(|error| Carried::Delta.named(&arguments.file, error))
        }
    }
}

/// A delta that was made.
#[derive(Debug, Serialize)]
struct Made {
    pack: PackId,
    bytes: u64,
    patched: u64,
    whole: u64,
    files: u64,
}

impl From<DeltaSummary> for Made {
    fn from(summary: DeltaSummary) -> Self {
        Self {
            pack: summary.pack.id,
            bytes: summary.pack.bytes,
            patched: summary.patched,
            whole: summary.whole,
            files: summary.files,
        }
    }
}

impl Made {
    fn words(&self) -> String {
        let one_or_many = |number, one, many| if number == 1 { one } else { many };
        format!(
            "{}: {} {}, {} {}, {} whole",
            size(self.bytes),
            counted(self.files, "file"),
            one_or_many(self.files, "differs", "differ"),
            counted(self.patched, "content"),
            one_or_many(self.patched, "as a patch", "as patches"),
            counted(self.whole, "content"),
        )
    }
}

impl Answer for Made {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.words())
    }
}

fn run_make(session: &Session, arguments: &MakeArguments) -> Result<()> {
    let store = session.read()?;
    let specs = arguments.specs.iter();
    let resolved = specs.map(|spec| session.resolve(&store, spec, arguments.repo.as_ref()));
    let mut resolved = resolved.collect::<Result<Vec<Resolved>>>()?;
    let to = resolved.pop();
    let to = to.ok_or_else(|| Error::usage("name the snapshot that the delta leads to"))?;
    let from = resolved.pop();
    let mut builds = to.builds;
    if let Some(from) = &from {
        if from.repo.name != to.repo.name {
            let (from, to) = (&from.repo.name, to.repo.name);
            return Err(Error::usage(format!(
                "{from} and {to} are two repos, and nothing is shared between them"
            )));
        }
        builds.extend(&from.builds);
    }
    let view = store.view(&to.repo.name, &builds)?;
    let from = from.map(|from| from.snapshot);
    if arguments.dry_run {
        let from = from.ok_or_else(|| Error::usage("all of a single snapshot is packed"))?;
        return session
            .output
            .answer(&PlanAnswer::from(plan(&view, from, to.snapshot)?));
    }
    let options = MakeOptions {
        effort: arguments.effort.into(),
        ..MakeOptions::default()
    };
    let bar = session.progress("making the delta");
    let file = arguments.output.as_deref();
    let write = |out: &mut dyn Write| make(&view, from, to.snapshot, &options, out, &bar);
    let (summary, _, way) = session.output.make_file("a delta", file, write)?;
    drop(bar);
    let made = Made::from(summary);
    match way {
        Way::File => session.output.answer(&made),
        Way::Stdout => {
            session.output.note(made.words());
            Ok(())
        }
    }
}

/// Opens a delta.
fn open(file: &Path) -> Result<PackReader<Mapping>> {
    open_delta(Carried::Delta.open(file)?)
}

/// A build that was made of a delta.
#[derive(Debug, Serialize)]
struct Applied {
    build: u64,
    snapshot: SnapshotId,
    root: TreeId,
    files: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<DueSaid>,
}

impl Answer for Applied {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{} {}", self.build, self.snapshot)
    }
}

fn run_apply(session: &Session, arguments: &ApplyArguments) -> Result<()> {
    let named = |error| Carried::Delta.named(&arguments.file, error);
    let pack = open(&arguments.file).map_err(named)?;
    let store = session.write()?;
    let repo = only_repo(&store, arguments.repo.as_ref())?;
    let bar = session.progress("applying");
    let target = arguments.target.clone();
    let build = apply(&store, &repo, target, &pack, Time::now()?, &bar).map_err(named)?;
    drop(bar);
    let committed = build
        .committed
        .ok_or_else(|| Error::internal("a build of a delta is committed"))?;
    let root = bindery::object::tree::TreeRef::from(committed.root);
    let due = build.due.as_ref();
    let due = due.map(|due| DueSaid::of(due, build.target.as_ref()));
    let then = due.as_ref().map_or_else(
        || "then publish or purge it".to_owned(),
        |due| planned_words(build.id, due, Publisher::Jobs),
    );
    session.output.answer(&Applied {
        build: build.id,
        snapshot: committed.snapshot.id,
        root: root.id,
        files: committed.files,
        bytes: committed.bytes,
        due,
    })?;
    session.output.note(format_args!(
        "build {} is {}: look at it with 'bindery diff REF build:{0}', {then}",
        build.id, build.state
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_many() {
        let words = |files, patched, whole| {
            let pack = PackId::of(b"");
            let bytes = 12;
            let made = Made {
                pack,
                bytes,
                patched,
                whole,
                files,
            };
            made.words()
        };
        assert_eq!(
            words(1, 1, 1),
            "12 B: 1 file differs, 1 content as a patch, 1 content whole"
        );
        assert_eq!(
            words(2, 0, 3),
            "12 B: 2 files differ, 0 contents as patches, 3 contents whole"
        );
    }
}
