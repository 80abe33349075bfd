//! Servers: what commands that talk to one have in common.

use bindery::base::name::{NameError, RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::remote::http::agent::Agent;
use bindery::remote::http::origin::HttpOrigin;
use bindery::remote::http::url::ServerUrl;

use crate::session::Session;
use crate::url::parse_url;

/// The only repo that a server shows.
///
/// # Errors
///
/// [`Error::Usage`] if it shows several, [`Error::NotFound`] if none; what the server answers.
fn only_repo_of(agent: &Agent) -> Result<RepoName> {
    let mut repos = agent.repos()?.repos;
    match (repos.pop(), repos.is_empty()) {
        (Some(repo), true) => Ok(repo.repo),
        (None, _) => Err(Error::not_found("repo at", agent.server())),
        (Some(last), false) => {
            repos.push(last);
            let names: Vec<String> = repos.iter().map(|repo| repo.repo.to_string()).collect();
            let names = names.join(", ");
            Err(Error::usage(format!(
                "the server has several repos: say --repo, one of {names}"
            )))
        }
    }
}

/// The repo that is named, or the only one that a server shows.
///
/// # Errors
///
/// As [`only_repo_of`].
pub fn repo_of(agent: &Agent, named: Option<&RepoName>) -> Result<RepoName> {
    match named {
        Some(repo) => Ok(repo.clone()),
        None => only_repo_of(agent),
    }
}

/// The repo and ref of a text `REF` or `REPO:REF`, on a server.
///
/// # Errors
///
/// As [`only_repo_of`]; [`Error::Usage`] if a name is not legal.
pub fn ref_of(agent: &Agent, text: &str, named: Option<&RepoName>) -> Result<(RepoName, RefName)> {
    let wrong = |error: NameError| Error::usage(format!("{text:?}: {error}"));
    let (said, name) = match text.split_once(':') {
        Some((said, name)) => (Some(said.parse().map_err(wrong)?), name),
        None => (None, text),
    };
    let repo = repo_of(agent, said.as_ref().or(named))?;
    Ok((repo, name.parse().map_err(wrong)?))
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
        names.push(repo_of(&agent(url)?, repo));
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
