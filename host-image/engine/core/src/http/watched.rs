//! A body under watch, because neither side can be trusted to end it: a guest may stop to write, and a client that stops to
//! read leaves a body unasked, and with it the guest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use wasmtime_wasi_http::Error;

use super::writing::{Said, Writing};

/// A body that breaks off when neither side has moved for a time, or when its workload is freed.
pub struct Watched {
    state: Arc<Mutex<State>>,
    watch: AbortHandle,
}

struct State {
    /// None once the body is cut.
    writing: Option<Writing>,
    /// Why it was cut, until the client's side was told.
    cut: Option<Error>,
    /// Whether the client's side waits for the guest, and since when the one whose turn it is hasn't moved.
    is_guests_turn: bool,
    since: Instant,
    waker: Option<Waker>,
}

impl Watched {
    /// Each side has to move `within` a time. Its task runs on this thread, as does the client's, so neither waits for the lock.
    pub fn new(writing: Writing, within: Duration) -> Self {
        let freed = writing.freed();
        let state = Arc::new(Mutex::new(State {
            writing: Some(writing),
            cut: None,
            is_guests_turn: false,
            since: Instant::now(),
            waker: None,
        }));
        let watched = state.clone();
        let watch = tokio::spawn(async move {
            tokio::select! {
                () = until_stuck(&watched, within) => lock(&watched).cut_stuck(),
                () = freed.cancelled() => lock(&watched).cut(Error::HttpResponseIncomplete, Writing::end),
            }
        });
        Self {
            state,
            watch: watch.abort_handle(),
        }
    }

    pub fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Said> {
        let mut state = lock(&self.state);
        let Some(writing) = &mut state.writing else {
            return Poll::Ready(state.cut.take().map(Err));
        };
        let polled = writing.poll_frame(cx);
        let has_moved = polled.is_ready() || !state.is_guests_turn;
        if has_moved {
            state.is_guests_turn = polled.is_pending();
            state.since = Instant::now();
        }
        if polled.is_pending() {
            state.waker = Some(cx.waker().clone());
        }
        polled
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn until_stuck(state: &Mutex<State>, within: Duration) {
    loop {
        let deadline = lock(state).since + within;
        if Instant::now() >= deadline {
            return;
        }
        sleep_until(deadline).await;
    }
}

impl State {
    fn cut_stuck(&mut self) {
        if self.is_guests_turn {
            self.cut(Error::HttpResponseTimeout, Writing::end_stuck);
        } else {
            self.cut(Error::ConnectionWriteTimeout, Writing::end);
        }
    }

    fn cut(&mut self, why: Error, end: fn(Writing)) {
        if let Some(writing) = self.writing.take() {
            end(writing);
            self.cut = Some(why);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
