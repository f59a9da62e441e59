//! The engine: the life of its workloads, and what ties its parts together.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::compile::{Compiler, Engines};
use crate::error::{EngineError, Kind, Result};
use crate::http::server::Front;
use crate::http::tls::{ListenerTls, RELOAD_EVERY};
use crate::interfaces::Providers;
use crate::lanes::Lanes;
use crate::log::{flush, say};
use crate::oci::Registries;
use crate::prepare::Workbench;
use crate::service::Service;
use crate::settings::{EngineSettings, PullRequest, Pulled, WorkloadSpec};
use crate::ticker::Ticker;
use crate::workload::{Ready, RequestLimits, Workload};

/// What must end at once may wait for a guest to give way on its thread.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// The last lines of the log may wait so long for their reader.
const LOG_WITHIN: Duration = Duration::from_secs(1);

/// One HTTP listener and every workload behind it.
pub struct Engine {
    settings: EngineSettings,
    address: SocketAddr,
    front: Arc<Front>,
    lanes: Arc<Lanes>,
    workbench: Workbench,
    registries: Registries,
    workloads: Mutex<BTreeMap<String, Arc<Workload>>>,
    _ticker: Ticker,
}

impl Engine {
    /// Binds the listener and starts the threads. It has to be called within a tokio runtime, which accepts the
    /// connections and does all that is not a request.
    ///
    /// # Errors
    /// `config` for bad settings, `address` when the listener can't be bound.
    pub fn start(settings: EngineSettings) -> Result<Arc<Self>> {
        let compiled = Cache::open(settings.cache_dir.join("compiled"), settings.cache_limit_bytes)?;
        let layers = Cache::open(settings.cache_dir.join("layers"), settings.cache_limit_bytes)?;
        let registries = Registries::new(&settings, layers)?;
        let engines = Engines::new(settings.max_instances)?;
        let compiler = Compiler::new(&engines, compiled);
        let workbench = Workbench::new(&settings, &engines, compiler)?;
        let (listener, address) = bind(settings.http_addr)?;
        let front = Arc::new(Front {
            tls: settings
                .certificate_files()
                .map(ListenerTls::load)
                .transpose()?
                .map(Arc::new),
            ..Front::default()
        });
        if let Some(tls) = front.tls.clone() {
            tokio::spawn(keep_fresh(tls, front.closing.clone()));
        }
        let lanes = Arc::new(Lanes::start(settings.worker_count(), front.clone())?);
        tokio::spawn(lanes.accept(listener, settings.max_connections));
        Ok(Arc::new(Self {
            _ticker: Ticker::start(&engines)?,
            workloads: Mutex::default(),
            settings,
            address,
            front,
            lanes,
            workbench,
            registries,
        }))
    }

    /// The port that the listener is bound to.
    pub fn http_port(&self) -> u16 {
        self.address.port()
    }

    /// Pulls one artifact from a registry.
    ///
    /// # Errors
    /// `pull`, with the cause.
    pub async fn pull(&self, request: PullRequest) -> Result<Pulled> {
        self.registries.pull(request).await
    }

    /// Compiles, links, pre-instantiates and routes a workload, whose interfaces `providers` serve. Idempotent for the same id and
    /// content.
    ///
    /// # Errors
    /// As listed in the README; a workload that failed leaves nothing behind.
    pub async fn start_workload(&self, spec: WorkloadSpec, providers: Providers) -> Result<()> {
        let limits = RequestLimits {
            timeout: self.settings.request_timeout(),
            // No workload can take every instance of the host.
            most_in_flight: (self.workbench.seats.most / 2).max(1),
        };
        let providers = Providers {
            gpus: self.workbench.gpus(&spec.host_interfaces),
            ..providers
        };
        let workload = Workload::new(spec, providers, limits);
        let Some(claim) = self.claim(&workload)? else {
            return Ok(());
        };
        let heavy = self.lanes.heavy();
        let ready = tokio::select! {
            biased;
            () = workload.stopped() => Err(stopped()),
            ready = self.workbench.prepare(&workload, &heavy) => ready,
        };
        workload.set_ready(ready?);
        if workload.is_stopping() {
            // The stop may have found nothing to free yet.
            workload.free();
            return Err(stopped());
        }
        claim.keep();
        Ok(())
    }

    /// Takes the id and the names. None when the very same workload has them already.
    fn claim<'a>(&'a self, workload: &'a Arc<Workload>) -> Result<Option<Claim<'a>>> {
        let spec = &workload.spec;
        let mut workloads = self.workloads();
        if let Some(other) = workloads.get(&spec.id) {
            if other.spec == *spec && other.ready().is_some() && !other.is_stopping() {
                return Ok(None);
            }
            let state = if other.spec == *spec {
                "is starting or stopping already"
            } else {
                "runs other content"
            };
            return Err(EngineError::new(
                Kind::Conflict,
                format!("workload id {} {state}", spec.id),
            ));
        }
        let routes = self.front.routes.load().with(workload)?;
        self.front.routes.store(Arc::new(routes));
        workloads.insert(spec.id.clone(), workload.clone());
        Ok(Some(Claim {
            engine: self,
            workload,
            is_kept: false,
        }))
    }

    /// Gives back the id and the names, unless somebody else has the id by now.
    fn forget(&self, workload: &Arc<Workload>) {
        let mut workloads = self.workloads();
        let id = &workload.spec.id;
        if workloads.get(id).is_some_and(|w| Arc::ptr_eq(w, workload)) {
            workloads.remove(id);
            self.front
                .routes
                .store(Arc::new(self.front.routes.load().keeping(|w| w.spec.id != *id)));
        }
    }

    /// Takes the routes away, lets requests in flight end within the request timeout, frees everything: a response that is not
    /// at its end by then breaks off. False when the id is unknown.
    pub async fn stop_workload(&self, id: &str) -> bool {
        let Some(workload) = self.workloads().get(id).cloned() else {
            return false;
        };
        workload.stop();
        // Of several that stop at once, the last one sees that their name goes. It is served until nobody is on the way.
        let staying = self.front.routes.load().keeping(|w| !w.is_stopping());
        self.front.connections.leave(|host| !staying.has(host)).await;
        {
            let _one_change_at_a_time = self.workloads();
            let routes = self.front.routes.load().keeping(|w| !std::ptr::eq(w, &*workload));
            self.front.routes.store(Arc::new(routes));
        }
        nothing_in_flight(&workload, self.settings.request_timeout()).await;
        workload.free();
        nothing_in_flight(&workload, CUT_WITHIN).await;
        self.forget(&workload);
        true
    }

    /// What the engine is doing, in the shape that the README shows.
    pub fn status(&self) -> Value {
        let workloads: Vec<Value> = self.workloads().values().map(describe).collect();
        json!({
            "http_addr": self.address.to_string(),
            "connections": self.lanes.connection_count(),
            "workloads": workloads,
            "instances": {"alive": self.workbench.seats.taken(), "max": self.workbench.seats.most},
            "unrouted_total": self.front.unrouted.load(Ordering::Relaxed),
            "compile": self.workbench.compiler.to_json(),
            "pulls": self.registries.to_json(),
        })
    }

    /// How the service of a workload is, in the shape that the README shows; None when it has none, or isn't running.
    pub fn service(&self, id: &str) -> Option<Value> {
        let workload = self.workloads().get(id).cloned()?;
        Some(workload.ready()?.service.as_ref()?.to_json())
    }

    /// Stops accepting, waits up to `drain` for requests in flight, and ends all threads that serve.
    pub async fn shutdown(&self, drain: Duration) {
        self.lanes.end(drain).await;
        let all = std::mem::take(&mut *self.workloads());
        for workload in all.into_values() {
            workload.stop();
            workload.free();
        }
        self.front.routes.store(Arc::default());
        let _ = tokio::task::spawn_blocking(|| flush(LOG_WITHIN)).await;
    }

    fn workloads(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Workload>>> {
        self.workloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when the workload has no request in flight, or after `most`.
async fn nothing_in_flight(workload: &Workload, most: Duration) {
    let deadline = Instant::now() + most;
    while workload.in_flight() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The id and the names of a workload that starts. Given back when its start fails, or when nobody waits for it any more.
struct Claim<'a> {
    engine: &'a Engine,
    workload: &'a Arc<Workload>,
    is_kept: bool,
}

impl Claim<'_> {
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.engine.forget(self.workload);
        }
    }
}

fn describe(workload: &Arc<Workload>) -> Value {
    let state = match (workload.is_stopping(), workload.ready()) {
        (true, _) => "stopping",
        (false, None) => "starting",
        (false, Some(_)) => "running",
    };
    let ready = workload.ready();
    let idle = ready.map_or(0, Ready::idle_count);
    let service = ready
        .and_then(|ready| ready.service.as_ref())
        .map(Service::to_json);
    let mut shown = workload.stats.to_json();
    let more = json!({
        "id": workload.spec.id,
        "namespace": workload.spec.namespace,
        "name": workload.spec.name,
        "state": state,
        "hosts": workload.spec.hosts,
        "in_flight": workload.in_flight(),
        "idle_instances": idle,
        "service": service,
        "egress_denied": workload.denials.counts(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

/// Goes along with renewed certificates until the front closes.
async fn keep_fresh(tls: Arc<ListenerTls>, closing: CancellationToken) {
    while tokio::time::timeout(RELOAD_EVERY, closing.cancelled())
        .await
        .is_err()
    {
        let tls = tls.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || tls.reload()).await {
            say(format!("the listener's certificate can't be read anew: {error}"));
        }
    }
}

fn stopped() -> EngineError {
    EngineError::new(Kind::Stopped, "Workload was stopped while starting")
}

fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let fault =
        |e: std::io::Error| EngineError::new(Kind::Address, format!("{wanted} can't be listened on: {e}"));
    let listener = StdListener::bind(wanted).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((TcpListener::from_std(listener).map_err(fault)?, address))
}
