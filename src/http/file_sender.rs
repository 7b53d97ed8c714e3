//! Sends files from the kernel's memory to a socket, without their bytes in ours (`sendfile`).
//!
//! hyper writes bytes that it has in memory, and knows no files. So the body of a file returns a *place* instead: as
//! many bytes of memory that no one ever reads or writes. hyper only moves such bytes from its queue to the stream, by
//! their address. [`FileSender`] below it recognises the address, which says the piece of a file and how much of it has
//! left, and sends that. It is used where nothing between the two looks at the bytes: on HTTP/1 without TLS.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::limits;

/// A socket that the kernel can copy files to.
pub(super) trait Socket {
    /// Sends bytes of the file, at most `count`. 0: the file ends before `position`.
    fn poll_send_file(
        &self,
        context: &mut Context<'_>,
        file: &File,
        position: u64,
        count: usize,
    ) -> Poll<io::Result<usize>>;

    /// Writes bytes that more will follow at once, so that the kernel may send both in one packet.
    fn poll_write_more(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
}

macro_rules! socket {
    ($stream:ty) => {
        impl Socket for $stream {
            fn poll_send_file(
                &self,
                context: &mut Context<'_>,
                file: &File,
                position: u64,
                count: usize,
            ) -> Poll<io::Result<usize>> {
                loop {
                    ready!(self.poll_write_ready(context))?;
                    let mut position = position;
                    let send = || Ok(rustix::fs::sendfile(self, file, Some(&mut position), count)?);
                    match self.try_io(Interest::WRITABLE, send) {
                        Err(error) if is_to_be_repeated(&error) => {}
                        sent => return Poll::Ready(sent),
                    }
                }
            }

            fn poll_write_more(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
                loop {
                    ready!(self.poll_write_ready(context))?;
                    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                    let mut nothing = SendAncillaryBuffer::default();
                    let send = || Ok(rustix::net::sendmsg(self, slices, &mut nothing, flags)?);
                    match self.try_io(Interest::WRITABLE, send) {
                        Err(error) if is_to_be_repeated(&error) => {}
                        sent => return Poll::Ready(sent),
                    }
                }
            }
        }
    };
}

socket!(TcpStream);
socket!(UnixStream);

/// The socket was not ready after all, or a signal came first.
fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// The memory whose addresses stand for bytes of files: a stretch for each piece that a connection may have on its way. It is
/// never touched, so it costs addresses only, and all connections share it.
static PLACES: OnceLock<Box<[u8]>> = OnceLock::new();

/// The bytes of one stretch.
const STRETCH: usize = limits::FILE_PIECE_BYTES_MAX;

/// Where these bytes are among the places; `None`: they are bytes.
fn place_of(bytes: &[u8]) -> Option<usize> {
    let places = PLACES.get().filter(|places| places.as_ptr_range().contains(&bytes.as_ptr()))?;
    // An empty slice has any address.
    (!bytes.is_empty()).then(|| bytes.as_ptr().addr() - places.as_ptr().addr())
}

/// The pieces of files of one connection that are on their way through hyper.
#[derive(Default)]
pub(super) struct FileQueue {
    /// Held for a few instructions, never across a system call.
    pieces: Mutex<Pieces>,
}

#[derive(Default)]
struct Pieces {
    /// In the order of their places on the connection.
    waiting: VecDeque<Piece>,
    /// The stretch of the next one: they take turns, so no two that wait have the same.
    next: usize,
}

#[derive(Clone)]
struct Piece {
    stretch: usize,
    file: Arc<File>,
    position: u64,
    count: usize,
}

impl FileQueue {
    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends at most `count` bytes of the file. Returns what stands for them: the next bytes of the connection.
    pub(super) fn push(&self, file: &Arc<File>, position: u64, count: u64) -> Bytes {
        let places = PLACES.get_or_init(|| vec![0; STRETCH * limits::FILE_PIECES_MAX].into_boxed_slice());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(STRETCH);
        let mut pieces = self.lock();
        let stretch = pieces.next;
        pieces.next = (stretch + 1) % limits::FILE_PIECES_MAX;
        pieces.waiting.push_back(Piece { stretch, file: Arc::clone(file), position, count });
        if pieces.waiting.len() > limits::FILE_PIECES_MAX {
            pieces.waiting.pop_front();
        }
        Bytes::from_static(&places[stretch * STRETCH..][..count])
    }

    /// The piece that is sent at this place. Should hyper ever drop bytes of a body, the pieces before it are not sent.
    fn piece(&self, stretch: usize) -> Option<Piece> {
        let mut pieces = self.lock();
        while pieces.waiting.front().is_some_and(|piece| piece.stretch != stretch) {
            pieces.waiting.pop_front();
        }
        pieces.waiting.front().cloned()
    }

    /// Sends a piece of a file in the place of `count` bytes.
    fn poll_send<S: Socket>(
        &self,
        context: &mut Context<'_>,
        socket: &S,
        place: usize,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        let (stretch, skipped) = (place / STRETCH, place % STRETCH);
        let Some(piece) = self.piece(stretch).filter(|piece| skipped < piece.count) else {
            return Poll::Ready(Err(io::Error::other("bytes stand for a file that is not known")));
        };
        let wanted = count.min(piece.count - skipped);
        let sent = ready!(socket.poll_send_file(context, &piece.file, piece.position + skipped as u64, wanted))?;
        if sent == 0 {
            let message = "the static file has become shorter while it was sent";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        if skipped + sent == piece.count {
            self.lock().waiting.pop_front();
        }
        Poll::Ready(Ok(sent))
    }
}

/// A connection's stream that sends files in their places.
pub(super) struct FileSender<S> {
    stream: S,
    files: Arc<FileQueue>,
}

impl<S> FileSender<S> {
    pub(super) fn new(stream: S, files: Arc<FileQueue>) -> Self {
        Self { stream, files }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FileSender<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Socket + Unpin> AsyncWrite for FileSender<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(place) = place_of(bytes) {
            return self.files.poll_send(context, &self.stream, place, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let places = slices.iter().enumerate().find_map(|(at, slice)| Some((at, place_of(slice)?)));
        match places {
            Some((at, place)) if slices[..at].iter().all(|slice| slice.is_empty()) => {
                self.files.poll_send(context, &self.stream, place, slices[at].len())
            }
            Some((at, _)) => self.stream.poll_write_more(context, &slices[..at]),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    /// hyper would copy the bytes of a place into a buffer of its own if it had to write them as one.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
