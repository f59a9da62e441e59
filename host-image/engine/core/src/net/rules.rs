//! The grammar of `allowedHosts`: parsed once when a workload starts, matched for every outgoing request.

use std::net::{IpAddr, Ipv6Addr};

/// What the wildcard refusal says, in every list.
pub(super) const WILDCARD_FORM: &str = "wildcard must be of the form *.<rest>";

/// One entry of `allowedHosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    scheme: Option<Scheme>,
    host: HostPattern,
    port: Option<u16>,
}

/// The schemes that outgoing HTTP has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Any,
    /// Lower-case.
    Name(String),
    /// Lower-case, with the leading dot.
    Suffix(String),
    Address(IpAddr),
}

impl HostRule {
    /// # Errors
    /// The reason why `entry` is refused, as a short phrase.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        if entry.is_empty() {
            return Err("empty".into());
        }
        if entry == "*" {
            return Ok(Self {
                scheme: None,
                host: HostPattern::Any,
                port: None,
            });
        }
        let (scheme, rest) = match entry.split_once("://") {
            Some((name, rest)) => {
                let scheme = Scheme::parse(name).ok_or_else(|| format!("unknown scheme {name:?}"))?;
                (Some(scheme), rest.strip_suffix('/').unwrap_or(rest))
            }
            None => (None, entry),
        };
        for (mark, reason) in [
            ('?', "a query is not allowed"),
            ('#', "a fragment is not allowed"),
            ('/', "a path is not allowed"),
        ] {
            if rest.contains(mark) {
                return Err(reason.into());
            }
        }
        let (host, port) = split_port(rest)?;
        let port = port.map(parse_port).transpose()?;
        Ok(Self {
            scheme,
            host: HostPattern::parse(host)?,
            port,
        })
    }

    /// Whether a request to this effective port (given, or the scheme's default) is covered.
    pub fn allows(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.scheme.is_none_or(|s| s == scheme)
            && self.port.is_none_or(|p| p == port)
            && self.host.matches(host)
    }

    /// Whether a raw connection to this address is covered by the entry alone: `*` or the literal address.
    pub fn allows_address(&self, address: IpAddr, port: u16) -> bool {
        let host = match &self.host {
            HostPattern::Any => true,
            HostPattern::Address(own) => *own == address.to_canonical(),
            HostPattern::Name(_) | HostPattern::Suffix(_) => false,
        };
        host && self.port.is_none_or(|p| p == port)
    }

    /// Whether the entry covers a raw connection to this port at a name that resolved to the address just now.
    pub fn allows_resolved(&self, name: &str, port: u16) -> bool {
        self.port.is_none_or(|p| p == port) && self.host.matches(name)
    }
}

/// Splits `host[:port]`, with the host in brackets where it is an IPv6 literal.
fn split_port(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(end) = text.strip_prefix('[').and_then(|_| text.find(']')) {
        return match &text[end + 1..] {
            "" => Ok((text, None)),
            rest => match rest.strip_prefix(':') {
                Some(port) => Ok((&text[..=end], Some(port))),
                None => Err(format!("bad host {text:?}")),
            },
        };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Ok((host, Some(port))),
        Some(_) => Err(format!(
            "bad host {text:?}: an IPv6 address is written in brackets"
        )),
        None => Ok((text, None)),
    }
}

/// 1 to 65535, in digits alone.
pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(format!("port {text:?} is not a number from 1 to 65535")),
    }
}

impl HostPattern {
    pub(super) fn parse(host: &str) -> Result<Self, String> {
        let bad = || format!("bad host {host:?}");
        if let Some(inner) = host.strip_prefix('[') {
            let address = inner
                .strip_suffix(']')
                .and_then(|text| text.parse::<Ipv6Addr>().ok())
                .ok_or_else(bad)?;
            return Ok(HostPattern::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Some(rest) = host.strip_prefix("*.") {
            return match is_name(rest) {
                true => Ok(HostPattern::Suffix(format!(".{}", rest.to_ascii_lowercase()))),
                false => Err(WILDCARD_FORM.into()),
            };
        }
        if host.contains('*') {
            return Err(WILDCARD_FORM.into());
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(HostPattern::Address(address));
        }
        if is_name(host) {
            Ok(HostPattern::Name(host.to_ascii_lowercase()))
        } else {
            Err(bad())
        }
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Name(name) => name.eq_ignore_ascii_case(host),
            HostPattern::Suffix(suffix) => {
                let (host, suffix) = (host.as_bytes(), suffix.as_bytes());
                host.len() > suffix.len() && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            HostPattern::Address(address) => literal_address(host).is_some_and(|a| a == *address),
        }
    }
}

/// The address that a host of a URI spells, brackets or not.
pub(crate) fn literal_address(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Dot-separated labels of letters, digits and inner hyphens, at most 63 bytes each (RFC 1123).
fn is_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::super::cases::{self, cases};
    use super::super::{lookups::NameRule, loopback_ports::PortRule};
    use super::*;

    #[test]
    fn the_shared_table_of_allowed_hosts_holds() {
        let table = &cases()["allowed_hosts"];
        cases::check_grammar(table, |entry| HostRule::parse(entry).map(drop));
        for case in table["matching"].as_array().unwrap() {
            let rules: Vec<_> = cases::texts(&case["entries"])
                .iter()
                .map(|e| HostRule::parse(e).unwrap())
                .collect();
            let scheme = Scheme::parse(case["scheme"].as_str().unwrap()).unwrap();
            let (host, port) = (
                case["host"].as_str().unwrap(),
                case["port"].as_u64().unwrap() as u16,
            );
            let allowed = rules.iter().any(|rule| rule.allows(scheme, host, port));
            assert_eq!(allowed, case["allowed"].as_bool().unwrap(), "{case}");
        }
    }

    #[test]
    fn the_shared_table_of_name_lookups_holds() {
        let table = &cases()["ip_name_lookups"];
        cases::check_grammar(table, |entry| NameRule::parse(entry).map(drop));
        for case in table["matching"].as_array().unwrap() {
            let rules: Vec<_> = cases::texts(&case["entries"])
                .iter()
                .map(|e| NameRule::parse(e).unwrap())
                .collect();
            let allowed = rules
                .iter()
                .any(|rule| rule.allows(case["name"].as_str().unwrap()));
            assert_eq!(allowed, case["allowed"].as_bool().unwrap(), "{case}");
        }
    }

    #[test]
    fn the_shared_table_of_loopback_ports_holds() {
        cases::check_grammar(&cases()["loopback_ports"], |e| PortRule::parse(e).map(drop));
    }

    #[test]
    fn raw_connections_need_the_address_itself_or_a_star() {
        let allows = |entry: &str, address: &str, port| {
            HostRule::parse(entry)
                .unwrap()
                .allows_address(address.parse().unwrap(), port)
        };
        assert!(allows("*", "10.0.0.1", 1));
        assert!(allows("10.0.0.1", "10.0.0.1", 1));
        assert!(allows("10.0.0.1:5432", "::ffff:10.0.0.1", 5432));
        assert!(allows("[2001:db8::1]:5432", "2001:db8::1", 5432));
        assert!(!allows("10.0.0.1:5432", "10.0.0.1", 5433));
        assert!(!allows("example.com", "10.0.0.1", 1));
        assert!(!allows("*.example.com", "10.0.0.1", 1));
    }
}
