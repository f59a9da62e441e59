//! `wasi:keyvalue`: what a guest asks reaches the workload's own buckets, and what those say comes back as the interface says it.

mod ground;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ground::{Ground, engine, eventually, workload};
use serde_json::{Value, json};
use wasmcloud_engine_core::interfaces::Providers;
use wasmcloud_engine_core::interfaces::keyvalue::{Bucket, Fault, KeyValue, Pending};

/// Buckets in memory. `hang` is the name of one that never answers, `broken` of one that always fails.
#[derive(Default)]
struct Cabinet {
    drawers: Mutex<BTreeMap<String, Arc<Drawer>>>,
    was_given_up: Arc<AtomicBool>,
}

#[derive(Default)]
struct Drawer(Mutex<BTreeMap<String, Vec<u8>>>);

struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl KeyValue for Cabinet {
    fn open(&self, identifier: String) -> Pending<Arc<dyn Bucket>> {
        let guard = GivenUp(self.was_given_up.clone());
        match identifier.as_str() {
            "missing" => Box::pin(async { Err(Fault::NoSuchStore) }),
            "secret" => Box::pin(async { Err(Fault::AccessDenied) }),
            "broken" => Box::pin(async { Err(Fault::Other("the drawer is stuck".into())) }),
            "hang" => Box::pin(async move {
                let _guard = guard;
                std::future::pending().await
            }),
            _ => {
                let drawer = self
                    .drawers
                    .lock()
                    .unwrap()
                    .entry(identifier)
                    .or_default()
                    .clone();
                Box::pin(async move { Ok(drawer as Arc<dyn Bucket>) })
            }
        }
    }
}

impl Drawer {
    fn with<T: Send + 'static>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Pending<T> {
        let answer = act(&mut self.0.lock().unwrap());
        Box::pin(async move { Ok(answer) })
    }
}

impl Bucket for Drawer {
    fn get(&self, key: String) -> Pending<Option<Vec<u8>>> {
        self.with(|kept| kept.get(&key).cloned())
    }

    fn set(&self, key: String, value: Vec<u8>) -> Pending<()> {
        self.with(|kept| drop(kept.insert(key, value)))
    }

    fn delete(&self, key: String) -> Pending<()> {
        self.with(|kept| drop(kept.remove(&key)))
    }

    fn exists(&self, key: String) -> Pending<bool> {
        self.with(|kept| kept.contains_key(&key))
    }

    /// Pages of two keys; the cursor counts them.
    fn list_keys(&self, cursor: Option<u64>) -> Pending<(Vec<String>, Option<u64>)> {
        self.with(|kept| {
            let from = cursor.unwrap_or(0);
            let keys: Vec<_> = kept.keys().skip(from as usize).take(2).cloned().collect();
            let next = from + keys.len() as u64;
            (keys, (next < kept.len() as u64).then_some(next))
        })
    }

    fn increment(&self, key: String, delta: u64) -> Pending<u64> {
        self.with(|kept| {
            let text = kept
                .get(&key)
                .map_or_else(|| "0".into(), |value| String::from_utf8_lossy(value).into_owned());
            let sum = text.parse::<u64>().unwrap() + delta;
            kept.insert(key, sum.to_string().into());
            sum
        })
    }

    fn get_many(&self, keys: Vec<String>) -> Pending<Vec<Option<Vec<u8>>>> {
        self.with(|kept| keys.iter().map(|key| kept.get(key).cloned()).collect())
    }

    fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Pending<()> {
        self.with(|kept| kept.extend(pairs))
    }

    fn delete_many(&self, keys: Vec<String>) -> Pending<()> {
        self.with(|kept| keys.iter().for_each(|key| drop(kept.remove(key))))
    }
}

const ALL: [&str; 3] = [
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch",
];

fn asking_for(id: &str, interfaces: &[&str]) -> Value {
    let mut all = workload(id, "keyvalue.wasm", json!({}));
    all["host_interfaces"] = json!(interfaces);
    all
}

fn served_by(cabinet: &Arc<Cabinet>) -> Providers {
    Providers {
        keyvalue: Some(cabinet.clone()),
        ..Providers::default()
    }
}

async fn started(cabinet: &Arc<Cabinet>, settings: Value) -> Ground {
    let ground = engine(settings);
    let made = ground
        .try_start_with(&asking_for("kv", &ALL), served_by(cabinet))
        .await;
    made.unwrap();
    ground
}

async fn said(ground: &Ground, path: &str) -> (u16, String) {
    ground.get("kv.test", path).await.said()
}

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_keeps_things_in_its_buckets() {
    let ground = started(&Arc::default(), json!({})).await;
    assert_eq!(said(&ground, "/get?key=a").await, (404, "no such key\n".into()));
    assert_eq!(said(&ground, "/set?key=a&value=1").await, ok("done\n"));
    assert_eq!(said(&ground, "/get?key=a").await, ok("1\n"));
    assert_eq!(said(&ground, "/get?key=a&bucket=other").await.0, 404);
    assert_eq!(said(&ground, "/exists?key=a").await, ok("true\n"));
    assert_eq!(said(&ground, "/delete?key=a").await, ok("done\n"));
    assert_eq!(said(&ground, "/exists?key=a").await, ok("false\n"));
    assert_eq!(said(&ground, "/increment?key=n&delta=2").await, ok("2\n"));
    assert_eq!(said(&ground, "/increment?key=n&delta=40").await, ok("42\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_pages_keep_their_order() {
    let ground = started(&Arc::default(), json!({})).await;
    assert_eq!(said(&ground, "/set-many?pairs=a:1,b:2,c:").await, ok("done\n"));
    assert_eq!(said(&ground, "/get-many?keys=c,x,a").await, ok("c=\n-\na=1\n"));
    assert_eq!(said(&ground, "/keys").await, ok("a b\nc\n"));
    assert_eq!(said(&ground, "/delete-many?keys=a,b,x").await, ok("done\n"));
    assert_eq!(said(&ground, "/keys").await, ok("c\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_passes() {
    let ground = started(&Arc::default(), json!({})).await;
    assert_eq!(said(&ground, "/set-big?key=a&bytes=1048576").await, ok("done\n"));
    assert_eq!(said(&ground, "/size?key=a").await, ok("1048576\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_carries_what_would_take_the_host_s_memory() {
    let cabinet = Arc::new(Cabinet::default());
    let ground = started(&cabinet, json!({})).await;
    assert_eq!(said(&ground, "/set-big?key=a&bytes=34603008").await.0, 500);
    assert_eq!(said(&ground, "/exists?key=a").await, ok("false\n"));
    assert_eq!(said(&ground, "/set-big?key=a&bytes=31457280").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_the_interface_s_own() {
    let ground = started(&Arc::default(), json!({})).await;
    for (bucket, text) in [
        ("missing", "no-such-store\n"),
        ("secret", "access-denied\n"),
        ("broken", "other: the drawer is stuck\n"),
    ] {
        let path = format!("/get?key=a&bucket={bucket}");
        assert_eq!(said(&ground, &path).await, (502, text.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cut_gives_its_call_up() {
    let cabinet = Arc::new(Cabinet::default());
    let ground = started(&cabinet, json!({"request_timeout_s": 0.2})).await;
    cabinet.was_given_up.store(false, Ordering::SeqCst);
    assert_eq!(said(&ground, "/get?key=a&bucket=hang").await.0, 504);
    eventually(async || match cabinet.was_given_up.load(Ordering::SeqCst) {
        true => Ok(()),
        false => Err("the call goes on"),
    })
    .await;
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_asked_for_is_not_there() {
    let (ground, cabinet) = (engine(json!({})), Arc::new(Cabinet::default()));
    for (interfaces, providers, part) in [
        (
            &[][..],
            served_by(&cabinet),
            "imports wasi:keyvalue/store@0.2.0-draft, which the workload did not ask for: add it to hostInterfaces",
        ),
        (
            &ALL[..1],
            served_by(&cabinet),
            "imports wasi:keyvalue/atomics@0.2.0-draft, which the workload did not ask for: add it to hostInterfaces",
        ),
        (
            &ALL[..],
            Providers::default(),
            "imports wasi:keyvalue/store@0.2.0-draft, which nobody serves on this host",
        ),
    ] {
        let error = ground
            .try_start_with(&asking_for("kv", interfaces), providers)
            .await
            .unwrap_err();
        assert!(error.message.contains(part), "{error}");
    }
}
