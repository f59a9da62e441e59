//! What guests write to stdout and stderr: line by line to the host's stderr, with the workload's name in front.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::log::say;

/// A line longer than this is cut into pieces.
const LONGEST_LINE: usize = 8 * 1024;
/// What is kept of a service for the message of its failure: lines, and characters of each.
const LINES_KEPT: usize = 5;
const CHARS_KEPT: usize = 200;

/// Where the lines of a component go.
#[derive(Clone)]
pub struct Output {
    /// Stands in front of each line: `namespace/workload component`.
    name: Arc<str>,
    /// The last lines, where they are kept.
    last: Option<Arc<Mutex<VecDeque<String>>>>,
}

#[derive(Clone, Copy)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Output {
    pub fn new(workload: &str, component: &str) -> Self {
        Self {
            name: format!("{workload} {component}").into(),
            last: None,
        }
    }

    /// The same output, which remembers its last lines.
    pub fn keeping_last_lines(self) -> Self {
        let last = Some(Arc::default());
        Self { last, ..self }
    }

    /// `; its last lines: ...`, and nothing is kept afterwards; empty where there was no line.
    pub fn last_lines(&self) -> String {
        let Some(last) = &self.last else {
            return String::new();
        };
        let lines = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
        if lines.is_empty() {
            return String::new();
        }
        format!("; its last lines: {}", Vec::from(lines).join(" | "))
    }

    fn keep(&self, line: &str) {
        let Some(last) = &self.last else { return };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LINES_KEPT {
            last.pop_front();
        }
        last.push_back(line.chars().take(CHARS_KEPT).collect());
    }

    pub fn stream(&self, stream: Stream) -> GuestStream {
        GuestStream {
            name: self.clone(),
            stream,
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
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
        self.name.keep(&text);
        say(format!("{} {stream}: {text}", self.name));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(output: &Output, text: &str) {
        output.stream(Stream::Stdout).lines().take(text.as_bytes());
    }

    #[test]
    fn the_last_lines_are_kept_where_asked_for() {
        let output = Output::new("default/w", "service").keeping_last_lines();
        assert_eq!(output.last_lines(), "");
        write(&output, "1\n2\n3\n4\n5\n6\n7");
        assert_eq!(output.last_lines(), "; its last lines: 3 | 4 | 5 | 6 | 7");
        assert_eq!(output.last_lines(), "", "they are told once");
        write(&output, &"x".repeat(CHARS_KEPT + 1));
        assert_eq!(
            output.last_lines(),
            format!("; its last lines: {}", "x".repeat(CHARS_KEPT))
        );
        let plain = Output::new("default/w", "web");
        write(&plain, "1\n");
        assert_eq!(plain.last_lines(), "");
    }
}
