//! Connections of outgoing HTTP: resolve once, check each address, connect to one that passed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tower_service::Service;
use wasmtime_wasi_http::Error;

use crate::error::{EngineError, Result};
use crate::net::names::Internal;
use crate::net::policy::AddressPolicy;
use crate::net::rules::{Scheme, literal_address};
use crate::net::sockets::Reach;

/// The TLS settings that all workloads share: the system's CAs and the host's further ones.
#[derive(Clone)]
pub struct Tls(rustls::ClientConfig);

impl Tls {
    /// # Errors
    /// `config` when the file of further CAs can't be read.
    pub fn new(further_cas: Option<&Path>) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        // A machine without any CA can still speak plain HTTP, and TLS to the CAs of the file.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = further_cas {
            let bad = |e: &dyn std::fmt::Display| {
                EngineError::config(format!("the CA file {} can't be read: {e}", path.display()))
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
                roots
                    .add(certificate.map_err(|e| bad(&e))?)
                    .map_err(|e| bad(&e))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| EngineError::internal(format!("TLS can't be set up: {e}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(config))
    }
}

/// A connector for one workload's pool.
pub fn connector(tls: &Tls, reach: &Arc<Reach>) -> HttpsConnector<CheckedConnector> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.0.clone())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(CheckedConnector { reach: reach.clone() })
}

/// Opens TCP connections: within the workload's own loopback, and to addresses that the policy leaves open.
#[derive(Clone)]
pub struct CheckedConnector {
    reach: Arc<Reach>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    #[error("{address} is in a {range}")]
    Closed { address: IpAddr, range: &'static str },
    #[error("the name can't be resolved: {0}")]
    Name(std::io::Error),
    #[error("no connection: {0}")]
    Refused(std::io::Error),
}

impl NoConnection {
    /// The one among the causes of `error`.
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// What the guest is told.
    pub fn as_wasi(&self) -> Error {
        match self {
            NoConnection::Closed { .. } => Error::HttpRequestDenied,
            NoConnection::Name(_) => Error::DnsError {
                rcode: Some("name not resolved".into()),
                info_code: None,
            },
            NoConnection::Refused(e) if e.kind() == std::io::ErrorKind::TimedOut => Error::ConnectionTimeout,
            NoConnection::Refused(_) => Error::ConnectionRefused,
        }
    }
}

impl Service<Uri> for CheckedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = NoConnection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let reach = self.reach.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let default = uri
                .scheme_str()
                .and_then(Scheme::parse)
                .map_or(80, Scheme::default_port);
            let port = uri.port_u16().unwrap_or(default);
            // Whether the request may go to such a name was decided before it came here.
            let stream = match Internal::of(host) {
                Some(Internal::Own) => reach
                    .loopback
                    .connect(port)
                    .await
                    .map_err(NoConnection::Refused)?,
                Some(Internal::Machine) => TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                    .await
                    .map_err(NoConnection::Refused)?,
                _ => connect_checked(reach.policy, &resolve(host, port).await?).await?,
            };
            // Requests are written whole; a late packet costs more than a small one.
            let _ = stream.set_nodelay(true);
            Ok(TokioIo::new(stream))
        })
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, NoConnection> {
    if let Some(address) = literal_address(host) {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok(tokio::net::lookup_host((host, port))
        .await
        .map_err(NoConnection::Name)?
        .collect())
}

/// Tries the open addresses in turn; a closed one is reported only when none is open.
async fn connect_checked(policy: AddressPolicy, addresses: &[SocketAddr]) -> Result<TcpStream, NoConnection> {
    let mut last = NoConnection::Name(std::io::Error::other("the name has no address"));
    let mut was_tried = false;
    for address in addresses {
        if let Some(range) = policy.closed_range(address.ip()) {
            if !was_tried {
                last = NoConnection::Closed {
                    address: address.ip(),
                    range,
                };
            }
            continue;
        }
        was_tried = true;
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = NoConnection::Refused(error),
        }
    }
    Err(last)
}
