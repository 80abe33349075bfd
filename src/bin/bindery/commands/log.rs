//! `bindery log`: the releases of a ref, newest first.

use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, StatementId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::build::spec::named_ref;
use bindery::remote::wire::refs::ReleaseSaid;
use bindery::store::rows::ReleaseKind;
use clap::Args;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::output::Answer;
use crate::server::ref_of;
use crate::session::Session;

/// What `log` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery log stable" "bindery log stable -n 5"))]
pub struct Arguments {
    /// The ref, or REPO:REF
    #[arg(value_name = "REF")]
    target: String,
    /// Only the newest N
    #[arg(short = 'n', long, value_name = "N")]
    number: Option<usize>,
    /// The repo; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, Serialize)]
struct Log {
    #[serde(rename = "ref")]
    target: RefName,
    releases: Vec<Release>,
}

#[derive(Debug, Serialize)]
struct Release {
    epoch: u64,
    seq: u64,
    time: Time,
    kind: ReleaseKind,
    builds: Vec<u64>,
    snapshot: SnapshotId,
    statement: StatementId,
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    retired: bool,
}

/// Lists the releases.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let most = arguments.number.unwrap_or(usize::MAX);
    let named = arguments.repo.as_ref();
    let (target, releases) = if let Some(server) = session.server()? {
        let (repo, target) = ref_of(&server, &arguments.target, named)?;
        let releases = server.releases(&repo, &target, most)?;
        (target, releases)
    } else {
        let store = session.read()?;
        let (repo, target) = named_ref(&store, &arguments.target, named)?;
        let reader = store.reader()?;
        if reader.find_ref(&repo, &target)?.is_none() {
            return Err(Error::not_found("ref", target));
        }
        let view = store.view(&repo.name, &[])?;
        let newest_first = reader.releases(&repo, &target)?.into_iter().rev();
        let releases = newest_first.take(most);
        let releases = releases.map(|row| ReleaseSaid::of(&view, row));
        let releases = releases.collect::<Result<_>>()?;
        (target, releases)
    };
    let releases = releases.into_iter().map(Release::from).collect();
    session.output.answer(&Log { target, releases })
}

impl From<ReleaseSaid> for Release {
    fn from(said: ReleaseSaid) -> Self {
        Self {
            epoch: said.epoch,
            seq: said.seq,
            time: said.time,
            kind: said.kind,
            builds: said.builds,
            snapshot: said.snapshot,
            statement: said.statement,
            note: said.note,
            tag: said.tag,
            retired: said.retired,
        }
    }
}

impl Release {
    /// What the release did, in words and colour.
    fn deed(&self, colours: Colours) -> String {
        let (name, tone) = match self.kind {
            ReleaseKind::Publish => ("publish", Tone::Good),
            ReleaseKind::Withdraw => ("withdraw", Tone::Changed),
            ReleaseKind::Rollback => ("rollback", Tone::Changed),
        };
        let builds: Vec<String> = self.builds.iter().map(u64::to_string).collect();
        let builds = (!builds.is_empty()).then(|| format!(" build {}", builds.join(", ")));
        let note = self
            .note
            .as_ref()
            .map(|note| format!(" ({})", printable(note)));
        let tag = self.tag.as_ref();
        let tag = tag.map(|tag| colours.paint(Tone::Strong, format!(" [tag {}]", printable(tag))));
        let retired = self.retired.then(|| colours.paint(Tone::Bad, " [retired]"));
        let rest: String = builds
            .into_iter()
            .chain(note)
            .chain(tag)
            .chain(retired)
            .collect();
        format!("{}{rest}", colours.paint(tone, name))
    }
}

impl Answer for Log {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        let name = |release: &Release| format!("{}@{}", self.target, release.seq);
        let width = self
            .releases
            .iter()
            .map(|release| name(release).len())
            .max();
        let width = width.unwrap_or(0);
        for release in &self.releases {
            let (name, short) = (name(release), release.snapshot.hash().short());
            let (time, deed) = (release.time, release.deed(colours));
            writeln!(out, "{name:width$}  {time}  {short}  {deed}")?;
        }
        Ok(())
    }
}
