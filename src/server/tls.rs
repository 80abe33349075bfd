//! TLS: certificates and a secret key from files.
//!
//! # Not here
//!
//! Where clear text is spoken (`server::serve`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::base::{Error, Result};
use crate::disk::named::read_named;
use crate::store::serve_settings::ServeSettings;

/// Bytes of a file of certificates or of a key.
const PEM_BYTES_MAX: u64 = 1024 * 1024;
/// Certificates that are shown: no chain is longer.
const CERTIFICATES_MAX: usize = 16;
/// What is spoken within.
const HTTP: &[u8] = b"http/1.1";

/// What a server shows to prove which one it is: a certificate and a key, or nothing where clear text is spoken. They can be
/// read again while it runs; connections that are open stay as they are.
#[derive(Debug)]
pub struct Identity {
    root: PathBuf,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    shown: RwLock<Option<Arc<ServerConfig>>>,
}

impl Identity {
    /// Reads what `settings` name, from `root` on if that is relative; nothing, if they name nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the files are no PEM, or the key is not that of the certificate; [`Error::Io`] and
    /// [`Error::Limit`] if they cannot be read.
    pub fn read(root: PathBuf, settings: &ServeSettings) -> Result<Self> {
        let identity = Self {
            root,
            certificate: settings.tls_certificate.clone(),
            key: settings.tls_key.clone(),
            shown: RwLock::default(),
        };
        identity.renew()?;
        Ok(identity)
    }

    /// Reads it again.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); what was shown before is shown on then.
    pub fn renew(&self) -> Result<()> {
        let read = read(&self.root, self.certificate.as_deref(), self.key.as_deref())?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// Whether anything is shown: not where clear text is spoken.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.certificate.is_some()
    }

    /// What is shown to the next who connects.
    #[must_use]
    pub fn shown(&self) -> Option<Arc<ServerConfig>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

fn read(
    root: &Path,
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<Arc<ServerConfig>>> {
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Ok(None);
    };
    let certificate = root.join(certificate);
    let chain = read_named(&certificate, PEM_BYTES_MAX)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(|error| unusable(&certificate, &error.to_string()))?;
    if !(1..=CERTIFICATES_MAX).contains(&chain.len()) {
        let found = format!(
            "it has {} certificates, not 1 to {CERTIFICATES_MAX}",
            chain.len()
        );
        return Err(unusable(&certificate, &found));
    }
    let place = root.join(key);
    let key = PrivateKeyDer::from_pem_slice(&read_named(&place, PEM_BYTES_MAX)?);
    let key = key.map_err(|error| unusable(&place, &error.to_string()))?;
    let config = configure(chain, key);
    let mut config = config.map_err(|error| unusable(&place, &error.to_string()))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(Some(Arc::new(config)))
}

fn configure(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
}

fn unusable(place: &Path, reason: &str) -> Error {
    Error::usage(format!(
        "{} is of no use for TLS: {reason}",
        place.display()
    ))
}
