//! `request_body { write_timeout }`: ends a response that takes too long.
//!
//! hyper asks a body for its next bytes when the client has taken the ones before. So a client that takes none at all is
//! noticed by the write limit of its connection, not here.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};

use super::body::{ResponseBody, ResponseBodyError, Source};
use super::plain::aborted;

/// The response, which breaks off at this moment if its client has not got all of it. One that has not begun by then is
/// not sent.
pub(super) fn until(end: Instant, response: Response<ResponseBody>) -> Response<ResponseBody> {
    if Instant::now() >= end {
        return aborted();
    }
    let timed = |body| Timed { body, timer: Box::pin(sleep_until(end.into())) };
    response.map(|body| ResponseBody::new(Source::Boxed(Box::pin(timed(body)))))
}

struct Timed {
    body: ResponseBody,
    timer: Pin<Box<Sleep>>,
}

impl Body for Timed {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if self.timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(ResponseBodyError::TooSlow)));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
