//! Sends informational responses (103 Early Hints), which hyper cannot. The task of a request of HTTP/3 sends its own; what
//! follows is about HTTP/1.1.
//!
//! An informational response may only be sent where a response may start, so its bytes must not be written inside
//! another one. [`InterimIo`] is between hyper and the socket and knows when the stream is *at rest*. hyper flushes
//! only when it has written all bytes that it holds, and while a script runs, it holds none of its response yet. At
//! rest the waiting bytes are written completely, before hyper's next byte. If a pipelining client has not read the
//! previous answer, the stream is not at rest when the final head is ready. Then [`InterimSlot::seal`] drops the hint.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::{Response, StatusCode, header};
use hyper::rt::Write;
use tokio::sync::mpsc;

use super::field_name::append_canonical;
use super::forward::reads_through;
use super::response_head;
use crate::exchange::ResponseHead;
use crate::limits;

#[derive(Default)]
struct Pending {
    /// Whole informational responses, except that `written` bytes of the first have left.
    bytes: Vec<u8>,
    /// Bytes of `bytes` that are on the stream already.
    written: usize,
    /// All of hyper's bytes are written, and no response is open.
    at_rest: bool,
    /// The connection's task.
    waker: Option<Waker>,
    /// A body that waits until everything before its end is written.
    flushed: Option<Waker>,
    /// The waker of the read that waits for more of a request's body.
    reader: Option<Waker>,
}

/// Shared by a connection and its exchanges.
#[derive(Default)]
pub(super) struct InterimSlot {
    /// Protects the order of bytes on the connection; held for a few instructions, never across a system call.
    pending: Mutex<Pending>,
    /// Lets a normal write skip the lock.
    any: AtomicBool,
    /// A request is being served: it is answered even if its client sends no more.
    in_hand: AtomicBool,
    /// The client has closed its sending side while a request was being served.
    half_closed: AtomicBool,
    /// The body of the last request has not been read to its end.
    unread_body: AtomicBool,
    /// How many requests have begun.
    requests: AtomicU32,
    /// The connection now uses another protocol.
    left_http: AtomicBool,
}

impl InterimSlot {
    /// Protects what waits to be sent, and the wakers.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called on the connection's task when a final response is ready: drops the hints that cannot be sent before it.
    pub(super) fn seal(&self) {
        if self.any.load(Ordering::Acquire) {
            let mut pending = self.lock();
            if !pending.at_rest {
                pending.bytes.clear();
                self.any.store(false, Ordering::Release);
            }
        }
    }
}

/// What [`super::half_close`] needs.
impl InterimSlot {
    /// A request has begun.
    pub(super) fn hold_end(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_hand.store(true, Ordering::Relaxed);
        self.note_body(false);
    }

    /// The response is complete.
    pub(super) fn release_end(&self) {
        if self.in_hand.swap(false, Ordering::Relaxed) && self.is_half_closed() {
            let waker = self.lock().waker.clone();
            wake(waker);
        }
    }

    /// Called when the client closes its sending side; returns whether to hide that from hyper.
    pub(super) fn hides_end(&self) -> bool {
        let hides = self.in_hand.load(Ordering::Relaxed);
        if hides && !self.half_closed.swap(true, Ordering::SeqCst) {
            let reader = self.lock().reader.take();
            wake(reader);
        }
        hides
    }

    /// Whether the client has closed its sending side.
    pub(super) fn is_half_closed(&self) -> bool {
        self.half_closed.load(Ordering::SeqCst)
    }

    /// Whether the client has closed its sending side; if not, the waker is woken when it does.
    pub(super) fn poll_half_closed(&self, waker: &Waker) -> bool {
        self.lock().reader = Some(waker.clone());
        self.is_half_closed()
    }
}

/// What [`super::linger`] needs.
impl InterimSlot {
    /// Whether the request has a body that has not been read to its end.
    pub(super) fn note_body(&self, is_unread: bool) {
        self.unread_body.store(is_unread, Ordering::Relaxed);
    }

    /// Whether the client may still be sending the body of the last request.
    pub(super) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Ordering::Relaxed)
    }

    /// Whether a request is being served.
    pub(super) fn is_in_hand(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed)
    }

    /// Whether the connection now uses another protocol.
    pub(super) fn has_left_http(&self) -> bool {
        self.left_http.load(Ordering::Relaxed)
    }
}

/// What [`super::head_limit`] needs.
impl InterimSlot {
    /// How many requests have begun.
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether the next bytes are the head of a request.
    pub(super) fn expects_head(&self) -> bool {
        !self.in_hand.load(Ordering::Relaxed) && !self.left_http.load(Ordering::Relaxed)
    }

    /// The response changes the protocol: no heads will come.
    pub(super) fn leave_http(&self) {
        self.left_http.store(true, Ordering::Relaxed);
    }
}

impl InterimSlot {
    /// `count` more of the waiting bytes are on the stream.
    fn note_written(&self, count: usize) {
        let mut pending = self.lock();
        pending.written += count;
        if pending.written == pending.bytes.len() {
            pending.bytes.clear();
            pending.written = 0;
            self.any.store(false, Ordering::Release);
        }
    }

    /// Wakes the waker after hyper's next complete flush.
    pub(super) fn await_flush(&self, waker: &Waker) {
        self.lock().flushed = Some(waker.clone());
    }

    /// Whether [`await_flush`](Self::await_flush) is still waiting.
    pub(super) fn is_flush_awaited(&self, waker: &Waker) -> bool {
        let mut pending = self.lock();
        let awaited = pending.flushed.as_mut();
        awaited.map(|flushed| flushed.clone_from(waker)).is_some()
    }
}

/// Called without the lock, because a task that is woken may run at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Sends informational responses for one request.
pub(super) enum InterimSender {
    /// Into an HTTP/1.1 connection.
    Slot(Arc<InterimSlot>),
    /// To the task of a request of HTTP/3.
    Task(InterimTask),
}

/// The way to the task of a request that sends informational responses itself: a part of the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct InterimTask(pub(super) mpsc::Sender<Response<()>>);

impl InterimSender {
    pub(super) fn new(slot: &Arc<InterimSlot>) -> Self {
        Self::Slot(Arc::clone(slot))
    }

    /// Queues the response. It is dropped if scripts may not send this status, or if the client does not read.
    pub(super) fn send(&self, head: &ResponseHead) {
        let Some(response) = informational(head) else {
            tracing::debug!(status = head.status, "sending an informational response: not one that a script may send");
            return;
        };
        match self {
            Self::Slot(slot) => slot.send(&serialize(&response)),
            Self::Task(InterimTask(task)) => drop(task.try_send(response)),
        }
    }
}

impl InterimSlot {
    fn send(&self, bytes: &[u8]) {
        let waker = {
            let mut pending = self.lock();
            if pending.bytes.len() + bytes.len() > limits::INTERIM_RESPONSE_BYTES_MAX {
                return;
            }
            pending.bytes.extend_from_slice(bytes);
            self.any.store(true, Ordering::Release);
            pending.waker.clone()
        };
        wake(waker);
    }
}

/// 100 is hyper's to send and 101 would change the protocol; the other 1xx may be sent.
fn informational(head: &ResponseHead) -> Option<Response<()>> {
    let status = StatusCode::from_u16(head.status).ok().filter(|status| (102..200).contains(&status.as_u16()))?;
    let mut fields = ResponseHead::new(200);
    for (name, value) in head.headers() {
        fields.push_line(&[name, b":", value].concat());
    }
    let mut response = response_head::from_php(&fields).ok()?.response;
    *response.status_mut() = status;
    response.headers_mut().remove(header::CONNECTION);
    Some(response)
}

fn serialize(response: &Response<()>) -> Vec<u8> {
    let status = response.status();
    let mut bytes =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("Informational"))
            .into_bytes();
    for (name, value) in response.headers() {
        append_canonical(&mut bytes, name);
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A connection's stream with a queue for informational responses.
pub(super) struct InterimIo<S> {
    stream: S,
    /// Filled by the PHP thread, emptied by the connection's task.
    slot: Arc<InterimSlot>,
}

impl<S: Write + Unpin> InterimIo<S> {
    pub(super) fn new(stream: S, slot: Arc<InterimSlot>) -> Self {
        slot.lock().at_rest = true;
        Self { stream, slot }
    }

    /// Writes the waiting bytes, if the stream is at rest.
    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.slot.any.load(Ordering::Acquire) {
            let next = {
                let pending = self.slot.lock();
                if !pending.at_rest {
                    break;
                }
                pending.bytes[pending.written..].to_vec()
            };
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, &next))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.slot.note_written(count);
        }
        Poll::Ready(Ok(()))
    }
}

reads_through!(InterimIo);

impl<S: Write + Unpin> Write for InterimIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(context))?;
        self.slot.lock().at_rest = false;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(context))?;
        self.slot.lock().at_rest = false;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_awaited = {
            let mut pending = self.slot.lock();
            pending.at_rest = true;
            match &mut pending.waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => pending.waker = Some(context.waker().clone()),
            }
            pending.flushed.is_some()
        };
        ready!(self.poll_pending(context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if is_awaited && flushed.is_ready() {
            let waker = self.slot.lock().flushed.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";

    /// A socket that accepts this many bytes and then no more.
    #[derive(Default)]
    struct Socket {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Fixture {
        stream: InterimIo<Socket>,
        slot: Arc<InterimSlot>,
    }

    impl Fixture {
        fn new(room: usize) -> Self {
            let slot = Arc::new(InterimSlot::default());
            Self { stream: InterimIo::new(Socket { room, ..Socket::default() }, Arc::clone(&slot)), slot }
        }

        fn hint(&self) {
            let mut head = ResponseHead::new(103);
            head.push_line(b"Link: </a.css>");
            InterimSender::new(&self.slot).send(&head);
        }

        /// Writes as hyper does; returns the number of accepted bytes.
        fn write(&mut self, bytes: &[u8]) -> usize {
            match Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(Waker::noop()), bytes) {
                Poll::Ready(count) => count.expect("the socket has no errors"),
                Poll::Pending => 0,
            }
        }

        fn flush(&mut self) {
            let _ = Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(Waker::noop()));
        }

        fn taken(&self) -> &[u8] {
            &self.stream.stream.taken
        }
    }

    #[test]
    fn at_rest_a_hint_leaves_at_once_and_before_the_response() {
        let mut connection = Fixture::new(1000);
        connection.hint();
        connection.flush();
        assert_eq!(connection.taken(), HINT);
        connection.hint();
        connection.slot.seal();
        assert_eq!(connection.write(b"response"), 8);
        assert_eq!(connection.taken(), [HINT, HINT, b"response"].concat());
    }

    #[test]
    fn a_hint_waits_for_the_response_before_it() {
        let mut connection = Fixture::new(4);
        assert_eq!(connection.write(b"previous"), 4);
        connection.hint();
        connection.stream.stream.room = 1000;
        assert_eq!(connection.write(b"ious"), 4);
        assert_eq!(connection.taken(), b"previous");
        connection.flush();
        assert_eq!(connection.taken(), [b"previous", HINT].concat());
    }

    #[test]
    fn a_hint_that_would_come_too_late_is_dropped() {
        let mut connection = Fixture::new(4);
        assert_eq!(connection.write(b"previous"), 4);
        connection.hint();
        connection.slot.seal();
        connection.stream.stream.room = 1000;
        assert_eq!(connection.write(b"ious, response"), 14);
        connection.flush();
        assert_eq!(connection.taken(), b"previous, response");
    }

    #[test]
    fn a_hint_is_finished_before_the_next_byte() {
        let mut connection = Fixture::new(5);
        connection.hint();
        connection.flush();
        assert_eq!(connection.taken(), &HINT[..5]);
        connection.slot.seal();
        assert_eq!(connection.write(b"response"), 0);
        connection.stream.stream.room = 1000;
        assert_eq!(connection.write(b"response"), 8);
        assert_eq!(connection.taken(), [HINT, b"response"].concat());
    }

    #[test]
    fn hints_that_nobody_takes_are_bounded() {
        let connection = Fixture::new(0);
        for _ in 0..limits::INTERIM_RESPONSE_BYTES_MAX {
            connection.hint();
        }
        assert!(connection.slot.lock().bytes.len() <= limits::INTERIM_RESPONSE_BYTES_MAX);
    }
}
