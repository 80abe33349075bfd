//! A problem that a check found, as it is printed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::store::fsck::Problem;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::quantity::counted;

/// One thing that is wrong with a store.
#[derive(Debug, Serialize)]
pub struct Trouble {
    what: String,
    place: String,
    detail: String,
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self {
            what: problem.what,
            place: problem.place,
            detail: problem.detail,
        }
    }
}

impl Trouble {
    /// Writes it for people, on one line.
    ///
    /// # Errors
    ///
    /// What `out` answers.
    pub fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        self.write_text_as(out, colours, Tone::Bad)
    }

    /// As [`write_text`](Self::write_text), for what is no trouble any more.
    ///
    /// # Errors
    ///
    /// What `out` answers.
    pub fn write_text_as(
        &self,
        out: &mut dyn Write,
        colours: Colours,
        tone: Tone,
    ) -> io::Result<()> {
        let what = colours.paint(tone, format_args!("{}:", printable(&self.what)));
        let (place, detail) = (printable(&self.place), printable(&self.detail));
        writeln!(out, "{what} {place}: {detail}")
    }
}

/// Fails if there are problems, which were printed already.
///
/// # Errors
///
/// [`Error::Untrusted`] with their number.
pub fn check_none(troubles: u64, store: &Path) -> Result<()> {
    if troubles == 0 {
        return Ok(());
    }
    // Without the slash that the path of a folder may end with.
    let store: PathBuf = store.components().collect();
    Err(Error::Untrusted {
        what: format!("the store {}", store.display()),
        reason: format!("{} found", counted(troubles, "problem")),
    })
}
