//! Servers: what commands that talk to one have in common.

use bindery::base::name::{RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::build::spec::split_ref;
use bindery::remote::http::agent::Agent;
use bindery::remote::http::origin::HttpOrigin;
use bindery::remote::http::url::ServerUrl;

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

/// The repo at some URLs, as origins: each that of a repo, or of a server with one repo, or with the one that is named. A server
/// that does not say which it has is asked for the one that another has. The token goes to the server of the first one alone.
///
/// # Errors
///
/// [`Error::Usage`] if one is no URL; if no server says which repo it has, what the first one answers.
pub fn origins_at(
    session: &Session,
    urls: &[String],
    repo: Option<&RepoName>,
) -> Result<Vec<HttpOrigin>> {
    let urls = urls.iter().map(|url| parse_url(url));
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
    let first = urls.first().map(ServerUrl::authority);
    let agent = |url: &ServerUrl| {
        if Some(url.authority()) == first {
            session.agent(url.clone())
        } else {
            session.agent_without_token(url.clone())
        }
    };
    let is_of_repo = |url: &&ServerUrl| url.as_str().contains("/r/");
    let mut names = Vec::new();
    for url in urls.iter().filter(|url| !is_of_repo(url)) {
        names.push(agent(url)?.only_repo(repo));
    }
    let common = names.iter().find_map(|name| name.as_ref().ok()).cloned();
    let mut names = names.into_iter();
    let origins = urls.iter().map(|url| {
        if is_of_repo(&url) {
            return Ok(HttpOrigin::new(agent(url)?));
        }
        let own = names.next();
        let own = own.ok_or_else(|| Error::internal("every server was asked"))?;
        let name = own.or_else(|error| common.clone().ok_or(error))?;
        let url = parse_url(&url.join(&format!("r/{name}")))?;
        Ok(HttpOrigin::new(agent(&url)?))
    });
    origins.collect()
}
