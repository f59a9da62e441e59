//! The grammar of `allowedHostLoopbackPorts`: `port[/tcp|/udp]`.

use super::rules::parse_port;

/// One entry of `allowedHostLoopbackPorts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRule {
    pub port: u16,
    /// `/udp` alone: an entry without a protocol means both.
    pub is_udp_alone: bool,
}

impl PortRule {
    /// # Errors
    /// The reason why `entry` is refused, as a short phrase.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        if entry.is_empty() {
            return Err("empty".into());
        }
        let (port, protocol) = entry
            .split_once('/')
            .map_or((entry, None), |(port, rest)| (port, Some(rest)));
        let port = parse_port(port)?;
        match protocol {
            None | Some("tcp" | "udp") => Ok(Self {
                port,
                is_udp_alone: protocol == Some("udp"),
            }),
            Some(other) => Err(format!("unknown protocol {other:?}: tcp or udp")),
        }
    }
}
