//! `wasi:webgpu`: the machine's GPU. What implements it is there in builds with the feature `webgpu` alone.

#[cfg(feature = "webgpu")]
mod built;
#[cfg(not(feature = "webgpu"))]
mod left_out;

#[cfg(feature = "webgpu")]
pub use built::{Gpu, Gpus, add_to_linker};
#[cfg(not(feature = "webgpu"))]
pub use left_out::{Gpu, Gpus, add_to_linker};

pub const INTERFACE: &str = "wasi:webgpu/webgpu";

/// Instances of one component that have a GPU at once, at most: each has a connection to its driver, and what the guest allocates there
/// is no part of any limit of memory.
pub const MOST_INSTANCES: usize = 64;
