//! The host's log: lines to stderr, written by a thread of their own. Whoever has something to say never waits for the reader of
//! the log, since a full pipe would stop the requests of all workloads.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Lines that wait to be written; more are dropped and counted.
const MOST_WAITING: usize = 1024;

static STDERR: LazyLock<Log> = LazyLock::new(|| Log::new(std::io::stderr()));

/// One line for the log.
pub fn say(line: String) {
    STDERR.say(line);
}

/// Waits until all that was said so far is written, or until `within` is over.
pub fn flush(within: Duration) {
    STDERR.flush(within);
}

struct Log {
    entries: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(String),
    /// The other end is told when everything before this is written.
    Flush(SyncSender<()>),
}

impl Log {
    fn new(to: impl Write + Send + 'static) -> Self {
        let (entries, incoming) = sync_channel(MOST_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = dropped.clone();
        let writer = std::thread::Builder::new().name("wasm-log".into());
        // Without a thread there is no log, and nobody to tell that.
        let _ = writer.spawn(move || write(&incoming, to, &count));
        Self { entries, dropped }
    }

    fn say(&self, line: String) {
        if self.entries.try_send(Entry::Line(line + "\n")).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self, within: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.entries.try_send(Entry::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(within);
        }
    }
}

/// A host whose stderr is closed has nobody left to tell, so failures to write are ignored.
fn write(incoming: &Receiver<Entry>, mut to: impl Write, dropped: &AtomicU64) {
    for entry in incoming {
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(
                to,
                "{count} lines of the log were dropped: they came faster than they were read"
            );
        }
        match entry {
            Entry::Line(line) => {
                let _ = to.write_all(line.as_bytes());
            }
            Entry::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// A pipe that takes nothing until it is told to.
    struct Pipe {
        may_write: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // Open for good once the sender is gone.
            let _ = self.may_write.recv();
            self.written.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_full_pipe_and_what_is_lost_is_counted() {
        let (open, may_write) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Log::new(Pipe {
            may_write,
            written: written.clone(),
        });
        let said = MOST_WAITING * 2;
        for n in 0..said {
            log.say(format!("line {n}"));
        }
        drop(open);
        // The queue may be full still.
        while !String::from_utf8_lossy(&written.lock().unwrap()).contains("were dropped") {
            log.flush(Duration::from_secs(30));
        }
        log.say("the last".into());
        log.flush(Duration::from_secs(30));
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let (lines, told): (Vec<_>, Vec<_>) = text.lines().partition(|line| !line.contains("were dropped"));
        let lost: usize = told
            .iter()
            .map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(lines[0], "line 0");
        assert_eq!(lines.last(), Some(&"the last"));
        assert_eq!(lines.len() + lost, said + 1, "{told:?}");
    }
}
