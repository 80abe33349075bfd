//! The snapshots of a server, as those who look into them see them.
//!
//! # Invariants
//!
//! - The server says which snapshot a name stands for; what is in it is checked against its id.

use super::agent::Agent;
use super::origin::HttpOrigin;
use crate::base::name::RepoName;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::contents::{Contents, Stock};
use crate::build::spec::Spec;
use crate::remote::borrowed::Lender;
use crate::remote::contents::OriginContents;
use crate::remote::gather::{Amount, Gathered};
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

    /// What can be asked for below which a snapshot is shown: the test repository of its build shows what is published, too.
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
        let said = match spec {
            Spec::Build(build) => self.agent.snapshot_of_build(*build)?,
            Spec::Ref {
                repo: said,
                name,
                which,
            } => {
                let repo = self.agent.only_repo(said.as_ref().or(repo))?;
                self.agent.snapshot(&repo, name, *which)?
            }
        };
        Ok(said.into())
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
        take(&Gathered::new(
            store,
            origin,
            &*far,
            named.snapshot,
            amount,
            progress,
        )?)
    }
}
