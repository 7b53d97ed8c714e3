//! The body of a response from its first chunk on: from the PHP thread to the task of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::block::{GivenUp, block_on};
use super::body::{Chunks, Source};
use crate::exchange::{Cancellation, Flow};
use crate::limits;

/// The response from its first chunk on.
pub(super) struct Streaming {
    /// To the connection's task. When it is full, the PHP thread waits for the client.
    chunks: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    /// The missing bytes of the announced length; `None` when nothing was promised.
    remaining: Option<u64>,
    /// Set before the channel is closed early, so that the client notices it.
    truncated: Arc<AtomicBool>,
    /// The warning about bytes beyond the announced length was logged.
    warned: bool,
    cancellation: Arc<Cancellation>,
}

impl Streaming {
    /// A response of this length, if it is known, and its end on the async side.
    pub(super) fn open(length: Option<u64>, cancellation: &Arc<Cancellation>) -> (Self, Source) {
        let (chunks, receiver) = mpsc::channel(limits::RESPONSE_CHUNKS_IN_FLIGHT_MAX);
        let truncated = Arc::new(AtomicBool::new(false));
        let source = Source::Stream(Chunks { receiver, truncated: Arc::clone(&truncated) });
        let cancellation = Arc::clone(cancellation);
        (Self { chunks, buffer: Vec::new(), remaining: length, truncated, warned: false, cancellation }, source)
    }

    /// Collects small writes and sends full chunks.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Flow {
        if self.buffer.len() + bytes.len() < limits::RESPONSE_STREAM_BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
            return if self.is_abandoned() { Flow::ClientGone } else { Flow::Continue };
        }
        match self.flush() {
            Flow::Continue if bytes.len() < limits::RESPONSE_STREAM_BUFFER_BYTES => {
                self.buffer.extend_from_slice(bytes);
                Flow::Continue
            }
            Flow::Continue => self.send_all(bytes),
            Flow::ClientGone => Flow::ClientGone,
        }
    }

    /// Notices a client that has left, even if there is nothing to send.
    pub(super) fn flush(&mut self) -> Flow {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            return if self.is_abandoned() { Flow::ClientGone } else { Flow::Continue };
        }
        self.send(Bytes::from(buffer))
    }

    fn send_all(&mut self, bytes: &[u8]) -> Flow {
        let mut pieces = bytes.chunks(limits::RESPONSE_CHUNK_BYTES_MAX);
        let are_sent = pieces.all(|piece| self.send(Bytes::copy_from_slice(piece)) == Flow::Continue);
        if are_sent { Flow::Continue } else { Flow::ClientGone }
    }

    /// Sends one chunk, but not beyond the announced length: the client would read further bytes as the next response.
    pub(super) fn send(&mut self, mut bytes: Bytes) -> Flow {
        if let Some(remaining) = &mut self.remaining {
            if *remaining < bytes.len() as u64 {
                warn_of_rest(&mut self.warned);
                bytes.truncate(*remaining as usize);
            }
            *remaining -= bytes.len() as u64;
        }
        if bytes.is_empty() {
            return Flow::Continue;
        }
        let bytes = match self.chunks.try_send(bytes) {
            Ok(()) => return Flow::Continue,
            Err(mpsc::error::TrySendError::Closed(_)) => return Flow::ClientGone,
            Err(mpsc::error::TrySendError::Full(bytes)) => bytes,
        };
        let limit = Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX);
        match block_on(self.chunks.send(bytes), limit, &self.cancellation) {
            Ok(Ok(())) => Flow::Continue,
            Ok(Err(_)) => Flow::ClientGone,
            Err(given_up) => {
                if given_up == GivenUp::TimedOut {
                    tracing::info!(
                        seconds = limit.as_secs(),
                        "sending the response: the client took nothing for too long"
                    );
                }
                self.truncate();
                Flow::ClientGone
            }
        }
    }

    /// Whether the receiver left early. After the announced length it leaves because the response is complete.
    pub(super) fn is_abandoned(&self) -> bool {
        self.chunks.is_closed() && self.remaining != Some(0)
    }

    /// The bytes that are missing of the announced length.
    pub(super) fn missing(&self) -> Option<u64> {
        self.remaining.filter(|&missing| missing > 0)
    }

    /// The client will notice that this is not the end.
    pub(super) fn truncate(&self) {
        self.truncated.store(true, Ordering::Release);
    }
}

/// What the script wrote, and then the abortion of the body.
pub(super) fn truncated_body(written: Vec<u8>) -> Source {
    let (chunks, receiver) = mpsc::channel(1);
    if !written.is_empty() {
        let _ = chunks.try_send(Bytes::from(written));
    }
    Source::Stream(Chunks { receiver, truncated: Arc::new(AtomicBool::new(true)) })
}

fn warn_of_rest(warned: &mut bool) {
    if !std::mem::replace(warned, true) {
        tracing::warn!("sending the response: the script wrote more than its Content-Length, the rest is dropped");
    }
}
