//! Which store a command means.
//!
//! In this order: `--store`; the variable `BINDERY_STORE`; the nearest folder `.bindery` in the current directory or above
//! it; the user's own store, `$XDG_DATA_HOME/bindery` or `~/.local/share/bindery`.
//!
//! # Invariants
//!
//! - A *file* `.bindery` marks a checkout; it is never taken for a store.

use std::path::{Path, PathBuf};

use bindery::base::{Error, Result};

/// The folder of a store that belongs to the directory it lies in.
pub const STORE_FOLDER: &str = ".bindery";

/// What a process finds around itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The directory it runs in.
    pub directory: PathBuf,
    /// `BINDERY_STORE`, if set.
    pub store: Option<PathBuf>,
    /// The folder for the data of the user, if there is one.
    pub data: Option<PathBuf>,
    /// Whether the variables that name servers and tokens are none of the command's, such as in the demo.
    pub is_apart: bool,
}

/// Why a store was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was named by `--store`.
    Option,
    /// It was named by `BINDERY_STORE`.
    Variable,
    /// It lies in the current directory, or above it.
    Upwards,
    /// It is the user's own.
    Home,
}

impl Origin {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Option => "named by --store",
            Self::Variable => "named by BINDERY_STORE",
            Self::Upwards => "the nearest .bindery folder upwards",
            Self::Home => "the user's own",
        }
    }
}

impl Surroundings {
    /// Looks around in the process.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the current directory is gone.
    pub fn of_process() -> Result<Self> {
        let directory = std::env::current_dir()
            .map_err(Error::io("find", Path::new("the current directory")))?;
        let variable = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        // The XDG base directory specification: a path that is not absolute is ignored.
        let data = variable("XDG_DATA_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(variable("HOME")?.join(".local/share")));
        Ok(Self {
            directory,
            store: variable("BINDERY_STORE"),
            data,
            is_apart: false,
        })
    }

    /// The store that was named, by the option or by the variable.
    pub fn named(&self, option: Option<&Path>) -> Option<(PathBuf, Origin)> {
        let option = option.map(|path| (path, Origin::Option));
        let variable = self.store.as_deref().map(|path| (path, Origin::Variable));
        let (path, origin) = option.or(variable)?;
        Some((self.directory.join(path), origin))
    }

    /// The store that a command means.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if none is named, none is upwards, and the user has no folder for data.
    pub fn find(&self, option: Option<&Path>) -> Result<(PathBuf, Origin)> {
        let home = || Some((self.data.as_ref()?.join("bindery"), Origin::Home));
        self.named(option)
            .or_else(|| self.upwards())
            .or_else(home)
            .ok_or_else(|| Error::not_found("store in", self.directory.display()))
    }

    /// The store that a path names: its folder, or a directory that has one.
    pub fn store_at(&self, path: &Path) -> PathBuf {
        let place = self.directory.join(path);
        let within = place.join(STORE_FOLDER);
        if within.is_dir() { within } else { place }
    }

    fn upwards(&self) -> Option<(PathBuf, Origin)> {
        let mut folders = self
            .directory
            .ancestors()
            .map(|above| above.join(STORE_FOLDER));
        let found = folders.find(|folder| folder.is_dir())?;
        Some((found, Origin::Upwards))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn the_nearest_reason_decides() -> Outcome {
        let top = tempfile::tempdir()?;
        let (inner, checkout) = (top.path().join("a/b"), top.path().join("a/checkout"));
        std::fs::create_dir_all(&inner)?;
        std::fs::create_dir_all(&checkout)?;
        std::fs::create_dir(top.path().join(STORE_FOLDER))?;
        std::fs::write(checkout.join(STORE_FOLDER), b"marks a checkout")?;
        let at = |directory: &Path, store: Option<&str>| Surroundings {
            is_apart: false,
            directory: directory.to_owned(),
            store: store.map(PathBuf::from),
            data: Some("/data".into()),
        };
        let above = (top.path().join(STORE_FOLDER), Origin::Upwards);
        for (surroundings, option, expected, reason) in [
            (
                at(&inner, Some("/v")),
                Some("/o"),
                (PathBuf::from("/o"), Origin::Option),
                "the option comes first",
            ),
            (
                at(&inner, Some("/v")),
                None,
                (PathBuf::from("/v"), Origin::Variable),
                "then the variable",
            ),
            (
                at(&inner, None),
                Some("o"),
                (inner.join("o"), Origin::Option),
                "a name is relative to the current directory",
            ),
            (
                at(&inner, None),
                None,
                above.clone(),
                "then the nearest upwards",
            ),
            (
                at(top.path(), None),
                None,
                above.clone(),
                "which can be here",
            ),
            (at(&checkout, None), None, above, "a marker is no store"),
            (
                at(Path::new("/nowhere"), None),
                None,
                (PathBuf::from("/data/bindery"), Origin::Home),
                "then the user's own",
            ),
        ] {
            assert_eq!(
                surroundings.find(option.map(Path::new))?,
                expected,
                "{reason}"
            );
        }
        Ok(())
    }

    #[test]
    fn without_a_home_there_is_no_store() {
        let surroundings = Surroundings {
            directory: "/nowhere".into(),
            ..Surroundings::default()
        };
        assert!(matches!(
            surroundings.find(None),
            Err(Error::NotFound { .. })
        ));
    }
}
