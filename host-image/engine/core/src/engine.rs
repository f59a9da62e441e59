//! The engine: the life of its workloads, and what ties its parts together.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cache::Cache;
use crate::compile::{Compiled, Compiler, Engines};
use crate::crew::Crew;
use crate::error::{EngineError, Kind, Result};
use crate::http::connect::Tls;
use crate::http::drive::CpuShare;
use crate::http::egress::Egress;
use crate::http::server::Front;
use crate::instance::{Instances, Seats, Surroundings};
use crate::lanes::Lanes;
use crate::link::{self, Links};
use crate::net::lists::{self, AllowLists};
use crate::net::policy::AddressPolicy;
use crate::net::rules::HostRule;
use crate::net::sockets::Reach;
use crate::oci::Registries;
use crate::output::Output;
use crate::settings::{ComponentSpec, EngineSettings, PullRequest, Pulled, WorkloadSpec};
use crate::ticker::Ticker;
use crate::workload::{Ready, RequestLimits, Workload};

/// One HTTP listener and every workload behind it.
pub struct Engine {
    settings: EngineSettings,
    default_hosts: Vec<HostRule>,
    address: SocketAddr,
    front: Arc<Front>,
    lanes: Arc<Lanes>,
    compiler: Arc<Compiler>,
    links: Links,
    registries: Registries,
    tls: Tls,
    seats: Arc<Seats>,
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
        let default_hosts = parse_default_hosts(&settings.default_allowed_hosts)?;
        let tls = Tls::new(settings.http_client_ca_path.as_deref())?;
        let compiled = Cache::open(settings.cache_dir.join("compiled"), settings.cache_limit_bytes)?;
        let layers = Cache::open(settings.cache_dir.join("layers"), settings.cache_limit_bytes)?;
        let registries = Registries::new(&settings, layers)?;
        let engines = Engines::new(settings.max_instances)?;
        let links = Links::new(&engines)?;
        let (listener, address) = bind(settings.http_addr)?;
        let front = Arc::new(Front::default());
        let lanes = Arc::new(Lanes::start(settings.worker_count(), front.clone())?);
        tokio::spawn(lanes.accept(listener, settings.max_connections));
        Ok(Arc::new(Self {
            compiler: Compiler::new(&engines, compiled),
            seats: Seats::new(settings.max_instances as usize),
            _ticker: Ticker::start(&engines)?,
            workloads: Mutex::default(),
            settings,
            default_hosts,
            address,
            front,
            lanes,
            links,
            registries,
            tls,
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

    /// Compiles, links, pre-instantiates and routes a workload. Idempotent for the same id and content.
    ///
    /// # Errors
    /// As listed in the README; a workload that failed leaves nothing behind.
    pub async fn start_workload(&self, spec: WorkloadSpec) -> Result<()> {
        let limits = RequestLimits {
            timeout: self.settings.request_timeout(),
            // No workload can take every instance of the host.
            most_in_flight: (self.seats.most / 2).max(1),
        };
        let workload = Workload::new(spec, limits);
        let Some(claim) = self.claim(&workload)? else {
            return Ok(());
        };
        let ready = tokio::select! {
            biased;
            () = workload.stopped() => Err(stopped()),
            ready = self.prepare(&workload) => ready,
        };
        workload.set_ready(ready?);
        if workload.is_stopping() {
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
                .store(Arc::new(self.front.routes.load().without(id)));
        }
    }

    async fn prepare(&self, workload: &Arc<Workload>) -> Result<Ready> {
        let spec = &workload.spec;
        let mut reaches = Vec::new();
        // Cheap checks of every component go before the first compilation.
        for component in &spec.components {
            let lists = AllowLists::of(component, &self.default_hosts)?;
            reaches.push(Arc::new(Reach::new(lists, self.policy())));
        }
        let mut handler: Option<(&ComponentSpec, Arc<Instances>)> = None;
        for (component, reach) in spec.components.iter().zip(reaches) {
            let what = format!("component {}", component.name);
            let compiled = self
                .compiler
                .load(&what, &component.path, component.digest.as_deref())
                .await?;
            let Some(instances) = self.instances(workload, component, &compiled, reach)? else {
                continue;
            };
            if let Some((first, _)) = &handler {
                let text = format!(
                    "components {} and {} both handle HTTP: only one may",
                    first.name, component.name
                );
                return Err(EngineError::new(Kind::Route, text));
            }
            handler = Some((component, instances));
        }
        if handler.is_none() && !spec.hosts.is_empty() {
            let text = format!(
                "nothing answers for {}: no component exports an HTTP handler",
                spec.hosts.join(", ")
            );
            return Err(EngineError::new(Kind::Route, text));
        }
        let percent = handler
            .as_ref()
            .and_then(|(component, _)| component.cpu_limit)
            .filter(|percent| *percent > 0);
        let share = percent.map(|percent| Arc::new(CpuShare::new(percent)));
        let (handler, heavy) = (handler.map(|(_, instances)| instances), self.lanes.heavy());
        let crew = handler.as_ref().filter(|h| h.most_at_once() > 1).map(|h| {
            let timeout = self.settings.request_timeout();
            Arc::new(Crew::new(h.clone(), share.clone(), heavy.clone(), timeout))
        });
        Ok(Ready {
            handler,
            crew,
            share,
            heavy,
        })
    }

    /// Links a component, and makes its instances if it handles HTTP.
    fn instances(
        &self,
        workload: &Arc<Workload>,
        component: &ComponentSpec,
        compiled: &Compiled,
        reach: Arc<Reach>,
    ) -> Result<Option<Arc<Instances>>> {
        let pre = self.links.link(
            &component.name,
            compiled.component(),
            &workload.spec.host_interfaces,
        )?;
        if !link::handles_http(compiled.component()) {
            return Ok(None);
        }
        let pre = link::handler(&component.name, pre)?;
        let own_mb = component.memory_limit_mb.filter(|mb| *mb > 0);
        let around = Surroundings {
            compiled: compiled.clone(),
            spec: Arc::new(component.clone()),
            egress: Egress::new(reach.clone(), workload.denials.clone(), &self.tls),
            reach,
            output: Output::new(&workload.spec.full_name(), &component.name),
            memory_bytes: (own_mb.unwrap_or(self.settings.default_memory_limit_mb) as usize) << 20,
            seats: self.seats.clone(),
        };
        Ok(Some(Arc::new(Instances::new(pre, around))))
    }

    fn policy(&self) -> AddressPolicy {
        AddressPolicy {
            allow_special_ranges: self.settings.allow_special_ranges,
            deny_private_ranges: self.settings.deny_private_ranges,
        }
    }

    /// Takes the routes away, lets requests in flight end within the request timeout, frees everything. False when the id
    /// is unknown.
    pub async fn stop_workload(&self, id: &str) -> bool {
        let Some(workload) = self.workloads().get(id).cloned() else {
            return false;
        };
        workload.stop();
        {
            let _one_change_at_a_time = self.workloads();
            self.front
                .routes
                .store(Arc::new(self.front.routes.load().without(id)));
        }
        let deadline = Instant::now() + self.settings.request_timeout();
        while workload.in_flight() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some(ready) = workload.ready() {
            ready.free_instances();
        }
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
            "instances": {"alive": self.seats.taken(), "max": self.seats.most},
            "unrouted_total": self.front.unrouted.load(Ordering::Relaxed),
            "compile": self.compiler.to_json(),
            "pulls": self.registries.to_json(),
        })
    }

    /// Stops accepting, waits up to `drain` for requests in flight, and ends all threads that serve.
    pub async fn shutdown(&self, drain: Duration) {
        self.lanes.end(drain).await;
        let all = std::mem::take(&mut *self.workloads());
        for workload in all.into_values() {
            workload.stop();
            if let Some(ready) = workload.ready() {
                ready.free_instances();
            }
        }
        self.front.routes.store(Arc::default());
    }

    fn workloads(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Workload>>> {
        self.workloads.lock().unwrap_or_else(PoisonError::into_inner)
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
    let idle = workload.ready().map_or(0, Ready::idle_count);
    let mut shown = workload.stats.to_json();
    let more = json!({
        "id": workload.spec.id,
        "namespace": workload.spec.namespace,
        "name": workload.spec.name,
        "state": state,
        "hosts": workload.spec.hosts,
        "in_flight": workload.in_flight(),
        "idle_instances": idle,
        "egress_denied": workload.denials.counts(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

fn stopped() -> EngineError {
    EngineError::new(Kind::Stopped, "Workload was stopped while starting")
}

fn parse_default_hosts(entries: &[String]) -> Result<Vec<HostRule>> {
    if let Some(text) = lists::faults(entries, &[], &[]) {
        return Err(EngineError::config(format!("the host's default rules: {text}")));
    }
    Ok(entries.iter().flat_map(|entry| HostRule::parse(entry)).collect())
}

fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let fault =
        |e: std::io::Error| EngineError::new(Kind::Address, format!("{wanted} can't be listened on: {e}"));
    let listener = StdListener::bind(wanted).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((TcpListener::from_std(listener).map_err(fault)?, address))
}
