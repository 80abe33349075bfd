//! The snapshots of a server, as those who look into them see them.
//!
//! # Invariants
//!
//! - The server says which snapshot a name stands for, and is believed in that if it answers what was asked; what is in it is
//!   checked against its id.
//! - What belongs to a snapshot that it names and is not shown is no question that was wrong: the server is.

use super::agent::Agent;
use super::origin::{HttpOrigin, lost};
use crate::base::name::RepoName;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::contents::{Contents, Stock};
use crate::build::spec::Spec;
use crate::remote::borrowed::Lender;
use crate::remote::contents::OriginContents;
use crate::remote::gather::{Amount, Gathered};
use crate::remote::origin::Origin;
use crate::remote::snapshots::{Named, Snapshots};

/// The snapshots of a server.
#[derive(Debug)]
pub struct HttpSnapshots {
    agent: Agent,
    lender: Lender,
}

impl HttpSnapshots {
    /// Those of the agent's server. What is gathered of them lies in a store of the lender's.
    #[must_use]
    pub const fn new(agent: Agent, lender: Lender) -> Self {
        Self { agent, lender }
    }

    /// Below which a snapshot is shown: the test repository of its build shows what is published, too.
    fn origins(&self, named: &Named) -> Result<Vec<HttpOrigin>> {
        let origin = |base: &String| {
            let url = self.agent.server().join(base);
            let place = url.parse();
            let place = place.map_err(|error| Error::usage(format!("{url}: {error}")))?;
            Ok(HttpOrigin::new(self.agent.at(place)))
        };
        let bases = if named.builds.is_empty() {
            vec![format!("r/{}", named.repo)]
        } else {
            let builds = named.builds.iter();
            builds.map(|build| format!("b/{build}")).collect()
        };
        bases.iter().map(origin).collect()
    }
}

impl Snapshots for HttpSnapshots {
    fn find(&self, spec: &Spec, repo: Option<&RepoName>) -> Result<Named> {
        let place = self.agent.server().to_string();
        match spec {
            Spec::Build(build) => self
                .agent
                .snapshot_of_build(*build)?
                .of_build(*build, &place),
            Spec::Ref {
                repo: said,
                name,
                which,
            } => {
                let repo = self.agent.only_repo(said.as_ref().or(repo))?;
                let said = self.agent.snapshot(&repo, name, *which)?;
                said.of_ref(&repo, name, *which, &place)
            }
        }
    }

    fn open<'s>(&'s self, named: &[&Named]) -> Result<Box<dyn Contents + 's>> {
        let mut seen: Vec<&Named> = Vec::new();
        for one in named {
            let is_known = |other: &&Named| other.repo == one.repo && other.builds == one.builds;
            if !seen.iter().any(is_known) {
                seen.push(one);
            }
        }
        let mut origins = Vec::new();
        for one in seen {
            origins.extend(self.origins(one)?);
        }
        if origins.is_empty() {
            return Err(Error::internal("a snapshot is looked into"));
        }
        Ok(Box::new(OriginContents::new(origins)))
    }

    fn gather(
        &self,
        named: &Named,
        amount: Amount<'_>,
        progress: &dyn Progress,
        take: &mut dyn FnMut(&dyn Stock) -> Result<()>,
    ) -> Result<()> {
        let origins = self.origins(named)?;
        let origin = origins.first();
        let origin = origin.ok_or_else(|| Error::internal("a snapshot is shown somewhere"))?;
        let (far, borrowed) = (self.open(&[named])?, self.lender.lend()?);
        let store = borrowed.store();
        let (to, place) = (named.snapshot, origin.place());
        let gathered = Gathered::new(store, origin, &*far, to, amount, progress);
        let gathered = gathered.map_err(|error| lost(error, &place))?;
        take(&gathered).map_err(|error| lost(error, &place))
    }
}
