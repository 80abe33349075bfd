//! Servers: what commands that talk to one have in common.

use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::spec::split_ref;
use bindery::remote::http::agent::Agent;
use bindery::remote::http::origin::HttpOrigin;
use bindery::remote::http::places::{Places, Showing, Sought};
use bindery::remote::http::url::ServerUrl;
use bindery::remote::known::Root;

use crate::session::Session;
use crate::url::parse_url;

/// The repo and ref of a text `REF` or `REPO:REF`, on a server.
///
/// # Errors
///
/// As [`Agent::only_repo`]; [`Error::Name`] if a name is not legal.
pub fn ref_of(agent: &Agent, text: &str, named: Option<&RepoName>) -> Result<(RepoName, RefName)> {
    let (said, name) = split_ref(text)?;
    Ok((agent.only_repo(said.as_ref().or(named))?, name))
}

/// The repo at some URLs, and at those that a pin file names, as origins: each that of a repo, or of a server with one repo, or
/// with the one that is named. The token goes to the server of the first one alone.
///
/// # Errors
///
/// [`Error::Usage`] if one is no URL; as [`Places::origins`].
pub fn origins_at(
    session: &Session,
    urls: &[String],
    root: Option<&Root>,
    repo: Option<&RepoName>,
) -> Result<Vec<HttpOrigin>> {
    let pin = match root {
        Some(Root::Pin(pin)) => Some(pin),
        _ => None,
    };
    let others = pin.iter().flat_map(|pin| &pin.urls);
    let others = others.filter(|url| ServerUrl::is_meant_by(url));
    let urls = urls.iter().chain(others).map(|url| parse_url(url));
    let urls: Vec<ServerUrl> = urls.collect::<Result<_>>()?;
    for url in &urls {
        let build = url.as_str().split_once("/b/");
        if let Some((server, build)) = build.filter(|(_, build)| !build.contains('/')) {
            return Err(Error::usage(format!(
                "{url}: a build is not signed, and what is not signed is not pulled: look at it with \
                 'bindery checkout build:{build} DIR --remote {server}'"
            )));
        }
    }
    let sought = Sought {
        named: repo.or_else(|| pin.map(|pin| &pin.repo)),
        here: &|| session.write_here()?.reader()?.repos(),
        is_first_contact: root.is_some(),
    };
    Places::new(urls).origins(&sought, &|url, showing| match showing {
        Showing::Token => session.agent(url),
        Showing::Nothing => session.agent_without_token(url),
    })
}
