//! Outgoing HTTP: the allow-list, one connection pool a workload, and the check of the address connected to.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::uri::Authority;
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use super::connect::{CheckedConnector, NoConnection, Tls, connector};
use super::timed_body::TimedBody;
use crate::net::rules::Scheme;
use crate::net::sockets::Reach;

/// For requests whose options say nothing.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(600);

type HttpClient = Client<hyper_rustls::HttpsConnector<CheckedConnector>, WasiBody>;
type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

static FORBIDDEN_HEADERS: LazyLock<ForbiddenHeaderFilter> =
    LazyLock::new(|| Arc::new(|name| DEFAULT_FORBIDDEN_HEADERS.contains(name)));

/// A component's way out. Clones share the connection pool.
#[derive(Clone)]
pub struct Egress(Arc<Shared>);

struct Shared {
    reach: Arc<Reach>,
    client: HttpClient,
}

impl Egress {
    pub fn new(reach: Arc<Reach>, tls: &Tls) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .build(connector(tls, &reach));
        Self(Arc::new(Shared { reach, client }))
    }
}

impl WasiHttpHooks for Egress {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        FORBIDDEN_HEADERS.clone()
    }

    fn is_forbidden_header(&mut self, name: &http::HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        let shared = self.0.clone();
        Box::new(async move {
            let response = shared.send(request, options.unwrap_or_default()).await?;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Sending))
        })
    }
}

impl Shared {
    async fn send(
        &self,
        mut request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        let scheme = request
            .uri()
            .scheme_str()
            .and_then(Scheme::parse)
            .ok_or(Error::HttpRequestUriInvalid)?;
        let authority = request
            .uri()
            .authority()
            .ok_or(Error::HttpRequestUriInvalid)?
            .clone();
        let port = effective_port(&authority, scheme)?;
        if !self.reach.allows_request(scheme, authority.host(), port) {
            self.deny(
                scheme,
                authority.host(),
                port,
                "no entry of allowedHosts covers it",
            );
            return Err(Error::HttpRequestDenied);
        }
        let mut captured = capture_connection(&mut request);
        let answer = self.client.request(request);
        let connected = async move {
            captured.wait_for_connection_metadata().await;
        };
        let answer = bounded(answer, connected, &options).await?;
        let response = answer.map_err(|error| self.explain(&error, scheme, authority.host(), port))?;
        let between = options.between_bytes_timeout.unwrap_or(ANSWER_WITHIN);
        Ok(response.map(|body| TimedBody::new(body, between).boxed_unsync()))
    }

    fn deny(&self, scheme: Scheme, host: &str, port: u16, reason: &str) {
        let destination = format!("{}://{host}:{port}", scheme.name());
        self.reach.denials.note(&destination, reason);
    }

    fn explain(&self, error: &ClientError, scheme: Scheme, host: &str, port: u16) -> Error {
        let cause = NoConnection::find(error);
        if let Some(NoConnection::Closed { address, range }) = cause {
            let reason = format!("it resolves to {address}, which is in a {range}");
            self.deny(scheme, host, port, &reason);
        }
        match cause {
            Some(cause) => cause.as_wasi(),
            None if error.is_connect() => Error::TlsProtocolError,
            None => Error::HttpProtocolError,
        }
    }
}

/// The port in the authority, else the scheme's. User information is refused: it would be sent to nobody.
fn effective_port(authority: &Authority, scheme: Scheme) -> Result<u16, Error> {
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(Error::HttpRequestUriInvalid);
    }
    match (authority.port_u16(), authority.port()) {
        (Some(0), _) | (None, Some(_)) => Err(Error::HttpRequestUriInvalid),
        (Some(port), _) => Ok(port),
        (None, None) => Ok(scheme.default_port()),
    }
}

/// Waits for the answer: so long for the connection, and so long from there to the first byte.
async fn bounded<F: Future + Unpin>(
    mut answer: F,
    connected: impl Future<Output = ()>,
    options: &RequestOptions,
) -> Result<F::Output, Error> {
    let mut connected = std::pin::pin!(connected);
    let connecting = timeout(options.connect_timeout.unwrap_or(CONNECT_WITHIN), async {
        tokio::select! {
            biased;
            output = &mut answer => Some(output),
            () = &mut connected => None,
        }
    });
    if let Some(output) = connecting.await.map_err(|_| Error::ConnectionTimeout)? {
        return Ok(output);
    }
    timeout(
        options.first_byte_timeout.unwrap_or(ANSWER_WITHIN),
        Pin::new(&mut answer),
    )
    .await
    .map_err(|_| Error::ConnectionReadTimeout)
}
