//! Counters of a workload.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

/// Upper bounds of the latency histogram, in milliseconds.
const BUCKETS_MS: [u64; 8] = [1, 5, 10, 50, 100, 500, 1000, 5000];

/// What is counted about one workload.
#[derive(Default)]
pub struct Stats {
    pub traps: AtomicU64,
    pub timeouts: AtomicU64,
    pub rejected: AtomicU64,
    /// By the first digit of the status, 1 to 5.
    responses: [AtomicU64; 5],
    /// The last one is for what is slower than every bound.
    latencies: [AtomicU64; BUCKETS_MS.len() + 1],
    latency_us: AtomicU64,
}

impl Stats {
    /// Counts a response whose head took `latency`.
    pub fn note_response(&self, status: StatusCode, latency: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.responses[class].fetch_add(1, Relaxed);
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_MS
            .iter()
            .position(|ms| us <= ms * 1000)
            .unwrap_or(BUCKETS_MS.len());
        self.latencies[bucket].fetch_add(1, Relaxed);
        self.latency_us.fetch_add(us, Relaxed);
    }

    /// The counters as `status` shows them.
    pub fn to_json(&self) -> Value {
        let responses: Vec<u64> = self.responses.iter().map(|n| n.load(Relaxed)).collect();
        let mut latency = BTreeMap::new();
        let mut so_far = 0;
        for (i, count) in self.latencies.iter().enumerate() {
            so_far += count.load(Relaxed);
            let name = BUCKETS_MS
                .get(i)
                .map_or("le_inf".to_owned(), |ms| format!("le_{ms}"));
            latency.insert(name, json!(so_far));
        }
        latency.insert(
            "sum_ms".into(),
            json!(self.latency_us.load(Relaxed) as f64 / 1000.0),
        );
        json!({
            "requests_total": responses.iter().sum::<u64>(),
            "responses": {"1xx": responses[0], "2xx": responses[1], "3xx": responses[2], "4xx": responses[3], "5xx": responses[4]},
            "traps_total": self.traps.load(Relaxed),
            "timeouts_total": self.timeouts.load(Relaxed),
            "rejected_total": self.rejected.load(Relaxed),
            "latency_ms": latency,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let stats = Stats::default();
        stats.note_response(StatusCode::OK, Duration::from_micros(500));
        stats.note_response(StatusCode::NOT_FOUND, Duration::from_millis(7));
        stats.note_response(StatusCode::BAD_GATEWAY, Duration::from_secs(9));
        let shown = stats.to_json();
        assert_eq!(shown["requests_total"], 3);
        assert_eq!(shown["responses"]["2xx"], 1);
        assert_eq!(shown["responses"]["5xx"], 1);
        let latency = &shown["latency_ms"];
        assert_eq!(
            (&latency["le_1"], &latency["le_5"], &latency["le_10"]),
            (&json!(1), &json!(1), &json!(2))
        );
        assert_eq!((&latency["le_5000"], &latency["le_inf"]), (&json!(2), &json!(3)));
        assert_eq!(latency["sum_ms"], 9007.5);
    }
}
