//! Who polls a guest. Most guests are done within a millisecond, on the thread that read the request. One that has
//! used more than its budget goes on among the heavy threads, which give way to all others (see `lanes`).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::call::{End, Outcome};
use crate::crew::Ticket;

/// What a guest may use of the thread that read the request. A guest without end is interrupted by the epoch about every
/// 5 ms, so it holds up the others there for a few such slices, once.
pub const BUDGET: Duration = Duration::from_millis(10);

type GuestFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A guest at work; dropping it ends the guest.
pub enum Drive {
    Here {
        guest: Metered<End>,
        used: Duration,
        heavy: Handle,
    },
    Heavy(Heavy<End>),
    /// At work in an instance that serves others too; dropping it gives up this request alone.
    Shared(Ticket),
}

/// A guest that was handed over to the heavy threads; dropping it ends the guest.
pub struct Heavy<T> {
    task: JoinHandle<Option<T>>,
    ending: CancellationToken,
}

impl<T: Send + 'static> Heavy<T> {
    /// One whose calls hold up its thread gets a thread of its own: they are few, and others would wait behind it.
    pub fn start(guest: Metered<T>, heavy: &Handle, blocks: bool) -> Self {
        let ending = CancellationToken::new();
        let (on, end) = (heavy.clone(), ending.clone());
        let task = if blocks {
            heavy.spawn_blocking(move || on.block_on(end.run_until_cancelled(guest)))
        } else {
            heavy.spawn(async move { Some(guest.await) })
        };
        Self { task, ending }
    }
}

impl<T> Heavy<T> {
    /// Ends it where it stands; where it holds up its thread, when it no longer does.
    pub fn end(&self) {
        self.task.abort();
        self.ending.cancel();
    }
}

impl<T> Drop for Heavy<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drive {
    /// `blocks`: calls of the guest hold up the thread that they are made on.
    pub fn new(guest: GuestFuture<End>, share: Option<Arc<CpuShare>>, heavy: Handle, blocks: bool) -> Self {
        let guest = Metered::new(guest, share);
        if blocks {
            return Drive::Heavy(Heavy::start(guest, &heavy, true));
        }
        Drive::Here {
            guest,
            used: Duration::ZERO,
            heavy,
        }
    }
}

impl Future for Drive {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if let Drive::Here { guest, used, heavy } = &mut *self {
            let start = Instant::now();
            let polled = Pin::new(&mut *guest).poll(cx);
            *used += start.elapsed();
            if polled.is_ready() || *used < BUDGET {
                return polled.map(|end| end.outcome);
            }
            let guest = std::mem::replace(guest, Metered::over());
            let moved = Heavy::start(guest, heavy, false);
            *self = Drive::Heavy(moved);
        }
        match &mut *self {
            Drive::Here { .. } => unreachable!("it was handed over above"),
            Drive::Heavy(Heavy { task, .. }) => Poll::Ready(match ready!(Pin::new(task).poll(cx)) {
                Ok(Some(end)) => end.outcome,
                Ok(None) => unreachable!("it ends its guest only when it is dropped"),
                Err(error) => Outcome::Trapped(format!("the guest's task ended: {error}")),
            }),
            Drive::Shared(ticket) => Pin::new(ticket).poll(cx),
        }
    }
}

/// A guest whose use of the processor is held to its workload's share.
pub struct Metered<T> {
    guest: GuestFuture<T>,
    share: Option<Arc<CpuShare>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<T: 'static> Metered<T> {
    pub fn new(guest: GuestFuture<T>, share: Option<Arc<CpuShare>>) -> Self {
        Self {
            guest,
            share,
            pause: None,
        }
    }

    /// Stands in for a guest that was moved elsewhere.
    pub fn over() -> Self {
        Self::new(Box::pin(std::future::pending()), None)
    }
}

impl<T> Future for Metered<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(share) = self.share.clone() else {
            return self.guest.as_mut().poll(cx);
        };
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let start = Instant::now();
        let polled = self.guest.as_mut().poll(cx);
        let pause = share.charge(start, start.elapsed());
        if polled.is_pending() && !pause.is_zero() {
            self.pause = Some(Box::pin(sleep(pause)));
            // The guest's own wake-up is lost while it pauses, so the end of the pause wakes it.
            if let Some(pause) = &mut self.pause {
                let _ = pause.as_mut().poll(cx);
            }
        }
        polled
    }
}

/// What a workload may use of the processor, over all its requests.
pub struct CpuShare {
    /// Of one core: 0.5 is half of one, 2.0 two cores.
    cores: f64,
    /// The moment up to which what was used so far is paid for.
    paid_until: Mutex<Option<Instant>>,
}

/// A workload may use so much at once before it is slowed down.
const BURST: Duration = Duration::from_millis(100);

impl CpuShare {
    /// `percent` of one core.
    pub fn new(percent: u32) -> Self {
        Self {
            cores: f64::from(percent) / 100.0,
            paid_until: Mutex::new(None),
        }
    }

    /// Charges `used` and says how long the guest has to pause.
    fn charge(&self, now: Instant, used: Duration) -> Duration {
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = paid_until.map_or(now, |at| at.max(now - BURST));
        let until = from + used.div_f64(self.cores);
        *paid_until = Some(until);
        until.saturating_duration_since(now + used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_core_pauses_as_long_as_it_ran() {
        let share = CpuShare::new(50);
        let start = Instant::now();
        let used = Duration::from_millis(200);
        let pause = share.charge(start, used);
        assert_eq!(pause, Duration::from_millis(200));
        // What follows right after the pause is charged in full.
        assert_eq!(
            share.charge(start + used + pause, used),
            Duration::from_millis(200)
        );
    }

    #[test]
    fn an_idle_workload_earns_one_burst() {
        let share = CpuShare::new(100);
        let start = Instant::now();
        share.charge(start, Duration::from_millis(10));
        let later = start + Duration::from_secs(10);
        assert_eq!(share.charge(later, Duration::from_millis(50)), Duration::ZERO);
        let half = CpuShare::new(50);
        half.charge(start, Duration::from_millis(10));
        assert_eq!(
            half.charge(later, Duration::from_millis(150)),
            Duration::from_millis(50)
        );
    }

    #[tokio::test]
    async fn a_guest_over_its_budget_goes_on_elsewhere() {
        let here = std::thread::current().id();
        let guest = Box::pin(async move {
            while std::thread::current().id() == here {
                std::thread::sleep(Duration::from_millis(4));
                tokio::task::yield_now().await;
            }
            End::from(Outcome::Full)
        });
        let heavy = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let mut drive = Drive::new(guest, None, heavy.handle().clone(), false);
        assert!(matches!((&mut drive).await, Outcome::Full));
        assert!(matches!(drive, Drive::Heavy(_)));
        heavy.shutdown_background();
    }
}
