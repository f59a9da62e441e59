//! The task of a member: it lets one instance of WASI 0.3 work on several requests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Sleep, sleep_until};
use wasmtime::component::Accessor;
use wasmtime_wasi_http::handler::Proxy;
use wasmtime_wasi_http::p3::bindings::Service;

use super::call::{Answer, Outcome, answer_0_3, describe_trap, new_request_0_3};
use super::drive::{BUDGET, Metered};
use crate::crew::Crew;
use crate::instance::{Guest, Instance, NoInstance};
use crate::member::Member;

/// Starts the task of a member on this thread.
pub fn start(crew: Arc<Crew>, member: Arc<Member>, warm: Option<Instance>) {
    let may_take = Arc::new(AtomicBool::new(false));
    let work = work(crew.clone(), member.clone(), warm, may_take.clone());
    tokio::spawn(Shared {
        guest: Metered::new(Box::pin(work), crew.share.clone()),
        crew,
        member,
        may_take,
        used: Duration::ZERO,
        is_heavy: false,
        is_over: false,
        limit: None,
    });
}

/// An instance at work.
struct Shared {
    guest: Metered<Outcome>,
    crew: Arc<Crew>,
    member: Arc<Member>,
    /// Lets the guest have one more request. Only when all that it has been given wait for something: of two that compute, the
    /// second would only be in the way.
    may_take: Arc<AtomicBool>,
    used: Duration,
    is_heavy: bool,
    /// It ended, or goes on elsewhere.
    is_over: bool,
    limit: Option<Pin<Box<Sleep>>>,
}

impl Shared {
    /// Lets the guest work until it has to wait.
    fn poll_guest(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            self.may_take.store(true, Ordering::Relaxed);
            let polled = Pin::new(&mut self.guest).poll(cx);
            let took_one = !self.may_take.load(Ordering::Relaxed);
            if polled.is_ready() || !took_one || !self.member.has_queue() {
                return polled;
            }
        }
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.member.deadline() else {
            self.limit = None;
            return Poll::Pending;
        };
        let limit = self
            .limit
            .get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        limit.as_mut().poll(cx)
    }

    /// Goes on among the heavy threads, without the requests that the guest has not seen.
    fn move_away(&mut self) {
        self.crew.assign_again(self.member.close());
        let moved = Self {
            guest: std::mem::replace(&mut self.guest, Metered::over()),
            crew: self.crew.clone(),
            member: self.member.clone(),
            may_take: self.may_take.clone(),
            used: Duration::ZERO,
            is_heavy: true,
            is_over: false,
            limit: None,
        };
        self.is_over = true;
        self.crew.heavy.spawn(moved);
    }
}

impl Future for Shared {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // Each request brings a budget of its own, and what one leaves is not saved for another.
        let given = this.member.begin_turn(cx.waker());
        this.used = this.used.saturating_sub(BUDGET * given);
        let start = Instant::now();
        let polled = this.poll_guest(cx);
        let now = Instant::now();
        this.used += now - start;
        if polled.is_ready() {
            this.is_over = true;
            return Poll::Ready(());
        }
        if this.member.is_to_be_ended(now) || this.poll_limit(cx).is_ready() {
            this.is_over = true;
            this.crew.remove(&this.member, None);
            this.crew.assign_again(this.member.fail(&Outcome::Done));
            return Poll::Ready(());
        }
        if this.used >= BUDGET && !this.is_heavy {
            this.move_away();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Shared {
    /// The host's own code panicked under the guest, or the thread ends.
    fn drop(&mut self) {
        if !self.is_over {
            self.crew.remove(&self.member, None);
            self.member
                .refuse_all(&Outcome::Trapped("the instance's task ended".into()));
        }
    }
}

/// The member's life: an instance, its requests, and what becomes of it.
async fn work(
    crew: Arc<Crew>,
    member: Arc<Member>,
    warm: Option<Instance>,
    may_take: Arc<AtomicBool>,
) -> Outcome {
    let made = match warm {
        Some(instance) => Ok(instance),
        None => crew.instances.make().await,
    };
    let mut instance = match made {
        Ok(instance) => instance,
        Err(error) => {
            let outcome = match error {
                NoInstance::Full => Outcome::Full,
                NoInstance::Failed(error) => {
                    Outcome::Trapped(format!("no instance could be made: {error:#}"))
                }
            };
            crew.remove(&member, None);
            member.refuse_all(&outcome);
            return outcome;
        }
    };
    let Instance { store, proxy, .. } = &mut instance;
    let Proxy::P3(service) = proxy else {
        unreachable!("a crew is made for WASI 0.3 only")
    };
    let served = store
        .run_concurrent(async |accessor| serve_all(accessor, service, &member, &may_take).await)
        .await;
    match served.and_then(|served| served) {
        Ok(()) => {
            crew.remove(&member, Some(instance));
            Outcome::Done
        }
        Err(error) => {
            let outcome = Outcome::Trapped(describe_trap(&error));
            crew.remove(&member, None);
            crew.assign_again(member.fail(&outcome));
            outcome
        }
    }
}

/// Gives the guest its requests, until there will be no more.
async fn serve_all(
    accessor: &Accessor<Guest>,
    service: &Service,
    member: &Member,
    may_take: &AtomicBool,
) -> wasmtime::Result<()> {
    let function = *service.wasi_http_handler().func_handle().func();
    let mut calls = FuturesUnordered::new();
    std::future::poll_fn(|cx| {
        loop {
            while let Poll::Ready(Some(called)) = calls.poll_next_unpin(cx) {
                if let Err(error) = called {
                    return Poll::Ready(Err(error));
                }
            }
            let is_ready = accessor.poll_ready_for_concurrent_call(function, cx).is_ready();
            member.set_ready(is_ready);
            if is_ready
                && may_take.load(Ordering::Relaxed)
                && let Some((request, answer)) = member.next_job()
            {
                may_take.store(false, Ordering::Relaxed);
                calls.push(call(accessor, service, request, answer));
                continue;
            }
            let is_idle = calls.is_empty() && accessor.poll_no_interesting_tasks(cx).is_ready();
            return match is_idle && member.is_done_when_idle() {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            };
        }
    })
    .await
}

async fn call(
    accessor: &Accessor<Guest>,
    service: &Service,
    request: http::Request<wasmtime_wasi_http::WasiBody>,
    answer: tokio::sync::oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    let (request, sent) = accessor.with(|mut store| new_request_0_3(store.data_mut(), request))?;
    answer_0_3(accessor, service, request, sent, answer).await
}
