//! Responses: the plain ones of the host, and the bodies of guests.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::call::Outcome;
use super::drive::Drive;
use crate::workload::Lease;

pub type Reply = Response<ReplyBody>;

/// A response's body, with the guest that may still be writing it: whoever asks for the next frame lets the guest go on.
pub struct ReplyBody {
    body: WasiBody,
    guest: Option<Writing>,
}

/// The guest behind a body.
struct Writing {
    drive: Option<Drive>,
    /// The next frame must come within this time.
    within: Duration,
    limit: Option<Pin<Box<Sleep>>>,
    lease: Lease,
}

/// A plain sentence from the host itself.
pub fn plain(status: StatusCode, text: String) -> Reply {
    let body = Full::new(Bytes::from(text + "\n"))
        .map_err(Error::from)
        .boxed_unsync();
    let mut reply = Response::new(ReplyBody { body, guest: None });
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

/// A guest's response. `drive` is None when the guest has ended already.
pub fn from_guest(
    head: Response<WasiBody>,
    mut drive: Option<Drive>,
    within: Duration,
    lease: Lease,
) -> Reply {
    if let Some(Drive::Shared(ticket)) = &mut drive {
        ticket.note_answered();
    }
    head.map(|body| ReplyBody {
        body,
        guest: Some(Writing {
            drive,
            within,
            limit: None,
            lease,
        }),
    })
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { body, guest } = &mut *self;
        let mut polled = Pin::new(&mut *body).poll_frame(cx);
        let Some(guest) = guest else { return polled };
        // The body of a shared instance that failed just ends.
        let may_be_cut = matches!(
            (&polled, &guest.drive),
            (Poll::Ready(None), Some(Drive::Shared(_)))
        );
        if (polled.is_pending() || may_be_cut)
            && let Some(drive) = &mut guest.drive
        {
            if let Poll::Ready(outcome) = Pin::new(drive).poll(cx) {
                guest.drive = None;
                if let Outcome::Trapped(reason) = outcome {
                    guest.lease.note_trap(&reason);
                    return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
                }
            }
            if !may_be_cut {
                polled = Pin::new(body).poll_frame(cx);
            }
        }
        match polled {
            Poll::Ready(frame) => {
                guest.limit = None;
                Poll::Ready(frame)
            }
            Poll::Pending => guest
                .poll_limit(cx)
                .map(|()| Some(Err(Error::HttpResponseTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Writing {
    /// Ready when the guest took too long for its next frame; it is ended then.
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let within = self.within;
        let limit = self.limit.get_or_insert_with(|| Box::pin(sleep(within)));
        let over = limit.as_mut().poll(cx);
        if over.is_ready() {
            if let Some(Drive::Shared(ticket)) = &mut self.drive {
                ticket.note_stuck();
            }
            self.drive = None;
            self.lease.note_timeout();
        }
        over
    }
}

impl Drop for Writing {
    /// The body was sent, or its client is gone; what the guest still has to do it does on its own, for a while.
    fn drop(&mut self) {
        let (Some(drive), Ok(runtime)) = (self.drive.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if matches!(drive, Drive::Shared(_)) {
            return;
        }
        let (lease, deadline) = (self.lease.another(), Instant::now() + self.within);
        runtime.spawn(async move {
            match tokio::time::timeout_at(deadline, drive).await {
                Ok(Outcome::Trapped(reason)) => lease.note_trap(&reason),
                Ok(Outcome::Done | Outcome::Full) => {}
                Err(_) => lease.note_timeout(),
            }
        });
    }
}
