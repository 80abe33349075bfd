//! Hints: what to do after an error.
//!
//! # Not here
//!
//! What went wrong: the error itself says it.

use std::io::ErrorKind;
use std::path::Path;

use bindery::base::unmet::Unmet;
use bindery::base::{Error, Kind};

use crate::session::is_serving;

/// What to do about a server that does not do what it was asked.
fn remote(kind: Kind, reason: &str) -> Option<String> {
    let words = match kind {
        Kind::NotAllowed => {
            "name a token with --token-file, $BINDERY_TOKEN_FILE or $BINDERY_TOKEN; 'bindery token inspect' shows what it allows"
        }
        Kind::NotFound => not_found_there(reason)?,
        Kind::Conflict => return held(reason),
        Kind::Integrity => DAMAGED_THERE,
        _ => return None,
    };
    Some(words.to_owned())
}

/// What is found on a server and looked for here by the same words.
const LISTED: [&str; 6] = ["build", "repo", "ref", "release", "snapshot", "path"];

/// What is asked of servers, seen where a repo's URL was taken for that of a server.
const API: &str = "/api/v1/";

/// What to do about what a server does not have, as far as its words tell what that is.
fn not_found_there(reason: &str) -> Option<&'static str> {
    let name = reason.strip_prefix("no ")?;
    if name.starts_with("repo ") && name.contains(API) {
        return Some(
            "name the URL of the server with --remote, without /r/, and the repo with --repo",
        );
    }
    let is_meant = |what: &&str| {
        name.strip_prefix(what)
            .is_some_and(|name| name.starts_with(' '))
    };
    LISTED
        .iter()
        .find(|what| is_meant(what))
        .and_then(|what| not_found(what))
}

/// What to do about damage on a server: what mends a store works on its own machine.
const DAMAGED_THERE: &str = "on the server, 'bindery job scrub' reads everything again, and 'bindery job verify' what was released; on its \
     machine, 'bindery fsck --repair FROM' heals it from another store";

/// What to do next, if anything can be said.
pub fn hint(error: &Error) -> Option<String> {
    let fixed = |text: &str| Some(text.to_owned());
    match error {
        Error::NotFound { what, name } => missing_start(name)
            .or_else(|| not_found(what))
            .and_then(fixed),
        Error::Exists { what, .. } => exists(what).and_then(fixed),
        Error::State { build, state, verb } => state_hint(*build, state, verb),
        Error::Conflict {
            verb,
            paths,
            target,
            ..
        } => {
            let release = paths
                .first()
                .map_or_else(|| target.to_string(), |path| path.release.clone());
            match *verb {
                "publish" => Some(format!(
                    "rebuild on {release}, or choose with --on-conflict build|ref"
                )),
                "withdraw" => fixed(
                    "later builds changed these paths: withdraw those first, or roll the ref back",
                ),
                _ => None,
            }
        }
        Error::Untested { current, .. } => Some(format!(
            "rebuild on {current} and test again, or publish without --require-tested"
        )),
        Error::Unchecked { build, unmet, .. } => Some(unchecked(*build, unmet)),
        Error::Ambiguous { .. } => fixed("give more digits"),
        Error::Missing { build, .. } => Some(format!(
            "stage the files again: bindery build stage {build} PATH"
        )),
        Error::Busy { holder, .. } => fixed(busy(holder)),
        Error::Damaged { place, .. } if is_url(place) => fixed(DAMAGED_THERE),
        Error::Damaged { .. } => fixed(
            "'bindery fsck' finds everything that is damaged; 'bindery fsck --repair FROM' heals it from another store",
        ),
        Error::NewerFormat { .. } => {
            fixed("use the version of bindery that wrote it, or a later one")
        }
        Error::Name { what, .. } if what.contains("ref") || what.contains("repo") => {
            fixed("use letters, digits, '-', '_', '.' and '+', with '/' between parts")
        }
        Error::Io { path, source, .. } => io_hint(path, source.kind()),
        Error::Malformed { what, .. } => malformed(what).and_then(fixed),
        Error::Catalog { .. } => fixed(NEW_CATALOG),
        Error::Refused { reason } => same_name(reason).or_else(|| held(reason)),
        Error::Untrusted { what, reason } => another_repo(what, reason).and_then(fixed),
        Error::Unreachable { place, reason } => fixed(unreachable(place, reason)),
        Error::Remote { kind, reason, .. } => remote(*kind, reason),
        Error::TooMany { .. }
        | Error::Usage { .. }
        | Error::Name { .. }
        | Error::Path { .. }
        | Error::Time(_)
        | Error::NotAllowed { .. }
        | Error::Contradiction { .. }
        | Error::Source { .. }
        | Error::Limit { .. }
        | Error::Settings { .. }
        | Error::Internal { .. }
        | Error::Jobs { .. }
        | Error::Interrupted => None,
    }
}

/// What to do about a store that somebody else holds.
fn busy(holder: &str) -> &'static str {
    if is_serving(holder) {
        "the store is served: say this to the server with --remote URL, or end it first"
    } else {
        "try again, or wait longer with --lock-wait, such as --lock-wait 10m"
    }
}

/// Whether a place is on a server.
fn is_url(place: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| place.starts_with(scheme))
}

/// What to do about checks that are in the way.
fn unchecked(build: u64, unmet: &Unmet) -> String {
    match (unmet.failed.first(), unmet.waiting.first()) {
        (None, Some(name)) => {
            format!("when it passed, say so with 'bindery build check {build} {name} --pass'")
        }
        _ => format!(
            "'bindery build show {build}' says why; start from it with 'bindery build create --from {build}', or check it again"
        ),
    }
}

/// What helps when the catalog cannot be used.
const NEW_CATALOG: &str = "if the catalog is lost or damaged, 'bindery fsck --reindex' makes a new one from what was published";

/// What to do about bytes that came from elsewhere.
fn malformed(what: &str) -> Option<&'static str> {
    let is_carried = matches!(what, "delta" | "bundle");
    is_carried.then_some("it may be cut short or damaged: fetch it again, or have it made again")
}

/// The name of the catalog in the folder of a store.
const CATALOG: &str = "catalog.redb";

fn io_hint(path: &Path, kind: ErrorKind) -> Option<String> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded if is_in_store(path) => Some(
            "make room, such as with 'bindery retire' or 'bindery build purge', and try again"
                .to_owned(),
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(format!(
            "make room where {} lies, or choose another place, and try again",
            path.display()
        )),
        ErrorKind::NotFound if path.file_name().is_some_and(|name| name == CATALOG) => {
            Some(NEW_CATALOG.to_owned())
        }
        ErrorKind::AddrInUse => {
            let words =
                "something listens there already: end that, or name another address with --listen";
            Some(words.to_owned())
        }
        ErrorKind::AddrNotAvailable => {
            let words = "name an address of this machine with --listen, such as 127.0.0.1:8417";
            Some(words.to_owned())
        }
        _ => None,
    }
}

/// Whether a file is one of a store: what is let go of there makes room for it.
fn is_in_store(path: &Path) -> bool {
    path.ancestors()
        .any(|folder| folder.join(CATALOG).is_file())
}

/// What to do if what a delta or bundle starts from is not here.
fn missing_start(name: &str) -> Option<&'static str> {
    let (_, carried) = name.split_once(", from which the ")?;
    Some(if carried.starts_with("delta") {
        "apply the delta that leads to it first, or take a full one, made with 'bindery delta make B'"
    } else {
        "take in first what leads to it, or take a full bundle, made without --from"
    })
}

/// What to do about a server that is not reached, as far as the words of those who tried tell.
fn unreachable(place: &str, reason: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["UnknownIssuer"]) {
        "name the authority that signed its certificate with --ca-file"
    } else if has(&["NotValidForName", "not valid for"]) {
        "use a name in the URL for which the server's certificate is"
    } else if has(&["invalid peer certificate", "Expired"]) {
        "have the server's certificate renewed, or check the clock of this machine"
    } else if has(&["InvalidContentType"]) {
        "no TLS is spoken there: begin the URL with http://, or use the port where it is"
    } else if place.starts_with("http://") && has(&["http parse fail", "protocol:"]) {
        "no HTTP in clear text is spoken there: if it is TLS, begin the URL with https://"
    } else {
        "check the address, and that a server listens there"
    }
}

/// What to do about a place that shows another repo than the one that is meant, which need not be a lie.
fn another_repo(what: &str, reason: &str) -> Option<&'static str> {
    let is_other = what.starts_with("keyset 1 from ") && reason.starts_with("its id is ");
    is_other.then_some(
        "it shows another repo than the one that is meant: compare its repo id with what its owners say, and keep a repo of the \
         same name in a store of its own",
    )
}

/// What to do about two repos of one name: neither of them lies.
fn same_name(reason: &str) -> Option<String> {
    let is_own = reason.contains("is this store's own: ");
    let is_other = reason.contains(" is the name of another repo here, ");
    let words = "keep it in a store of its own: 'bindery init --no-repo -s DIR', then the same command with -s DIR";
    (is_own || is_other).then(|| words.to_owned())
}

/// A ref that is held can be let go of.
fn held(reason: &str) -> Option<String> {
    let (name, _) = reason.split_once(" is held: ")?;
    // What comes before tells what failed by it.
    let name = name.rsplit(": ").next()?;
    let name = name
        .strip_prefix("build ")
        .map_or_else(|| name.to_owned(), |build| format!("build:{build}"));
    Some(format!("let it go with 'bindery release {name}'"))
}

fn not_found(what: &str) -> Option<&'static str> {
    Some(match what {
        "store at" | "store in" => "make one with 'bindery init', or name one with --store",
        "build" => "'bindery build list' shows the builds",
        "repo" => "'bindery repo list' shows the repos",
        "ref" => "'bindery refs' shows the refs",
        "published ref" => "'bindery refs' with --remote and its URL shows those of a server",
        "release" => "'bindery log REF' shows the releases",
        "snapshot" => "a snapshot is named by REF, REF@SEQ, REF~N, build:ID or 8 digits of its id",
        "path" => "'bindery ls SPEC' shows what is there",
        "key" => "'bindery key list' shows the keys; 'bindery key import FILE' brings one",
        _ => return None,
    })
}

fn exists(what: &str) -> Option<&'static str> {
    Some(match what {
        "store at" => "use it as it is, or name another folder with --store",
        "repo" => "'bindery repo list' shows the repos",
        "key" => "keys are never replaced: choose another name",
        _ => return None,
    })
}

fn state_hint(build: u64, state: &str, verb: &str) -> Option<String> {
    match (state.split(' ').next().unwrap_or_default(), verb) {
        ("open", _) => Some(format!("commit it first: bindery build commit {build}")),
        ("checking" | "ready" | "rejected", "stage into" | "commit" | "remove from") => {
            Some(format!(
                "a committed build never changes: start from it with 'bindery build create --from {build}'"
            ))
        }
        ("checking" | "ready" | "rejected", "withdraw") => Some(format!(
            "it is not published; end it with 'bindery build purge {build}'"
        )),
        ("publishing", _) => Some(format!(
            "'bindery publish {build}' goes on, 'bindery withdraw {build}' takes it back"
        )),
        ("published", "publish" | "stage into" | "commit" | "remove from") => Some(format!(
            "start a new build from it with 'bindery build create --from {build}'"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bindery::base::name::{CheckName, NameError};

    use super::*;

    fn check(error: &Error, expected: Option<&str>) {
        let found = hint(error);
        match expected {
            Some(part) => assert!(
                found.as_ref().is_some_and(|hint| hint.contains(part)),
                "{error}: {found:?}"
            ),
            None => assert_eq!(found, None, "{error}"),
        }
    }

    #[test]
    fn what_is_missing_can_be_listed_or_made() {
        for (what, part) in [
            ("store at", "bindery init"),
            ("build", "bindery build list"),
            ("repo", "bindery repo list"),
            ("ref", "bindery refs"),
            ("key", "bindery key list"),
        ] {
            check(&Error::not_found(what, "x"), Some(part));
        }
        check(&Error::not_found("moon", "x"), None);
    }

    #[test]
    fn another_repo_is_told_from_a_lie_about_one() {
        let untrusted = |what: &str, reason: &str| Error::Untrusted {
            what: what.into(),
            reason: reason.into(),
        };
        let other = untrusted("keyset 1 from http://host/r/main", "its id is 1, not 2");
        check(&other, Some("store of its own"));
        let own = "the repo main is this store's own: its releases are made here";
        check(&Error::refused(own), Some("bindery init --no-repo"));
        check(
            &untrusted("heads 2 from http://host/r/main", "it goes back"),
            None,
        );
    }

    #[test]
    fn a_wrong_state_names_the_step_between() {
        for (state, verb, part) in [
            ("open", "publish", Some("bindery build commit 17")),
            ("ready", "stage into", Some("--from 17")),
            ("checking", "commit", Some("--from 17")),
            ("rejected", "withdraw", Some("bindery build purge 17")),
            ("open", "report a check of", Some("bindery build commit 17")),
            ("published as stable@3", "publish", Some("--from 17")),
            ("publishing", "purge", Some("bindery withdraw 17")),
            ("purged", "publish", None),
        ] {
            let error = Error::State {
                build: 17,
                state: state.into(),
                verb,
            };
            check(&error, part);
        }
    }

    #[test]
    fn checks_that_are_in_the_way_are_reported_or_looked_into() -> Result<(), NameError> {
        let unchecked = |failed: &[&str], waiting: &[&str]| {
            let names = |names: &[&str]| {
                names
                    .iter()
                    .map(|name| name.parse::<CheckName>())
                    .collect::<Result<_, _>>()
            };
            let unmet = Unmet {
                failed: names(failed)?,
                waiting: names(waiting)?,
            };
            Ok::<_, NameError>(Error::Unchecked {
                build: 17,
                target: "stable".parse()?,
                unmet,
            })
        };
        let report = Some("bindery build check 17 a --pass");
        check(&unchecked(&[], &["a", "b"])?, report);
        check(&unchecked(&["b"], &["a"])?, Some("bindery build show 17"));
        Ok(())
    }

    #[test]
    fn a_store_that_is_busy_or_full_can_be_waited_for() {
        let busy = Error::Busy {
            what: "store",
            path: "/x".into(),
            holder: "process 1".into(),
            waited_s: 60,
        };
        check(&busy, Some("--lock-wait"));
        let served = Error::Busy {
            what: "store",
            path: "/x".into(),
            holder: "process 1 (bindery -s /x serve) since today".into(),
            waited_s: 60,
        };
        check(&served, Some("--remote URL"));
        let full =
            Error::io("write", std::path::Path::new("/x"))(std::io::ErrorKind::StorageFull.into());
        check(&full, Some("make room where /x lies"));
        let lost = Path::new("/x/.bindery/catalog.redb");
        check(
            &Error::io("open", lost)(ErrorKind::NotFound.into()),
            Some("--reindex"),
        );
        check(
            &Error::io("open", Path::new("/x"))(ErrorKind::NotFound.into()),
            None,
        );
        check(
            &Error::refused("stable is held: by us"),
            Some("bindery release stable"),
        );
        check(
            &Error::refused("build 9 is held: a look"),
            Some("bindery release build:9"),
        );
        check(
            &Error::refused("publishing failed: stable is held: by us"),
            Some("bindery release stable"),
        );
        check(&Error::internal("x"), None);
        let address = Error::io("listen at", Path::new("127.0.0.1:1"));
        check(&address(ErrorKind::AddrInUse.into()), Some("--listen"));
    }

    #[test]
    fn what_a_server_says_is_answered_as_on_this_machine() {
        let said = |kind, reason: &str| Error::Remote {
            place: "http://a".into(),
            reason: reason.into(),
            kind,
            details: Vec::new(),
        };
        for (kind, reason, part) in [
            (Kind::NotFound, "no ref nowhere", Some("bindery refs")),
            (Kind::NotFound, "no release stable@9", Some("bindery log")),
            (Kind::NotFound, "no build 9", Some("bindery build list")),
            (Kind::NotFound, "no reference", None),
            (Kind::NotFound, "no such page", None),
            (
                Kind::Conflict,
                "stable is held: by us",
                Some("bindery release stable"),
            ),
            (Kind::Integrity, "damaged pack", Some("bindery job scrub")),
            (Kind::Busy, "no ref x", None),
        ] {
            check(&said(kind, reason), part);
        }
        let damaged = |place: &str| Error::Damaged {
            what: "tree",
            id: bindery::base::id::Hash::of(b""),
            place: place.into(),
            reason: "it is not shown".into(),
        };
        check(&damaged("https://a/r/os"), Some("bindery job scrub"));
        check(&damaged("/packs/x"), Some("'bindery fsck' finds"));
    }

    #[test]
    fn who_does_not_reach_a_server_is_told_what_stands_between() {
        for (place, reason, part) in [
            (
                "https://a",
                "invalid peer certificate: UnknownIssuer",
                "--ca-file",
            ),
            (
                "https://a",
                "certificate not valid for name \"a\"",
                "a name",
            ),
            (
                "https://a",
                "corrupt message: InvalidContentType",
                "http://",
            ),
            ("http://a", "http parse fail: x", "https://"),
            ("http://a", "Connection refused", "listens there"),
        ] {
            let (place, reason) = (place.into(), reason.into());
            check(&Error::Unreachable { place, reason }, Some(part));
        }
    }
}
