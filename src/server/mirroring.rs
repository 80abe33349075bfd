//! Mirroring: copies of repos that are kept while they are served, as the settings say.
//!
//! # Not here
//!
//! When they are brought up to date (`server::job_work`), what is copied and verified (`remote::mirror`).

use std::path::Path;
use std::time::Duration;

use crate::base::clock::Time;
use crate::base::name::NameError;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::disk::named::read_named;
use crate::remote::http::agent::Agent;
use crate::remote::http::authorities::Authorities;
use crate::remote::http::origin::HttpOrigin;
use crate::remote::http::places::{Places, Showing};
use crate::remote::http::token_file::read_token;
use crate::remote::known::Root;
use crate::remote::mirror::{MirrorOptions, Rhythm, mirror};
use crate::remote::origin::Origin;
use crate::remote::pin::{PIN_BYTES_MAX, Pin};
use crate::remote::pull::PullAnswer;
use crate::store::Store;
use crate::store::mirror_settings::MirrorSettings;
use crate::trust::token::Token;

/// A repo that is copied.
#[derive(Debug)]
pub struct Mirror {
    url: String,
    origins: Vec<HttpOrigin>,
    options: MirrorOptions,
    rhythm: Rhythm,
}

impl Mirror {
    /// Makes it as the settings of the store in the folder `root` say.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if they make no sense; those of reading the files that they name.
    pub fn new(root: &Path, settings: &MirrorSettings) -> Result<Self> {
        let url = &settings.url;
        let wrong = |error: &dyn std::fmt::Display| {
            Error::usage(format!("the mirror of {url} in the settings: {error}"))
        };
        let token = match &settings.token_file {
            Some(file) => Some(read_token(&root.join(file))?),
            None => None,
        };
        let authorities = match &settings.ca_file {
            Some(file) => Some(Authorities::read(&root.join(file))?),
            None => None,
        };
        let urls = [url].into_iter().chain(&settings.others);
        let urls = urls.map(|url| url.parse().map_err(|error| wrong(&error)));
        let places = Places::new(urls.collect::<Result<Vec<_>>>()?);
        let agents = places.agents(&|url, showing| {
            let token = token.as_ref().filter(|_| showing == Showing::Token);
            let agent = Agent::new(url, token.map(Token::to_text));
            Ok(match &authorities {
                Some(authorities) => agent.believing(authorities),
                None => agent,
            })
        })?;
        let origins = agents.into_iter().map(HttpOrigin::new).collect();
        let refs = settings.refs.iter().map(|name| name.parse());
        let refs = refs.collect::<Result<_, NameError>>();
        let root = match &settings.pin {
            Some(file) => Some(Root::Pin(read_pin(&root.join(file))?)),
            None => None,
        };
        Ok(Self {
            url: url.clone(),
            origins,
            options: MirrorOptions {
                root,
                refs: refs.map_err(|error| wrong(&error))?,
            },
            rhythm: Rhythm::new(settings.every_seconds),
        })
    }

    /// Where it is copied from.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How long to wait until it is brought up to date again, after so many failures in a row.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        self.rhythm.pause(failures)
    }

    /// Brings the copy up to date.
    ///
    /// # Errors
    ///
    /// As [`mirror`]; the copy is as it was then.
    pub fn bring_up_to_date(
        &self,
        store: &Store,
        time: Time,
        progress: &dyn Progress,
        passed_over: &mut dyn FnMut(&Error),
    ) -> Result<PullAnswer> {
        let origins = self.origins.iter();
        let origins: Vec<&dyn Origin> = origins.map(|origin| origin as &dyn Origin).collect();
        mirror(store, &origins, &self.options, time, progress, passed_over)
    }
}

fn read_pin(file: &Path) -> Result<Pin> {
    let text = String::from_utf8(read_named(file, PIN_BYTES_MAX)?);
    Pin::parse(&text.map_err(|_| Error::malformed("pin file", "it is no text"))?)
}
