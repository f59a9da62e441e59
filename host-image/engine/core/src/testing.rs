//! What the unit tests share.

use std::path::PathBuf;

/// An empty folder of the test's own, below cargo's scratch folder.
pub fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("wasmcloud-engine-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}
