//! Ranges: which part of a file an answer has.

/// Which bytes an answer says that it has, as in `bytes 5-9/10`.
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) whole_bytes: Option<u64>,
}

impl Range {
    pub(super) fn parse(range: &str) -> Option<Self> {
        let (start, rest) = range.strip_prefix("bytes ")?.split_once('-')?;
        let (_, whole) = rest.split_once('/')?;
        Some(Self {
            start: start.parse().ok()?,
            whole_bytes: whole.parse().ok(),
        })
    }
}
