//! A response's body with the guest behind it: whoever asks for the next frame lets the guest go on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, WasiBody};

use super::call::Outcome;
use super::drive::Drive;
use crate::workload::Lease;

/// What a body says when it is asked for its next frame.
pub type Said = Option<Result<Frame<Bytes>, Error>>;

/// A body that a guest writes. When it is dropped, because it was sent or because its client is gone, the guest goes on with what
/// it still has to do, for a while.
pub struct Writing {
    body: WasiBody,
    /// None when the guest has ended.
    drive: Option<Drive>,
    lease: Lease,
    /// How long the guest may go on after its response.
    after_response: Duration,
}

impl Writing {
    pub fn new(body: WasiBody, mut drive: Drive, lease: Lease, after_response: Duration) -> Self {
        if let Drive::Shared(ticket) = &mut drive {
            ticket.note_answered();
        }
        Self {
            body,
            drive: Some(drive),
            lease,
            after_response,
        }
    }

    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // The body of a shared instance that failed just ends.
        let may_be_cut = matches!(
            (&polled, &self.drive),
            (Poll::Ready(None), Some(Drive::Shared(_)))
        );
        let Some(drive) = self.drive.as_mut().filter(|_| polled.is_pending() || may_be_cut) else {
            return polled;
        };
        if let Poll::Ready(outcome) = Pin::new(drive).poll(cx) {
            self.drive = None;
            if let Outcome::Trapped(reason) = outcome {
                self.lease.note_trap(&reason);
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
        }
        if may_be_cut {
            return polled;
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    /// Ends the guest because it let a frame wait for too long.
    pub fn end_stuck(mut self) {
        if let Some(Drive::Shared(ticket)) = &mut self.drive {
            ticket.note_stuck();
        }
        self.lease.note_timeout();
        self.end();
    }

    /// Ends the guest where it stands.
    pub fn end(mut self) {
        self.drive = None;
    }

    /// Ends when the guest must, whatever it is doing.
    pub fn freed(&self) -> CancellationToken {
        self.lease.freed()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (Some(drive), Ok(runtime)) = (self.drive.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if matches!(drive, Drive::Shared(_)) {
            return;
        }
        let (lease, deadline) = (self.lease.another(), Instant::now() + self.after_response);
        let freed = lease.freed();
        runtime.spawn(async move {
            let ended = tokio::select! {
                ended = timeout_at(deadline, drive) => ended,
                () = freed.cancelled() => return,
            };
            match ended {
                Ok(Outcome::Trapped(reason)) => lease.note_trap(&reason),
                Ok(Outcome::Done | Outcome::Full) => {}
                Err(_) => lease.note_timeout(),
            }
        });
    }
}
