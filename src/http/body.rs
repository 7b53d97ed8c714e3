//! The body of every response, and the accounting at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::access_log::AccessRecord;
use super::file_body::FileBody;
use super::file_sender::FileQueue;
use super::interim::InterimSlot;
use crate::traces::Span;

/// Why a response body ended before it was complete. Then the connection is closed, so that the client does not take
/// half a page for a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The script ended before it had written the bytes of its `Content-Length`, or the client stopped reading.
    #[error("the response ended before all of it was written")]
    Truncated,
    /// A static file could not be read to its end.
    #[error("reading the static file: {0}")]
    File(#[from] std::io::Error),
    /// A static file was replaced after the response had started.
    #[error("the static file has changed while parts of it were sent")]
    Changed,
    /// `request_body { write_timeout }`: it has taken too long.
    #[error("the response took longer than allowed")]
    TooSlow,
    /// The upstream ended its response early.
    #[error("reading the response of the upstream: {0}")]
    Upstream(String),
}

/// The source of a response's bytes.
pub(super) enum Source {
    /// Nothing.
    Empty,
    /// One piece; its length becomes the `Content-Length`.
    Whole(Bytes),
    /// The output of a PHP thread while it runs.
    Stream(Chunks),
    /// A static file.
    File(FileBody),
    /// The body of another handler, or of another server.
    Boxed(Pin<Box<dyn Body<Data = Bytes, Error = ResponseBodyError> + Send>>),
}

/// The reply of the PHP thread: a head, and the source of the body.
pub(super) type Reply = Response<Source>;

/// The receiving end of a streamed response.
pub(super) struct Chunks {
    /// Bounded, so that a script cannot run ahead of its client.
    pub(super) receiver: mpsc::Receiver<Bytes>,
    /// Set by the writer before it closes an incomplete response.
    pub(super) truncated: Arc<AtomicBool>,
}

/// The body of every response of [`super::service::HttpService`].
pub struct ResponseBody {
    /// Where the bytes come from.
    source: Source,
    /// The connection, for a source that may end before it is complete.
    connection: Option<Arc<InterimSlot>>,
    /// Why the body ends early, if it does.
    ending: Ending,
    /// Logged when this body is dropped; absent when access logging is off.
    record: Option<Box<AccessRecord>>,
    /// Ends with this body; absent without `tracing`.
    span: Option<Box<Span>>,
}

/// How an incomplete body ends: on the error hyper drops the connection and its unwritten bytes.
enum Ending {
    /// It has not broken off.
    No,
    /// All bytes before the end are on their way to the socket.
    Flushing(ResponseBodyError),
}

impl ResponseBody {
    pub(super) fn new(source: Source) -> Self {
        Self { source, connection: None, ending: Ending::No, record: None, span: None }
    }

    /// Binds the body to its connection. The request counts as unanswered until the body ends. Before an incomplete
    /// body ends with an error, it waits until the connection has written its bytes.
    pub(super) fn set_connection(&mut self, connection: &Arc<InterimSlot>) {
        match self.source {
            Source::Empty | Source::Whole(_) => connection.release_end(),
            _ => self.connection = Some(Arc::clone(connection)),
        }
    }

    /// Lets the connection send a static file itself. Nothing may look at the bytes of the body on their way there.
    pub(super) fn send_by(&mut self, files: &Arc<FileQueue>) {
        if let Source::File(body) = &mut self.source {
            body.send_by(files);
        }
    }

    fn poll_ending(&mut self, context: &mut Context<'_>) -> Poll<Option<ResponseBodyError>> {
        if let (Ending::Flushing(_), Some(connection)) = (&self.ending, &self.connection)
            && connection.is_flush_awaited(context.waker())
        {
            return Poll::Pending;
        }
        Poll::Ready(match std::mem::replace(&mut self.ending, Ending::No) {
            Ending::No => None,
            Ending::Flushing(error) => Some(error),
        })
    }

    /// The source of the body, without the bookkeeping.
    pub(super) fn into_source(mut self) -> Source {
        std::mem::replace(&mut self.source, Source::Empty)
    }

    /// The body, if it is complete in memory.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        match &self.source {
            Source::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Logs `record` when this body is dropped.
    pub(super) fn set_record(&mut self, record: Box<AccessRecord>) {
        self.record = Some(record);
    }

    /// Ends `span` when this body is dropped.
    pub(super) fn set_span(&mut self, span: Box<Span>) {
        self.span = Some(span);
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.release_end();
        }
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self::new(if bytes.is_empty() { Source::Empty } else { Source::Whole(bytes) })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let this = &mut *self;
        if let Some(error) = ready!(this.poll_ending(context)) {
            return Poll::Ready(Some(Err(error)));
        }
        let next = match &mut this.source {
            Source::Empty => None,
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                this.source = Source::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Source::Stream(chunks) => match ready!(chunks.receiver.poll_recv(context)) {
                Some(bytes) => Some(Ok(Frame::data(bytes))),
                None if chunks.truncated.load(Ordering::Acquire) => Some(Err(ResponseBodyError::Truncated)),
                None => None,
            },
            Source::File(body) => {
                ready!(Pin::new(body).poll_frame(context)).map(|frame| frame.map_err(ResponseBodyError::from))
            }
            Source::Boxed(body) => ready!(body.as_mut().poll_frame(context)),
        };
        if let (Some(Err(_)), Some(connection)) = (&next, &this.connection) {
            connection.await_flush(context.waker());
            if let Some(Err(error)) = next {
                this.ending = Ending::Flushing(error);
            }
            return Poll::Pending;
        }
        if let Some(record) = &mut this.record {
            note(record, next.as_ref());
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Whole(_) | Source::Stream(_) => false,
            Source::File(body) => body.is_end_stream(),
            Source::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(_) => SizeHint::default(),
            Source::File(body) => body.size_hint(),
            Source::Boxed(body) => body.size_hint(),
        }
    }
}

/// Counts a frame for the access log, or its end.
fn note(record: &mut AccessRecord, frame: Option<&Result<Frame<Bytes>, ResponseBodyError>>) {
    match frame {
        Some(Ok(frame)) => record.add_bytes(frame.data_ref().map_or(0, Bytes::len)),
        Some(Err(_)) => {}
        None => record.mark_ended(),
    }
}
