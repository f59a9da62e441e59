//! Greets over HTTP, on WASI 0.2. The environment variable GREETED says whom; without it, the world.

use std::env;

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let greeted = env::var("GREETED").unwrap_or_else(|_| "world".to_owned());
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));

        let stream = body.write().expect("the stream is taken once");
        stream
            .blocking_write_and_flush(format!("Hello, {greeted}!\n").as_bytes())
            .expect("the client listens");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the body is complete");
    }
}
