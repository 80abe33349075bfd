//! Settings: the file `bindery.toml` of a store.
//!
//! # Invariants
//!
//! - A key that is not known is an error that names the nearest known one, so a slip of the pen never goes unnoticed.
//!
//! # Not here
//!
//! What belongs to one repo for good, such as its profile and keys: the catalog has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobSet};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::layout;
use super::serve_settings::ServeSettings;
use crate::base::duration::parse_duration;
use crate::base::limits::{GLOB_BYTES_MAX, POLICY_CHECKS_MAX};
use crate::base::name::{CheckName, RefName};
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::whole::read_small;

/// The format of the store that this program reads and writes.
pub const STORE_FORMAT: u64 = 1;

/// Bytes of `bindery.toml` that are read: far more than any real one.
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;

/// From how many of the last releases deltas are prepared, if nothing else is set.
pub const DELTAS_DEFAULT: u64 = 5;

/// What `init` writes.
pub const INITIAL: &str = "\
# Settings of this Bindery store.
format = 1

# Where the secret keys lie: beside this file, or an absolute path.
keys = \"keys\"

# Policies of refs. The first entry whose pattern matches a ref decides; `*` matches within a name, `**` across slashes.
# [[ref]]
# pattern = \"**\"
# on_conflict = \"refuse\"   # or \"build\" or \"ref\": who wins when both changed a path
# checks = [\"lint\"]        # what must pass before a build is published there; nothing if not set
# publish_after = \"3h\"     # so long after it is ready a build is published by itself; never if not set
# keep_last = 10           # releases that `retire` keeps of each ref
# keep_days = 30           # and all that are younger than this
# keep_tagged = true       # and all with a label `tag`; true if not set
# deltas = 5               # releases from which `run-jobs` prepares deltas to the newest; 0 for none
# delta_seconds = 600      # after so long no more of them is begun for one release

# How `serve` serves the store; its options go before this.
# [serve]
# listen = \"127.0.0.1:8417\"
# behind_proxy = false         # true if all requests come through a proxy that sets X-Forwarded-For
# tls_certificate = \"tls/chain.pem\"   # beside this file, or an absolute path; the server's own first
# tls_key = \"tls/key.pem\"
# urls = []                    # where others reach the server, such as \"https://example.org\"; for pin files
# anonymous = \"published\"      # or \"nothing\" or \"builds\": what is read without a token
# grace_seconds = 3600         # for so long, a path that a release lost leads to where it led; 0 for not at all
# [serve.limits]
# connections_max = 16384      # at a time; more wait
# head_seconds = 30            # until a request is said, and between two
# body_idle_seconds = 30       # in which something must come of a body, or go of an answer
# body_slow_start_seconds = 20 # for which a body is waited for, or an answer, however slow it is
# body_bytes_per_second_min = 1024     # after that, on average; 0 for as few as come or go
# event_streams_max = 1024     # streams of events at a time
# uploads_max = 32             # packs that arrive at a time
# requests_per_minute_per_token = 60000
# requests_per_minute_per_address = 60000   # without a token; 0 for as many as come, also above
# open_builds_per_token = 1000
# staged_bytes_per_build = 1099511627776
# free_bytes_min = 1073741824  # with less free in the file system, nothing is taken in

# A repo that is copied while the store is served; there may be several.
# [[serve.mirror]]
# url = \"https://example.org/r/os\"
# others = []                  # places that have the same, tried if the first will not do
# refs = []                    # such as \"app/**\"; all, if none is named
# every_seconds = 300          # from one look to the next, more or less
# pin = \"os.bindery\"          # beside this file: by what the repo is known at first
# token_file = \"os.token\"     # beside this file
# ca_file = \"ca.pem\"          # beside this file: who is believed about who the servers are, and nobody else
";

/// The settings of a store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    format: u64,
    #[serde(default = "default_keys")]
    keys: PathBuf,
    #[serde(default, rename = "ref")]
    refs: Vec<RefPolicy>,
    #[serde(default)]
    serve: ServeSettings,
}

fn default_keys() -> PathBuf {
    PathBuf::from("keys")
}

/// Who wins when a path changed both in a build and in its ref.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// Nobody: the publish is refused and the paths are listed.
    #[default]
    Refuse,
    /// The build.
    Build,
    /// The ref.
    Ref,
}

/// The policy of the refs that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefPolicy {
    pattern: String,
    /// Who wins when a path changed on both sides.
    #[serde(default)]
    pub on_conflict: OnConflict,
    /// The checks that a build must pass before it is published to the ref; at most [`POLICY_CHECKS_MAX`].
    #[serde(default, deserialize_with = "read_checks")]
    pub checks: BTreeSet<CheckName>,
    /// How long after it is ready a build is published by itself; it is not, if not set.
    #[serde(default, deserialize_with = "read_duration")]
    pub publish_after: Option<Duration>,
    /// How many of the last releases are kept; all, if not set.
    pub keep_last: Option<u64>,
    /// Releases younger than this many days are kept, too.
    pub keep_days: Option<u64>,
    /// Whether tagged releases are kept, too.
    #[serde(default = "default_keep_tagged")]
    pub keep_tagged: bool,
    /// From how many of the last releases deltas to the newest are prepared; [`DELTAS_DEFAULT`], if not set.
    pub deltas: Option<u64>,
    /// How many seconds may pass until no more delta is begun for one release; as many as it takes, if not set.
    pub delta_seconds: Option<u64>,
}

const fn default_keep_tagged() -> bool {
    true
}

/// Reads names of checks, none twice.
fn read_checks<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<CheckName>, D::Error> {
    let names = Vec::<CheckName>::deserialize(from)?;
    if names.len() > POLICY_CHECKS_MAX {
        let found = names.len();
        let reason = format!("there are {found} checks, the limit is {POLICY_CHECKS_MAX}");
        return Err(de::Error::custom(reason));
    }
    let mut checks = BTreeSet::new();
    for name in names {
        if let Some(name) = checks.replace(name) {
            return Err(de::Error::custom(format!(
                "the check {name} is named twice"
            )));
        }
    }
    Ok(checks)
}

/// Reads how long something takes, as people write it.
fn read_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).map(Some).map_err(de::Error::custom)
}

impl RefPolicy {
    fn unset() -> Self {
        Self {
            pattern: "**".into(),
            on_conflict: OnConflict::Refuse,
            checks: BTreeSet::new(),
            publish_after: None,
            keep_last: None,
            keep_days: None,
            keep_tagged: default_keep_tagged(),
            deltas: None,
            delta_seconds: None,
        }
    }
}

impl Settings {
    /// Reads the settings of the store on `disk`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no store, [`Error::NewerFormat`] if a later version wrote it, [`Error::Settings`]
    /// if the file is not legal.
    pub fn read(disk: &dyn Disk) -> Result<Self> {
        let path = Path::new(layout::SETTINGS);
        let bytes = read_small(disk, path, SETTINGS_BYTES_MAX).map_err(|error| {
            if error.is_file_not_found() {
                Error::not_found("store at", disk.place(Path::new("")).display())
            } else {
                error
            }
        })?;
        Self::parse(&bytes, &disk.place(path))
    }

    /// Reads the text of the file at `place`.
    ///
    /// # Errors
    ///
    /// [`Error::NewerFormat`] and [`Error::Settings`], as [`Self::read`].
    pub fn parse(bytes: &[u8], place: &Path) -> Result<Self> {
        let illegal = |reason: String| Error::Settings {
            path: place.to_owned(),
            reason,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| illegal(error.to_string()))?;
        // The format is read by itself first: a later format may well have keys that are not known here.
        let table: toml::Table =
            toml::from_str(text).map_err(|error| illegal(error.to_string()))?;
        match table
            .get("format")
            .and_then(toml::Value::as_integer)
            .map(u64::try_from)
        {
            Some(Ok(STORE_FORMAT)) => {}
            Some(Ok(found)) if found > STORE_FORMAT => {
                return Err(Error::NewerFormat {
                    path: place.to_owned(),
                    found,
                    supported: STORE_FORMAT,
                });
            }
            _ => {
                return Err(illegal(format!(
                    "expected a line 'format = {STORE_FORMAT}'"
                )));
            }
        }
        let settings: Self = toml::from_str(text)
            .map_err(|error| illegal(with_suggestion(error.to_string().trim_end())))?;
        for policy in &settings.refs {
            matcher(&policy.pattern).map_err(&illegal)?;
        }
        settings.serve.check().map_err(&illegal)?;
        Ok(settings)
    }

    /// How the store is served.
    #[must_use]
    pub const fn serve(&self) -> &ServeSettings {
        &self.serve
    }

    /// Where the secret keys lie; relative to the store's folder if not absolute.
    #[must_use]
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// The policy of a ref.
    #[must_use]
    pub fn policy(&self, name: &RefName) -> RefPolicy {
        let matches = |policy: &&RefPolicy| {
            matcher(&policy.pattern).is_ok_and(|globs| globs.is_match(name.as_str()))
        };
        self.refs
            .iter()
            .find(matches)
            .cloned()
            .unwrap_or_else(RefPolicy::unset)
    }
}

/// Reads a pattern of refs; what is wrong with it, in words. A set of one: a single glob panics if it is too much for
/// the engine that matches it.
fn matcher(pattern: &str) -> Result<GlobSet, String> {
    if pattern.len() > GLOB_BYTES_MAX {
        return Err(format!(
            "a pattern has {} bytes, the limit is {GLOB_BYTES_MAX}",
            pattern.len()
        ));
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.and_then(|glob| GlobSet::builder().add(glob).build())
        .map_err(|error| error.to_string())
}

/// Adds the nearest of the expected names to the message of an unknown key.
fn with_suggestion(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((unknown, known)) if message.contains("unknown field") => {
            // Of those that are equally near, one of which only the end is missing.
            let is_other = |name: &str| !name.starts_with(unknown);
            let distance = |name: &&&str| (edit_distance(unknown, name), is_other(name));
            let nearest = known.iter().min_by_key(distance);
            nearest.map_or_else(
                || message.to_owned(),
                |name| format!("{message}\ndid you mean `{name}`?"),
            )
        }
        _ => message.to_owned(),
    }
}

/// The Levenshtein distance: how many characters must be added, dropped or changed to turn `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::mutations;

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text.as_bytes(), Path::new("bindery.toml"))
    }

    #[test]
    fn the_initial_settings_are_legal_also_with_the_examples_switched_on() -> Result<()> {
        assert_eq!(parse(INITIAL)?.keys(), Path::new("keys"));
        // Examples are lines that begin with a table or a key; the others are words.
        let is_example = |line: &str| line.starts_with('[') || line.contains(" = ");
        let on: String = INITIAL
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(example) if is_example(example) => format!("{example}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(
            parse(&on)?.serve().limits,
            ServeSettings::default().limits,
            "the examples are the defaults"
        );
        let policy = parse(&on)?.policy(&"app/editor".parse().map_err(|_| Error::usage("name"))?);
        assert_eq!((policy.keep_last, policy.keep_days), (Some(10), Some(30)));
        assert!(policy.keep_tagged);
        let checks: Vec<&str> = policy.checks.iter().map(CheckName::as_str).collect();
        assert_eq!(checks, ["lint"]);
        assert_eq!(policy.publish_after, Some(Duration::from_secs(10_800)));
        assert_eq!((policy.deltas, policy.delta_seconds), (Some(5), Some(600)));
        Ok(())
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_one() {
        let error = parse("format = 1\nkey = \"x\"\n")
            .map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("did you mean `keys`?"), "{error}");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused_or_can_be_used() -> Result<()> {
        let good = "format = 1\n[[ref]]\npattern = \"{a,b}/**\"\nkeep_last = 10\n";
        let name = "a/b".parse().map_err(|_| Error::usage("name"))?;
        assert_eq!(parse(good)?.policy(&name).keep_last, Some(10));
        for bad in mutations(good.as_bytes()) {
            match Settings::parse(&bad, Path::new("bindery.toml")) {
                Ok(settings) => drop(settings.policy(&name)),
                Err(error) => assert!(matches!(
                    error,
                    Error::Settings { .. } | Error::NewerFormat { .. }
                )),
            }
        }
        Ok(())
    }

    #[test]
    fn checks_of_a_ref_are_names_each_once_and_not_too_many() -> Result<()> {
        let with = |checks: &str| {
            parse(&format!(
                "format = 1\n[[ref]]\npattern = \"**\"\nchecks = {checks}\n"
            ))
        };
        let many = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| format!("\"c{number}\"")).collect();
            format!("[{}]", names.join(", "))
        };
        let main = "main".parse().map_err(|_| Error::usage("name"))?;
        for (checks, expected) in [
            ("[]".into(), 0),
            (many(POLICY_CHECKS_MAX), POLICY_CHECKS_MAX),
        ] {
            assert_eq!(with(&checks)?.policy(&main).checks.len(), expected);
        }
        for (checks, part) in [
            (
                many(POLICY_CHECKS_MAX + 1),
                "there are 17 checks, the limit is 16",
            ),
            (
                "[\"lint\", \"lint\"]".into(),
                "the check lint is named twice",
            ),
            ("[\"two words\"]".into(), "name has a character other"),
            ("[\"\"]".into(), "name is empty"),
            ("\"lint\"".into(), "expected a sequence"),
        ] {
            let error = with(&checks).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(error.contains(part), "{checks}: {error}");
        }
        Ok(())
    }

    #[test]
    fn a_time_after_which_builds_are_published_is_a_duration() -> Result<()> {
        let with = |after: &str| {
            let text = format!("format = 1\n[[ref]]\npattern = \"**\"\npublish_after = {after}\n");
            let main = "main".parse().map_err(|_| Error::usage("name"))?;
            Ok::<_, Error>(parse(&text)?.policy(&main).publish_after)
        };
        assert_eq!(with("\"0s\"")?, Some(Duration::ZERO));
        assert_eq!(with("\"90m\"")?, Some(Duration::from_secs(5400)));
        for (after, part) in [
            ("\"\"", "a whole number with s, m, h or d"),
            ("\"3\"", "a whole number with s, m, h or d"),
            ("\"366d\"", "at most 365d"),
            ("3", "expected a string"),
        ] {
            let error = with(after).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(error.contains(part), "{after}: {error}");
        }
        Ok(())
    }

    #[test]
    fn a_later_format_is_told_apart_from_nonsense() {
        assert!(matches!(
            parse("format = 2\nshiny = true\n"),
            Err(Error::NewerFormat { found: 2, .. })
        ));
        for nonsense in [
            "",
            "format = 0",
            "format = \"1\"",
            "format = -1",
            "form at = 1",
        ] {
            assert!(
                matches!(parse(nonsense), Err(Error::Settings { .. })),
                "{nonsense}"
            );
        }
    }

    /// Such patterns were taken when the store was opened, and ended the program when a ref was published.
    #[test]
    fn a_pattern_that_cannot_be_matched_is_refused_when_it_is_read() {
        for (pattern, reason) in [
            ("{a,".repeat(300) + &"}".repeat(300), "braces too deep"),
            ("?".repeat(GLOB_BYTES_MAX + 1), "longer than any"),
            ("[".into(), "a class without an end"),
        ] {
            let text = format!("format = 1\n[[ref]]\npattern = \"{pattern}\"\n");
            let refused = parse(&text).map(|settings| "main".parse().map(|r| settings.policy(&r)));
            assert!(
                matches!(refused, Err(Error::Settings { .. })),
                "{reason}: {refused:?}"
            );
        }
    }

    #[test]
    fn the_first_pattern_that_matches_decides() -> Result<()> {
        let settings = parse(
            "format = 1\n[[ref]]\npattern = \"app/*\"\nkeep_last = 1\n[[ref]]\npattern = \"**\"\non_conflict = \"build\"\n",
        )?;
        let policy = |name: &str| {
            name.parse()
                .map(|name| settings.policy(&name))
                .map_err(|_| Error::usage("name"))
        };
        assert_eq!(policy("app/x")?.keep_last, Some(1));
        assert_eq!(
            policy("app/x/y")?.on_conflict,
            OnConflict::Build,
            "`*` stays within a name"
        );
        assert!(policy("app/x")?.keep_tagged, "unless it is said");
        Ok(())
    }
}
