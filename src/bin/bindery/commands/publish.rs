//! `bindery publish`: merge a committed build into a ref and move the ref.

use std::io::{self, Write};
use std::time::Duration;

use bindery::base::clock::Time;
use bindery::base::duration::parse_duration;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::RefName;
use bindery::base::{Error, Result};
use bindery::build::publish::{PublishAnswer, PublishOptions, Tested, publish};
use bindery::remote::wire::builds::{OnConflictSaid, Publish, Publishing};
use bindery::store::settings::OnConflict;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;
use crate::values::BuildId;

/// What `publish` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery publish 17"
    "bindery publish 17 --ref testing --require-tested"
    "bindery publish 17 --after 3h                   by a server, or the next run-jobs"
    "bindery publish 17 --at 2026-12-01T06:00:00Z --wait"
))]
pub struct Arguments {
    /// The build
    #[arg(value_name = "ID")]
    pub(super) build: BuildId,
    /// The ref; else the one that the build was made for
    #[arg(long = "ref", value_name = "REF")]
    target: Option<RefName>,
    /// Who wins where the ref changed the same paths; else as the settings of the store say
    #[arg(
        long,
        value_enum,
        value_name = "refuse|build|ref",
        hide_possible_values = true
    )]
    on_conflict: Option<Winner>,
    /// Publish it at this time, such as 2026-12-01T06:00:00Z; 'withdraw' takes that back
    #[arg(long, value_name = "TIME", conflicts_with = "after")]
    pub(super) at: Option<Time>,
    /// Publish it after so long, such as 3h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) after: Option<Duration>,
    /// Publish only the very tree that was tested: refuse if the ref has moved to another
    #[arg(long)]
    require_tested: bool,
    /// Wait until it is visible; what is not to be published later is waited for anyway
    #[arg(long)]
    pub(super) wait: bool,
}

impl Arguments {
    /// Whether the build is to be published at some time, and not at once.
    pub const fn is_for_later(&self) -> bool {
        self.at.is_some() || self.after.is_some()
    }
}

/// Who wins where both sides changed a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Winner {
    /// Nobody: the publish is refused.
    Refuse,
    /// The build.
    Build,
    /// The ref.
    Ref,
}

impl From<Winner> for OnConflict {
    fn from(winner: Winner) -> Self {
        match winner {
            Winner::Refuse => Self::Refuse,
            Winner::Build => Self::Build,
            Winner::Ref => Self::Ref,
        }
    }
}

/// A release that was made.
#[derive(Debug, Serialize)]
pub struct Released {
    #[serde(rename = "ref")]
    pub(super) target: RefName,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) snapshot: SnapshotId,
    pub(super) root: TreeId,
    pub(super) tested: bool,
    pub(super) builds: Vec<u64>,
}

impl From<PublishAnswer> for Released {
    fn from(answer: PublishAnswer) -> Self {
        Self {
            target: answer.target,
            epoch: answer.epoch,
            seq: answer.seq,
            snapshot: answer.snapshot.id,
            root: answer.root.id,
            tested: answer.tested,
            builds: answer.builds,
        }
    }
}

/// Publishes a build.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let build = arguments.build.0;
    let released = if let Some(server) = session.server()? {
        Released::visible(server.publish(build, &how(arguments))?)?
    } else {
        let store = session.write()?;
        let options = options(arguments);
        Released::from(publish(&store, build, &options, Time::now()?)?)
    };
    tell(session, build, &released)
}

/// Says what was published.
///
/// # Errors
///
/// What standard output answers.
pub(super) fn tell(session: &Session, build: u64, released: &Released) -> Result<()> {
    session.output.answer(released)?;
    let tested = if released.tested {
        "its tree is the one that was tested"
    } else {
        "the ref had moved on since its commit: its tree is merged with what came between"
    };
    let others: Vec<String> = released
        .builds
        .iter()
        .filter(|id| **id != build)
        .map(u64::to_string)
        .collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(" with {}", others.join(", "))
    };
    session
        .output
        .note(format_args!("published build {build}{others}; {tested}"));
    Ok(())
}

pub(super) fn options(arguments: &Arguments) -> PublishOptions {
    PublishOptions {
        target: arguments.target.clone(),
        on_conflict: arguments.on_conflict.map(OnConflict::from),
        tested: if arguments.require_tested {
            Tested::Required
        } else {
            Tested::Any
        },
        due: None,
    }
}

pub(super) fn how(arguments: &Arguments) -> Publish {
    Publish {
        target: arguments.target.clone(),
        on_conflict: arguments.on_conflict.map(|winner| match winner {
            Winner::Refuse => OnConflictSaid::Refuse,
            Winner::Build => OnConflictSaid::Build,
            Winner::Ref => OnConflictSaid::Ref,
        }),
        require_tested: arguments.require_tested,
    }
}

impl Released {
    /// What a server says of a release.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is not visible.
    pub fn visible(said: Publishing) -> Result<Self> {
        let snapshot = said.snapshot.filter(|_| said.visible);
        let snapshot = snapshot.ok_or_else(|| Error::malformed("answer", "it is not visible"))?;
        Ok(Self {
            target: said.target,
            epoch: said.epoch,
            seq: said.seq,
            snapshot: snapshot.id,
            root: snapshot.root.id,
            tested: said.tested,
            builds: said.builds,
        })
    }
}

impl Answer for Released {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}@{}", self.target, self.seq)
    }
}
