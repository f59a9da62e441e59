//! Addresses that no allow-list can open. The check is made on the address that is really connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

use super::loopback;

/// Which ranges are closed on this host, whatever a workload's lists say.
#[derive(Clone, Copy, Debug)]
pub struct AddressPolicy {
    pub allow_special_ranges: bool,
    pub deny_private_ranges: bool,
}

/// Loopback, link-local, unspecified, multicast, broadcast, documentation, benchmarking, 240/4 and the cloud
/// metadata addresses (IANA special-purpose registries, RFC 6890).
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    nets(&[
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "100::/64",
        "2001:db8::/32",
        "3fff::/20",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::254/128",
    ])
});

/// RFC 1918, RFC 6598 (shared address space) and RFC 4193 (unique local).
static PRIVATE: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    nets(&[
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    ])
});

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter()
        .map(|text| text.parse().expect("the table holds networks"))
        .collect()
}

impl AddressPolicy {
    /// The name of the closed range that `address` is in, or None when it may be reached.
    pub fn closed_range(&self, address: IpAddr) -> Option<&'static str> {
        let address = underlying(address);
        let within = |table: &[IpNet]| table.iter().any(|net| net.contains(&address));
        // These two and what the machine takes for them belong to each workload, so no setting opens the machine's own.
        let is_loopback = loopback::is_own(address) || address.is_unspecified();
        if is_loopback || (!self.allow_special_ranges && within(&SPECIAL)) {
            Some("special range")
        } else if self.deny_private_ranges && within(&PRIVATE) && !within(&SPECIAL) {
            Some("private range")
        } else {
            None
        }
    }
}

/// The IPv4 address that an IPv6 address stands for (mapped, compatible, 6to4, NAT64), else the address itself.
fn underlying(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if !is_own(v6) => v4(high, low),
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn is_own(v6: Ipv6Addr) -> bool {
    v6 == Ipv6Addr::LOCALHOST || v6 == Ipv6Addr::UNSPECIFIED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(policy: AddressPolicy, address: &str) -> Option<&'static str> {
        policy.closed_range(address.parse().unwrap())
    }

    const USUAL: AddressPolicy = AddressPolicy {
        allow_special_ranges: false,
        deny_private_ranges: false,
    };

    #[test]
    fn special_ranges_are_closed_in_every_disguise() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::ffff:0:127.0.0.1",
        ] {
            assert_eq!(range(USUAL, address), Some("special range"), "{address}");
        }
    }

    #[test]
    fn private_ranges_are_open_until_denied() {
        let strict = AddressPolicy {
            deny_private_ranges: true,
            ..USUAL
        };
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "fd12::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(range(USUAL, address), None, "{address}");
            assert_eq!(range(strict, address), Some("private range"), "{address}");
        }
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(range(strict, address), None, "{address}");
        }
    }

    #[test]
    fn a_host_may_open_special_ranges() {
        let open = AddressPolicy {
            allow_special_ranges: true,
            deny_private_ranges: true,
        };
        assert_eq!(range(open, "127.0.0.2"), None);
        assert_eq!(range(open, "169.254.1.1"), None);
        assert_eq!(range(open, "10.0.0.1"), Some("private range"));
    }

    #[test]
    fn nothing_opens_the_machines_loopback() {
        let open = AddressPolicy {
            allow_special_ranges: true,
            deny_private_ranges: false,
        };
        for address in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
        ] {
            assert_eq!(range(open, address), Some("special range"), "{address}");
        }
    }
}
