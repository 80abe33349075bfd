//! Room: what the system has left for a process, of its file systems and of files open at a time.

use std::path::Path;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::base::{Error, Result};

/// How many bytes are free, for users that are not root, in the file system of `path`.
///
/// # Errors
///
/// [`Error::Io`] if the system does not say.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let facts = rustix::fs::statvfs(path);
    let facts = facts.map_err(|error| Error::io("measure", path)(error.into()))?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// Lets the process have as many files open as it may; returns how many that is, none if there is no bound.
///
/// # Errors
///
/// [`Error::Io`] if the system does not allow it.
pub fn raise_open_files() -> Result<Option<u64>> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, limit);
    raised
        .map_err(|error| Error::io("raise the limit of", Path::new("open files"))(error.into()))?;
    Ok(limit.current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_has_room_and_what_is_not_there_has_none() -> Result<()> {
        assert!(free_bytes(Path::new("/"))? < u64::MAX);
        assert!(free_bytes(Path::new("/nothing/of/this/name")).is_err());
        Ok(())
    }

    #[test]
    fn as_many_files_can_be_open_as_is_allowed() -> Result<()> {
        let allowed = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_open_files()?, allowed);
        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
        Ok(())
    }
}
