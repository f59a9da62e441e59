//! Pulls, from a real registry on the loopback.

mod ground;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use ground::{Ground, engine, eventually, folder, guest};
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{OciImageIndex, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::json;
use tokio::net::TcpStream;
use wasmcloud_engine_core::{PullRequest, Pulled, Result};

/// The registry's process and its folder, both gone at the end of the test.
struct Registry {
    process: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that no connection is given between this and the registry's start: Linux takes theirs from 32768 on.
fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    loop {
        let port = first + TAKEN.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts the registry that tests/ground/build-registry builds; `is_closed` makes it refuse every login.
async fn registry(is_closed: bool) -> Registry {
    let cache = std::env::var("XDG_CACHE_HOME")
        .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap()));
    let program = PathBuf::from(cache).join("wasmcloud/registry/registry");
    assert!(
        program.exists(),
        "the OCI registry is not built ({}): run tests/ground/build-registry",
        program.display()
    );
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut config = json!({
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": folder.join("storage")}},
        "http": {"addr": address},
    });
    if is_closed {
        let logins = folder.join("logins");
        fs::write(&logins, "").unwrap();
        config["auth"] = json!({"htpasswd": {"realm": "test", "path": logins}});
    }
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut command = Command::new(program);
    command
        .arg("serve")
        .arg(folder.join("config.json"))
        .env("OTEL_TRACES_EXPORTER", "none");
    let process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let registry = Registry {
        process,
        address,
        folder,
    };
    eventually(async || TcpStream::connect(&registry.address).await).await;
    registry
}

impl Registry {
    fn image(&self, name: &str) -> Reference {
        format!("{}/{name}", self.address).parse().unwrap()
    }

    fn client() -> Client {
        Client::new(ClientConfig {
            protocol: ClientProtocol::Http,
            ..ClientConfig::default()
        })
    }

    /// Pushes one layer and returns the manifest's digest.
    async fn push(&self, name: &str, bytes: Vec<u8>, media_type: &str) -> String {
        let layer = ImageLayer::new(bytes, media_type.to_owned(), None);
        let config = Config::new(
            b"{}".to_vec(),
            "application/vnd.wasm.config.v0+json".to_owned(),
            None,
        );
        let (client, image) = (Self::client(), self.image(name));
        client
            .push(&image, &[layer], config, &RegistryAuth::Anonymous, None)
            .await
            .unwrap();
        client
            .fetch_manifest_digest(&image, &RegistryAuth::Anonymous)
            .await
            .unwrap()
    }
}

async fn host(registry: &Registry) -> Ground {
    engine(json!({"allow_insecure_registries": [registry.address]}))
}

async fn pull(ground: &Ground, image: &str, more: serde_json::Value) -> Result<Pulled> {
    let mut request = json!({"image": image});
    request
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    ground
        .engine
        .pull(PullRequest::parse(&request.to_string())?)
        .await
}

async fn refusal(ground: &Ground, image: &str) -> String {
    let error = pull(ground, image, json!({})).await.unwrap_err();
    assert_eq!(error.kind.name(), "pull");
    assert!(error.message.starts_with(image), "{error}");
    error.message
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_of_layer_is_pulled_once_and_runs() {
    let registry = registry(false).await;
    let ground = host(&registry).await;
    let wasm = fs::read(guest("http-p2.wasm")).unwrap();
    for (turn, media_type) in [
        "application/wasm",
        "application/vnd.module.wasm.content.layer.v1+wasm",
        "application/vnd.wasm.content.layer.v1+wasm",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("team/hello:{turn}");
        let digest = registry.push(&name, wasm.clone(), media_type).await;
        let pulled = pull(&ground, &format!("{}/{name}", registry.address), json!({}))
            .await
            .unwrap();
        assert_eq!(
            (&pulled.manifest_digest, pulled.media_type.as_str()),
            (&digest, media_type)
        );
        assert_eq!(pulled.size_bytes, wasm.len() as u64);
        let path = pulled.path.unwrap();
        assert_eq!(fs::read(&path).unwrap(), wasm);
        let pinned = format!("{}/team/hello@{digest}", registry.address);
        assert_eq!(
            pull(&ground, &pinned, json!({})).await.unwrap().manifest_digest,
            digest
        );
        let mut spec = ground::workload("w", "http-p2.wasm", json!({"digest": pulled.layer_digest}));
        spec["components"][0]["path"] = json!(path);
        ground.start(&spec).await;
        assert_eq!(ground.get("w.test", "/").await.status, 200);
        ground.engine.stop_workload("w").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_layer_is_pulled_again_and_an_accepted_one_is_not() {
    let registry = registry(false).await;
    let ground = host(&registry).await;
    let digest = registry
        .push(
            "hello:1",
            fs::read(guest("http-p2.wasm")).unwrap(),
            "application/wasm",
        )
        .await;
    let image = format!("{}/hello:1", registry.address);
    let path = pull(&ground, &image, json!({})).await.unwrap().path.unwrap();
    fs::write(&path, "damaged").unwrap();
    let mended = pull(&ground, &image, json!({})).await.unwrap().path.unwrap();
    assert_eq!(
        fs::read(mended).unwrap(),
        fs::read(guest("http-p2.wasm")).unwrap()
    );
    fs::remove_file(&path).unwrap();
    let accepted = pull(&ground, &image, json!({"accept_digest": digest}))
        .await
        .unwrap();
    assert_eq!((accepted.path, accepted.manifest_digest), (None, digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_followed() {
    let registry = registry(false).await;
    let ground = host(&registry).await;
    let digest = registry
        .push(
            "hello:wasm",
            fs::read(guest("http-p2.wasm")).unwrap(),
            "application/wasm",
        )
        .await;
    let client = Registry::client();
    let (body, _) = client
        .pull_manifest_raw(
            &registry.image("hello:wasm"),
            &RegistryAuth::Anonymous,
            &["application/vnd.oci.image.manifest.v1+json"],
        )
        .await
        .unwrap();
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": body.len(),
        "platform": {"architecture": "wasm", "os": "wasi"},
    });
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]});
    let index: OciImageIndex = serde_json::from_value(index).unwrap();
    client
        .push_manifest(&registry.image("hello:all"), &OciManifest::ImageIndex(index))
        .await
        .unwrap();
    let pulled = pull(&ground, &format!("{}/hello:all", registry.address), json!({}))
        .await
        .unwrap();
    assert_eq!(pulled.manifest_digest, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_pull_says_what_to_do() {
    let (open, closed) = (registry(false).await, registry(true).await);
    let ground = engine(json!({"allow_insecure_registries": [open.address, closed.address]}));
    registry_with_text(&open).await;
    let cases = [
        (format!("{}/nothing:1", open.address), "has no such image or tag"),
        (
            format!("{}/text:1", open.address),
            "is no WebAssembly artifact: its layers are of type [text/plain]",
        ),
        (
            format!("{}/liar:1", open.address),
            "its layer is text, not WebAssembly",
        ),
        (
            format!("{}/hello:1", closed.address),
            "refuses access (not logged in, or not allowed to read it)",
        ),
        ("no-such-registry.invalid/hello:1".to_owned(), "can't be reached"),
        ("UPPER CASE".to_owned(), "is no image reference"),
    ];
    for (image, part) in cases {
        let text = refusal(&ground, &image).await;
        assert!(text.contains(part), "{text}");
    }
    let wrong = json!({"username": "someone", "password": "hunter2"});
    let error = pull(&ground, &format!("{}/hello:1", closed.address), wrong)
        .await
        .unwrap_err();
    assert!(
        error.message.contains("refuses access") && !error.message.contains("hunter2"),
        "{error}"
    );
    assert_eq!(
        ground.engine.status()["pulls"],
        json!({"done_total": 0, "failed_total": 7})
    );
}

async fn registry_with_text(registry: &Registry) {
    registry.push("text:1", b"hello".to_vec(), "text/plain").await;
    registry
        .push("liar:1", b"hello".to_vec(), "application/wasm")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_for_registries_that_were_named() {
    let registry = registry(false).await;
    registry
        .push(
            "hello:1",
            fs::read(guest("http-p2.wasm")).unwrap(),
            "application/wasm",
        )
        .await;
    let text = refusal(&engine(json!({})), &format!("{}/hello:1", registry.address)).await;
    assert!(text.contains("can't be reached"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ground = engine(json!({"allow_insecure_registries": [address], "pull_timeout_s": 0.3}));
    let text = refusal(&ground, &format!("{address}/hello:1")).await;
    assert!(text.contains("0.3 s") || text.contains("broke off"), "{text}");
}
