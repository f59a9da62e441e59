//! `wasi:sockets/tcp` of 0.2 with the workload's own loopback: addresses are translated, everything else is the WASI
//! crate's.

use std::net::SocketAddr;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, HostTcpSocket, ShutdownType};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::{self, Host as CreateHost};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, SocketError, TcpSocket};

use super::loopback::caller_of;
use super::sockets::{Refusal, Target};
use super::view::{Sockets, SocketsView, again, at_once, view};
use crate::instance::Guest;

type Socket = Resource<TcpSocket>;
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

/// Puts this in the place of the WASI crate's; the linker has to allow that.
pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    tcp_create_socket::add_to_linker::<Guest, Sockets>(linker, view)?;
    tcp::add_to_linker::<Guest, Sockets>(linker, view)
}

impl From<Refusal> for SocketError {
    fn from(refusal: Refusal) -> Self {
        Self::from(match refusal {
            Refusal::Denied => ErrorCode::AccessDenied,
            Refusal::Taken => ErrorCode::AddressInUse,
            Refusal::NobodyThere => ErrorCode::ConnectionRefused,
            Refusal::TooMany => ErrorCode::NewSocketLimit,
        })
    }
}

impl SocketsView<'_> {
    /// Tells a listener of the workload who is about to connect. The socket gets a place of the loopback for that, unless
    /// the guest has bound it before.
    fn announce(
        &mut self,
        socket: &Socket,
        network: &Resource<Network>,
        listener: SocketAddr,
    ) -> Result<(), SocketError> {
        let plain = &mut self.plain;
        if HostTcpSocket::local_address(plain, again(socket)).is_err() {
            let place = self.reach.loopback.place_of(listener).into();
            let bind = HostTcpSocket::start_bind(plain, again(socket), again(network), place);
            at_once(bind).ok_or(ErrorCode::WouldBlock)??;
            HostTcpSocket::finish_bind(plain, again(socket))?;
        }
        let local = HostTcpSocket::local_address(plain, again(socket))?.into();
        self.reach.loopback.announce(caller_of(local));
        Ok(())
    }
}

impl CreateHost for SocketsView<'_> {
    fn create_tcp_socket(&mut self, address_family: IpAddressFamily) -> Result<Socket, SocketError> {
        let room = self.room_for_socket()?;
        let socket = CreateHost::create_tcp_socket(&mut self.plain, address_family)?;
        self.note_open(socket.rep(), room);
        Ok(socket)
    }
}

impl tcp::Host for SocketsView<'_> {}

impl HostTcpSocket for SocketsView<'_> {
    async fn start_bind(
        &mut self,
        this: Socket,
        network: Resource<Network>,
        local_address: IpSocketAddress,
    ) -> Result<(), SocketError> {
        let asked = SocketAddr::from(local_address);
        let Some(place) = self.reach.place_to_bind(asked)? else {
            return HostTcpSocket::start_bind(&mut self.plain, this, network, local_address).await;
        };
        HostTcpSocket::start_bind(&mut self.plain, again(&this), network, place.into()).await?;
        let real = HostTcpSocket::local_address(&mut self.plain, again(&this))?;
        self.note_bound(this.rep(), asked, real.into());
        Ok(())
    }

    fn finish_bind(&mut self, this: Socket) -> Result<(), SocketError> {
        HostTcpSocket::finish_bind(&mut self.plain, this)
    }

    fn start_connect(
        &mut self,
        this: Socket,
        network: Resource<Network>,
        remote_address: IpSocketAddress,
    ) -> Result<(), SocketError> {
        let real = match self.reach.target(remote_address.into())? {
            Target::Within(listener) => {
                self.announce(&this, &network, listener)?;
                listener
            }
            Target::Outside(real) => real,
        };
        HostTcpSocket::start_connect(&mut self.plain, this, network, real.into())
    }

    fn finish_connect(&mut self, this: Socket) -> Result<Streams, SocketError> {
        HostTcpSocket::finish_connect(&mut self.plain, this)
    }

    async fn start_listen(&mut self, this: Socket) -> Result<(), SocketError> {
        HostTcpSocket::start_listen(&mut self.plain, this).await
    }

    fn finish_listen(&mut self, this: Socket) -> Result<(), SocketError> {
        HostTcpSocket::finish_listen(&mut self.plain, this)
    }

    fn accept(
        &mut self,
        this: Socket,
    ) -> Result<(Socket, Resource<DynInputStream>, Resource<DynOutputStream>), SocketError> {
        HostTcpSocket::accept(&mut self.plain, this)
    }

    fn local_address(&mut self, this: Socket) -> Result<IpSocketAddress, SocketError> {
        let real = HostTcpSocket::local_address(&mut self.plain, this)?;
        Ok(self.reach.shown_local(real.into()).into())
    }

    fn remote_address(&mut self, this: Socket) -> Result<IpSocketAddress, SocketError> {
        let real = HostTcpSocket::remote_address(&mut self.plain, this)?;
        Ok(self.reach.shown_remote(real.into()).into())
    }

    fn is_listening(&mut self, this: Socket) -> wasmtime::Result<bool> {
        HostTcpSocket::is_listening(&mut self.plain, this)
    }

    fn address_family(&mut self, this: Socket) -> wasmtime::Result<IpAddressFamily> {
        HostTcpSocket::address_family(&mut self.plain, this)
    }

    fn set_listen_backlog_size(&mut self, this: Socket, value: u64) -> Result<(), SocketError> {
        HostTcpSocket::set_listen_backlog_size(&mut self.plain, this, value)
    }

    fn keep_alive_enabled(&mut self, this: Socket) -> Result<bool, SocketError> {
        HostTcpSocket::keep_alive_enabled(&mut self.plain, this)
    }

    fn set_keep_alive_enabled(&mut self, this: Socket, value: bool) -> Result<(), SocketError> {
        HostTcpSocket::set_keep_alive_enabled(&mut self.plain, this, value)
    }

    fn keep_alive_idle_time(&mut self, this: Socket) -> Result<u64, SocketError> {
        HostTcpSocket::keep_alive_idle_time(&mut self.plain, this)
    }

    fn set_keep_alive_idle_time(&mut self, this: Socket, value: u64) -> Result<(), SocketError> {
        HostTcpSocket::set_keep_alive_idle_time(&mut self.plain, this, value)
    }

    fn keep_alive_interval(&mut self, this: Socket) -> Result<u64, SocketError> {
        HostTcpSocket::keep_alive_interval(&mut self.plain, this)
    }

    fn set_keep_alive_interval(&mut self, this: Socket, value: u64) -> Result<(), SocketError> {
        HostTcpSocket::set_keep_alive_interval(&mut self.plain, this, value)
    }

    fn keep_alive_count(&mut self, this: Socket) -> Result<u32, SocketError> {
        HostTcpSocket::keep_alive_count(&mut self.plain, this)
    }

    fn set_keep_alive_count(&mut self, this: Socket, value: u32) -> Result<(), SocketError> {
        HostTcpSocket::set_keep_alive_count(&mut self.plain, this, value)
    }

    fn hop_limit(&mut self, this: Socket) -> Result<u8, SocketError> {
        HostTcpSocket::hop_limit(&mut self.plain, this)
    }

    fn set_hop_limit(&mut self, this: Socket, value: u8) -> Result<(), SocketError> {
        HostTcpSocket::set_hop_limit(&mut self.plain, this, value)
    }

    fn receive_buffer_size(&mut self, this: Socket) -> Result<u64, SocketError> {
        HostTcpSocket::receive_buffer_size(&mut self.plain, this)
    }

    fn set_receive_buffer_size(&mut self, this: Socket, value: u64) -> Result<(), SocketError> {
        HostTcpSocket::set_receive_buffer_size(&mut self.plain, this, value)
    }

    fn send_buffer_size(&mut self, this: Socket) -> Result<u64, SocketError> {
        HostTcpSocket::send_buffer_size(&mut self.plain, this)
    }

    fn set_send_buffer_size(&mut self, this: Socket, value: u64) -> Result<(), SocketError> {
        HostTcpSocket::set_send_buffer_size(&mut self.plain, this, value)
    }

    fn subscribe(&mut self, this: Socket) -> wasmtime::Result<Resource<DynPollable>> {
        HostTcpSocket::subscribe(&mut self.plain, this)
    }

    fn shutdown(&mut self, this: Socket, shutdown_type: ShutdownType) -> Result<(), SocketError> {
        HostTcpSocket::shutdown(&mut self.plain, this, shutdown_type)
    }

    fn drop(&mut self, this: Socket) -> wasmtime::Result<()> {
        self.note_dropped(this.rep());
        HostTcpSocket::drop(&mut self.plain, this)
    }
}
