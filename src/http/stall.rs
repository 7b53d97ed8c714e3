//! Ends HTTP/2 connections that are idle, and those whose client does not take a response.
//!
//! The write limit of the socket does not see the latter: the client keeps reading frames and opens no window. hyper asks a
//! response for its next bytes when the window is open. So a body that returned bytes and is not asked again waits for its
//! client. A body that was asked and had none waits for its script, which has no limit here.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::{ResponseBody, ResponseBodyError};

/// What the requests of one connection do.
#[derive(Debug)]
pub(super) struct Streams {
    /// Requests whose response has not ended.
    open: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the last request ended; the start of the connection before the first.
    rests_since: Instant,
    /// The responses that wait for their client: number and since when.
    waiting: Vec<(u64, Instant)>,
    next: u64,
}

/// What should happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// It had no request for too long.
    Rests,
    /// A response was not taken for too long.
    Stalled,
}

impl Streams {
    pub(super) fn new() -> Arc<Self> {
        let state = State { rests_since: Instant::now(), waiting: Vec::new(), next: 0 };
        Arc::new(Self { open: AtomicUsize::new(0), state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> OpenStream {
        self.open.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        state.next += 1;
        OpenStream { number: state.next, streams: Arc::clone(self) }
    }

    /// Looks at the connection at a moment.
    pub(super) fn judge(&self, now: Instant, rest_max: Duration, stall_max: Duration) -> Verdict {
        let state = self.lock();
        if state.waiting.iter().any(|(_, since)| now.saturating_duration_since(*since) > stall_max) {
            Verdict::Stalled
        } else if self.open.load(Ordering::Relaxed) == 0 && now.saturating_duration_since(state.rests_since) > rest_max
        {
            Verdict::Rests
        } else {
            Verdict::Fine
        }
    }
}

/// One request of a connection.
#[derive(Debug)]
pub(super) struct OpenStream {
    number: u64,
    streams: Arc<Streams>,
}

impl OpenStream {
    fn waits(&self, waits: bool) {
        let mut state = self.streams.lock();
        state.waiting.retain(|(number, _)| *number != self.number);
        if waits {
            state.waiting.push((self.number, Instant::now()));
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.waits(false);
        if self.streams.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.streams.lock().rests_since = Instant::now();
        }
    }
}

/// The body of a response on a watched connection.
pub(super) struct WatchedBody {
    body: ResponseBody,
    stream: OpenStream,
}

impl WatchedBody {
    /// A body that its client has not taken anything of.
    pub(super) fn new(body: ResponseBody, stream: OpenStream) -> Self {
        if !body.is_end_stream() {
            stream.waits(true);
        }
        Self { body, stream }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.stream.waits(matches!(frame, Poll::Ready(Some(Ok(_)))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_rests_only_without_requests_and_stalls_only_when_its_client_takes_nothing() {
        let streams = Streams::new();
        let later = |seconds: u32| Instant::now() + SECOND * seconds;
        let judge = |seconds: u32| streams.judge(later(seconds), 5 * SECOND, 10 * SECOND);
        assert_eq!([judge(1), judge(6)], [Verdict::Fine, Verdict::Rests]);
        let stream = streams.begin();
        assert_eq!(judge(1000), Verdict::Fine, "a script may take its time");
        let mut body = WatchedBody::new(ResponseBody::from(Bytes::from_static(b"page")), stream);
        assert_eq!([judge(1), judge(11)], [Verdict::Fine, Verdict::Stalled]);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut context).is_ready());
        assert_eq!(judge(11), Verdict::Stalled, "the bytes were given, and wait");
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut context), Poll::Ready(None)));
        assert_eq!(judge(11), Verdict::Fine);
        drop(body);
        assert_eq!(judge(6), Verdict::Rests);
    }
}
