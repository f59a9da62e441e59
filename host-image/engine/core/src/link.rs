//! Linking: what a component imports, and who provides it.

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{p2::bindings as cli_p2, p3::bindings as cli_p3};
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{p2, p3};

use crate::compile::Engines;
use crate::error::{EngineError, Kind, Result};
use crate::instance::Guest;
use crate::interfaces::{self, Providers, is_declared, without_version};
use crate::net::{resolver, tcp_0_2, tcp_0_3, udp_0_2};

/// Packages of WASI that the engine has, with the versions it has them in.
const WASI: [(&str, &str); 7] = [
    ("wasi:cli", "0.2.x and 0.3.x"),
    ("wasi:clocks", "0.2.x and 0.3.x"),
    ("wasi:filesystem", "0.2.x and 0.3.x"),
    ("wasi:http", "0.2.x and 0.3.x"),
    ("wasi:io", "0.2.x"),
    ("wasi:random", "0.2.x and 0.3.x"),
    ("wasi:sockets", "0.2.x and 0.3.x"),
];

/// The linkers that components start from, one for each engine.
pub struct Links {
    plain: Linker<Guest>,
    concurrent: Linker<Guest>,
}

impl Links {
    /// # Errors
    /// `internal` when WASI itself can't be linked.
    pub fn new(engines: &Engines) -> Result<Self> {
        let fault = |e| EngineError::internal(format!("WASI can't be linked: {e:#}"));
        let plain = wasi_0_2(&engines.plain).map_err(fault)?;
        let concurrent = wasi_0_2_and_0_3(&engines.concurrent).map_err(fault)?;
        Ok(Self { plain, concurrent })
    }

    /// Links one component of a workload. `declared` are the workload's host interfaces, which `providers` serve.
    ///
    /// # Errors
    /// `link`, naming the import that nothing provides.
    pub fn link(
        &self,
        name: &str,
        component: &Component,
        declared: &[String],
        providers: &Providers,
    ) -> Result<InstancePre<Guest>> {
        let is_plain = Engine::same(component.engine(), self.plain.engine());
        let mut linker = if is_plain {
            self.plain.clone()
        } else {
            self.concurrent.clone()
        };
        interfaces::add_to_linker(&mut linker, !is_plain, declared, providers)
            .map_err(|e| EngineError::internal(format!("the interfaces asked for can't be linked: {e:#}")))?;
        linker.instantiate_pre(component).map_err(|error| {
            let imports = component.component_type();
            let imports = imports
                .imports(component.engine())
                .map(|(import, _)| import.to_owned());
            let text = imports
                .filter_map(|import| missing(&import, declared, providers))
                .next()
                .unwrap_or_else(|| format!("can't be linked: {error:#}"));
            EngineError::new(Kind::Link, format!("component {name} {text}"))
        })
    }
}

/// Whether the component handles HTTP, in either version of WASI.
pub fn handles_http(component: &Component) -> bool {
    component
        .component_type()
        .exports(component.engine())
        .any(|(export, _)| {
            let line = |interface: &str, version: &str| {
                export
                    .strip_prefix(interface)
                    .is_some_and(|rest| rest.starts_with(version))
            };
            line("wasi:http/incoming-handler", "@0.2.") || line("wasi:http/handler", "@0.3.")
        })
}

/// The handler of a component that handles HTTP: 0.3 is tried first.
///
/// # Errors
/// `link` when its export has another type than its name promises.
pub fn handler(name: &str, pre: InstancePre<Guest>) -> Result<ProxyPre<Guest>> {
    if let Ok(service) = p3::bindings::ServicePre::new(pre.clone()) {
        return Ok(ProxyPre::P3(service));
    }
    match p2::bindings::ProxyPre::new(pre) {
        Ok(proxy) => Ok(ProxyPre::P2(proxy)),
        Err(e) => Err(EngineError::new(
            Kind::Link,
            format!("component {name} can't handle HTTP: {e:#}"),
        )),
    }
}

/// A component that is run, in either version of WASI.
pub enum Command {
    P2(cli_p2::CommandPre<Guest>),
    P3(cli_p3::CommandPre<Guest>),
}

/// The program of a service: 0.3 is tried first.
///
/// # Errors
/// `link` when it exports nothing that could be run.
pub fn command(name: &str, pre: InstancePre<Guest>) -> Result<Command> {
    if let Ok(command) = cli_p3::CommandPre::new(pre.clone()) {
        return Ok(Command::P3(command));
    }
    match cli_p2::CommandPre::new(pre) {
        Ok(command) => Ok(Command::P2(command)),
        Err(_) => Err(EngineError::new(
            Kind::Link,
            format!("{name} can't run as a service: it exports no wasi:cli/run of 0.2.x or 0.3.x"),
        )),
    }
}

impl Command {
    /// Runs it to its end, in an instance of its own.
    ///
    /// # Errors
    /// A trap, or an exit with a code.
    pub async fn run(&self, store: &mut Store<Guest>) -> wasmtime::Result<Result<(), ()>> {
        match self {
            Command::P2(pre) => {
                let command = pre.instantiate_async(&mut *store).await?;
                command.wasi_cli_run().call_run(store).await
            }
            Command::P3(pre) => {
                let command = pre.instantiate_async(&mut *store).await?;
                store
                    .run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await)
                    .await?
            }
        }
    }
}

fn wasi_0_2(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    p2::add_only_http_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    resolver::add_0_2(&mut linker)?;
    tcp_0_2::add_to_linker(&mut linker)?;
    udp_0_2::add_to_linker(&mut linker)?;
    Ok(linker)
}

fn wasi_0_2_and_0_3(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = wasi_0_2(engine)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    resolver::add_0_3(&mut linker)?;
    tcp_0_3::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Why nothing provides `import`, or None when something does.
fn missing(import: &str, declared: &[String], providers: &Providers) -> Option<String> {
    let interface = without_version(import);
    let package = interface.split('/').next().unwrap_or(interface);
    if let Some((_, versions)) = WASI.iter().find(|(name, _)| *name == package) {
        let version = import.split_once('@').map_or("", |(_, version)| version);
        let is_there = versions
            .split(" and ")
            .any(|line| version.starts_with(line.trim_end_matches('x')));
        return (!is_there).then(|| {
            format!("imports {import}, which this host does not have; it has {package} {versions}")
        });
    }
    if interfaces::is_known(interface) {
        let why_not = interfaces::obstacle(import, declared, providers)?;
        return Some(format!("imports {import}, {why_not}"));
    }
    Some(match is_declared(interface, declared) {
        true => format!(
            "imports {import}, which the workload asked for in hostInterfaces but this host does not have"
        ),
        false => format!(
            "imports {import}, which nothing provides: it is not WASI, and this host has no such interface"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_what_is_missing() {
        let nobody = Providers::default();
        let declared = [
            "wasi:blobstore/container@0.2.0-draft".to_owned(),
            "wasi:keyvalue/store@0.2.0-draft".to_owned(),
            "wasi:config/store".to_owned(),
        ];
        for (import, part) in [
            (
                "wasi:http/types@0.9.9",
                "which this host does not have; it has wasi:http 0.2.x and 0.3.x",
            ),
            ("wasi:io/streams@0.3.0", "it has wasi:io 0.2.x"),
            ("acme:custom/thing@1.0.0", "which nothing provides"),
            (
                "wasi:keyvalue/store@0.2.0-draft2",
                "but this host has wasi:keyvalue/store@0.2.0-draft",
            ),
            ("wasi:keyvalue/store@0.2.0-draft", "which nobody serves"),
            (
                "wasi:keyvalue/atomics@0.2.0-draft",
                "did not ask for: add it to hostInterfaces",
            ),
            (
                "wasi:blobstore/container@0.2.0-draft",
                "asked for in hostInterfaces but this host does not have",
            ),
            (
                "wasi:config/store@0.1.0",
                "this host has wasi:config/store@0.2.0-rc.1",
            ),
        ] {
            let text = missing(import, &declared, &nobody).unwrap();
            assert!(text.contains(part) && text.contains(import), "{text}");
        }
        assert_eq!(missing("wasi:http/types@0.2.9", &declared, &nobody), None);
        assert_eq!(missing("wasi:config/store@0.2.0-rc.1", &declared, &nobody), None);
        let text = missing("wasi:config/store@0.2.0-rc.1", &[], &nobody).unwrap();
        assert!(text.contains("add it to hostInterfaces"), "{text}");
    }
}
