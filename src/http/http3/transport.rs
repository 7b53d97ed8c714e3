//! quinn's streams for the crate `h3`.
//!
//! h3-quinn does the same. This adapter knows three more things that a server needs: when a client no longer wants a response or has
//! received all of it, whether a stream has ended inside a frame, and how many bytes h3 holds. h3 collects frames other than DATA in
//! memory, of any length that a client announces. It also reads from the stream each time that it passes a piece on, however small.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::stream::{self, Stream, StreamExt};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::VarInt;

use super::frames::Frames;
use crate::limits;

/// Streams of one direction, as they come.
type Streams<T> = Pin<Box<dyn Stream<Item = Result<T, quinn::ConnectionError>> + Send>>;

/// Ends when the client does not want the rest of the response, or has all of it; see `quinn::SendStream::stopped`.
type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, quinn::StoppedError>> + Send>>;

/// A request's stream, as its task sees it beside h3.
pub(super) struct RequestWatch {
    pub(super) stopped: Stopped,
    pub(super) held: Arc<Held>,
}

/// The bytes of a stream that h3 has and has not passed on, with the heads of frames. One task reads and writes it, so all
/// accesses are `Relaxed`.
#[derive(Debug)]
pub(super) struct Held {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// h3 gets no more than one piece ahead.
    is_limited: AtomicBool,
    /// It has asked for more.
    has_asked: AtomicBool,
    /// The client has sent all of it.
    has_ended: AtomicBool,
    /// It has ended inside a frame.
    is_cut: AtomicBool,
}

impl Held {
    fn new(bytes_max: usize) -> Arc<Self> {
        let no = || AtomicBool::new(false);
        let (is_limited, has_asked, has_ended, is_cut) = (no(), no(), no(), no());
        Arc::new(Self { bytes: AtomicUsize::new(0), bytes_max, is_limited, has_asked, has_ended, is_cut })
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether h3 must pass on what it has first.
    fn withholds(&self) -> bool {
        let withholds = self.is_limited.load(Ordering::Relaxed) && self.bytes() >= limits::HTTP3_READ_BYTES;
        self.has_asked.store(withholds, Ordering::Relaxed);
        withholds
    }

    /// `false`: these are too many.
    fn add(&self, count: usize) -> bool {
        self.bytes.fetch_add(count, Ordering::Relaxed) + count <= self.bytes_max
    }

    /// Asks h3 for bytes of a body: first for those that it has, and then, if it has none, with more from the stream.
    pub(super) fn poll<T>(&self, mut ask: impl FnMut() -> Poll<T>) -> Poll<T> {
        self.is_limited.store(true, Ordering::Relaxed);
        self.has_asked.store(false, Ordering::Relaxed);
        let answer = ask();
        if answer.is_ready() || !self.has_asked.load(Ordering::Relaxed) {
            return answer;
        }
        self.is_limited.store(false, Ordering::Relaxed);
        ask()
    }

    /// h3 has passed them on.
    pub(super) fn passed(&self, count: usize) {
        let rest = self.bytes().saturating_sub(count);
        // It had nothing but a part of a frame, which is done: the rest is of the last piece.
        let is_new = !self.is_limited.load(Ordering::Relaxed);
        self.bytes.store(if is_new { rest.min(limits::HTTP3_READ_BYTES) } else { rest }, Ordering::Relaxed);
    }

    /// h3 has decoded the head.
    pub(super) fn clear(&self) {
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Whether the client has sent all of it.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Whether the client has sent the end inside a frame.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// The last stream that h3 has accepted.
pub(super) type Accepted = Arc<Mutex<Option<RequestWatch>>>;

/// A connection.
pub(super) struct Transport {
    requests: Streams<(quinn::SendStream, quinn::RecvStream)>,
    others: Streams<quinn::RecvStream>,
    opener: Opener,
    accepted: Accepted,
    /// The most bytes of one frame that is not DATA.
    frame_bytes_max: usize,
}

impl Transport {
    pub(super) fn new(connection: quinn::Connection, accepted: Accepted, frame_bytes_max: usize) -> Self {
        let requests = stream::unfold(connection.clone(), |connection| async {
            let next = connection.accept_bi().await;
            Some((next, connection))
        });
        let others = stream::unfold(connection.clone(), |connection| async {
            let next = connection.accept_uni().await;
            Some((next, connection))
        });
        let opener = Opener { connection, opening: None };
        Self { requests: Box::pin(requests), others: Box::pin(others), opener, accepted, frame_bytes_max }
    }
}

/// The next stream; these never end without an error.
fn next<T>(streams: &mut Streams<T>, context: &mut Context<'_>) -> Poll<Result<T, ConnectionErrorIncoming>> {
    let next = ready!(streams.poll_next_unpin(context)).unwrap_or(Err(quinn::ConnectionError::LocallyClosed));
    Poll::Ready(next.map_err(of_connection))
}

impl<B: Buf> quic::Connection<B> for Transport {
    type RecvStream = Receiver;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Receiver, ConnectionErrorIncoming>> {
        let stream = ready!(next(&mut self.others, context))?;
        // They last as long as the connection, and h3 says nothing of the frames that it has read on them.
        Poll::Ready(Ok(Receiver { stream, frames: None, held: Held::new(limits::HTTP3_CONTROL_BYTES_MAX) }))
    }

    fn poll_accept_bidi(&mut self, context: &mut Context<'_>) -> Poll<Result<Both<B>, ConnectionErrorIncoming>> {
        let (sender, receiver) = ready!(next(&mut self.requests, context))?;
        let held = Held::new(self.frame_bytes_max);
        let watch = RequestWatch { stopped: Box::pin(sender.stopped()), held: Arc::clone(&held) };
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        let sender = Sender { stream: sender, writing: None };
        Poll::Ready(Ok(Both { sender, receiver: Receiver { stream: receiver, frames: Some(Frames::default()), held } }))
    }

    fn opener(&self) -> Opener {
        Opener { connection: self.opener.connection.clone(), opening: None }
    }
}

impl<B: Buf> quic::OpenStreams<B> for Transport {
    type BidiStream = Both<B>;
    type SendStream = Sender<B>;

    fn poll_open_bidi(&mut self, context: &mut Context<'_>) -> Poll<Result<Both<B>, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(context)
    }

    fn poll_open_send(&mut self, context: &mut Context<'_>) -> Poll<Result<Sender<B>, StreamErrorIncoming>> {
        self.opener.poll_open_send(context)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<B>::close(&mut self.opener, code, reason);
    }
}

/// Opens the server's own streams.
pub(super) struct Opener {
    connection: quinn::Connection,
    opening: Option<Streams<quinn::SendStream>>,
}

impl<B: Buf> quic::OpenStreams<B> for Opener {
    type BidiStream = Both<B>;
    type SendStream = Sender<B>;

    /// A server opens none in HTTP/3 (RFC 9114, 6.1), so h3 does not ask for one.
    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Both<B>, StreamErrorIncoming>> {
        let reason = "a server opens no stream of both directions";
        Poll::Ready(Err(StreamErrorIncoming::Unknown(reason.into())))
    }

    fn poll_open_send(&mut self, context: &mut Context<'_>) -> Poll<Result<Sender<B>, StreamErrorIncoming>> {
        let connection = &self.connection;
        let opening = self.opening.get_or_insert_with(|| {
            Box::pin(stream::unfold(connection.clone(), |connection| async {
                let next = connection.open_uni().await;
                Some((next, connection))
            }))
        });
        let opened = ready!(next(opening, context));
        Poll::Ready(match opened {
            Ok(stream) => Ok(Sender { stream, writing: None }),
            Err(connection_error) => Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error }),
        })
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(number(code.value()), reason);
    }
}

/// The stream of a request.
pub(super) struct Both<B: Buf> {
    sender: Sender<B>,
    receiver: Receiver,
}

impl<B: Buf> quic::BidiStream<B> for Both<B> {
    type SendStream = Sender<B>;
    type RecvStream = Receiver;

    fn split(self) -> (Sender<B>, Receiver) {
        (self.sender, self.receiver)
    }
}

impl<B: Buf> quic::RecvStream for Both<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receiver.poll_data(context)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receiver.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receiver.recv_id()
    }
}

impl<B: Buf> quic::SendStream<B> for Both<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.sender.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.sender.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.sender.poll_finish(context)
    }

    fn reset(&mut self, code: u64) {
        self.sender.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.sender.send_id()
    }
}

/// What the client sends on a stream.
pub(super) struct Receiver {
    stream: quinn::RecvStream,
    /// `None`: it is not the stream of a request.
    frames: Option<Frames>,
    held: Arc<Held>,
}

impl quic::RecvStream for Receiver {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.held.withholds() {
            // `Held::poll` asks again.
            return Poll::Pending;
        }
        let mut buffer = [0; limits::HTTP3_READ_BYTES];
        let count = ready!(self.stream.poll_read(context, &mut buffer)).map_err(of_reading)?;
        if count == 0 {
            let is_cut = self.frames.as_ref().is_some_and(|frames| !frames.is_between());
            self.held.is_cut.store(is_cut, Ordering::Relaxed);
            self.held.has_ended.store(true, Ordering::Relaxed);
            return Poll::Ready(Ok(None));
        }
        if let Some(frames) = &mut self.frames {
            frames.follow(&buffer[..count]);
        }
        if !self.held.add(count) {
            self.stop_sending(Code::H3_EXCESSIVE_LOAD.value());
            let error_code = Code::H3_EXCESSIVE_LOAD.value();
            return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code }));
        }
        Poll::Ready(Ok(Some(Bytes::copy_from_slice(&buffer[..count]))))
    }

    fn stop_sending(&mut self, code: u64) {
        // It has ended already if this fails.
        let _ = self.stream.stop(number(code));
    }

    fn recv_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

/// What the server sends on a stream.
pub(super) struct Sender<B: Buf> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
}

impl<B: Buf> quic::SendStream<B> for Sender<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = self.writing.as_mut().filter(|data| data.has_remaining()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, data.chunk())).map_err(of_writing)?;
            data.advance(written);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            let reason = "h3 sends before the last frame was written".to_owned();
            let connection_error = ConnectionErrorIncoming::InternalError(reason);
            return Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error });
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, code: u64) {
        // It has ended already if this fails.
        let _ = self.stream.reset(number(code));
    }

    fn send_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

fn number(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

/// Both libraries count streams in the same 62 bits.
fn id(id: quinn::StreamId) -> StreamId {
    StreamId::try_from(u64::from(VarInt::from(id))).unwrap_or_else(|_| unreachable!("an identifier of 62 bits"))
}

fn of_connection(error: quinn::ConnectionError) -> ConnectionErrorIncoming {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        quinn::ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn of_reading(error: quinn::ReadError) -> StreamErrorIncoming {
    match error {
        quinn::ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        quinn::ReadError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
        }
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}

fn of_writing(error: quinn::WriteError) -> StreamErrorIncoming {
    match error {
        quinn::WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        quinn::WriteError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
        }
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}
