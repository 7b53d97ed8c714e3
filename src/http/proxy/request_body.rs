//! The body of a request on its way to an upstream. It stays whole until an upstream takes from it, so a request that no
//! connection could be made for can be tried again.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The client ended its request early.
#[derive(Debug, thiserror::Error)]
#[error("the client's request body broke off")]
pub(super) struct BrokenOff;

type Shared = Arc<Mutex<dyn Body<Data = Bytes, Error = BrokenOff> + Send + Unpin>>;

/// The client's body.
pub(super) struct BodySource {
    /// Only the body of the try at hand polls it, so the lock is never waited for.
    body: Shared,
    taken: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
    too_large: Arc<AtomicBool>,
}

impl BodySource {
    /// Passes on at most so many bytes of the body.
    pub(super) fn new<B>(body: B, bytes_max: u64) -> Self
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (broken, too_large) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let plain = Plain { body, left: bytes_max, broken: Arc::clone(&broken), too_large: Arc::clone(&too_large) };
        Self { body: Arc::new(Mutex::new(plain)), taken: Arc::default(), broken, too_large }
    }

    /// The body for one try.
    pub(super) fn body(&self) -> ProxyBody {
        ProxyBody { body: Arc::clone(&self.body), taken: Arc::clone(&self.taken) }
    }

    /// Whether the client has ended it early.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Whether it was larger than what may be passed on.
    pub(super) fn is_too_large(&self) -> bool {
        self.too_large.load(Ordering::Acquire)
    }

    /// Whether nothing was taken from it.
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
    /// How many bytes may still come.
    left: u64,
    broken: Arc<AtomicBool>,
    too_large: Arc<AtomicBool>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Plain<B> {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Err(_))) = &frame {
            self.broken.store(true, Ordering::Release);
        }
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(left) = self.left.checked_sub(length) else {
                self.too_large.store(true, Ordering::Release);
                return Poll::Ready(Some(Err(BrokenOff)));
            };
            self.left = left;
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(|_| BrokenOff)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
