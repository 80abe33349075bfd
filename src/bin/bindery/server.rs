//! Servers: what commands that talk to one have in common.

use bindery::base::name::{NameError, RefName, RepoName};
use bindery::base::{Error, Result};
use bindery::remote::http::agent::Agent;
use bindery::remote::http::origin::HttpOrigin;

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
        None => repo_of(&session.agent(url.clone())?, None)?,
    };
    let url = parse_url(&url.join(&format!("r/{repo}")))?;
    Ok(HttpOrigin::new(session.agent(url)?))
}
