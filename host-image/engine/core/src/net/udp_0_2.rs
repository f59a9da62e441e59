//! `wasi:sockets/udp` of 0.2: the WASI crate's, with its open sockets counted.

use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::IpAddressFamily;
use wasmtime_wasi::p2::bindings::sockets::udp::HostUdpSocket;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::{self, Host};
use wasmtime_wasi::p2::{SocketError, UdpSocket};

use super::view::{Sockets, SocketsView, view};
use crate::instance::Guest;

/// The interface under the version that the WASI crate has it in.
const UDP: &str = "wasi:sockets/udp@0.2.12";

/// Puts this in the place of the WASI crate's; the linker has to allow that.
pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    udp_create_socket::add_to_linker::<Guest, Sockets>(linker, view)?;
    let socket = ResourceType::host::<UdpSocket>();
    linker
        .instance(UDP)?
        .resource("udp-socket", socket, |mut store, rep| {
            let mut view = view(store.data_mut());
            view.note_dropped(rep);
            HostUdpSocket::drop(&mut view.plain, Resource::new_own(rep))
        })
}

impl Host for SocketsView<'_> {
    async fn create_udp_socket(
        &mut self,
        address_family: IpAddressFamily,
    ) -> Result<Resource<UdpSocket>, SocketError> {
        let room = self.room_for_socket()?;
        let socket = Host::create_udp_socket(&mut self.plain, address_family).await?;
        self.note_open(socket.rep(), room);
        Ok(socket)
    }
}
