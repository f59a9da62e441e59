//! `wasi:webgpu`: the machine's GPU, for workloads that ask for it. What implements it is there in builds with the feature
//! `webgpu` alone.

#[cfg(feature = "webgpu")]
mod built;
#[cfg(not(feature = "webgpu"))]
mod left_out;

#[cfg(feature = "webgpu")]
pub use built::{Gpu, Gpus, add_to_linker};
#[cfg(not(feature = "webgpu"))]
pub use left_out::{Gpu, Gpus, add_to_linker};

pub const INTERFACE: &str = "wasi:webgpu/webgpu";
const VERSIONED: &str = "wasi:webgpu/webgpu@0.3.0-rc.2";

/// Instances of one component that have a GPU at once, at most: each has a connection to its driver, and what the guest allocates there
/// is no part of any limit of memory.
pub const MOST_INSTANCES: usize = 64;

/// Why nothing provides `import`, which is this interface in some version; None when something does.
pub fn missing(import: &str, is_declared: bool, is_offered: bool) -> Option<String> {
    let why = match (is_offered, is_declared, import == VERSIONED) {
        (false, ..) => ", which this host does not offer: it runs without --wasi-webgpu".to_owned(),
        (true, false, _) => ", which the workload did not ask for: add it to hostInterfaces".to_owned(),
        (true, true, false) => format!("; this host has {VERSIONED}"),
        (true, true, true) => return None,
    };
    Some(format!("imports {import}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_to_do() {
        let other = "wasi:webgpu/webgpu@0.0.1";
        for (import, is_declared, is_offered, part) in [
            (VERSIONED, true, false, "--wasi-webgpu"),
            (VERSIONED, false, true, "add it to hostInterfaces"),
            (other, true, true, "this host has wasi:webgpu/webgpu@0.3.0-rc.2"),
        ] {
            let text = missing(import, is_declared, is_offered).unwrap();
            assert!(text.contains(part) && text.contains(import), "{text}");
        }
        assert_eq!(missing(VERSIONED, true, true), None);
    }
}
