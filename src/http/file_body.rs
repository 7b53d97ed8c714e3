//! The bytes of a static file, read without another thread as long as the kernel has them in memory. On a local file
//! system, that takes about a microsecond. Passing the work to the blocking pool costs a hundred times as much. Only
//! bytes that must come from the disk are read there.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use super::file_sender::FileQueue;
use crate::limits;

/// A part of an open file, which other responses may read too: it has a position of its own.
pub(super) struct FileBody {
    file: Arc<File>,
    /// The rest of the part.
    left: Range<u64>,
    /// What the blocking pool does, because the kernel did not have the next bytes in memory.
    from_disk: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// The connection can send the file itself.
    queue: Option<Arc<FileQueue>>,
}

/// The outcome of a read that does not wait for the disk.
enum InMemory {
    Bytes(Vec<u8>),
    /// They are on the disk.
    No,
    /// The file system does not say.
    Unknown,
}

impl FileBody {
    pub(super) fn new(file: Arc<File>, part: Range<u64>) -> Self {
        Self { file, left: part, from_disk: None, queue: None }
    }

    /// All of it, if it is small and the kernel has it in memory.
    pub(super) fn small(&self) -> Option<Bytes> {
        let count = self.count(limits::FILE_WHOLE_BYTES_MAX);
        if count as u64 != self.left.end - self.left.start {
            return None;
        }
        if count == 0 {
            return Some(Bytes::new());
        }
        match read_memory(&self.file, self.left.start, count) {
            Ok(InMemory::Bytes(bytes)) if bytes.len() == count => Some(bytes.into()),
            _ => None,
        }
    }

    /// Lets the connection send the file, and returns only what stands for its bytes.
    pub(super) fn send_by(&mut self, queue: &Arc<FileQueue>) {
        self.queue = Some(Arc::clone(queue));
    }

    /// The bytes that are left, at most `max`. None are read beyond the length that the response has stated.
    fn count(&self, max: usize) -> usize {
        usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX).min(max)
    }

    /// Reads on the blocking pool. `keeps` is whether the bytes are wanted, and not only in the kernel's memory.
    fn read_from_disk(&mut self, count: usize, keeps: bool) {
        let (file, start) = (Arc::clone(&self.file), self.left.start);
        self.from_disk = Some(spawn_blocking(move || {
            let mut bytes = vec![0; count.min(limits::FILE_CHUNK_BYTES_MAX)];
            if keeps {
                let count = file.read_at(&mut bytes, start)?;
                bytes.truncate(count);
                return Ok(bytes);
            }
            let mut position = start;
            while position < start + count as u64 {
                match file.read_at(&mut bytes, position)? {
                    0 => break,
                    count => position += count as u64,
                }
            }
            Ok(Vec::new())
        }));
    }

    /// The next bytes, in our memory.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let bytes = match self.poll_disk(context) {
            Poll::Ready(Some(bytes)) => bytes?,
            Poll::Ready(None) => {
                let count = self.count(limits::FILE_CHUNK_BYTES_MAX);
                match read_memory(&self.file, self.left.start, count)? {
                    InMemory::Bytes(bytes) => bytes,
                    InMemory::No | InMemory::Unknown => {
                        self.read_from_disk(count, true);
                        return self.poll_bytes(context);
                    }
                }
            }
            Poll::Pending => return Poll::Pending,
        };
        if bytes.is_empty() {
            let message = "the static file has become shorter while it was sent";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        self.left.start += bytes.len() as u64;
        Poll::Ready(Ok(bytes.into()))
    }

    /// What the blocking pool has read; `None`: nothing was asked of it.
    fn poll_disk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Vec<u8>>>> {
        let Some(reading) = &mut self.from_disk else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(reading).poll(context));
        self.from_disk = None;
        Poll::Ready(Some(outcome.unwrap_or_else(|error| Err(io::Error::other(error)))))
    }

    /// What stands for the next bytes, which are in the kernel's memory. `None`: its file system does not say where they
    /// are.
    fn poll_piece(&mut self, context: &mut Context<'_>, queue: &FileQueue) -> Poll<io::Result<Option<Bytes>>> {
        let count = self.count(limits::FILE_PIECE_BYTES_MAX);
        if let Some(read) = ready!(self.poll_disk(context)) {
            read?;
        } else {
            match is_in_memory(&self.file, self.left.start, count)? {
                InMemory::Bytes(_) => {}
                InMemory::Unknown => return Poll::Ready(Ok(None)),
                InMemory::No => {
                    self.read_from_disk(count, false);
                    return self.poll_piece(context, queue);
                }
            }
        }
        let bytes = queue.push(&self.file, self.left.start, count as u64);
        self.left.start += bytes.len() as u64;
        Poll::Ready(Ok(Some(bytes)))
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(queue) = self.queue.take() {
            let piece = self.poll_piece(context, &queue);
            match piece {
                Poll::Ready(Ok(None)) => {}
                piece => {
                    self.queue = Some(queue);
                    return piece.map_ok(Option::unwrap_or_default);
                }
            }
        }
        self.poll_bytes(context)
    }
}

/// Reads without waiting for the disk.
fn read_memory(file: &File, position: u64, count: usize) -> io::Result<InMemory> {
    let mut bytes = vec![0; count];
    loop {
        match preadv2(file, &mut [IoSliceMut::new(&mut bytes)], position, ReadWriteFlags::NOWAIT) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(InMemory::Bytes(bytes));
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(InMemory::No),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(InMemory::Unknown),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether these bytes can be sent without waiting for the disk. One byte of each stretch that the kernel reads at once
/// answers for the others, because a look at each page would cost as much as a copy.
fn is_in_memory(file: &File, position: u64, count: usize) -> io::Result<InMemory> {
    let last = position + count as u64 - 1;
    let mut looked_at = InMemory::Bytes(Vec::new());
    for step in 0..count.div_ceil(limits::FILE_LOOK_EVERY_BYTES) as u64 {
        let at = position + (step + 1) * limits::FILE_LOOK_EVERY_BYTES as u64 - 1;
        looked_at = read_memory(file, at.min(last), 1)?;
        if !matches!(looked_at, InMemory::Bytes(_)) {
            break;
        }
    }
    Ok(looked_at)
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(ready!(self.poll_next(context)).map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end.saturating_sub(self.left.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Write;

    #[tokio::test]
    async fn a_file_is_read_from_memory_and_from_the_disk() {
        let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
        let content: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        file.write_all(&content).expect("it can be written");
        let file = Arc::new(file.reopen().expect("it can be opened"));
        for part in [0..200_000, 0..1, 199_999..200_000, 70_000..140_000] {
            let range = part.start as usize..part.end as usize;
            for begins_on_disk in [false, true] {
                let mut body = FileBody::new(Arc::clone(&file), part.clone());
                if begins_on_disk {
                    body.read_from_disk(50_000.min(range.len()), true);
                }
                let read = body.collect().await.expect("it can be read").to_bytes();
                assert!(read == content[range.clone()], "{range:?}, from the disk: {begins_on_disk}");
            }
        }
        let small = FileBody::new(Arc::clone(&file), 10..20).small().expect("it is in memory");
        assert_eq!(small, content[10..20]);
        assert!(FileBody::new(Arc::clone(&file), 0..200_000).small().is_none(), "it is large");
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_is_an_error() {
        let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
        file.write_all(b"short").expect("it can be written");
        let file = Arc::new(file.reopen().expect("it can be opened"));
        assert!(FileBody::new(Arc::clone(&file), 0..10).small().is_none());
        let mut body = FileBody::new(file, 0..10);
        let frame = body.frame().await.expect("a frame").expect("bytes");
        assert_eq!(frame.into_data().expect("data"), "short");
        let error = body.frame().await.expect("an end").expect_err("five bytes are missing");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
