//! The body of a response with several parts of a file: `multipart/byteranges` (RFC 9110, 14.6).

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::body::ResponseBodyError;
use super::file_body::FileBody;
use super::ranges;

/// Opens a file to read one part of it.
pub(super) type OpenPart = Box<dyn Fn(RangeInclusive<u64>) -> Opening + Send>;
type Opening = Pin<Box<dyn Future<Output = std::io::Result<Response<FileBody>>> + Send>>;

/// The parts one after the other, each with its own head. Only one is open at a time.
pub(super) struct Multipart {
    /// Opens the file once more for each part.
    open: OpenPart,
    parts: std::vec::IntoIter<Part>,
    /// The text after the last part, until it is sent.
    end: Option<Bytes>,
    state: State,
    /// Of the whole body, for `Content-Length`.
    bytes_left: u64,
}

struct Part {
    /// The boundary and the fields of the part.
    head: Bytes,
    /// The bytes of the file.
    range: RangeInclusive<u64>,
}

enum State {
    BetweenParts,
    Opening(Opening),
    Sending(FileBody),
}

impl Multipart {
    /// The body with these parts of a file with `length` bytes. `boundary` must not occur in the file.
    pub(super) fn new(
        open: OpenPart,
        parts: Vec<RangeInclusive<u64>>,
        length: u64,
        content_type: &str,
        boundary: &str,
    ) -> Self {
        let with_head = |range: RangeInclusive<u64>| {
            let (first, last) = (range.start(), range.end());
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {first}-{last}/{length}\r\n\r\n"
            );
            Part { head: head.into(), range }
        };
        let parts: Vec<_> = parts.into_iter().map(with_head).collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let bytes_left = parts.iter().map(|part| part.head.len() as u64 + ranges::count(&part.range)).sum::<u64>();
        let bytes_left = bytes_left + end.len() as u64;
        Self { open, parts: parts.into_iter(), end: Some(end), state: State::BetweenParts, bytes_left }
    }

    /// The number of remaining bytes.
    pub(super) fn bytes_left(&self) -> u64 {
        self.bytes_left
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        loop {
            match &mut self.state {
                State::BetweenParts => {
                    let Some(Part { head, range }) = self.parts.next() else {
                        return Poll::Ready(self.end.take().map(|end| Ok(Frame::data(end))));
                    };
                    self.state = State::Opening((self.open)(range));
                    return Poll::Ready(Some(Ok(Frame::data(head))));
                }
                State::Opening(opening) => {
                    let response = ready!(opening.as_mut().poll(context))?;
                    if response.status() != StatusCode::PARTIAL_CONTENT {
                        return Poll::Ready(Some(Err(ResponseBodyError::Changed)));
                    }
                    self.state = State::Sending(response.into_body());
                }
                State::Sending(body) => match ready!(Pin::new(body).poll_frame(context)) {
                    Some(frame) => return Poll::Ready(Some(frame.map_err(ResponseBodyError::from))),
                    None => self.state = State::BetweenParts,
                },
            }
        }
    }
}

impl Body for Multipart {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let next = ready!(self.poll_next(context));
        if let Some(Ok(frame)) = &next {
            let sent = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.bytes_left = self.bytes_left.saturating_sub(sent);
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes_left)
    }
}
