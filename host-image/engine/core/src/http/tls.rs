//! TLS on the listener: its certificate, and the clients' where they need one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::error::{EngineError, Result};
use crate::log::say;

/// How often the files are read. A renewed certificate serves the connections that are opened after that.
pub const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// Where certificates are, all PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// CAs of the clients' certificates; None asks clients for none.
    pub client_ca: Option<PathBuf>,
}

/// What the files held.
#[derive(PartialEq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// The listener's side of TLS, which goes along with its files.
pub struct ListenerTls {
    files: CertificateFiles,
    config: ArcSwap<ServerConfig>,
    /// What was tried last, so that contents which can't be used are reported once. A file that can't be read is reported each time.
    tried: Mutex<Contents>,
}

impl ListenerTls {
    /// # Errors
    /// `config`, naming the file that can't be used.
    pub fn load(files: CertificateFiles) -> Result<Self> {
        let contents = files.read()?;
        let config = files.config_of(&contents)?;
        Ok(Self {
            files,
            config: ArcSwap::from_pointee(config),
            tried: Mutex::new(contents),
        })
    }

    /// For one connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reads the files again. What can't be used is reported, and the last good certificate stays.
    pub fn reload(&self) {
        let contents = match self.files.read() {
            Ok(contents) => contents,
            Err(error) => return report(&error),
        };
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == contents {
            return;
        }
        match self.files.config_of(&contents) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                say(format!(
                    "the listener's certificate was read anew from {}",
                    self.files.certificate.display()
                ));
            }
            Err(error) => report(&error),
        }
        *tried = contents;
    }
}

fn report(error: &EngineError) {
    say(format!("the listener keeps its last good certificate: {error}"));
}

impl CertificateFiles {
    fn read(&self) -> Result<Contents> {
        Ok(Contents {
            certificate: read("certificate", &self.certificate)?,
            key: read("key", &self.key)?,
            client_ca: self
                .client_ca
                .as_deref()
                .map(|path| read("CA file", path))
                .transpose()?,
        })
    }

    fn config_of(&self, contents: &Contents) -> Result<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates("certificate", &self.certificate, &contents.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|e| unusable("key", &self.key, &e))?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| EngineError::internal(format!("TLS can't be set up: {e}")))?;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for ca in certificates("CA file", path, pem)? {
                    roots.add(ca).map_err(|e| unusable("CA file", path, &e))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|e| unusable("CA file", path, &e))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|e| unusable("certificate", &self.certificate, &e))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| unusable(what, path, &e))
}

fn certificates(what: &str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| unusable(what, path, &e))?;
    match all.is_empty() {
        true => Err(unusable(what, path, &"no certificate is in it")),
        false => Ok(all),
    }
}

fn unusable(what: &str, path: &Path, why: &dyn std::fmt::Display) -> EngineError {
    EngineError::config(format!(
        "the {what} {} can't be used for HTTPS: {why}",
        path.display()
    ))
}
