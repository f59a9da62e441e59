//! Raw TCP and UDP: which addresses a component may reach.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use wasmtime_wasi::sockets::SocketAddrUse;

use super::lists::AllowLists;
use super::loopback::{self, Loopback};
use super::names::{Internal, MACHINE};
use super::policy::AddressPolicy;
use super::resolved::Resolved;
use super::rules::Scheme;
use crate::denials::Denials;
use crate::instance::Seats;

/// Sockets that the instances of one component may have open together; each is a file descriptor of the host.
const MOST_SOCKETS: usize = 512;

/// Everything that decides what one component may reach.
pub struct Reach {
    pub lists: AllowLists,
    pub policy: AddressPolicy,
    pub denials: Arc<Denials>,
    /// Shared by the components and the service of one workload.
    pub loopback: Arc<Loopback>,
    /// Services may; components answer requests instead.
    pub may_listen: bool,
    /// Room for the sockets that guests open.
    pub sockets: Arc<Seats>,
    resolved: Resolved,
}

/// Where a TCP connection really goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A listener of the same workload: the caller has to be announced to it.
    Within(SocketAddr),
    /// Elsewhere, which `allows_socket` checks.
    Outside(SocketAddr),
}

/// Why a guest gets no socket, or no address for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Denied,
    Taken,
    NobodyThere,
    TooMany,
}

impl Reach {
    pub fn new(
        lists: AllowLists,
        policy: AddressPolicy,
        denials: Arc<Denials>,
        loopback: Arc<Loopback>,
        may_listen: bool,
    ) -> Self {
        Self {
            lists,
            policy,
            denials,
            loopback,
            may_listen,
            sockets: Seats::new(MOST_SOCKETS),
            resolved: Resolved::default(),
        }
    }

    /// Whether an HTTP request may be sent to this effective port. A name of the workload's own takes no entry of a list.
    pub fn allows_request(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        match Internal::of(host) {
            Some(Internal::Own) => true,
            Some(Internal::Machine) => self.opens_machine(port),
            Some(Internal::Nobody) => false,
            None => self.lists.allow_request(scheme, host, port),
        }
    }

    /// Whether this TCP port of the machine's loopback is open to the component.
    pub fn opens_machine(&self, port: u16) -> bool {
        self.lists.machine_ports.contains(&port)
    }

    /// Remembers that `name` was resolved to `address` by this component.
    pub fn note_resolved(&self, name: &str, address: IpAddr) {
        self.resolved.note(name, address, Instant::now());
    }

    /// Where a guest may bind a TCP socket: a place of its workload's loopback, or None for where it asked to, which is
    /// checked by `allows_socket`.
    ///
    /// # Errors
    /// Why not.
    pub fn place_to_bind(&self, asked: SocketAddr) -> Result<Option<SocketAddr>, Refusal> {
        if !loopback::is_own(asked.ip()) {
            // Its real addresses are no guest's business.
            return match self.loopback.is_place(asked.ip()) {
                true => Err(Refusal::Denied),
                false => Ok(None),
            };
        }
        if !self.may_listen {
            return Err(Refusal::Denied);
        }
        if self.loopback.is_taken(asked) {
            return Err(Refusal::Taken);
        }
        Ok(Some(self.loopback.place_of(asked)))
    }

    /// Where a TCP connection to `asked` goes.
    ///
    /// # Errors
    /// Why nowhere.
    pub fn target(&self, asked: SocketAddr) -> Result<Target, Refusal> {
        match Internal::of_address(asked.ip()) {
            Some(Internal::Own) => {
                let listener = self.loopback.listener(asked).ok_or(Refusal::NobodyThere)?;
                Ok(Target::Within(listener))
            }
            Some(Internal::Machine) if !self.opens_machine(asked.port()) => {
                self.note_denied("tcp", asked, "no entry of allowedHostLoopbackPorts covers it");
                Err(Refusal::Denied)
            }
            Some(Internal::Machine) => Ok(Target::Outside((Ipv4Addr::LOCALHOST, asked.port()).into())),
            Some(Internal::Nobody) | None => Ok(Target::Outside(asked)),
        }
    }

    /// The address of this end of a connection as the guest sees it.
    pub fn shown_local(&self, real: SocketAddr) -> SocketAddr {
        if self.loopback.is_place(real.ip()) {
            self.loopback.shown(real)
        } else {
            real
        }
    }

    /// The address of the other end as the guest sees it.
    pub fn shown_remote(&self, real: SocketAddr) -> SocketAddr {
        if real.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            SocketAddr::from((MACHINE, real.port()))
        } else {
            self.shown_local(real)
        }
    }

    /// Whether this component may use `address` so: a real one, after what a guest asks for on its loopback was
    /// translated.
    pub fn allows_socket(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        match usage {
            SocketAddrUse::TcpBind => is_any(address) || self.loopback.is_place(address.ip()),
            // Every connect binds the wildcard address first.
            SocketAddrUse::UdpBind => is_any(address),
            SocketAddrUse::TcpListen => self.may_listen && self.loopback.is_place(address.ip()),
            SocketAddrUse::TcpAccept => self.loopback.admit(address),
            SocketAddrUse::TcpConnect => self.is_within(address) || self.may_reach("tcp", address),
            SocketAddrUse::UdpSend => self.may_reach("udp", address),
            // Who sent it is no choice of the guest's.
            SocketAddrUse::UdpReceive => self.why_not(address).is_none(),
        }
    }

    /// Whether a real address is one that a name or address of the workload's own was translated to.
    fn is_within(&self, address: SocketAddr) -> bool {
        let is_machine = address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
        (is_machine && self.opens_machine(address.port())) || self.loopback.is_listener(address)
    }

    fn may_reach(&self, protocol: &str, address: SocketAddr) -> bool {
        let why_not = self.why_not(address);
        if let Some(reason) = &why_not {
            self.note_denied(protocol, address, reason);
        }
        why_not.is_none()
    }

    /// Why an address outside of the workload may not be reached, if so.
    fn why_not(&self, address: SocketAddr) -> Option<String> {
        match self.policy.closed_range(address.ip()) {
            Some(range) => Some(format!("it is in a {range}")),
            None if self.is_listed(address) => None,
            None => Some("no entry of allowedHosts covers it".into()),
        }
    }

    fn note_denied(&self, protocol: &str, address: SocketAddr, reason: &str) {
        self.denials.note(&format!("{protocol}://{address}"), reason);
    }

    fn is_listed(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let mut rules = self.lists.hosts.iter();
        rules.any(|rule| rule.allows_address(ip, port))
            || self.resolved.any(ip, Instant::now(), |name| {
                let mut rules = self.lists.hosts.iter();
                rules.any(|rule| rule.allows_resolved(name, port))
            })
    }
}

/// Whether the machine chooses address and port.
fn is_any(address: SocketAddr) -> bool {
    address.ip().is_unspecified() && address.port() == 0
}

/// The check in the form that the WASI context wants it.
pub fn allow(reach: &Arc<Reach>, builder: &mut wasmtime_wasi::WasiCtxBuilder) {
    // Names are checked before the WASI crate sees them; every workload has a loopback to connect to.
    builder
        .allow_ip_name_lookup(true)
        .allow_tcp(true)
        .allow_udp(!reach.lists.hosts.is_empty());
    let reach = reach.clone();
    builder.socket_addr_check(move |address, usage| {
        let allowed = reach.allows_socket(address, usage);
        Box::pin(async move { allowed })
    });
}

#[cfg(test)]
mod tests {
    use super::super::rules::HostRule;
    use super::*;

    fn reach(entries: &[&str], allow_special_ranges: bool) -> Reach {
        let hosts = entries.iter().map(|e| HostRule::parse(e).unwrap()).collect();
        let lists = AllowLists {
            hosts,
            names: Vec::new(),
            machine_ports: vec![5433],
        };
        let policy = AddressPolicy {
            allow_special_ranges,
            deny_private_ranges: false,
        };
        let denials = Arc::new(Denials::new("default/w".into()));
        Reach::new(lists, policy, denials, Loopback::new(), false)
    }

    fn connects(reach: &Reach, address: &str) -> bool {
        reach.allows_socket(address.parse().unwrap(), SocketAddrUse::TcpConnect)
    }

    #[test]
    fn a_star_opens_no_special_range() {
        let any = reach(&["*"], false);
        assert!(connects(&any, "10.0.0.1:5432"));
        assert!(!connects(&any, "127.0.0.1:5432"));
        assert_eq!(any.denials.counts()["tcp://127.0.0.1:5432"], 1);
        assert!(!connects(&any, "[::ffff:127.0.0.1]:5432"));
        assert!(!connects(&any, "169.254.169.254:80"));
        let open = reach(&["*"], true);
        assert!(connects(&open, "127.0.0.2:5432"));
        assert!(!connects(&open, "127.0.0.1:5432"), "it is the workload's own");
    }

    #[test]
    fn a_name_entry_covers_what_it_resolved_to_and_its_port() {
        let named = reach(&["db.example:5432"], false);
        assert!(!connects(&named, "10.0.0.1:5432"));
        named.note_resolved("DB.example", "10.0.0.1".parse().unwrap());
        assert!(connects(&named, "10.0.0.1:5432"));
        assert!(!connects(&named, "10.0.0.1:5433"));
        assert!(!connects(&named, "10.0.0.2:5432"));
        named.note_resolved("other.example", "10.0.0.1".parse().unwrap());
        assert!(
            connects(&named, "10.0.0.1:5432"),
            "another name at that address takes nothing away"
        );
        named.note_resolved("other.example", "10.0.0.3".parse().unwrap());
        assert!(!connects(&named, "10.0.0.3:5432"));
        named.note_resolved("db.example", "127.0.0.1".parse().unwrap());
        assert!(
            !connects(&named, "127.0.0.1:5432"),
            "a name can't open a special range"
        );
    }

    #[test]
    fn the_machines_loopback_is_open_at_the_ports_named() {
        let some = reach(&[], false);
        assert!(connects(&some, "127.0.0.1:5433"));
        assert!(!connects(&some, "127.0.0.1:5434"));
        assert!(some.allows_request(Scheme::Http, "host.wasmcloud.internal", 5433));
        assert!(!some.allows_request(Scheme::Http, "host.wasmcloud.internal", 5434));
        assert!(some.allows_request(Scheme::Http, "localhost", 1));
        assert!(!some.allows_request(Scheme::Http, "x.wasmcloud.internal", 5433));
    }

    #[test]
    fn components_listen_nowhere_and_services_on_the_loopback_alone() {
        let mut any = reach(&["*"], true);
        let place = any.loopback.place_of("127.0.0.1:80".parse().unwrap());
        let uses = |any: &Reach, address: &str, usage| any.allows_socket(address.parse().unwrap(), usage);
        assert!(uses(&any, "0.0.0.0:0", SocketAddrUse::TcpBind));
        assert!(uses(&any, "[::]:0", SocketAddrUse::UdpBind));
        assert!(!uses(&any, "0.0.0.0:80", SocketAddrUse::TcpBind));
        assert!(!uses(&any, "127.0.0.1:0", SocketAddrUse::TcpBind));
        assert!(!uses(&any, "127.0.0.1:0", SocketAddrUse::UdpBind));
        assert!(!uses(&any, "0.0.0.0:0", SocketAddrUse::TcpListen));
        assert!(!uses(&any, "10.0.0.1:9", SocketAddrUse::TcpAccept));
        assert!(!any.allows_socket(place, SocketAddrUse::TcpListen));
        any.may_listen = true;
        assert!(any.allows_socket(place, SocketAddrUse::TcpListen));
        assert!(!uses(&any, "0.0.0.0:0", SocketAddrUse::TcpListen));
    }

    #[test]
    fn a_listener_accepts_whom_its_own_workload_sent() {
        let own = reach(&[], false);
        let caller = "127.1.0.0:4000".parse().unwrap();
        assert!(!own.allows_socket(caller, SocketAddrUse::TcpAccept));
        own.loopback.announce(caller);
        assert!(own.allows_socket(caller, SocketAddrUse::TcpAccept));
    }
}
