//! Ends connections whose client reads no bytes. Nothing else would notice such a client: the kernel keeps the
//! connection open as long as the client answers probes, and hyper waits in its write.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Write;
use tokio::time::{Instant, Sleep, sleep_until};

use super::forward::reads_through;

/// A connection's stream whose writes fail if the client reads nothing for too long. A connection without writes may be
/// idle for any time.
pub(crate) struct WriteLimit<S> {
    stream: S,
    /// How long a write may wait.
    limit: Duration,
    /// Created by the first write that waits: most connections never need one.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the last write is still waiting, so that the timer counts.
    waiting: bool,
}

impl<S> WriteLimit<S> {
    /// Must be called on a tokio runtime with a timer.
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, timer: None, waiting: false }
    }

    /// Returns the result of a write, or an error if it has waited too long.
    fn limited<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = false;
            return outcome;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now())));
        if !self.waiting {
            timer.as_mut().reset(Instant::now() + self.limit);
            self.waiting = true;
        }
        ready!(timer.as_mut().poll(context));
        let message = format!("the client has taken no bytes for {:?}", self.limit);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

reads_through!(WriteLimit);

impl<S: Write + Unpin> Write for WriteLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limited(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.limited(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.limited(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    const LIMIT: Duration = Duration::from_millis(20);

    /// A stream with room for four bytes, and its other end.
    fn stream() -> (WriteLimit<TokioIo<DuplexStream>>, DuplexStream) {
        let (ours, theirs) = duplex(4);
        (WriteLimit::new(TokioIo::new(ours), LIMIT), theirs)
    }

    async fn write(stream: &mut WriteLimit<TokioIo<DuplexStream>>) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *stream).poll_write(context, b"four")).await
    }

    /// Starts a write, and returns whether it has to wait.
    async fn waits(stream: &mut WriteLimit<TokioIo<DuplexStream>>) -> bool {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *stream).poll_write(context, b"four").is_pending())).await
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn a_write_that_nobody_takes_fails() {
        run(async {
            let (mut stream, _theirs) = stream();
            assert_eq!(write(&mut stream).await.expect("there is room"), 4);
            let error = write(&mut stream).await.expect_err("nobody reads");
            assert_eq!((error.kind(), error.to_string().contains("no bytes")), (io::ErrorKind::TimedOut, true));
        });
    }

    #[test]
    fn bytes_that_are_taken_late_begin_a_new_wait() {
        run(async {
            let (mut stream, mut theirs) = stream();
            assert_eq!(write(&mut stream).await.expect("there is room"), 4);
            for _ in 0..3 {
                assert!(waits(&mut stream).await);
                theirs.read_exact(&mut [0; 4]).await.expect("four bytes");
                // The time of the previous wait is over, but nothing waits now.
                tokio::time::sleep(LIMIT * 2).await;
                assert_eq!(write(&mut stream).await.expect("there is room again"), 4);
            }
        });
    }
}
