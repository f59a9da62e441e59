//! The engine's threads. A lane is a thread with a runtime of its own: a connection stays on its lane, and a guest answers
//! on the thread that read the request, so a request costs no wake-up of another thread. Guests over their budget go
//! on among the heavy threads, whose lower priority makes the kernel give the processor to the lanes first.

use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use crate::error::{EngineError, Result};
use crate::http::server::{Front, serve_connection};
use crate::log::say;
use crate::priority::{HEAVY, lower_this_thread};

/// After an accept that failed for want of file descriptors or memory.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// All threads that serve requests.
pub struct Lanes {
    front: Arc<Front>,
    lanes: Vec<Lane>,
    /// Guests over their budget.
    heavy: Option<Runtime>,
    /// Cancelled when the lanes have to end, whatever they do.
    ending: CancellationToken,
    is_accepting: Arc<AtomicBool>,
}

struct Lane {
    connections: UnboundedSender<StdStream>,
    open: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Lanes {
    /// # Errors
    /// `internal` when a thread can't be started.
    pub fn start(count: usize, front: Arc<Front>) -> Result<Self> {
        let fault = |e: std::io::Error| EngineError::internal(format!("a thread can't be started: {e}"));
        let heavy = Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("wasm-heavy")
            .on_thread_start(|| lower_this_thread(HEAVY))
            .enable_all()
            .build()
            .map_err(fault)?;
        let ending = CancellationToken::new();
        let lanes = (0..count)
            .map(|_| Lane::start(front.clone(), ending.clone()).map_err(fault))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            front,
            lanes,
            heavy: Some(heavy),
            ending,
            is_accepting: Arc::new(AtomicBool::new(true)),
        })
    }

    pub fn heavy(&self) -> Handle {
        self.heavy
            .as_ref()
            .expect("the heavy threads live as long as the lanes")
            .handle()
            .clone()
    }

    /// Client connections that are open.
    pub fn connection_count(&self) -> usize {
        self.lanes
            .iter()
            .map(|lane| lane.open.load(Ordering::Relaxed))
            .sum()
    }

    /// Accepts until the front closes and hands each connection to the lane that has the fewest.
    pub fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        most_connections: usize,
    ) -> impl Future<Output = ()> + use<> {
        let lanes = self.clone();
        async move {
            let closing = lanes.front.closing.clone();
            tokio::select! {
                () = closing.cancelled() => {}
                () = lanes.accept_all(&listener, most_connections) => {}
            }
            drop(listener);
            lanes.is_accepting.store(false, Ordering::Release);
        }
    }

    async fn accept_all(&self, listener: &TcpListener, most_connections: usize) {
        loop {
            let accepted = match listener.accept().await {
                Ok((stream, _)) if self.connection_count() < most_connections => prepare(stream),
                // Over the limit: the connection is closed at once rather than left to wait.
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            match accepted {
                Ok(stream) => self.hand_over(stream),
                Err(error) => {
                    say(format!("a connection could not be accepted: {error}"));
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn hand_over(&self, stream: StdStream) {
        let lane = self
            .lanes
            .iter()
            .min_by_key(|lane| lane.open.load(Ordering::Relaxed));
        let lane = lane.expect("there is at least one lane");
        lane.open.fetch_add(1, Ordering::Relaxed);
        // A lane that is gone means the end of the engine; the connection closes with it.
        let _ = lane.connections.send(stream);
    }

    /// Closes the listener, waits up to `drain` for open connections to come to their end, and ends all threads.
    pub async fn end(&self, drain: Duration) {
        self.front.closing.cancel();
        let deadline = Instant::now() + drain;
        while Instant::now() < deadline
            && (self.is_accepting.load(Ordering::Acquire) || self.connection_count() > 0)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.ending.cancel();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.front.closing.cancel();
        self.ending.cancel();
        for lane in &mut self.lanes {
            if let Some(thread) = lane.thread.take() {
                // A guest on the lane gives way at the next tick of the epoch.
                let _ = thread.join();
            }
        }
        if let Some(heavy) = self.heavy.take() {
            heavy.shutdown_background();
        }
    }
}

fn prepare(stream: TcpStream) -> std::io::Result<StdStream> {
    stream.set_nodelay(true)?;
    stream.into_std()
}

impl Lane {
    fn start(front: Arc<Front>, ending: CancellationToken) -> std::io::Result<Self> {
        let (connections, incoming) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let count = open.clone();
        let thread = std::thread::Builder::new()
            .name("wasm-lane".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = ending.cancelled() => {}
                        () = serve_all(front, incoming, count) => {}
                    }
                });
            })?;
        Ok(Self {
            connections,
            open,
            thread: Some(thread),
        })
    }
}

async fn serve_all(front: Arc<Front>, mut incoming: UnboundedReceiver<StdStream>, open: Arc<AtomicUsize>) {
    while let Some(stream) = incoming.recv().await {
        let (front, open) = (front.clone(), Counted(open.clone()));
        tokio::spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve_connection(front, stream).await,
                Err(error) => say(format!("a connection could not be taken over: {error}")),
            }
            drop(open);
        });
    }
}

/// One open connection.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
