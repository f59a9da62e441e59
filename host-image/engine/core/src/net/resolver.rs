//! `wasi:sockets/ip-name-lookup` of 0.2 and 0.3, with the check of the name that the WASI crate's own lacks.

use std::net::{IpAddr, Ipv4Addr};

use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup as p2;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup as p3, types};

use super::names::{Internal, MACHINE};
use super::sockets::Reach;
use super::view::{Sockets, SocketsView, view};
use crate::instance::Guest;

/// Puts the look-ups of 0.2 in the place of the WASI crate's; the linker has to allow that.
pub fn add_0_2(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    p2::add_to_linker::<Guest, Sockets>(linker, view)
}

/// The same for 0.3.
pub fn add_0_3(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    p3::add_to_linker::<Guest, Sockets>(linker, view)
}

/// What is done about a name.
#[derive(Debug, PartialEq, Eq)]
enum Lookup {
    Denied,
    Unknown,
    Is(Ipv4Addr),
    Ask,
}

fn lookup(reach: &Reach, name: &str) -> Lookup {
    match Internal::of(name) {
        Some(Internal::Own) => Lookup::Is(Ipv4Addr::LOCALHOST),
        Some(Internal::Machine) if !reach.lists.machine_ports.is_empty() => Lookup::Is(MACHINE),
        Some(Internal::Machine | Internal::Nobody) => Lookup::Unknown,
        None if reach.lists.allow_lookup(name) => Lookup::Ask,
        None => {
            let reason = "no entry of allowedIpNameLookups covers it";
            reach.denials.note(&format!("lookup://{name}"), reason);
            Lookup::Denied
        }
    }
}

impl network::Host for SocketsView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.plain, error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.plain, error)
    }
}

impl network::HostNetwork for SocketsView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.plain, network)
    }
}

fn as_ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

impl p2::Host for SocketsView<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        match lookup(self.reach, &name) {
            Lookup::Denied => Err(ErrorCode::PermanentResolverFailure.into()),
            Lookup::Unknown => Err(ErrorCode::NameUnresolvable.into()),
            // The text of an address resolves to itself.
            Lookup::Is(address) => p2::Host::resolve_addresses(&mut self.plain, network, address.to_string()),
            Lookup::Ask => {
                let stream = p2::Host::resolve_addresses(&mut self.plain, network, name.clone())?;
                self.notes.asked.insert(stream.rep(), name);
                Ok(stream)
            }
        }
    }
}

impl p2::HostResolveAddressStream for SocketsView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let name = self.notes.asked.get(&stream.rep());
        let next = p2::HostResolveAddressStream::resolve_next_address(&mut self.plain, stream)?;
        if let (Some(name), Some(address)) = (name, next) {
            self.reach.note_resolved(name, as_ip(address));
        }
        Ok(next)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        p2::HostResolveAddressStream::subscribe(&mut self.plain, stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.notes.asked.remove(&stream.rep());
        p2::HostResolveAddressStream::drop(&mut self.plain, stream)
    }
}

impl p3::Host for SocketsView<'_> {}

impl<T> p3::HostWithStore<T> for Sockets {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<types::IpAddress>, p3::ErrorCode>> {
        let reach = store.with(|mut access| access.get().reach.clone());
        match lookup(&reach, &name) {
            Lookup::Denied => return Ok(Err(p3::ErrorCode::PermanentResolverFailure)),
            Lookup::Unknown => return Ok(Err(p3::ErrorCode::NameUnresolvable)),
            Lookup::Is(address) => return Ok(Ok(vec![IpAddr::V4(address).into()])),
            Lookup::Ask => {}
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
