//! Authorities: who is believed about which server is which, beside those that every browser believes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::base::{Error, Result};
use crate::disk::named::read_named;

/// Bytes of a file of certificates: far more than those of all authorities that there are.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Certificates in it.
const CERTIFICATES_MAX: usize = 1024;

/// The only authorities that are believed.
#[derive(Clone)]
pub struct Authorities(Arc<Vec<Certificate<'static>>>);

impl Authorities {
    /// Reads the certificates in a PEM file.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if there are none; [`Error::Io`] and [`Error::Limit`] if it cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = read_named(file, PEM_BYTES_MAX)?;
        let unusable = |reason: String| Error::usage(format!("{}: {reason}", file.display()));
        let mut certificates = Vec::new();
        for item in parse_pem(&bytes) {
            if let PemItem::Certificate(certificate) = item.map_err(|e| unusable(e.to_string()))? {
                certificates.push(certificate);
            }
        }
        let found = certificates.len();
        if !(1..=CERTIFICATES_MAX).contains(&found) {
            let reason = format!("it has {found} certificates, not 1 to {CERTIFICATES_MAX}");
            return Err(unusable(reason));
        }
        Ok(Self(Arc::new(certificates)))
    }

    pub(super) fn roots(&self) -> RootCerts {
        RootCerts::Specific(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
    }
}
