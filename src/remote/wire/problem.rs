//! Problems: what a request is answered with that could not be done (RFC 9457).
//!
//! # Not here
//!
//! Which status an error gives (`server::answer`), what a client makes of one (`remote::http`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::{ConflictPath, Kind};
use crate::base::{Error, Result};

/// The content type of a problem.
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// Bytes of a problem that a client reads.
pub const PROBLEM_BYTES_MAX: u64 = 1024 * 1024;

/// Why a request could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `about:blank`: the code says which kind it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The phrase of the status.
    pub title: String,
    /// The status.
    pub status: u16,
    /// The word for the kind of failure, as in the exit codes of the command line.
    pub code: String,
    /// What went wrong.
    pub detail: String,
    /// Paths that changed on both sides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathSaid>,
    /// Objects that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
}

/// A path that changed on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathSaid {
    /// The path.
    pub path: String,
    /// The build that changed it in the ref, if a build did.
    pub build: Option<u64>,
    /// The release that changed it.
    pub release: String,
}

impl Problem {
    /// What an error says to those who asked. Of faults of the server itself only the kind is told.
    #[must_use]
    pub fn of(error: &Error, status: u16, title: &str) -> Self {
        let (mut paths, mut objects) = (Vec::new(), Vec::new());
        match error {
            Error::Conflict { paths: changed, .. } => {
                paths.extend(changed.iter().map(PathSaid::from));
            }
            Error::Missing {
                objects: missing, ..
            } => objects.clone_from(missing),
            _ => {}
        }
        Self {
            kind: "about:blank".into(),
            title: title.into(),
            status,
            code: error.kind().word().into(),
            detail: error.to_string(),
            paths,
            objects,
        }
    }

    /// Reads a problem as it was sent.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::malformed("problem", error.to_string()))
    }

    /// The kind of failure that it tells, if it is a known one.
    #[must_use]
    pub fn failure(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == self.code)
    }
}

impl From<&ConflictPath> for PathSaid {
    fn from(path: &ConflictPath) -> Self {
        Self {
            path: path.path.to_string(),
            build: path.build,
            release: path.release.clone(),
        }
    }
}
