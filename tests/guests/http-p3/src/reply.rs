//! Responses: a text, a number of bytes, or another body passed on.

use wasip3::cli;
use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Response};
use wasip3::wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

pub type Trailers = FutureReader<Result<Option<Fields>, ErrorCode>>;
pub type Written = FutureReader<Result<(), cli::types::ErrorCode>>;

const CHUNK: usize = 64 * 1024;

pub fn text(status: u16, text: &str) -> Response {
    let (mut tx, rx) = wit_stream::new();
    let bytes = text.as_bytes().to_vec();
    spawn_local(async move {
        tx.write_all(bytes).await;
    });
    response(status, content_type("text/plain; charset=utf-8"), rx, no_trailers())
}

pub fn big(bytes: u64) -> Response {
    let (mut tx, rx) = wit_stream::new();
    spawn_local(async move {
        let mut left = bytes;
        while left > 0 {
            let chunk = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            if !tx.write_all(vec![b'x'; chunk]).await.is_empty() {
                return; // the client left
            }
            left -= chunk as u64;
        }
    });
    response(200, content_type("application/octet-stream"), rx, no_trailers())
}

/// A body that breaks off: it begins, computes for a while and traps.
pub fn broken(ms: u64) -> Response {
    let (mut tx, rx) = wit_stream::new();
    spawn_local(async move {
        tx.write_all(b"part\n".to_vec()).await;
        behaviour::compute(ms);
        core::arch::wasm32::unreachable();
    });
    response(200, content_type("text/plain; charset=utf-8"), rx, no_trailers())
}

/// A body without end, which goes on after each pause.
pub fn ticks(ms: u64) -> Response {
    let (mut tx, rx) = wit_stream::new();
    spawn_local(async move {
        while tx.write_all(b"tick\n".to_vec()).await.is_empty() {
            monotonic_clock::wait_for(ms * 1_000_000).await;
        }
    });
    response(200, content_type("text/plain; charset=utf-8"), rx, no_trailers())
}

/// Sends `source` on as it comes, trailers too.
pub fn forward(status: u16, headers: Fields, source: StreamReader<u8>, trailers: Trailers) -> Response {
    let (tx, rx) = wit_stream::new();
    spawn_local(copy(source, tx));
    response(status, headers, rx, trailers)
}

async fn copy(mut source: StreamReader<u8>, mut out: StreamWriter<u8>) {
    loop {
        let (result, bytes) = source.read(Vec::with_capacity(CHUNK)).await;
        let is_end = !matches!(result, StreamResult::Complete(_));
        let has_reader = out.write_all(bytes).await.is_empty();
        if is_end || !has_reader {
            return;
        }
    }
}

fn response(status: u16, headers: Fields, body: StreamReader<u8>, trailers: Trailers) -> Response {
    let (response, _sent) = Response::new(headers, Some(body), trailers);
    response.set_status_code(status).expect("a status that HTTP knows");
    response
}

pub fn no_trailers() -> Trailers {
    // The default is what the reader gets, since the writer is dropped at once.
    wit_future::new(|| Ok(None)).1
}

fn content_type(value: &str) -> Fields {
    let headers = Fields::new();
    headers.set("content-type", &[value.as_bytes().to_vec()]).expect("a header of ours");
    headers
}
