//! First contact: why an origin that nothing is known of is believed, as the command line says it.
//!
//! # Not here
//!
//! What is verified with it (the library's `remote`).

use std::path::{Path, PathBuf};

use bindery::base::id::StatementId;
use bindery::base::{Error, Result};
use bindery::disk::real::RealDisk;
use bindery::disk::whole::read_small;
use bindery::remote::known::Root;
use bindery::remote::pin::{PIN_BYTES_MAX, Pin};
use clap::Args;

/// Why an origin is believed at first contact. Later it is known, and nothing of this is needed.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct FirstContact {
    /// At first contact: the repo id, as its owners tell it
    #[arg(long, value_name = "ID")]
    root: Option<StatementId>,
    /// At first contact: the pin file that its owners hand out
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
    /// At first contact: believe whatever answers, and remember it
    #[arg(long)]
    trust_first: bool,
}

impl FirstContact {
    /// The trust root that was said, if one was.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the pin file cannot be read, [`Error::Malformed`] if it is none.
    pub fn root(&self) -> Result<Option<Root>> {
        if let Some(id) = self.root {
            return Ok(Some(Root::Id(id)));
        }
        if let Some(file) = &self.pin {
            return read_pin(file).map(Root::Pin).map(Some);
        }
        Ok(self.trust_first.then_some(Root::First))
    }
}

fn read_pin(file: &Path) -> Result<Pin> {
    let name = file
        .file_name()
        .ok_or_else(|| Error::usage(format!("{} is no file", file.display())))?;
    let disk = RealDisk::new(file.parent().unwrap_or(Path::new("")));
    let bytes = read_small(&disk, Path::new(name), PIN_BYTES_MAX)?;
    let text = String::from_utf8(bytes);
    Pin::parse(&text.map_err(|_| Error::malformed("pin file", "it is not text"))?)
}
