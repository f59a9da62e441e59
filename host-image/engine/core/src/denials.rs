//! Denied destinations: counted always, logged once a minute each.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::log::say;

const LOG_EVERY: Duration = Duration::from_secs(60);
/// More destinations than this are counted together, so that a guest can't fill the host's memory.
const MOST_DESTINATIONS: usize = 1000;
const OTHERS: &str = "others";
/// A guest chooses the names that it asks for; no real one is longer.
const LONGEST_CHARS: usize = 300;

/// The denials of one workload.
pub struct Denials {
    workload: String,
    seen: Mutex<BTreeMap<String, Seen>>,
}

struct Seen {
    count: u64,
    logged: Instant,
}

impl Denials {
    pub fn new(workload: String) -> Self {
        Self {
            workload,
            seen: Mutex::default(),
        }
    }

    /// Counts one more for a destination such as `https://example.com:443`, and logs it with the reason unless it was logged within
    /// the minute.
    pub fn note(&self, destination: &str, reason: &str) {
        // Control characters would let a guest forge lines of others.
        let tame = |c: char| match c {
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c.to_ascii_lowercase(),
        };
        let destination: String = destination.chars().take(LONGEST_CHARS).map(tame).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = seen.contains_key(&destination) || seen.len() < MOST_DESTINATIONS;
        let key = if is_known {
            destination.clone()
        } else {
            OTHERS.to_owned()
        };
        let now = Instant::now();
        let is_due = match seen.get_mut(&key) {
            Some(entry) => {
                entry.count += 1;
                let is_due = now.duration_since(entry.logged) >= LOG_EVERY;
                if is_due {
                    entry.logged = now;
                }
                is_due
            }
            None => {
                seen.insert(
                    key,
                    Seen {
                        count: 1,
                        logged: now,
                    },
                );
                true
            }
        };
        drop(seen);
        if is_due {
            say(format!(
                "{} outgoing request to {destination} denied: {reason}",
                self.workload
            ));
        }
    }

    /// Denied requests by destination.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .map(|(destination, entry)| (destination.clone(), entry.count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_counted_and_bounded() {
        let denials = Denials::new("default/hello".into());
        denials.note("http://A.example:80", "test");
        denials.note("http://a.example:80", "test");
        assert_eq!(denials.counts()["http://a.example:80"], 2);
        for port in 1..=2000 {
            denials.note(&format!("https://b.example:{port}"), "test");
        }
        assert_eq!(denials.counts().len(), MOST_DESTINATIONS + 1);
        assert_eq!(denials.counts()[OTHERS], 1001);
    }

    #[test]
    fn a_name_that_a_guest_made_up_is_tamed() {
        let denials = Denials::new("default/hello".into());
        denials.note(&format!("lookup://a\nb{}", "x".repeat(1000)), "test");
        let (name, _) = denials.counts().pop_first().unwrap();
        assert!(name.starts_with("lookup://a\u{fffd}bx"), "{name}");
        assert_eq!(name.chars().count(), LONGEST_CHARS);
    }
}
