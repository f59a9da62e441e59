//! An instance that serves several requests at once: which it has, and which it may still get.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

use crate::crew::{Crew, Job, Place};
use crate::http::call::{Answer, Outcome};
use crate::instance::{Instance, Instances};

/// An instance that serves several requests at once.
pub struct Member {
    pub thread: ThreadId,
    /// Started beyond the pool's size: it ends as soon as it has nothing to do.
    is_surplus: bool,
    after_response: Duration,
    instances: Arc<Instances>,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Box<Job>>,
    /// Requests that the guest was given and whose responses aren't over.
    open: Vec<(Arc<Place>, oneshot::Sender<Outcome>)>,
    takes: Takes,
    /// False while the guest itself refuses further calls.
    is_ready: bool,
    /// It ends when nobody waits for it: a request was given up before its response, so the guest may be stuck in it, or the
    /// workload is over.
    is_doomed: bool,
    /// The guest had nothing to do when it was last asked.
    is_idle: bool,
    invocations_left: Option<u32>,
    /// How many requests the guest was given since this was last asked for.
    given_count: u32,
    /// When the guest has to be idle after the first response since it was idle last.
    idle_by: Option<Instant>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq)]
enum Takes {
    More,
    /// It goes on among the heavy threads; its instance may be kept when it is done there.
    NoneNow,
    Never,
}

impl State {
    fn push(&mut self, job: Box<Job>) {
        if let Some(left) = &mut self.invocations_left {
            *left -= 1;
            if *left == 0 {
                self.takes = Takes::Never;
            }
        }
        self.queue.push_back(job);
        self.is_idle = false;
    }
}

impl Member {
    pub fn new(is_surplus: bool, crew: &Crew, warm: Option<&Instance>) -> Self {
        Self {
            thread: std::thread::current().id(),
            is_surplus,
            after_response: crew.timeout,
            instances: crew.instances.clone(),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                open: Vec::new(),
                takes: Takes::More,
                is_ready: true,
                is_doomed: false,
                is_idle: false,
                invocations_left: warm.map_or(crew.instances.max_invocations(), |i| i.invocations_left),
                given_count: 0,
                idle_by: None,
                waker: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the job, or gives it back when there is no room.
    pub fn offer(&self, job: Box<Job>, most_at_once: usize) -> Result<(), Box<Job>> {
        let mut state = self.state();
        let count = state.open.len() + state.queue.len();
        if state.takes != Takes::More || !state.is_ready || count >= most_at_once {
            return Err(job);
        }
        state.push(job);
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Queues the first job, before the member's task has started.
    pub fn queue(&self, job: Box<Job>) {
        self.state().push(job);
    }

    /// Whether it has a place in the pool.
    pub fn counts(&self) -> bool {
        !self.is_surplus && self.state().takes != Takes::Never
    }

    /// The next request for the guest.
    pub fn next_job(&self) -> Option<(http::Request<WasiBody>, oneshot::Sender<Answer>)> {
        let mut state = self.state();
        let job = *state.queue.pop_front()?;
        state.open.push((job.place, job.failed));
        state.is_idle = false;
        state.given_count += 1;
        Some((job.request, job.answer))
    }

    pub fn has_queue(&self) -> bool {
        !self.state().queue.is_empty()
    }

    /// How many requests the guest was given since the last call; `waker` wakes the member's task from now on.
    pub fn begin_turn(&self, waker: &Waker) -> u32 {
        let mut state = self.state();
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        std::mem::take(&mut state.given_count)
    }

    pub fn set_ready(&self, is_ready: bool) {
        self.state().is_ready = is_ready;
    }

    /// The guest has nothing to do. True when it will not get anything any more.
    pub fn is_done_when_idle(&self) -> bool {
        let mut state = self.state();
        state.is_idle = true;
        state.idle_by = None;
        let has_work = !state.queue.is_empty() || !state.open.is_empty();
        if has_work || self.may_wait(&state) {
            return false;
        }
        if state.takes == Takes::More {
            state.takes = Takes::Never;
        }
        true
    }

    /// Whether it stays when it has nothing to do.
    fn may_wait(&self, state: &State) -> bool {
        state.takes == Takes::More && !self.is_surplus && !self.instances.is_crowded()
    }

    /// Nobody waits for the guest, and it got stuck or is over its time. One that is over its time gets no more requests, so that
    /// nobody waits for it in the end.
    pub fn is_to_be_ended(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_late = state.idle_by.is_some_and(|by| now >= by);
        if is_late {
            state.takes = Takes::Never;
        }
        state.open.is_empty() && state.queue.is_empty() && (state.is_doomed || is_late)
    }

    /// When the guest has to be idle, if nobody waits for it.
    pub fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        state.idle_by.filter(|_| state.open.is_empty())
    }

    /// No more requests for now; gives back those that the guest hasn't seen.
    pub fn close(&self) -> VecDeque<Box<Job>> {
        let mut state = self.state();
        if state.takes == Takes::More {
            state.takes = Takes::NoneNow;
        }
        std::mem::take(&mut state.queue)
    }

    /// The instance is gone, and so are its requests. Gives back those that the guest hasn't seen.
    pub fn fail(&self, outcome: &Outcome) -> VecDeque<Box<Job>> {
        let mut state = self.state();
        state.takes = Takes::Never;
        for (_, failed) in state.open.drain(..) {
            // The client may be gone.
            let _ = failed.send(outcome.clone());
        }
        std::mem::take(&mut state.queue)
    }

    /// As `fail`, and the requests that the guest hasn't seen share its fate.
    pub fn refuse_all(&self, outcome: &Outcome) {
        for job in self.fail(outcome) {
            let _ = job.failed.send(outcome.clone());
        }
    }

    /// The invocations left of an instance that may serve again.
    pub fn reusable(&self) -> Option<Option<u32>> {
        let state = self.state();
        let is_good = state.takes == Takes::NoneNow && !state.is_doomed && !self.is_surplus;
        is_good.then_some(state.invocations_left)
    }

    pub fn is_unused(&self) -> bool {
        let state = self.state();
        state.open.is_empty() && state.queue.is_empty()
    }

    /// Nobody waits for this request any more. `is_answered`: its response had begun.
    pub fn leave(&self, place: &Arc<Place>, is_answered: bool) {
        let mut state = self.state();
        state.queue.retain(|job| !Arc::ptr_eq(&job.place, place));
        let Some(at) = state.open.iter().position(|(other, _)| Arc::ptr_eq(other, place)) else {
            return;
        };
        state.open.swap_remove(at);
        if !is_answered {
            state.is_doomed = true;
            state.takes = Takes::Never;
        }
        if !state.is_idle {
            let by = Instant::now() + self.after_response;
            state.idle_by.get_or_insert(by);
        }
        let is_waiting = state.is_idle && self.may_wait(&state);
        if state.open.is_empty() && !is_waiting {
            drop(state);
            self.wake();
        }
    }

    /// No more requests; it ends as soon as its last response is over, whatever the guest would still do.
    pub fn dismiss(&self) {
        let mut state = self.state();
        state.takes = Takes::Never;
        state.is_doomed = true;
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.state().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
