//! Output: the one door to standard output and standard error.
//!
//! # Invariants
//!
//! - Standard output gets answers and nothing else: text for people, or one JSON document on one line that begins with
//!   `"schema":1`.
//! - Notes explain. They go to standard error, and are left out with `--quiet` and with `--json`.
//!
//! # Not here
//!
//! Errors (`failure`), progress bars (`progress`).

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use bindery::base::printable::printable_lines;
use bindery::base::{Error, Result};
use bindery::disk::destination::{Tally, write_named};
use serde::Serialize;

use crate::colour::Colours;
use crate::globals::Globals;

/// The version of all JSON documents.
pub const SCHEMA: u32 = 1;
/// The name of standard output in errors.
const STDOUT: &str = "standard output";
/// The names that standard output has on a command line.
const STDOUT_NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// What a command found or did, in both forms.
pub trait Answer: Serialize {
    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// What `out` answers.
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()>;
}

/// Where answers and notes go, and in which form.
#[derive(Clone, Debug)]
pub struct Output {
    /// The form of answers and errors.
    pub format: Format,
    /// Where notes go.
    pub notes: Notes,
    /// Whether answers have colours.
    pub answer_colours: Colours,
    /// Whether errors and notes have colours.
    pub error_colours: Colours,
    /// Whether progress bars may be drawn.
    pub bars: Bars,
}

/// The form of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Where notes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    /// To standard error.
    Beside,
    /// To standard output: the demo shows all that a user would see.
    Within,
    /// Nowhere.
    Off,
}

/// Whether progress bars may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// Work that takes long shows how far it is.
    Drawn,
    /// Nothing is drawn.
    Off,
}

#[derive(Serialize)]
struct Document<'a, T> {
    schema: u32,
    #[serde(flatten)]
    answer: &'a T,
}

impl Output {
    /// Decides what the options ask for.
    pub fn new(globals: &Globals) -> Self {
        let shown = !globals.quiet && !globals.json;
        let bars = shown && !globals.no_progress && io::stderr().is_terminal();
        Self {
            format: if globals.json {
                Format::Json
            } else {
                Format::Text
            },
            notes: if shown { Notes::Beside } else { Notes::Off },
            answer_colours: Colours::of(globals.color, &io::stdout()),
            error_colours: Colours::of(globals.color, &io::stderr()),
            bars: if bars { Bars::Drawn } else { Bars::Off },
        }
    }

    /// Prints an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if standard output cannot be written; see [`is_closed_pipe`].
    pub fn answer<T: Answer>(&self, answer: &T) -> Result<()> {
        print(|out| match self.format {
            Format::Text => answer.write_text(out, self.answer_colours),
            Format::Json => {
                let document = Document {
                    schema: SCHEMA,
                    answer,
                };
                serde_json::to_writer(&mut *out, &document)?;
                writeln!(out)
            }
        })
    }

    /// Explains something, if anybody wants to know.
    pub fn note(&self, note: impl Display) {
        match self.notes {
            // A note that cannot be written is not missed.
            Notes::Beside => {
                let note = printable_lines(&note.to_string());
                writeln!(io::stderr(), "{note}").ok()
            }
            // A story that is told of a store of its own: nobody else says anything in it, and it has colours.
            Notes::Within => writeln!(io::stdout(), "{note}").ok(),
            Notes::Off => None,
        };
    }
}

/// Writes to standard output.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be written.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out)
        .and_then(|()| out.flush())
        .map_err(Error::io("write", Path::new(STDOUT)))
}

/// Writes bytes to standard output as they are.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be written.
pub fn write_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Error::io("write", Path::new(STDOUT)))
}

/// Lets `write` write to standard output as it goes; gives its answer and how many bytes there were.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be written, and the errors of `write`.
pub fn stream<T>(write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(T, u64)> {
    let mut out = Tally::new(BufWriter::new(io::stdout().lock()));
    let outcome = write(&mut out);
    out.finish(Path::new(STDOUT), outcome)
}

/// Where a file went that a command makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the file that was named.
    File,
    /// To standard output, which has no room for an answer then.
    Stdout,
}

impl Output {
    /// Lets `write` write `what`, such as `a delta`, to the file that was named; to standard output if none was, or `-`. Gives
    /// its answer, how many bytes there were, and which of the two it was.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if that is a terminal, or standard output is to have a JSON document; [`Error::Io`] if it cannot be
    /// written; those of `write`.
    pub fn make_file<T>(
        &self,
        what: &str,
        file: Option<&Path>,
        write: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<(T, u64, Way)> {
        if let Some(file) = file.filter(|file| !is_stdout(file)) {
            let (outcome, bytes) = write_named(file, write)?;
            return Ok((outcome, bytes, Way::File));
        }
        if io::stdout().is_terminal() || self.format == Format::Json {
            return Err(Error::usage(format!(
                "{what} is no text: name a file with -o, or lead standard output somewhere"
            )));
        }
        let (outcome, bytes) = stream(write)?;
        Ok((outcome, bytes, Way::Stdout))
    }
}

/// Whether a file that was named is standard output: opened by name, it would mix with what is printed there.
fn is_stdout(file: &Path) -> bool {
    STDOUT_NAMES.iter().any(|name| file == Path::new(name))
}

/// Whether an error is that whoever read the output has gone: no failure of this program.
pub fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { path, source, .. }
        if path == Path::new(STDOUT) && source.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Number {
        build: u64,
    }

    #[test]
    fn a_document_begins_with_its_schema() -> serde_json::Result<()> {
        let document = Document {
            schema: SCHEMA,
            answer: &Number { build: 17 },
        };
        assert_eq!(
            serde_json::to_string(&document)?,
            r#"{"schema":1,"build":17}"#
        );
        Ok(())
    }

    #[test]
    fn only_a_pipe_that_was_read_from_ends_silently() {
        let error =
            |path: &str, kind: io::ErrorKind| Error::io("write", Path::new(path))(kind.into());
        assert!(is_closed_pipe(&error(STDOUT, io::ErrorKind::BrokenPipe)));
        assert!(!is_closed_pipe(&error(STDOUT, io::ErrorKind::StorageFull)));
        assert!(!is_closed_pipe(&error(
            "/a/pipe",
            io::ErrorKind::BrokenPipe
        )));
    }
}
