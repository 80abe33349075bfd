//! Layout: where everything lies in the folder of a store.
//!
//! # Invariants
//!
//! - Every path is relative to the store's folder and made of names that cannot leave it.
//!
//! # Not here
//!
//! What the files hold: `docs/FORMAT.md`.

use std::path::{Path, PathBuf};

use crate::base::id::{Hash, PackId, SnapshotId, StatementId};
use crate::base::name::{KeyName, RepoName};
use crate::trust::token::id::BlockId;

/// The settings.
pub const SETTINGS: &str = "bindery.toml";
/// The catalog.
pub const CATALOG: &str = "catalog.redb";
/// The catalog that is being made anew, until it is whole.
pub const NEXT_CATALOG: &str = "catalog.redb.next";
/// The folder of packs that a new catalog has no use for: what builds held, and what is damaged.
pub const UNOWNED: &str = "unowned";
/// The folder of packs.
pub const PACKS: &str = "packs";
/// The folder of notes.
pub const REPOS: &str = "repos";
/// The folder of unfinished files; emptied when the store is opened.
pub const TMP: &str = "tmp";
/// The folder of what can be made again, such as the stat caches of staging.
pub const CACHE: &str = "cache";
/// The folder of deltas that lie ready; it is made with the first of them.
pub const DELTAS: &str = "deltas";
/// The folder of what is known of tokens; it is made with the first of them.
pub const TOKENS: &str = "tokens";
/// The file that names the file of the key of tokens, in the folder of keys.
pub const TOKEN_KEY_NAME: &str = "tokens/key";
/// The folder of revoked blocks of tokens.
pub const REVOKED: &str = "tokens/revoked";
/// A file that is there while a block is being revoked: see `store::tokens`.
pub const REVOKING: &str = "tmp/revoking";
/// The folder of the audit log; it is made with the first line.
pub const AUDIT: &str = "audit";
/// Ends the name of a part of the audit log.
pub const AUDIT_SUFFIX: &str = ".log";
/// Ends the name of a delta that lies ready.
pub const DELTA_SUFFIX: &str = ".pack";
/// The folders that every store has.
pub const FOLDERS: [&str; 4] = [PACKS, REPOS, TMP, CACHE];
/// A file that is there while packs may lie in their folder without a row, and while the names of folders of packs, or of
/// a new catalog or store, may not be durable: see `store::recovery`.
pub const LANDING: &str = "tmp/landing";

/// The file of a pack.
#[must_use]
pub fn pack(id: PackId) -> PathBuf {
    let name = id.to_string();
    Path::new(PACKS).join(&name[..2]).join(name)
}

/// An unfinished pack; `number` is the one it will have in the catalog.
#[must_use]
pub fn unfinished_pack(number: u64) -> PathBuf {
    Path::new(TMP).join(format!("{number}.pack"))
}

/// The folder of the deltas of a repo.
#[must_use]
pub fn deltas(repo: &RepoName) -> PathBuf {
    Path::new(DELTAS).join(repo.as_str())
}

/// The delta that leads to the snapshot `to` and starts from the snapshot `from`.
#[must_use]
pub fn delta(repo: &RepoName, to: SnapshotId, from: SnapshotId) -> PathBuf {
    deltas(repo).join(format!("{to}-{from}{DELTA_SUFFIX}"))
}

/// Such a delta until it is whole.
#[must_use]
pub fn unfinished_delta(to: SnapshotId, from: SnapshotId) -> PathBuf {
    Path::new(TMP).join(format!("{to}-{from}{DELTA_SUFFIX}"))
}

/// A patch that is being kept.
#[must_use]
pub fn unfinished_patch(key: Hash) -> PathBuf {
    Path::new(TMP).join(format!("{PATCH_CACHE_PREFIX}{key}"))
}

/// A patch that was made once, by its key.
#[must_use]
pub fn patch_cache(key: Hash) -> PathBuf {
    Path::new(CACHE).join(format!("{PATCH_CACHE_PREFIX}{key}"))
}

/// A file that is being received; `number` is taken from those of packs.
#[must_use]
pub fn download(number: u64) -> PathBuf {
    Path::new(TMP).join(format!("{number}.download"))
}

/// A pack that is on its way from an origin and kept should this process be killed; `name` begins with
/// [`ARRIVAL_PREFIX`].
#[must_use]
pub fn arrival(name: &str) -> PathBuf {
    Path::new(CACHE).join(name)
}

/// The folder of a repo's notes. Its own files lie in `trust/` beneath, so that names of repos may have slashes.
#[must_use]
pub fn trust(repo: &RepoName) -> PathBuf {
    Path::new(REPOS).join(repo.as_str()).join("trust")
}

/// An old catalog that a new one has taken the place of.
#[must_use]
pub fn old_catalog(number: u64) -> PathBuf {
    PathBuf::from(format!("{CATALOG}.old-{number}"))
}

/// A pack that a new catalog has no use for.
#[must_use]
pub fn unowned_pack(id: PackId) -> PathBuf {
    Path::new(UNOWNED).join(id.to_string())
}

/// The note of version `version` of a repo's keyset.
#[must_use]
pub fn keyset(repo: &RepoName, version: u64) -> PathBuf {
    trust(repo).join("keyset").join(version.to_string())
}

/// The note of a ref statement.
#[must_use]
pub fn statement(repo: &RepoName, id: StatementId) -> PathBuf {
    trust(repo).join("statements").join(id.to_string())
}

/// The list of refs that a heads statement names.
#[must_use]
pub fn refs_list(repo: &RepoName, id: Hash) -> PathBuf {
    trust(repo).join("refs").join(id.to_string())
}

/// A note that contradicts another one: proof that its signer made two.
#[must_use]
pub fn evidence(repo: &RepoName, id: Hash) -> PathBuf {
    trust(repo).join("evidence").join(id.to_string())
}

/// The note of a repo's newest heads statement.
#[must_use]
pub fn heads(repo: &RepoName) -> PathBuf {
    trust(repo).join("heads")
}

/// Whether a path is that of a repo's newest heads statement.
#[must_use]
pub fn is_heads(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "heads")
}

/// The file of a secret key in the folder `keys`.
#[must_use]
pub fn secret_key(keys: &Path, name: &KeyName) -> PathBuf {
    keys.join(format!("{name}.key"))
}

/// The file of the key of tokens in the folder `keys`; `name` is a random one.
#[must_use]
pub fn token_key(keys: &Path, name: BlockId) -> PathBuf {
    keys.join(format!("{name}.token-key"))
}

/// The file that says that a block of a token was revoked.
#[must_use]
pub fn revoked(id: BlockId) -> PathBuf {
    Path::new(REVOKED).join(id.to_string())
}

/// The part of the audit log that begins at byte `start` of all of it. Names sort as numbers.
#[must_use]
pub fn audit_part(start: u64) -> PathBuf {
    Path::new(AUDIT).join(format!("{start:020}{AUDIT_SUFFIX}"))
}

/// Begins the name of a patch in the folder of what can be made again.
pub const PATCH_CACHE_PREFIX: &str = "patch-";
/// Begins the name of a pack that is on its way there.
pub const ARRIVAL_PREFIX: &str = "arrival-";
/// Begins the name of a stat cache there.
pub const STAT_CACHE_PREFIX: &str = "stat-";

/// The stat cache of the folder whose full path hashes to `folder`.
#[must_use]
pub fn stat_cache(folder: Hash) -> PathBuf {
    Path::new(CACHE).join(format!("{STAT_CACHE_PREFIX}{folder}"))
}
