//! The grammar of `allowedIpNameLookups`: `*`, `*.suffix`, a name or an address.

use std::net::IpAddr;

use super::rules::{HostPattern, WILDCARD_FORM};

/// One entry of `allowedIpNameLookups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRule(HostPattern);

impl NameRule {
    /// # Errors
    /// The reason why `entry` is refused, as a short phrase.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        if entry.is_empty() {
            return Err("empty".into());
        }
        if entry == "*" {
            return Ok(Self(HostPattern::Any));
        }
        if entry.contains("://") {
            return Err("a scheme is not allowed".into());
        }
        if entry.contains('/') {
            return Err("a path is not allowed".into());
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Ok(Self(HostPattern::Address(address.to_canonical())));
        }
        if entry.contains(':') {
            return Err("a port is not allowed".into());
        }
        match HostPattern::parse(entry) {
            Ok(pattern) => Ok(Self(pattern)),
            Err(reason) if reason == WILDCARD_FORM => Err(reason),
            Err(_) => Err(format!("bad name {entry:?}")),
        }
    }

    pub fn allows(&self, name: &str) -> bool {
        self.0.matches(name)
    }
}
