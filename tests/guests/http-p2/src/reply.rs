//! Responses: a text, a number of bytes, or another body passed on.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use wasip2::http::types::{Fields, IncomingBody, OutgoingBody, OutgoingResponse, ResponseOutparam, Trailers};

/// Where the one response of a request goes.
pub struct Answer(pub ResponseOutparam);

impl Answer {
    fn start(self, status: u16, headers: Fields) -> OutgoingBody {
        let response = OutgoingResponse::new(headers);
        response.set_status_code(status).expect("a status that HTTP knows");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(self.0, Ok(response));
        body
    }
}

pub fn text(answer: Answer, status: u16, text: &str) -> io::Result<()> {
    let body = answer.start(status, content_type("text/plain; charset=utf-8"));
    write(&body, &mut text.as_bytes())?;
    finish(body, None)
}

pub fn big(answer: Answer, bytes: u64) -> io::Result<()> {
    let body = answer.start(200, content_type("application/octet-stream"));
    write(&body, &mut io::repeat(b'x').take(bytes))?;
    finish(body, None)
}

/// A body that breaks off: it begins, computes for a while and traps.
pub fn broken(answer: Answer, ms: u64) -> io::Result<()> {
    let body = answer.start(200, content_type("text/plain; charset=utf-8"));
    write(&body, &mut &b"part\n"[..])?;
    behaviour::compute(ms);
    core::arch::wasm32::unreachable()
}

/// A body without end, which goes on after each pause.
pub fn ticks(answer: Answer, ms: u64) -> io::Result<()> {
    let body = answer.start(200, content_type("text/plain; charset=utf-8"));
    let mut out = body.write().expect("the stream is taken once");
    loop {
        out.write_all(b"tick\n")?;
        Write::flush(&mut out)?;
        thread::sleep(Duration::from_millis(ms));
    }
}

/// Sends `source` on as it comes, trailers too.
pub fn forward(answer: Answer, status: u16, headers: Fields, source: IncomingBody) -> io::Result<()> {
    let body = answer.start(status, headers);
    let mut stream = source.stream().expect("the stream is taken once");
    write(&body, &mut stream)?;
    drop(stream);
    let trailers = IncomingBody::finish(source);
    trailers.subscribe().block();
    let trailers = trailers.get().expect("they are ready").expect("they are taken once");
    finish(body, trailers.map_err(|code| io::Error::other(format!("{code:?}")))?)
}

fn write(body: &OutgoingBody, source: &mut impl Read) -> io::Result<()> {
    let mut out = body.write().expect("the stream is taken once");
    io::copy(source, &mut out)?;
    Write::flush(&mut out)
}

fn finish(body: OutgoingBody, trailers: Option<Trailers>) -> io::Result<()> {
    OutgoingBody::finish(body, trailers).map_err(|code| io::Error::other(format!("{code:?}")))
}

fn content_type(value: &str) -> Fields {
    let headers = Fields::new();
    headers.set("content-type", &[value.as_bytes().to_vec()]).expect("a header of ours");
    headers
}
