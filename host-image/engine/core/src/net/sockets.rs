//! Raw TCP and UDP: which addresses a component may reach.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime_wasi::sockets::SocketAddrUse;

use super::lists::AllowLists;
use super::policy::AddressPolicy;

/// How long a resolved address stays covered by the entry for its name.
const RESOLVED_FOR: Duration = Duration::from_secs(60);
/// A workload that resolves more names than this within that time loses the oldest.
const MOST_RESOLVED: usize = 4096;

/// Everything that decides what one component may reach.
pub struct Reach {
    pub lists: AllowLists,
    pub policy: AddressPolicy,
    /// What this component resolved just now: a name entry covers those addresses, and no others.
    resolved: Mutex<HashMap<IpAddr, (String, Instant)>>,
}

impl Reach {
    pub fn new(lists: AllowLists, policy: AddressPolicy) -> Self {
        Self {
            lists,
            policy,
            resolved: Mutex::default(),
        }
    }

    /// Whether any raw connection could be allowed at all.
    pub fn may_open_sockets(&self) -> bool {
        !self.lists.hosts.is_empty()
    }

    /// Remembers that `name` was resolved to `address` by this component.
    pub fn note_resolved(&self, name: &str, address: IpAddr) {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if resolved.len() >= MOST_RESOLVED {
            resolved.retain(|_, (_, at)| at.elapsed() < RESOLVED_FOR);
            if resolved.len() >= MOST_RESOLVED {
                resolved.clear();
            }
        }
        resolved.insert(
            address.to_canonical(),
            (name.trim_end_matches('.').to_owned(), Instant::now()),
        );
    }

    /// Whether this component may use `address` so. Nothing may listen or accept.
    pub fn allows_socket(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        match usage {
            // Every connect binds the wildcard address first.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                address.ip().is_unspecified() && address.port() == 0
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                self.policy.closed_range(address.ip()).is_none() && self.is_listed(address)
            }
        }
    }

    fn is_listed(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        if self.lists.hosts.iter().any(|rule| rule.allows_address(ip, port)) {
            return true;
        }
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.get(&ip).is_some_and(|(name, at)| {
            at.elapsed() < RESOLVED_FOR
                && self
                    .lists
                    .hosts
                    .iter()
                    .any(|rule| rule.allows_resolved(name, port))
        })
    }
}

/// The check in the form that the WASI context wants it.
pub fn allow(reach: &Arc<Reach>, builder: &mut wasmtime_wasi::WasiCtxBuilder) {
    if !reach.lists.names.is_empty() {
        builder.allow_ip_name_lookup(true);
    }
    if !reach.may_open_sockets() {
        return;
    }
    let reach = reach.clone();
    builder
        .allow_tcp(true)
        .allow_udp(true)
        .socket_addr_check(move |address, usage| {
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
        };
        Reach::new(
            lists,
            AddressPolicy {
                allow_special_ranges,
                deny_private_ranges: false,
            },
        )
    }

    fn connects(reach: &Reach, address: &str) -> bool {
        reach.allows_socket(address.parse().unwrap(), SocketAddrUse::TcpConnect)
    }

    #[test]
    fn a_star_opens_no_special_range() {
        let any = reach(&["*"], false);
        assert!(connects(&any, "10.0.0.1:5432"));
        assert!(!connects(&any, "127.0.0.1:5432"));
        assert!(!connects(&any, "[::ffff:127.0.0.1]:5432"));
        assert!(!connects(&any, "169.254.169.254:80"));
        assert!(connects(&reach(&["*"], true), "127.0.0.1:5432"));
    }

    #[test]
    fn a_name_entry_covers_what_it_resolved_to_and_its_port() {
        let named = reach(&["db.example:5432"], false);
        assert!(!connects(&named, "10.0.0.1:5432"));
        named.note_resolved("DB.example", "10.0.0.1".parse().unwrap());
        assert!(connects(&named, "10.0.0.1:5432"));
        assert!(!connects(&named, "10.0.0.1:5433"));
        assert!(!connects(&named, "10.0.0.2:5432"));
        named.note_resolved("other.example", "10.0.0.3".parse().unwrap());
        assert!(!connects(&named, "10.0.0.3:5432"));
        named.note_resolved("db.example", "127.0.0.1".parse().unwrap());
        assert!(
            !connects(&named, "127.0.0.1:5432"),
            "a name can't open a special range"
        );
    }

    #[test]
    fn nobody_listens_and_binds_are_implicit_alone() {
        let any = reach(&["*"], true);
        let uses = |address: &str, usage| any.allows_socket(address.parse().unwrap(), usage);
        assert!(uses("0.0.0.0:0", SocketAddrUse::TcpBind));
        assert!(uses("[::]:0", SocketAddrUse::UdpBind));
        assert!(!uses("0.0.0.0:80", SocketAddrUse::TcpBind));
        assert!(!uses("127.0.0.1:0", SocketAddrUse::TcpBind));
        assert!(!uses("0.0.0.0:0", SocketAddrUse::TcpListen));
        assert!(!uses("10.0.0.1:9", SocketAddrUse::TcpAccept));
    }
}
