//! Golden patches: what is kept for a fixed pair of releases, by its hash.
//!
//! Servers hand out what they kept, so what is kept under a name must be what would be made today. Whoever changes the
//! encoder, or the choice of bases, raises [`MAKER_VERSION`] and stores what is made from now on:
//!
//! ```text
//! STORE_KEPT_PATCHES=1 cargo test --lib -- what_is_kept_under_a_name
//! ```
//!
//! # Not here
//!
//! Patches that appliers must take for ever (`object::golden`).

use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::base::progress::Silent;
use crate::build::sandbox::{AnyError, Sandbox};
use crate::delta::make::{MakeOptions, make};
use crate::object::patch::tests::made::{noise, object_file, program};

type Outcome = Result<(), AnyError>;

/// What was kept, as [`what_is_kept`] says it.
const STORED: &str = include_str!("../../../tests/data/kept-patches.txt");
/// What to do about other patches.
const ADVICE: &str = "other patches are made: raise MAKER_VERSION in src/delta/memo.rs, then store them with \
                      'STORE_KEPT_PATCHES=1 cargo test --lib -- what_is_kept_under_a_name'";
/// If it is set, what is kept is stored instead of compared.
const STORE_VARIABLE: &str = "STORE_KEPT_PATCHES";

/// The versions that names in the memo tell apart.
fn versions() -> String {
    let zstd = compressor_version();
    format!("maker {MAKER_VERSION} patch {PATCH_VERSION} zstd {zstd}\n")
}

/// Lines, some of which change from round to round.
fn text(round: usize) -> Vec<u8> {
    let line = |line: usize| match line % 97 {
        0 => format!("line {line}, changed in round {round}\n"),
        _ => format!("line {line}, {}\n", line * line * 7919),
    };
    (0..3000).map(line).collect::<String>().into_bytes()
}

fn gzip(plain: &[u8]) -> Result<Vec<u8>, AnyError> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(plain)?;
    Ok(out.finish()?)
}

/// A release with a file of every sort that the encoder treats in its own way.
fn files(round: usize) -> Result<Vec<(&'static str, Vec<u8>)>, AnyError> {
    let (seed, count) = (round as u64, 400 + 20 * round);
    let inserted = [&noise(1, 90_000)[..], &text(round), &noise(2, 50_000)].concat();
    let program_name = if round == 1 {
        "lib/tool-1.0"
    } else {
        "lib/tool-1.1"
    };
    Ok(vec![
        ("archive.gz", gzip(&text(round))?),
        ("large-archive.gz", gzip(&inserted)?),
        (program_name, program(seed, 8 * count)),
        ("module.ko", object_file(seed, count)),
        ("small-program", program(seed, count)),
        ("noise", inserted),
        ("text/a", text(round)),
        ("text/b", [b"b", &text(round)[..4000]].concat()),
    ])
}

/// What a store keeps after the deltas between two releases were made, quickly and thoroughly.
fn what_is_kept() -> Result<String, AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    for round in [1, 2] {
        let files = files(round)?;
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, file)| (*name, &file[..]))
            .collect();
        sandbox.replace("main", "stable", &files)?;
    }
    let store = sandbox.store()?;
    let reader = store.reader()?;
    let releases = reader.releases(&reader.repo(&"main".parse()?)?, &"stable".parse()?)?;
    let [from, to] = &releases[..] else {
        return Err("two releases".into());
    };
    let mut text = versions();
    for effort in [Effort::Quick, Effort::Thorough] {
        let before = kept(store)?;
        let options = MakeOptions {
            effort,
            ..MakeOptions::default()
        };
        let view = store.view(&"main".parse()?, &[])?;
        let (from, to) = (Some(from.snapshot), to.snapshot);
        make(&view, from, to, &options, &mut Vec::new(), &Silent)?;
        for (bytes, hash) in kept(store)?.iter().filter(|one| !before.contains(one)) {
            text.extend([format!("{effort:?} {bytes} {hash}\n")]);
        }
    }
    Ok(text)
}

/// The bytes and hash of everything that is kept, sorted.
fn kept(store: &Store) -> Result<Vec<(usize, Hash)>, AnyError> {
    let mut kept = Vec::new();
    for file in store.disk().list(Path::new(layout::CACHE))? {
        if file.name.starts_with(layout::PATCH_CACHE_PREFIX) {
            let bytes = std::fs::read(store.root().join(layout::CACHE).join(&file.name))?;
            kept.push((bytes.len(), Hash::of(&bytes)));
        }
    }
    kept.sort_by_key(|(bytes, hash)| (*bytes, *hash.as_bytes()));
    Ok(kept)
}

#[test]
fn what_is_kept_under_a_name_stays_the_same() -> Outcome {
    let found = what_is_kept()?;
    assert!(
        found.lines().count() > 6,
        "it keeps patches of every sort: {found}"
    );
    if std::env::var_os(STORE_VARIABLE).is_some() {
        return store(&found);
    }
    assert!(
        found == STORED,
        "{ADVICE}\nstored:\n{STORED}\nmade:\n{found}"
    );
    Ok(())
}

/// Stores what is kept from now on. Other patches need another version.
fn store(found: &str) -> Outcome {
    if found != STORED && STORED.starts_with(&versions()) {
        return Err("other patches under the same versions: raise MAKER_VERSION first".into());
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/kept-patches.txt");
    Ok(std::fs::write(file, found)?)
}
