//! Limits the time of an HTTP/1 client between two requests, and for a request head.
//!
//! hyper has one timer for both, which starts when the previous response is complete. Here the first byte of a head
//! starts a second timer, so an idle connection may stay open for long, but a head may not trickle in. A part of a head
//! that arrived together with the previous request starts none, because hyper has already read it. Such a connection
//! ends like an idle one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::interim::InterimSlot;
use crate::config::Timeouts;
use crate::limits;

/// The time limits of the waits for a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadTimes {
    /// From the first byte of a head to its end.
    head: Duration,
    /// From the end of a response to the first byte of the next head.
    idle: Duration,
}

impl HeadTimes {
    /// The configured times, or the defaults.
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        let usual = Duration::from_secs(limits::REQUEST_HEAD_SECONDS_MAX);
        Self { head: timeouts.read_header.unwrap_or(usual), idle: timeouts.idle.unwrap_or(usual) }
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// No head is expected: a request is being served, or the protocol has changed.
    None,
    /// The first byte of the next request.
    Request,
    /// The rest of a head.
    Head,
}

/// A connection's stream whose reads fail when a head takes too long.
pub(super) struct HeadLimit<S> {
    stream: S,
    /// Knows whether a head is expected.
    slot: Arc<InterimSlot>,
    times: HeadTimes,
    /// What the timer counts for.
    wait: Wait,
    /// Whether bytes of the next head have arrived.
    has_bytes: bool,
    /// The number of requests started before the last read.
    requests: u32,
    /// Created by the first read that waits for a head.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> HeadLimit<S> {
    /// Must be called on a tokio runtime with a timer. The time of the first head starts now.
    pub(super) fn new(stream: S, slot: Arc<InterimSlot>, times: HeadTimes) -> Self {
        Self { stream, slot, times, wait: Wait::None, has_bytes: true, requests: 0, timer: None }
    }

    /// Waits until the client's time is over; called when there is nothing to read.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let wait = if !self.slot.expects_head() {
            Wait::None
        } else if self.has_bytes {
            Wait::Head
        } else {
            Wait::Request
        };
        let time = match wait {
            Wait::None => {
                self.wait = wait;
                return Poll::Pending;
            }
            Wait::Request => self.times.idle,
            Wait::Head => self.times.head,
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now())));
        if self.wait != wait {
            timer.as_mut().reset(Instant::now() + time);
            self.wait = wait;
        }
        timer.as_mut().poll(context)
    }

    /// Notices that a request has started since the last check: earlier bytes belong to it.
    fn note_requests(&mut self) {
        let requests = self.slot.requests();
        if self.requests != requests {
            (self.requests, self.has_bytes, self.wait) = (requests, false, Wait::None);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadLimit<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.note_requests();
        let before = buffer.remaining();
        if let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            // During a request, the bytes belong to its body.
            self.has_bytes |= buffer.remaining() < before && self.slot.expects_head();
            return Poll::Ready(outcome);
        }
        ready!(self.poll_end(context));
        let what = if self.wait == Wait::Head { "the head of a request" } else { "the next request" };
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} did not come in time"))))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // After a response hyper does not read if an earlier read is still pending, so the timer must start here.
        self.note_requests();
        if self.poll_end(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    fn kind(outcome: io::Result<usize>) -> Result<usize, io::ErrorKind> {
        outcome.map_err(|error| error.kind())
    }

    #[test]
    fn a_head_and_the_rest_between_two_requests_have_clocks_of_their_own() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            for (head, idle, ends) in [(SHORT, LONG, [true, true]), (LONG, SHORT, [false, true])] {
                let (ours, mut theirs) = duplex(64);
                let slot = Arc::new(InterimSlot::default());
                let mut stream = HeadLimit::new(ours, Arc::clone(&slot), HeadTimes { head, idle });
                let mut bytes = [0; 64];
                theirs.write_all(b"GET").await.expect("there is room");
                assert_eq!(kind(stream.read(&mut bytes).await), Ok(3));
                let first = tokio::time::timeout(SHORT * 5, stream.read(&mut bytes)).await;
                assert_eq!(first.is_ok(), ends[0], "the rest of the head");
                slot.hold_end();
                assert!(
                    tokio::time::timeout(SHORT * 3, stream.read(&mut bytes)).await.is_err(),
                    "a request is in hand"
                );
                slot.release_end();
                if head == SHORT {
                    assert!(tokio::time::timeout(SHORT * 3, stream.read(&mut bytes)).await.is_err(), "it may rest");
                    theirs.write_all(b"G").await.expect("there is room");
                    assert_eq!(kind(stream.read(&mut bytes).await), Ok(1));
                }
                assert_eq!(kind(stream.read(&mut bytes).await), Err(io::ErrorKind::TimedOut), "{head:?} {idle:?}");
            }
        });
    }

    #[test]
    fn a_connection_that_speaks_another_protocol_has_no_clock() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (ours, _theirs) = duplex(64);
            let slot = Arc::new(InterimSlot::default());
            let mut stream = HeadLimit::new(ours, Arc::clone(&slot), HeadTimes { head: SHORT, idle: SHORT });
            slot.hold_end();
            slot.leave_http();
            slot.release_end();
            assert!(tokio::time::timeout(SHORT * 5, stream.read(&mut [0; 8])).await.is_err());
        });
    }
}
