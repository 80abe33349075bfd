//! A spool: what comes through a pipe, kept where it can be read from any place in it.
//!
//! # Invariants
//!
//! - The file has no name any more before the first byte is in it, so nothing is left of it however the process ends.
//! - It never holds more than one byte above the limit.
//!
//! # Not here
//!
//! Files that have a name and a length (`disk::files`).

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::files::Mapping;
use super::real::map_file;
use super::scratch::Scratch;
use crate::base::error::check_limit;
use crate::base::{Error, Result};

/// Takes all that `input` gives, up to `bytes_max` bytes, and shows it. `name` is that of the input in messages; the bytes lie
/// in `folder` meanwhile.
///
/// # Errors
///
/// [`Error::Limit`] if there is more, [`Error::Io`] if the input cannot be read, or the folder not written to. Nothing is left
/// in it then.
pub fn spool(input: impl Read, bytes_max: u64, name: &Path, folder: &Path) -> Result<Mapping> {
    let (mut file, place) = nameless(folder)?;
    let mut input = input.take(bytes_max.saturating_add(1));
    let bytes = io::copy(&mut input, &mut file).map_err(Error::io("read", name))?;
    check_limit("what comes through a pipe, in bytes,", bytes, bytes_max)?;
    map_file(&file).map_err(Error::io("map", &place))
}

/// Takes all that a pipe or device gives, as [`spool`] does.
///
/// # Errors
///
/// As [`spool`].
pub fn spool_file(file: &Path, bytes_max: u64, folder: &Path) -> Result<Mapping> {
    let input = File::open(file).map_err(Error::io("open", file))?;
    spool(input, bytes_max, file, folder)
}

/// A new file in `folder` without a name, and the name that it had.
fn nameless(folder: &Path) -> Result<(File, PathBuf)> {
    let prefix = format!("bindery-{}", std::process::id());
    let scratch = Scratch::create(folder, &prefix)?;
    let place = scratch.root().join("spool");
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true);
    let file = options.open(&place).map_err(Error::io("make", &place))?;
    scratch.remove()?;
    Ok((file, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn what_comes_is_shown_up_to_the_limit_and_leaves_nothing() -> Outcome {
        let folder = tempfile::tempdir()?;
        let name = Path::new("a pipe");
        for (input, bytes_max, fits) in [
            (&b""[..], 0, true),
            (b"1234", 5, true),
            (b"12345", 5, true),
            (b"123456", 5, false),
        ] {
            let spooled = spool(input, bytes_max, name, folder.path());
            assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
            match spooled {
                Ok(bytes) => assert!(fits && *bytes == *input),
                Err(error) => {
                    let found = input.len() as u64;
                    assert!(
                        !fits && matches!(error, Error::Limit { found: is, .. } if is == found)
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn an_input_that_fails_and_a_folder_that_is_missing_are_named() -> Outcome {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let folder = tempfile::tempdir()?;
        let refused = |input: &mut dyn Read, folder: &Path| {
            let refused = spool(input, 5, Path::new("a pipe"), folder);
            refused
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        let text = refused(&mut Broken, folder.path());
        assert!(text.starts_with("cannot read a pipe: "), "{text}");
        let text = refused(&mut &b"1"[..], &folder.path().join("none"));
        assert!(text.starts_with("cannot make the folder "), "{text}");
        Ok(())
    }
}
