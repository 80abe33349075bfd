//! Names of refs in URLs of files: where the ref ends and the path begins.
//!
//! # Not here
//!
//! What the path leads to (`server::files`).

use crate::base::Result;
use crate::base::name::RefName;
use crate::store::reader::Reader;
use crate::store::rows::{RefRow, RepoRow};

/// The word that stands for the ref of a build that is meant for none; no ref can be called so.
pub const NO_REF: &str = "-";

/// A ref that the first names of a URL are.
#[derive(Clone, Debug)]
pub struct RefFound {
    /// Its row.
    pub row: RefRow,
    /// The release that is asked for, as the URL says it.
    pub seq: Option<String>,
    /// How many names it has.
    pub count: usize,
}

/// The ref that the first names are. No ref is the beginning of another, so the first that there is, is meant.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog) if it cannot be known.
pub fn ref_in(reader: &Reader<'_>, repo: &RepoRow, names: &[String]) -> Result<Option<RefFound>> {
    for count in 1..=names.len() {
        let (name, seq) = match names[count - 1].split_once('@') {
            Some((last, seq)) => {
                let mut parts = names[..count - 1].to_vec();
                parts.push(last.to_owned());
                (parts.join("/"), Some(seq.to_owned()))
            }
            None => (names[..count].join("/"), None),
        };
        let Ok(name) = name.parse::<RefName>() else {
            return Ok(None);
        };
        if let Some(row) = reader.find_ref(repo, &name)? {
            return Ok(Some(RefFound { row, seq, count }));
        }
    }
    Ok(None)
}
