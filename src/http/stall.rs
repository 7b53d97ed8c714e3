//! Ends idle HTTP/2 connections, and those whose client does not read a response. If `timeouts` is set, also ends
//! HTTP/1 connections with a response that takes too long.
//!
//! The write limit of the socket misses such clients: they keep reading frames but open no window. hyper polls a
//! response for its next bytes when the window is open. So a body that returned bytes and is not polled again waits for
//! its client. A body that was polled and had none waits for its script, which has no limit here.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::body::{ResponseBody, ResponseBodyError};
use crate::config::Timeouts;
use crate::limits;

/// The state of the requests of one connection.
#[derive(Debug)]
pub(super) struct Streams {
    /// Requests whose response has not ended.
    open: AtomicUsize,
    /// Protects what a request changes at its start and end; held for a few instructions only.
    state: Mutex<State>,
}

/// The time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamTimes {
    /// Without a request.
    rest_max: Duration,
    /// With a response that the client does not read.
    stall_max: Duration,
    /// With one request and its response.
    response_max: Option<Duration>,
}

impl StreamTimes {
    /// The limits of an HTTP/2 connection.
    pub(super) fn of_http2(timeouts: &Timeouts) -> Self {
        Self {
            rest_max: timeouts.idle.unwrap_or(Duration::from_secs(limits::REQUEST_HEAD_SECONDS_MAX)),
            stall_max: Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX),
            response_max: timeouts.write,
        }
    }

    /// The limits of an HTTP/1 connection: its stream has its own limits, except for a whole response. `None`: it need
    /// not be watched.
    pub(super) fn of_http1(timeouts: &Timeouts) -> Option<Self> {
        let never = Duration::MAX;
        timeouts.write.map(|write| Self { rest_max: never, stall_max: never, response_max: Some(write) })
    }

    /// The interval of checks: no limit is exceeded by more than a quarter.
    pub(super) fn look_every(&self) -> Duration {
        let shortest = self.rest_max.min(self.stall_max).min(self.response_max.unwrap_or(Duration::MAX));
        (shortest / 4).clamp(LOOK_EVERY_MIN, Duration::from_secs(limits::HTTP2_LOOK_SECONDS))
    }
}

const LOOK_EVERY_MIN: Duration = Duration::from_millis(limits::CONNECTION_LOOK_MS_MIN);

#[derive(Debug)]
struct State {
    /// The end of the last request; before the first, the start of the connection.
    rests_since: Instant,
    /// The running requests with a time limit: number and start.
    running: Vec<(u64, Instant)>,
    /// The responses that wait for their client: number and start of the wait.
    waiting: Vec<(u64, Instant)>,
    /// The number of the next request.
    next: u64,
}

/// The decision about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// It was idle for too long.
    Rests,
    /// A response was not read for too long, or took too long in total.
    Stalled,
}

impl Streams {
    pub(super) fn new() -> Arc<Self> {
        let state = State { rests_since: Instant::now(), running: Vec::new(), waiting: Vec::new(), next: 0 };
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
        let number = state.next;
        state.running.push((number, Instant::now()));
        OpenStream { number, streams: Arc::clone(self) }
    }

    /// Checks the connection at this time.
    pub(super) fn judge(&self, now: Instant, times: &StreamTimes) -> Verdict {
        let state = self.lock();
        let is_beyond =
            |times: &[(u64, Instant)], max| times.iter().any(|(_, since)| now.saturating_duration_since(*since) > max);
        let rests = now.saturating_duration_since(state.rests_since) > times.rest_max;
        if is_beyond(&state.waiting, times.stall_max)
            || times.response_max.is_some_and(|max| is_beyond(&state.running, max))
        {
            Verdict::Stalled
        } else if self.open.load(Ordering::Relaxed) == 0 && rests {
            Verdict::Rests
        } else {
            Verdict::Fine
        }
    }
}

/// One request of a connection.
#[derive(Debug)]
pub(super) struct OpenStream {
    /// Of the request on its connection.
    number: u64,
    streams: Arc<Streams>,
}

impl OpenStream {
    /// Notes whether the response waits for its client.
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
        self.streams.lock().running.retain(|(number, _)| *number != self.number);
        if self.streams.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.streams.lock().rests_since = Instant::now();
        }
    }
}

/// The body of a response on a connection that may be watched.
pub(super) struct WatchedBody {
    body: ResponseBody,
    /// Ends with the body; `None`: the connection is not watched.
    stream: Option<OpenStream>,
    /// The delay of an error, so that earlier bytes leave first; `None`: not at all.
    delay: Option<Duration>,
    /// An error that waits for its delay.
    broken: Option<(ResponseBodyError, Pin<Box<Sleep>>)>,
}

impl WatchedBody {
    /// A body that its client has not read from.
    pub(super) fn new(body: ResponseBody, stream: Option<OpenStream>) -> Self {
        if let Some(stream) = stream.as_ref().filter(|_| !body.is_end_stream()) {
            stream.waits(true);
        }
        Self { body, stream, delay: None, broken: None }
    }

    /// A body of HTTP/2, where the end of an incomplete response (`RST_STREAM`) overtakes its head and its bytes.
    pub(super) fn of_http2(body: ResponseBody, stream: OpenStream) -> Self {
        let delay = Some(Duration::from_millis(limits::HTTP2_BREAK_OFF_MS));
        Self { delay, ..Self::new(body, Some(stream)) }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if let Some((_, timer)) = &mut self.broken {
            ready!(timer.as_mut().poll(context));
            return Poll::Ready(self.broken.take().map(|(error, _)| Err(error)));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(Some(Err(_))), Some(delay)) = (&frame, self.delay) {
            let mut timer = Box::pin(sleep(delay));
            let _ = timer.as_mut().poll(context);
            self.broken = ready!(frame).and_then(Result::err).map(|error| (error, timer));
            return Poll::Pending;
        }
        if let Some(stream) = &self.stream {
            stream.waits(matches!(frame, Poll::Ready(Some(Ok(_)))));
        }
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
        let times = StreamTimes { rest_max: 5 * SECOND, stall_max: 10 * SECOND, response_max: None };
        let judge = |seconds: u32| streams.judge(later(seconds), &times);
        assert_eq!([judge(1), judge(6)], [Verdict::Fine, Verdict::Rests]);
        let stream = streams.begin();
        assert_eq!(judge(1000), Verdict::Fine, "a script may take its time");
        let mut body = WatchedBody::new(ResponseBody::from(Bytes::from_static(b"page")), Some(stream));
        assert_eq!([judge(1), judge(11)], [Verdict::Fine, Verdict::Stalled]);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut context).is_ready());
        assert_eq!(judge(11), Verdict::Stalled, "the bytes were given, and wait");
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut context), Poll::Ready(None)));
        assert_eq!(judge(11), Verdict::Fine);
        drop(body);
        assert_eq!(judge(6), Verdict::Rests);
    }

    #[test]
    fn a_response_may_take_its_time_as_a_whole_only() {
        let streams = Streams::new();
        let timeouts = Timeouts { write: Some(10 * SECOND), ..Timeouts::default() };
        let times = StreamTimes::of_http1(&timeouts).expect("a time is limited");
        let judge = |seconds: u32| streams.judge(Instant::now() + SECOND * seconds, &times);
        let stream = streams.begin();
        assert_eq!([judge(9), judge(11)], [Verdict::Fine, Verdict::Stalled]);
        drop(stream);
        assert_eq!(judge(1000), Verdict::Fine, "a connection may rest");
        assert!(StreamTimes::of_http1(&Timeouts::default()).is_none());
        assert_eq!([times.look_every(), StreamTimes::of_http2(&timeouts).look_every()], [10 * SECOND / 4; 2]);
    }
}
