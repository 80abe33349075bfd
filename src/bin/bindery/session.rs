//! A session: what one command line has at hand while it runs.
//!
//! # Not here
//!
//! Which store is meant (`store_place`), how answers look (`output`).

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bindery::base::clock::Time;
use bindery::base::name::RepoName;
use bindery::base::{Error, Result};
use bindery::build::spec::{Resolved, Spec, resolve};
use bindery::remote::borrowed::Lender;
use bindery::remote::http::agent::Agent;
use bindery::remote::http::authorities::Authorities;
use bindery::remote::http::snapshots::HttpSnapshots;
use bindery::remote::http::url::ServerUrl;
use bindery::remote::snapshots::{Named, Snapshots};
use bindery::store::{Access, Patience, Store};
use bindery::trust::token::Token;

use crate::globals::Globals;
use crate::interrupt;
use crate::output::Output;
use crate::progress::Bar;
use crate::store_place::Surroundings;
use crate::token_source::TokenSource;
use crate::url::parse_url;

/// Characters of a command line that others are told while they wait for it.
const COMMAND_CHARACTERS_MAX: usize = 200;

/// What one command line has at hand.
#[derive(Debug)]
pub struct Session {
    /// The options that all commands have.
    pub globals: Globals,
    /// Where the process runs.
    pub surroundings: Surroundings,
    /// Where answers go.
    pub output: Output,
    command: String,
    started: Instant,
    lender: OnceCell<Lender>,
}

impl Session {
    /// Starts the session of a command line.
    pub fn new(
        globals: Globals,
        surroundings: Surroundings,
        output: Output,
        arguments: &[OsString],
    ) -> Self {
        Self {
            globals,
            surroundings,
            output,
            command: shown(arguments),
            started: Instant::now(),
            lender: OnceCell::new(),
        }
    }

    /// Opens the store to read, beside others.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; [`Error::Usage`] if a server is meant.
    pub fn read(&self) -> Result<Store> {
        self.check_here()?;
        self.open(Access::Read)
    }

    /// Opens the store to change it, alone.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; [`Error::Usage`] if a server is meant.
    pub fn write(&self) -> Result<Store> {
        self.check_here()?;
        self.open(Access::Write)
    }

    /// Opens the store to change it, alone; gives none if it is served, which would have to be waited for too long.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_unless_served(&self) -> Result<Option<Store>> {
        self.check_here()?;
        let hurried = Patience {
            wait: Duration::ZERO,
            tell: None,
            ..self.patience()?
        };
        match Store::open(&self.store_root()?, Access::Write, &hurried) {
            Err(Error::Busy { holder, .. }) if is_serving(&holder) => Ok(None),
            Err(Error::Busy { .. }) => self.write().map(Some),
            opened => opened.map(Some),
        }
    }

    /// Opens the store of this machine to change it, also if others are meant for a server.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn write_here(&self) -> Result<Store> {
        self.open(Access::Write)
    }

    /// The server on which the command is to be done, if one is meant.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if its URL is none; as [`agent`](Self::agent).
    pub fn server(&self) -> Result<Option<Agent>> {
        let url = self.globals.remote.as_deref().map(parse_url).transpose()?;
        url.map(|url| self.agent(url)).transpose()
    }

    /// The snapshots of the store that is meant, here or on a server.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) or [`server`](Self::server).
    pub fn snapshots(&self) -> Result<Box<dyn Snapshots>> {
        Ok(match self.server()? {
            Some(server) => Box::new(HttpSnapshots::new(server, self.lender()?)),
            None => Box::new(self.open(Access::Read)?),
        })
    }

    /// Where stores are borrowed from, for what a command needs of a server. From now on they go also if the process is asked to
    /// end.
    ///
    /// # Errors
    ///
    /// As [`patience`](Self::patience) and [`interrupt::watch`].
    pub fn lender(&self) -> Result<Lender> {
        if let Some(lender) = self.lender.get() {
            return Ok(lender.clone());
        }
        let lender = Lender::new(std::env::temp_dir(), self.patience()?);
        interrupt::watch(&lender)?;
        Ok(self.lender.get_or_init(|| lender).clone())
    }

    /// What works on this machine alone must not be taken for the same on a server.
    fn check_here(&self) -> Result<()> {
        match &self.globals.remote {
            None => Ok(()),
            Some(url) => Err(Error::usage(format!(
                "this works on a store of this machine, and --remote or BINDERY_REMOTE says {url}: \
                 pull what you need, or leave it out"
            ))),
        }
    }

    fn open(&self, access: Access) -> Result<Store> {
        Store::open(&self.store_root()?, access, &self.patience()?)
    }

    /// Where the store is that the command means.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if it means none.
    pub fn store_root(&self) -> Result<PathBuf> {
        let (root, origin) = self.surroundings.find(self.globals.store.as_deref())?;
        self.detail(format_args!(
            "store {} ({})",
            root.display(),
            origin.words()
        ));
        Ok(root)
    }

    /// How to wait for others, and what others are told who wait for this process.
    ///
    /// # Errors
    ///
    /// [`Error::Time`] if the clock cannot be read.
    pub fn patience(&self) -> Result<Patience> {
        let process = std::process::id();
        let holder = format!(
            "process {process} ({}) since {}",
            self.command,
            Time::now()?
        );
        Ok(Patience {
            wait: self.globals.lock_wait,
            holder,
            tell: (!self.globals.quiet).then_some(tell_waiting as fn(&str)),
        })
    }

    /// Talks to a server, with the token of this command line if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if what should be a token is none; those of reading it.
    pub fn agent(&self, server: ServerUrl) -> Result<Agent> {
        let source = if self.surroundings.is_apart {
            None
        } else {
            TokenSource::of_process(self.globals.token_file.as_deref())?
        };
        let token = source.map(TokenSource::read_to_ask).transpose()?;
        self.agent_with(server, token.as_ref())
    }

    /// Talks to a server that is not to be shown the token, such as a mirror that somebody else runs.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if what should be certificates are none; those of reading them.
    pub fn agent_without_token(&self, server: ServerUrl) -> Result<Agent> {
        self.agent_with(server, None)
    }

    fn agent_with(&self, server: ServerUrl, token: Option<&Token>) -> Result<Agent> {
        let agent = Agent::new(server, token.map(Token::to_text));
        match &self.globals.ca_file {
            Some(file) => Ok(agent.believing(&Authorities::read(file)?)),
            None => Ok(agent),
        }
    }

    /// Finds what a SPEC names.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it is not one, [`Error::NotFound`] if it names nothing.
    pub fn resolve(&self, store: &Store, spec: &Spec, repo: Option<&RepoName>) -> Result<Resolved> {
        let resolved = resolve(store, spec, repo)?;
        self.detail(format_args!(
            "{} is snapshot {}",
            resolved.name, resolved.snapshot.id
        ));
        Ok(resolved)
    }

    /// Finds the snapshot that a SPEC names, here or on a server.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn find(
        &self,
        snapshots: &dyn Snapshots,
        spec: &Spec,
        repo: Option<&RepoName>,
    ) -> Result<Named> {
        let named = snapshots.find(spec, repo)?;
        let (name, id) = (&named.name, named.snapshot.id);
        self.detail(format_args!("{name} is snapshot {id}"));
        Ok(named)
    }

    /// Starts a progress bar for work called `verb`.
    pub fn progress(&self, verb: &'static str) -> Bar {
        Bar::start(verb, &self.output)
    }

    /// Says how long the command took, if that was asked for.
    pub fn close(&self) {
        self.detail(format_args!(
            "done in {:.2} s",
            self.started.elapsed().as_secs_f64()
        ));
    }

    fn detail(&self, detail: std::fmt::Arguments<'_>) {
        if self.globals.verbose {
            self.output.note(detail);
        }
    }
}

/// Says whom the command waits for.
fn tell_waiting(words: &str) {
    // Nothing can be done if standard error is closed.
    writeln!(std::io::stderr(), "{words}").ok();
}

/// Whether the process that holds a store serves it, as it says of itself.
pub fn is_serving(holder: &str) -> bool {
    let command = holder.split(['(', ')']).nth(1).unwrap_or_default();
    command.split(' ').any(|word| word == "serve")
}

/// A command line as others are shown it: on one line, and not too long.
fn shown(arguments: &[OsString]) -> String {
    let words = arguments
        .iter()
        .skip(1)
        .map(|argument| argument.to_string_lossy());
    let line = std::iter::once("bindery".into())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ");
    let mut text: String = line
        .chars()
        .take(COMMAND_CHARACTERS_MAX)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    if text.len() < line.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_see_the_command_on_one_short_line() {
        let check = |arguments: &[&str], expected: &str| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(shown(&arguments), expected);
        };
        check(&["/usr/bin/bindery", "publish", "17"], "bindery publish 17");
        check(
            &["bindery", "commit", "-m", "two\nlines"],
            "bindery commit -m two lines",
        );
        check(&[], "bindery");
        let long = "x".repeat(300);
        check(&["bindery", &long], &format!("bindery {}...", &long[..192]));
    }
}
