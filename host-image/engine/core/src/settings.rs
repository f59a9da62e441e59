//! What the engine is told at its start, and the workloads it is told to run. The shapes are explained in the README.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};
use crate::http::tls::CertificateFiles;

/// The settings of an engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSettings {
    #[serde(default = "default_http_addr")]
    pub http_addr: SocketAddr,
    pub cache_dir: PathBuf,
    #[serde(default = "default_cache_limit")]
    pub cache_limit_bytes: u64,
    pub worker_threads: Option<usize>,
    #[serde(default = "default_max_instances")]
    pub max_instances: u32,
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    #[serde(default = "default_request_timeout_s")]
    pub request_timeout_s: f64,
    #[serde(default = "default_memory_limit_mb")]
    pub default_memory_limit_mb: u32,
    #[serde(default)]
    pub default_allowed_hosts: Vec<String>,
    #[serde(default)]
    pub allow_special_ranges: bool,
    #[serde(default)]
    pub deny_private_ranges: bool,
    #[serde(default)]
    pub allow_host_loopback: bool,
    #[serde(default)]
    pub webgpu: bool,
    pub http_tls_cert_path: Option<PathBuf>,
    pub http_tls_key_path: Option<PathBuf>,
    pub http_tls_ca_path: Option<PathBuf>,
    pub http_client_ca_path: Option<PathBuf>,
    pub oci_ca_path: Option<PathBuf>,
    #[serde(default)]
    pub allow_insecure_registries: Vec<String>,
    #[serde(default = "default_pull_timeout_s")]
    pub pull_timeout_s: f64,
}

fn default_http_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8000))
}
fn default_cache_limit() -> u64 {
    4 << 30
}
fn default_max_instances() -> u32 {
    1000
}
fn default_max_connections() -> usize {
    10_000
}
fn default_request_timeout_s() -> f64 {
    60.0
}
fn default_memory_limit_mb() -> u32 {
    256
}
fn default_pull_timeout_s() -> f64 {
    30.0
}

/// More would not fit into the address space: each of the two engines reserves two linear memories for an instance, of 4 GiB and a
/// guard of 32 MiB, in one piece of the 128 TiB, in whose midst the program itself lies.
const MOST_INSTANCES: u32 = 5000;
/// A 32-bit memory has no more.
const MOST_MEMORY_MB: u32 = 4096;

impl EngineSettings {
    /// # Errors
    /// `config`, naming the field, when the text is not JSON of this shape or a value is out of its range.
    pub fn parse(json: &str) -> Result<Self> {
        let settings: Self = serde_json::from_str(json)
            .map_err(|e| EngineError::config(format!("the engine's settings can't be read: {e}")))?;
        let fault = if settings.worker_threads == Some(0) {
            "worker_threads must be at least 1"
        } else if !(1..=MOST_INSTANCES).contains(&settings.max_instances) {
            "max_instances must be 1 to 5000"
        } else if settings.max_connections == 0 {
            "max_connections must be at least 1"
        } else if !is_duration(settings.request_timeout_s) {
            "request_timeout_s must be more than 0 seconds and at most a day"
        } else if !is_duration(settings.pull_timeout_s) {
            "pull_timeout_s must be more than 0 seconds and at most a day"
        } else if !(1..=MOST_MEMORY_MB).contains(&settings.default_memory_limit_mb) {
            "default_memory_limit_mb must be 1 to 4096"
        } else if settings.http_tls_cert_path.is_some() != settings.http_tls_key_path.is_some() {
            "HTTPS needs both a certificate and its key"
        } else if settings.http_tls_ca_path.is_some() && settings.http_tls_cert_path.is_none() {
            "CAs of clients need HTTPS, with a certificate and its key"
        } else {
            return Ok(settings);
        };
        Err(EngineError::config(format!(
            "the engine's settings are bad: {fault}"
        )))
    }

    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.request_timeout_s)
    }

    /// The files of the listener's TLS; None serves clear text.
    pub fn certificate_files(&self) -> Option<CertificateFiles> {
        Some(CertificateFiles {
            certificate: self.http_tls_cert_path.clone()?,
            key: self.http_tls_key_path.clone()?,
            client_ca: self.http_tls_ca_path.clone(),
        })
    }

    pub fn pull_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.pull_timeout_s)
    }

    /// Threads that serve requests: as told, else as many cores as the cgroup and the affinity mask give.
    pub fn worker_count(&self) -> usize {
        self.worker_threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

fn is_duration(seconds: f64) -> bool {
    seconds > 0.0 && seconds <= 86_400.0
}

/// One workload: what to run and under which HTTP names.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WorkloadSpec {
    pub id: String,
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub path_prefix: Option<String>,
    pub components: Vec<ComponentSpec>,
    #[serde(default)]
    pub service: Option<ServiceSpec>,
    #[serde(default)]
    pub host_interfaces: Vec<String>,
}

/// A component that runs as long as the workload.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    pub component: ComponentSpec,
    /// How often it is started again after a failure.
    #[serde(default)]
    pub max_restarts: u64,
}

/// One component of a workload.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    pub name: String,
    pub path: PathBuf,
    #[serde(default)]
    pub digest: Option<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    #[serde(default)]
    pub allowed_ip_name_lookups: Vec<String>,
    #[serde(default)]
    pub allowed_host_loopback_ports: Vec<String>,
    #[serde(default)]
    pub memory_limit_mb: Option<u32>,
    #[serde(default)]
    pub cpu_limit: Option<u32>,
    #[serde(default)]
    pub pool_size: u32,
    #[serde(default)]
    pub max_invocations: u32,
    /// Of a reused instance of WASI 0.3; one of 0.2 has one request at once.
    #[serde(default)]
    pub max_concurrency: u32,
}

impl WorkloadSpec {
    /// # Errors
    /// `config`, naming the field, when the text is not JSON of this shape or a value is out of its range.
    pub fn parse(json: &str) -> Result<Self> {
        let spec: Self = serde_json::from_str(json)
            .map_err(|e| EngineError::config(format!("the workload can't be read: {e}")))?;
        let bad = |text: String| {
            Err(EngineError::config(format!(
                "workload {}: {text}",
                spec.full_name()
            )))
        };
        if spec.id.is_empty() {
            return bad("id is empty".into());
        }
        if let Some(prefix) = spec.path_prefix.as_deref().filter(|p| !p.starts_with('/')) {
            return bad(format!("path_prefix {prefix:?} must start with a slash"));
        }
        let service = spec.service.iter().map(|service| &service.component);
        for component in spec.components.iter().chain(service) {
            if component.memory_limit_mb.is_some_and(|mb| mb > MOST_MEMORY_MB) {
                return bad(format!(
                    "component {}: memory_limit_mb is over 4096",
                    component.name
                ));
            }
        }
        Ok(spec)
    }

    /// The workload as logs name it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// One artifact to be pulled.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    pub image: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub accept_digest: Option<String>,
}

impl PullRequest {
    /// # Errors
    /// `config` when the text is not JSON of this shape. The text isn't repeated: it holds a password.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| {
            EngineError::config(format!("the pull request can't be read at column {}", e.column()))
        })
    }
}

/// What a pull brought.
#[derive(Clone, Debug, Serialize)]
pub struct Pulled {
    pub manifest_digest: String,
    pub layer_digest: String,
    pub path: Option<PathBuf>,
    pub media_type: String,
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_bad_field() {
        for (json, part) in [
            ("{", "can't be read"),
            ("{}", "cache_dir"),
            (r#"{"cache_dir":"/c","http_adr":"x"}"#, "http_adr"),
            (r#"{"cache_dir":"/c","http_addr":"localhost"}"#, "socket address"),
            (r#"{"cache_dir":"/c","max_instances":0}"#, "max_instances"),
            (r#"{"cache_dir":"/c","max_instances":5001}"#, "max_instances"),
            (r#"{"cache_dir":"/c","max_connections":0}"#, "max_connections"),
            (r#"{"cache_dir":"/c","worker_threads":0}"#, "worker_threads"),
            (
                r#"{"cache_dir":"/c","http_tls_cert_path":"/c"}"#,
                "both a certificate",
            ),
            (
                r#"{"cache_dir":"/c","http_tls_key_path":"/k"}"#,
                "both a certificate",
            ),
            (r#"{"cache_dir":"/c","http_tls_ca_path":"/a"}"#, "need HTTPS"),
            (r#"{"cache_dir":"/c","request_timeout_s":0}"#, "request_timeout_s"),
            (r#"{"cache_dir":"/c","pull_timeout_s":-1}"#, "pull_timeout_s"),
            (
                r#"{"cache_dir":"/c","default_memory_limit_mb":0}"#,
                "default_memory_limit_mb",
            ),
        ] {
            let error = EngineSettings::parse(json).unwrap_err();
            assert!(error.message.contains(part), "{json}: {error}");
            assert_eq!(error.kind, Kind::Config);
        }
    }

    #[test]
    fn workloads_name_the_bad_field() {
        for (json, part) in [
            ("[]", "can't be read"),
            (r#"{"id":"1","namespace":"n"}"#, "name"),
            (
                r#"{"id":"","namespace":"n","name":"w","components":[]}"#,
                "id is empty",
            ),
            (
                r#"{"id":"1","namespace":"n","name":"w","components":[],"path_prefix":"x"}"#,
                "path_prefix",
            ),
            (
                r#"{"id":"1","namespace":"n","name":"w","components":[{"name":"c","path":"/c","memory_limit_mb":4097}]}"#,
                "memory_limit_mb",
            ),
            (
                r#"{"id":"1","namespace":"n","name":"w","components":[],"service":{"component":{"name":"service","path":"/c","memory_limit_mb":4097}}}"#,
                "component service: memory_limit_mb",
            ),
            (
                r#"{"id":"1","namespace":"n","name":"w","components":[],"service":{"component":{"name":"service","path":"/c"},"max_restarts":-1}}"#,
                "can't be read",
            ),
            (
                r#"{"id":"1","namespace":"n","name":"w","components":[{"name":"c","path":"/c","pool":1}]}"#,
                "pool",
            ),
        ] {
            let error = WorkloadSpec::parse(json).unwrap_err();
            assert!(error.message.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn a_bad_pull_request_does_not_show_its_password() {
        let error = PullRequest::parse(r#"{"image":"x","password":"hunter2","x":1}"#)
            .err()
            .unwrap();
        assert!(!error.message.contains("hunter2"));
    }

    use crate::error::Kind;
}
