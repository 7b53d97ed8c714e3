//! A request body that is read whole, before a PHP thread is taken.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use super::body_failure::BodyFailure;
use super::pace::Pace;
use crate::limits;

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

    /// How long a body may be that has taken `own` bytes: a share of what the others leave, so that a few large bodies leave
    /// room for many small ones.
    fn share(&self, own: u64) -> usize {
        let others = self.used.load(Ordering::Relaxed).saturating_sub(own);
        let free = self.bytes_max.saturating_sub(others);
        let share = usize::try_from(free / limits::REQUEST_BODY_MEMORY_SHARE).unwrap_or(usize::MAX);
        share.max(limits::REQUEST_BODY_MEMORY_BYTES)
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

    /// Takes what is missing of this length.
    fn grow_to(&mut self, length: u64) -> bool {
        self.grow(length.saturating_sub(self.bytes))
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

    /// The next bytes. Blocks only on the disk.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(self.position, into)?;
        self.position += count as u64;
        Ok(count)
    }

    /// Fills the buffer unless the body ends before.
    pub(super) fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let into = &mut into[..count];
        match &self.content {
            // The bytes in memory have a `usize` as their length, so the position does not exceed it.
            Content::Memory(bytes) if count > 0 => into.copy_from_slice(&bytes[position as usize..][..count]),
            Content::Memory(_) => {}
            Content::File(file) => file.read_exact_at(into, position)?,
        }
        Ok(count)
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
    Gathering::new(announced, bytes_max).read(body, pace).await
}

/// A body that is being read.
struct Gathering {
    /// The length that the client has announced.
    announced: Option<u64>,
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
    fn new(announced: Option<u64>, bytes_max: u64) -> Self {
        Self {
            announced,
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
        let of_all = self.file.is_none();
        let share = if of_all { MEMORY.share(self.in_memory.bytes) } else { limits::REQUEST_BODY_MEMORY_BYTES };
        let length = self.memory.len() + bytes.len();
        let is_reserved = length as u64 <= self.in_memory.bytes;
        if is_reserved || length <= share && self.in_memory.grow_to(length as u64) {
            if is_first && is_last {
                self.whole = bytes;
            } else {
                self.reserve(share);
                self.memory.extend_from_slice(&bytes);
            }
            return Ok(());
        }
        self.memory.extend_from_slice(&bytes);
        self.spill().await
    }

    /// Makes room for the rest at once, so that the bytes do not move each time that the memory is full. A client has sent
    /// some of them by then: a length alone reserves nothing.
    fn reserve(&mut self, share: usize) {
        let announced = self.announced.and_then(|length| usize::try_from(length).ok());
        if let Some(length) = announced.filter(|&length| length <= share)
            && self.memory.len() >= limits::REQUEST_BODY_SENT_BYTES_MIN
            && self.memory.capacity() < length
            && self.in_memory.grow_to(length as u64)
        {
            self.memory.reserve_exact(length - self.memory.len());
        }
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
            memory.shrink_to(limits::REQUEST_BODY_MEMORY_BYTES);
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http_body_util::Full;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::{Mutex, PoisonError};
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
            [(0, 1), (1, 1), (100, 7), (256 * KIB + 1, 1000), (4096 * KIB, 70_001), (4097 * KIB, 70_001)]
        {
            let (bytes, pieces) = in_pieces(length, piece);
            let gathered = run(gather(pieces, None, u64::MAX, Pace::default())).expect("a whole body");
            assert_eq!(gathered.length(), length as u64);
            let is_in_file = matches!(gathered.content, Content::File(_));
            assert_eq!(is_in_file, length > 4096 * KIB, "{length}");
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
        let failure = run(Gathering::new(None, u64::MAX).read(body, pace)).err().expect("no whole body");
        assert_eq!(failure.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn large_bodies_leave_room_in_memory_for_small_ones() {
        let _budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in_file = |length| {
            let gathered = run(gather(in_pieces(length, 50_000).1, Some(length as u64), u64::MAX, Pace::default()));
            matches!(gathered.expect("a whole body").content, Content::File(_))
        };
        let mut memory = Reserved::none(&MEMORY);
        assert!(memory.grow(limits::REQUEST_BODIES_MEMORY_BYTES_MAX / 2));
        assert_eq!([1000 * KIB, 3000 * KIB].map(is_in_file), [false, true]);
        assert!(memory.grow(limits::REQUEST_BODIES_MEMORY_BYTES_MAX / 2 - 1024 * KIB as u64));
        assert_eq!([250 * KIB, 1000 * KIB].map(is_in_file), [false, true]);
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
