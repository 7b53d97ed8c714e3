//! The body of a request on its way to PHP: gathered before a PHP thread is taken, or streamed to the thread.
//!
//! **Gathered** is the default, as in nginx. [`gather`] runs on the async side, so a slow, silent or vanished client
//! costs no PHP thread, and an incomplete body never reaches a script. Small bodies stay in memory, others go to a
//! temporary file without a name. Both are bounded for each request and for the process.
//!
//! **Streamed** bodies (`request_buffering off`) are read by the PHP thread when the script asks for them. The first
//! read answers `Expect: 100-continue`, and the buffers of the socket are the back-pressure.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;

use super::block::{GivenUp, block_on};
use super::body::ResponseBody;
use super::pace::Pace;
use super::plain::plain;
use crate::exchange::Cancellation;
use crate::limits;

/// Why a request body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFailure {
    #[error("the client sent less than it announced, or a malformed chunk")]
    Broken,
    #[error("the client sent nothing, or too slowly")]
    TooSlow,
    #[error("the body is larger than `request_buffering` or `request_body` allows")]
    TooLarge,
    #[error("the bodies of all requests together take up what is allowed for them")]
    NoRoom,
    #[error("a temporary file for the body: {0}")]
    File(#[from] io::Error),
    /// The PHP thread that reads is being interrupted.
    #[error("the wait was interrupted")]
    Cancelled,
}

impl BodyFailure {
    /// The answer to the request.
    pub(super) fn response(&self) -> Response<ResponseBody> {
        let text = match self {
            Self::Broken => "the body of this request is not whole\n",
            Self::TooSlow => "the body of this request did not come in time\n",
            Self::TooLarge => "the body of this request is too large\n",
            Self::NoRoom | Self::Cancelled => "the server is busy, try again soon\n",
            Self::File(_) => "",
        };
        let mut response = plain(self.status(), text);
        end_connection(&mut response);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER_SECONDS));
        }
        response
    }

    /// The status of the failure.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom | Self::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            Self::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Records what an operator can do something about; what clients do is of interest to few.
    pub(super) fn log(&self) {
        match self {
            Self::File(_) | Self::NoRoom => tracing::error!("reading the request body: {self}"),
            _ => tracing::info!("reading the request body: {self}"),
        }
    }
}

/// The connection ends with this response: what follows on it cannot be distinguished from the missing rest of a body.
pub(super) fn end_connection(response: &mut Response<ResponseBody>) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Bytes that all requests together hold in one kind of place.
struct Budget {
    /// `Relaxed`: the number guards no other memory.
    used: AtomicU64,
    bytes_max: u64,
}

impl Budget {
    const fn new(bytes_max: u64) -> Self {
        Self { used: AtomicU64::new(0), bytes_max }
    }

    /// `false`: there is not so much left, and nothing was taken.
    fn take(&self, bytes: u64) -> bool {
        let take = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.bytes_max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

static MEMORY: Budget = Budget::new(limits::REQUEST_BODIES_MEMORY_BYTES_MAX);
static FILES: Budget = Budget::new(limits::REQUEST_BODIES_FILE_BYTES_MAX);

/// What one request has taken of a budget; returned by the drop.
struct Reserved {
    budget: &'static Budget,
    /// Grows with the body.
    bytes: u64,
}

impl Reserved {
    /// Takes nothing yet.
    fn none(budget: &'static Budget) -> Self {
        Self { budget, bytes: 0 }
    }

    /// See [`Budget::take`].
    fn grow(&mut self, bytes: u64) -> bool {
        let taken = self.budget.take(bytes);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    fn release(&mut self) {
        self.budget.used.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.release();
    }
}

/// A whole request body.
pub(super) struct Gathered {
    /// In memory or in a file.
    content: Content,
    /// In bytes.
    length: u64,
    /// Of the next byte for PHP.
    position: u64,
    /// Of the memory and of the files; released with the body.
    _reserved: [Reserved; 2],
}

enum Content {
    Memory(Bytes),
    File(File),
}

impl Gathered {
    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Blocks only on the disk.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::Memory(bytes) => {
                let count = bytes.len().min(into.len());
                bytes.copy_to_slice(&mut into[..count]);
                Ok(count)
            }
            Content::File(file) => {
                let count = file.read_at(into, self.position)?;
                self.position += count as u64;
                if count == 0 && self.position < self.length && !into.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(count)
            }
        }
    }
}

/// Reads a whole body of at most `bytes_max` bytes, at this pace. `announced` is the length that the client announces.
///
/// # Errors
/// Says why there is no whole body.
pub(super) async fn gather<B>(
    body: B,
    announced: Option<u64>,
    bytes_max: u64,
    pace: Pace,
) -> Result<Gathered, BodyFailure>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    // Before the first read, which would ask a waiting client to send (`Expect: 100-continue`).
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(BodyFailure::TooLarge);
    }
    Gathering::new(bytes_max).read(body, pace).await
}

/// A body that is being read.
struct Gathering {
    /// A longer body is refused.
    bytes_max: u64,
    /// A body that came in one piece, as small forms do: not copied.
    whole: Bytes,
    /// The bytes that are not in the file yet.
    memory: Vec<u8>,
    /// Without a name, so it disappears with the process.
    file: Option<File>,
    /// So far.
    length: u64,
    /// What the body has taken of the memory for all bodies.
    in_memory: Reserved,
    /// What it has taken of the space for all bodies.
    in_file: Reserved,
}

impl Gathering {
    fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            whole: Bytes::new(),
            memory: Vec::new(),
            file: None,
            length: 0,
            in_memory: Reserved::none(&MEMORY),
            in_file: Reserved::none(&FILES),
        }
    }

    async fn read<B>(mut self, mut body: B, mut pace: Pace) -> Result<Gathered, BodyFailure>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        loop {
            let started = Instant::now();
            // An error of the body is not kept over the next wait: it need not be `Send`.
            let frame = match tokio::time::timeout(pace.next_wait_max(), body.frame()).await {
                Ok(frame) => frame.transpose().map_err(|_| BodyFailure::Broken)?,
                Err(_) => return Err(BodyFailure::TooSlow),
            };
            let Some(frame) = frame else { return self.finish().await };
            // What is no data are trailers: PHP has no place for them.
            let Ok(bytes) = frame.into_data() else { continue };
            pace.note(bytes.len(), started.elapsed());
            self.add(bytes, body.is_end_stream()).await?;
            if body.is_end_stream() {
                return self.finish().await;
            }
        }
    }

    /// A body that is whole in one piece is kept as it is; others are copied, and written to a file when they are
    /// large.
    async fn add(&mut self, bytes: Bytes, is_last: bool) -> Result<(), BodyFailure> {
        let count = bytes.len() as u64;
        let is_first = self.length == 0;
        self.length += count;
        if self.length > self.bytes_max {
            return Err(BodyFailure::TooLarge);
        }
        let fits = self.memory.len() + bytes.len() <= limits::REQUEST_BODY_MEMORY_BYTES_MAX;
        if fits && self.in_memory.grow(count) {
            if is_first && is_last {
                self.whole = bytes;
            } else {
                self.memory.extend_from_slice(&bytes);
            }
            return Ok(());
        }
        self.memory.extend_from_slice(&bytes);
        self.spill().await
    }

    /// Moves the bytes in memory to the file.
    async fn spill(&mut self) -> Result<(), BodyFailure> {
        if !self.in_file.grow(self.memory.len() as u64) {
            return Err(BodyFailure::NoRoom);
        }
        let (file, mut memory) = (self.file.take(), std::mem::take(&mut self.memory));
        let written = tokio::task::spawn_blocking(move || -> io::Result<(File, Vec<u8>)> {
            let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
            file.write_all(&memory)?;
            memory.clear();
            Ok((file, memory))
        });
        let (file, memory) = written.await.map_err(io::Error::other)??;
        (self.file, self.memory) = (Some(file), memory);
        self.in_memory.release();
        Ok(())
    }

    async fn finish(mut self) -> Result<Gathered, BodyFailure> {
        if self.file.is_some() && !self.memory.is_empty() {
            self.spill().await?;
        }
        let content = match self.file {
            Some(file) => Content::File(file),
            None if self.memory.is_empty() => Content::Memory(self.whole),
            None => Content::Memory(Bytes::from(self.memory)),
        };
        Ok(Gathered { content, length: self.length, position: 0, _reserved: [self.in_memory, self.in_file] })
    }
}

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

    /// No more of it will be read.
    pub(super) fn discard(&mut self) {
        if let Self::Streamed(streamed) = self {
            streamed.slot.discard();
        }
        *self = Self::None;
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    const KIB: usize = 1024;

    /// The budgets are the process's: one test at a time looks at them.
    static BUDGETS: Mutex<()> = Mutex::new(());

    /// A body in pieces; `None` is a client that sends nothing more.
    struct Pieces(VecDeque<Option<Vec<u8>>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            if self.0.front().is_some_and(Option::is_none) {
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop_front().flatten().map(|piece| Ok(http_body::Frame::data(piece.into()))))
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(test)
    }

    fn in_pieces(length: usize, piece: usize) -> (Vec<u8>, Pieces) {
        let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let pieces = bytes.chunks(piece).map(|piece| Some(piece.to_vec())).collect();
        (bytes, Pieces(pieces))
    }

    fn all_of(mut gathered: Gathered) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 5000]);
        loop {
            match gathered.read(&mut buffer).expect("the bytes are there") {
                0 => return all,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn a_body_of_any_size_is_read_back_and_leaves_nothing_behind() {
        let _budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        for (length, piece) in
            [(0, 1), (1, 1), (100, 7), (256 * KIB, 1000), (256 * KIB + 1, 1000), (2000 * KIB, 70_001)]
        {
            let (bytes, pieces) = in_pieces(length, piece);
            let gathered = run(gather(pieces, None, u64::MAX, Pace::default())).expect("a whole body");
            assert_eq!(gathered.length(), length as u64);
            let is_in_file = matches!(gathered.content, Content::File(_));
            assert_eq!(is_in_file, length > limits::REQUEST_BODY_MEMORY_BYTES_MAX, "{length}");
            assert!(all_of(gathered) == bytes, "{length} bytes in pieces of {piece}");
        }
        assert_eq!((MEMORY.used.load(Ordering::Relaxed), FILES.used.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn a_body_is_refused_beyond_its_bound_whether_announced_or_not() {
        let _budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        let failure =
            |body, announced| run(gather(body, announced, 10, Pace::default())).err().map(|failure| failure.status());
        let too_large = Some(StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(failure(Pieces([None].into()), Some(11)), too_large, "without a read");
        assert_eq!(failure(in_pieces(11, 4).1, None), too_large);
        assert_eq!(failure(in_pieces(10, 4).1, None), None);
    }

    #[test]
    fn a_client_whose_time_is_over_is_told_so() {
        let _budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pace = Pace::default();
        pace.note(0, Duration::from_secs(1000));
        let body = Pieces([Some(vec![0; 9]), None].into());
        let failure = run(Gathering::new(u64::MAX).read(body, pace)).err().expect("no whole body");
        assert_eq!(failure.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn what_has_no_room_in_memory_goes_to_a_file_and_beyond_that_is_refused() {
        let _budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = Reserved::none(&MEMORY);
        assert!(memory.grow(limits::REQUEST_BODIES_MEMORY_BYTES_MAX));
        let gathered = run(gather(Full::new(Bytes::from_static(b"small")), None, u64::MAX, Pace::default()))
            .expect("a whole body");
        assert!(matches!(gathered.content, Content::File(_)));
        assert_eq!(all_of(gathered), b"small");
        let mut files = Reserved::none(&FILES);
        assert!(files.grow(limits::REQUEST_BODIES_FILE_BYTES_MAX));
        let failure = run(gather(Full::new(Bytes::from_static(b"small")), None, u64::MAX, Pace::default()))
            .err()
            .expect("no room");
        assert_eq!(failure.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
