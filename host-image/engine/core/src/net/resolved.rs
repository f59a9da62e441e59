//! What a component resolved just now: the entry for a name covers the addresses that the name led to, and no others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an address stays covered by the entry for its name.
const RESOLVED_FOR: Duration = Duration::from_secs(60);
/// A component that resolves to more addresses than this within that time loses the oldest.
const MOST_ADDRESSES: usize = 4096;
/// So do names at one address.
const MOST_NAMES: usize = 16;

/// The names that led to each address, the oldest first.
#[derive(Default)]
pub struct Resolved(Mutex<HashMap<IpAddr, Vec<Name>>>);

struct Name {
    text: String,
    at: Instant,
}

impl Name {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.at) < RESOLVED_FOR
    }
}

impl Resolved {
    /// Remembers that `name` led to `address`.
    pub fn note(&self, name: &str, address: IpAddr, now: Instant) {
        let (text, address) = (
            name.trim_end_matches('.').to_ascii_lowercase(),
            address.to_canonical(),
        );
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_ADDRESSES && !all.contains_key(&address) {
            make_room(&mut all, now);
        }
        let names = all.entry(address).or_default();
        names.retain(|known| known.text != text && known.is_fresh(now));
        if names.len() >= MOST_NAMES {
            names.remove(0);
        }
        names.push(Name { text, at: now });
    }

    /// Whether one of the names that led to `address` is good.
    pub fn any(&self, address: IpAddr, now: Instant, is_good: impl Fn(&str) -> bool) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&address.to_canonical())
            .is_some_and(|names| names.iter().any(|n| n.is_fresh(now) && is_good(&n.text)))
    }
}

/// Forgets what is too old, and the oldest address if that wasn't enough.
fn make_room(all: &mut HashMap<IpAddr, Vec<Name>>, now: Instant) {
    all.retain(|_, names| names.last().is_some_and(|name| name.is_fresh(now)));
    if all.len() < MOST_ADDRESSES {
        return;
    }
    let latest = |names: &Vec<Name>| names.last().map(|name| name.at);
    let oldest = all.iter().min_by_key(|(_, names)| latest(names));
    if let Some(address) = oldest.map(|(address, _)| *address) {
        all.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn has(resolved: &Resolved, address: IpAddr, now: Instant, name: &str) -> bool {
        resolved.any(address, now, |known| known == name)
    }

    #[test]
    fn names_at_one_address_stand_beside_each_other_for_their_time() {
        let (resolved, start) = (Resolved::default(), Instant::now());
        let address = "10.0.0.1".parse().unwrap();
        let later = start + RESOLVED_FOR / 2;
        resolved.note("A.example.", address, start);
        resolved.note("b.example", address, later);
        assert!(has(&resolved, address, later, "a.example") && has(&resolved, address, later, "b.example"));
        let end = start + RESOLVED_FOR;
        assert!(!has(&resolved, address, end, "a.example") && has(&resolved, address, end, "b.example"));
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let (resolved, start) = (Resolved::default(), Instant::now());
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap()));
        for n in 0..=MOST_ADDRESSES {
            let now = start + Duration::from_millis(n as u64);
            resolved.note("a.example", address(n), now);
        }
        let end = start + Duration::from_secs(5);
        assert!(!has(&resolved, address(0), end, "a.example"));
        for n in 1..=MOST_ADDRESSES {
            assert!(has(&resolved, address(n), end, "a.example"), "{n}");
        }
        for n in 0..=MOST_NAMES {
            resolved.note(&format!("{n}.example"), address(9), end);
        }
        assert!(!has(&resolved, address(9), end, "0.example"));
        assert!(has(&resolved, address(9), end, "1.example"));
    }
}
