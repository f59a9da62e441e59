//! What it takes to start a workload: its components compiled, linked and given what each may use.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::compile::{Compiled, Compiler, Engines};
use crate::crew::Crew;
use crate::error::{EngineError, Kind, Result};
use crate::http::connect::Tls;
use crate::http::drive::CpuShare;
use crate::http::egress::Egress;
use crate::instance::{Instances, Seats, Surroundings};
use crate::interfaces::is_declared;
use crate::interfaces::webgpu::{self, Gpus};
use crate::link::{self, Links};
use crate::net::lists::{self, AllowLists};
use crate::net::loopback::Loopback;
use crate::net::policy::AddressPolicy;
use crate::net::rules::HostRule;
use crate::net::sockets::Reach;
use crate::output::Output;
use crate::service::Service;
use crate::settings::{ComponentSpec, EngineSettings, ServiceSpec};
use crate::workload::{Ready, Workload};

/// What all workloads are made with.
pub struct Workbench {
    pub compiler: Arc<Compiler>,
    pub seats: Arc<Seats>,
    links: Links,
    gpus: Option<Gpus>,
    tls: Tls,
    default_hosts: Vec<HostRule>,
    policy: AddressPolicy,
    allow_host_loopback: bool,
    default_memory_limit_mb: u32,
    request_timeout: Duration,
}

impl Workbench {
    /// # Errors
    /// `config` for bad settings, `internal` when WASI can't be linked.
    pub fn new(settings: &EngineSettings, engines: &Engines, compiler: Arc<Compiler>) -> Result<Self> {
        Ok(Self {
            compiler,
            seats: Seats::new(settings.max_instances as usize),
            links: Links::new(engines)?,
            gpus: settings.webgpu.then(Gpus::open).transpose()?,
            tls: Tls::new(settings.http_client_ca_path.as_deref())?,
            default_hosts: parse_default_hosts(&settings.default_allowed_hosts)?,
            policy: AddressPolicy {
                allow_special_ranges: settings.allow_special_ranges,
                deny_private_ranges: settings.deny_private_ranges,
            },
            allow_host_loopback: settings.allow_host_loopback,
            default_memory_limit_mb: settings.default_memory_limit_mb,
            request_timeout: settings.request_timeout(),
        })
    }

    /// The GPUs of this machine, for a workload that asks for them.
    pub fn gpus(&self, declared: &[String]) -> Option<Gpus> {
        self.gpus
            .clone()
            .filter(|_| is_declared(webgpu::INTERFACE, declared))
    }

    /// Compiles and links all that the workload consists of, and starts its service.
    ///
    /// # Errors
    /// As listed in the README.
    pub async fn prepare(&self, workload: &Arc<Workload>, heavy: &Handle) -> Result<Ready> {
        let spec = &workload.spec;
        let loopback = Loopback::new();
        let mut reaches = Vec::new();
        // Cheap checks of every component go before the first compilation.
        for component in &spec.components {
            reaches.push(self.reach(workload, component, &loopback, false)?);
        }
        let service = spec.service.as_ref();
        let service_reach = service
            .map(|service| self.reach(workload, &service.component, &loopback, true))
            .transpose()?;
        let handler = self.handler(workload, reaches).await?;
        // It runs from here on, so all that can fail goes before.
        let service = match service.zip(service_reach) {
            Some((service, reach)) => Some(self.start_service(workload, service, reach, heavy).await?),
            None => None,
        };
        let percent = handler
            .as_ref()
            .and_then(|(component, _)| component.cpu_limit)
            .filter(|percent| *percent > 0);
        let share = percent.map(|percent| Arc::new(CpuShare::new(percent)));
        let handler = handler.map(|(_, instances)| instances);
        let crew = handler.as_ref().filter(|h| h.most_at_once() > 1).map(|h| {
            let (share, heavy) = (share.clone(), heavy.clone());
            Arc::new(Crew::new(h.clone(), share, heavy, self.request_timeout))
        });
        Ok(Ready {
            handler,
            crew,
            share,
            heavy: heavy.clone(),
            service,
        })
    }

    /// Compiles and links the components. The one that handles HTTP is returned with its instances.
    async fn handler<'a>(
        &self,
        workload: &'a Arc<Workload>,
        reaches: Vec<Arc<Reach>>,
    ) -> Result<Option<(&'a ComponentSpec, Arc<Instances>)>> {
        let spec = &workload.spec;
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
        Ok(handler)
    }

    fn reach(
        &self,
        workload: &Workload,
        component: &ComponentSpec,
        loopback: &Arc<Loopback>,
        may_listen: bool,
    ) -> Result<Arc<Reach>> {
        let lists = AllowLists::of(component, &self.default_hosts, self.allow_host_loopback)?;
        Ok(Arc::new(Reach::new(
            lists,
            self.policy,
            workload.denials.clone(),
            loopback.clone(),
            may_listen,
        )))
    }

    async fn start_service(
        &self,
        workload: &Arc<Workload>,
        service: &ServiceSpec,
        reach: Arc<Reach>,
        heavy: &Handle,
    ) -> Result<Service> {
        let spec = &service.component;
        let what = format!("component {}", spec.name);
        let compiled = self
            .compiler
            .load(&what, &spec.path, spec.digest.as_deref())
            .await?;
        let pre = self.links.link(
            &spec.name,
            compiled.component(),
            &workload.spec.host_interfaces,
            &workload.providers,
        )?;
        let command = link::command(&what, pre)?;
        let around = self.surroundings(workload, spec, &compiled, reach);
        Ok(Service::start(command, around, service.max_restarts, heavy))
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
            &workload.providers,
        )?;
        if !link::handles_http(compiled.component()) {
            return Ok(None);
        }
        let pre = link::handler(&component.name, pre)?;
        let around = self.surroundings(workload, component, compiled, reach);
        Ok(Some(Arc::new(Instances::new(pre, around))))
    }

    fn surroundings(
        &self,
        workload: &Arc<Workload>,
        component: &ComponentSpec,
        compiled: &Compiled,
        reach: Arc<Reach>,
    ) -> Surroundings {
        let own_mb = component.memory_limit_mb.filter(|mb| *mb > 0);
        Surroundings {
            compiled: compiled.clone(),
            spec: Arc::new(component.clone()),
            egress: Egress::new(reach.clone(), &self.tls),
            reach,
            output: Output::new(&workload.spec.full_name(), &component.name),
            providers: workload.providers.clone(),
            memory_bytes: (own_mb.unwrap_or(self.default_memory_limit_mb) as usize) << 20,
            seats: self.seats.clone(),
        }
    }
}

fn parse_default_hosts(entries: &[String]) -> Result<Vec<HostRule>> {
    if let Some(text) = lists::faults(entries, &[], &[]) {
        return Err(EngineError::config(format!("the host's default rules: {text}")));
    }
    Ok(entries.iter().flat_map(|entry| HostRule::parse(entry)).collect())
}
