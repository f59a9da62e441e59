//! `wasi:sockets/types` of 0.3 with the workload's own loopback: addresses of TCP are translated, everything else is the
//! WASI crate's.

use std::net::SocketAddr;

use wasmtime::AsContextMut;
use wasmtime::component::{Access, Accessor, FutureReader, Linker, Resource, StreamReader};
use wasmtime_wasi::p3::bindings::sockets::types::{
    self, Duration, ErrorCode, Host, HostTcpSocket, HostTcpSocketWithStore, HostUdpSocket,
    HostUdpSocketWithStore, IpAddressFamily, IpSocketAddress, TcpSocket, UdpSocket,
};
use wasmtime_wasi::p3::sockets::{SocketError, SocketResult};
use wasmtime_wasi::sockets::WasiSockets;

use super::loopback::caller_of;
use super::sockets::{Refusal, Target};
use super::view::{Sockets, SocketsView, again, at_once, plain_view, view};
use crate::instance::Guest;

type Tcp = Resource<TcpSocket>;
type Udp = Resource<UdpSocket>;
type Ended = FutureReader<Result<(), ErrorCode>>;

/// Puts this in the place of the WASI crate's; the linker has to allow that.
pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    types::add_to_linker::<Guest, Sockets>(linker, view)
}

impl From<Refusal> for SocketError {
    fn from(refusal: Refusal) -> Self {
        Self::from(match refusal {
            Refusal::Denied => ErrorCode::AccessDenied,
            Refusal::Taken => ErrorCode::AddressInUse,
            Refusal::NobodyThere => ErrorCode::ConnectionRefused,
            Refusal::TooMany => ErrorCode::OutOfMemory,
        })
    }
}

impl SocketsView<'_> {
    /// Tells a listener of the workload who is about to connect. The socket gets a place of the loopback for that, unless
    /// the guest has bound it before.
    fn announce_0_3(&mut self, socket: &Tcp, listener: SocketAddr) -> SocketResult<()> {
        let plain = &mut self.plain;
        if HostTcpSocket::get_local_address(plain, again(socket)).is_err() {
            let place = self.reach.loopback.place_of(listener).into();
            let bind = HostTcpSocket::bind(plain, again(socket), place);
            at_once(bind).ok_or(ErrorCode::InvalidState)??;
        }
        let local = HostTcpSocket::get_local_address(plain, again(socket))?.into();
        self.reach.loopback.announce(caller_of(local));
        Ok(())
    }
}

impl Host for SocketsView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl HostTcpSocketWithStore<Guest> for Sockets {
    async fn connect(
        store: &Accessor<Guest, Self>,
        socket: Tcp,
        remote_address: IpSocketAddress,
    ) -> SocketResult<()> {
        let real = store.with(|mut access| {
            let mut view = access.get();
            match view.reach.target(remote_address.into())? {
                Target::Within(listener) => {
                    view.announce_0_3(&socket, listener)?;
                    Ok::<_, SocketError>(listener)
                }
                Target::Outside(real) => Ok(real),
            }
        })?;
        let store = store.with_getter::<WasiSockets>(plain_view);
        WasiSockets::connect(&store, socket, real.into()).await
    }

    async fn listen(
        mut store: Access<'_, Guest, Self>,
        socket: Tcp,
    ) -> SocketResult<StreamReader<Resource<TcpSocket>>> {
        let store = Access::<_, WasiSockets>::new(store.as_context_mut(), plain_view);
        WasiSockets::listen(store, socket).await
    }

    fn send(
        mut store: Access<'_, Guest, Self>,
        socket: Tcp,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<Ended> {
        let store = Access::<_, WasiSockets>::new(store.as_context_mut(), plain_view);
        <WasiSockets as HostTcpSocketWithStore<Guest>>::send(store, socket, data)
    }

    fn receive(
        mut store: Access<'_, Guest, Self>,
        socket: Tcp,
    ) -> wasmtime::Result<(StreamReader<u8>, Ended)> {
        let store = Access::<_, WasiSockets>::new(store.as_context_mut(), plain_view);
        <WasiSockets as HostTcpSocketWithStore<Guest>>::receive(store, socket)
    }
}

impl HostTcpSocket for SocketsView<'_> {
    async fn bind(&mut self, socket: Tcp, local_address: IpSocketAddress) -> SocketResult<()> {
        let asked = SocketAddr::from(local_address);
        let Some(place) = self.reach.place_to_bind(asked)? else {
            return HostTcpSocket::bind(&mut self.plain, socket, local_address).await;
        };
        HostTcpSocket::bind(&mut self.plain, again(&socket), place.into()).await?;
        let real = HostTcpSocket::get_local_address(&mut self.plain, again(&socket))?;
        self.note_bound(socket.rep(), asked, real.into());
        Ok(())
    }

    fn create(&mut self, address_family: IpAddressFamily) -> SocketResult<Tcp> {
        let room = self.room_for_socket()?;
        let socket = HostTcpSocket::create(&mut self.plain, address_family)?;
        self.note_open(socket.rep(), room);
        Ok(socket)
    }

    fn get_local_address(&mut self, socket: Tcp) -> SocketResult<IpSocketAddress> {
        let real = HostTcpSocket::get_local_address(&mut self.plain, socket)?;
        Ok(self.reach.shown_local(real.into()).into())
    }

    fn get_remote_address(&mut self, socket: Tcp) -> SocketResult<IpSocketAddress> {
        let real = HostTcpSocket::get_remote_address(&mut self.plain, socket)?;
        Ok(self.reach.shown_remote(real.into()).into())
    }

    fn get_is_listening(&mut self, socket: Tcp) -> wasmtime::Result<bool> {
        HostTcpSocket::get_is_listening(&mut self.plain, socket)
    }

    fn get_address_family(&mut self, socket: Tcp) -> wasmtime::Result<IpAddressFamily> {
        HostTcpSocket::get_address_family(&mut self.plain, socket)
    }

    fn set_listen_backlog_size(&mut self, socket: Tcp, value: u64) -> SocketResult<()> {
        HostTcpSocket::set_listen_backlog_size(&mut self.plain, socket, value)
    }

    fn get_keep_alive_enabled(&mut self, socket: Tcp) -> SocketResult<bool> {
        HostTcpSocket::get_keep_alive_enabled(&mut self.plain, socket)
    }

    fn set_keep_alive_enabled(&mut self, socket: Tcp, value: bool) -> SocketResult<()> {
        HostTcpSocket::set_keep_alive_enabled(&mut self.plain, socket, value)
    }

    fn get_keep_alive_idle_time(&mut self, socket: Tcp) -> SocketResult<Duration> {
        HostTcpSocket::get_keep_alive_idle_time(&mut self.plain, socket)
    }

    fn set_keep_alive_idle_time(&mut self, socket: Tcp, value: Duration) -> SocketResult<()> {
        HostTcpSocket::set_keep_alive_idle_time(&mut self.plain, socket, value)
    }

    fn get_keep_alive_interval(&mut self, socket: Tcp) -> SocketResult<Duration> {
        HostTcpSocket::get_keep_alive_interval(&mut self.plain, socket)
    }

    fn set_keep_alive_interval(&mut self, socket: Tcp, value: Duration) -> SocketResult<()> {
        HostTcpSocket::set_keep_alive_interval(&mut self.plain, socket, value)
    }

    fn get_keep_alive_count(&mut self, socket: Tcp) -> SocketResult<u32> {
        HostTcpSocket::get_keep_alive_count(&mut self.plain, socket)
    }

    fn set_keep_alive_count(&mut self, socket: Tcp, value: u32) -> SocketResult<()> {
        HostTcpSocket::set_keep_alive_count(&mut self.plain, socket, value)
    }

    fn get_hop_limit(&mut self, socket: Tcp) -> SocketResult<u8> {
        HostTcpSocket::get_hop_limit(&mut self.plain, socket)
    }

    fn set_hop_limit(&mut self, socket: Tcp, value: u8) -> SocketResult<()> {
        HostTcpSocket::set_hop_limit(&mut self.plain, socket, value)
    }

    fn get_receive_buffer_size(&mut self, socket: Tcp) -> SocketResult<u64> {
        HostTcpSocket::get_receive_buffer_size(&mut self.plain, socket)
    }

    fn set_receive_buffer_size(&mut self, socket: Tcp, value: u64) -> SocketResult<()> {
        HostTcpSocket::set_receive_buffer_size(&mut self.plain, socket, value)
    }

    fn get_send_buffer_size(&mut self, socket: Tcp) -> SocketResult<u64> {
        HostTcpSocket::get_send_buffer_size(&mut self.plain, socket)
    }

    fn set_send_buffer_size(&mut self, socket: Tcp, value: u64) -> SocketResult<()> {
        HostTcpSocket::set_send_buffer_size(&mut self.plain, socket, value)
    }

    fn drop(&mut self, socket: Tcp) -> wasmtime::Result<()> {
        self.note_dropped(socket.rep());
        HostTcpSocket::drop(&mut self.plain, socket)
    }
}

impl HostUdpSocketWithStore<Guest> for Sockets {
    async fn send(
        store: &Accessor<Guest, Self>,
        socket: Udp,
        data: Vec<u8>,
        remote_address: Option<IpSocketAddress>,
    ) -> SocketResult<()> {
        let store = store.with_getter::<WasiSockets>(plain_view);
        <WasiSockets as HostUdpSocketWithStore<Guest>>::send(&store, socket, data, remote_address).await
    }

    async fn receive(store: &Accessor<Guest, Self>, socket: Udp) -> SocketResult<(Vec<u8>, IpSocketAddress)> {
        let store = store.with_getter::<WasiSockets>(plain_view);
        <WasiSockets as HostUdpSocketWithStore<Guest>>::receive(&store, socket).await
    }
}

impl HostUdpSocket for SocketsView<'_> {
    async fn bind(&mut self, socket: Udp, local_address: IpSocketAddress) -> SocketResult<()> {
        HostUdpSocket::bind(&mut self.plain, socket, local_address).await
    }

    async fn connect(&mut self, socket: Udp, remote_address: IpSocketAddress) -> SocketResult<()> {
        HostUdpSocket::connect(&mut self.plain, socket, remote_address).await
    }

    async fn create(&mut self, address_family: IpAddressFamily) -> SocketResult<Udp> {
        let room = self.room_for_socket()?;
        let socket = HostUdpSocket::create(&mut self.plain, address_family).await?;
        self.note_open(socket.rep(), room);
        Ok(socket)
    }

    fn disconnect(&mut self, socket: Udp) -> SocketResult<()> {
        HostUdpSocket::disconnect(&mut self.plain, socket)
    }

    fn get_local_address(&mut self, socket: Udp) -> SocketResult<IpSocketAddress> {
        HostUdpSocket::get_local_address(&mut self.plain, socket)
    }

    fn get_remote_address(&mut self, socket: Udp) -> SocketResult<IpSocketAddress> {
        HostUdpSocket::get_remote_address(&mut self.plain, socket)
    }

    fn get_address_family(&mut self, socket: Udp) -> wasmtime::Result<IpAddressFamily> {
        HostUdpSocket::get_address_family(&mut self.plain, socket)
    }

    fn get_unicast_hop_limit(&mut self, socket: Udp) -> SocketResult<u8> {
        HostUdpSocket::get_unicast_hop_limit(&mut self.plain, socket)
    }

    fn set_unicast_hop_limit(&mut self, socket: Udp, value: u8) -> SocketResult<()> {
        HostUdpSocket::set_unicast_hop_limit(&mut self.plain, socket, value)
    }

    fn get_receive_buffer_size(&mut self, socket: Udp) -> SocketResult<u64> {
        HostUdpSocket::get_receive_buffer_size(&mut self.plain, socket)
    }

    fn set_receive_buffer_size(&mut self, socket: Udp, value: u64) -> SocketResult<()> {
        HostUdpSocket::set_receive_buffer_size(&mut self.plain, socket, value)
    }

    fn get_send_buffer_size(&mut self, socket: Udp) -> SocketResult<u64> {
        HostUdpSocket::get_send_buffer_size(&mut self.plain, socket)
    }

    fn set_send_buffer_size(&mut self, socket: Udp, value: u64) -> SocketResult<()> {
        HostUdpSocket::set_send_buffer_size(&mut self.plain, socket, value)
    }

    fn drop(&mut self, socket: Udp) -> wasmtime::Result<()> {
        self.note_dropped(socket.rep());
        HostUdpSocket::drop(&mut self.plain, socket)
    }
}
