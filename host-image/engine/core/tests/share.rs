//! A workload's share of the processor. A test crate of its own, because what it measures is the whole process.

mod ground;

use std::time::{Duration, Instant};

use ground::{engine, workload};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_processor_is_held() {
    let ground = engine(json!({"request_timeout_s": 2.0}));
    ground
        .start(&workload("w", "http-p2.wasm", json!({"cpu_limit": 10})))
        .await;
    let before = process_cpu();
    let start = Instant::now();
    assert_eq!(ground.get("w.test", "/spin").await.status, 504);
    let used = process_cpu() - before;
    // A tenth of the time, a burst, and what the rest of this process does.
    assert!(
        used < start.elapsed() / 2,
        "a tenth of a core was {used:?} in {:?}",
        start.elapsed()
    );
}

/// What this process used so far, in user mode and in the kernel.
fn process_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
