//! The http guest on WASI 0.2 (`wasi:http/incoming-handler`). `../README.md` says what each path does.

mod net;
mod reply;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use behaviour::{Behaviour, Target, wit_name};
use reply::{Answer, forward, text};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, IncomingResponse, OutgoingRequest, ResponseOutparam,
    Scheme,
};

struct HttpP2;

wasip2::http::proxy::export!(HttpP2);

static REQUEST_COUNT: AtomicU64 = AtomicU64::new(0);

impl wasip2::exports::http::incoming_handler::Guest for HttpP2 {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let count = REQUEST_COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = Answer(out);
        // An Err means that the client left in the middle of the body; nobody is there to be told.
        let _ = match Behaviour::of(&request.path_with_query().unwrap_or_default()) {
            Behaviour::Hello => text(answer, 200, "hello from http-p2\n"),
            Behaviour::Trap => core::arch::wasm32::unreachable(),
            Behaviour::Spin => behaviour::spin(),
            Behaviour::Bomb => behaviour::bomb(),
            Behaviour::Break { ms } => reply::broken(answer, ms),
            Behaviour::Tick { ms } => reply::ticks(answer, ms),
            Behaviour::Linger { ms } => {
                let sent = text(answer, 200, "lingering\n");
                thread::sleep(Duration::from_millis(ms));
                sent
            }
            Behaviour::Hoard { count } => {
                let held: Vec<_> = (0..count).map(|_| Fields::new()).collect();
                text(answer, 200, &format!("{}\n", held.len()))
            }
            Behaviour::Sockets { count } => text(answer, 200, &net::open(count)),
            Behaviour::Fetch(url) => fetch(answer, &url),
            Behaviour::Echo => echo(answer, request),
            Behaviour::Sleep { ms } => {
                thread::sleep(Duration::from_millis(ms));
                text(answer, 200, &format!("slept {ms} ms\n"))
            }
            Behaviour::Headers => text(answer, 200, &header_lines(&request)),
            Behaviour::Env => text(answer, 200, &env_lines()),
            Behaviour::Stdout(line) => {
                println!("{line}");
                eprintln!("{line}");
                text(answer, 200, "printed\n")
            }
            Behaviour::Count => text(answer, 200, &format!("{count}\n")),
            Behaviour::Big { bytes } => reply::big(answer, bytes),
            Behaviour::Connect(addr) => text(answer, 200, &net::connect(&addr)),
            Behaviour::Resolve(name) => text(answer, 200, &net::resolve(&name)),
            Behaviour::Bad(why) => text(answer, 400, &why),
            Behaviour::Unknown => text(answer, 404, "no such path\n"),
        };
    }
}

fn fetch(answer: Answer, url: &str) -> io::Result<()> {
    let target = match Target::parse(url) {
        Ok(target) => target,
        Err(why) => return text(answer, 400, &why),
    };
    match send(&target) {
        Ok(response) => {
            let body = response.consume().expect("the body is taken once");
            forward(answer, response.status(), Fields::new(), body)
        }
        Err(code) => text(answer, 502, &wit_name(&format!("{code:?}"))),
    }
}

fn send(target: &Target) -> Result<IncomingResponse, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if target.is_tls { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).expect("a scheme of http");
    request.set_authority(Some(&target.authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request
        .set_path_with_query(Some(&target.path_with_query))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let pending = outgoing_handler::handle(request, None)?;
    pending.subscribe().block();
    pending.get().expect("it is ready").expect("it is taken once")
}

fn echo(answer: Answer, request: IncomingRequest) -> io::Result<()> {
    let headers = Fields::new();
    let content_type = request.headers().get("content-type");
    headers.set("content-type", &content_type).expect("a header that came in may go out");
    let body: IncomingBody = request.consume().expect("the body is taken once");
    forward(answer, 200, headers, body)
}

fn header_lines(request: &IncomingRequest) -> String {
    let entries = request.headers().entries();
    entries.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value))).collect()
}

fn env_lines() -> String {
    std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect()
}
