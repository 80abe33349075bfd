//! What people type to name a snapshot, and the files that staging and checking out leave for the next time.

use bindery::base::id::Hash;
use bindery::build::checkout::respell_marker;
use bindery::build::spec::{Spec, Which};
use bindery::build::stage::{believe_stat_cache, respell_stat_cache};
use bindery::disk::stat::{FileKind, Stat};
use bindery::disk::walk::{SourceContent, SourceDir, SourceEntry};

use crate::Verdict;

/// Files of the directory that a stat cache is believed about.
const FILES: usize = 5;

/// A SPEC. It has several spellings, which must mean the same.
#[must_use]
pub fn spec(data: &[u8]) -> Verdict {
    Verdict::of_meaning(data, str::parse::<Spec>, |spec| match spec {
        Spec::Build(id) => format!("build:{id}"),
        Spec::Ref { repo, name, which } => {
            let repo = repo
                .as_ref()
                .map_or(String::new(), |repo| format!("{repo}:"));
            match which {
                Which::Newest => format!("{repo}{name}"),
                Which::Seq(seq) => format!("{repo}{name}@{seq}"),
                Which::Back(back) => format!("{repo}{name}~{back}"),
            }
        }
    })
}

/// The marker of a checkout, without the hash at its end: that is put on, so that changes get past it.
#[must_use]
pub fn checkout_marker(data: &[u8]) -> Verdict {
    let sealed = seal(data);
    Verdict::of(&sealed, respell_marker(&sealed), Clone::clone)
}

/// A stat cache, likewise; and what is believed of it about a directory that does not change.
#[must_use]
pub fn stat_cache(data: &[u8]) -> Verdict {
    let sealed = seal(data);
    // A cache may end, for this directory, before something that cannot be read.
    believe_stat_cache(&sealed, &directory(), &mut [None; FILES]).ok();
    Verdict::of(&sealed, respell_stat_cache(&sealed), Clone::clone)
}

/// `data` with its hash behind it.
fn seal(data: &[u8]) -> Vec<u8> {
    [data, Hash::of(data).as_bytes()].concat()
}

/// The files `a`, `b`, `d/a`, `d/e/a` and `f/a`.
fn directory() -> SourceDir {
    let dir = |files: &[&str], dirs: Vec<(&str, SourceDir)>| SourceDir {
        files: files.iter().map(|name| file(name)).collect(),
        dirs: dirs
            .into_iter()
            .map(|(name, dir)| (parse(name), dir))
            .collect(),
    };
    let e = dir(&["a"], Vec::new());
    let d = dir(&["a"], vec![("e", e)]);
    let f = dir(&["a"], Vec::new());
    dir(&["a", "b"], vec![("d", d), ("f", f)])
}

fn file(name: &str) -> SourceEntry {
    SourceEntry {
        name: parse(name),
        content: SourceContent::File(Stat {
            size: 1,
            mtime_ns: 1,
            ctime_ns: 1,
            inode: 1,
            device: 1,
            mode: 0o644,
            kind: FileKind::Regular,
        }),
    }
}

fn parse(name: &str) -> bindery::base::name::EntryName {
    name.parse().expect("because the names are legal")
}
