//! Warm instances of WASI 0.3 that serve several requests at once, and how a request finds one of them.
//!
//! A member of the crew is an instance with a task of its own on a lane. A request goes to a member on the thread that read it,
//! so handing it over wakes no other thread.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

use crate::http::call::{Answer, Outcome};
use crate::http::drive::CpuShare;
use crate::http::shared;
use crate::instance::{Instance, Instances};
use crate::member::Member;

/// The members that serve one workload.
pub struct Crew {
    pub instances: Arc<Instances>,
    pub share: Option<Arc<CpuShare>>,
    /// Where members over their budget go on.
    pub heavy: Handle,
    /// A member may work so long after the last of its responses.
    pub timeout: Duration,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: Vec<Arc<Member>>,
    /// No member is made any more: nobody would end it.
    is_dismissed: bool,
}

/// A request on its way to a guest.
pub struct Job {
    pub request: http::Request<WasiBody>,
    pub answer: oneshot::Sender<Answer>,
    pub place: Arc<Place>,
    pub failed: oneshot::Sender<Outcome>,
}

/// The member that serves a request; None once nobody waits for the response any more.
#[derive(Default)]
pub struct Place(Mutex<Option<Arc<Member>>>);

impl Crew {
    pub fn new(
        instances: Arc<Instances>,
        share: Option<Arc<CpuShare>>,
        heavy: Handle,
        timeout: Duration,
    ) -> Self {
        Self {
            instances,
            share,
            heavy,
            timeout,
            members: Mutex::default(),
        }
    }

    /// Hands a request to a member, whose guest answers through `answer`.
    pub fn serve(
        self: &Arc<Self>,
        request: http::Request<WasiBody>,
        answer: oneshot::Sender<Answer>,
    ) -> Ticket {
        let (failed, failure) = oneshot::channel();
        let place = Arc::new(Place::default());
        let ticket = Ticket {
            place: place.clone(),
            failure,
            is_answered: false,
        };
        let job = Box::new(Job {
            request,
            answer,
            place,
            failed,
        });
        self.assign(job, true);
        ticket
    }

    /// Hands on what a member had no time for.
    pub fn assign_again(self: &Arc<Self>, jobs: VecDeque<Box<Job>>) {
        for job in jobs {
            self.assign(job, false);
        }
    }

    fn assign(self: &Arc<Self>, job: Box<Job>, is_new: bool) {
        let place = job.place.clone();
        // Held until the job is queued: who gives the request up meanwhile has to find it there.
        let mut placed = place.lock();
        if placed.is_none() && !is_new {
            return;
        }
        let mut members = self.members();
        if members.is_dismissed {
            // The client may be gone.
            let _ = job.failed.send(Outcome::Full);
            return;
        }
        let job = match self.offer_to_all(&members.all, job) {
            Ok(member) => {
                *placed = Some(member);
                return;
            }
            Err(job) => job,
        };
        let warm = self.instances.warm_instance();
        let is_surplus = self.is_full(&members.all);
        let member = Arc::new(Member::new(is_surplus, self, warm.as_ref()));
        member.queue(job);
        *placed = Some(member.clone());
        members.all.push(member.clone());
        drop(members);
        shared::start(self.clone(), member, warm);
    }

    /// A member on this thread goes first. One on another thread is woken up only when the pool is full.
    fn offer_to_all(&self, members: &[Arc<Member>], mut job: Box<Job>) -> Result<Arc<Member>, Box<Job>> {
        let here = std::thread::current().id();
        for is_near in [true, false] {
            if !is_near && !self.is_full(members) && self.instances.has_seat() {
                break;
            }
            for member in members.iter().filter(|m| (m.thread == here) == is_near) {
                match member.offer(job, self.instances.most_at_once()) {
                    Ok(()) => return Ok(member.clone()),
                    Err(back) => job = back,
                }
            }
        }
        Err(job)
    }

    fn is_full(&self, members: &[Arc<Member>]) -> bool {
        members.iter().filter(|m| m.counts()).count() >= self.instances.pool_size()
    }

    /// Takes a member that has ended out; its instance is kept when it may serve again.
    pub fn remove(&self, member: &Arc<Member>, instance: Option<Instance>) {
        let mut members = self.members();
        members.all.retain(|other| !Arc::ptr_eq(other, member));
        if let Some(mut instance) = instance
            && let Some(left) = member.reusable()
        {
            instance.invocations_left = left;
            let others = members.all.iter().filter(|m| m.counts()).count();
            self.instances.keep(instance, others);
        }
    }

    pub fn idle_count(&self) -> usize {
        let members = self.members();
        members.all.iter().filter(|m| m.is_unused()).count()
    }

    /// Lets no more requests in; each member ends as soon as its last response is over.
    pub fn dismiss(&self) {
        let mut members = self.members();
        members.is_dismissed = true;
        for member in &members.all {
            member.dismiss();
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Member>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that a member serves. It ends only when the member fails; dropping it tells the member that nobody waits any more.
pub struct Ticket {
    place: Arc<Place>,
    failure: oneshot::Receiver<Outcome>,
    is_answered: bool,
}

impl Ticket {
    /// The response has begun: that nobody waits for the rest of it says nothing bad about the guest.
    pub fn note_answered(&mut self) {
        self.is_answered = true;
    }

    /// The response took too long: the guest may be stuck.
    pub fn note_stuck(&mut self) {
        self.is_answered = false;
    }
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let broken = |_| Outcome::Trapped("the instance's task ended".into());
        Pin::new(&mut self.failure)
            .poll(cx)
            .map(|o| o.unwrap_or_else(broken))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(member) = self.place.lock().take() {
            member.leave(&self.place, self.is_answered);
        }
    }
}
