//! One HTTP/3 connection, from its handshake to its end. A request becomes the same as on the other versions; see
//! `HttpService::handle_on`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::BodyExt;
use quinn::VarInt;
use quinn::crypto::rustls::HandshakeData;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use super::super::body::ResponseBody;
use super::super::connection::ConnectionInfo;
use super::super::current::CurrentService;
use super::super::interim::InterimTask;
use super::super::phase::{ListenerSettings, Phase};
use super::super::plain::unless_aborted;
use super::super::service::HttpService;
use super::super::stall::{OpenStream, StreamTimes, Streams, Verdict, WatchedBody};
use super::body::RequestBody;
use super::transport::{Accepted, RequestWatch, Sender, Transport};
use crate::limits;
use crate::tls::EncryptionFacts;

/// A connection whose first packet has come.
pub(super) struct Connection {
    pub(super) incoming: quinn::Incoming,
    pub(super) info: ConnectionInfo,
    pub(super) settings: ListenerSettings,
    pub(super) services: watch::Receiver<HttpService>,
    pub(super) phases: watch::Receiver<Phase>,
    /// Freed when the handshake has ended: until then the client's address may be forged.
    pub(super) unproven: Option<OwnedSemaphorePermit>,
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Quic(#[from] quinn::ConnectionError),
    #[error("{0}")]
    Http3(#[from] h3::error::ConnectionError),
    #[error("the handshake took too long")]
    TooSlow,
    #[error("the client cancels its requests")]
    Cancels,
    #[error("a response was not read")]
    Stalled,
    #[error("the server is stopping")]
    Closed,
}

impl Connection {
    /// Serves the connection until either side ends it.
    pub(super) async fn serve(self) {
        let (remote, mut phases) = (self.info.remote, self.phases.clone());
        let outcome = tokio::select! {
            outcome = self.run() => outcome,
            // Dropping the connection informs PHP that the client has disconnected.
            _ = phases.wait_for(|phase| *phase == Phase::Closed) => Err(Ended::Closed),
        };
        if let Err(error) = outcome {
            tracing::debug!(%remote, "serving an HTTP/3 connection: {error}");
        }
    }

    async fn run(self) -> Result<(), Ended> {
        let Self { incoming, info, settings, services, phases, unproven } = self;
        let limit = Duration::from_secs(limits::TLS_HANDSHAKE_SECONDS_MAX);
        let connection = tokio::time::timeout(limit, incoming.accept()?).await.map_err(|_| Ended::TooSlow)??;
        drop(unproven);
        let head_bytes_max = settings.head_bytes_max.unwrap_or(limits::REQUEST_HEAD_BYTES_MAX);
        let accepted = Accepted::default();
        let frame_bytes_max = head_bytes_max + 2 * limits::HTTP3_READ_BYTES;
        let transport = Transport::new(connection.clone(), Arc::clone(&accepted), frame_bytes_max);
        let mut server = h3::server::builder();
        server.max_field_section_size(head_bytes_max as u64).send_grease(false);
        let server = tokio::time::timeout(limit, server.build(transport)).await.map_err(|_| Ended::TooSlow)??;
        let of_handshake = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let server_name = of_handshake.and_then(|data| data.server_name);
        let requests = Arc::new(Requests {
            info,
            encryption: Arc::new(EncryptionFacts::of_http3(server_name)),
            head_max: settings.timeouts.read_header.unwrap_or(Duration::from_secs(limits::REQUEST_HEAD_SECONDS_MAX)),
            current: Mutex::new(CurrentService::new(services)),
            streams: Streams::new(),
            cancelled: AtomicUsize::new(0),
        });
        let times = StreamTimes::of_http2(&settings.timeouts);
        Open { connection, server, accepted, requests, times, phases }.run().await
    }
}

/// A connection after its handshake.
struct Open {
    connection: quinn::Connection,
    server: h3::server::Connection<Transport, Bytes>,
    accepted: Accepted,
    requests: Arc<Requests>,
    times: StreamTimes,
    phases: watch::Receiver<Phase>,
}

impl Open {
    /// Answers requests until the connection ends. Dropping this resets those that run.
    async fn run(mut self) -> Result<(), Ended> {
        let mut tasks = JoinSet::new();
        let mut is_ending = false;
        loop {
            let mut ends = false;
            tokio::select! {
                next = self.server.accept() => {
                    let Some(resolver) = next? else { return Ok(()) };
                    let watch = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(watch) = watch {
                        tasks.spawn(Arc::clone(&self.requests).answer(resolver, watch));
                    }
                }
                _ = self.phases.wait_for(|phase| *phase != Phase::Serving), if !is_ending => ends = true,
                // A panic in a handler has become a response; another one ends the request alone.
                Some(_) = tasks.join_next() => {}
                () = tokio::time::sleep(self.times.look_every()) => {}
            }
            ends |= self.look()?;
            if ends && !is_ending {
                is_ending = true;
                self.server.shutdown(0).await?;
            }
            if is_ending && tasks.is_empty() {
                self.close(Code::H3_NO_ERROR);
                return Ok(());
            }
        }
    }

    /// Whether the connection has rested for too long.
    fn look(&self) -> Result<bool, Ended> {
        if self.requests.cancelled.load(Ordering::Relaxed) > limits::HTTP3_CANCELLED_MAX {
            self.close(Code::H3_EXCESSIVE_LOAD);
            return Err(Ended::Cancels);
        }
        match self.requests.streams.judge(Instant::now(), &self.times) {
            Verdict::Fine => Ok(false),
            Verdict::Rests => Ok(true),
            Verdict::Stalled => {
                self.close(Code::H3_INTERNAL_ERROR);
                Err(Ended::Stalled)
            }
        }
    }

    fn close(&self, code: Code) {
        self.connection.close(VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX), b"");
    }
}

/// Shared by the requests of a connection.
struct Requests {
    info: ConnectionInfo,
    /// What requests can say about the encryption.
    encryption: Arc<EncryptionFacts>,
    /// How long a head may take.
    head_max: Duration,
    /// Held while a request looks for its service.
    current: Mutex<CurrentService>,
    streams: Arc<Streams>,
    /// Requests that the client has cancelled, less those that were answered to their end.
    cancelled: AtomicUsize,
}

impl Requests {
    /// Answers one request. Dropping this resets its stream.
    async fn answer(self: Arc<Self>, resolver: RequestResolver<Transport, Bytes>, watch: RequestWatch) {
        let RequestWatch { mut stopped, held } = watch;
        let open = self.streams.begin();
        let resolved = tokio::time::timeout(self.head_max, resolver.resolve_request()).await;
        let (request, stream) = match resolved {
            Ok(Ok(resolved)) => resolved,
            // h3 has answered what it refuses.
            Ok(Err(error)) => return self.note_unanswered(&error),
            Err(too_late) => return self.note_unanswered(&too_late),
        };
        held.clear();
        let (sender, receiver) = stream.split();
        let mut sender = Answer { stream: sender, is_whole: false };
        let (mut parts, ()) = request.into_parts();
        let body = if has_field_of_connections(&parts.headers) {
            None
        } else {
            RequestBody::new(receiver, held, &parts.headers).await.ok()
        };
        let Some(body) = body else {
            // Malformed (RFC 9114, 4.1.2 and 4.2).
            sender.stream.stop_stream(Code::H3_MESSAGE_ERROR);
            return self.note_unanswered(&"the request is malformed");
        };
        parts.version = http::Version::HTTP_3;
        parts.extensions.insert(Arc::clone(&self.encryption));
        let answered = tokio::select! {
            answered = self.respond(Request::from_parts(parts, body), &mut sender, open) => answered.map_err(|()| "it has broken off"),
            _ = stopped.as_mut() => Err("the client does not want it"),
        };
        if let Err(reason) = answered {
            return self.note_unanswered(&reason);
        }
        let less = |cancelled: usize| Some(cancelled.saturating_sub(1));
        let _ = self.cancelled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        // The end of the connection would drop what the client has not received.
        let limit = Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX);
        let _ = tokio::time::timeout(limit, stopped).await;
    }

    /// Runs the request, and sends the informational responses of its script meanwhile. `Err`: the client reads nothing.
    async fn handle(
        &self,
        mut request: Request<RequestBody>,
        sender: &mut Answer,
    ) -> Result<Response<ResponseBody>, ()> {
        let (task, mut interim) = mpsc::channel(limits::HTTP3_INTERIM_WAITING_MAX);
        request.extensions_mut().insert(InterimTask(task));
        let service = self.current.lock().unwrap_or_else(PoisonError::into_inner).get();
        let mut handling = std::pin::pin!(service.handle_on(self.info, None, request));
        let response = loop {
            tokio::select! {
                biased;
                Some(head) = interim.recv() => sender.inform(head).await?,
                response = handling.as_mut() => break response,
            }
        };
        // One may have come between the two looks.
        while let Ok(head) = interim.try_recv() {
            sender.inform(head).await?;
        }
        Ok(response)
    }

    /// Counts a request without a whole response.
    fn note_unanswered(&self, reason: &dyn std::fmt::Display) {
        tracing::debug!(remote = %self.info.remote, "a request of HTTP/3 has no whole response: {reason}");
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// `Err`: the response was not sent to its end.
    async fn respond(&self, request: Request<RequestBody>, sender: &mut Answer, open: OpenStream) -> Result<(), ()> {
        let response = self.handle(request, sender).await?;
        let response = unless_aborted(response).map_err(|_| ())?;
        let response = response.map(|body| WatchedBody::of_http2(body, open));
        sender.send(response).await
    }
}

/// What is sent on the stream of a request.
struct Answer {
    stream: RequestStream<Sender<Bytes>, Bytes>,
    is_whole: bool,
}

impl Drop for Answer {
    /// The client must not take a part for the whole: quinn would end the stream in the usual way.
    fn drop(&mut self) {
        if !self.is_whole {
            self.stream.stop_stream(Code::H3_INTERNAL_ERROR);
        }
    }
}

impl Answer {
    /// Sends an informational response. `Err`: the client has gone, or does not read.
    async fn inform(&mut self, head: Response<()>) -> Result<(), ()> {
        let limit = Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX);
        tokio::time::timeout(limit, self.stream.send_response(head)).await.map_err(drop)?.map_err(drop)
    }

    /// Sends a response. `Err`: the client has gone, or the body has broken off.
    async fn send(&mut self, response: Response<WatchedBody>) -> Result<(), ()> {
        let (mut parts, mut body) = response.into_parts();
        complete_head(&mut parts.headers, &body);
        self.stream.send_response(Response::from_parts(parts, ())).await.map_err(drop)?;
        while let Some(frame) = body.frame().await {
            match frame.map_err(drop)?.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => self.stream.send_data(data).await.map_err(drop)?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.stream.send_trailers(trailers).await.map_err(drop)?;
                    }
                }
            }
        }
        self.stream.finish().await.map_err(drop)?;
        self.is_whole = true;
        Ok(())
    }
}

/// Fields about a connection, which HTTP/3 does not have (RFC 9114, 4.2).
const OF_CONNECTIONS: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

fn has_field_of_connections(head: &HeaderMap) -> bool {
    let is_other = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"trailers");
    OF_CONNECTIONS.iter().any(|name| head.contains_key(*name)) || head.get_all(header::TE).iter().any(is_other)
}

/// What hyper does for the other versions.
fn complete_head(head: &mut HeaderMap, body: &WatchedBody) {
    for name in OF_CONNECTIONS {
        head.remove(name);
    }
    if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
        head.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now())) {
        head.entry(header::DATE).or_insert(date);
    }
}
