//! Proxies: what the environment says stands between this machine and servers.
//!
//! # Invariants
//!
//! - A server on this machine is reached directly.
//! - No message tells what a proxy is shown to let somebody through.
//!
//! # Not here
//!
//! How the environment says it: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as the client reads them.

use ureq::Proxy;
use ureq::http::Uri;

use super::url::ServerUrl;

/// The proxy by way of which a server is reached, if there is one.
pub(super) fn to(server: &ServerUrl) -> Option<Proxy> {
    let uri: Uri = server.as_str().parse().ok()?;
    let proxy = Proxy::try_from_env().filter(|_| !server.is_on_this_machine());
    proxy.filter(|proxy| !proxy.is_no_proxy(&uri))
}

/// What is to be said of a proxy where a server was not reached.
pub(super) fn words(proxy: Option<&Proxy>) -> String {
    proxy.map_or_else(String::new, |proxy| {
        format!(
            " (by way of the proxy {}:{}, as the environment says)",
            proxy.host(),
            proxy.port()
        )
    })
}
