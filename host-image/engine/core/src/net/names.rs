//! Names that mean something within a workload alone. They are never asked of a name server.

use std::net::{IpAddr, Ipv4Addr};

use super::loopback;
use super::rules::literal_address;

/// What stands for the machine in a workload's sockets: IANA's dummy address (RFC 7600), which leads nowhere by itself.
pub const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

const INTERNAL: &str = ".wasmcloud.internal";

/// A place that every workload sees in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internal {
    /// The workload's own loopback.
    Own,
    /// The loopback of the machine.
    Machine,
    /// Reserved, and nobody has it.
    Nobody,
}

impl Internal {
    /// What `host` stands for, a name or an address in any notation; None when it is somewhere outside.
    pub fn of(host: &str) -> Option<Self> {
        if let Some(address) = literal_address(host) {
            return Self::of_address(address);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" {
            return Some(Internal::Own);
        }
        let rest = name.strip_suffix(INTERNAL)?;
        Some(match rest {
            "host" => Internal::Machine,
            "service" => Internal::Own,
            _ if rest
                .strip_suffix(".svc")
                .is_some_and(|n| !n.is_empty() && !n.contains('.')) =>
            {
                Internal::Own
            }
            _ => Internal::Nobody,
        })
    }

    /// The same for an address alone.
    pub fn of_address(address: IpAddr) -> Option<Self> {
        if loopback::is_own(address) {
            Some(Internal::Own)
        } else if address.to_canonical() == IpAddr::V4(MACHINE) {
            Some(Internal::Machine)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_within_a_workload() {
        for (host, expected) in [
            ("localhost", Some(Internal::Own)),
            ("LocalHost.", Some(Internal::Own)),
            ("127.0.0.1", Some(Internal::Own)),
            ("[::1]", Some(Internal::Own)),
            ("[::ffff:127.0.0.1]", Some(Internal::Own)),
            ("service.wasmcloud.internal", Some(Internal::Own)),
            ("0.svc.wasmcloud.internal", Some(Internal::Own)),
            ("host.wasmcloud.internal", Some(Internal::Machine)),
            ("Host.WasmCloud.Internal", Some(Internal::Machine)),
            ("192.0.0.8", Some(Internal::Machine)),
            (".svc.wasmcloud.internal", Some(Internal::Nobody)),
            ("a.b.svc.wasmcloud.internal", Some(Internal::Nobody)),
            ("other.wasmcloud.internal", Some(Internal::Nobody)),
            ("wasmcloud.internal", None),
            ("notlocalhost", None),
            ("127.0.0.2", None),
            ("example.com", None),
        ] {
            assert_eq!(Internal::of(host), expected, "{host}");
        }
    }
}
