//! What the catalog does for repos: create.

use redb::ReadableTable;

use super::catalog::failed;
use super::layout;
use super::open::Store;
use super::rows::RepoRow;
use super::tables::{NEXT_REPO, REPOS};
use super::transaction::Transaction;
use crate::base::clock::Time;
use crate::base::id::StatementId;
use crate::base::name::{KeyName, RepoName};
use crate::base::profile::Profile;
use crate::base::{Error, Result};

/// A repo to be made.
#[derive(Clone, Debug)]
pub struct NewRepo {
    /// Its name.
    pub name: RepoName,
    /// How strict it is about names.
    pub profile: Profile,
    /// The key that signs its statements.
    pub key: KeyName,
    /// The id of the first version of its keyset.
    pub repo_id: StatementId,
    /// The note of that keyset.
    pub keyset_note: Vec<u8>,
    /// When.
    pub created: Time,
}

impl Store {
    /// Makes a repo with its first keyset.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is one of that name; [`Error::Refused`] if its name lies within the name of another,
    /// as their folders would.
    pub fn create_repo(&self, new: &NewRepo) -> Result<RepoRow> {
        let mut transaction = Transaction::begin(self)?;
        let row = RepoRow {
            number: transaction.number_repo(&new.name)?,
            name: new.name.clone(),
            profile: new.profile,
            repo_id: new.repo_id,
            keyset: 1,
            key: new.key.clone(),
            heads: 0,
            created: new.created,
            copied_from: None,
        };
        transaction.put(REPOS, new.name.as_str(), &row)?;
        transaction.announce(&layout::keyset(&new.name, 1), &new.keyset_note)?;
        transaction.commit()?;
        Ok(row)
    }
}

impl Transaction<'_> {
    /// The number of a new repo, which can have the name `name`.
    pub(super) fn number_repo(&self, name: &RepoName) -> Result<u32> {
        let table = self.write.open_table(REPOS).map_err(failed("read"))?;
        for row in table.iter().map_err(failed("read"))? {
            let other = row.map_err(failed("read"))?.0.value().to_owned();
            if other == name.as_str() {
                return Err(Error::Exists {
                    what: "repo",
                    name: other,
                });
            }
            let parsed = other.parse();
            if name.nests_with(
                &parsed.map_err(|_| Error::malformed("catalog", "a repo without a name"))?,
            ) {
                return Err(Error::refused(format!(
                    "a repo {name} cannot be beside the repo {other}: one name lies within the other"
                )));
            }
        }
        drop(table);
        u32::try_from(self.count_up(NEXT_REPO)?)
            .map_err(|_| Error::internal("repos are counted in 32 bits"))
    }
}
