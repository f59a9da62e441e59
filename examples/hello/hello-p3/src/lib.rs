//! Greets over HTTP, on WASI 0.3. The environment variable GREETED says whom; without it, the world.

use std::env;

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Hello;

wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        let greeted = env::var("GREETED").unwrap_or_else(|_| "world".to_owned());
        let (mut body, body_reader) = wit_stream::new();
        let (_, no_trailers) = wit_future::new(|| Ok(None));
        // The body is written while the host sends it, after this function has returned.
        spawn_local(async move { body.write_all(format!("Hello, {greeted}!\n").into_bytes()).await });
        let (response, _sent) = Response::new(Fields::new(), Some(body_reader), no_trailers);
        Ok(response)
    }
}
