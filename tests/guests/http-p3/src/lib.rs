//! The http guest on WASI 0.3 (`wasi:http/handler`). `../README.md` says what each path does.

mod net;
mod reply;

use std::sync::atomic::{AtomicU64, Ordering};

use behaviour::{Behaviour, Target, wit_name};
use reply::{forward, text};
use wasip3::cli::{environment, stderr, stdout};
use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_bindgen::rt::async_support::StreamReader;
use wasip3::{spawn_local, wit_future, wit_stream};

struct HttpP3;

wasip3::http::service::export!(HttpP3);

static REQUEST_COUNT: AtomicU64 = AtomicU64::new(0);

impl wasip3::exports::http::handler::Guest for HttpP3 {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let count = REQUEST_COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(match Behaviour::of(&request.get_path_with_query().unwrap_or_default()) {
            Behaviour::Hello => text(200, "hello from http-p3\n"),
            Behaviour::Trap => core::arch::wasm32::unreachable(),
            Behaviour::Spin => behaviour::spin(),
            Behaviour::Bomb => behaviour::bomb(),
            Behaviour::Break { ms } => reply::broken(ms),
            Behaviour::Tick { ms } => reply::ticks(ms),
            Behaviour::Linger { ms } => {
                spawn_local(monotonic_clock::wait_for(ms * 1_000_000));
                text(200, "lingering\n")
            }
            Behaviour::Hoard { count } => {
                let held: Vec<_> = (0..count).map(|_| Fields::new()).collect();
                text(200, &format!("{}\n", held.len()))
            }
            Behaviour::Sockets { count } => text(200, &net::open(count)),
            Behaviour::Fetch(url) => fetch(&url).await,
            Behaviour::Echo => echo(request),
            Behaviour::Sleep { ms } => {
                monotonic_clock::wait_for(ms * 1_000_000).await;
                text(200, &format!("slept {ms} ms\n"))
            }
            Behaviour::Headers => text(200, &header_lines(&request)),
            Behaviour::Env => text(200, &env_lines()),
            Behaviour::Stdout(line) => text(200, &print(&line).await),
            Behaviour::Count => text(200, &format!("{count}\n")),
            Behaviour::Big { bytes } => reply::big(bytes),
            Behaviour::Connect(addr) => text(200, &net::connect(&addr).await),
            Behaviour::Resolve(name) => text(200, &net::resolve(name).await),
            Behaviour::Bad(why) => text(400, &why),
            Behaviour::Unknown => text(404, "no such path\n"),
        })
    }
}

async fn fetch(url: &str) -> Response {
    let target = match Target::parse(url) {
        Ok(target) => target,
        Err(why) => return text(400, &why),
    };
    match send(&target).await {
        Ok(response) => {
            let status = response.get_status_code();
            let (_, consumed) = wit_future::new(|| Ok(()));
            let (body, trailers) = Response::consume_body(response, consumed);
            forward(status, Fields::new(), body, trailers)
        }
        Err(code) => text(502, &wit_name(&format!("{code:?}"))),
    }
}

async fn send(target: &Target) -> Result<Response, ErrorCode> {
    let (request, _sent) = Request::new(Fields::new(), None, reply::no_trailers(), None);
    let scheme = if target.is_tls { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).expect("a scheme of http");
    request.set_authority(Some(&target.authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request
        .set_path_with_query(Some(&target.path_with_query))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    client::send(request).await
}

fn echo(request: Request) -> Response {
    let headers = Fields::new();
    let content_type = request.get_headers().get("content-type");
    headers.set("content-type", &content_type).expect("a header that came in may go out");
    let (_, consumed) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, consumed);
    forward(200, headers, body, trailers)
}

fn header_lines(request: &Request) -> String {
    let entries = request.get_headers().copy_all();
    entries.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value))).collect()
}

fn env_lines() -> String {
    environment::get_environment().iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

async fn print(line: &str) -> String {
    let written = async |write: fn(StreamReader<u8>) -> reply::Written| {
        let (mut tx, rx) = wit_stream::new();
        let outcome = write(rx);
        tx.write_all(format!("{line}\n").into_bytes()).await;
        drop(tx);
        outcome.await
    };
    match (written(stdout::write_via_stream).await, written(stderr::write_via_stream).await) {
        (Ok(()), Ok(())) => "printed\n".to_owned(),
        (Err(code), _) | (_, Err(code)) => wit_name(&format!("{code:?}")),
    }
}
