//! `transport fastcgi`: a request to a FastCGI server such as php-fpm, on a connection of its own.
//!
//! The request is written while the response is read, because a script may answer before it has read the body. Both are
//! streamed, so a request holds a few buffers, however long its bodies are. Everything that the upstream sends is checked:
//! it may be hostile or broken.

mod response;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::time::{Instant, Sleep, sleep};

use super::request_body::ProxyBody;
use crate::exchange::Pairs;
use crate::http::fastcgi_record::{self as record, Record};
use crate::limits;
use response::BadHead;

/// The number of the only request on a connection.
const ID: u16 = 1;

/// Why there is no whole response.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// No connection was made, so the upstream knows nothing of the request.
    #[error("connecting: {0}")]
    Connect(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("what it sends is not FastCGI")]
    NotFastCgi,
    #[error("the connection ended before the response did")]
    Ended,
    #[error("the response ended before its head did")]
    NoHead,
    #[error("the response has a head of more than {} bytes", limits::RESPONSE_HEAD_BYTES_MAX)]
    LongHead,
    #[error("the response has a bad head: {0}")]
    Head(#[from] BadHead),
    #[error("the upstream refused the request with the FastCGI status {0}")]
    Refused(u8),
    #[error("nothing came for {} ms", .0.as_millis())]
    ReadTimeout(Duration),
    #[error("nothing was read for {} ms", .0.as_millis())]
    WriteTimeout(Duration),
    /// The client did not send its whole body.
    #[error("the client's request body broke off")]
    Client,
}

/// The settings of a conversation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    /// How long the upstream may send nothing once it has the request.
    pub(super) read_timeout: Option<Duration>,
    /// How long it may read nothing.
    pub(super) write_timeout: Option<Duration>,
    /// Whether the script's error output is logged.
    pub(super) captures_stderr: bool,
    /// Whether the request is one without a response body.
    pub(super) is_head: bool,
}

/// Sends a request with these parameters, and waits for the head of the response.
///
/// # Errors The upstream sends no valid head.
pub(super) async fn send<S>(
    stream: S,
    params: &Pairs,
    body: ProxyBody,
    settings: Settings,
) -> Result<Response<FastcgiBody<S>>, Broken>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let mut conversation = Conversation {
        reader,
        buffer: BytesMut::new(),
        chunk: vec![0; READ_BYTES].into_boxed_slice(),
        writing: Some(Box::pin(write_request(writer, head(params), body, settings.write_timeout))),
        timer: settings.read_timeout.map(|limit| (limit, Box::pin(sleep(limit)))),
        stderr: settings.captures_stderr.then(Vec::new),
        status: StatusCode::OK,
    };
    let (mut received, mut searched) = (Vec::new(), 0);
    let end = loop {
        let output = poll_fn(|context| conversation.poll_output(context)).await?;
        received.extend_from_slice(&output.ok_or(Broken::NoHead)?);
        if let Some(end) = response::end_of_head(&received, searched) {
            break end;
        }
        searched = received.len();
        if searched > limits::RESPONSE_HEAD_BYTES_MAX {
            return Err(Broken::LongHead);
        }
    };
    let mut response = response::parse(&received[..end])?;
    conversation.status = response.status();
    let length = response::length(response.headers_mut());
    let first = Some(Bytes::from(received).split_off(end)).filter(|bytes| !bytes.is_empty());
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_ended = settings.is_head || has_none || length == Some(0);
    let left = length.filter(|_| !is_ended);
    Ok(response.map(|()| FastcgiBody { conversation, first, left, is_ended }))
}

/// The records before the body: the start of the request and its parameters.
fn head(params: &Pairs) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in params.iter() {
        record::put_pair(&mut encoded, name, value);
    }
    let mut bytes = Vec::with_capacity(encoded.len() + 64);
    let [role_high, role_low] = record::RESPONDER.to_be_bytes();
    // The connection is not kept: php-fpm has one process for each.
    record::put_one(&mut bytes, record::BEGIN_REQUEST, ID, &[role_high, role_low, 0, 0, 0, 0, 0, 0]);
    record::put(&mut bytes, record::PARAMS, ID, &encoded);
    record::put_one(&mut bytes, record::PARAMS, ID, &[]);
    bytes
}

/// Writes the request. An upstream that stops reading has not failed: it may answer all the same.
async fn write_request<S: AsyncRead + AsyncWrite>(
    mut to: WriteHalf<S>,
    head: Vec<u8>,
    mut body: ProxyBody,
    limit: Option<Duration>,
) -> Result<(), Broken> {
    if !write(&mut to, &head, limit).await? {
        return Ok(());
    }
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(frame) = frame else { return Err(Broken::Client) };
        let mut records = Vec::new();
        record::put(&mut records, record::STDIN, ID, frame.data_ref().map_or(&[][..], |bytes| bytes));
        if !write(&mut to, &records, limit).await? {
            return Ok(());
        }
    }
    let mut end = Vec::new();
    record::put_one(&mut end, record::STDIN, ID, &[]);
    write(&mut to, &end, limit).await.map(drop)
}

/// Whether the bytes were written; not if the upstream reads no more.
async fn write<S>(to: &mut WriteHalf<S>, mut bytes: &[u8], limit: Option<Duration>) -> Result<bool, Broken>
where
    S: AsyncRead + AsyncWrite,
{
    while !bytes.is_empty() {
        let writing = to.write(bytes);
        let written = match limit {
            None => writing.await,
            Some(limit) => tokio::time::timeout(limit, writing).await.map_err(|_| Broken::WriteTimeout(limit))?,
        };
        match written {
            Ok(0) | Err(_) => return Ok(false),
            Ok(count) => bytes = &bytes[count..],
        }
    }
    Ok(true)
}

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// Writes the request while the response is read.
type Writing = Pin<Box<dyn Future<Output = Result<(), Broken>> + Send>>;

/// Both directions of a connection.
struct Conversation<S> {
    reader: ReadHalf<S>,
    /// Less than one record, and what was read last.
    buffer: BytesMut,
    chunk: Box<[u8]>,
    /// `None` once the request was sent.
    writing: Option<Writing>,
    timer: Option<(Duration, Pin<Box<Sleep>>)>,
    /// What the script has written to its error output, if that is wanted.
    stderr: Option<Vec<u8>>,
    status: StatusCode,
}

impl<S: AsyncRead + AsyncWrite> Conversation<S> {
    /// The next output of the script; `None` at the end of the request.
    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>, Broken>> {
        if let Some(writing) = &mut self.writing
            && let Poll::Ready(written) = writing.as_mut().poll(context)
        {
            self.writing = None;
            self.restart_timer();
            written?;
        }
        loop {
            if let Some(record) = record::take(&mut self.buffer).map_err(|_| Broken::NotFastCgi)? {
                match self.received(record)? {
                    Received::Output(bytes) => return Poll::Ready(Ok(Some(bytes))),
                    Received::End => return Poll::Ready(Ok(None)),
                    Received::Other => continue,
                }
            }
            let mut read = ReadBuf::new(&mut self.chunk);
            if Pin::new(&mut self.reader).poll_read(context, &mut read)?.is_pending() {
                return self.poll_timer(context).map(Err);
            }
            if read.filled().is_empty() {
                return Poll::Ready(Err(Broken::Ended));
            }
            self.buffer.extend_from_slice(read.filled());
            self.restart_timer();
        }
    }

    fn received(&mut self, record: Record) -> Result<Received, Broken> {
        Ok(match record {
            Record { id: ID, kind: record::STDOUT, content } if !content.is_empty() => Received::Output(content),
            Record { id: ID, kind: record::STDERR, content } => {
                if let Some(stderr) = &mut self.stderr {
                    let space = limits::LOG_LINE_BYTES_MAX.saturating_sub(stderr.len());
                    stderr.extend_from_slice(&content[..content.len().min(space)]);
                }
                Received::Other
            }
            Record { id: ID, kind: record::END_REQUEST, content } => match content.get(4) {
                Some(0) => Received::End,
                status => return Err(Broken::Refused(status.copied().unwrap_or(u8::MAX))),
            },
            _ => Received::Other,
        })
    }

    /// While the request is still being sent, the upstream need not answer.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        match &mut self.timer {
            Some((limit, timer)) if self.writing.is_none() => {
                ready!(timer.as_mut().poll(context));
                Poll::Ready(Broken::ReadTimeout(*limit))
            }
            _ => Poll::Pending,
        }
    }

    fn restart_timer(&mut self) {
        if let Some((limit, timer)) = &mut self.timer {
            timer.as_mut().reset(Instant::now() + *limit);
        }
    }
}

impl<S> Drop for Conversation<S> {
    fn drop(&mut self) {
        let Some(stderr) = self.stderr.take().filter(|stderr| !stderr.is_empty()) else { return };
        let text = String::from_utf8_lossy(&stderr);
        let text = text.trim_end().replace(['\r', '\n'], " ");
        if self.status.is_client_error() || self.status.is_server_error() {
            tracing::error!("the error output of a FastCGI script: {text}");
        } else {
            tracing::warn!("the error output of a FastCGI script: {text}");
        }
    }
}

enum Received {
    Output(Vec<u8>),
    End,
    Other,
}

/// The body of a response. Dropped early, it closes the connection, and the upstream may end the script.
pub(super) struct FastcgiBody<S> {
    conversation: Conversation<S>,
    /// What came with the head.
    first: Option<Bytes>,
    /// The rest of the announced length.
    left: Option<u64>,
    is_ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Body for FastcgiBody<S> {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        while !this.is_ended {
            let mut bytes = match this.first.take() {
                Some(first) => first,
                None => match ready!(this.conversation.poll_output(context))? {
                    Some(output) => Bytes::from(output),
                    None if this.left.is_some_and(|left| left > 0) => {
                        this.is_ended = true;
                        return Poll::Ready(Some(Err(Broken::Ended)));
                    }
                    None => {
                        this.is_ended = true;
                        break;
                    }
                },
            };
            // More than was announced would be taken for the next response.
            if let Some(left) = &mut this.left {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes.len() as u64;
                this.is_ended = *left == 0;
            }
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }

    fn size_hint(&self) -> SizeHint {
        let known = if self.is_ended { Some(0) } else { self.left };
        known.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
