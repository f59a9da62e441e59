//! Sockets and name look-ups through `wasi:sockets`, without std: it would hide the error's own name.

use std::net::{IpAddr, SocketAddr};

use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

/// `connected`, or the name of the error.
pub fn connect(addr: &str) -> String {
    match addr.parse() {
        Ok(addr) => told(try_connect(addr).map(|()| "connected".to_owned())),
        Err(error) => format!("{addr}: {error}"),
    }
}

/// Opens so many sockets, of TCP and UDP in turn, and says how many it got, and why no more.
pub fn open(count: u64) -> String {
    let (mut tcp, mut udp) = (Vec::new(), Vec::new());
    for turn in 0..count {
        let opened = match turn % 2 {
            0 => create_tcp_socket(IpAddressFamily::Ipv4).map(|socket| tcp.push(socket)),
            _ => create_udp_socket(IpAddressFamily::Ipv4).map(|socket| udp.push(socket)),
        };
        if let Err(code) = opened {
            return format!("{turn} {}\n", code.name());
        }
    }
    format!("{count}\n")
}

/// The addresses one a line, or the name of the error.
pub fn resolve(name: &str) -> String {
    told(try_resolve(name).map(|addresses| addresses.iter().map(|ip| format!("{ip}\n")).collect()))
}

fn told(result: Result<String, ErrorCode>) -> String {
    result.unwrap_or_else(|code| code.name().to_owned())
}

fn try_connect(addr: SocketAddr) -> Result<(), ErrorCode> {
    let (family, remote) = match addr {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            let remote = Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(remote))
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            let remote = Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: v6.scope_id(),
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(remote))
        }
    };
    let socket = create_tcp_socket(family)?;
    socket.start_connect(&instance_network(), remote)?;
    loop {
        socket.subscribe().block();
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => {}
            outcome => return outcome.map(drop),
        }
    }
}

fn try_resolve(name: &str) -> Result<Vec<IpAddr>, ErrorCode> {
    let stream = resolve_addresses(&instance_network(), name)?;
    let mut addresses = Vec::new();
    loop {
        stream.subscribe().block();
        match stream.resolve_next_address() {
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => addresses.push(IpAddr::from([a, b, c, d])),
            Ok(Some(IpAddress::Ipv6((a, b, c, d, e, f, g, h)))) => {
                addresses.push(IpAddr::from([a, b, c, d, e, f, g, h]));
            }
            Ok(None) => return Ok(addresses),
            Err(ErrorCode::WouldBlock) => {}
            Err(code) => return Err(code),
        }
    }
}
