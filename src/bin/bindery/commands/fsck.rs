//! `bindery fsck`: check every pack and every row of the store.
//!
//! # Not here
//!
//! Making a new catalog (`reindex`), healing from another store (`repair`).

use std::io::{self, Write};

use bindery::base::Result;
use bindery::store::fsck::{Counts, FsckOptions, FsckReport};
use clap::Args;
use serde::Serialize;

use super::repair::Repaired;
use super::trouble::{Trouble, check_none};
use super::{reindex, repair};
use crate::colour::{Colours, Tone};
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

/// What `fsck` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery fsck"
    "bindery fsck --counts"
    "bindery fsck --repair /mnt/backup/store heal what is damaged, from another store"
    "bindery fsck --reindex                  when the catalog is lost or damaged"
))]
pub struct Arguments {
    /// Count again how often each object is used, and put right what is wrong
    #[arg(long, conflicts_with = "reindex")]
    counts: bool,
    /// Make a new catalog from what was published; builds that were not published do not come back
    #[arg(long)]
    reindex: bool,
    /// Heal what is damaged or missing with what the store in the folder FROM has, then check
    #[arg(long, value_name = "FROM", conflicts_with = "reindex")]
    repair: Option<String>,
}

#[derive(Debug, Serialize)]
struct Checked {
    packs: u64,
    objects: u64,
    bytes: u64,
    problems: Vec<Trouble>,
    repaired: Vec<String>,
    leaks: Vec<String>,
    strays: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<Repaired>,
}

/// Checks the store, after healing it if that is asked for, or makes its catalog anew.
///
/// # Errors
///
/// [`Error::Untrusted`](bindery::base::Error::Untrusted) if there are problems, which are printed; what the library
/// answers if it cannot be checked.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    if arguments.reindex {
        return reindex::run(session);
    }
    let from = arguments.repair.as_deref();
    let from = from.map(repair::parse_place).transpose()?;
    let counts = if arguments.counts {
        Counts::Recompute
    } else {
        Counts::Skip
    };
    let store = if arguments.counts || from.is_some() {
        session.write()?
    } else {
        session.read()?
    };
    let healed = from.map(|from| repair::heal(session, &store, &from));
    let healed = healed.transpose()?;
    let progress = session.progress("checking");
    let report = store.fsck(FsckOptions { counts }, &progress)?;
    drop(progress);
    let checked = Checked {
        repair: healed,
        ..Checked::from(report)
    };
    session.output.answer(&checked)?;
    check_none(checked.problems.len() as u64, &store.root())
}

impl From<FsckReport> for Checked {
    fn from(report: FsckReport) -> Self {
        Self {
            packs: report.packs,
            objects: report.objects,
            bytes: report.bytes,
            problems: report.problems.into_iter().map(Trouble::from).collect(),
            repaired: report.repaired,
            leaks: report.leaks,
            strays: report.strays,
            repair: None,
        }
    }
}

impl Answer for Checked {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        if let Some(healed) = &self.repair {
            healed.write_text(out, colours)?;
        }
        for problem in &self.problems {
            problem.write_text(out, colours)?;
        }
        for (heading, lines) in [
            ("repaired:", &self.repaired),
            ("leak:", &self.leaks),
            ("stray file:", &self.strays),
        ] {
            let heading = colours.paint(Tone::Changed, heading);
            let mut lines = lines.iter();
            lines.try_for_each(|line| writeln!(out, "{heading} {line}"))?;
        }
        let (packs, objects) = (counted(self.packs, "pack"), counted(self.objects, "object"));
        let problems = counted(self.problems.len() as u64, "problem");
        writeln!(
            out,
            "checked {packs}, {objects}, {}: {problems}",
            size(self.bytes)
        )
    }
}
