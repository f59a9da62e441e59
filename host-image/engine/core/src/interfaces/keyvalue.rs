//! `wasi:keyvalue`: the guest's calls, carried to whoever keeps the buckets.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};

use self::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::instance::Guest;

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue.wit",
        world: "host",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": super::OpenBucket },
    });
}

/// What a call came to, when that is known.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>>;

/// Why a call came to nothing, as the interface knows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    NoSuchStore,
    AccessDenied,
    Other(String),
}

/// The buckets of one workload. Dropping what a method returned gives the call up.
pub trait KeyValue: Send + Sync {
    fn open(&self, identifier: String) -> Pending<Arc<dyn Bucket>>;
}

/// A bucket that a guest has open. The methods are those of `wasi:keyvalue/store`, `atomics` and `batch`.
pub trait Bucket: Send + Sync {
    fn get(&self, key: String) -> Pending<Option<Vec<u8>>>;
    fn set(&self, key: String, value: Vec<u8>) -> Pending<()>;
    fn delete(&self, key: String) -> Pending<()>;
    fn exists(&self, key: String) -> Pending<bool>;
    /// A page of keys, and where the next one begins.
    fn list_keys(&self, cursor: Option<u64>) -> Pending<(Vec<String>, Option<u64>)>;
    fn increment(&self, key: String, delta: u64) -> Pending<u64>;
    /// The values in the order of their keys.
    fn get_many(&self, keys: Vec<String>) -> Pending<Vec<Option<Vec<u8>>>>;
    fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Pending<()>;
    fn delete_many(&self, keys: Vec<String>) -> Pending<()>;
}

/// What the guest's handle stands for.
pub struct OpenBucket(Arc<dyn Bucket>);

type Reply<T> = wasmtime::Result<Result<T, store::Error>>;

pub fn add_store_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

pub fn add_atomics_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    atomics::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

pub fn add_batch_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    batch::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl From<Fault> for store::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSuchStore => store::Error::NoSuchStore,
            Fault::AccessDenied => store::Error::AccessDenied,
            Fault::Other(text) => store::Error::Other(text),
        }
    }
}

impl Guest {
    fn bucket(&self, handle: &Resource<OpenBucket>) -> wasmtime::Result<Arc<dyn Bucket>> {
        Ok(self.table.get(handle)?.0.clone())
    }
}

async fn reply<T>(pending: Pending<T>) -> Reply<T> {
    Ok(pending.await.map_err(store::Error::from))
}

impl store::Host for Guest {
    async fn open(&mut self, identifier: String) -> Reply<Resource<OpenBucket>> {
        // Linked only where there is one.
        let Some(keyvalue) = self.providers.keyvalue.clone() else {
            return Ok(Err(store::Error::AccessDenied));
        };
        match keyvalue.open(identifier).await {
            Ok(bucket) => Ok(Ok(self.table.push(OpenBucket(bucket))?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }
}

impl store::HostBucket for Guest {
    async fn get(&mut self, bucket: Resource<OpenBucket>, key: String) -> Reply<Option<Vec<u8>>> {
        reply(self.bucket(&bucket)?.get(key)).await
    }

    async fn set(&mut self, bucket: Resource<OpenBucket>, key: String, value: Vec<u8>) -> Reply<()> {
        reply(self.bucket(&bucket)?.set(key, value)).await
    }

    async fn delete(&mut self, bucket: Resource<OpenBucket>, key: String) -> Reply<()> {
        reply(self.bucket(&bucket)?.delete(key)).await
    }

    async fn exists(&mut self, bucket: Resource<OpenBucket>, key: String) -> Reply<bool> {
        reply(self.bucket(&bucket)?.exists(key)).await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<OpenBucket>,
        cursor: Option<u64>,
    ) -> Reply<store::KeyResponse> {
        let page = reply(self.bucket(&bucket)?.list_keys(cursor)).await?;
        Ok(page.map(|(keys, cursor)| store::KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Guest {
    async fn increment(&mut self, bucket: Resource<OpenBucket>, key: String, delta: u64) -> Reply<u64> {
        reply(self.bucket(&bucket)?.increment(key, delta)).await
    }
}

impl batch::Host for Guest {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        keys: Vec<String>,
    ) -> Reply<Vec<Option<(String, Vec<u8>)>>> {
        let values = reply(self.bucket(&bucket)?.get_many(keys.clone())).await?;
        let pair = |(key, value): (String, Option<Vec<u8>>)| value.map(|value| (key, value));
        Ok(values.map(|values| keys.into_iter().zip(values).map(pair).collect()))
    }

    async fn set_many(&mut self, bucket: Resource<OpenBucket>, pairs: Vec<(String, Vec<u8>)>) -> Reply<()> {
        reply(self.bucket(&bucket)?.set_many(pairs)).await
    }

    async fn delete_many(&mut self, bucket: Resource<OpenBucket>, keys: Vec<String>) -> Reply<()> {
        reply(self.bucket(&bucket)?.delete_many(keys)).await
    }
}
