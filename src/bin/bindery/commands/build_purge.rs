//! `bindery build purge`: end a build and free what only it held.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::store::retire::Mode;
use bindery::store::rows::Receipt;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;
use crate::values::BuildId;

/// What stands beneath the help.
pub const EXAMPLES: &str = examples!("bindery build purge 17 --dry-run" "bindery build purge 17");

/// What `build purge` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
    /// Say what would be freed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What was freed, or would be.
#[derive(Debug, Serialize)]
pub struct Freed {
    /// Objects.
    pub objects: u64,
    /// Pack files.
    pub packs: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

impl Freed {
    /// What a receipt says.
    pub const fn new(receipt: Receipt, dry_run: DryRun) -> Self {
        Self {
            objects: receipt.objects,
            packs: receipt.packs,
            bytes: receipt.bytes,
            dry_run: matches!(dry_run, DryRun::Yes),
        }
    }
}

/// Whether something was done or only worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It was worked out.
    Yes,
    /// It was done.
    No,
}

impl From<bool> for DryRun {
    fn from(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

/// Purges a build, or says what that would free.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let (build, dry_run) = (arguments.build.0, DryRun::from(arguments.dry_run));
    if let Some(server) = session.server()? {
        let mode = match dry_run {
            DryRun::Yes => Mode::DryRun,
            DryRun::No => Mode::Apply,
        };
        let receipt = Receipt::from(server.purge(build, mode)?);
        return session.output.answer(&Freed::new(receipt, dry_run));
    }
    let receipt = match dry_run {
        DryRun::Yes => planned(session, build)?,
        DryRun::No => session.write()?.purge_build(build, Time::now()?)?,
    };
    session.output.answer(&Freed::new(receipt, dry_run))
}

fn planned(session: &Session, build: u64) -> Result<Receipt> {
    let planned = session.read()?.plan_purge(build)?;
    match planned {
        Some(receipt) => Ok(receipt),
        None => session.write()?.rehearse_purge(build, Time::now()?),
    }
}

impl Answer for Freed {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let (objects, packs) = (counted(self.objects, "object"), counted(self.packs, "pack"));
        let verb = if self.dry_run { "would free" } else { "freed" };
        writeln!(out, "{verb} {objects}, {packs}, {}", size(self.bytes))
    }
}
