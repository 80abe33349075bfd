//! `bindery mirror`: a verified copy of a repo, brought up to date once or again and again.
//!
//! # Invariants
//!
//! - Others get their turn between two rounds: each opens the store anew.
//! - A round that fails changes nothing, and does not end the mirror: the next one tries again, later each time.

use std::thread;
use std::time::Duration;

use bindery::base::clock::Time;
use bindery::base::duration::parse_duration;
use bindery::base::name::RepoName;
use bindery::base::{Error, Result};
use bindery::remote::http::origin::HttpOrigin;
use bindery::remote::mirror::{MirrorOptions, Rhythm, mirror};
use bindery::remote::origin::Origin;
use bindery::remote::pull::PullAnswer;
use bindery::trust::pattern::RefPattern;
use clap::Args;

use super::pull::tell;
use crate::examples::examples;
use crate::failure;
use crate::first_contact::FirstContact;
use crate::server::origins_at;
use crate::session::Session;

/// The shortest time between two rounds: an origin is not to be flooded.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What `mirror` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery mirror https://example.org/r/os --pin os.bindery"
    "bindery mirror https://example.org/r/os --ref 'app/**' --interval 5m"
))]
pub struct Arguments {
    /// The URL of the repo
    #[arg(value_name = "URL")]
    url: String,
    /// Only these refs: a name, or `app/**` for all beneath app; can be repeated
    #[arg(long = "ref", value_name = "PATTERN")]
    refs: Vec<RefPattern>,
    /// Another place that has the same, tried if the first one will not do; can be repeated
    #[arg(long = "mirror", value_name = "URL")]
    mirrors: Vec<String>,
    /// Go on: bring it up to date so often, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    interval: Option<Duration>,
    /// The repo there; else the only one there is
    #[arg(long)]
    repo: Option<RepoName>,
    #[command(flatten)]
    first: FirstContact,
}

/// Mirrors a repo.
///
/// # Errors
///
/// What the library answers; with an interval only what makes no sense from the start.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let mut urls = vec![arguments.url.clone()];
    urls.extend(arguments.mirrors.iter().cloned());
    let options = MirrorOptions {
        root: arguments.first.root()?,
        refs: arguments.refs.clone(),
    };
    let repo = arguments.repo.as_ref();
    let origins = origins_at(session, &urls, options.root.as_ref(), repo)?;
    let Some(interval) = arguments.interval else {
        return tell(session, round(session, &origins, &options)?);
    };
    if interval < INTERVAL_MIN {
        return Err(Error::usage("an interval is at least 1s"));
    }
    let rhythm = Rhythm::new(interval.as_secs());
    let mut failures = 0;
    loop {
        match round(session, &origins, &options) {
            Ok(answer) => {
                failures = 0;
                match tell(session, answer) {
                    // Its owners ended a ref, or a place lacks it: the others are followed on.
                    Err(error @ (Error::Refused { .. } | Error::Untrusted { .. })) => {
                        failure::report(&error, &session.output);
                    }
                    told => told?,
                }
            }
            Err(error @ Error::Usage { .. }) => return Err(error),
            Err(error) => {
                failures += 1;
                failure::report(&error, &session.output);
                session.output.note("the mirror stays as it was");
            }
        }
        thread::sleep(rhythm.pause(failures));
    }
}

fn round(session: &Session, origins: &[HttpOrigin], options: &MirrorOptions) -> Result<PullAnswer> {
    let store = session.write_here()?;
    let origins: Vec<&dyn Origin> = origins.iter().map(|origin| origin as &dyn Origin).collect();
    let progress = session.progress("mirroring");
    let mut passed_over = |error: &Error| session.output.note(format_args!("passed over: {error}"));
    let time = Time::now()?;
    mirror(&store, &origins, options, time, &progress, &mut passed_over)
}
