//! What the integration tests stand on: an engine on a free port of the loopback, real guests, a real HTTP client.

#![allow(dead_code, reason = "each test crate uses its part of this")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use wasmcloud_engine_core::interfaces::Providers;
use wasmcloud_engine_core::{Engine, EngineError, EngineSettings, WorkloadSpec};

/// Generous: it is there to end a test that hangs, not to measure.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An engine with a cache folder of its own, both gone at the end of the test.
pub struct Ground {
    pub engine: Arc<Engine>,
    pub cache: PathBuf,
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.cache);
    }
}

/// Starts an engine; `more` are settings on top of those that a test needs. Loopback is open, because tests live there.
pub fn engine(more: Value) -> Ground {
    let cache = folder();
    let engine = Engine::start(settings(&cache, more)).unwrap();
    Ground { engine, cache }
}

pub fn settings(cache: &std::path::Path, more: Value) -> EngineSettings {
    let mut all = json!({"http_addr": "127.0.0.1:0", "cache_dir": cache, "allow_special_ranges": true, "worker_threads": 2});
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    EngineSettings::parse(&all.to_string()).unwrap()
}

pub fn folder() -> PathBuf {
    static TURN: AtomicU32 = AtomicU32::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("wasmcloud-engine-test-{}-{turn}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// One of the guests in tests/guests.
pub fn guest(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/guests")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run tests/guests/build",
        path.display()
    );
    path
}

/// A workload of one component with the HTTP name `<id>.test`; `component` are fields on top of its name and path.
pub fn workload(id: &str, wasm: &str, component: Value) -> Value {
    let mut all = json!({"name": "guest", "path": guest(wasm)});
    all.as_object_mut()
        .unwrap()
        .extend(component.as_object().unwrap().clone());
    json!({"id": id, "namespace": "default", "name": id, "hosts": [format!("{id}.test")], "components": [all]})
}

impl Ground {
    pub async fn try_start(&self, workload: &Value) -> Result<(), EngineError> {
        self.try_start_with(workload, Providers::default()).await
    }

    pub async fn try_start_with(&self, workload: &Value, providers: Providers) -> Result<(), EngineError> {
        self.engine
            .start_workload(WorkloadSpec::parse(&workload.to_string())?, providers)
            .await
    }

    pub async fn start(&self, workload: &Value) {
        self.try_start(workload).await.unwrap();
    }

    /// GET on a connection of its own.
    pub async fn get(&self, host: &str, path: &str) -> Answer {
        let request = Request::get(path)
            .header("host", host)
            .body(Full::default())
            .unwrap();
        self.client().await.send(request).await
    }

    /// A keep-alive connection.
    pub async fn client(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.engine.http_port()))
            .await
            .unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    /// What `status` says about a workload.
    pub fn status_of(&self, id: &str) -> Value {
        let status = self.engine.status();
        let found = status["workloads"]
            .as_array()
            .unwrap()
            .iter()
            .find(|w| w["id"] == id);
        found
            .unwrap_or_else(|| panic!("no workload {id} in {status}"))
            .clone()
    }

    /// Waits until so many instances of all workloads are alive.
    pub async fn alive_becomes(&self, count: u64) {
        eventually(
            async || match self.engine.status()["instances"]["alive"].as_u64() {
                Some(alive) if alive == count => Ok(()),
                other => Err(other),
            },
        )
        .await;
    }

    /// Waits until a workload has so many requests in flight.
    pub async fn in_flight_becomes(&self, id: &str, count: u64) {
        eventually(async || match self.status_of(id)["in_flight"].as_u64() {
            Some(in_flight) if in_flight == count => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

pub struct Client(http1::SendRequest<Full<Bytes>>);

impl Client {
    pub async fn get(&mut self, host: &str, path: &str) -> Answer {
        self.send(
            Request::get(path)
                .header("host", host)
                .body(Full::default())
                .unwrap(),
        )
        .await
    }

    /// Whether the engine has closed the connection.
    pub async fn is_closed(&mut self) -> bool {
        self.0.ready().await.is_err()
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        tokio::time::timeout(DEADLINE, async {
            self.0.ready().await.unwrap();
            let (head, body) = self.0.send_request(request).await.unwrap().into_parts();
            let body = body
                .collect()
                .await
                .map(|body| body.to_bytes())
                .map_err(|e| e.to_string());
            Answer {
                status: head.status,
                headers: head.headers,
                body,
            }
        })
        .await
        .expect("the engine did not answer within the deadline")
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// An error when the body broke off.
    pub body: Result<Bytes, String>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.as_ref().expect("a whole body").to_vec()).unwrap()
    }

    /// Status and text, to compare both at once.
    pub fn said(&self) -> (u16, String) {
        (self.status.as_u16(), self.text())
    }
}

/// Waits until `check` says something; what it said last is in the failure.
pub async fn eventually<T, E: std::fmt::Debug>(mut check: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match check().await {
            Ok(value) => return value,
            Err(last) if Instant::now() > deadline => panic!("it never came to be; last seen: {last:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// A URL within the query of another.
pub fn escaped(url: &str) -> String {
    url.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
