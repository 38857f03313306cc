//! The server's certificate, read anew when its file changes.

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// Time between two looks at the files.
const EVERY: Duration = Duration::from_secs(5);

/// Files of a certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, and those between it and one that is trusted.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// Why a certificate is not one.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file holds no certificate, or no key.
    #[error("{}: {what}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no provider of cryptography, or it does not take the key.
    #[error("TLS: {0}")]
    Rustls(String),
}

#[derive(Debug)]
struct Current {
    certificate: Certificate,
    provider: Arc<CryptoProvider>,
    key: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificate {
    fn file(path: &Path, error: impl ToString) -> TlsError {
        TlsError::File { path: path.to_owned(), what: error.to_string() }
    }

    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let certificates = CertificateDer::pem_file_iter(&self.cert_file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| Self::file(&self.cert_file, error))?;
        if certificates.is_empty() {
            return Err(Self::file(&self.cert_file, "there is no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key_file).map_err(|error| Self::file(&self.key_file, error))?;
        CertifiedKey::from_der(certificates, key, provider).map_err(|error| TlsError::Rustls(error.to_string()))
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        [changed(&self.cert_file), changed(&self.key_file)]
    }

    /// A server's settings with this certificate, which is looked at every few seconds for as long as the settings are used.
    ///
    /// # Errors
    /// The files hold no certificate and its key.
    pub(crate) fn server(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let missing = || TlsError::Rustls("no provider of cryptography was installed".to_owned());
        let provider = Arc::clone(CryptoProvider::get_default().ok_or_else(missing)?);
        let key = RwLock::new(Arc::new(self.load(&provider)?));
        let current = Arc::new(Current { certificate: self.clone(), provider, key });
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let watched = Arc::downgrade(&current);
        tokio::spawn(async move {
            let mut seen = current.certificate.changed();
            drop(current);
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(current) = watched.upgrade() else { return };
                let now = current.certificate.changed();
                // a pair that is being written is no pair yet: the old one stays, and it is looked at again
                if now != seen
                    && let Ok(key) = current.certificate.load(&current.provider)
                {
                    *current.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                    seen = now;
                }
            }
        });
        Ok(Arc::new(config))
    }
}
