//! The clock of interruption: each tick makes a running guest give way to the others on its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::compile::Engines;
use crate::error::{EngineError, Result};

const TICK: Duration = Duration::from_millis(5);

/// The thread that ticks; it ends when this is dropped.
pub struct Ticker(Arc<AtomicBool>);

impl Ticker {
    /// # Errors
    /// `internal` when the thread can't be started.
    pub fn start(engines: &Engines) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (engines, over) = (engines.clone(), is_over.clone());
        std::thread::Builder::new()
            .name("wasm-ticker".into())
            .spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    engines.plain.increment_epoch();
                    engines.concurrent.increment_epoch();
                }
            })
            .map_err(|e| EngineError::internal(format!("a thread can't be started: {e}")))?;
        Ok(Self(is_over))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
