//! Compiled components: one a digest in memory, one a digest and engine on disk.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::artifact::{check_is_component, describe_refused, digest_of};
use crate::cache::Cache;
use crate::error::{EngineError, Kind, Result};
use crate::log::say;
use crate::priority::{COMPILER, lower_this_thread};

/// Memory of an instance that stays resident for the next one in the same slot, instead of being unmapped.
const MEMORY_RESIDENT_BYTES: usize = 4 << 20;
const TABLE_RESIDENT_BYTES: usize = 64 << 10;
const STACK_RESIDENT_BYTES: usize = 64 << 10;
/// Slots a component may use; enough for Python guests, which link dozens of core modules.
const MOST_CORE_INSTANCES: u32 = 200;
const MOST_TABLES: u32 = 200;
const MOST_MEMORIES: u32 = 50;

/// Proposals that wasmtime turns on when a crate beside ours has it built with them: garbage collection with what rests on it, and shared
/// memories. They stay off in every build, which also keeps compiled code good for each of them.
const NOT_OFFERED: WasmFeatures = WasmFeatures::GC_TYPES
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::THREADS);

/// The engines of wasmtime, made for many short-lived instances. A component of WASI 0.2 alone is called without what
/// concurrent calls into one instance need, which costs it nearly a third less; 0.3 can't do without.
#[derive(Clone)]
pub struct Engines {
    pub plain: Engine,
    pub concurrent: Engine,
}

impl Engines {
    /// # Errors
    /// `internal` when this machine can't run them.
    pub fn new(max_instances: u32) -> Result<Self> {
        // Compiled in by the crate of WebGPU. Where RUST_BACKTRACE is set they cost nearly half of the requests/s of 0.3.
        #[cfg(feature = "webgpu")]
        wasmtime::error::disable_backtrace();
        Ok(Self {
            plain: wasm_engine(max_instances, false)?,
            concurrent: wasm_engine(max_instances, true)?,
        })
    }

    /// The cheapest one that can run this component. The names of imports and exports are in a component as they are, so one
    /// without this text has nothing of 0.3; a text that is there by chance costs speed alone.
    fn engine_for(&self, component: &[u8]) -> &Engine {
        let mark = b"@0.3.";
        if component.windows(mark.len()).any(|text| text == mark) {
            &self.concurrent
        } else {
            &self.plain
        }
    }
}

fn wasm_engine(max_instances: u32, is_concurrent: bool) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_instances)
        .total_core_instances(max_instances.saturating_mul(20).max(MOST_CORE_INSTANCES))
        .total_memories(total_memories(max_instances))
        .total_tables(total_tables(max_instances))
        .total_stacks(max_instances.saturating_mul(2))
        .max_core_instances_per_component(MOST_CORE_INSTANCES)
        .max_tables_per_component(MOST_TABLES)
        .max_memories_per_component(MOST_MEMORIES)
        .linear_memory_keep_resident(MEMORY_RESIDENT_BYTES)
        .table_keep_resident(TABLE_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .concurrency_support(is_concurrent)
        .wasm_component_model_async(is_concurrent)
        .wasm_features(NOT_OFFERED, false)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|e| EngineError::internal(format!("WebAssembly can't be run here: {e:#}")))
}

fn total_memories(max_instances: u32) -> u32 {
    max_instances.saturating_mul(2).max(MOST_MEMORIES)
}

fn total_tables(max_instances: u32) -> u32 {
    max_instances.saturating_mul(4).max(MOST_TABLES)
}

/// So many instances of a component may live at once: they leave half of its engine's memories and tables to others.
fn most_instances(max_instances: u32, memories: u32, tables: u32) -> u32 {
    let half = |total: u32, each: u32| (total / 2).checked_div(each).unwrap_or(max_instances);
    half(total_memories(max_instances), memories)
        .min(half(total_tables(max_instances), tables))
        .clamp(1, max_instances)
}

/// Compiles components and remembers what it compiled.
pub struct Compiler {
    engines: Engines,
    cache: Cache,
    known: Mutex<HashMap<String, Weak<OnceCell<Component>>>>,
    /// One compilation at a time: each uses all cores as it is.
    turn: Arc<Semaphore>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    compiled: AtomicU64,
    from_disk: AtomicU64,
    from_memory: AtomicU64,
    failed: AtomicU64,
    compiling_us: AtomicU64,
}

/// A component in memory. It stays there while somebody holds this.
#[derive(Clone)]
pub struct Compiled(Arc<OnceCell<Component>>);

impl Compiled {
    pub fn component(&self) -> &Component {
        self.0
            .get()
            .expect("a compiled component is there from the start")
    }

    /// How many instances of it may live at once on a host of so many.
    pub fn most_instances(&self, max_instances: u32) -> u32 {
        // One that can't tell what it needs imports core modules, and nobody provides those.
        self.component()
            .resources_required()
            .map_or(max_instances, |needs| {
                most_instances(max_instances, needs.num_memories, needs.num_tables)
            })
    }
}

impl Compiler {
    pub fn new(engines: &Engines, cache: Cache) -> Arc<Self> {
        Arc::new(Self {
            engines: engines.clone(),
            cache,
            known: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            counts: Counts::default(),
        })
    }

    /// The component in the file at `path`, which must hash to `digest` when one is given. `what` names it in errors.
    ///
    /// # Errors
    /// `artifact`, with what the file is instead of a component.
    pub async fn load(self: &Arc<Self>, what: &str, path: &Path, digest: Option<&str>) -> Result<Compiled> {
        let loaded = self.try_load(what, path, digest).await;
        if loaded.is_err() {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        loaded
    }

    async fn try_load(self: &Arc<Self>, what: &str, path: &Path, digest: Option<&str>) -> Result<Compiled> {
        let bytes = tokio::fs::read(path).await.map_err(|e| {
            EngineError::new(
                Kind::Artifact,
                format!("{what} can't be read from {}: {e}", path.display()),
            )
        })?;
        check_is_component(what, &bytes)?;
        let found = digest_of(&bytes);
        if let Some(wanted) = digest.filter(|wanted| *wanted != found) {
            let text = format!(
                "{what} is damaged: {} has the digest {found}, not {wanted}",
                path.display()
            );
            return Err(EngineError::new(Kind::Artifact, text));
        }
        let cell = self.cell(&found);
        if cell.initialized() {
            self.counts.from_memory.fetch_add(1, Ordering::Relaxed);
        }
        cell.get_or_try_init(|| self.obtain(what, &found, bytes)).await?;
        Ok(Compiled(cell))
    }

    fn cell(&self, digest: &str) -> Arc<OnceCell<Component>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.get(digest).and_then(Weak::upgrade) {
            return cell;
        }
        known.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::new(OnceCell::new());
        known.insert(digest.to_owned(), Arc::downgrade(&cell));
        cell
    }

    async fn obtain(self: &Arc<Self>, what: &str, digest: &str, bytes: Vec<u8>) -> Result<Component> {
        let turn = self.turn.clone().acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let (compiler, what, digest) = (self.clone(), what.to_owned(), digest.to_owned());
        let (done, result) = tokio::sync::oneshot::channel();
        // A thread of its own, because the threads that the compiler starts inherit its priority. It keeps its turn when nobody waits
        // for it any more: who asks for the same component next finds what it left on disk.
        std::thread::Builder::new()
            .name("wasm-compile".into())
            .spawn(move || {
                lower_this_thread(COMPILER);
                let obtained = compiler.obtain_now(&what, &digest, &bytes);
                drop(turn);
                let _ = done.send(obtained);
            })
            .map_err(|e| EngineError::internal(format!("a thread can't be started: {e}")))?;
        result
            .await
            .map_err(|_| EngineError::internal("the compiler broke down"))?
    }

    fn obtain_now(&self, what: &str, digest: &str, bytes: &[u8]) -> Result<Component> {
        let engine = self.engines.engine_for(bytes);
        if let Some(component) = self.load_cached(engine, digest) {
            self.counts.from_disk.fetch_add(1, Ordering::Relaxed);
            return Ok(component);
        }
        let start = Instant::now();
        let component = self
            .compile(engine, digest, bytes)
            .map_err(|e| describe_refused(what, bytes, &e))?;
        let us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counts.compiling_us.fetch_add(us, Ordering::Relaxed);
        self.counts.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(component)
    }

    fn compile(&self, engine: &Engine, digest: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let compiled = engine.precompile_component(bytes)?;
        if let Some(component) = self.write_cached(engine, digest, &compiled) {
            return Ok(component);
        }
        // SAFETY: these bytes came from the compiler just now.
        unsafe { Component::deserialize(engine, &compiled) }
    }

    /// What was compiled earlier, if it is whole and fits this engine; else its files are deleted.
    fn load_cached(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let name = file_name(engine, digest);
        let (path, sum) = (self.cache.path(&name), self.cache.path(&sum_of(&name)));
        let expected = fs::read_to_string(&sum).ok()?;
        let is_whole = fs::read(&path).is_ok_and(|bytes| digest_of(&bytes) == expected);
        // SAFETY: the folder belongs to this user alone, and the file is the one that the compiler wrote.
        let loaded = is_whole.then(|| unsafe { Component::deserialize_file(engine, &path) });
        if let Some(Ok(component)) = loaded {
            self.cache.touch(&path);
            self.cache.touch(&sum);
            return Some(component);
        }
        for damaged in [path, sum] {
            let _ = fs::remove_file(damaged);
        }
        None
    }

    /// Writes what was compiled and maps it from there, so that its pages can be given back under memory pressure.
    fn write_cached(&self, engine: &Engine, digest: &str, compiled: &[u8]) -> Option<Component> {
        let name = file_name(engine, digest);
        let written = self.cache.put(&name, compiled).and_then(|path| {
            self.cache
                .put(&sum_of(&name), digest_of(compiled).as_bytes())
                .map(|_| path)
        });
        match written {
            // SAFETY: as in `load_cached`.
            Ok(path) => unsafe { Component::deserialize_file(engine, path) }.ok(),
            Err(error) => {
                say(format!(
                    "compiled code can't be cached, and will be compiled again at the next start: {error}"
                ));
                None
            }
        }
    }

    /// The counters as `status` shows them.
    pub fn to_json(&self) -> Value {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "compiled_total": read(&self.counts.compiled),
            "from_disk_total": read(&self.counts.from_disk),
            "from_memory_total": read(&self.counts.from_memory),
            "failed_total": read(&self.counts.failed),
            "seconds_total": read(&self.counts.compiling_us) as f64 / 1e6,
        })
    }
}

/// What was compiled by another version or under other settings has another name.
fn file_name(engine: &Engine, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!(
        "{}-{:016x}.cwasm",
        digest.trim_start_matches("sha256:"),
        hasher.finish()
    )
}

fn sum_of(name: &str) -> String {
    format!("{name}.sum")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_refuses_what_some_could_run() {
        const HEAD: &[u8] = b"\0asm\x01\0\0\0";
        let engines = Engines::new(10).unwrap();
        for (proposal, sections) in [
            ("threads: a shared memory", b"\x05\x04\x01\x03\x01\x01".as_slice()),
            ("garbage collection: a struct", b"\x01\x03\x01\x5f\x00"),
            (
                "exceptions: a tag",
                b"\x01\x04\x01\x60\x00\x00\x0d\x03\x01\x00\x00",
            ),
        ] {
            let module = [HEAD, sections].concat();
            for engine in [&engines.plain, &engines.concurrent] {
                assert!(wasmtime::Module::validate(engine, &module).is_err(), "{proposal}");
            }
            let mut all = Config::new();
            all.wasm_features(NOT_OFFERED, true);
            // Where it can be turned on, the module is a good one.
            if let Ok(able) = Engine::new(&all) {
                wasmtime::Module::validate(&able, &module).unwrap_or_else(|e| panic!("{proposal}: {e:#}"));
            }
        }
    }

    #[test]
    fn a_component_leaves_half_of_the_pool_to_others() {
        for (max_instances, memories, tables, most) in [
            (1000, 1, 2, 1000),
            (1000, 1, 4, 500),
            (1000, 0, 0, 1000),
            (1000, 1, 200, 10),
            (1000, 50, 3, 20),
            (10, 1, 200, 1),
            (1, 1, 1, 1),
        ] {
            assert_eq!(
                most_instances(max_instances, memories, tables),
                most,
                "{max_instances} instances at most, {memories} memories and {tables} tables each"
            );
        }
    }
}
