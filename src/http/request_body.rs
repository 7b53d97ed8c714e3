//! The body of a request on its way to PHP: gathered before a PHP thread is taken, or streamed to the thread.
//!
//! **Gathered** is the default, as in nginx. [`gather`](super::gathered_body::gather) runs on the async side, so a slow, silent or vanished client
//! costs no PHP thread, and an incomplete body never reaches a script. Most stay in memory, large ones go to a
//! temporary file without a name. Both are bounded for each request and for the process.
//!
//! **Streamed** bodies (`request_buffering off`) are read by the PHP thread when the script asks for them. The first
//! read answers `Expect: 100-continue`, and the buffers of the socket are the back-pressure.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::BodyExt;

use super::block::{GivenUp, block_on};
use super::body_failure::BodyFailure;
use super::gathered_body::Gathered;
use super::pace::Pace;
use crate::exchange::Cancellation;

/// A streamed body with two possible owners: the PHP thread that runs the job, and the waiter that withdraws the job and
/// returns the connection to hyper. The job's claim decides who it is, so the lock is never contended.
pub(super) struct BodySlot<B>(Mutex<Option<B>>);

impl<B> BodySlot<B> {
    pub(super) fn new(body: B) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(body))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the body: hyper then drains or closes the connection.
    pub(super) fn discard(&self) {
        drop(self.lock().take());
    }
}

/// Where a PHP thread reads a request body from.
pub(super) enum RequestBody<B> {
    /// There is none.
    None,
    Gathered(Gathered),
    Streamed(Streamed<B>),
}

impl<B> RequestBody<B> {
    /// A body of at most `bytes_max` bytes that the PHP thread is to read from the connection, at this pace.
    pub(super) fn streamed(body: B, bytes_max: u64, pace: Pace) -> Self {
        let slot = BodySlot::new(body);
        Self::Streamed(Streamed { slot, unread: Bytes::new(), pace, ended: false, bytes_left: bytes_max })
    }

    /// With it the waiter of the job can withdraw the body.
    pub(super) fn slot(&self) -> Option<Arc<BodySlot<B>>> {
        match self {
            Self::Streamed(streamed) => Some(Arc::clone(&streamed.slot)),
            Self::None | Self::Gathered(_) => None,
        }
    }

    /// No more will be read from the connection. What was gathered stays for the script.
    pub(super) fn stop_streaming(&mut self) {
        if let Self::Streamed(streamed) = self {
            streamed.slot.discard();
            *self = Self::None;
        }
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin> RequestBody<B> {
    /// Reads the next bytes; blocks the PHP thread until there are some. `Ok(0)` is the end.
    ///
    /// # Errors
    /// Says why there are none.
    pub(super) fn read(&mut self, into: &mut [u8], cancellation: &Cancellation) -> Result<usize, BodyFailure> {
        match self {
            Self::None => Ok(0),
            Self::Gathered(gathered) => Ok(gathered.read(into)?),
            Self::Streamed(streamed) => streamed.read(into, cancellation),
        }
    }
}

/// A body that the script reads while the client sends it.
pub(super) struct Streamed<B> {
    /// Shared with the waiter of the job, which may drop the body.
    slot: Arc<BodySlot<B>>,
    /// The rest of the last frame, for PHP's next read.
    unread: Bytes,
    /// Ends the body of a client that sends too slowly.
    pace: Pace,
    /// The end was read.
    ended: bool,
    /// How many more bytes are allowed.
    bytes_left: u64,
}

impl<B: Body<Data = Bytes> + Send + Unpin> Streamed<B> {
    fn read(&mut self, into: &mut [u8], cancellation: &Cancellation) -> Result<usize, BodyFailure> {
        if self.unread.is_empty() && !self.ended {
            match self.next_bytes(cancellation) {
                Ok(Some(bytes)) => self.unread = bytes,
                ended => {
                    self.ended = true;
                    self.slot.discard();
                    ended?;
                }
            }
        }
        let count = self.unread.len().min(into.len());
        self.unread.copy_to_slice(&mut into[..count]);
        Ok(count)
    }

    /// Waits for the next bytes of the body.
    fn next_bytes(&mut self, cancellation: &Cancellation) -> Result<Option<Bytes>, BodyFailure> {
        let mut slot = self.slot.lock();
        let Some(body) = slot.as_mut() else { return Ok(None) };
        loop {
            let started = Instant::now();
            let frame = match block_on(body.frame(), self.pace.next_wait_max(), cancellation) {
                Ok(frame) => frame,
                Err(GivenUp::TimedOut) => return Err(BodyFailure::TooSlow),
                Err(GivenUp::Cancelled) => return Err(BodyFailure::Cancelled),
            };
            let waited = started.elapsed();
            let Some(frame) = frame else { return Ok(None) };
            // What is no data are trailers, as in `gather`.
            if let Ok(bytes) = frame.map_err(|_| BodyFailure::Broken)?.into_data() {
                self.pace.note(bytes.len(), waited);
                self.bytes_left = self.bytes_left.checked_sub(bytes.len() as u64).ok_or(BodyFailure::TooLarge)?;
                if !bytes.is_empty() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}
