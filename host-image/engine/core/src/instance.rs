//! Instances: what a store holds, how one is made for a request, and the warm ones that wait for the next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{Proxy, ProxyPre};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::compile::Compiled;
use crate::http::egress::Egress;
use crate::interfaces::Providers;
use crate::interfaces::webgpu::{self, Gpu, Gpus};
use crate::net::sockets::{self, Reach};
use crate::net::view::Notes;
use crate::output::{Output, Stream};
use crate::settings::ComponentSpec;

/// Requests that a reused instance of WASI 0.3 has at once, unless the component says otherwise.
const DEFAULT_CONCURRENCY: usize = 16;

/// What a guest has open in the host at once: requests, bodies, sockets, futures. Each takes memory that no limit of linear memory
/// counts.
const MOST_RESOURCES: usize = 4096;
/// Of what a guest hands to the host in one call. Each of them has a copy, which no limit of linear memory counts.
const MOST_CALL_BYTES: usize = 32 << 20;
/// Of one `fields`, with what the host needs for it.
const MOST_FIELD_BYTES: usize = 32 << 10;

/// What belongs to one store.
pub struct Guest {
    pub wasi: WasiCtx,
    pub table: ResourceTable,
    pub reach: Arc<Reach>,
    pub socket_notes: Notes,
    pub config: Arc<ComponentSpec>,
    pub providers: Providers,
    /// After `table`, whose resources stand for some of it.
    pub gpu: Option<Gpu>,
    http: WasiHttpCtx,
    egress: Egress,
    memory: MemoryLimit,
}

impl Guest {
    fn new(around: &Surroundings) -> Self {
        let Surroundings {
            spec,
            reach,
            egress,
            output,
            ..
        } = around;
        let mut wasi = WasiCtxBuilder::new();
        for (key, value) in &spec.environment {
            wasi.env(key, value);
        }
        wasi.stdout(output.stream(Stream::Stdout))
            .stderr(output.stream(Stream::Stderr));
        sockets::allow(reach, &mut wasi);
        Self {
            wasi: wasi.build(),
            table: resource_table(),
            reach: reach.clone(),
            socket_notes: Notes::default(),
            config: spec.clone(),
            providers: around.providers.clone(),
            gpu: around.providers.gpus.as_ref().map(Gpus::gpu),
            http: http_context(),
            egress: egress.clone(),
            memory: MemoryLimit {
                used: 0,
                most: around.memory_bytes,
            },
        }
    }

    /// A store that keeps to the guest's limits and gives way at every tick of the epoch.
    pub fn into_store(self, engine: &Engine) -> Store<Self> {
        let mut store = Store::new(engine, self);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(MOST_CALL_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.egress,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

fn resource_table() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(MOST_RESOURCES);
    table
}

fn http_context() -> WasiHttpCtx {
    let mut context = WasiHttpCtx::new();
    context.set_field_size_limit(MOST_FIELD_BYTES);
    context
}

/// All linear memories of a store together, in bytes.
struct MemoryLimit {
    used: usize,
    most: usize,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(wanted.saturating_sub(now));
        if used > self.most {
            wasmtime::bail!("the instance is over its memory limit of {} MiB", self.most >> 20);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _now: usize, _wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        // A pooled table can't grow beyond what the allocator reserved for it.
        Ok(true)
    }
}

/// A store with the instance in it.
pub struct Instance {
    pub store: Store<Guest>,
    pub proxy: Proxy,
    pub invocations_left: Option<u32>,
    _seats: (Seat, Seat),
}

/// How many of something there may be at once: of instances over all workloads or of one component, of a component's sockets.
pub struct Seats {
    taken: AtomicUsize,
    pub most: usize,
}

impl Seats {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            most,
        })
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub fn is_full(&self) -> bool {
        self.taken() >= self.most
    }

    pub fn take(self: &Arc<Self>) -> Option<Seat> {
        if self.taken.fetch_add(1, Ordering::Relaxed) < self.most {
            return Some(Seat(self.clone()));
        }
        self.taken.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

/// One of the seats; given back when dropped.
pub struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why no instance could be had.
pub enum NoInstance {
    /// Every seat, or a resource of the pooling allocator, is taken.
    Full,
    Failed(wasmtime::Error),
}

/// Makes the instances of one component and keeps the warm ones.
pub struct Instances {
    engine: Engine,
    pre: ProxyPre<Guest>,
    /// The compiled component among it is kept known to the compiler, so that another workload can share it.
    around: Surroundings,
    /// So many instances of this component fit beside those of others.
    own_seats: Arc<Seats>,
    warm: Mutex<Vec<Instance>>,
}

/// What an `Instances` is made of, apart from the component itself.
pub struct Surroundings {
    pub compiled: Compiled,
    pub spec: Arc<ComponentSpec>,
    pub reach: Arc<Reach>,
    pub egress: Egress,
    pub output: Output,
    pub providers: Providers,
    pub memory_bytes: usize,
    pub seats: Arc<Seats>,
}

impl Surroundings {
    fn most_instances(&self) -> usize {
        let of_host = u32::try_from(self.seats.most).unwrap_or(u32::MAX);
        let most = self.compiled.most_instances(of_host) as usize;
        if self.providers.gpus.is_some() {
            most.min(webgpu::MOST_INSTANCES)
        } else {
            most
        }
    }

    /// What a store of its own starts with.
    pub fn guest(&self) -> Guest {
        Guest::new(self)
    }
}

impl Instances {
    pub fn new(pre: ProxyPre<Guest>, around: Surroundings) -> Self {
        Self {
            engine: around.compiled.component().engine().clone(),
            pre,
            own_seats: Seats::new(around.most_instances()),
            around,
            warm: Mutex::default(),
        }
    }

    /// A warm instance if one waits, else a fresh one.
    pub async fn take(&self) -> Result<Instance, NoInstance> {
        match self.warm_instance() {
            Some(instance) => Ok(instance),
            None => self.make().await,
        }
    }

    pub fn warm_instance(&self) -> Option<Instance> {
        // Without a pool, requests need not take its lock.
        if self.around.spec.pool_size == 0 {
            return None;
        }
        self.warm().pop()
    }

    /// A fresh instance.
    pub async fn make(&self) -> Result<Instance, NoInstance> {
        let seats = self
            .own_seats
            .take()
            .zip(self.around.seats.take())
            .ok_or(NoInstance::Full)?;
        let mut store = self.around.guest().into_store(&self.engine);
        let proxy = self.pre.instantiate_async(&mut store).await.map_err(|error| {
            if error.is::<wasmtime::PoolConcurrencyLimitError>() {
                NoInstance::Full
            } else {
                NoInstance::Failed(error)
            }
        })?;
        Ok(Instance {
            store,
            proxy,
            invocations_left: self.max_invocations(),
            _seats: seats,
        })
    }

    /// Takes back an instance whose request went well. One that trapped is dropped by the caller instead.
    pub fn give_back(&self, mut instance: Instance) {
        if let Some(left) = &mut instance.invocations_left {
            *left -= 1;
            if *left == 0 {
                return;
            }
        }
        self.keep(instance, 0);
    }

    /// Keeps the instance if the pool has room for it beside `others`.
    pub fn keep(&self, instance: Instance, others: usize) {
        // As in `warm_instance`.
        if self.pool_size() == 0 || self.is_crowded() {
            return;
        }
        let mut warm = self.warm();
        if warm.len() + others < self.pool_size() {
            warm.push(instance);
        }
    }

    pub fn pool_size(&self) -> usize {
        self.around.spec.pool_size as usize
    }

    /// Requests that an instance serves before it is replaced; None for no end.
    pub fn max_invocations(&self) -> Option<u32> {
        Some(self.around.spec.max_invocations).filter(|most| *most > 0)
    }

    /// Requests that an instance has at once.
    pub fn most_at_once(&self) -> usize {
        // While one request waits for the GPU, nothing else goes on in its instance.
        if self.blocks() {
            return 1;
        }
        match (
            &self.pre,
            self.around.spec.pool_size,
            self.around.spec.max_concurrency,
        ) {
            (ProxyPre::P2(_), ..) | (ProxyPre::P3(_), 0, _) => 1,
            (ProxyPre::P3(_), _, 0) => DEFAULT_CONCURRENCY,
            (ProxyPre::P3(_), _, most) => most as usize,
        }
    }

    /// Whether calls of the guest hold up the thread that they are made on.
    pub fn blocks(&self) -> bool {
        self.around.providers.gpus.is_some()
    }

    pub fn has_seat(&self) -> bool {
        !self.around.seats.is_full() && !self.own_seats.is_full()
    }

    /// Whether one more instance that waits for a request would be in the way: the idle ones of all workloads leave half of the
    /// seats to others.
    pub fn is_crowded(&self) -> bool {
        self.around.seats.taken() * 2 > self.around.seats.most
    }

    pub fn idle_count(&self) -> usize {
        self.warm().len()
    }

    /// Frees the warm instances.
    pub fn clear(&self) {
        self.warm().clear();
    }

    fn warm(&self) -> std::sync::MutexGuard<'_, Vec<Instance>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
