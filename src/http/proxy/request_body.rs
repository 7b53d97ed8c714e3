//! The body of a request on its way to an upstream. It stays complete until an upstream reads from it, so a request can
//! be retried if no connection could be made.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body is not forwarded completely.
#[derive(Debug, thiserror::Error)]
#[error("the client's request body broke off")]
pub(super) struct BrokenOff;

/// Why that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The client ended its request early.
    Ended,
    /// It was larger than allowed.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
}

type Shared = Arc<Mutex<dyn Body<Data = Bytes, Error = BrokenOff> + Send + Unpin>>;

/// The client's body.
pub(super) struct BodySource {
    /// Only the current attempt polls it, so the lock is never contended.
    body: Shared,
    taken: Arc<AtomicBool>,
    fault: Arc<OnceLock<Fault>>,
}

impl BodySource {
    /// Forwards at most this many bytes of the body, within this time. Must be called on a tokio runtime with a timer.
    pub(super) fn new<B>(body: B, bytes_max: u64, time_max: Option<Duration>) -> Self
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let fault = Arc::<OnceLock<Fault>>::default();
        let timer = time_max.filter(|_| !body.is_end_stream()).map(|time| Box::pin(sleep(time)));
        let plain = Plain { body, left: bytes_max, timer, fault: Arc::clone(&fault) };
        Self { body: Arc::new(Mutex::new(plain)), taken: Arc::default(), fault }
    }

    /// The body for one try.
    pub(super) fn body(&self) -> ProxyBody {
        ProxyBody { body: Arc::clone(&self.body), taken: Arc::clone(&self.taken) }
    }

    /// Why it was not forwarded completely, if so.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// Whether nothing was read from it.
    pub(super) fn is_whole(&self) -> bool {
        !self.taken.load(Ordering::Acquire)
    }
}

/// What hyper's client reads.
pub(super) struct ProxyBody {
    body: Shared,
    taken: Arc<AtomicBool>,
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.taken.store(true, Ordering::Release);
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

/// A body whose errors have one type.
struct Plain<B> {
    body: B,
    /// The number of bytes still allowed.
    left: u64,
    /// The end of the client's time.
    timer: Option<Pin<Box<Sleep>>>,
    fault: Arc<OnceLock<Fault>>,
}

impl<B> Plain<B> {
    fn fail(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let _ = self.fault.set(fault);
        Poll::Ready(Some(Err(BrokenOff)))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Plain<B> {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(_))) => return self.fail(Fault::Ended),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                let is_over = self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready());
                return if is_over { self.fail(Fault::TooSlow) } else { Poll::Pending };
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(left) = self.left.checked_sub(length) else { return self.fail(Fault::TooLarge) };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
