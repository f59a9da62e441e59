//! The open connections, and the names that were asked for over each of them.
//!
//! A client that keeps its connection isn't routed anew for its next request. When a name leaves this host for another one,
//! such clients would go on asking here, so their connections are brought to an end before the name goes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// So long a connection may have one more request answered, which tells its client that it ends. To close it unasked could
/// meet a request that is on its way.
const LAST_REQUEST_WITHIN: Duration = Duration::from_millis(500);

/// A response that takes longer is finished all the same; only the name goes meanwhile.
const END_WITHIN: Duration = Duration::from_millis(500);

/// Under a route `*.suffix` a client could ask for another name each time. A connection with more than this counts as having
/// asked for every name.
const MOST_NAMES: usize = 32;

#[derive(Default)]
pub struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

pub struct Connection {
    /// Cancelled when it has to come to its end: after the present response, or at once where it is idle.
    pub closing: CancellationToken,
    ended: CancellationToken,
    is_leaving: AtomicBool,
    has_asked: AtomicBool,
    names: Mutex<Names>,
}

/// The names that were asked for over a connection.
#[derive(Default)]
struct Names {
    some: Vec<String>,
    /// There were too many to remember.
    are_all: bool,
}

/// Takes the connection off the list when it has ended.
pub struct Entry<'a> {
    connections: &'a Connections,
    number: u64,
    pub connection: Arc<Connection>,
}

impl Connections {
    /// A new connection, which also ends with `closing`.
    pub fn enter(&self, closing: &CancellationToken) -> Entry<'_> {
        let connection = Arc::new(Connection {
            closing: closing.child_token(),
            ended: CancellationToken::new(),
            is_leaving: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
            names: Mutex::default(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.open).insert(number, connection.clone());
        Entry {
            connections: self,
            number,
            connection,
        }
    }

    /// Ends the connections over which a name was asked for that `goes`, and waits a second at most until they have.
    pub async fn leave(&self, goes: impl Fn(&str) -> bool) {
        let leaving: Vec<_> = lock(&self.open)
            .values()
            .filter(|connection| lock(&connection.names).have(&goes))
            .cloned()
            .collect();
        for connection in &leaving {
            connection.is_leaving.store(true, Ordering::Relaxed);
        }
        let ended = async || {
            for connection in &leaving {
                connection.ended.cancelled().await;
            }
        };
        if timeout(LAST_REQUEST_WITHIN, ended()).await.is_err() {
            for connection in &leaving {
                connection.closing.cancel();
            }
            let _ = timeout(END_WITHIN, ended()).await;
        }
    }
}

impl Connection {
    /// Remembers that a workload was found for this name.
    pub fn note(&self, host: &str) {
        lock(&self.names).add(host);
    }

    /// Remembers that a request came.
    pub fn note_asked(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Whether the present request is its last one.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    pub fn has_asked_for(&self, host: &str) -> bool {
        lock(&self.names).have(|known| known == host)
    }
}

impl Names {
    fn add(&mut self, name: &str) {
        if self.have(|known| known == name) {
            return;
        }
        if self.some.len() < MOST_NAMES {
            self.some.push(name.to_owned());
        } else {
            *self = Self {
                some: Vec::new(),
                are_all: true,
            };
        }
    }

    fn have(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.are_all || self.some.iter().any(|name| is_meant(name))
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        lock(&self.connections.open).remove(&self.number);
        self.connection.ended.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_too_many_names_asked_for_all_of_them() {
        let mut names = Names::default();
        for n in 0..MOST_NAMES {
            names.add(&format!("{n}.x.y"));
        }
        names.add("0.x.y");
        assert!(names.have(|name| name == "31.x.y") && !names.have(|name| name == "32.x.y"));
        names.add("32.x.y");
        assert!(names.have(|name| name == "z"));
        assert!(names.some.is_empty(), "none is kept any more");
    }
}
