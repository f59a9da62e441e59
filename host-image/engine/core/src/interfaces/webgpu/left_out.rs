//! A build without WebGPU: nobody can have a GPU.

use wasmtime::component::Linker;

use crate::error::{EngineError, Result};
use crate::instance::Guest;

#[derive(Clone)]
pub enum Gpus {}

pub enum Gpu {}

impl Gpus {
    /// # Errors
    /// `config`, always.
    pub fn open() -> Result<Self> {
        Err(EngineError::config(
            "this host was built without WebGPU: leave --wasi-webgpu out, or build its engine with the feature webgpu",
        ))
    }

    pub fn gpu(&self) -> Gpu {
        match *self {}
    }
}

pub fn add_to_linker(_: &mut Linker<Guest>) -> wasmtime::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_how_to_get_it() {
        let error = Gpus::open().err().unwrap();
        assert!(error.message.contains("built without WebGPU"), "{error}");
    }
}
