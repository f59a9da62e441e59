//! The largest engine, in a process of its own: it takes most of the address space.

mod ground;

use ground::{engine, workload};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn as_many_instances_as_the_settings_allow_fit() {
    let ground = engine(json!({"max_instances": 5000}));
    ground.start(&workload("w", "http-p3.wasm", json!({}))).await;
    assert_eq!(ground.get("w.test", "/").await.status, 200);
}
