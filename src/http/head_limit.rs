//! Limits the time of an HTTP/1 client between two requests, and for a request head.
//!
//! hyper has one timer for both, which starts when the previous response is complete. Here the first byte of a head
//! starts a second timer, so an idle connection may stay open for long, but a head may not trickle in. A part of a head
//! that arrived together with the previous request starts none, because hyper has already read it. Such a connection
//! ends like an idle one.
//!
//! Large heads that never end cost memory: each connection may have one of 64 KiB. So all of them together are bounded.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// The bytes that unfinished heads may have together, beyond the first ones of each.
pub(super) struct HeadBudget {
    left: AtomicUsize,
}

/// The budget of the process.
pub(super) static HEADS: HeadBudget = HeadBudget::new(limits::UNFINISHED_HEADS_BYTES_MAX);

impl HeadBudget {
    pub(super) const fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }
}

/// The unfinished head of one connection.
struct UnfinishedHead {
    bytes: usize,
    /// Taken from the budget.
    taken: usize,
    budget: &'static HeadBudget,
}

impl UnfinishedHead {
    /// Counts more bytes. Returns whether there is room for them.
    fn grow(&mut self, count: usize) -> bool {
        self.bytes += count;
        let wanted = self.bytes.saturating_sub(limits::HEAD_BYTES_FREE).saturating_sub(self.taken);
        let take = |left: usize| left.checked_sub(wanted);
        let has_room = self.budget.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.taken += if has_room { wanted } else { 0 };
        has_room
    }

    /// The head is complete, or will never be.
    fn end(&mut self) {
        self.budget.left.fetch_add(self.taken, Ordering::Relaxed);
        (self.bytes, self.taken) = (0, 0);
    }
}

impl Drop for UnfinishedHead {
    fn drop(&mut self) {
        self.end();
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
    unfinished: UnfinishedHead,
    /// The number of requests started before the last read.
    requests: u32,
    /// Created by the first read that waits for a head.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> HeadLimit<S> {
    /// Must be called on a tokio runtime with a timer. The time of the first head starts now.
    pub(super) fn new(stream: S, slot: Arc<InterimSlot>, times: HeadTimes, budget: &'static HeadBudget) -> Self {
        let unfinished = UnfinishedHead { bytes: 0, taken: 0, budget };
        Self { stream, slot, times, wait: Wait::None, has_bytes: true, unfinished, requests: 0, timer: None }
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
            self.unfinished.end();
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
            let count = before - buffer.remaining();
            // During a request, the bytes belong to its body.
            if count > 0 && self.slot.expects_head() {
                self.has_bytes = true;
                if !self.unfinished.grow(count) {
                    let message = "the unfinished heads of all connections are too large";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, message)));
                }
            }
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
                let mut stream = HeadLimit::new(ours, Arc::clone(&slot), HeadTimes { head, idle }, &HEADS);
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
            let mut stream = HeadLimit::new(ours, Arc::clone(&slot), HeadTimes { head: SHORT, idle: SHORT }, &HEADS);
            slot.hold_end();
            slot.leave_http();
            slot.release_end();
            assert!(tokio::time::timeout(SHORT * 5, stream.read(&mut [0; 8])).await.is_err());
        });
    }

    #[test]
    fn large_heads_without_an_end_are_bounded_together() {
        static BUDGET: HeadBudget = HeadBudget::new(100);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let connection = || {
                let (ours, theirs) = duplex(2 * limits::HEAD_BYTES_FREE);
                let slot = Arc::new(InterimSlot::default());
                let times = HeadTimes { head: LONG, idle: LONG };
                (HeadLimit::new(ours, Arc::clone(&slot), times, &BUDGET), theirs, slot)
            };
            let mut bytes = vec![0; limits::HEAD_BYTES_FREE + 60];
            let (mut first, mut client, slot) = connection();
            client.write_all(&bytes).await.expect("there is room");
            first.read_exact(&mut bytes).await.expect("60 of 100 bytes are taken");
            let (mut second, mut other, _slot) = connection();
            other.write_all(&bytes).await.expect("there is room");
            let refused = second.read_exact(&mut bytes).await.map_err(|error| error.kind());
            assert_eq!(refused, Err(io::ErrorKind::OutOfMemory));
            drop(second);

            // A request has begun: its head is no longer unfinished.
            slot.hold_end();
            first.flush().await.expect("nothing fails");
            let (mut third, mut other, _slot) = connection();
            other.write_all(&bytes).await.expect("there is room");
            third.read_exact(&mut bytes).await.expect("there is room again");
            drop(third);
            assert_eq!(BUDGET.left.load(Ordering::Relaxed), 100);
        });
    }
}
