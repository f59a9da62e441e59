//! `wasi:keyvalue`, served by Python objects with the methods that `wasmcloud_engine.pyi` shows.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::types::PyTuple;
use wasmcloud_engine_core::interfaces::keyvalue::{Bucket, Fault, KeyValue, Pending};

use crate::bridge;
use crate::called::{Called, Read};

/// What Python gave for a workload's buckets.
pub struct PyKeyValue(Arc<Called>);

struct PyBucket(Arc<Called>);

impl PyKeyValue {
    /// For a coroutine's caller: its loop is the one that the methods run on.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(Called::on_running_loop(object)?)))
    }
}

impl KeyValue for PyKeyValue {
    fn open(&self, identifier: String) -> Pending<Arc<dyn Bucket>> {
        ask(&self.0, "open", (identifier,), |result, called| {
            let bucket = result.map_err(|error| fault(&error, called))?;
            let bucket = PyBucket(Arc::new(called.beside(&bucket)));
            Ok(Arc::new(bucket) as Arc<dyn Bucket>)
        })
    }
}

impl Bucket for PyBucket {
    fn get(&self, key: String) -> Pending<Option<Vec<u8>>> {
        ask(&self.0, "get", (key,), extract)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Pending<()> {
        ask(&self.0, "set", (key, Bytes(value)), nothing)
    }

    fn delete(&self, key: String) -> Pending<()> {
        ask(&self.0, "delete", (key,), nothing)
    }

    fn exists(&self, key: String) -> Pending<bool> {
        ask(&self.0, "exists", (key,), extract)
    }

    fn list_keys(&self, cursor: Option<u64>) -> Pending<(Vec<String>, Option<u64>)> {
        ask(&self.0, "list_keys", (cursor,), extract)
    }

    fn increment(&self, key: String, delta: u64) -> Pending<u64> {
        ask(&self.0, "increment", (key, delta), extract)
    }

    fn get_many(&self, keys: Vec<String>) -> Pending<Vec<Option<Vec<u8>>>> {
        ask(&self.0, "get_many", (keys,), extract)
    }

    fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Pending<()> {
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(key, value)| (key, Bytes(value)))
            .collect();
        ask(&self.0, "set_many", (pairs,), nothing)
    }

    fn delete_many(&self, keys: Vec<String>) -> Pending<()> {
        ask(&self.0, "delete_many", (keys,), nothing)
    }
}

/// A value on its way to Python: `bytes`, not a list of numbers.
struct Bytes(Vec<u8>);

impl<'py> IntoPyObject<'py> for Bytes {
    type Target = PyBytes;
    type Output = Bound<'py, PyBytes>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(PyBytes::new(py, &self.0))
    }
}

fn ask<T, A>(
    called: &Arc<Called>,
    method: &'static str,
    arguments: A,
    read: Read<Result<T, Fault>>,
) -> Pending<T>
where
    T: Send + 'static,
    A: for<'py> IntoPyObject<'py, Target = PyTuple> + Send + 'static,
{
    let answer = called.call(method, arguments, read);
    Box::pin(async move {
        answer
            .await
            .unwrap_or_else(|| Err(Fault::Other("this host is ending".to_owned())))
    })
}

fn extract<T>(result: PyResult<Bound<'_, PyAny>>, called: &Called) -> Result<T, Fault>
where
    T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    result
        .and_then(|value| value.extract::<T>())
        .map_err(|error| fault(&error, called))
}

fn nothing(result: PyResult<Bound<'_, PyAny>>, called: &Called) -> Result<(), Fault> {
    result.map(drop).map_err(|error| fault(&error, called))
}

/// A `StoreError` says what the guest may know; anything else is the host's own trouble, and goes to its log.
fn fault(error: &PyErr, called: &Called) -> Fault {
    Python::attach(|py| {
        let value = error.value(py);
        let class = bridge::python(py).and_then(|module| module.getattr("StoreError"));
        if !class.is_ok_and(|class| value.is_instance(&class).unwrap_or(false)) {
            called.report(py, error);
            return Fault::Other("the host failed; its log says why".to_owned());
        }
        let kind = value.getattr("kind").and_then(|kind| kind.extract::<String>());
        match kind.as_deref() {
            Ok("no-such-store") => Fault::NoSuchStore,
            Ok("access-denied") => Fault::AccessDenied,
            _ => Fault::Other(value.to_string()),
        }
    })
}
