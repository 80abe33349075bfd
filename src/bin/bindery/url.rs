//! URLs on the command line.

use bindery::base::{Error, Result};
use bindery::remote::http::url::ServerUrl;

/// Reads the URL of a server.
///
/// # Errors
///
/// [`Error::Usage`] if it is none.
pub fn parse_url(text: &str) -> Result<ServerUrl> {
    text.parse()
        .map_err(|error| Error::usage(format!("{text:?}: {error}")))
}
