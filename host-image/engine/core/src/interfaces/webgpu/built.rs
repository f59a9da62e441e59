//! WebGPU on wgpu, which finds its drivers (Vulkan, on Linux) when it is first asked.
//!
//! Each instance of a component has a context of wgpu to itself. So what a guest leaves behind is freed with its instance, which
//! wgpu does for a context as a whole alone, and a guest that waits for the GPU waits for its own work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasi_webgpu_wasmtime::reexports::wgpu_core::global::Global;
use wasi_webgpu_wasmtime::reexports::wgpu_types::{
    Backends, InstanceDescriptor, InstanceFlags, MemoryBudgetThresholds, MemoryHints,
};
use wasi_webgpu_wasmtime::{WasiWebGpuCtx, WasiWebGpuCtxView, WasiWebGpuOptions};
use wasmtime::component::Linker;

use crate::error::{EngineError, Result};
use crate::instance::Guest;
use crate::log::say;

/// Of the memory that the driver says there is, guests get no more than this, percent.
const MOST_MEMORY_USED: u8 = 80;
/// Many small guests share the GPU, so each starts with small blocks of its memory.
static OPTIONS: WasiWebGpuOptions = WasiWebGpuOptions {
    device_memory_hints: MemoryHints::MemoryUsage,
};
/// How often work that a guest left running is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Hands out GPUs to guests, and frees what they leave.
#[derive(Clone)]
pub struct Gpus {
    ended: Sender<Arc<Global>>,
}

impl Gpus {
    /// Says in the log which GPUs there are; that there is none is no error, and guests are told the same.
    ///
    /// # Errors
    /// `internal` when a thread can't be started.
    pub fn open() -> Result<Self> {
        say(describe(&context()));
        let (ended, arriving) = channel();
        std::thread::Builder::new()
            .name("wasm-gpu".into())
            .spawn(move || free_all(&arriving))
            .map_err(|e| EngineError::internal(format!("a thread can't be started: {e}")))?;
        Ok(Self { ended })
    }

    /// What one instance has of the GPU: nothing until it asks.
    pub fn gpu(&self) -> Gpu {
        Gpu {
            context: OnceLock::new(),
            ended: self.ended.clone(),
        }
    }
}

/// What one instance has of the GPU.
pub struct Gpu {
    context: OnceLock<Arc<Global>>,
    ended: Sender<Arc<Global>>,
}

impl Drop for Gpu {
    fn drop(&mut self) {
        let Some(context) = self.context.take() else {
            return;
        };
        if let Err(unsent) = self.ended.send(context) {
            // The engine is gone, and soon the process: nobody has to wait for the GPU now.
            std::mem::forget(unsent);
        }
    }
}

impl WasiWebGpuCtxView for Guest {
    fn webgpu_ctx(&mut self) -> WasiWebGpuCtx<'_> {
        let gpu = self.gpu.as_ref().expect("it is linked for guests that have one");
        WasiWebGpuCtx {
            instance: gpu.context.get_or_init(|| Arc::new(context())),
            table: &mut self.table,
            options: &OPTIONS,
        }
    }
}

pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasi_webgpu_wasmtime::add_to_linker(linker)
}

fn context() -> Global {
    let descriptor = InstanceDescriptor {
        backends: Backends::PRIMARY,
        // Without it a guest could make the GPU read what is not the guest's.
        flags: InstanceFlags::VALIDATION_INDIRECT_CALL,
        memory_budget_thresholds: MemoryBudgetThresholds {
            for_resource_creation: Some(MOST_MEMORY_USED),
            for_device_loss: None,
        },
        backend_options: Default::default(),
        display: None,
    };
    Global::new("wasmcloud", descriptor, None)
}

fn describe(context: &Global) -> String {
    let adapters = context.enumerate_adapters(Backends::PRIMARY);
    let names: Vec<_> = adapters
        .into_iter()
        .map(|adapter| context.adapter_get_info(adapter))
        .map(|info| format!("{} ({:?}, {})", info.name, info.backend, info.driver_info))
        .collect();
    if names.is_empty() {
        return "WebGPU finds no GPU here: is there a driver for Vulkan, and may this user open the device?"
            .into();
    }
    format!("WebGPU runs on {}", names.join(", "))
}

/// Frees what guests have left as soon as the GPU is done with it; before, it would be pulled from under the GPU.
fn free_all(arriving: &Receiver<Arc<Global>>) {
    let mut left: Vec<Arc<Global>> = Vec::new();
    loop {
        let next = match left.is_empty() {
            true => arriving.recv().map_err(RecvTimeoutError::from),
            false => arriving.recv_timeout(LOOK_EVERY),
        };
        match next {
            Ok(context) => left.push(context),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return left.into_iter().for_each(std::mem::forget),
        }
        let (done, busy) = left.into_iter().partition(|context| is_done(context));
        left = busy;
        Vec::into_iter(done).for_each(free);
    }
}

fn is_done(context: &Global) -> bool {
    // An error means a lost device, which does nothing any more.
    context.poll_all_devices(false).unwrap_or(true)
}

/// A queue whose device the guest gave away can't be asked how far it is. wgpu waits for such a queue, and panics when that takes
/// too long; a second panic on the way would end the process.
fn free(context: Arc<Global>) {
    let hub = context.generate_report().hub;
    let unseen = hub
        .queues
        .num_kept_from_user
        .saturating_sub(hub.devices.num_kept_from_user);
    if unseen > 1 {
        say("a guest left work on the GPU that nobody can see the end of: its memory stays taken".into());
        std::mem::forget(context);
    } else if catch_unwind(AssertUnwindSafe(|| drop(context))).is_err() {
        say("a guest left work on the GPU that did not end".into());
    }
}
