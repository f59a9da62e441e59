//! What guests write to stdout and stderr: line by line to the host's stderr, with the workload's name in front.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A line longer than this is cut into pieces.
const LONGEST_LINE: usize = 8 * 1024;

/// The name that stands in front of a component's lines: `namespace/workload component`.
#[derive(Clone)]
pub struct Output(Arc<str>);

#[derive(Clone, Copy)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Output {
    pub fn new(workload: &str, component: &str) -> Self {
        Self(format!("{workload} {component}").into())
    }

    pub fn stream(&self, stream: Stream) -> GuestStream {
        GuestStream {
            name: self.clone(),
            stream,
        }
    }
}

/// One of a guest's two output streams. Nothing is kept until the guest opens it.
pub struct GuestStream {
    name: Output,
    stream: Stream,
}

impl GuestStream {
    fn lines(&self) -> Lines {
        Lines {
            name: self.name.clone(),
            stream: self.stream,
            rest: Vec::new(),
        }
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }
}

/// Cuts a stream into lines; a last line without its end is written when the stream is closed.
struct Lines {
    name: Output,
    stream: Stream,
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(end) = self.rest[from..].iter().position(|b| *b == b'\n') {
            self.print(&self.rest[from..from + end]);
            from += end + 1;
        }
        while self.rest.len() - from > LONGEST_LINE {
            self.print(&self.rest[from..from + LONGEST_LINE]);
            from += LONGEST_LINE;
        }
        self.rest.drain(..from);
    }

    fn print(&self, line: &[u8]) {
        let stream = match self.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        // Control characters would let a guest forge lines of others or drive the terminal.
        let text = String::from_utf8_lossy(line).replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
        let whole = format!("{} {stream}: {text}\n", self.name.0);
        // A host whose stderr is closed has nobody left to tell.
        let _ = std::io::stderr().lock().write_all(whole.as_bytes());
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.rest.is_empty() {
            self.print(&self.rest);
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
