//! The body of the stream of a subscriber.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::body::ResponseBodyError;
use crate::http::interim::InterimSlot;
use crate::limits;
use crate::mercure::{Grants, Hub, Stream, Wait};

/// The events, with comments between them.
pub(super) struct Events {
    stream: Stream,
    /// The next comment, or the end.
    timer: Pin<Box<Sleep>>,
    heartbeat: Option<Duration>,
    ends_at: Option<Instant>,
    has_begun: bool,
    /// Of a client that may have gone, which nothing but a write can find out; `None`: it has been asked.
    connection: Option<Arc<InterimSlot>>,
}

/// A comment: it keeps the stream alive.
const COMMENT: Bytes = Bytes::from_static(b":\n");

impl Events {
    pub(super) fn new(stream: Stream, hub: &Hub, grants: &Grants, connection: Option<&Arc<InterimSlot>>) -> Self {
        let settings = hub.settings();
        // A time that no clock reaches is no end.
        let ends_at = [settings.stream_max, grants.expires_in]
            .into_iter()
            .flatten()
            .min()
            .and_then(|time| Instant::now().checked_add(time));
        let timer = Box::pin(sleep_until(Instant::now()));
        let heartbeat = settings.heartbeat;
        let mut events = Self { stream, timer, heartbeat, ends_at, has_begun: false, connection: connection.cloned() };
        events.wind();
        events
    }

    /// Sets the timer again: something was sent.
    fn wind(&mut self) {
        let comment = self.heartbeat.and_then(|time| Instant::now().checked_add(time));
        if let Some(next) = comment.into_iter().chain(self.ends_at).min() {
            self.timer.as_mut().reset(next);
        }
    }

    /// Whether the client has closed its sending side. If it is gone, the first comment after that is answered by a reset, and the
    /// second one fails.
    fn poll_left(&mut self, context: &mut Context<'_>) -> bool {
        if !self.connection.as_ref().is_some_and(|connection| connection.poll_half_closed(context.waker())) {
            return false;
        }
        self.connection = None;
        let pause = limits::MERCURE_LEFT_PAUSE;
        self.heartbeat = Some(self.heartbeat.map_or(pause, |heartbeat| heartbeat.min(pause)));
        self.wind();
        true
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.heartbeat.is_none() && self.ends_at.is_none() {
            return Poll::Pending;
        }
        ready!(self.timer.as_mut().poll(context));
        if self.is_over() {
            return Poll::Ready(None);
        }
        self.wind();
        Poll::Ready(Some(COMMENT))
    }

    fn is_over(&self) -> bool {
        self.ends_at.is_some_and(|end| end <= Instant::now())
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if !self.has_begun {
            self.has_begun = true;
            return Poll::Ready(Some(Ok(Frame::data(COMMENT))));
        }
        // Before the updates: one that is always there must not keep a stream beyond its token.
        if self.is_over() {
            return Poll::Ready(None);
        }
        let next = match self.stream.poll_next(context) {
            Poll::Ready(Wait::Next(update)) => {
                self.wind();
                Some(update.frame.clone())
            }
            Poll::Ready(Wait::Closed) => None,
            Poll::Pending if self.poll_left(context) => Some(COMMENT),
            Poll::Pending => ready!(self.poll_timer(context)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }
}
