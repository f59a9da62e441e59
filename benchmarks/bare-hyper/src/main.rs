//! `bare-hyper PORT TEXT`: answers every request on 127.0.0.1:PORT with TEXT.

use std::convert::Infallible;
use std::env::args;
use std::error::Error;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = args().nth(1).ok_or("usage: bare-hyper PORT TEXT")?.parse()?;
    let text = Bytes::from(args().nth(2).ok_or("usage: bare-hyper PORT TEXT")?);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let text = text.clone();
        let answer = service_fn(move |_| {
            let body = Full::new(text.clone());
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
