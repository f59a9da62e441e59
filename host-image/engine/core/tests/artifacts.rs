//! Files that are no component, and the cache of compiled code.

mod ground;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use ground::{Ground, engine, folder, settings, workload};
use serde_json::{Value, json};
use wasmcloud_engine_core::Engine;

async fn refusal(ground: &Ground, file: &str) -> (&'static str, String) {
    let error = ground
        .try_start(&workload("w", file, json!({})))
        .await
        .expect_err(file);
    (error.kind.name(), error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_refused_with_its_cause() {
    let ground = engine(json!({}));
    for (file, kind, part) in [
        ("bad/text.wasm", "artifact", "is text, not WebAssembly"),
        ("bad/html.wasm", "artifact", "is an HTML page"),
        (
            "bad/core-module.wasm",
            "artifact",
            "is a core module, not a component",
        ),
        ("bad/truncated.wasm", "artifact", "it is truncated after"),
        (
            "bad/wrong-wasi.wasm",
            "link",
            "imports wasi:http/types@0.9.9, which this host does not have",
        ),
        (
            "bad/unknown-import.wasm",
            "link",
            "imports acme:custom/thing@1.0.0, which nothing provides",
        ),
        (
            "bad/no-handler.wasm",
            "route",
            "no component exports an HTTP handler",
        ),
    ] {
        let (found, message) = refusal(&ground, file).await;
        assert!(
            found == kind && message.contains(part),
            "{file}: {found}: {message}"
        );
    }
    assert_eq!(ground.engine.status()["workloads"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_and_a_wrong_digest_are_named() {
    let ground = engine(json!({}));
    let mut spec = workload(
        "w",
        "http-p2.wasm",
        json!({"digest": format!("sha256:{}", "0".repeat(64))}),
    );
    let error = ground.try_start(&spec).await.unwrap_err();
    assert!(
        error.message.contains("is damaged") && error.message.contains("not sha256:000"),
        "{error}"
    );
    spec["components"][0]["path"] = json!("/nowhere/x.wasm");
    let error = ground.try_start(&spec).await.unwrap_err();
    assert!(
        error.message.contains("can't be read from /nowhere/x.wasm"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_handler_runs_when_nothing_is_routed() {
    let ground = engine(json!({}));
    let mut spec = workload("w", "bad/no-handler.wasm", json!({}));
    spec["hosts"] = json!([]);
    ground.start(&spec).await;
    assert_eq!(ground.status_of("w")["state"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_code_outlives_the_engine_and_damage_is_mended() {
    let cache = folder();
    assert_eq!(compile_counts(&cache).await, json!([1, 0]));
    assert_eq!(compile_counts(&cache).await, json!([0, 1]));
    let file = compiled_file(&cache);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    assert_eq!(
        compile_counts(&cache).await,
        json!([1, 0]),
        "a flipped bit is found"
    );
    assert_eq!(compile_counts(&cache).await, json!([0, 1]));
    fs::remove_dir_all(cache).unwrap();
}

/// Starts a workload in an engine of its own over this cache: how many were compiled, how many loaded from disk.
async fn compile_counts(cache: &Path) -> Value {
    let ground = Ground {
        engine: Engine::start(settings(cache, json!({}))).unwrap(),
        cache: PathBuf::new(),
    };
    ground.start(&workload("w", "http-p2.wasm", json!({}))).await;
    assert_eq!(ground.get("w.test", "/").await.status, 200);
    let compile = ground.engine.status()["compile"].clone();
    json!([compile["compiled_total"], compile["from_disk_total"]])
}

fn compiled_file(cache: &Path) -> PathBuf {
    let files = fs::read_dir(cache.join("compiled"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "cwasm"))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_can_be_stopped_while_it_starts_and_started_by_an_impatient_caller() {
    let ground = engine(json!({}));
    let spec = workload("w", "http-p3.wasm", json!({}));
    {
        let starting = ground.try_start(&spec);
        tokio::pin!(starting);
        // Polled once: the names are taken and the compilation is under way.
        assert!(starting.as_mut().now_or_never().is_none());
        assert_eq!(ground.get("w.test", "/").await.status, 503, "it is starting");
        assert!(ground.engine.stop_workload("w").await);
        let error = starting.await.unwrap_err();
        assert_eq!(
            (error.kind.name(), error.message.as_str()),
            ("stopped", "Workload was stopped while starting")
        );
    }
    {
        let given_up = ground.try_start(&spec);
        tokio::pin!(given_up);
        assert!(given_up.as_mut().now_or_never().is_none());
    }
    // Whoever gives up waiting takes the start back.
    assert_eq!(ground.engine.status()["workloads"], json!([]));
    ground.start(&spec).await;
    assert_eq!(ground.get("w.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_given_up_leaves_its_compilation_to_the_next() {
    let ground = engine(json!({}));
    let spec = workload("w", "http-p3.wasm", json!({}));
    // The compilation has begun by then, and is far from its end. Were it not, the count would be no other.
    let _ = tokio::time::timeout(Duration::from_millis(100), ground.try_start(&spec)).await;
    ground.start(&spec).await;
    assert_eq!(ground.engine.status()["compile"]["compiled_total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_starts_of_one_component_compile_it_once() {
    let ground = engine(json!({}));
    let specs: Vec<Value> = (0..20)
        .map(|n| workload(&format!("w{n}"), "http-p2.wasm", json!({})))
        .collect();
    let starts = specs.iter().map(|spec| ground.try_start(spec));
    assert!(
        futures_util::future::join_all(starts)
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(ground.engine.status()["compile"]["compiled_total"], 1);
}
