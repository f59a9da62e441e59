//! Requests in: both WASI versions, routing, bodies, reuse, and what happens when a guest fails.

mod ground;

use std::collections::HashSet;

use bytes::Bytes;
use ground::{Ground, engine, eventually, guest, workload};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOTH: [&str; 2] = ["http-p2", "http-p3"];

async fn both(more: serde_json::Value) -> Ground {
    let ground = engine(json!({}));
    for name in BOTH {
        ground
            .start(&workload(name, &format!("{name}.wasm"), more.clone()))
            .await;
    }
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn both_wasi_versions_answer() {
    let ground = both(json!({"environment": {"COLOUR": "blue"}})).await;
    for name in BOTH {
        let host = format!("{name}.test");
        assert_eq!(
            ground.get(&host, "/").await.said(),
            (200, format!("hello from {name}\n"))
        );
        assert_eq!(ground.get(&host, "/env").await.text(), "COLOUR=blue\n");
        assert_eq!(ground.get(&host, "/nope").await.status, 404);
        assert_eq!(ground.get(&host, "/sleep?ms=20").await.status, 200);
        let big = ground.get(&host, "/big?bytes=3000000").await;
        assert_eq!(big.body.unwrap().len(), 3_000_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_bodies_pass() {
    let ground = both(json!({})).await;
    for name in BOTH {
        let host = format!("{name}.test");
        let mut client = ground.client().await;
        let request = Request::get("/headers")
            .header("host", &host)
            .header("x-colour", "blue");
        let seen = client.send(request.body(Full::default()).unwrap()).await.text();
        assert!(seen.contains("x-colour: blue"), "{name}: {seen}");
        let sent = Bytes::from(vec![7; 2_000_000]);
        let request = Request::post("/echo")
            .header("host", &host)
            .body(Full::new(sent.clone()))
            .unwrap();
        assert_eq!(client.send(request).await.body.unwrap(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_streams_back_while_it_is_sent() {
    let ground = both(json!({})).await;
    for name in BOTH {
        let mut stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
            .await
            .unwrap();
        let head = format!("POST /echo HTTP/1.1\r\nhost: {name}.test\r\ntransfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut seen = String::new();
        for part in ["first", "second"] {
            stream
                .write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes())
                .await
                .unwrap();
            while !seen.contains(part) {
                let mut buffer = [0; 4096];
                let count = tokio::time::timeout(ground::DEADLINE, stream.read(&mut buffer))
                    .await
                    .unwrap()
                    .unwrap();
                assert!(count > 0, "{name}: the connection closed after {seen}");
                seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_404_and_none_is_400() {
    let ground = both(json!({})).await;
    let unknown = ground.get("nobody.test:80", "/").await;
    assert_eq!(
        unknown.said(),
        (404, "no workload answers for \"nobody.test\"\n".into())
    );
    let mut stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    stream.read_to_string(&mut seen).await.unwrap();
    assert!(
        seen.starts_with("HTTP/1.0 400") && seen.contains("names no host"),
        "{seen}"
    );
    assert_eq!(ground.engine.status()["unrouted_total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_in_clear_text_is_served() {
    let ground = both(json!({})).await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Full<Bytes>>();
    // The address goes by the URI here, and so would the name: a workload for the address answers.
    let mut spec = workload("plain", "http-p2.wasm", json!({}));
    spec["hosts"] = json!(["127.0.0.1"]);
    ground.start(&spec).await;
    let url = format!("http://127.0.0.1:{}/", ground.engine.http_port());
    let requests = (0..20).map(|_| client.get(url.parse().unwrap()));
    for answer in futures_util::future::join_all(requests).await {
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status(), answer.version()),
            (StatusCode::OK, Version::HTTP_2)
        );
        assert_eq!(
            answer.into_body().collect().await.unwrap().to_bytes(),
            "hello from http-p2\n"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_500_and_the_next_request_is_fine() {
    let ground = both(json!({})).await;
    for name in BOTH {
        let host = format!("{name}.test");
        let mut client = ground.client().await;
        assert_eq!(
            client.get(&host, "/trap").await.said(),
            (500, format!("workload default/{name} failed\n"))
        );
        assert_eq!(client.get(&host, "/").await.status, 200);
        assert_eq!(ground.status_of(name)["traps_total"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_instance_a_request_unless_a_pool_is_asked_for() {
    let ground = both(json!({})).await;
    for name in BOTH {
        let host = format!("{name}.test");
        let pooled = format!("{name}-pooled");
        ground
            .start(&workload(
                &pooled,
                &format!("{name}.wasm"),
                json!({"pool_size": 1, "max_invocations": 3}),
            ))
            .await;
        let mut client = ground.client().await;
        for _ in 0..3 {
            assert_eq!(client.get(&host, "/count").await.text(), "1\n");
        }
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(
                client
                    .get(&format!("{pooled}.test"), "/count")
                    .await
                    .text()
                    .trim()
                    .to_owned(),
            );
            // The instance goes back to the pool after its response was sent.
            let is_idle = async || match ground.engine.status()["instances"]["alive"].as_u64() {
                Some(0 | 1) if ground.status_of(&pooled)["in_flight"] == 0 => Ok(()),
                alive => Err(alive),
            };
            eventually(is_idle).await;
        }
        assert_eq!(seen, ["1", "2", "3", "1", "2"], "{name}");
        assert_eq!(client.get(&format!("{pooled}.test"), "/trap").await.status, 500);
        assert_eq!(
            client.get(&format!("{pooled}.test"), "/count").await.text(),
            "1\n",
            "a trap retires"
        );
        ground.engine.stop_workload(&pooled).await;
        eventually(
            async || match ground.engine.status()["instances"]["alive"].as_u64() {
                Some(0) => Ok(()),
                alive => Err(alive),
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_a_name_and_paths_divide_it() {
    let ground = engine(json!({}));
    for (id, wasm, prefix) in [
        ("one", "http-p2.wasm", None),
        ("two", "http-p3.wasm", Some("/count")),
    ] {
        let mut spec = workload(id, wasm, json!({}));
        spec["hosts"] = json!(["shared.test", "*.wild.test"]);
        spec["path_prefix"] = json!(prefix);
        ground.start(&spec).await;
    }
    assert_eq!(
        ground.get("Shared.TEST:99", "/").await.text(),
        "hello from http-p2\n"
    );
    assert_eq!(
        ground.get("a.b.wild.test", "/").await.text(),
        "hello from http-p2\n"
    );
    assert_eq!(ground.get("wild.test", "/").await.status, 404);
    assert_eq!(ground.get("shared.test", "/count").await.text(), "1\n");
    assert_eq!(ground.status_of("two")["requests_total"], 1);
    let mut foreign = workload("three", "http-p2.wasm", json!({}));
    foreign["namespace"] = json!("other");
    foreign["hosts"] = json!(["shared.test"]);
    let error = ground.try_start(&foreign).await.unwrap_err();
    assert_eq!(error.kind.name(), "route");
    assert!(
        error.message.contains("namespace default claimed it first"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn start_is_idempotent_and_stop_takes_the_route_away() {
    let ground = engine(json!({}));
    let spec = workload("w", "http-p2.wasm", json!({}));
    ground.start(&spec).await;
    ground.start(&spec).await;
    let error = ground
        .try_start(&workload("w", "http-p3.wasm", json!({})))
        .await
        .unwrap_err();
    assert_eq!(error.kind.name(), "conflict");
    assert!(ground.engine.stop_workload("w").await);
    assert!(!ground.engine.stop_workload("w").await);
    assert_eq!(ground.get("w.test", "/").await.status, 404);
    ground.start(&workload("w", "http-p3.wasm", json!({}))).await;
    assert_eq!(ground.get("w.test", "/").await.text(), "hello from http-p3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_workloads_share_the_listener() {
    let ground = engine(json!({}));
    for n in 0..200 {
        let component = json!({"environment": {"N": n.to_string()}});
        ground
            .start(&workload(&format!("w{n}"), "http-p2.wasm", component))
            .await;
    }
    let mut client = ground.client().await;
    let mut seen = HashSet::new();
    for n in 0..200 {
        seen.insert(client.get(&format!("w{n}.test"), "/env").await.text());
    }
    assert_eq!(seen, (0..200).map(|n| format!("N={n}\n")).collect());
    let compile = &ground.engine.status()["compile"];
    assert_eq!(
        (&compile["compiled_total"], &compile["from_memory_total"]),
        (&json!(1), &json!(199))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_component_may_handle_http() {
    let ground = engine(json!({}));
    let mut spec = workload("w", "http-p2.wasm", json!({}));
    spec["components"] =
        json!([{"name": "a", "path": guest("http-p2.wasm")}, {"name": "b", "path": guest("http-p3.wasm")}]);
    let error = ground.try_start(&spec).await.unwrap_err();
    assert_eq!(error.message, "components a and b both handle HTTP: only one may");
    assert_eq!(
        ground.engine.status()["workloads"],
        json!([]),
        "a failed start leaves nothing behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_an_error() {
    let first = engine(json!({}));
    let folder = ground::folder();
    let address = format!("127.0.0.1:{}", first.engine.http_port());
    let second =
        wasmcloud_engine_core::Engine::start(ground::settings(&folder, json!({"http_addr": address})));
    let error = second.err().unwrap();
    assert_eq!(error.kind.name(), "address");
    assert!(error.message.contains("in use"), "{error}");
    let _ = std::fs::remove_dir_all(folder);
}
