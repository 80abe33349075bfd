//! Copies: what a server has released, verified and brought to this machine for the time of one command.
//!
//! # Not here
//!
//! Copies that stay (`commands::pull`, `commands::mirror`).

use bindery::base::clock::Time;
use bindery::base::id::StatementId;
use bindery::base::name::RepoName;
use bindery::base::progress::Progress;
use bindery::base::{Error, Result};
use bindery::remote::borrowed::Borrowed;
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::http::agent::Agent;
use bindery::remote::http::origin::{HttpOrigin, lost};
use bindery::remote::known::Root;
use bindery::remote::origin::Origin;
use bindery::remote::pull::{PullOptions, pull};
use bindery::store::Store;
use bindery::store::rows::RepoRow;

use crate::session::Session;
use crate::url::parse_url;

/// A copy of a repo.
pub struct Copied {
    borrowed: Borrowed,
    /// The repo in the copy.
    pub repo: RepoRow,
    /// Where it comes from.
    pub origin: HttpOrigin,
}

impl Copied {
    /// Pulls what is asked for of a repo on a server. Who signs it is not known here: that is what the server shows, and it is said.
    ///
    /// # Errors
    ///
    /// As [`pull`]; [`Error::Untrusted`] if the server shows another repo there, or not all that belongs to what it shows.
    pub fn of(
        session: &Session,
        server: &Agent,
        repo: &RepoName,
        asked: Asked,
        progress: &dyn Progress,
    ) -> Result<Self> {
        Self::of_root(session, server, repo, asked, None, progress)
    }

    /// As [`of`](Self::of), where the id of the first keyset may be known.
    ///
    /// # Errors
    ///
    /// As [`pull`].
    pub fn of_root(
        session: &Session,
        server: &Agent,
        repo: &RepoName,
        asked: Asked,
        root: Option<StatementId>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let url = parse_url(&server.server().join(&format!("r/{repo}")))?;
        let origin = HttpOrigin::new(server.at(url));
        let borrowed = session.lender()?.lend()?;
        let options = PullOptions {
            repo_id: None,
            root: Some(root.map_or(Root::First, Root::Id)),
            asked,
            rewinds: Rewinds::Allow,
        };
        let pulled = pull(borrowed.store(), &origin, &options, Time::now()?, progress);
        let pulled = pulled.map_err(|error| lost(error, &origin.place()))?;
        server.check_repo(repo, &pulled.repo)?;
        if pulled.missing.is_some()
            && let Some(shortfall) = pulled.shortfall()
        {
            return Err(shortfall);
        }
        let repo = borrowed.store().reader()?.repos()?.pop();
        let repo = repo.ok_or_else(|| Error::internal("what was pulled has a repo"))?;
        Ok(Self {
            borrowed,
            repo,
            origin,
        })
    }

    /// The store that has it.
    pub const fn store(&self) -> &Store {
        self.borrowed.store()
    }

    /// What is to be known about who signed it.
    pub fn note(&self, server: &Agent) -> String {
        format!(
            "{} signs with the keys that {} shows: compare its repo id {} with what its owners say",
            self.repo.name,
            server.server(),
            self.repo.repo_id
        )
    }
}
