//! Runs WebAssembly components behind one HTTP listener. Knows nothing of Python.

// The types of wgpu are nested deeply, and an instance's store holds some.
#![recursion_limit = "256"]

mod artifact;
mod cache;
mod compile;
mod crew;
mod denials;
mod engine;
mod error;
mod http;
mod instance;
pub mod interfaces;
mod lanes;
mod link;
mod log;
mod member;
mod net;
mod oci;
mod output;
mod prepare;
mod priority;
mod service;
mod settings;
mod stats;
#[cfg(test)]
mod testing;
mod ticker;
mod workload;

pub use engine::Engine;
pub use error::{EngineError, Kind, Result};
pub use net::lists::faults as egress_faults;
pub use settings::{ComponentSpec, EngineSettings, PullRequest, Pulled, ServiceSpec, WorkloadSpec};
