//! Handles clients that close their sending side after a complete request, and wait for the response.
//!
//! hyper treats the end of its input as the end of the connection, so [`HoldEnd`] hides it while a request is being
//! answered. A disconnected client looks the same until something is sent to it. Then the connection is reset,
//! and a reset is never hidden. hyper cannot see that a body was cut off by the hidden end, so [`HeldBody`] reports it.
//! A request that waits in a queue is given up a moment later (see [`super::queue`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tower::BoxError;

use super::forward::writes_through;
use super::interim::InterimSlot;

/// The body of a request whose client may close its sending side in the middle.
pub(super) struct HeldBody<B> {
    body: B,
    /// Absent if the request has no body.
    slot: Option<Arc<InterimSlot>>,
}

impl<B: Body<Data = Bytes>> HeldBody<B> {
    pub(super) fn new(body: B, slot: &Arc<InterimSlot>) -> Self {
        let slot = (!body.is_end_stream()).then(|| Arc::clone(slot));
        if let Some(slot) = &slot {
            slot.note_body(true);
        }
        Self { body, slot }
    }

    /// Notes the end of the body.
    fn note(&self, frame: Option<Result<Frame<Bytes>, BoxError>>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(slot) = self.slot.as_ref().filter(|_| frame.is_none() || self.body.is_end_stream()) {
            slot.note_body(false);
        }
        Poll::Ready(frame)
    }
}

impl<B> Body for HeldBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return this.note(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !this.slot.as_ref().is_some_and(|slot| slot.poll_half_closed(context.waker())) {
            return Poll::Pending;
        }
        // hyper only reads when it has passed on everything, so at the end of the connection no bytes are pending. On
        // another thread, it may have passed on bytes between the check above and the end.
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => this.note(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's stream that hides its end while a request is being served.
pub(super) struct HoldEnd<S> {
    stream: S,
    /// Knows whether a request is being served.
    slot: Arc<InterimSlot>,
}

impl<S> HoldEnd<S> {
    pub(super) fn new(stream: S, slot: Arc<InterimSlot>) -> Self {
        Self { stream, slot }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HoldEnd<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let is_end = before > 0 && buffer.remaining() == before;
        if is_end && self.slot.hides_end() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

writes_through!(HoldEnd);
