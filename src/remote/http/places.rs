//! Places: where one repo can be had, and who is shown a token there.
//!
//! # Invariants
//!
//! - A place is tried once, however often it is named.
//! - The token goes to the server of the first place, and to no other.
//!
//! # Not here
//!
//! Whether a place shows the repo that is asked for (`remote::contact`).

use super::agent::Agent;
use super::origin::HttpOrigin;
use super::url::ServerUrl;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::store::rows::RepoRow;

/// The places of one repo, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Places {
    urls: Vec<ServerUrl>,
}

/// What a server is shown by whoever asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// The token, if there is one: it was made for this server.
    Token,
    /// Nothing.
    Nothing,
}

/// Makes the agent that asks at a place.
pub type Ask<'a> = &'a dyn Fn(ServerUrl, Showing) -> Result<Agent>;

impl Places {
    /// The places at these URLs: each that of a repo, or of a server.
    pub fn new(urls: impl IntoIterator<Item = ServerUrl>) -> Self {
        let mut places = Vec::new();
        for url in urls {
            if !places.contains(&url) {
                places.push(url);
            }
        }
        Self { urls: places }
    }

    /// Who asks at each place.
    ///
    /// # Errors
    ///
    /// What `ask` answers.
    pub fn agents(&self, ask: Ask<'_>) -> Result<Vec<Agent>> {
        let first = self.urls.first().map(ServerUrl::authority);
        let agents = self.urls.iter().map(|url| {
            let is_first = Some(url.authority()) == first;
            let showing = if is_first {
                Showing::Token
            } else {
                Showing::Nothing
            };
            ask(url.clone(), showing)
        });
        agents.collect()
    }

    /// The repo at each place: of a server, the one that is named, or else the only one that it has. A server that does not say
    /// which it has is asked for the one that was copied from it, or else for the one that a place before it has; at first
    /// contact, also for the one that a later place has.
    ///
    /// # Errors
    ///
    /// What `ask` answers; if nobody says which repo it is, what that server answers.
    pub fn origins(&self, sought: &Sought<'_>, ask: Ask<'_>) -> Result<Vec<HttpOrigin>> {
        let agents = self.agents(ask)?;
        let said = agents.iter().map(|agent| {
            let server = agent.server();
            let is_of_repo = server.is_of_repo();
            (!is_of_repo).then(|| {
                let said = agent.only_repo(sought.named);
                said.or_else(|error| sought.copied_from(server)?.ok_or(error))
            })
        });
        let said: Vec<Option<Result<RepoName>>> = said.collect();
        let names = agents.iter().zip(&said).map(|(agent, said)| match said {
            Some(said) => said.as_ref().ok().cloned(),
            None => agent.server().repo(),
        });
        let mut names = names.enumerate();
        let common = names.find_map(|(number, name)| Some((number, name?)));
        let origins = agents.into_iter().zip(said).enumerate();
        let origins = origins.map(|(number, (agent, said))| {
            let Some(said) = said else {
                return Ok(HttpOrigin::new(agent));
            };
            let name = said.or_else(|error| match &common {
                Some((first, name)) if *first < number || sought.is_first_contact => {
                    Ok(name.clone())
                }
                _ => Err(error),
            })?;
            let url = agent.server().join(&format!("r/{name}"));
            let url = url
                .parse()
                .map_err(|error| Error::usage(format!("{url}: {error}")))?;
            Ok(HttpOrigin::new(agent.at(url)))
        });
        origins.collect()
    }
}

/// What is known of the repo that is sought before a place is asked.
#[derive(Clone, Copy)]
pub struct Sought<'a> {
    /// Its name, if it was said.
    pub named: Option<&'a RepoName>,
    /// Reads which repos are here: asked if a server does not say which repo it has.
    pub here: &'a dyn Fn() -> Result<Vec<RepoRow>>,
    /// Whether it need not be here yet.
    pub is_first_contact: bool,
}

impl Sought<'_> {
    /// The only repo that was copied from a server.
    fn copied_from(&self, server: &ServerUrl) -> Result<Option<RepoName>> {
        let below = server.join("r/");
        let here = (self.here)()?;
        let places = here.into_iter().filter_map(|row| row.copied_from);
        let mut places = places.filter(|place| place.starts_with(&below));
        let only = places.next().filter(|_| places.next().is_none());
        let only = only.and_then(|place| place.parse::<ServerUrl>().ok());
        Ok(only.and_then(|place| place.repo()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_tried_once_and_the_first_server_alone_is_shown_the_token() -> Result<()> {
        let urls = [
            "https://one/r/os",
            "https://two/r/os",
            "https://one/r/os/",
            "https://one/again/r/os",
            "http://one/r/os",
        ];
        let urls = urls.map(|url| url.parse().map_err(|_| Error::usage(url)));
        let urls: Vec<ServerUrl> = urls.into_iter().collect::<Result<_>>()?;
        let shown = std::cell::RefCell::new(Vec::new());
        let places = Places::new(urls);
        let sought = Sought {
            named: None,
            here: &|| Ok(Vec::new()),
            is_first_contact: true,
        };
        let origins = places.origins(&sought, &|url, showing| {
            shown.borrow_mut().push((url.to_string(), showing));
            Ok(Agent::new(url, None))
        })?;
        assert_eq!(origins.len(), 4);
        let expected = [
            ("https://one/r/os", Showing::Token),
            ("https://two/r/os", Showing::Nothing),
            ("https://one/again/r/os", Showing::Token),
            ("http://one/r/os", Showing::Nothing),
        ];
        let expected = expected.map(|(url, showing)| (url.to_owned(), showing));
        assert_eq!(*shown.borrow(), expected);
        Ok(())
    }
}
