//! Lets an HTTP/1 client read a response that came before the end of its request.
//!
//! A socket that is closed with unread bytes resets the connection. A client that still sends its body then fails to
//! write, and many never read the response (413, 401, 503) that says why. So [`Linger`] closes the sending side first, and
//! drops what arrives until the client closes its own. Time and bytes are bounded, and a stopping server hardly waits.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::interim::InterimSlot;
use super::phase::Phase;
use crate::limits;

/// How long it may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Without a byte from the client.
    idle: Duration,
    /// In all.
    total: Duration,
    /// After the server has begun to stop.
    stopping: Duration,
    /// Bytes that are dropped.
    bytes: usize,
}

const BOUNDS: Bounds = Bounds {
    idle: Duration::from_secs(limits::LINGER_IDLE_SECONDS_MAX),
    total: Duration::from_secs(limits::LINGER_SECONDS_MAX),
    stopping: Duration::from_secs(limits::LINGER_STOPPING_SECONDS_MAX),
    bytes: limits::LINGER_BYTES_MAX,
};

/// A connection's stream whose shutdown waits for a client that still sends.
pub(super) struct Linger<S> {
    stream: S,
    /// Knows whether the body of the last request was read to its end.
    slot: Arc<InterimSlot>,
    phases: watch::Receiver<Phase>,
    bounds: Bounds,
    /// Whether the sending side is closed.
    is_shut: bool,
    /// The last bytes came between requests: how many of those had begun.
    head_after: Option<u32>,
    /// Most connections never need it.
    dropping: Option<Box<Dropping>>,
}

/// The client still sends.
struct Dropping {
    ends: Pin<Box<dyn Future<Output = ()> + Send>>,
    idle: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl<S> Linger<S> {
    pub(super) fn new(stream: S, slot: Arc<InterimSlot>, phases: watch::Receiver<Phase>) -> Self {
        Self { stream, slot, phases, bounds: BOUNDS, is_shut: false, head_after: None, dropping: None }
    }

    fn dropping(&mut self) -> &mut Dropping {
        let Bounds { idle, total, stopping, bytes } = self.bounds;
        self.dropping.get_or_insert_with(|| {
            let mut phases = self.phases.clone();
            let ends = async move {
                let stops = async {
                    let _ = phases.wait_for(|phase| *phase != Phase::Serving).await;
                    sleep(stopping).await;
                };
                tokio::select! {
                    () = sleep(total) => {}
                    () = stops => {}
                }
            };
            Box::new(Dropping { ends: Box::pin(ends), idle: Box::pin(sleep(idle)), bytes_left: bytes })
        })
    }
}

impl<S: AsyncRead + Unpin> Linger<S> {
    /// Whether the last bytes are of a head that has become no request. Its client may still be sending the rest.
    fn has_unfinished_head(&self) -> bool {
        self.head_after == Some(self.slot.requests())
    }

    /// Drops what the client sends, until it closes the connection or a bound is reached.
    fn poll_client(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut is_sending = self.dropping.is_some() || self.slot.has_unread_body() || self.has_unfinished_head();
        loop {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let count = buffer.filled().len();
                    let idle = Instant::now() + self.bounds.idle;
                    let dropping = self.dropping();
                    if count > dropping.bytes_left || dropping.ends.as_mut().poll(context).is_ready() {
                        return Poll::Ready(());
                    }
                    dropping.bytes_left -= count;
                    dropping.idle.as_mut().reset(idle);
                    is_sending = true;
                }
                Poll::Pending if is_sending => {
                    let dropping = self.dropping();
                    let is_over = dropping.ends.as_mut().poll(context).is_ready()
                        || dropping.idle.as_mut().poll(context).is_ready();
                    return if is_over { Poll::Ready(()) } else { Poll::Pending };
                }
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.head_after = (!self.slot.is_in_hand()).then(|| self.slot.requests());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
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
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.is_shut = true;
        }
        // In another protocol, one side may end while the other still sends.
        if !self.slot.has_left_http() {
            ready!(self.poll_client(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);
    const LONG_BOUNDS: Bounds = Bounds { idle: LONG, total: LONG, stopping: LONG, bytes: 100_000 };

    struct Case {
        ours: Linger<DuplexStream>,
        theirs: DuplexStream,
        slot: Arc<InterimSlot>,
        phase: watch::Sender<Phase>,
    }

    fn case(bounds: Bounds) -> Case {
        let (ours, theirs) = duplex(64);
        let (phase, phases) = watch::channel(Phase::Serving);
        let slot = Arc::<InterimSlot>::default();
        let ours = Linger { bounds, ..Linger::new(ours, Arc::clone(&slot), phases) };
        Case { ours, theirs, slot, phase }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn a_client_that_still_sends_is_heard_to_its_end() {
        run(async {
            let Case { mut ours, mut theirs, slot, .. } = case(LONG_BOUNDS);
            slot.note_body(true);
            let client = async {
                let mut end = [0; 1];
                assert_eq!(theirs.read(&mut end).await.expect("an end"), 0, "our side is closed first");
                theirs.write_all(&[b'x'; 10_000]).await.expect("all is taken");
                drop(theirs);
            };
            let (shut, ()) = tokio::join!(ours.shutdown(), client);
            shut.expect("it ends");
        });
    }

    #[test]
    fn the_rest_of_a_head_that_was_refused_is_heard_to_its_end() {
        run(async {
            let Case { mut ours, mut theirs, .. } = case(LONG_BOUNDS);
            theirs.write_all(b"GET / HT").await.expect("there is room");
            assert_eq!(ours.read(&mut [0; 64]).await.expect("a part of a head"), 8);
            let client = async {
                assert_eq!(theirs.read(&mut [0; 1]).await.expect("an end"), 0, "our side is closed first");
                theirs.write_all(&[b'x'; 10_000]).await.expect("all is taken");
                drop(theirs);
            };
            let (shut, ()) = tokio::join!(ours.shutdown(), client);
            shut.expect("it ends");
        });
    }

    #[test]
    fn nothing_waits_for_a_client_that_has_sent_all_or_speaks_another_protocol() {
        run(async {
            let Case { mut ours, theirs: _theirs, .. } = case(LONG_BOUNDS);
            ours.shutdown().await.expect("it ends");
            let Case { mut ours, mut theirs, slot, .. } = case(LONG_BOUNDS);
            theirs.write_all(b"a frame").await.expect("there is room");
            slot.leave_http();
            ours.shutdown().await.expect("it ends");
            assert_eq!(ours.read(&mut [0; 10]).await.expect("the frame"), 7, "it is not dropped");
        });
    }

    #[test]
    fn every_bound_ends_it() {
        run(async {
            for bounds in [Bounds { idle: SHORT, ..LONG_BOUNDS }, Bounds { total: SHORT, ..LONG_BOUNDS }] {
                let Case { mut ours, theirs: _theirs, slot, .. } = case(bounds);
                slot.note_body(true);
                ours.shutdown().await.expect("it ends");
            }
            let Case { mut ours, theirs: _theirs, slot, phase } = case(Bounds { stopping: SHORT, ..LONG_BOUNDS });
            slot.note_body(true);
            phase.send_replace(Phase::Draining);
            ours.shutdown().await.expect("it ends");
            // It has sent more than is dropped, although no body was announced.
            let Case { mut ours, mut theirs, .. } = case(Bounds { bytes: 5, ..LONG_BOUNDS });
            theirs.write_all(b"too much").await.expect("there is room");
            ours.shutdown().await.expect("it ends");
        });
    }
}
