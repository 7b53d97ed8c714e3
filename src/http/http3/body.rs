//! The body of a request over HTTP/3.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use super::transport::{Held, Receiver};

/// Why a body is not whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("{0}")]
    Stream(#[from] StreamError),
    #[error("the body has another length than `Content-Length` says")]
    Length,
    #[error("the body ends in the middle of a frame")]
    Cut,
}

/// The body of a request.
pub(super) struct RequestBody {
    stream: RequestStream<Receiver, Bytes>,
    held: Arc<Held>,
    /// What `Content-Length` promises of the rest.
    left: Option<u64>,
    /// Read before the request was passed on.
    first: Option<Bytes>,
    has_ended: bool,
}

impl RequestBody {
    /// The body that follows a head. Looks whether there is one, which the head alone does not say.
    ///
    /// # Errors `Content-Length` is no number.
    pub(super) async fn new(
        stream: RequestStream<Receiver, Bytes>,
        held: Arc<Held>,
        head: &HeaderMap,
    ) -> Result<Self, BodyError> {
        let left = length(head)?;
        let mut body = Self { stream, held, left, first: None, has_ended: false };
        std::future::poll_fn(|context| {
            match body.poll_bytes(context) {
                Poll::Ready(Some(Ok(bytes))) => body.first = Some(bytes),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => {}
                // The rest comes later, or no end was sent yet.
                Poll::Pending => {}
            }
            Poll::Ready(Ok(()))
        })
        .await?;
        Ok(body)
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let next = loop {
            let stream = &mut self.stream;
            let answer = self.held.poll(|| {
                let answer = stream.poll_recv_data(context);
                answer.map_ok(|data| data.map(|mut data| data.copy_to_bytes(data.remaining())))
            });
            match ready!(answer) {
                // h3 also says so after a frame without bytes, and before trailers.
                Ok(None) if !self.held.has_ended() => {}
                other => break other,
            }
        };
        Poll::Ready(match next {
            Ok(Some(bytes)) => Some(self.count(bytes)),
            Ok(None) => {
                self.has_ended = true;
                let is_short = self.left.is_some_and(|left| left > 0);
                is_short.then_some(Err(BodyError::Length)).or(self.held.is_cut().then_some(Err(BodyError::Cut)))
            }
            Err(error) => {
                self.has_ended = true;
                Some(Err(error.into()))
            }
        })
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, BodyError> {
        self.held.passed(bytes.len());
        if let Some(left) = self.left {
            let Some(left) = left.checked_sub(bytes.len() as u64) else {
                self.has_ended = true;
                return Err(BodyError::Length);
            };
            self.left = Some(left);
        }
        Ok(bytes)
    }
}

/// The announced length.
fn length(head: &HeaderMap) -> Result<Option<u64>, BodyError> {
    let mut lengths = head.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != first) {
        return Err(BodyError::Length);
    }
    let digits = first.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).map(Some).ok_or(BodyError::Length)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        self.poll_bytes(context).map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && (self.has_ended || self.left == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        match self.left {
            Some(left) => SizeHint::with_exact(first + left),
            None if self.has_ended => SizeHint::with_exact(first),
            None => SizeHint::default(),
        }
    }
}

impl Drop for RequestBody {
    /// The rest is not wanted (RFC 9114, 4.1.1).
    fn drop(&mut self) {
        if !self.has_ended {
            self.stream.stop_sending(Code::H3_NO_ERROR);
        }
    }
}
