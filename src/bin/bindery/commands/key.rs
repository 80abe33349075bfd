//! `bindery key`: make and move the keys that sign releases.
//!
//! # Invariants
//!
//! - A secret is printed only by `key export --secret`, and never in a message.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bindery::base::error::check_limit;
use bindery::base::name::KeyName;
use bindery::base::{Error, Result};
use bindery::disk::real::RealDisk;
use bindery::disk::whole::read_small;
use bindery::store::Store;
use bindery::trust::secret_key::SecretKey;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::{self, Answer};
use crate::session::Session;

/// Bytes of a key's file: far more than any.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a key and keep it in the store
    #[command(after_help = examples!("bindery key generate ana"))]
    Generate(GenerateArguments),
    /// List the keys that the store keeps
    #[command(after_help = examples!("bindery key list"))]
    List,
    /// Print the public half of a key, or its secret
    #[command(after_help = examples!(
        "bindery key export ana"
        "bindery key export ana --pem | openssl pkey -pubin -text"
        "(umask 077; bindery key export ana --secret > ana.key)"
    ))]
    Export(ExportArguments),
    /// Keep a key that was exported with --secret
    #[command(after_help = examples!("bindery key import ana.key" "bindery key import - < ana.key"))]
    Import(ImportArguments),
}

/// What `key generate` takes.
#[derive(Debug, Args)]
pub struct GenerateArguments {
    /// The name of the new key
    name: KeyName,
}

/// What `key export` takes.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The key
    name: KeyName,
    /// Print the public half in PEM, as openssl reads it
    #[arg(long, conflicts_with = "secret")]
    pem: bool,
    /// Print the secret; whoever has it can sign releases
    #[arg(long)]
    secret: bool,
}

/// What `key import` takes.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The file with the secret; '-' is standard input
    file: PathBuf,
}

#[derive(Debug, Serialize)]
struct Key {
    key: KeyName,
    public: String,
}

#[derive(Debug, Serialize)]
struct Keys {
    keys: Vec<Key>,
}

/// Runs a verb.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Generate(arguments) => {
            let store = session.write()?;
            keep(
                session,
                &store,
                &SecretKey::generate(arguments.name.clone())?,
            )
        }
        Verb::List => list(session),
        Verb::Export(arguments) => export(session, arguments),
        Verb::Import(arguments) => {
            let store = session.write()?;
            keep(session, &store, &read_key(&arguments.file)?)
        }
    }
}

fn keep(session: &Session, store: &Store, key: &SecretKey) -> Result<()> {
    store.keep_key(key)?;
    session.output.answer(&public(key))
}

fn public(key: &SecretKey) -> Key {
    Key {
        key: key.name().clone(),
        public: key.public().to_string(),
    }
}

fn list(session: &Session) -> Result<()> {
    let store = session.read()?;
    let names = store.key_names()?.into_iter();
    let keys = names
        .map(|name| Ok(public(&store.key(&name)?)))
        .collect::<Result<_>>()?;
    session.output.answer(&Keys { keys })
}

fn export(session: &Session, arguments: &ExportArguments) -> Result<()> {
    let key = session.read()?.key(&arguments.name)?;
    if arguments.secret {
        output::write_bytes(key.to_text().as_bytes())
    } else if arguments.pem {
        output::write_bytes(key.public().pem().as_bytes())
    } else {
        session.output.answer(&public(&key))
    }
}

fn read_key(file: &Path) -> Result<SecretKey> {
    let bytes = if file == Path::new("-") {
        read_standard_input()?
    } else {
        let (folder, name) = (file.parent(), file.file_name());
        let name = name.ok_or_else(|| Error::usage(format!("{} is no file", file.display())))?;
        let disk = RealDisk::new(folder.unwrap_or(Path::new("")));
        read_small(&disk, Path::new(name), KEY_FILE_BYTES_MAX)?
    };
    let text =
        String::from_utf8(bytes).map_err(|_| Error::malformed("secret key", "it is not text"))?;
    SecretKey::parse(&text)
}

fn read_standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut input = io::stdin().take(KEY_FILE_BYTES_MAX + 1);
    input
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", Path::new("standard input")))?;
    check_limit(
        "standard input, in bytes,",
        bytes.len() as u64,
        KEY_FILE_BYTES_MAX,
    )?;
    Ok(bytes)
}

impl Answer for Key {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.public)
    }
}

impl Answer for Keys {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        self.keys
            .iter()
            .try_for_each(|key| key.write_text(out, colours))
    }
}
