//! A workload while it runs: what its requests need, and what is counted about it.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::crew::Crew;
use crate::denials::Denials;
use crate::http::call::{Answer, Outcome, run};
use crate::http::drive::{CpuShare, Drive};
use crate::http::reply::{self, Reply};
use crate::instance::Instances;
use crate::interfaces::Providers;
use crate::log::say;
use crate::service::Service;
use crate::settings::WorkloadSpec;
use crate::stats::Stats;

/// A workload, from the moment its start was asked for until the last of its requests has ended.
pub struct Workload {
    pub spec: WorkloadSpec,
    pub providers: Providers,
    pub stats: Stats,
    pub denials: Arc<Denials>,
    in_flight: AtomicUsize,
    /// Unset while the workload starts.
    ready: OnceLock<Ready>,
    /// True once the workload was told to stop.
    stopping: watch::Sender<bool>,
    /// Cancelled when its guests must end, whatever they are doing.
    freed: CancellationToken,
    limits: RequestLimits,
}

/// What a workload is when it has started.
pub struct Ready {
    /// None when no component handles HTTP.
    pub handler: Option<Arc<Instances>>,
    /// Set when instances are shared by requests.
    pub crew: Option<Arc<Crew>>,
    pub share: Option<Arc<CpuShare>>,
    /// Where guests over their budget go on.
    pub heavy: Handle,
    pub service: Option<Service>,
}

/// What holds for each request.
#[derive(Clone, Copy)]
pub struct RequestLimits {
    pub timeout: Duration,
    /// Requests of one workload at once.
    pub most_in_flight: usize,
}

impl Ready {
    /// Instances that wait for a request.
    pub fn idle_count(&self) -> usize {
        self.handler.as_ref().map_or(0, |h| h.idle_count()) + self.crew.as_ref().map_or(0, |c| c.idle_count())
    }

    /// Frees the instances; one that serves a request is freed when that is over.
    pub fn free_instances(&self) {
        if let Some(crew) = &self.crew {
            crew.dismiss();
        }
        if let Some(instances) = &self.handler {
            instances.clear();
        }
    }
}

impl Workload {
    pub fn new(spec: WorkloadSpec, providers: Providers, limits: RequestLimits) -> Arc<Self> {
        Arc::new(Self {
            denials: Arc::new(Denials::new(spec.full_name())),
            spec,
            providers,
            stats: Stats::default(),
            in_flight: AtomicUsize::new(0),
            ready: OnceLock::new(),
            stopping: watch::Sender::new(false),
            freed: CancellationToken::new(),
            limits,
        })
    }

    /// Lets requests in. Only the first call counts.
    pub fn set_ready(&self, ready: Ready) {
        let _ = self.ready.set(ready);
    }

    pub fn ready(&self) -> Option<&Ready> {
        self.ready.get()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ends the service and all guests: those that still write a body are cut off.
    pub fn free(&self) {
        self.freed.cancel();
        let Some(ready) = self.ready() else { return };
        if let Some(service) = &ready.service {
            service.end();
        }
        ready.free_instances();
    }

    /// Ends when the workload is told to stop.
    pub async fn stopped(&self) {
        // The sender lives in self, so it can't be gone.
        let _ = self.stopping.subscribe().wait_for(|stop| *stop).await;
    }

    /// Answers one request, and counts it.
    pub async fn serve(self: &Arc<Self>, request: http::Request<Incoming>) -> Reply {
        let start = Instant::now();
        let reply = self.answer(request).await;
        self.stats.note_response(reply.status(), start.elapsed());
        reply
    }

    async fn answer(self: &Arc<Self>, request: http::Request<Incoming>) -> Reply {
        let Some(Ready {
            handler: Some(instances),
            crew,
            share,
            heavy,
            ..
        }) = self.ready()
        else {
            return self.refuse("is starting");
        };
        let lease = Lease::new(self);
        if self.in_flight() > self.limits.most_in_flight {
            return self.refuse("has too many requests in flight");
        }
        let (answer, answered) = oneshot::channel();
        let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
        let drive = match crew {
            Some(crew) => Drive::Shared(crew.serve(request, answer)),
            None => {
                let guest = Box::pin(run(instances.clone(), request, answer));
                Drive::new(guest, share.clone(), heavy.clone(), instances.blocks())
            }
        };
        let waiting = Waiting {
            drive: Some(drive),
            answered,
            ended: None,
            timeout: self.limits.timeout,
            limit: None,
        };
        match waiting.await {
            Ok((head, drive)) => reply::from_guest(head, drive, self.limits.timeout, lease)
                .await
                .unwrap_or_else(|_| self.failed()),
            Err(failure) => self.explain(failure, &lease),
        }
    }

    fn refuse(&self, why: &str) -> Reply {
        self.stats.rejected.fetch_add(1, Ordering::Relaxed);
        reply::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("workload {} {why}; try again in a moment", self.spec.full_name()),
        )
    }

    fn failed(&self) -> Reply {
        let text = format!("workload {} failed", self.spec.full_name());
        reply::plain(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    fn explain(&self, failure: Failure, lease: &Lease) -> Reply {
        let name = self.spec.full_name();
        match failure {
            Failure::Ended(Outcome::Full) => self.refuse("finds no free instance on this host"),
            Failure::Ended(Outcome::Trapped(reason)) => {
                lease.note_trap(&reason);
                self.failed()
            }
            Failure::Ended(Outcome::Done) => {
                say(format!("{name} returned without a response"));
                reply::plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("workload {name} returned no response"),
                )
            }
            Failure::Code(code) => {
                say(format!("{name} answered with the error {code}"));
                reply::plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("workload {name} failed: {code}"),
                )
            }
            Failure::Timeout => {
                lease.note_timeout();
                reply::plain(
                    StatusCode::GATEWAY_TIMEOUT,
                    format!("workload {name} did not answer in time"),
                )
            }
        }
    }
}

/// Why there is no response of the guest's own.
enum Failure {
    Ended(Outcome),
    Code(String),
    Timeout,
}

/// Lets the guest work until the head of its response is there.
struct Waiting {
    drive: Option<Drive>,
    answered: oneshot::Receiver<Answer>,
    ended: Option<Outcome>,
    timeout: Duration,
    /// Only a guest that has to wait for something costs a timer.
    limit: Option<Pin<Box<Sleep>>>,
}

impl Future for Waiting {
    type Output = Result<(http::Response<WasiBody>, Option<Drive>), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(drive) = &mut this.drive
            && let Poll::Ready(outcome) = Pin::new(drive).poll(cx)
        {
            this.drive = None;
            this.ended = Some(outcome);
        }
        if this.answered.is_terminated() {
            if let Some(outcome) = this.ended.take() {
                return Poll::Ready(Err(Failure::Ended(outcome)));
            }
        } else if let Poll::Ready(answer) = Pin::new(&mut this.answered).poll(cx) {
            match answer {
                // The instance failed at once after it began its response.
                Ok(Ok(_)) if matches!(this.ended, Some(Outcome::Trapped(_))) => {
                    let outcome = this.ended.take().unwrap_or(Outcome::Done);
                    return Poll::Ready(Err(Failure::Ended(outcome)));
                }
                Ok(Ok(head)) => return Poll::Ready(Ok((head, this.drive.take()))),
                Ok(Err(code)) => return Poll::Ready(Err(Failure::Code(code))),
                Err(_) => {
                    if let Some(outcome) = this.ended.take() {
                        return Poll::Ready(Err(Failure::Ended(outcome)));
                    }
                }
            }
        }
        let timeout = this.timeout;
        let limit = this.limit.get_or_insert_with(|| Box::pin(sleep(timeout)));
        limit.as_mut().poll(cx).map(|()| Err(Failure::Timeout))
    }
}

/// A request in flight.
pub struct Lease(Arc<Workload>);

impl Lease {
    fn new(workload: &Arc<Workload>) -> Self {
        workload.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(workload.clone())
    }

    /// For what goes on after the response.
    pub fn another(&self) -> Self {
        Self::new(&self.0)
    }

    /// Cancelled when the guest must end.
    pub fn freed(&self) -> CancellationToken {
        self.0.freed.clone()
    }

    pub fn note_trap(&self, reason: &str) {
        self.0.stats.traps.fetch_add(1, Ordering::Relaxed);
        say(format!(
            "{} failed in a request: {reason}",
            self.0.spec.full_name()
        ));
    }

    pub fn note_timeout(&self) {
        self.0.stats.timeouts.fetch_add(1, Ordering::Relaxed);
        let seconds = self.0.limits.timeout.as_secs_f64();
        say(format!(
            "{} was ended after {seconds} s without an answer",
            self.0.spec.full_name()
        ));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
