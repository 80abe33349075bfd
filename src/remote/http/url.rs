//! URLs of servers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::base::name::RepoName;

/// Bytes of a URL: more than any server has.
const URL_BYTES_MAX: usize = 1024;

/// What comes before the name of a repo.
const REPO: &str = "/r/";

/// Why a text is no URL of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a server's URL is http:// or https://, a host, perhaps a port and a path, and neither query nor fragment nor user"
)]
pub struct UrlError;

/// The URL of a server, or of a place on it; without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Whether a text is meant to be a URL at all, if one of a kind that no server here has, not a path on this machine.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    /// Shows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that of a repo, such as `https://host/r/os`, and not of a server.
    #[must_use]
    pub fn is_of_repo(&self) -> bool {
        self.0.contains(REPO)
    }

    /// The repo that it is of, if it is of one.
    #[must_use]
    pub fn repo(&self) -> Option<RepoName> {
        let (_, name) = self.0.split_once(REPO)?;
        name.parse().ok()
    }

    /// Scheme, host and port: what a token is for.
    #[must_use]
    pub fn authority(&self) -> &str {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[host..]
            .find('/')
            .map_or(self.0.len(), |at| host + at);
        &self.0[..end]
    }

    /// Whether it is a server on this machine, as far as its name says.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        let authority = self.authority();
        let host = authority
            .split_once("://")
            .map_or(authority, |(_, host)| host);
        let host = match host.strip_prefix('[') {
            Some(host) => host.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_loopback = |address: IpAddr| address.is_loopback();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
    }

    /// A place below it.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("http://");
        let rest = rest
            .or_else(|| text.strip_prefix("https://"))
            .ok_or(UrlError)?;
        let host = rest.split('/').next().unwrap_or_default();
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_server = !host.is_empty() && !host.contains('@') && !text.contains(['?', '#', '\\']);
        // What leads upwards would lead out of what was meant.
        let climbs = rest.split('/').any(|part| part == ".." || part == ".");
        if text.len() > URL_BYTES_MAX || !is_plain || !is_server || climbs {
            return Err(UrlError);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_scheme_host_and_port() -> Result<(), UrlError> {
        for (url, authority) in [
            ("https://host/r/os", "https://host"),
            ("http://host:80", "http://host:80"),
        ] {
            assert_eq!(url.parse::<ServerUrl>()?.authority(), authority);
        }
        Ok(())
    }

    #[test]
    fn the_repo_that_a_url_is_of_is_what_follows_r() -> Result<(), UrlError> {
        for (url, repo) in [
            ("https://host/r/os", Some("os")),
            (
                "https://host/below/r/example.org/os/",
                Some("example.org/os"),
            ),
            ("https://host/r/a//b", None),
            ("https://host/repos/os", None),
            ("https://host", None),
        ] {
            let found = url.parse::<ServerUrl>()?.repo();
            let found = found.as_ref().map(RepoName::as_str);
            assert_eq!(found, repo, "{url}");
        }
        Ok(())
    }

    #[test]
    fn loopback_is_on_this_machine() -> Result<(), UrlError> {
        for (url, expected) in [
            ("http://127.0.0.1:8417/r/os", true),
            ("https://127.1.2.3", true),
            ("http://[::1]:80/", true),
            ("http://LocalHost:1", true),
            ("http://localhost.example.org", false),
            ("http://127.0.0.1.example.org", false),
            ("http://[2001:db8::1]", false),
            ("http://192.0.2.1", false),
        ] {
            let found = url.parse::<ServerUrl>()?.is_on_this_machine();
            assert_eq!(found, expected, "{url}");
        }
        Ok(())
    }

    #[test]
    fn only_urls_of_servers_are_taken() {
        for (text, expected) in [
            ("http://host", Some("http://host")),
            ("https://host:8417/", Some("https://host:8417")),
            ("https://host/a/b//", Some("https://host/a/b")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("ftp://host", None),
            ("http://", None),
            ("http:///a", None),
            ("http://user@host", None),
            ("http://host?a", None),
            ("http://host#a", None),
            ("http://host/../a", None),
            ("http://host/a b", None),
            ("host", None),
        ] {
            assert_eq!(ServerUrl::is_meant_by(text), text.contains("://"), "{text}");
            let parsed = text.parse::<ServerUrl>().ok();
            assert_eq!(parsed.as_ref().map(ServerUrl::as_str), expected, "{text}");
        }
    }
}
