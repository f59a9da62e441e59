//! `wasi:config/store`: what the operator resolved out of ConfigMaps, Secrets and the workload itself.

use wasmtime::component::{ComponentType, Linker, Lower};

use crate::instance::Guest;

/// The error of `wasi:config/store`; a map in memory has none.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum ConfigError {
    #[component(name = "upstream")]
    #[expect(dead_code, reason = "part of the interface's type")]
    Upstream(String),
    #[component(name = "io")]
    #[expect(dead_code, reason = "part of the interface's type")]
    Io(String),
}

pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut store = linker.instance("wasi:config/store@0.2.0-rc.1")?;
    store.func_wrap("get", |store, (key,): (String,)| {
        Ok((Ok::<_, ConfigError>(
            store.data().config.config.get(&key).cloned(),
        ),))
    })?;
    store.func_wrap("get-all", |store, (): ()| {
        let all = store.data().config.config.clone().into_iter();
        Ok((Ok::<_, ConfigError>(all.collect::<Vec<(String, String)>>()),))
    })?;
    Ok(())
}
