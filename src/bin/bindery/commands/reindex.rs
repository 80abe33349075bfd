//! `bindery fsck --reindex`: a new catalog, from packs and notes alone.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::store::reindex::{ReindexReport, reindex};
use serde::Serialize;

use super::trouble::{Trouble, check_none};
use crate::colour::Colours;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

#[derive(Debug, Serialize)]
struct Restored {
    repos: u64,
    refs: u64,
    releases: u64,
    retired: u64,
    snapshots: u64,
    objects: u64,
    packs: u64,
    unowned_packs: u64,
    unowned_bytes: u64,
    old_catalog: Option<String>,
    forgotten: Vec<String>,
    problems: Vec<Trouble>,
}

/// Makes a new catalog.
///
/// # Errors
///
/// What the library answers; [`Error::Untrusted`](bindery::base::Error::Untrusted) if something did not come back.
pub fn run(session: &Session) -> Result<()> {
    let root = session.store_root()?;
    let restored = Restored::from(reindex(&root, &session.patience()?)?);
    session.output.answer(&restored)?;
    if let Some(name) = &restored.old_catalog {
        session
            .output
            .note(format_args!("the old catalog is kept as {name}"));
    }
    if restored.unowned_packs > 0 {
        let packs = counted(restored.unowned_packs, "pack");
        let bytes = size(restored.unowned_bytes);
        let reason = "nothing published needs them, as those of builds that were not published";
        session.output.note(format_args!(
            "moved {packs}, {bytes}, to the folder 'unowned': {reason}"
        ));
    }
    for what in &restored.forgotten {
        session
            .output
            .note(format_args!("did not come back: {what}"));
    }
    check_none(restored.problems.len() as u64, &root)
}

impl From<ReindexReport> for Restored {
    fn from(report: ReindexReport) -> Self {
        Self {
            repos: report.repos,
            refs: report.refs,
            releases: report.releases,
            retired: report.retired,
            snapshots: report.snapshots,
            objects: report.objects,
            packs: report.packs,
            unowned_packs: report.unowned_packs,
            unowned_bytes: report.unowned_bytes,
            old_catalog: report.old_catalog,
            forgotten: report.forgotten,
            problems: report.problems.into_iter().map(Trouble::from).collect(),
        }
    }
}

impl Answer for Restored {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for problem in &self.problems {
            problem.write_text(out, colours)?;
        }
        let published = [
            counted(self.repos, "repo"),
            counted(self.refs, "ref"),
            counted(self.releases, "release"),
            counted(self.snapshots, "snapshot"),
            counted(self.objects, "object"),
            counted(self.packs, "pack"),
        ];
        writeln!(out, "restored {}", published.join(", "))?;
        if self.retired > 0 {
            writeln!(out, "retired  {}", counted(self.retired, "release"))?;
        }
        Ok(())
    }
}
