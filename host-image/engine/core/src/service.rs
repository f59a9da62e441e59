//! A service: a component that runs as long as its workload does, and is started again in a fresh instance when it fails.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::sleep;
use wasmtime_wasi::I32Exit;

use crate::http::call::{Outcome, describe_trap};
use crate::http::drive::{CpuShare, Heavy, Metered};
use crate::instance::Surroundings;
use crate::link::Command;
use crate::log::say;

/// Before the first restart; each further one in a row waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A service that ran this long starts over with the shortest pause.
const STEADY: Duration = Duration::from_secs(60);

/// A service at work; dropping it ends the service.
pub struct Service {
    progress: Arc<Progress>,
    task: Heavy<Outcome>,
}

impl Service {
    /// Runs it on the threads of `heavy`, which give way to requests.
    pub fn start(command: Command, mut around: Surroundings, max_restarts: u64, heavy: &Handle) -> Self {
        around.output = around.output.keeping_last_lines();
        let progress = Arc::new(Progress::default());
        let percent = around.spec.cpu_limit.filter(|percent| *percent > 0);
        let share = percent.map(|percent| Arc::new(CpuShare::new(percent)));
        let blocks = around.providers.gpus.is_some();
        let program = Program { command, around };
        let keeper = keep_running(program, progress.clone(), max_restarts);
        let task = Heavy::start(Metered::new(Box::pin(keeper), share), heavy, blocks);
        Self { progress, task }
    }

    /// Ends it where it stands.
    pub fn end(&self) {
        self.task.end();
    }

    /// How it is, in the shape that the README shows.
    pub fn to_json(&self) -> Value {
        let now = self.progress.now();
        json!({"state": now.state.name(), "restarts": now.restarts, "message": now.message})
    }
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Running,
    /// It failed and pauses before the next start.
    Restarting,
    /// It ended well.
    Completed,
    /// It failed, and was started again as often as it may be.
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Restarting => "restarting",
            State::Completed => "completed",
            State::Failed => "failed",
        }
    }
}

#[derive(Default)]
struct Progress(Mutex<Now>);

#[derive(Default)]
struct Now {
    state: State,
    restarts: u64,
    message: String,
}

impl Progress {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State, restarts: u64, message: String) {
        *self.now() = Now {
            state,
            restarts,
            message,
        };
    }
}

/// What is run, as often as need be.
struct Program {
    command: Command,
    around: Surroundings,
}

async fn keep_running(program: Program, progress: Arc<Progress>, max_restarts: u64) -> Outcome {
    let output = &program.around.output;
    let mut failures_in_a_row = 0;
    for restarts in 0.. {
        progress.set(State::Running, restarts, String::new());
        let start = Instant::now();
        let ended = program.run().await;
        // Its ports are free for the next instance, and lead nowhere until that one listens.
        program.around.reach.loopback.clear();
        let Err(reason) = ended else {
            progress.set(State::Completed, restarts, "the service ended well".into());
            break;
        };
        let message = format!("the service {reason}{}{}", after(restarts), output.last_lines());
        say(format!("{output}: {reason}"));
        if restarts >= max_restarts {
            progress.set(State::Failed, restarts, message);
            break;
        }
        progress.set(State::Restarting, restarts, message);
        failures_in_a_row = if start.elapsed() < STEADY {
            failures_in_a_row + 1
        } else {
            1
        };
        sleep(pause_after(failures_in_a_row)).await;
    }
    Outcome::Done
}

fn after(restarts: u64) -> String {
    match restarts {
        0 => String::new(),
        1 => " after 1 restart".into(),
        more => format!(" after {more} restarts"),
    }
}

/// How long to wait after so many failures in a row, 1 or more.
fn pause_after(failures_in_a_row: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures_in_a_row.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

impl Program {
    /// Runs it once. The instance is gone when this ends.
    ///
    /// # Errors
    /// How it failed, as the end of a sentence that begins with `the service`.
    async fn run(&self) -> Result<(), String> {
        let around = &self.around;
        let seat = around.seats.take().ok_or("finds no free instance on this host")?;
        let mut store = around.guest().into_store(around.compiled.component().engine());
        // A host interface that has a fault is no reason to leave the service neither running nor ended.
        let ended = AssertUnwindSafe(self.command.run(&mut store))
            .catch_unwind()
            .await;
        drop((store, seat));
        match ended.map_err(|_| "met a fault of a host interface")? {
            Ok(Ok(())) => Ok(()),
            Ok(Err(())) => Err("ended with a failure".into()),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(0)) => Ok(()),
                Some(I32Exit(code)) => Err(format!("exited with code {code}")),
                None => Err(format!("crashed: {}", describe_trap(&error))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<_> = (1..=4).map(|n| pause_after(n).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000]);
        assert_eq!(pause_after(7), LONGEST_PAUSE);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
