//! A response body whose frames must not be too far apart.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// Ends with a read timeout when the next frame takes longer than allowed.
pub struct TimedBody {
    body: Incoming,
    between: Duration,
    limit: Pin<Box<Sleep>>,
}

impl TimedBody {
    pub fn new(body: Incoming, between: Duration) -> Self {
        Self {
            body,
            between,
            limit: Box::pin(sleep(between)),
        }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let next = Instant::now() + self.between;
            self.limit.as_mut().reset(next);
            return Poll::Ready(frame.map(|f| f.map_err(Error::from)));
        }
        ready!(self.limit.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
