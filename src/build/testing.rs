//! A scene for tests: a store with a repo and an open build, beside a directory with files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Result;
use crate::base::clock::Time;
use crate::base::id::{Hash, Hasher, StatementId};
use crate::base::profile::Profile;
use crate::store::builds::NewBuild;
use crate::store::repos::NewRepo;
use crate::store::view::View;
use crate::store::{Patience, Store};

/// What a test of any floor returns.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A store with a repo `r` and an open build, in a folder of its own.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) build: u64,
    pub(crate) time: Time,
}

impl Scene {
    pub(crate) fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("source"))?;
        let patience = Patience {
            wait: Duration::ZERO,
            holder: "a test".to_owned(),
            tell: None,
        };
        let store = Store::create(&folder.path().join("store"), &patience)?;
        let time = Time::from_seconds(1_800_000_000)?;
        store.create_repo(&NewRepo {
            name: "r".parse()?,
            profile: Profile::Posix,
            key: "k".parse()?,
            repo_id: StatementId::new(Hash::of(b"keyset")),
            keyset_note: b"keyset".to_vec(),
            created: time,
        })?;
        let new = NewBuild {
            repo: "r".parse()?,
            target: None,
            labels: [].into(),
        };
        let build = store.create_build(new, None, time)?.id;
        Ok(Self {
            folder,
            store,
            build,
            time,
        })
    }

    /// A folder that is there only for this test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The real path of the directory with files.
    pub(crate) fn source(&self) -> PathBuf {
        let path = self.folder.path().join("source");
        fs::canonicalize(&path).unwrap_or(path)
    }

    /// Writes a file beneath the directory with files.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.source().join(path);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        fs::write(path, bytes)
    }

    /// What the build sees.
    pub(crate) fn view(&self) -> Result<View<'_>> {
        let repo = self.store.reader()?.build(self.build)?.repo;
        self.store.view(&repo, &[self.build])
    }

    /// The names of the pack files, sorted.
    pub(crate) fn packs(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for folder in fs::read_dir(self.folder.path().join("store/packs"))? {
            for file in fs::read_dir(folder?.path())? {
                names.push(file?.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Bytes without structure, the same every time: hashes of a counter.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let blocks = (0..bytes.div_ceil(32) as u64).flat_map(|block| {
        let mut hasher = Hasher::new();
        hasher.update(&block.to_le_bytes());
        *hasher.hash().as_bytes()
    });
    blocks.take(bytes).collect()
}
