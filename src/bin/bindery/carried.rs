//! Files that carry releases: deltas and bundles, as whoever types their names sees them.
//!
//! # Not here
//!
//! What is in them (`delta`, `remote::bundle`).

use std::env;
use std::io::{self, IsTerminal};
use std::path::Path;

use bindery::base::limits::PIPED_BYTES_MAX;
use bindery::base::{Error, Result};
use bindery::disk::files::{Disk, Mapping};
use bindery::disk::real::RealDisk;
use bindery::disk::spool::{spool, spool_file};

/// How a pack starts, which a delta is.
const PACK_START: &[u8] = b"bindery\0";
/// How a bundle starts.
const BUNDLE_START: &[u8] = b"bindery bundle ";
/// Ends the place of an object that is damaged in the file, and not in the store.
const IN_THE_FILE: &str = " of the delta";

/// What a file carries a release as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// What turns one snapshot into another.
    Delta,
    /// What a ref shows, with its proofs.
    Bundle,
}

impl Carried {
    const fn word(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Bundle => "bundle",
        }
    }

    /// Shows the bytes of a file that should be one; of standard input, if it is called `-`. What is no regular file is read to
    /// its end first.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it is a folder, or of the other sort: the message says what to do with that; [`Error::Io`] if it
    /// cannot be read; [`Error::Limit`] if more than [`PIPED_BYTES_MAX`] come through a pipe.
    pub fn open(self, file: &Path) -> Result<Mapping> {
        let shown = file.display();
        if file.is_dir() {
            let reason = format!("{shown} is a folder: name a {} in it", self.word());
            return Err(Error::usage(reason));
        }
        let bytes = self.read(file)?;
        let reason = match self {
            Self::Delta if bytes.starts_with(BUNDLE_START) => {
                format!("{shown} is a bundle: take it in with 'bindery bundle import {shown}'")
            }
            Self::Bundle if bytes.starts_with(PACK_START) => {
                format!("{shown} is a delta: make a build of it with 'bindery delta apply {shown}'")
            }
            Self::Delta | Self::Bundle => return Ok(bytes),
        };
        Err(Error::usage(reason))
    }

    fn read(self, file: &Path) -> Result<Mapping> {
        let folder = env::temp_dir();
        if file == Path::new("-") {
            let input = io::stdin();
            if input.is_terminal() {
                let reason = format!(
                    "standard input is a terminal: pipe a {} into it",
                    self.word()
                );
                return Err(Error::usage(reason));
            }
            let name = Path::new("standard input");
            return spool(input.lock(), PIPED_BYTES_MAX, name, &folder);
        }
        match file.metadata() {
            Ok(found) if !found.is_file() => spool_file(file, PIPED_BYTES_MAX, &folder),
            _ => RealDisk::new("").map(file),
        }
    }

    /// Names the file in an error that says that its bytes are not what they should be.
    pub fn named(self, file: &Path, error: Error) -> Error {
        let word = self.word();
        let file = file.display();
        match error {
            Error::Malformed { what, reason } if what == word => {
                Error::malformed(word, format!("{file}: {reason}"))
            }
            Error::Malformed { what, reason } => {
                Error::malformed(word, format!("{file}: {what}: {reason}"))
            }
            Error::Damaged {
                what,
                id,
                place,
                reason,
            } if place.ends_with(IN_THE_FILE) => {
                Error::malformed(word, format!("{file}: {what} {id} in {place}: {reason}"))
            }
            Error::Untrusted { what, reason } => Error::Untrusted {
                what: format!("{what} in {file}"),
                reason,
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use bindery::base::id::Hash;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_names_it_and_what_is_wrong_with_the_store_does_not() {
        let damaged = |place: &str| {
            Error::malformed("tree", "line 1").in_stored("tree", Hash::of(b"x"), place)
        };
        for (error, expected) in [
            (
                Error::malformed("delta", "short"),
                "malformed delta: a/b: short",
            ),
            (
                Error::malformed("pack", "short"),
                "malformed delta: a/b: pack: short",
            ),
            (
                damaged("frame 3 of the delta"),
                "malformed delta: a/b: tree",
            ),
            (damaged("packs/ab/cd"), "damaged tree"),
            (
                Error::Untrusted {
                    what: "note".to_owned(),
                    reason: "main".to_owned(),
                },
                "cannot trust note in a/b: main",
            ),
        ] {
            let named = Carried::Delta.named(Path::new("a/b"), error).to_string();
            assert!(named.starts_with(expected), "{named}");
        }
    }
}
