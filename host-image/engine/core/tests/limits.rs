//! Guests that take too much end alone, and the others don't notice.

mod ground;

use ground::{Ground, engine, eventually, workload};
use serde_json::json;
use tokio::io::AsyncReadExt;

async fn both(more: serde_json::Value) -> Ground {
    let ground = engine(more);
    for name in ["http-p2", "http-p3"] {
        ground
            .start(&workload(
                name,
                &format!("{name}.wasm"),
                json!({"memory_limit_mb": 16}),
            ))
            .await;
    }
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_without_end_is_504_and_others_go_on() {
    let ground = both(json!({"request_timeout_s": 2.0})).await;
    let mut spinning = Vec::new();
    for name in ["http-p2", "http-p2", "http-p3", "http-p3"] {
        let mut client = ground.client().await;
        spinning.push(tokio::spawn(async move {
            client.get(&format!("{name}.test"), "/spin").await
        }));
    }
    ground.alive_becomes(4).await;
    let mut calm = ground.client().await;
    let mut answered = 0;
    while !spinning.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(calm.get("http-p2.test", "/").await.status, 200);
        answered += 1;
    }
    // Were each held up until the loops end, there would be one.
    assert!(
        answered > 10,
        "{answered} requests were answered beside four loops"
    );
    for spin in spinning {
        let answer = spin.await.unwrap();
        assert_eq!(answer.status, 504);
        assert!(
            answer.text().contains("did not answer in time"),
            "{}",
            answer.text()
        );
    }
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_the_limit_is_500_and_the_host_lives() {
    let ground = both(json!({})).await;
    for name in ["http-p2", "http-p3"] {
        let host = format!("{name}.test");
        assert_eq!(ground.get(&host, "/bomb").await.status, 500);
        assert_eq!(ground.get(&host, "/").await.status, 200);
        assert_eq!(ground.status_of(name)["traps_total"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_opens_in_the_host_is_bounded() {
    let ground = engine(json!({}));
    for name in ["http-p2", "http-p3"] {
        let rules = json!({"allowed_hosts": ["*"]});
        ground
            .start(&workload(name, &format!("{name}.wasm"), rules))
            .await;
        let host = format!("{name}.test");
        assert_eq!(
            ground.get(&host, "/hoard?count=2000").await.said(),
            (200, "2000\n".into())
        );
        assert_eq!(ground.get(&host, "/hoard?count=5000").await.status, 500);
        let code = match name {
            "http-p2" => "new-socket-limit",
            _ => "out-of-memory",
        };
        // A guest that ends gives its sockets back.
        for _ in 0..2 {
            ground.alive_becomes(0).await;
            assert_eq!(
                ground.get(&host, "/sockets?count=600").await.text(),
                format!("512 {code}\n")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_is_504_and_its_instance_is_freed() {
    let ground = both(json!({"request_timeout_s": 0.2})).await;
    for name in ["http-p2", "http-p3"] {
        assert_eq!(
            ground
                .get(&format!("{name}.test"), "/sleep?ms=60000")
                .await
                .status,
            504
        );
        assert_eq!(ground.status_of(name)["timeouts_total"], 1);
    }
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_is_503_and_says_when_to_come_again() {
    let ground = both(json!({"max_instances": 2})).await;
    let mut busy = Vec::new();
    for name in ["http-p2", "http-p3"] {
        let mut client = ground.client().await;
        busy.push(tokio::spawn(async move {
            client.get(&format!("{name}.test"), "/sleep?ms=1000").await
        }));
    }
    ground.alive_becomes(2).await;
    let full = ground.get("http-p2.test", "/").await;
    assert_eq!(
        (
            full.status.as_u16(),
            full.headers.get("retry-after").unwrap().to_str().unwrap()
        ),
        (503, "1")
    );
    for request in busy {
        assert_eq!(request.await.unwrap().status, 200);
    }
    assert_eq!(ground.get("http-p2.test", "/").await.status, 200);
    assert_eq!(ground.status_of("http-p2")["rejected_total"], 1);
    assert_eq!(ground.status_of("http-p2")["responses"]["5xx"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_instances_leave_room_for_other_workloads() {
    for wasm in ["http-p2.wasm", "http-p3.wasm"] {
        let ground = engine(json!({"max_instances": 4}));
        for id in ["a", "b", "c", "d"] {
            ground.start(&workload(id, wasm, json!({"pool_size": 1}))).await;
            assert_eq!(ground.get(&format!("{id}.test"), "/").await.status, 200, "{id}");
        }
        ground.alive_becomes(2).await;
        assert_eq!(ground.get("a.test", "/count").await.text(), "2\n", "it is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_workload_never_takes_every_instance() {
    let ground = both(json!({"max_instances": 4})).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = ground.client().await;
        busy.push(tokio::spawn(async move {
            client.get("http-p2.test", "/sleep?ms=1000").await
        }));
    }
    ground.in_flight_becomes("http-p2", 2).await;
    let refused = ground.get("http-p2.test", "/").await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("too many requests in flight"),
        "{}",
        refused.text()
    );
    assert_eq!(ground.status_of("http-p2")["responses"]["5xx"], 1);
    assert_eq!(ground.get("http-p3.test", "/").await.status, 200);
    for request in busy {
        assert_eq!(request.await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_frees_the_instance() {
    let ground = both(json!({})).await;
    let mut client = ground.client().await;
    let request = tokio::spawn(async move { client.get("http-p2.test", "/sleep?ms=60000").await });
    ground.alive_becomes(1).await;
    request.abort();
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_closed_at_once() {
    let ground = both(json!({"max_connections": 2})).await;
    let (mut first, _second) = (ground.client().await, ground.client().await);
    eventually(async || match ground.engine.status()["connections"].as_u64() {
        Some(2) => Ok(()),
        other => Err(other),
    })
    .await;
    let mut third = tokio::net::TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let closed = tokio::time::timeout(ground::DEADLINE, third.read_to_end(&mut bytes))
        .await
        .unwrap();
    assert!(closed.is_err() || bytes.is_empty());
    assert_eq!(first.get("http-p2.test", "/").await.status, 200);
}
