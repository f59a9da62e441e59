//! Interfaces that a workload gets only when its hostInterfaces ask for them, with typed bindings: a value of theirs may be a
//! megabyte, and one converted dynamically costs an object a byte.

pub mod config;
pub mod keyvalue;
pub mod webgpu;

use std::sync::Arc;

use wasmtime::component::Linker;

use crate::instance::Guest;

/// Who serves a workload's interfaces. What is None is not linked.
#[derive(Clone, Default)]
pub struct Providers {
    pub keyvalue: Option<Arc<dyn keyvalue::KeyValue>>,
    /// The engine's own, for workloads that asked.
    pub gpus: Option<webgpu::Gpus>,
}

/// An interface that this engine has for those who ask.
struct Offer {
    name: &'static str,
    version: &'static str,
    /// Its functions are of WASI 0.3's kind, so only the engine for that links it.
    is_concurrent: bool,
    is_provided: fn(&Providers) -> bool,
    add_to_linker: fn(&mut Linker<Guest>) -> wasmtime::Result<()>,
}

const OFFERS: [Offer; 5] = [
    Offer {
        name: "wasi:config/store",
        version: "0.2.0-rc.1",
        is_concurrent: false,
        is_provided: |_| true,
        add_to_linker: config::add_to_linker,
    },
    Offer {
        name: "wasi:keyvalue/store",
        version: "0.2.0-draft",
        is_concurrent: false,
        is_provided: |providers| providers.keyvalue.is_some(),
        add_to_linker: keyvalue::add_store_to_linker,
    },
    Offer {
        name: "wasi:keyvalue/atomics",
        version: "0.2.0-draft",
        is_concurrent: false,
        is_provided: |providers| providers.keyvalue.is_some(),
        add_to_linker: keyvalue::add_atomics_to_linker,
    },
    Offer {
        name: "wasi:keyvalue/batch",
        version: "0.2.0-draft",
        is_concurrent: false,
        is_provided: |providers| providers.keyvalue.is_some(),
        add_to_linker: keyvalue::add_batch_to_linker,
    },
    Offer {
        name: webgpu::INTERFACE,
        version: "0.3.0-rc.2",
        is_concurrent: true,
        is_provided: |providers| providers.gpus.is_some(),
        add_to_linker: webgpu::add_to_linker,
    },
];

/// Links what the workload asked for and somebody provides. `is_concurrent`: for the engine that runs WASI 0.3.
///
/// # Errors
/// What wasmtime says when an interface can't be linked; that is a fault of this engine.
pub fn add_to_linker(
    linker: &mut Linker<Guest>,
    is_concurrent: bool,
    declared: &[String],
    providers: &Providers,
) -> wasmtime::Result<()> {
    for offer in OFFERS
        .iter()
        .filter(|offer| is_concurrent || !offer.is_concurrent)
    {
        if is_declared(offer.name, declared) && (offer.is_provided)(providers) {
            (offer.add_to_linker)(linker)?;
        }
    }
    Ok(())
}

/// Whether this engine has the interface for those who ask, in whatever version.
pub fn is_known(interface: &str) -> bool {
    OFFERS.iter().any(|offer| offer.name == interface)
}

/// What stands between an import and an interface of these, as the end of a sentence. None: nothing does, or this engine has no
/// such interface.
pub fn obstacle(import: &str, declared: &[String], providers: &Providers) -> Option<String> {
    let interface = without_version(import);
    let offer = OFFERS.iter().find(|offer| offer.name == interface)?;
    let offered = format!("{interface}@{}", offer.version);
    if !is_declared(interface, declared) {
        Some("which the workload did not ask for: add it to hostInterfaces".to_owned())
    } else if import != offered {
        Some(format!("but this host has {offered}"))
    } else if !(offer.is_provided)(providers) {
        Some("which nobody serves on this host".to_owned())
    } else {
        None
    }
}

/// Whether a workload that declared this in its hostInterfaces asked for the interface, in whatever version.
pub fn is_declared(interface: &str, declared: &[String]) -> bool {
    declared.iter().any(|name| without_version(name) == interface)
}

pub fn without_version(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}
