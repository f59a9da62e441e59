//! `wasi:sockets/ip-name-lookup` of 0.2 and 0.3, with the check of the name that the WASI crate's own lacks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup as p2;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup as p3, types};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::sockets::Reach;
use crate::instance::Guest;

/// What look-ups need of a store.
pub struct LookupView<'a> {
    sockets: WasiSocketsCtxView<'a>,
    reach: &'a Arc<Reach>,
    /// The name that each open stream of addresses was asked for.
    asked: &'a mut HashMap<u32, String>,
}

struct Lookup;

impl HasData for Lookup {
    type Data<'a> = LookupView<'a>;
}

fn view(guest: &mut Guest) -> LookupView<'_> {
    LookupView {
        sockets: WasiSocketsCtxView {
            ctx: guest.wasi.sockets(),
            table: &mut guest.table,
        },
        reach: &guest.reach,
        asked: &mut guest.asked_names,
    }
}

/// Puts the look-ups of 0.2 in the place of the WASI crate's; the linker has to allow that.
pub fn add_0_2(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    p2::add_to_linker::<Guest, Lookup>(linker, view)
}

/// The same for 0.3.
pub fn add_0_3(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    p3::add_to_linker::<Guest, Lookup>(linker, view)
}

impl network::Host for LookupView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.sockets, error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets, error)
    }
}

impl network::HostNetwork for LookupView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets, network)
    }
}

fn as_ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

impl p2::Host for LookupView<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        if !self.reach.lists.allow_lookup(&name) {
            return Err(ErrorCode::PermanentResolverFailure.into());
        }
        let stream = p2::Host::resolve_addresses(&mut self.sockets, network, name.clone())?;
        self.asked.insert(stream.rep(), name);
        Ok(stream)
    }
}

impl p2::HostResolveAddressStream for LookupView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let name = self.asked.get(&stream.rep());
        let next = p2::HostResolveAddressStream::resolve_next_address(&mut self.sockets, stream)?;
        if let (Some(name), Some(address)) = (name, next) {
            self.reach.note_resolved(name, as_ip(address));
        }
        Ok(next)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        p2::HostResolveAddressStream::subscribe(&mut self.sockets, stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.asked.remove(&stream.rep());
        p2::HostResolveAddressStream::drop(&mut self.sockets, stream)
    }
}

impl p3::Host for LookupView<'_> {}

impl<T> p3::HostWithStore<T> for Lookup {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<types::IpAddress>, p3::ErrorCode>> {
        let reach = store.with(|mut access| access.get().reach.clone());
        if !reach.lists.allow_lookup(&name) {
            return Ok(Err(p3::ErrorCode::PermanentResolverFailure));
        }
        let Ok(addresses) = tokio::net::lookup_host((name.as_str(), 0)).await else {
            return Ok(Err(p3::ErrorCode::NameUnresolvable));
        };
        let addresses = addresses.map(|address| address.ip().to_canonical());
        Ok(Ok(addresses
            .inspect(|address| reach.note_resolved(&name, *address))
            .map(Into::into)
            .collect()))
    }
}
