//! Responses: the plain ones of the host, and those of guests.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

use super::drive::Drive;
use super::watched::Watched;
use super::writing::{Said, Writing};
use crate::workload::Lease;

pub type Reply = Response<ReplyBody>;

/// A response's body.
pub struct ReplyBody {
    ahead: Ahead,
    rest: Rest,
}

/// Frames that are here already: the first one, and what comes next.
#[derive(Default)]
struct Ahead([Option<Frame<Bytes>>; 2]);

/// What comes after them.
enum Rest {
    Nothing {
        /// The guest's head tells a length of its own, which is the one that counts.
        is_length_told: bool,
    },
    /// What a guest wrote that has ended.
    Left(WasiBody),
    Watched(Watched),
}

/// A plain sentence from the host itself.
pub fn plain(status: StatusCode, text: String) -> Reply {
    let frame = Frame::data(Bytes::from(text + "\n"));
    let mut reply = Response::new(ReplyBody {
        ahead: Ahead([Some(frame), None]),
        rest: Rest::Nothing {
            is_length_told: false,
        },
    });
    *reply.status_mut() = status;
    reply.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}

/// A guest's response, with the start of its body. `drive` is None when the guest has ended already; else each further frame must be
/// written, and taken, `within` a time.
///
/// A guest of WASI 0.3 writes its body a moment after the head. Sent as they come, a short response would be two or three packets,
/// and as many system calls; with its start at hand it is one. And one that is whole needs no watch.
///
/// # Errors
/// The body broke off already, so another response can take its place.
pub async fn from_guest(
    head: Response<WasiBody>,
    drive: Option<Drive>,
    within: Duration,
    lease: Lease,
) -> Result<Reply, Error> {
    let (head, body) = head.into_parts();
    let mut ahead = Ahead::default();
    let rest = match drive {
        None => Rest::Left(body),
        Some(drive) => {
            let mut writing = Writing::new(body, drive, lease, within);
            match ahead.is_whole_of(&mut writing).await? {
                true => Rest::Nothing {
                    is_length_told: head.headers.contains_key(CONTENT_LENGTH),
                },
                false => Rest::Watched(Watched::new(writing, within)),
            }
        }
    };
    Ok(Response::from_parts(head, ReplyBody { ahead, rest }))
}

impl Ahead {
    /// Takes what the guest has ready, or writes in its next turn on this thread, and says whether that is all. Never waits for
    /// a guest that has nothing to write.
    async fn is_whole_of(&mut self, writing: &mut Writing) -> Result<bool, Error> {
        let mut gave_way = false;
        poll_fn(|cx| {
            // More frames would be held back for nothing.
            while let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
                match writing.poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => *place = Some(frame),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Pending if gave_way || self.0[0].is_none() => return Poll::Ready(Ok(false)),
                    Poll::Pending => {
                        gave_way = true;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
            Poll::Ready(Ok(false))
        })
        .await
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        let [first, second] = &mut self.0;
        first.take().or_else(|| second.take())
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// None where there are trailers: a response that tells its length has no place for them.
    fn byte_count(&self) -> Option<u64> {
        let data = self.0.iter().flatten().map(Frame::data_ref);
        data.map(|bytes| bytes.map(|bytes| bytes.len() as u64)).sum()
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Said> {
        if let Some(frame) = self.ahead.next() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut self.rest {
            Rest::Nothing { .. } => Poll::Ready(None),
            Rest::Left(body) => Pin::new(body).poll_frame(cx),
            Rest::Watched(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty()
            && match &self.rest {
                Rest::Nothing { .. } => true,
                Rest::Left(body) => body.is_end_stream(),
                Rest::Watched(_) => false,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.ahead.byte_count();
        match (&self.rest, held) {
            (
                Rest::Nothing {
                    is_length_told: false,
                },
                Some(held),
            ) => SizeHint::with_exact(held),
            (Rest::Left(body), Some(0)) => body.size_hint(),
            _ => SizeHint::new(),
        }
    }
}
