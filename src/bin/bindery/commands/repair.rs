//! `bindery fsck --repair FROM`: heal the store with objects and notes of another one.
//!
//! # Not here
//!
//! The check that follows (`fsck`).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::{Error, Result};
use bindery::store::Store;
use bindery::store::repair::RepairReport;
use serde::Serialize;

use super::trouble::Trouble;
use crate::colour::{Colours, Tone};
use crate::quantity::{counted, size};
use crate::session::Session;

/// What a repair did.
#[derive(Debug, Serialize)]
pub struct Repaired {
    packs: u64,
    moved: u64,
    objects: u64,
    bytes: u64,
    notes: Vec<String>,
    healed: Vec<Trouble>,
    lost: Vec<Trouble>,
    kept: Vec<String>,
}

/// Where the other store is.
///
/// # Errors
///
/// [`Error::Usage`] if it is named by a URL.
pub fn parse_place(text: &str) -> Result<PathBuf> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some(scheme @ ("http" | "https")) => Err(Error::usage(format!(
            "{text}: a store cannot be healed over {scheme} yet; copy the other store to a folder, and name that"
        ))),
        _ => Ok(PathBuf::from(text)),
    }
}

/// Heals the store from the one in the folder `from`.
///
/// # Errors
///
/// As `Store::open_other` and `Store::repair`.
pub fn heal(session: &Session, store: &Store, from: &Path) -> Result<Repaired> {
    let other = store.open_other(from, &session.patience()?)?;
    let progress = session.progress("healing");
    Ok(Repaired::from(store.repair(&other, &progress)?))
}

impl From<RepairReport> for Repaired {
    fn from(report: RepairReport) -> Self {
        let troubles = |problems: Vec<_>| problems.into_iter().map(Trouble::from).collect();
        Self {
            packs: report.packs,
            moved: report.moved,
            objects: report.objects,
            bytes: report.bytes,
            notes: report.notes,
            healed: troubles(report.healed),
            lost: troubles(report.lost),
            kept: report.kept,
        }
    }
}

impl Repaired {
    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// What `out` answers.
    pub fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for healed in &self.healed {
            healed.write_text_as(out, colours, Tone::Changed)?;
        }
        let heading = colours.paint(Tone::Changed, "healed note:");
        for note in &self.notes {
            writeln!(out, "{heading} {note}")?;
        }
        for lost in &self.lost {
            lost.write_text(out, colours)?;
        }
        let heading = colours.paint(Tone::Bad, "kept damaged pack:");
        for pack in &self.kept {
            writeln!(out, "{heading} {pack}")?;
        }
        writeln!(
            out,
            "healed {} with {}, {}, of the other store; moved {}; wrote {}",
            counted(self.packs, "pack"),
            counted(self.objects, "object"),
            size(self.bytes),
            counted(self.moved, "object"),
            counted(self.notes.len() as u64, "note"),
        )
    }
}
