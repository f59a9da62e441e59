//! The engine as Python sees it; what it means is in `wasmcloud_engine.pyi`.

// As in the core, whose types are awaited here.
#![recursion_limit = "256"]

mod bridge;
mod called;
mod keyvalue;

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use tokio::runtime::{Builder, Runtime};
use wasmcloud_engine_core::interfaces::Providers;
use wasmcloud_engine_core::{self as core, EngineError, EngineSettings, Kind, PullRequest, WorkloadSpec};

use crate::keyvalue::PyKeyValue;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for what is not a request: accepting, pulling, starting and stopping.
const CONTROL_THREADS: usize = 2;

#[pyclass(name = "Engine", module = "wasmcloud_engine", frozen)]
struct PyEngine {
    engine: Arc<core::Engine>,
    /// None only while this is dropped.
    runtime: Option<Runtime>,
}

#[pymethods]
impl PyEngine {
    #[new]
    fn new(py: Python<'_>, settings: &str) -> PyResult<Self> {
        let started = py.detach(|| {
            let settings = EngineSettings::parse(settings)?;
            let runtime = Builder::new_multi_thread()
                .worker_threads(CONTROL_THREADS)
                .thread_name("wasm-control")
                .enable_all()
                .build()
                .map_err(|e| EngineError::internal(format!("a thread can't be started: {e}")))?;
            let engine = {
                let _within = runtime.enter();
                core::Engine::start(settings)?
            };
            Ok(Self {
                engine,
                runtime: Some(runtime),
            })
        });
        started.map_err(|error: EngineError| raise(py, &error))
    }

    #[getter]
    fn http_port(&self) -> u16 {
        self.engine.http_port()
    }

    fn pull<'py>(&self, py: Python<'py>, request: &str) -> PyResult<Bound<'py, PyAny>> {
        let (engine, request) = (self.engine.clone(), PullRequest::parse(request));
        self.coroutine(py, async move {
            let pulled = engine.pull(request?).await?;
            serde_json::to_string(&pulled).map_err(|e| EngineError::internal(format!("{e}")))
        })
    }

    #[pyo3(signature = (workload, *, keyvalue = None))]
    fn start<'py>(
        &self,
        py: Python<'py>,
        workload: &str,
        keyvalue: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (engine, spec) = (self.engine.clone(), WorkloadSpec::parse(workload));
        let keyvalue = keyvalue.map(PyKeyValue::new).transpose()?;
        let providers = Providers {
            keyvalue: keyvalue.map(|keyvalue| Arc::new(keyvalue) as _),
            ..Providers::default()
        };
        self.coroutine(py, async move { engine.start_workload(spec?, providers).await })
    }

    fn stop<'py>(&self, py: Python<'py>, workload_id: String) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.engine.clone();
        self.coroutine(py, async move { Ok(engine.stop_workload(&workload_id).await) })
    }

    fn status(&self, py: Python<'_>) -> String {
        py.detach(|| self.engine.status().to_string())
    }

    fn service(&self, py: Python<'_>, workload_id: &str) -> Option<String> {
        py.detach(|| self.engine.service(workload_id))
            .map(|service| service.to_string())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a method's arguments come from Python"
    )]
    fn check_egress(
        &self,
        allowed_hosts: Vec<String>,
        allowed_ip_name_lookups: Vec<String>,
        loopback_ports: Vec<String>,
    ) -> Option<String> {
        core::egress_faults(&allowed_hosts, &allowed_ip_name_lookups, &loopback_ports)
    }

    fn shutdown<'py>(&self, py: Python<'py>, drain_s: f64) -> PyResult<Bound<'py, PyAny>> {
        let drain = Duration::try_from_secs_f64(drain_s)
            .map_err(|_| PyValueError::new_err("drain_s must be a number of seconds, 0 or more"))?;
        let engine = self.engine.clone();
        self.coroutine(py, async move {
            engine.shutdown(drain).await;
            Ok(())
        })
    }
}

impl PyEngine {
    fn coroutine<'py, T>(
        &self,
        py: Python<'py>,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        T: for<'a> IntoPyObject<'a> + Send + 'static,
    {
        let runtime = self
            .runtime
            .as_ref()
            .expect("the runtime lives as long as the engine");
        bridge::coroutine(py, runtime.handle(), work)
    }
}

impl Drop for PyEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for the threads could wait for the GIL, which this thread holds.
            runtime.shutdown_background();
        }
    }
}

/// The exception for an error: `OSError` when an address can't be bound, else `EngineError` with its kind.
fn raise(py: Python<'_>, error: &EngineError) -> PyErr {
    if error.kind == Kind::Address {
        return PyOSError::new_err(error.message.clone());
    }
    let made = exception(py).and_then(|class| {
        let made = class.call1((error.message.as_str(),))?;
        made.setattr("kind", error.kind.name())?;
        Ok(made)
    });
    made.map_or_else(|fault| fault, PyErr::from_value)
}

fn exception(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    Ok(bridge::python(py)?
        .getattr("EngineError")?
        .cast_into::<PyType>()?)
}

#[pymodule]
fn wasmcloud_engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyEngine>()?;
    module.add("EngineError", exception(module.py())?)?;
    module.add("StoreError", bridge::python(module.py())?.getattr("StoreError")?)
}
