//! Watching: everything in a folder with all that the file system says of it, so that any change shows.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A folder for hostile checkouts: what may be written lies in `work`, and nothing else may change.
#[derive(Debug)]
pub struct Arena {
    folder: tempfile::TempDir,
    before: BTreeMap<PathBuf, Facts>,
}

/// What a file system says of one thing. The time of the last change of these facts is among them, so nothing that was
/// touched and put back goes unnoticed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    inode: u64,
    mode: u32,
    links: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    content: Vec<u8>,
}

impl Arena {
    /// Makes the folder, with things beside `work` that hostile trees lead to.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let place = |path: &str| folder.path().join(path);
        for path in ["work", "outside/dir/deep", "outside/empty", "dir"] {
            fs::create_dir_all(place(path))?;
        }
        for path in [
            "file",
            "outside/file",
            "outside/dir/f0",
            "outside/dir/deep/f1",
            "dir/f0",
        ] {
            fs::write(place(path), path)?;
        }
        fs::set_permissions(place("outside/file"), fs::Permissions::from_mode(0o600))?;
        fs::set_permissions(place("outside/empty"), fs::Permissions::from_mode(0o700))?;
        symlink("dir", place("outside/link"))?;
        let before = look(folder.path())?;
        Ok(Self { folder, before })
    }

    /// Where things may be written.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A folder that must stay as it is.
    pub fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Expects everything but `work` to be as it was.
    pub fn expect_untouched(&self, after: &str) -> io::Result<()> {
        let found = look(self.folder.path())?;
        assert_eq!(found, self.before, "something outside was touched: {after}");
        Ok(())
    }
}

/// Everything beneath `top` but what is in `work`, and the top itself.
fn look(top: &Path) -> io::Result<BTreeMap<PathBuf, Facts>> {
    let mut found = BTreeMap::from([(PathBuf::new(), facts(top)?)]);
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(top.join(&folder))? {
            let path = folder.join(entry?.file_name());
            if path == Path::new("work") {
                continue;
            }
            let place = top.join(&path);
            if fs::symlink_metadata(&place)?.is_dir() {
                waiting.push(path.clone());
            }
            found.insert(path, facts(&place)?);
        }
    }
    Ok(found)
}

fn facts(place: &Path) -> io::Result<Facts> {
    let stat = fs::symlink_metadata(place)?;
    let content = if stat.is_symlink() {
        fs::read_link(place)?.into_os_string().into_encoded_bytes()
    } else if stat.is_file() {
        fs::read(place)?
    } else {
        Vec::new()
    };
    Ok(Facts {
        inode: stat.ino(),
        mode: stat.mode(),
        links: stat.nlink(),
        size: stat.size(),
        modified: (stat.mtime(), stat.mtime_nsec()),
        changed: (stat.ctime(), stat.ctime_nsec()),
        content,
    })
}
