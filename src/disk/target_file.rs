//! One file of a checkout, from its making to its last byte.
//!
//! # Invariants
//!
//! - A file that was not finished is removed again: no name ever shows half of a file after a failure.
//! - A finished file has the time that its writer chose, so that whoever changes it later, however soon, gives it
//!   another one.
//!
//! # Not here
//!
//! Where it lies (`disk::target_dir`). Nothing is synced.

use std::fs::File;
use std::io::Write;

use rustix::fs::{Timespec, Timestamps, fstat, futimens};

use super::stat::Stat;
use super::target_dir::{FileMode, TargetDir};
use crate::base::Result;
use crate::base::name::EntryName;

/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// A file that is being written.
#[derive(Debug)]
#[must_use = "a file that is not finished is removed again"]
pub struct NewFile<'d> {
    directory: &'d TargetDir,
    name: &'d EntryName,
    file: File,
    is_finished: bool,
}

impl<'d> NewFile<'d> {
    /// Makes an empty file in `directory`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if the name is taken or it cannot be made.
    pub fn create(directory: &'d TargetDir, name: &'d EntryName, mode: FileMode) -> Result<Self> {
        Ok(Self {
            file: directory.create_file(name, mode)?,
            directory,
            name,
            is_finished: false,
        })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.directory.failed("write", self.name, error))
    }

    /// Ends the file, which gets the time `mtime_ns`, in nanoseconds since 1970, as that of its last change; says what
    /// the file system says of it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if it cannot be done; the file is removed then.
    pub fn finish(mut self, mtime_ns: i64) -> Result<Stat> {
        let time = Timespec {
            tv_sec: mtime_ns.div_euclid(SECOND_NS),
            tv_nsec: mtime_ns.rem_euclid(SECOND_NS),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let stat = futimens(&self.file, &times).and_then(|()| fstat(&self.file));
        let stat = stat.map_err(|errno| self.directory.failed("finish", self.name, errno))?;
        self.is_finished = true;
        Ok(Stat::from(&stat))
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // Whatever failed before says more than a failure to clean up; the next checkout writes the file again.
            self.directory.remove_file(self.name).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::Error;
    use crate::disk::checkout::Target;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_finished_file_is_as_it_was_said_to_be() -> Outcome {
        let folder = tempfile::tempdir()?;
        let target = Target::create(&folder.path().join("target"))?;
        let name = "file".parse()?;
        for mtime_ns in [0, 1, 1_500_000_000_123_456_789, -1] {
            let mut file = NewFile::create(target.top(), &name, FileMode::Executable)?;
            file.write(b"first, ")?;
            file.write(b"second")?;
            let stat = file.finish(mtime_ns)?;
            assert_eq!(target.top().stat(&name)?, Some(stat));
            assert_eq!((stat.mtime_ns, stat.size, stat.mode), (mtime_ns, 13, 0o755));
            let bytes = fs::read(folder.path().join("target/file"))?;
            assert_eq!(bytes, b"first, second");
            target.top().remove_file(&name)?;
        }
        Ok(())
    }

    #[test]
    fn a_file_that_is_not_finished_is_removed() -> Outcome {
        let folder = tempfile::tempdir()?;
        let target = Target::create(&folder.path().join("target"))?;
        let name = "file".parse()?;
        let mut file = NewFile::create(target.top(), &name, FileMode::Plain)?;
        file.write(b"half")?;
        let taken = NewFile::create(target.top(), &name, FileMode::Plain);
        assert!(matches!(
            taken,
            Err(Error::Io {
                action: "create",
                ..
            })
        ));
        assert!(target.top().stat(&name)?.is_some(), "it is not the other's");
        drop(file);
        assert_eq!(target.top().stat(&name)?, None);
        Ok(())
    }
}
