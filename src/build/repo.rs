//! Repos: a name, a key, and the keyset that ties them together.

use crate::base::clock::Time;
use crate::base::name::{KeyName, RepoName};
use crate::base::profile::Profile;
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::notes::PROFILE_EXTENSION;
use crate::store::repos::NewRepo;
use crate::store::rows::RepoRow;
use crate::trust::keyset::Keyset;
use crate::trust::note::Note;
use crate::trust::secret_key::SecretKey;
use crate::trust::statement::{Extensions, Statement};

/// Makes a repo whose one key has all roles. Without a key's name, one is generated and named after the repo.
///
/// # Errors
///
/// [`Error::NotFound`] if the named key is not there; [`Error::Exists`] if the repo is; [`Error::Refused`] if the key that
/// would be named after it is that of another repo.
pub fn create_repo(
    store: &Store,
    name: RepoName,
    profile: Profile,
    key: Option<&KeyName>,
    time: Time,
) -> Result<RepoRow> {
    if store
        .reader()?
        .repos()?
        .iter()
        .any(|repo| repo.name == name)
    {
        return Err(Error::Exists {
            what: "repo",
            name: name.to_string(),
        });
    }
    let key = match key {
        Some(key) => store.key(key)?,
        None => own_key(store, &name)?,
    };
    store.settle_keys()?;
    // So that the profile is known from the notes alone.
    let extensions = match profile {
        Profile::Posix => Vec::new(),
        Profile::Portable => vec![(PROFILE_EXTENSION.to_owned(), "portable".to_owned())],
    };
    let keyset = Keyset::one_key(name.clone(), key.public().clone(), time)
        .with_extensions(Extensions::new(extensions)?);
    let text = keyset.encode()?;
    let new = NewRepo {
        name,
        profile,
        key: key.name().clone(),
        repo_id: keyset.id()?,
        keyset_note: Note::sign(text, &[&key])?.encode(),
        created: time,
    };
    store.create_repo(&new)
}

/// Generates and keeps a key named after a repo; one that a failed attempt left is used, one of another repo is not.
fn own_key(store: &Store, repo: &RepoName) -> Result<SecretKey> {
    let name: KeyName = key_name(repo)?;
    let repos = store.reader()?.repos()?;
    if let Some(other) = repos.iter().find(|other| other.key == name) {
        let reason = format!(
            "the key {name} is that of the repo {}: say which key {repo} is to have",
            other.name
        );
        return Err(Error::refused(reason));
    }
    match store.key(&name) {
        Err(Error::NotFound { .. }) => {
            let key = SecretKey::generate(name)?;
            store.keep_key(&key)?;
            Ok(key)
        }
        other => other,
    }
}

/// The repo's name with what a key's name may not have replaced.
fn key_name(repo: &RepoName) -> Result<KeyName> {
    let text: String = repo
        .as_str()
        .chars()
        .map(|c| if matches!(c, '/' | '+') { '-' } else { c })
        .collect();
    let short: String = text
        .chars()
        .take(crate::base::limits::KEY_NAME_BYTES_MAX)
        .collect();
    short.parse().map_err(|source| Error::Name {
        what: "key name",
        text: short.clone(),
        source,
    })
}
