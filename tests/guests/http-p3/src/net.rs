//! Sockets and name look-ups through `wasi:sockets`.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};

use behaviour::wit_name;
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket,
    UdpSocket,
};

/// `connected`, or the name of the error.
pub async fn connect(addr: &str) -> String {
    match addr.parse() {
        Ok(addr) => told(try_connect(addr).await.map(|()| "connected".to_owned())),
        Err(error) => format!("{addr}: {error}"),
    }
}

/// Opens so many sockets, of TCP and UDP in turn, and says how many it got, and why no more.
pub fn open(count: u64) -> String {
    let (mut tcp, mut udp) = (Vec::new(), Vec::new());
    for turn in 0..count {
        let opened = match turn % 2 {
            0 => TcpSocket::create(IpAddressFamily::Ipv4).map(|socket| tcp.push(socket)),
            _ => UdpSocket::create(IpAddressFamily::Ipv4).map(|socket| udp.push(socket)),
        };
        if let Err(code) = opened {
            return format!("{turn} {}\n", wit_name(&format!("{code:?}")));
        }
    }
    format!("{count}\n")
}

/// The addresses one a line, or the name of the error.
pub async fn resolve(name: String) -> String {
    let addresses = resolve_addresses(name).await;
    told(addresses.map(|addresses| addresses.iter().map(|ip| format!("{}\n", std_ip(ip))).collect()))
}

fn told(result: Result<String, impl Debug>) -> String {
    result.unwrap_or_else(|code| wit_name(&format!("{code:?}")))
}

async fn try_connect(addr: SocketAddr) -> Result<(), ErrorCode> {
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
    TcpSocket::create(family)?.connect(remote).await
}

fn std_ip(ip: &IpAddress) -> IpAddr {
    match *ip {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}
