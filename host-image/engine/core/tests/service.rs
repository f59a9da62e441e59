//! Services, and the loopback that a workload has to itself.

mod ground;

use std::net::{Ipv4Addr, SocketAddr};

use ground::{Ground, engine, escaped, eventually, guest, workload};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BOTH: [&str; 2] = ["http-p2", "http-p3"];

/// A workload of one component and the service guest with this environment.
fn with_service(id: &str, wasm: &str, environment: Value, max_restarts: u64) -> Value {
    let mut all = workload(id, wasm, json!({}));
    let component = json!({"name": "service", "path": guest("service.wasm"), "environment": environment});
    all["service"] = json!({"component": component, "max_restarts": max_restarts});
    all
}

/// The service alone.
fn service(id: &str, environment: Value, max_restarts: u64) -> Value {
    let mut all = with_service(id, "http-p2.wasm", environment, max_restarts);
    all["components"] = json!([]);
    all["hosts"] = json!([]);
    all
}

async fn connects(ground: &Ground, id: &str, address: &str) -> String {
    let path = format!("/connect?addr={address}");
    ground.get(&format!("{id}.test"), &path).await.text()
}

/// Waits until the component of `id` gets through to `address`.
async fn connected(ground: &Ground, id: &str, address: &str) {
    eventually(async || match connects(ground, id, address).await {
        said if said == "connected" => Ok(()),
        said => Err((said, ground.status_of(id))),
    })
    .await;
}

/// Waits until the service of `id` is in `state`, and returns all that is told of it.
async fn ended(ground: &Ground, id: &str, state: &str) -> Value {
    eventually(async || {
        let told = ground.status_of(id)["service"].clone();
        if told["state"] == state {
            Ok(told)
        } else {
            Err(told)
        }
    })
    .await
}

fn message(told: &Value) -> &str {
    told["message"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn components_reach_their_service() {
    let ground = engine(json!({"allow_special_ranges": false}));
    for name in BOTH {
        ground
            .start(&with_service(name, &format!("{name}.wasm"), json!({}), 0))
            .await;
        connected(&ground, name, "127.0.0.1:7777").await;
        assert_eq!(
            connects(&ground, name, "127.0.0.1:7778").await,
            "connection-refused"
        );
        assert_eq!(connects(&ground, name, "[::1]:7777").await, "connection-refused");
        // What comes back is the request itself, which is no answer: bytes went there and back.
        for host in ["127.0.0.1", "localhost", "service.wasmcloud.internal"] {
            let url = escaped(&format!("http://{host}:7777/"));
            let said = ground
                .get(&format!("{name}.test"), &format!("/fetch?url={url}"))
                .await
                .said();
            assert_eq!(said, (502, "HTTP-protocol-error".into()), "{host}");
        }
        for host in [
            "localhost",
            "service.wasmcloud.internal",
            "0.svc.wasmcloud.internal",
        ] {
            let path = format!("/resolve?name={host}");
            assert_eq!(
                ground.get(&format!("{name}.test"), &path).await.text(),
                "127.0.0.1\n"
            );
        }
        let told = ground.status_of(name)["service"].clone();
        assert_eq!(told, json!({"state": "running", "restarts": 0, "message": ""}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_has_a_loopback_too() {
    let ground = engine(json!({"allow_special_ranges": false}));
    for name in BOTH {
        let environment = json!({"LISTEN": "[::1]:7777"});
        ground
            .start(&with_service(name, &format!("{name}.wasm"), environment, 0))
            .await;
        connected(&ground, name, "[::1]:7777").await;
        assert_eq!(
            connects(&ground, name, "127.0.0.1:7777").await,
            "connection-refused"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_port_is_each_workloads_own() {
    let ground = engine(json!({}));
    for id in ["one", "two"] {
        ground
            .start(&with_service(id, "http-p2.wasm", json!({}), 0))
            .await;
    }
    let everything = json!({"allowed_hosts": ["*"]});
    ground.start(&workload("none", "http-p2.wasm", everything)).await;
    connected(&ground, "one", "127.0.0.1:7777").await;
    connected(&ground, "two", "127.0.0.1:7777").await;
    assert_eq!(
        connects(&ground, "none", "127.0.0.1:7777").await,
        "connection-refused"
    );
    assert!(ground.engine.stop_workload("one").await);
    connected(&ground, "two", "127.0.0.1:7777").await;
    // A service that comes back finds its port free.
    ground
        .start(&with_service("one", "http-p2.wasm", json!({}), 0))
        .await;
    connected(&ground, "one", "127.0.0.1:7777").await;
}

/// The listeners of this machine on addresses that workloads live on.
fn real_listeners() -> Vec<SocketAddr> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = table.lines().skip(1).filter_map(|row| {
        let fields: Vec<_> = row.split_whitespace().collect();
        let (ip, port) = fields[1].split_once(':')?;
        let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.swap_bytes());
        let port = u16::from_str_radix(port, 16).ok()?;
        let is_listening = fields[3] == "0A";
        (is_listening && ip.octets()[..2] == [127, 1]).then_some(SocketAddr::from((ip, port)))
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_on_the_machine_gets_through() {
    let ground = engine(json!({}));
    ground
        .start(&with_service("w", "http-p2.wasm", json!({}), 0))
        .await;
    connected(&ground, "w", "127.0.0.1:7777").await;
    let listeners = real_listeners();
    assert!(!listeners.is_empty());
    for listener in listeners {
        // The kernel lets it in, the service never hears of it.
        let said = async {
            let mut stream = TcpStream::connect(listener).await?;
            stream.write_all(b"hello\n").await?;
            let mut answer = [0; 6];
            stream.read_exact(&mut answer).await.map(|_| answer)
        };
        assert!(said.await.is_err(), "{listener} answered");
    }
    connected(&ground, "w", "127.0.0.1:7777").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_listens_on_its_loopback_alone() {
    let ground = engine(json!({}));
    for (id, address) in [
        ("any", "0.0.0.0:7777"),
        ("real", "127.1.0.0:7777"),
        ("out", "127.0.0.2:7777"),
    ] {
        ground.start(&service(id, json!({"LISTEN": address}), 0)).await;
        let told = ended(&ground, id, "failed").await;
        assert!(
            message(&told).starts_with("the service ended with a failure"),
            "{told}"
        );
        assert!(message(&told).contains("PermissionDenied"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_restarted_so_often_and_told_with_the_last_lines() {
    let ground = engine(json!({}));
    ground
        .start(&service("w", json!({"MODE": "exit", "CODE": "1"}), 2))
        .await;
    let told = ended(&ground, "w", "failed").await;
    assert_eq!(told["restarts"], 2);
    assert_eq!(
        message(&told),
        "the service exited with code 1 after 2 restarts; its last lines: leaving as told"
    );
    assert_eq!(ground.engine.service("w"), Some(told));
    ground.start(&service("crash", json!({"MODE": "crash"}), 0)).await;
    let told = ended(&ground, "crash", "failed").await;
    assert_eq!(told["restarts"], 0);
    assert!(message(&told).starts_with("the service crashed: "), "{told}");
    assert!(message(&told).contains("crashed as told"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_end_is_the_end() {
    let ground = engine(json!({}));
    ground.start(&service("w", json!({"MODE": "exit"}), 5)).await;
    let told = ended(&ground, "w", "completed").await;
    assert_eq!(told["restarts"], 0);
    assert_eq!(ground.status_of("w")["state"], "running");
    assert_eq!(
        ground.engine.service("none"),
        None,
        "an unknown workload has no service"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_service_that_never_pauses() {
    let ground = engine(json!({}));
    ground.start(&service("w", json!({"MODE": "spin"}), 0)).await;
    ground.alive_becomes(1).await;
    // Requests are served beside it.
    ground.start(&workload("web", "http-p2.wasm", json!({}))).await;
    assert_eq!(ground.get("web.test", "/").await.said().0, 200);
    assert!(ground.engine.stop_workload("w").await);
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_keeps_to_its_memory() {
    let ground = engine(json!({}));
    let mut bomb = service("w", json!({"MODE": "bomb"}), 0);
    bomb["service"]["component"]["memory_limit_mb"] = json!(16);
    ground.start(&bomb).await;
    let told = ended(&ground, "w", "failed").await;
    assert!(
        message(&told).contains("over its memory limit of 16 MiB"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_run_is_refused_at_the_start() {
    let ground = engine(json!({}));
    let mut all = service("w", json!({}), 0);
    all["service"]["component"]["path"] = json!(guest("http-p2.wasm"));
    let error = ground.try_start(&all).await.unwrap_err();
    assert_eq!(error.kind.name(), "link");
    assert!(error.message.contains("exports no wasi:cli/run"), "{error}");
    all["service"]["component"]["allowed_hosts"] = json!(["*foo"]);
    let error = ground.try_start(&all).await.unwrap_err();
    assert_eq!(error.kind.name(), "egress");
    assert!(error.message.contains("for component service"), "{error}");
}

/// A server on the machine's own loopback.
async fn machine_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // An answer before its question would be no HTTP.
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await.unwrap_or(0) > 0 {}
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
                .await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_loopback_is_reached_where_host_and_workload_say_so() {
    let (port, other) = (machine_server().await, machine_server().await);
    let open = engine(json!({"allow_special_ranges": false, "allow_host_loopback": true}));
    for name in BOTH {
        let lists = json!({"allowed_host_loopback_ports": [format!("{port}/tcp")]});
        open.start(&workload(name, &format!("{name}.wasm"), lists)).await;
        let host = format!("{name}.test");
        let fetch = async |port: u16| {
            let url = escaped(&format!("http://host.wasmcloud.internal:{port}/"));
            open.get(&host, &format!("/fetch?url={url}")).await.said()
        };
        assert_eq!(fetch(port).await, (200, "hello".into()));
        assert_eq!(fetch(other).await, (502, "HTTP-request-denied".into()));
        let resolved = open.get(&host, "/resolve?name=host.wasmcloud.internal").await;
        assert_eq!(resolved.text(), "192.0.0.8\n");
        assert_eq!(
            connects(&open, name, &format!("192.0.0.8:{port}")).await,
            "connected"
        );
        assert_eq!(
            connects(&open, name, &format!("192.0.0.8:{other}")).await,
            "access-denied"
        );
        // 127.0.0.1 stays the workload's own.
        assert_eq!(
            connects(&open, name, &format!("127.0.0.1:{port}")).await,
            "connection-refused"
        );
    }
    let without = engine(json!({"allow_host_loopback": true}));
    without.start(&workload("w", "http-p2.wasm", json!({}))).await;
    let resolved = without
        .get("w.test", "/resolve?name=host.wasmcloud.internal")
        .await;
    assert_eq!(resolved.text(), "name-unresolvable");
    assert_eq!(
        connects(&without, "w", &format!("192.0.0.8:{port}")).await,
        "access-denied"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_that_the_host_keeps_to_itself_refuse_the_workload() {
    for (settings, entry, reason) in [
        (json!({}), "5432", "start it with --allow-host-loopback"),
        (
            json!({"allow_host_loopback": true}),
            "53/udp",
            "opens no UDP to its own loopback: 53/udp",
        ),
    ] {
        let ground = engine(settings);
        let lists = json!({"allowed_host_loopback_ports": [entry]});
        let error = ground
            .try_start(&workload("w", "http-p2.wasm", lists))
            .await
            .unwrap_err();
        assert_eq!(error.kind.name(), "egress");
        assert!(error.message.contains(reason), "{error}");
    }
}
