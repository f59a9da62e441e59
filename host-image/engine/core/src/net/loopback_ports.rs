//! The grammar of `allowedHostLoopbackPorts`: `port[/tcp|/udp]`.

use super::rules::parse_port;

/// # Errors
/// The reason why `entry` is refused, as a short phrase.
pub fn check(entry: &str) -> Result<(), String> {
    let entry = entry.trim();
    if entry.is_empty() {
        return Err("empty".into());
    }
    let (port, protocol) = entry
        .split_once('/')
        .map_or((entry, None), |(port, rest)| (port, Some(rest)));
    parse_port(port)?;
    match protocol {
        None | Some("tcp" | "udp") => Ok(()),
        Some(other) => Err(format!("unknown protocol {other:?}: tcp or udp")),
    }
}
