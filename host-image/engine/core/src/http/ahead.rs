//! The start of a body, asked for before its head is sent.
//!
//! A guest in a shared instance writes its body a moment after the head, in its own task. Sent as they come, a short response
//! would be two or three packets, and as many system calls; with its start at hand it is one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, WasiBody};

type Polled = Option<Result<Frame<Bytes>, Error>>;

/// A body whose first frames are here already.
struct Ahead {
    frames: VecDeque<Polled>,
    rest: WasiBody,
}

/// The response with the frames that the guest has ready, or writes in its next turn on this thread. Never waits for a guest that
/// has nothing to write.
pub async fn with_first_frames(head: Response<WasiBody>) -> Response<WasiBody> {
    let (parts, mut rest) = head.into_parts();
    let mut frames = VecDeque::new();
    let mut gave_way = false;
    poll_fn(|cx| {
        // The first frame and what comes next, mostly the end: more would be held back for nothing.
        while frames.len() < 2 && !matches!(frames.back(), Some(None | Some(Err(_)))) {
            match Pin::new(&mut rest).poll_frame(cx) {
                Poll::Ready(frame) => frames.push_back(frame),
                Poll::Pending if gave_way || frames.is_empty() => break,
                Poll::Pending => {
                    gave_way = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    })
    .await;
    let body = match frames.is_empty() {
        true => rest,
        false => Ahead { frames, rest }.boxed_unsync(),
    };
    Response::from_parts(parts, body)
}

impl Body for Ahead {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(frame),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.frames.front() {
            Some(frame) => frame.is_none(),
            None => self.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.frames.iter().flatten().flatten().filter_map(Frame::data_ref);
        let held = data.map(|bytes| bytes.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}
