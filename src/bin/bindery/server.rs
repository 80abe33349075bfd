//! Servers: what commands that talk to one have in common.

use bindery::base::name::RepoName;
use bindery::base::{Error, Result};
use bindery::remote::http::agent::Agent;
use bindery::remote::http::builds::API;
use bindery::remote::http::origin::HttpOrigin;
use bindery::remote::http::url::ServerUrl;
use bindery::remote::wire::refs::Repos;

use crate::session::Session;

/// Reads the URL of a server.
///
/// # Errors
///
/// [`Error::Usage`] if it is none.
pub fn parse_url(text: &str) -> Result<ServerUrl> {
    text.parse()
        .map_err(|error| Error::usage(format!("{text:?}: {error}")))
}

/// The only repo that a server shows.
///
/// # Errors
///
/// [`Error::Usage`] if it shows several, [`Error::NotFound`] if none; what the server answers.
pub fn only_repo_of(agent: &Agent) -> Result<RepoName> {
    let mut repos = agent.get::<Repos>(&format!("{API}/repos"))?.repos;
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

/// The repo at a URL, as an origin: that of a repo, or that of a server with one repo, or with the one that is named.
///
/// # Errors
///
/// [`Error::Usage`] if it is no URL, or the server has several repos and none was named; what the server answers.
pub fn origin_at(session: &Session, url: &str, repo: Option<&RepoName>) -> Result<HttpOrigin> {
    let url = parse_url(url)?;
    if url.as_str().contains("/r/") {
        return Ok(HttpOrigin::new(session.agent(url)?));
    }
    let repo = match repo {
        Some(repo) => repo.clone(),
        None => only_repo_of(&session.agent(url.clone())?)?,
    };
    let url = parse_url(&url.join(&format!("r/{repo}")))?;
    Ok(HttpOrigin::new(session.agent(url)?))
}
