//! Words: names, paths, hashes and times.

use bindery::base::clock::Time;
use bindery::base::id::Hash;
use bindery::base::name::{EntryName, RefName};
use bindery::base::path::TreePath;

use crate::Verdict;

/// A name in a tree.
#[must_use]
pub fn entry_name(data: &[u8]) -> Verdict {
    Verdict::of(data, EntryName::parse(data), |name| name.as_str().into())
}

/// A hash in hex digits.
#[must_use]
pub fn hash(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<Hash>, ToString::to_string)
}

/// A path in a tree. A leading or trailing slash is taken and dropped, so a path must only keep its own spelling.
#[must_use]
pub fn path(data: &[u8]) -> Verdict {
    let parsed = std::str::from_utf8(data).map(str::parse::<TreePath>);
    let Ok(Ok(path)) = parsed else {
        return Verdict::Refused;
    };
    let text = path.to_string();
    Verdict::of_text(text.as_bytes(), str::parse::<TreePath>, ToString::to_string)
}

/// The name of a ref.
#[must_use]
pub fn ref_name(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<RefName>, ToString::to_string)
}

/// A moment.
#[must_use]
pub fn time(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<Time>, ToString::to_string)
}
