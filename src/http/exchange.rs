//! One HTTP request on a PHP thread: the [`Exchange`] over a hyper request.
//!
//! **Request body.** It was gathered before, or the PHP thread reads it from the connection (see `request_body`).
//!
//! **Response.** The head waits while the output fits one buffer. So a typical page is one message with a known length,
//! and one wake-up of the async side. Larger or flushed output streams over a bounded channel.
//!
//! States of `Answer`; only the PHP thread changes them:
//!
//! | from        | by                                | to          |
//! |-------------|-----------------------------------|-------------|
//! | `Pending`   | the buffer overflows, `flush`     | `Streaming`; `Finished` for a response without body |
//! | `Pending`   | `finish`, `drop`                  | `Finished`  |
//! | `Streaming` | `finish`, `drop`                  | `Finished`  |
//! | any but `Finished` | the receiver is gone       | `Gone`      |

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode, Version};
use http_body::Body;
use tokio::sync::oneshot;

use super::body::{Reply, ResponseBody, Source};
use super::body_failure::BodyFailure;
use super::cgi::{self, CgiRequest};
use super::interim::InterimSender;
use super::request_body::{BodySlot, RequestBody};
use super::response_head::{self, Head};
use super::response_stream::{Streaming, truncated_body};
use crate::exchange::{BodyAborted, Cancellation, Exchange, Flow, Pairs, RequestHead, ResponseHead, Usage};
use crate::limits;

enum Answer {
    /// Nothing was sent. `head` is set by `respond`.
    Pending { reply: oneshot::Sender<Reply>, head: Option<Head>, buffer: Vec<u8> },
    /// The head was sent and the body follows.
    Streaming(Streaming),
    /// The client has received, or will receive, all of it.
    Finished,
    /// No one reads.
    Gone,
}

/// The [`Exchange`] of one HTTP request.
pub struct HttpExchange<B> {
    /// The source of the next three. Dropped before the response ends, so that hyper can reuse its read buffer, which holds
    /// the header values.
    request: Option<CgiRequest>,
    /// Built when PHP first asks for it, like the next two. The head has neither of them.
    head: OnceCell<RequestHead>,
    server_vars: OnceCell<Pairs>,
    headers: OnceCell<Pairs>,
    body: RequestBody<B>,
    /// The body was aborted: every further read fails too.
    body_broken: bool,
    answer: Answer,
    /// A response to HEAD has no body; its bytes are only counted.
    is_head_request: bool,
    /// The bytes that the script has written for a response without a body.
    counted: u64,
    /// Sends informational responses; absent if this connection cannot send them.
    interim: Option<InterimSender>,
    /// Ends the waits of the PHP thread that runs it.
    cancellation: Arc<Cancellation>,
    /// For the access log.
    usage: Option<Arc<Usage>>,
}

/// An exchange, and its ends on the async side.
pub(super) struct Opened<B> {
    pub(super) exchange: HttpExchange<B>,
    /// Resolves when the head of the response is there.
    pub(super) reply: oneshot::Receiver<Reply>,
    /// To drop the body of a request that no thread takes; `None`: nothing is read from the connection.
    pub(super) body: Option<Arc<BodySlot<B>>>,
}

impl<B> HttpExchange<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// Creates the exchange of a request with this body.
    pub(super) fn open(request: CgiRequest, body: RequestBody<B>, interim: Option<InterimSender>) -> Opened<B> {
        let is_head_request = request.parts.method == Method::HEAD;
        // An HTTP/1.0 client would take the first 1xx for the final response (RFC 9110, 15.2).
        let interim = interim.filter(|_| request.parts.version >= Version::HTTP_11);
        let (sender, reply) = oneshot::channel();
        let slot = body.slot();
        let usage = request.usage.clone();
        let exchange = Self {
            request: Some(request),
            head: OnceCell::new(),
            server_vars: OnceCell::new(),
            headers: OnceCell::new(),
            body,
            body_broken: false,
            answer: Answer::Pending { reply: sender, head: None, buffer: Vec::new() },
            is_head_request,
            counted: 0,
            interim,
            cancellation: Arc::default(),
            usage,
        };
        Opened { exchange, reply, body: slot }
    }
}

impl<B> HttpExchange<B> {
    /// Then only the bytes are counted, for the header fields.
    fn has_no_body(&self, head: &Head) -> bool {
        self.is_head_request || head.is_bodiless()
    }

    /// Sends the head and starts streaming. The head must be set.
    fn start_streaming(&mut self) -> Flow {
        let Answer::Pending { reply, head: Some(mut head), buffer } = std::mem::replace(&mut self.answer, Answer::Gone)
        else {
            return Flow::ClientGone;
        };
        if self.has_no_body(&head) {
            return self.send_without_body(reply, head, None);
        }
        if let Some(length) = head.content_length {
            head.set_content_length(length);
        }
        let (mut streaming, source) = Streaming::open(head.content_length, &self.cancellation);
        if reply.send(head.response.map(|()| source)).is_err() {
            return Flow::ClientGone;
        }
        let flow = streaming.send(Bytes::from(buffer));
        self.settle(streaming, flow)
    }

    /// Sends a head without a body; `length` is the length for a GET, if known.
    fn send_without_body(&mut self, reply: oneshot::Sender<Reply>, mut head: Head, length: Option<u64>) -> Flow {
        if self.is_head_request
            && !head.is_bodiless()
            && let Some(length) = head.content_length.or(length)
        {
            head.set_content_length(length);
        }
        match reply.send(head.response.map(|()| Source::Empty)) {
            Ok(()) => {
                self.answer = Answer::Finished;
                Flow::Continue
            }
            Err(_) => {
                self.answer = Answer::Gone;
                Flow::ClientGone
            }
        }
    }

    fn settle(&mut self, streaming: Streaming, flow: Flow) -> Flow {
        self.answer = if flow == Flow::Continue { Answer::Streaming(streaming) } else { Answer::Gone };
        flow
    }

    /// Sends a complete response.
    fn send_whole(&mut self, reply: oneshot::Sender<Reply>, mut head: Head, mut buffer: Vec<u8>) {
        if self.has_no_body(&head) {
            let counted = self.counted;
            let _ = self.send_without_body(reply, head, (counted > 0).then_some(counted));
            return;
        }
        let source = match head.content_length {
            Some(promised) if promised > buffer.len() as u64 => {
                // The client must notice the missing bytes, so the length stays and the body is aborted.
                warn_of_length(promised, buffer.len() as u64);
                head.set_content_length(promised);
                truncated_body(buffer)
            }
            promised => {
                if let Some(promised) = promised.filter(|&promised| promised < buffer.len() as u64) {
                    warn_of_length(promised, buffer.len() as u64);
                    buffer.truncate(promised as usize);
                }
                if buffer.is_empty() { Source::Empty } else { Source::Whole(Bytes::from(buffer)) }
            }
        };
        self.answer = match reply.send(head.response.map(|()| source)) {
            Ok(()) => Answer::Finished,
            Err(_) => Answer::Gone,
        };
    }

    /// Sends an empty 500 instead of the script's response.
    fn answer_500(&mut self) -> Flow {
        let Answer::Pending { reply, .. } = std::mem::replace(&mut self.answer, Answer::Gone) else {
            return Flow::ClientGone;
        };
        let mut response = Response::new(Source::Empty);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        if reply.send(response).is_err() {
            return Flow::ClientGone;
        }
        self.answer = Answer::Finished;
        Flow::Continue
    }

    /// Ends the exchange of a request with an incomplete body: From now on PHP's output is not a response to the
    /// client's request.
    fn refuse(&mut self, failure: &BodyFailure) {
        failure.log();
        match std::mem::replace(&mut self.answer, Answer::Gone) {
            Answer::Pending { reply, .. } => {
                let _ = reply.send(failure.response().map(ResponseBody::into_source));
            }
            Answer::Streaming(streaming) => streaming.truncate(),
            Answer::Finished => self.answer = Answer::Finished,
            Answer::Gone => {}
        }
    }

    /// Ends the answer. `head` is sent if PHP has set none.
    fn close(&mut self) {
        match std::mem::replace(&mut self.answer, Answer::Finished) {
            Answer::Pending { reply, head: Some(head), buffer } => self.send_whole(reply, head, buffer),
            pending @ Answer::Pending { head: None, .. } => {
                self.answer = pending;
                let _ = self.answer_500();
            }
            Answer::Streaming(mut streaming) => {
                if streaming.flush() == Flow::ClientGone {
                    self.answer = Answer::Gone;
                } else if let Some(missing) = streaming.missing() {
                    tracing::warn!(missing, "ending the response: the script wrote less than its Content-Length");
                    streaming.truncate();
                }
            }
            Answer::Finished => {}
            Answer::Gone => self.answer = Answer::Gone,
        }
    }
}

fn warn_of_length(promised: u64, written: u64) {
    tracing::warn!(promised, written, "sending the response: the script's Content-Length is not what it wrote");
}

impl<B> Exchange for HttpExchange<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    fn head(&self) -> &RequestHead {
        self.head.get_or_init(|| self.request.as_ref().map(cgi::request_head).unwrap_or_default())
    }

    fn server_vars(&self) -> &Pairs {
        self.server_vars.get_or_init(|| self.request.as_ref().map(cgi::server_vars).unwrap_or_default())
    }

    fn headers(&self) -> &Pairs {
        self.headers.get_or_init(|| self.request.as_ref().map(cgi::request_headers).unwrap_or_default())
    }

    fn taken(&mut self, cancellation: &Arc<Cancellation>) {
        self.cancellation = Arc::clone(cancellation);
    }

    fn usage(&self) -> Option<&Arc<Usage>> {
        self.usage.as_ref()
    }

    fn read_body(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        if self.body_broken {
            return Err(BodyAborted);
        }
        match self.body.read(into, &self.cancellation) {
            Ok(count) => Ok(count),
            Err(failure) => {
                self.body_broken = true;
                if !matches!(failure, BodyFailure::Cancelled) {
                    self.refuse(&failure);
                }
                Err(BodyAborted)
            }
        }
    }

    fn whole_body(&self) -> Option<u64> {
        match &self.body {
            RequestBody::Gathered(gathered) => Some(gathered.length()).filter(|&length| length > 0),
            RequestBody::None | RequestBody::Streamed(_) => None,
        }
    }

    fn read_body_at(&mut self, position: u64, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let RequestBody::Gathered(gathered) = &self.body else { return Err(BodyAborted) };
        if self.body_broken {
            return Err(BodyAborted);
        }
        gathered.read_at(position, into).map_err(|error| {
            self.body_broken = true;
            self.refuse(&BodyFailure::from(error));
            BodyAborted
        })
    }

    fn respond(&mut self, new: ResponseHead) -> Flow {
        match &mut self.answer {
            Answer::Pending { reply, head, .. } => match response_head::from_php(&new) {
                Ok(new) => {
                    *head = Some(new);
                    if reply.is_closed() { Flow::ClientGone } else { Flow::Continue }
                }
                Err(error) => {
                    tracing::error!("sending the response: {error}; sent 500 instead");
                    self.answer_500()
                }
            },
            Answer::Streaming(_) | Answer::Finished => Flow::Continue,
            Answer::Gone => Flow::ClientGone,
        }
    }

    fn inform(&mut self, head: ResponseHead) -> Flow {
        match &self.answer {
            Answer::Pending { reply, .. } if reply.is_closed() => Flow::ClientGone,
            Answer::Pending { .. } => {
                if let Some(interim) = &self.interim {
                    interim.send(&head);
                }
                Flow::Continue
            }
            // Too late: the final head is on its way.
            Answer::Streaming(_) | Answer::Finished => Flow::Continue,
            Answer::Gone => Flow::ClientGone,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Flow {
        if matches!(&self.answer, Answer::Pending { head: None, .. })
            && self.respond(ResponseHead::new(200)) == Flow::ClientGone
        {
            self.answer = Answer::Gone;
        }
        let is_head_request = self.is_head_request;
        match &mut self.answer {
            Answer::Pending { reply, head, buffer } => {
                if reply.is_closed() {
                    self.answer = Answer::Gone;
                    return Flow::ClientGone;
                }
                if is_head_request || head.as_ref().is_some_and(Head::is_bodiless) {
                    self.counted += bytes.len() as u64;
                    return Flow::Continue;
                }
                if buffer.len() + bytes.len() <= limits::RESPONSE_BUFFER_BYTES {
                    buffer.extend_from_slice(bytes);
                    return Flow::Continue;
                }
                match self.start_streaming() {
                    Flow::Continue => self.write(bytes),
                    Flow::ClientGone => Flow::ClientGone,
                }
            }
            Answer::Streaming(streaming) => {
                let flow = streaming.write(bytes);
                if flow == Flow::ClientGone {
                    self.answer = Answer::Gone;
                }
                flow
            }
            Answer::Finished => Flow::Continue,
            Answer::Gone => Flow::ClientGone,
        }
    }

    fn flush(&mut self) -> Flow {
        match &mut self.answer {
            // PHP also flushes before its first output. There is nothing to send then.
            Answer::Pending { head: None, reply, .. } => {
                if reply.is_closed() {
                    Flow::ClientGone
                } else {
                    Flow::Continue
                }
            }
            Answer::Pending { .. } => self.start_streaming(),
            Answer::Streaming(streaming) => {
                let flow = streaming.flush();
                if flow == Flow::ClientGone {
                    self.answer = Answer::Gone;
                }
                flow
            }
            Answer::Finished => Flow::Continue,
            Answer::Gone => Flow::ClientGone,
        }
    }

    fn finish(&mut self) {
        if matches!(&self.answer, Answer::Pending { head: None, .. }) {
            let _ = self.respond(ResponseHead::new(200));
        }
        self.close();
        // The rest of a streamed body is not needed either; the connection can serve the next request.
        self.body.stop_streaming();
    }

    fn client_gone(&self) -> bool {
        match &self.answer {
            Answer::Pending { reply, .. } => reply.is_closed(),
            Answer::Streaming(streaming) => streaming.is_abandoned(),
            Answer::Finished => false,
            Answer::Gone => true,
        }
    }

    fn ended(&mut self, failed: bool) {
        if !failed {
            return;
        }
        if let Answer::Pending { head: Some(head), buffer, .. } = &mut self.answer {
            // A script that died without output has failed, whatever status it had set.
            if buffer.is_empty() && self.counted == 0 && head.response.status().is_success() {
                *head.response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
    }
}

impl<B> Drop for HttpExchange<B> {
    fn drop(&mut self) {
        self.request = None;
        // Its place is free before the client has its answer, and sends the next one.
        if matches!(self.body, RequestBody::Gathered(_)) {
            self.body = RequestBody::None;
        }
        self.close();
    }
}
