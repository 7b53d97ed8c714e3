//! The byte stream of a connection, with the bytes that were read before the protocol was known.

use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::file_sender::Socket;
use super::forward::writes_through;

/// A stream whose first bytes can be inspected before the protocol reads them.
#[derive(Debug)]
pub(super) struct Ahead<S> {
    stream: S,
    /// Bytes that were read ahead; freed when the protocol has taken them.
    ahead: Vec<u8>,
    /// How many of them the protocol has taken.
    taken: usize,
}

impl<S> Ahead<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new(), taken: 0 }
    }

    /// The bytes that were read ahead and not consumed yet.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead[self.taken..]
    }

    /// Skips this many of these bytes; the protocol will not see them.
    pub(super) fn pass(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.ahead.len());
        if self.taken == self.ahead.len() {
            (self.ahead, self.taken) = (Vec::new(), 0);
        }
    }
}

impl<S: AsyncRead + Unpin> Ahead<S> {
    /// Reads more bytes ahead, at most `max` at once. Returns their number; 0: the end of the stream.
    pub(super) async fn read_ahead(&mut self, max: usize) -> io::Result<usize> {
        let before = self.ahead.len();
        self.ahead.resize(before + max, 0);
        let read = self.stream.read(&mut self.ahead[before..]).await;
        self.ahead.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.ahead().len().min(buffer.remaining());
        buffer.put_slice(&self.ahead()[..count]);
        self.pass(count);
        Poll::Ready(Ok(()))
    }
}

writes_through!(Ahead);

impl<S: Socket> Socket for Ahead<S> {
    fn poll_send_file(
        &self,
        context: &mut Context<'_>,
        file: &File,
        position: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_send_file(context, file, position, count)
    }

    fn poll_write_more(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.stream.poll_write_more(context, slices)
    }
}
