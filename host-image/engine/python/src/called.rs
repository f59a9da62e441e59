//! From tokio to Python and back: a coroutine that the engine waits for. Neither a tokio worker nor a thread that serves requests
//! ever takes the GIL: one thread does it for all calls.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::sync::oneshot;

use crate::bridge;

/// A Python object whose coroutines the engine calls, on the event loop that gave it.
pub struct Called {
    object: Py<PyAny>,
    event_loop: Py<PyAny>,
}

/// Makes the answer out of what a coroutine returned or raised.
pub type Read<T> = fn(PyResult<Bound<'_, PyAny>>, &Called) -> T;

impl Called {
    /// Calls go to the loop that runs now.
    pub fn on_running_loop(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let event_loop = object.py().import("asyncio")?.call_method0("get_running_loop")?;
        Ok(Self {
            object: object.clone().unbind(),
            event_loop: event_loop.unbind(),
        })
    }

    /// Another object on the same loop.
    pub fn beside(&self, object: &Bound<'_, PyAny>) -> Self {
        Self {
            object: object.clone().unbind(),
            event_loop: self.event_loop.clone_ref(object.py()),
        }
    }

    /// Tells the loop of an exception that nobody expected: its handler logs it with its traceback.
    pub fn report(&self, py: Python<'_>, error: &PyErr) {
        let reported = bridge::python(py)
            .and_then(|module| module.call_method1("report", (&self.event_loop, error.value(py))));
        // A closed loop has nobody left to tell.
        drop(reported);
    }

    /// Calls a method. Dropping the future cancels the coroutine. None when the loop ended before the coroutine did.
    pub fn call<T, A>(
        self: &Arc<Self>,
        method: &'static str,
        arguments: A,
        read: Read<T>,
    ) -> impl Future<Output = Option<T>> + Send + use<T, A>
    where
        T: Send + 'static,
        A: for<'py> IntoPyObject<'py, Target = PyTuple> + Send + 'static,
    {
        let called = self.clone();
        async move {
            let (said, hears) = oneshot::channel();
            let call = Arc::new(Call::default());
            let _guard = GiveUp(call.clone());
            on_bridge_thread(move |py| {
                let settle = {
                    let called = called.clone();
                    move |result: PyResult<Bound<'_, PyAny>>| {
                        // Whoever asked may have given up.
                        let _ = said.send(read(result, &called));
                    }
                };
                call.begin(py, &called, method, arguments, Settle::new(settle));
            });
            hears.await.ok()
        }
    }
}

/// A call on its way: what there is to cancel.
#[derive(Default)]
struct Call(Mutex<Progress>);

#[derive(Default)]
enum Progress {
    #[default]
    Waiting,
    Begun(Py<PyAny>),
    Over,
}

impl Call {
    fn begin<A>(&self, py: Python<'_>, called: &Called, method: &str, arguments: A, settle: Settle)
    where
        A: for<'py> IntoPyObject<'py, Target = PyTuple>,
    {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*progress, Progress::Over) {
            return;
        }
        let begun = settle.into_pyobject(py).and_then(|settle| {
            let begun = bridge::python(py).and_then(|module| {
                let arguments = arguments.into_pyobject(py).map_err(Into::into)?;
                let coroutine = called
                    .object
                    .bind(py)
                    .call_method1(method, arguments.into_bound())?;
                module.call_method1("begin", (coroutine, &called.event_loop, &settle))
            });
            begun.inspect_err(|error| settle.get().settle(Err(error.clone_ref(py))))
        });
        if let Ok(future) = begun {
            *progress = Progress::Begun(future.unbind());
        }
    }

    fn give_up(&self, py: Python<'_>) {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Progress::Begun(future) = std::mem::replace(&mut *progress, Progress::Over) {
            // One that is done stays as it is; a loop that is closed has nothing left to cancel.
            drop(future.call_method0(py, "cancel"));
        }
    }
}

/// Cancels the call, unless it has ended.
struct GiveUp(Arc<Call>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        let call = self.0.clone();
        on_bridge_thread(move |py| call.give_up(py));
    }
}

type Settling = Box<dyn FnOnce(PyResult<Bound<'_, PyAny>>) + Send>;

/// Hears that a coroutine has ended.
#[pyclass(frozen)]
struct Settle(Mutex<Option<Settling>>);

impl Settle {
    fn new(settling: impl FnOnce(PyResult<Bound<'_, PyAny>>) + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(settling))))
    }

    fn settle(&self, result: PyResult<Bound<'_, PyAny>>) {
        let settling = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(settling) = settling {
            settling(result);
        }
    }
}

#[pymethods]
impl Settle {
    fn __call__(&self, future: &Bound<'_, PyAny>) {
        self.settle(future.call_method0("result"));
    }
}

type Job = Box<dyn FnOnce(Python<'_>) + Send>;

fn on_bridge_thread(job: impl FnOnce(Python<'_>) + Send + 'static) {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, queue) = channel::<Job>();
        let work = move || queue.iter().for_each(|job| Python::attach(job));
        std::thread::Builder::new()
            .name("wasm-to-python".to_owned())
            .spawn(work)
            .expect("a thread can be started");
        jobs
    });
    // The thread lives as long as the process.
    let _ = jobs.send(Box::new(job));
}
