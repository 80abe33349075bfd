//! Settings of mirrors: the tables `[[serve.mirror]]` of `bindery.toml`, each a repo that is copied while the store is served.
//!
//! # Not here
//!
//! What the texts mean (`server::mirroring`).

use std::path::PathBuf;

use serde::Deserialize;

/// Mirrors of one store.
const MIRRORS_MAX: usize = 256;
/// The longest that `every_seconds` may be: a week.
const EVERY_SECONDS_CEILING: u64 = 7 * 24 * 60 * 60;

/// A repo that is copied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorSettings {
    /// The URL of the repo, with `/r/`.
    pub url: String,
    /// Other places that have the same, tried in this order if the first will not do.
    #[serde(default)]
    pub others: Vec<String>,
    /// The refs that are followed: names, or patterns such as `app/**`; all, if there are none.
    #[serde(default)]
    pub refs: Vec<String>,
    /// Seconds from one look to the next, more or less.
    #[serde(default = "default_every_seconds")]
    pub every_seconds: u64,
    /// The pin file by which the repo is known at first contact; from the store's folder on.
    #[serde(default)]
    pub pin: Option<PathBuf>,
    /// A PEM file with the authorities that are believed about who the servers are; from the store's folder on.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A file with a token for the server of `url`; from the store's folder on.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

const fn default_every_seconds() -> u64 {
    300
}

/// Whether mirrors can be kept; if not, why.
pub(super) fn check(mirrors: &[MirrorSettings]) -> Result<(), String> {
    if mirrors.len() > MIRRORS_MAX {
        let found = mirrors.len();
        return Err(format!(
            "there are {found} mirrors, more than {MIRRORS_MAX}"
        ));
    }
    for mirror in mirrors {
        let seconds = mirror.every_seconds;
        if !(1..=EVERY_SECONDS_CEILING).contains(&seconds) {
            return Err(format!(
                "every_seconds is {seconds}, and must be from 1 to {EVERY_SECONDS_CEILING}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_so_many_and_not_looked_at_all_the_time() -> Result<(), toml::de::Error> {
        let mirror: MirrorSettings = toml::from_str("url = \"https://example.org/r/os\"")?;
        assert_eq!((mirror.every_seconds, mirror.refs.len()), (300, 0));
        let with = |seconds| MirrorSettings {
            every_seconds: seconds,
            ..mirror.clone()
        };
        for (mirrors, is_good) in [
            (vec![with(1); MIRRORS_MAX], true),
            (vec![with(1); MIRRORS_MAX + 1], false),
            (vec![with(0)], false),
            (vec![with(EVERY_SECONDS_CEILING)], true),
            (vec![with(EVERY_SECONDS_CEILING + 1)], false),
        ] {
            assert_eq!(check(&mirrors).is_ok(), is_good, "{}", mirrors.len());
        }
        Ok(())
    }
}
