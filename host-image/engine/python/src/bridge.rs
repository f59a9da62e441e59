//! From tokio to asyncio. A tokio worker never takes the GIL: a thread for blocking work delivers the result.

use std::sync::{Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use wasmcloud_engine_core::EngineError;

/// What `bridge.py` defines.
pub fn python(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let code = pyo3::ffi::c_str!(include_str!("bridge.py"));
    let make = || {
        PyModule::from_code(
            py,
            code,
            c"wasmcloud_engine/bridge.py",
            c"_wasmcloud_engine_bridge",
        )
        .map(Bound::unbind)
    };
    Ok(MODULE.get_or_try_init(py, make)?.bind(py))
}

/// A coroutine for work that tokio does, from its first step on. Cancelling it ends the work.
pub fn coroutine<'py, T>(
    py: Python<'py>,
    runtime: &Handle,
    work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let runtime = runtime.clone();
    let begin = Begin::new(move |py| begin(py, &runtime, work).map(Bound::unbind));
    python(py)?.call_method1("awaited", (begin,))
}

/// Begins the work, and returns a future of the running loop for its result.
fn begin<'py, T>(
    py: Python<'py>,
    runtime: &Handle,
    work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let event_loop = py.import("asyncio")?.call_method0("get_running_loop")?;
    let future = event_loop.call_method0("create_future")?;
    let (for_loop, for_future) = (event_loop.unbind(), future.clone().unbind());
    let task = runtime.spawn(async move {
        let result = work.await;
        tokio::task::spawn_blocking(move || deliver(&for_loop, for_future, result));
    });
    future.call_method1("add_done_callback", (Canceller(task.abort_handle()),))?;
    Ok(future)
}

type Beginning = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Work that has yet to begin: a coroutine that is cancelled before its first step does nothing.
#[pyclass(frozen)]
struct Begin(Mutex<Option<Beginning>>);

impl Begin {
    fn new(beginning: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(beginning))))
    }
}

#[pymethods]
impl Begin {
    fn __call__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let beginning = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        beginning.ok_or_else(|| PyRuntimeError::new_err("the work has begun already"))?(py)
    }
}

fn deliver<T>(event_loop: &Py<PyAny>, future: Py<PyAny>, result: Result<T, EngineError>)
where
    T: for<'a> IntoPyObject<'a>,
{
    Python::attach(|py| {
        let (value, error) = match result {
            Ok(value) => match value.into_py_any(py) {
                Ok(value) => (Some(value), None),
                Err(fault) => (None, Some(fault)),
            },
            Err(error) => (None, Some(crate::raise(py, &error))),
        };
        let error = error.map(|error: PyErr| error.into_value(py));
        let delivered = python(py)
            .and_then(|module| module.getattr("resolve"))
            .and_then(|resolve| {
                event_loop.call_method1(py, "call_soon_threadsafe", (resolve, future, value, error))
            });
        // A closed loop has nobody left who waits.
        drop(delivered);
    });
}

/// Ends the work when its future was cancelled.
#[pyclass(frozen)]
struct Canceller(AbortHandle);

#[pymethods]
impl Canceller {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if future.call_method0("cancelled")?.is_truthy()? {
            self.0.abort();
        }
        Ok(())
    }
}
