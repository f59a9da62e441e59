//! A workload's share of the processor. A test crate of its own, because what it measures is the whole process.

mod ground;

use std::time::{Duration, Instant};

use ground::{engine, guest, workload};
use serde_json::json;

/// A tenth of one core.
const SHARE: u32 = 10;

// One test, because both parts of it measure this process.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_processor_is_held() {
    let ground = engine(json!({"request_timeout_s": 2.0}));
    ground
        .start(&workload("w", "http-p2.wasm", json!({"cpu_limit": SHARE})))
        .await;
    let (before, start) = (process_cpu(), Instant::now());
    assert_eq!(ground.get("w.test", "/spin").await.status, 504);
    assert_held("a request", before, start);

    let service = json!({
        "name": "service", "path": guest("service.wasm"), "environment": {"MODE": "spin"}, "cpu_limit": SHARE,
    });
    let mut alone = workload("alone", "http-p2.wasm", json!({}));
    (alone["components"], alone["hosts"]) = (json!([]), json!([]));
    alone["service"] = json!({"component": service, "max_restarts": 0});
    ground.start(&alone).await;
    let (before, start) = (process_cpu(), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_held("a service", before, start);
}

/// The share, a burst, and what the rest of this process does.
fn assert_held(who: &str, before: Duration, start: Instant) {
    let (used, elapsed) = (process_cpu() - before, start.elapsed());
    assert!(
        used < elapsed / 2,
        "{SHARE} % of a core was {used:?} in {elapsed:?} for {who}"
    );
}

/// What this process used so far, in user mode and in the kernel.
fn process_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
