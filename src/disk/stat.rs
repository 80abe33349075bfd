//! What the file system says about a user's file.
//!
//! # Not here
//!
//! The bytes (`disk::source`) and the names (`disk::entries`).

use rustix::fs::FileType;

/// Permission bits, without the bits of the kind.
const PERMISSIONS: u32 = 0o7777;
/// The permission of the owner to execute.
const OWNER_EXECUTES: u32 = 0o100;
/// The set-user-id and set-group-id bits.
const SET_IDS: u32 = 0o6000;
/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// What lies under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device: nothing that can be stored.
    Special,
}

impl From<FileType> for FileKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::Regular,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            _ => Self::Special,
        }
    }
}

/// The facts about a file by which a change is noticed. Two equal values mean: the same file, unchanged as far as the
/// file system's clock can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its length, in bytes.
    pub size: u64,
    /// When its bytes last changed, in nanoseconds since 1970; years past 2262 are the last moment of it.
    pub mtime_ns: i64,
    /// When it last changed in any way, likewise.
    pub ctime_ns: i64,
    /// Its number in its file system.
    pub inode: u64,
    /// Its file system.
    pub device: u64,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// What it is.
    pub kind: FileKind,
}

impl Stat {
    /// Whether its owner may execute it, which makes it an executable file in a tree.
    #[must_use]
    pub const fn is_executable(&self) -> bool {
        self.mode & OWNER_EXECUTES != 0
    }

    /// Whether it runs as its owner or group instead of who starts it, which no tree records.
    #[must_use]
    pub const fn has_set_id(&self) -> bool {
        self.mode & SET_IDS != 0
    }
}

impl From<&rustix::fs::Stat> for Stat {
    fn from(stat: &rustix::fs::Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            inode: stat.st_ino,
            device: stat.st_dev,
            mode: stat.st_mode & PERMISSIONS,
            kind: FileType::from_raw_mode(stat.st_mode).into(),
        }
    }
}

fn nanoseconds(seconds: i64, nanoseconds: u64) -> i64 {
    let rest = i64::try_from(nanoseconds).unwrap_or(SECOND_NS - 1);
    seconds.saturating_mul(SECOND_NS).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_the_nearest_moment_in_it() {
        for (seconds, rest, expected, reason) in [
            (0, 0, 0, "1970"),
            (1, 5, SECOND_NS + 5, "nanoseconds count"),
            (-1, 5, 5 - SECOND_NS, "before 1970"),
            (
                i64::MAX,
                0,
                i64::MAX,
                "what ext4 can write and 64 bits cannot",
            ),
            (i64::MIN, 0, i64::MIN, "a file system gone mad"),
        ] {
            assert_eq!(nanoseconds(seconds, rest), expected, "{reason}");
        }
    }
}
