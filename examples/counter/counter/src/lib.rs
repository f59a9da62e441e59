//! Counts the visits to each path (`wasi:keyvalue`), whichever replica they come to.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

use wasi::keyvalue::atomics::increment;
use wasi::keyvalue::store::{self, Error};

wit_bindgen::generate!({ world: "counting" });

struct Counter;

wasip2::http::proxy::export!(Counter);

impl wasip2::exports::http::incoming_handler::Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match visit(path) {
            Ok(count) => answer(out, 200, &format!("{path} was visited {count} times\n")),
            Err(error) => answer(out, 503, &format!("the counter can't be reached: {error:?}\n")),
        }
    }
}

fn visit(path: &str) -> Result<u64, Error> {
    increment(&store::open("visits")?, path, 1)
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status that HTTP knows");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));

    let stream = body.write().expect("the stream is taken once");
    stream.blocking_write_and_flush(text.as_bytes()).expect("the client listens");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is complete");
}
