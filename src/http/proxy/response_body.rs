//! The body of a response on its way to the client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::balance::Chosen;
use crate::http::body::{ResponseBody, ResponseBodyError, Source};

/// The body as the client gets it. The upstream counts as busy until it has ended.
pub(super) fn proxied<B>(body: B, timeout: Option<Duration>, chosen: Chosen) -> ResponseBody
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    let timer = timeout.map(|timeout| (timeout, Box::pin(tokio::time::sleep(timeout))));
    ResponseBody::new(Source::Boxed(Box::pin(Proxied { body, timer, chosen })))
}

struct Proxied<B> {
    body: B,
    timer: Option<(Duration, Pin<Box<Sleep>>)>,
    chosen: Chosen,
}

impl<B> Proxied<B> {
    fn broke_off(&self, reason: String) -> ResponseBodyError {
        self.chosen.note_failure();
        tracing::warn!(upstream = %self.chosen.address(), "proxying: the response broke off: {reason}");
        ResponseBodyError::Upstream(reason)
    }
}

impl<B: Body<Data = Bytes, Error: fmt::Display> + Unpin> Body for Proxied<B> {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.broke_off(error.to_string())))),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some((timeout, timer)) = &mut this.timer {
                    timer.as_mut().reset(Instant::now() + *timeout);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let Some((timeout, timer)) = &mut this.timer else { return Poll::Pending };
                ready!(timer.as_mut().poll(context));
                let reason = format!("nothing came for {} ms", timeout.as_millis());
                Poll::Ready(Some(Err(this.broke_off(reason))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
