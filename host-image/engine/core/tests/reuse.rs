//! Instances of WASI 0.3 that serve several requests at once.

mod ground;

use std::time::Duration;

use ground::{Answer, Ground, engine, eventually, workload};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

async fn pooled(settings: serde_json::Value, more: serde_json::Value) -> Ground {
    let ground = engine(settings);
    let mut component = json!({"pool_size": 1});
    component
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    ground.start(&workload("w", "http-p3.wasm", component)).await;
    ground
}

/// Requests on connections of their own, all in flight when this returns.
async fn in_flight(ground: &Ground, path: &str, count: usize) -> Vec<JoinHandle<Answer>> {
    let before = ground.status_of("w")["in_flight"].as_u64().unwrap();
    let mut requests = Vec::new();
    for _ in 0..count {
        let mut client = ground.client().await;
        let path = path.to_owned();
        requests.push(tokio::spawn(async move { client.get("w.test", &path).await }));
    }
    eventually(async || match ground.status_of("w")["in_flight"].as_u64() {
        Some(now) if now == before + count as u64 => Ok(()),
        other => Err(other),
    })
    .await;
    requests
}

async fn all_are(requests: Vec<JoinHandle<Answer>>, status: u16) {
    for request in requests {
        assert_eq!(request.await.unwrap().status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_an_instance_up_to_max_concurrency() {
    for (most, instances) in [(1, 8), (3, 3), (8, 1), (0, 1)] {
        let ground = pooled(json!({}), json!({"max_concurrency": most})).await;
        let requests = in_flight(&ground, "/sleep?ms=2500", 8).await;
        ground.alive_becomes(instances).await;
        all_are(requests, 200).await;
        // Those beyond the pool's size end; the one that stays is the one that counts on.
        ground.alive_becomes(1).await;
        // A place is free a moment after its answer; an instance that stands in until then says 1, and goes.
        let count = eventually(async || {
            let text = ground.get("w.test", "/count").await.text();
            match text.trim().parse::<u32>().unwrap() {
                1 => Err(text),
                count => Ok(count),
            }
        })
        .await;
        let most_served = if most == 0 { 8 } else { most.min(8) };
        assert!((2..=most_served + 1).contains(&count), "{count} with {most}");
        ground.alive_becomes(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_ends_every_request_of_its_instance_and_the_next_is_fresh() {
    let ground = pooled(json!({}), json!({})).await;
    let requests = in_flight(&ground, "/sleep?ms=60000", 3).await;
    assert_eq!(ground.get("w.test", "/trap").await.status, 500);
    all_are(requests, 500).await;
    ground.alive_becomes(0).await;
    assert_eq!(ground.get("w.test", "/count").await.text(), "1\n");
    assert_eq!(ground.status_of("w")["traps_total"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_breaks_off_the_bodies_of_its_instance() {
    let ground = pooled(json!({}), json!({})).await;
    let mut stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: w.test\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("part") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
    }
    assert_eq!(ground.get("w.test", "/trap").await.status, 500);
    let ended = tokio::time::timeout(ground::DEADLINE, stream.read_to_end(&mut seen)).await;
    assert!(ended.is_ok(), "the connection is closed");
    let text = String::from_utf8_lossy(&seen);
    assert!(
        !text.contains("\r\n0\r\n"),
        "a body that was cut has no end: {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_its_time_does_not_hurt_its_neighbours() {
    let ground = pooled(json!({"request_timeout_s": 10.0}), json!({})).await;
    let late = in_flight(&ground, "/sleep?ms=60000", 1).await;
    // It waits until the other's time is nearly over, so that it outlives it in the same instance.
    assert_eq!(ground.get("w.test", "/sleep?ms=5000").await.status, 200);
    // An answer is there a moment before it is counted as given.
    ground.in_flight_becomes("w", 1).await;
    let neighbour = in_flight(&ground, "/sleep?ms=7000", 1).await;
    all_are(late, 504).await;
    assert_eq!(ground.engine.status()["instances"]["alive"], 1);
    // No request goes where one got stuck.
    assert_eq!(ground.get("w.test", "/count").await.text(), "1\n");
    all_are(neighbour, 200).await;
    assert_eq!(ground.status_of("w")["timeouts_total"], 1);
    ground.alive_becomes(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_round_an_instance_that_computes() {
    let ground = pooled(json!({"request_timeout_s": 3.0}), json!({})).await;
    let spinning = in_flight(&ground, "/spin", 1).await;
    let mut answered = 0;
    while !spinning[0].is_finished() {
        assert_eq!(ground.get("w.test", "/").await.status, 200);
        answered += 1;
    }
    assert!(answered > 3, "{answered} requests were answered beside a loop");
    all_are(spinning, 504).await;
    ground.alive_becomes(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn max_invocations_counts_requests_that_overlap() {
    let ground = pooled(json!({}), json!({"max_invocations": 4})).await;
    let requests = in_flight(&ground, "/sleep?ms=2000", 6).await;
    ground.alive_becomes(2).await;
    all_are(requests, 200).await;
    // The first is used up; the second has had two.
    ground.alive_becomes(1).await;
    for count in ["3\n", "4\n", "1\n"] {
        assert_eq!(ground.get("w.test", "/count").await.text(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_retires_the_instance_when_the_others_are_done() {
    let ground = pooled(json!({}), json!({})).await;
    let gone = in_flight(&ground, "/sleep?ms=60000", 1).await;
    let other = in_flight(&ground, "/sleep?ms=2000", 1).await;
    gone[0].abort();
    all_are(other, 200).await;
    ground.alive_becomes(0).await;
    assert_eq!(ground.get("w.test", "/count").await.text(), "1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_after_a_response_ends_in_time_under_steady_traffic() {
    let ground = pooled(json!({"request_timeout_s": 3.0}), json!({})).await;
    assert_eq!(ground.get("w.test", "/linger?ms=60000").await.status, 200);
    let next = ground.get("w.test", "/count").await.text();
    assert_eq!(next, "2\n", "the guest that lingers takes others");
    // One that stands in for a moment would answer 1, and never 2.
    let mut last = next;
    eventually(async || {
        let count = ground.get("w.test", "/count").await.text();
        let seen = (std::mem::replace(&mut last, count.clone()), count);
        match (seen.0.as_str(), seen.1.as_str()) {
            ("1\n", "2\n") => Ok(()),
            _ => Err(seen),
        }
    })
    .await;
    ground.alive_becomes(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_the_limit_is_the_whole_instance() {
    let ground = pooled(json!({}), json!({"memory_limit_mb": 16})).await;
    let neighbour = in_flight(&ground, "/sleep?ms=60000", 1).await;
    assert_eq!(ground.get("w.test", "/bomb").await.status, 500);
    all_are(neighbour, 500).await;
    assert_eq!(ground.get("w.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_kept_after_work_among_the_heavy_threads() {
    let ground = pooled(json!({}), json!({"cpu_limit": 0})).await;
    let big = ground.get("w.test", "/big?bytes=50000000").await;
    assert_eq!(big.body.unwrap().len(), 50_000_000);
    eventually(async || match ground.status_of("w")["idle_instances"].as_u64() {
        Some(1) => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(ground.get("w.test", "/count").await.text(), "2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_shutdown_let_shared_requests_end() {
    let ground = pooled(json!({}), json!({})).await;
    let requests = in_flight(&ground, "/sleep?ms=1500", 4).await;
    assert!(ground.engine.stop_workload("w").await);
    all_are(requests, 200).await;
    ground.alive_becomes(0).await;
    let ground = pooled(json!({}), json!({})).await;
    let requests = in_flight(&ground, "/sleep?ms=1500", 4).await;
    ground.engine.shutdown(Duration::from_secs(30)).await;
    all_are(requests, 200).await;
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_refuses_only_what_no_warm_instance_takes() {
    let ground = pooled(
        json!({"max_instances": 6}),
        json!({"pool_size": 4, "max_concurrency": 2}),
    )
    .await;
    ground.start(&workload("other", "http-p2.wasm", json!({}))).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut client = ground.client().await;
        others.push(tokio::spawn(async move {
            client.get("other.test", "/sleep?ms=4000").await
        }));
    }
    ground.alive_becomes(3).await;
    let requests = in_flight(&ground, "/sleep?ms=1500", 3).await;
    all_are(requests, 200).await;
    all_are(others, 200).await;
}
