//! The loopback of one workload. Inside, 127.0.0.1 and ::1 belong to the workload alone; outside, its sockets live on an
//! address of 127/8 that no other workload has, behind a map of ports. A listener lets only sockets of its own
//! workload in, so neither another workload nor a process of the machine gets through to it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpSocket, TcpStream};

/// 127.1.0.0; what is below is left to the machine.
const FIRST: u32 = 0x7f01_0000;
/// Up to and without 127.255.0.0.
const COUNT: u32 = 0x00fe_0000;

/// Whether `address` is the workload's own, as its guests see it.
pub fn is_own(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4 == Ipv4Addr::LOCALHOST,
        IpAddr::V6(v6) => v6 == Ipv6Addr::LOCALHOST,
    }
}

/// Which of the workload's ports lead to which sockets of the machine.
pub struct Loopback {
    /// Where IPv4 sockets of this workload live. IPv6 has no such range: there the real address is ::1 too.
    v4: Ipv4Addr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Addresses as the guest sees them, and the real ones.
    listeners: HashMap<SocketAddr, SocketAddr>,
    /// Real addresses of sockets that connect to a listener and were not accepted yet.
    callers: HashSet<SocketAddr>,
}

impl Loopback {
    pub fn new() -> Arc<Self> {
        static TURN: AtomicU32 = AtomicU32::new(0);
        // An address that comes round again is no harm: ports and callers keep workloads apart.
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % COUNT;
        Arc::new(Self {
            v4: Ipv4Addr::from(FIRST + turn),
            state: Mutex::default(),
        })
    }

    /// The real address on which a socket is bound that the guest binds to `address`: the machine chooses the port.
    pub fn place_of(&self, address: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.real_ip(address.is_ipv4()), 0)
    }

    fn real_ip(&self, is_v4: bool) -> IpAddr {
        if is_v4 {
            IpAddr::V4(self.v4)
        } else {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        }
    }

    /// Whether this real address is where sockets of this workload live.
    pub fn is_place(&self, real: IpAddr) -> bool {
        real == self.real_ip(real.is_ipv4())
    }

    pub fn is_taken(&self, address: SocketAddr) -> bool {
        self.state().listeners.contains_key(&key(address))
    }

    /// Gives `address` to the socket that is bound to `real`. Port 0 becomes the real port.
    pub fn bind(&self, mut address: SocketAddr, real: SocketAddr) {
        if address.port() == 0 {
            address.set_port(real.port());
        }
        self.state().listeners.insert(key(address), real);
    }

    /// Where a connection to `address` leads, or None when nobody is bound there.
    pub fn listener(&self, address: SocketAddr) -> Option<SocketAddr> {
        self.state().listeners.get(&key(address)).copied()
    }

    /// Whether a real address belongs to a listener of this workload.
    pub fn is_listener(&self, real: SocketAddr) -> bool {
        self.state().listeners.values().any(|listener| *listener == real)
    }

    /// Lets the socket with this real address in, once.
    pub fn announce(&self, caller: SocketAddr) {
        self.state().callers.insert(key(caller));
    }

    /// Whether a listener may accept this caller.
    pub fn admit(&self, caller: SocketAddr) -> bool {
        self.state().callers.remove(&key(caller))
    }

    /// A real address of this workload as its guests see it.
    pub fn shown(&self, real: SocketAddr) -> SocketAddr {
        let state = self.state();
        let listener = state.listeners.iter().find(|(_, place)| **place == real);
        if let Some((address, _)) = listener {
            return *address;
        }
        let ip = match real {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        SocketAddr::new(ip, real.port())
    }

    /// Frees the port that leads to `real`.
    pub fn unbind(&self, real: SocketAddr) {
        self.state().listeners.retain(|_, listener| *listener != real);
    }

    /// Forgets all sockets, as when the service ends.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Connects to the listener at `port` of 127.0.0.1, or of ::1 when only that one has the port.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens there.
    pub async fn connect(&self, port: u16) -> std::io::Result<TcpStream> {
        let addresses = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ];
        let Some(listener) = addresses.into_iter().find_map(|address| self.listener(address)) else {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        };
        let socket = match listener {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(self.place_of(listener))?;
        let caller = socket.local_addr()?;
        self.announce(caller);
        let connected = socket.connect(listener).await;
        if connected.is_err() {
            self.admit(caller);
        }
        connected
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that a listener sees of a socket with this local one: a wildcard is the machine's own loopback address.
pub fn caller_of(local: SocketAddr) -> SocketAddr {
    match local {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => local,
    }
}

/// Without what IPv6 addresses carry besides address and port.
fn key(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_workload_has_a_port_of_its_own_behind_the_same_number() {
        let (one, other) = (Loopback::new(), Loopback::new());
        assert_ne!(
            one.place_of(at("127.0.0.1:777")),
            other.place_of(at("127.0.0.1:777"))
        );
        let real = SocketAddr::new(one.place_of(at("127.0.0.1:777")).ip(), 40_000);
        one.bind(at("127.0.0.1:777"), real);
        assert!(one.is_taken(at("127.0.0.1:777")) && !other.is_taken(at("127.0.0.1:777")));
        assert_eq!(one.listener(at("127.0.0.1:777")), Some(real));
        assert_eq!(
            one.listener(at("[::1]:777")),
            None,
            "the two families have ports of their own"
        );
        assert_eq!(other.listener(at("127.0.0.1:777")), None);
        assert_eq!(one.shown(real), at("127.0.0.1:777"));
        one.unbind(real);
        assert_eq!(one.listener(at("127.0.0.1:777")), None);
    }

    #[test]
    fn a_caller_is_let_in_once() {
        let loopback = Loopback::new();
        let caller = at("127.1.0.0:5000");
        assert!(!loopback.admit(caller));
        loopback.announce(caller);
        assert!(loopback.admit(caller));
        assert!(!loopback.admit(caller));
        assert_eq!(loopback.shown(caller), at("127.0.0.1:5000"));
    }

    #[test]
    fn port_0_becomes_the_port_that_the_machine_chose() {
        let loopback = Loopback::new();
        loopback.bind(at("127.0.0.1:0"), at("127.1.0.9:40001"));
        assert_eq!(
            loopback.listener(at("127.0.0.1:40001")),
            Some(at("127.1.0.9:40001"))
        );
        loopback.clear();
        assert_eq!(loopback.listener(at("127.0.0.1:40001")), None);
    }

    #[test]
    fn only_two_addresses_are_the_workloads_own() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.0.0.1", false),
            ("::", false),
        ] {
            assert_eq!(is_own(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_refusal() {
        let error = Loopback::new().connect(9).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
