//! Pulls components from OCI registries into the cache.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use serde_json::{Value, json};

use crate::artifact::{check_is_component, digest_of};
use crate::cache::Cache;
use crate::error::{EngineError, Kind, Result};
use crate::settings::{EngineSettings, PullRequest, Pulled};

/// Layers that are a component: the CNCF's type, then two that older tools write.
const MEDIA_TYPES: [&str; 3] = [
    "application/wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];
/// A layer is held in memory while it is checked.
const LARGEST_LAYER_BYTES: u64 = 512 << 20;

/// The way to every registry, and the layers pulled so far.
pub struct Registries {
    layers: Cache,
    insecure: Vec<String>,
    extra_ca: Option<Vec<u8>>,
    timeout: Duration,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Registries {
    /// # Errors
    /// `config` when the CA file can't be read.
    pub fn new(settings: &EngineSettings, layers: Cache) -> Result<Self> {
        // The client of the registries asks the process for its provider; another one that is installed will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            layers,
            insecure: settings.allow_insecure_registries.clone(),
            extra_ca: settings.oci_ca_path.as_deref().map(read_ca).transpose()?,
            timeout: settings.pull_timeout(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// # Errors
    /// `pull`, with the image and the cause.
    pub async fn pull(&self, request: PullRequest) -> Result<Pulled> {
        let pulled = match tokio::time::timeout(self.timeout, self.try_pull(&request)).await {
            Ok(pulled) => pulled,
            Err(_) => Err(format!(
                "the registry took longer than {} s",
                self.timeout.as_secs_f64()
            )),
        };
        let count = if pulled.is_ok() { &self.done } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
        pulled.map_err(|cause| EngineError::new(Kind::Pull, format!("{}: {cause}", request.image)))
    }

    async fn try_pull(&self, request: &PullRequest) -> Result<Pulled, String> {
        let image: Reference = request
            .image
            .parse()
            .map_err(|e| format!("is no image reference: {e}"))?;
        let client = self.client()?;
        let auth = match (&request.username, &request.password) {
            (Some(user), Some(password)) => RegistryAuth::Basic(user.clone(), password.clone()),
            _ => RegistryAuth::Anonymous,
        };
        let explain = |error| explain(&error, image.resolve_registry());
        // Asked for on its own, because the client swallows the error of a refused login later.
        client
            .auth(&image, &auth, RegistryOperation::Pull)
            .await
            .map_err(explain)?;
        let (manifest, manifest_digest) = client.pull_image_manifest(&image, &auth).await.map_err(explain)?;
        let layer = component_layer(&manifest)?;
        let name = layer_file(&layer.digest)?;
        let is_accepted = request.accept_digest.as_deref() == Some(manifest_digest.as_str());
        let path = match self.cached(&name, &layer.digest).await {
            Some(path) => Some(path),
            None if is_accepted => None,
            None => Some(self.download(&client, &image, layer, &name).await?),
        };
        Ok(Pulled {
            manifest_digest,
            layer_digest: layer.digest.clone(),
            path,
            media_type: layer.media_type.clone(),
            size_bytes: u64::try_from(layer.size).unwrap_or(0),
        })
    }

    fn client(&self) -> Result<Client, String> {
        let certificates = self.extra_ca.iter().map(|data| Certificate {
            encoding: CertificateEncoding::Pem,
            data: data.clone(),
        });
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(self.insecure.clone()),
            extra_root_certificates: certificates.collect(),
            platform_resolver: Some(Box::new(pick)),
            connect_timeout: Some(self.timeout),
            read_timeout: Some(self.timeout),
            user_agent: concat!("wasmcloud-host/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|e| format!("the registry's client can't be made: {e}"))
    }

    /// The layer from the cache, if it is there and whole.
    async fn cached(&self, name: &str, digest: &str) -> Option<PathBuf> {
        let path = self.layers.path(name);
        let bytes = tokio::fs::read(&path).await.ok()?;
        if digest_of(&bytes) != digest {
            return None;
        }
        self.layers.touch(&path);
        Some(path)
    }

    async fn download(
        &self,
        client: &Client,
        image: &Reference,
        layer: &OciDescriptor,
        name: &str,
    ) -> Result<PathBuf, String> {
        if !u64::try_from(layer.size).is_ok_and(|size| size <= LARGEST_LAYER_BYTES) {
            return Err(format!(
                "its layer has {} bytes; this host takes up to {LARGEST_LAYER_BYTES}",
                layer.size
            ));
        }
        let most = usize::try_from(layer.size).unwrap_or(0);
        let mut bytes = Bounded {
            bytes: Vec::with_capacity(most),
            most,
        };
        client
            .pull_blob(image, layer, &mut bytes)
            .await
            .map_err(|error| explain(&error, image.resolve_registry()))?;
        check_is_component("its layer", &bytes.bytes).map_err(|e| e.message)?;
        self.layers
            .put(name, &bytes.bytes)
            .map_err(|e| format!("its layer can't be written to the cache: {e}"))
    }

    /// The counters as `status` shows them.
    pub fn to_json(&self) -> Value {
        json!({
            "done_total": self.done.load(Ordering::Relaxed),
            "failed_total": self.failed.load(Ordering::Relaxed),
        })
    }
}

fn read_ca(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|e| EngineError::config(format!("the CA file {} can't be read: {e}", path.display())))
}

/// A layer as it comes in; a registry that sends more than it announced is cut off.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl tokio::io::AsyncWrite for Bounded {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        more: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        if self.bytes.len() + more.len() > self.most {
            let text = format!("the registry sent more than the {} bytes it announced", self.most);
            return std::task::Poll::Ready(Err(std::io::Error::other(text)));
        }
        self.bytes.extend_from_slice(more);
        std::task::Poll::Ready(Ok(more.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

/// The entry of an index that is meant for WebAssembly, else its only entry.
fn pick(entries: &[ImageIndexEntry]) -> Option<String> {
    let is_wasm = |entry: &&ImageIndexEntry| {
        entry
            .platform
            .as_ref()
            .is_some_and(|p| p.architecture.to_string() == "wasm" || p.os.to_string() == "wasip2")
    };
    let only = || entries.first().filter(|_| entries.len() == 1);
    entries
        .iter()
        .find(is_wasm)
        .or_else(only)
        .map(|entry| entry.digest.clone())
}

/// The one layer that is a component.
fn component_layer(manifest: &OciImageManifest) -> Result<&OciDescriptor, String> {
    let is_component = |layer: &&OciDescriptor| MEDIA_TYPES.contains(&layer.media_type.as_str());
    let mut found = manifest.layers.iter().filter(is_component);
    match (found.next(), found.next()) {
        (Some(layer), None) => Ok(layer),
        (Some(_), Some(_)) => Err("is ambiguous: more than one of its layers is WebAssembly".into()),
        (None, _) => {
            let types: Vec<_> = manifest
                .layers
                .iter()
                .map(|layer| layer.media_type.as_str())
                .collect();
            Err(format!(
                "is no WebAssembly artifact: its layers are of type [{}], not {}",
                types.join(", "),
                MEDIA_TYPES[0]
            ))
        }
    }
}

/// The file that a layer is kept in; a registry can't choose another path by its digest.
fn layer_file(digest: &str) -> Result<String, String> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    hex.map(|hex| format!("{hex}.wasm"))
        .ok_or_else(|| format!("its layer has no sha256 digest but {digest:?}"))
}

/// The cause in a sentence that tells what to do about it.
fn explain(error: &OciDistributionError, registry: &str) -> String {
    use OciDistributionError as E;
    let refused = |why: &str| {
        format!("registry {registry} refuses access ({why}): check the image's name and its pull secret")
    };
    match error {
        E::UnauthorizedError { .. } => refused("not logged in, or not allowed to read it"),
        E::AuthenticationFailure(reason) => refused(first_line(reason)),
        E::ServerError { code: 401 | 403, .. } => refused("not allowed to read it"),
        E::RegistryError { envelope, .. } => match envelope.errors.first().map(|e| &e.code) {
            Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => refused("not allowed to read it"),
            Some(OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound) => {
                format!("registry {registry} has no such image or tag")
            }
            _ => format!("registry {registry} answered with an error: {envelope}"),
        },
        E::ServerError { code: 404, .. } => format!("registry {registry} has no such image or tag"),
        E::ServerError { code, message, .. } => {
            format!(
                "registry {registry} answered with HTTP {code}: {}",
                first_line(message)
            )
        }
        E::ImageManifestNotFoundError(_) => "its index has no entry for WebAssembly".into(),
        E::RequestError(error) => {
            let what = if error.is_connect() {
                "can't be reached"
            } else {
                "broke off"
            };
            format!("registry {registry} {what}: {}", chain(error))
        }
        E::ManifestParsingError(_) | E::VersionedParsingError(_) | E::UnsupportedMediaTypeError(_) => {
            format!("registry {registry} sent no image manifest: {error}")
        }
        E::DigestError(error) => format!("registry {registry} sent damaged data: {error}"),
        other => chain(other),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim()
}

/// The error and its causes, outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(types: &[&str]) -> OciImageManifest {
        let layers = types
            .iter()
            .map(|t| OciDescriptor {
                media_type: t.to_string(),
                ..Default::default()
            })
            .collect();
        OciImageManifest {
            layers,
            ..Default::default()
        }
    }

    #[test]
    fn the_layer_is_the_one_that_is_wasm() {
        for media_type in MEDIA_TYPES {
            assert!(component_layer(&manifest(&["text/plain", media_type])).is_ok());
        }
        let none = component_layer(&manifest(&["application/tar"])).unwrap_err();
        assert!(
            none.contains("is no WebAssembly artifact") && none.contains("application/tar"),
            "{none}"
        );
        let two = component_layer(&manifest(&[MEDIA_TYPES[0], MEDIA_TYPES[1]])).unwrap_err();
        assert!(two.contains("more than one"), "{two}");
    }

    #[test]
    fn a_digest_is_no_path() {
        assert!(layer_file(&format!("sha256:{}", "a1".repeat(32))).is_ok());
        for digest in [
            "",
            "sha256:",
            "sha256:../../etc/passwd",
            "sha512:aa",
            &format!("sha256:{}", "A1".repeat(32)),
        ] {
            assert!(layer_file(digest).is_err(), "{digest}");
        }
    }
}
