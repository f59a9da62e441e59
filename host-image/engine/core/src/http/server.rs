//! The one listener: HTTP/1.1 and HTTP/2, in clear text or with TLS, routed by name.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::Scheme;
use http::{HeaderValue, Request, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::connections::{Connection, Connections};
use super::reply::{Reply, plain};
use super::router::{Routes, host_of};
use super::tls::ListenerTls;

/// A client that takes longer to send the head of a request, or for the start of TLS, is cut off.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// What every connection needs.
pub struct Front {
    pub routes: ArcSwap<Routes>,
    /// Requests that no workload answered.
    pub unrouted: AtomicU64,
    /// None serves clear text.
    pub tls: Option<Arc<ListenerTls>>,
    /// Cancelled when connections have to come to their end.
    pub closing: CancellationToken,
    pub connections: Connections,
    /// How long a client may take for the head of a request, or for the start of TLS.
    pub head_within: Duration,
}

impl Default for Front {
    fn default() -> Self {
        Self {
            routes: ArcSwap::default(),
            unrouted: AtomicU64::default(),
            tls: None,
            closing: CancellationToken::default(),
            connections: Connections::default(),
            head_within: HEAD_WITHIN,
        }
    }
}

/// Serves one connection until it ends, or until the front closes and its requests in flight are answered.
pub async fn serve_connection(front: Arc<Front>, stream: TcpStream) {
    let Some(tls) = &front.tls else {
        return serve_stream(front, stream, Scheme::HTTP).await;
    };
    let accepting = tokio::time::timeout(front.head_within, tls.acceptor().accept(stream));
    // A client that doesn't speak TLS, or has no good certificate, learns so by TLS itself.
    let accepted = tokio::select! {
        accepted = accepting => accepted,
        () = front.closing.cancelled() => return,
    };
    if let Ok(Ok(stream)) = accepted {
        serve_stream(front, stream, Scheme::HTTPS).await;
    }
}

async fn serve_stream(
    front: Arc<Front>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    scheme: Scheme,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(front.head_within);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(60));
    // A token of its own: every poll of a shared one takes a lock that all connections want.
    let entry = front.connections.enter(&front.closing);
    let service = service_fn(|request| {
        let (front, connection, scheme) = (front.clone(), entry.connection.clone(), scheme.clone());
        async move {
            connection.note_asked();
            let version = request.version();
            let mut reply = answer(&front, &connection, request, scheme).await;
            if connection.is_leaving() {
                say_last(version, &mut reply, &connection);
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // An error here is the client's: it went away, or spoke no HTTP. There is nobody to tell.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = nothing_asked(&entry.connection, front.head_within) => return,
        () = entry.connection.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Ends when the connection has had no request `within` its first time. The limit of the HTTP library starts only when it knows
/// the version, which a client that sends nothing never tells.
async fn nothing_asked(connection: &Connection, within: Duration) {
    let mut limit = Some(Box::pin(sleep(within)));
    poll_fn(|cx| {
        limit.take_if(|_| connection.has_asked());
        limit
            .as_mut()
            .map_or(Poll::Pending, |limit| limit.as_mut().poll(cx))
    })
    .await;
}

/// Tells the client that this was the connection's last request: HTTP/1 has a header for it, HTTP/2 a frame.
fn say_last(version: Version, reply: &mut Reply, connection: &Connection) {
    if version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        reply.headers_mut().insert(http::header::CONNECTION, close);
    } else {
        connection.closing.cancel();
    }
}

async fn answer(
    front: &Front,
    connection: &Connection,
    mut request: Request<Incoming>,
    scheme: Scheme,
) -> Reply {
    let Some(authority) = authority_of(&request) else {
        front.unrouted.fetch_add(1, Ordering::Relaxed);
        return plain(StatusCode::BAD_REQUEST, "the request names no host".into());
    };
    let host = host_of(authority);
    let found = front.routes.load().find(&host, request.uri().path()).cloned();
    let Some(workload) = found else {
        front.unrouted.fetch_add(1, Ordering::Relaxed);
        if connection.has_asked_for(&host) {
            connection.closing.cancel();
        }
        return plain(StatusCode::NOT_FOUND, format!("no workload answers for {host:?}"));
    };
    // The connection says what the scheme is, whatever the client writes.
    if request.uri().authority().is_none() || request.uri().scheme() != Some(&scheme) {
        match absolute(request.uri(), authority, scheme) {
            Some(uri) => *request.uri_mut() = uri,
            None => return plain(StatusCode::BAD_REQUEST, "the Host header is no authority".into()),
        }
    }
    connection.note(&host);
    workload.serve(request).await
}

/// The request's authority (HTTP/2, absolute form), else its only Host header.
fn authority_of(request: &Request<Incoming>) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers().get_all(http::header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().filter(|host| !host.is_empty()),
        _ => None,
    }
}

/// The URI with the scheme and the authority that the guest asks for.
fn absolute(uri: &Uri, authority: &str, scheme: Scheme) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority.parse().ok()?);
    if parts
        .path_and_query
        .as_ref()
        .is_none_or(|path| path.as_str() == "*")
    {
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    }
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_begins_no_request_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Arc::new(Front {
            head_within: Duration::from_millis(100),
            ..Front::default()
        });
        for begun in ["", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT"] {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let serving = tokio::spawn(serve_connection(front.clone(), stream));
            client.write_all(begun.as_bytes()).await.unwrap();
            let ended = async {
                // What the server says meanwhile, such as its settings of HTTP/2, is no matter here.
                let _ = client.read_to_end(&mut Vec::new()).await;
                serving.await.unwrap();
            };
            let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
            assert!(ended.is_ok(), "{begun:?} is served for ever");
        }
    }

    #[tokio::test]
    async fn a_client_that_asked_once_may_wait() {
        let front = Front::default();
        let entry = front.connections.enter(&front.closing);
        entry.connection.note_asked();
        let limit = nothing_asked(&entry.connection, Duration::ZERO);
        assert!(limit.now_or_never().is_none());
    }

    #[test]
    fn a_guest_is_told_the_scheme_of_the_connection() {
        for (written, scheme, told) in [
            ("/a?b", Scheme::HTTPS, "https://h:1/a?b"),
            ("/", Scheme::HTTP, "http://h:1/"),
            ("http://h:1/a", Scheme::HTTPS, "https://h:1/a"),
            ("*", Scheme::HTTPS, "https://h:1/"),
        ] {
            let uri = absolute(&written.parse().unwrap(), "h:1", scheme).unwrap();
            assert_eq!(uri.to_string(), told, "{written}");
        }
    }
}
