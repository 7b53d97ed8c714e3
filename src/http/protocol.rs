//! One connection, from its first byte to its end: a PROXY header or a TLS handshake, if there is one, then the
//! protocol and its requests.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::body::ResponseBody;
use super::connection::ConnectionInfo;
use super::current::CurrentService;
use super::fastcgi;
use super::file_sender::{FileQueue, FileSender, Socket};
use super::half_close::{HeldBody, HoldEnd};
use super::head_limit::{HEADS, HeadLimit, HeadTimes};
use super::http3::Advertised;
use super::interim::{InterimIo, InterimSlot};
use super::linger::Linger;
use super::phase::{ListenerSettings, Phase};
use super::plain::{plain, unless_aborted};
use super::proxy_header;
use super::service::HttpService;
use super::stall::{StreamTimes, Streams, Verdict, WatchedBody};
use super::stream::Ahead;
use super::write_limit::WriteLimit;
use crate::config::Timeouts;
use crate::limits;
use crate::tls::{EncryptionFacts, HandshakeError, NegotiatedProtocol};

/// A connection that was accepted, before anything was read of it.
pub(super) struct Connection<S> {
    pub(super) stream: S,
    /// The addresses, corrected by a PROXY header if there is one.
    pub(super) info: ConnectionInfo,
    /// As they were when the connection was accepted.
    pub(super) settings: ListenerSettings,
    pub(super) services: watch::Receiver<HttpService>,
    /// Changes when the listener stops.
    pub(super) phases: watch::Receiver<Phase>,
    /// What clients learn of HTTP/3.
    pub(super) http3: watch::Receiver<Advertised>,
    /// How long the client may take no bytes.
    pub(super) write_idle: Duration,
}

/// The first bytes of an HTTP/2 client (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The response to plain HTTP on a socket for TLS.
const PLAIN_ON_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS; the request was plain HTTP.\n";

/// Why a connection ended before its first request.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    #[error("{0} took too long")]
    TooSlow(&'static str),
    #[error("plain HTTP where TLS is spoken")]
    Plain,
    #[error("{0}")]
    Proxy(#[from] proxy_header::BadHeader),
    #[error("{0}")]
    FastCgi(#[from] fastcgi::Broken),
    /// The server is closing.
    #[error("the server is stopping")]
    Closed,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Socket + Send + Unpin + 'static,
{
    /// Serves the connection until either side ends it.
    pub(super) async fn serve(self) {
        let remote = self.info.remote;
        let mut phases = self.phases.clone();
        let outcome = tokio::select! {
            outcome = self.begin() => outcome,
            // Dropping the connection informs PHP that the client has disconnected.
            _ = phases.wait_for(|phase| *phase == Phase::Closed) => Err(Refused::Closed),
        };
        if let Err(error) = outcome {
            tracing::debug!(%remote, "serving a connection: {error}");
        }
    }

    async fn begin(self) -> Result<(), Refused> {
        // What only the start needs, such as the handshake, is freed before the connection rests for the first time.
        Box::pin(self.open()).await?.await
    }

    /// Finds out which protocol the client speaks, and returns what serves it.
    async fn open(self) -> Result<Serving, Refused> {
        let Self { stream, mut info, settings, services, phases, http3, write_idle } = self;
        let mut stream = Ahead::new(stream);
        if let Some(rules) = &settings.proxy_protocol {
            let behind = tokio::time::timeout(rules.timeout, proxy_header::read(&mut stream, &mut info, rules));
            behind.await.map_err(|_| Refused::TooSlow("the PROXY header"))??;
        }
        if settings.fastcgi {
            // A Unix socket has none.
            let front = Some(info.remote.ip().to_canonical()).filter(|ip| !ip.is_unspecified());
            return Ok(Box::pin(async move { Ok(fastcgi::serve(stream, front, services, phases).await?) }));
        }
        let head_bytes_max = settings.head_bytes_max.unwrap_or(limits::REQUEST_HEAD_BYTES_MAX);
        let timeouts = settings.timeouts;
        let (bound_name, encryption, http3_of_plain, files) = (None, None, None, None);
        let served = Served {
            services,
            phases,
            write_idle,
            timeouts,
            head_bytes_max,
            bound_name,
            encryption,
            http3: http3_of_plain,
            files,
        };
        let Some(tls) = &settings.tls else {
            let is_http2 = settings.h2c && within("the first request", begins_with_http2(&mut stream)).await?;
            let files = Arc::<FileQueue>::default();
            let stream = FileSender::new(stream, Arc::clone(&files));
            return Ok(Served { files: Some(files), ..served }.run(stream, info, is_http2));
        };
        info.tls = true;
        // They may have come with the PROXY header, and the client then sends no more before it is answered.
        if stream.ahead().is_empty() {
            within("the first byte", stream.read_ahead(TLS_BYTES_AHEAD)).await?;
        }
        if stream.ahead().first().is_some_and(u8::is_ascii_uppercase) {
            let _ = within("an error", stream.write_all(PLAIN_ON_TLS)).await;
            return Err(Refused::Plain);
        }
        let hello = within("the handshake", tls.hello(stream, info.local.ip())).await?;
        let encrypted = within("the handshake", hello.certify().await?.finish()).await?;
        let http3 = Some(http3).filter(|_| settings.h3 && encrypted.speaks_http3);
        let encryption = Some(Arc::new(encrypted.facts));
        let served = Served { bound_name: encrypted.bound_name.map(Arc::from), encryption, http3, ..served };
        match encrypted.protocol {
            NegotiatedProtocol::Http1 => Ok(served.run(encrypted.stream, info, false)),
            NegotiatedProtocol::Http2 => Ok(served.run(encrypted.stream, info, true)),
            NegotiatedProtocol::AcmeChallenge => Ok(Box::pin(async { Ok(()) })),
        }
    }
}

/// A connection whose protocol is known. In a box of its own size: a future is as large as the largest that it may become,
/// and most of a server's connections rest.
type Serving = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>;

/// Enough to tell plain HTTP from TLS, and to hold most first messages of clients.
const TLS_BYTES_AHEAD: usize = 512;

/// Names what was waited for, if the client takes longer than a handshake may.
async fn within<T, E: Into<Refused>>(
    what: &'static str,
    doing: impl Future<Output = Result<T, E>>,
) -> Result<T, Refused> {
    match tokio::time::timeout(Duration::from_secs(limits::TLS_HANDSHAKE_SECONDS_MAX), doing).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(Refused::TooSlow(what)),
    }
}

/// Whether the client speaks HTTP/2 without having asked (prior knowledge).
async fn begins_with_http2<S: AsyncRead + Unpin>(stream: &mut Ahead<S>) -> io::Result<bool> {
    loop {
        let ahead = stream.ahead();
        let count = ahead.len().min(HTTP2_PREFACE.len());
        if ahead[..count] != HTTP2_PREFACE[..count] {
            return Ok(false);
        }
        if count == HTTP2_PREFACE.len() {
            return Ok(true);
        }
        if stream.read_ahead(HTTP2_PREFACE.len()).await? == 0 {
            return Ok(false);
        }
    }
}

/// Shared by the requests of a connection.
struct Served {
    services: watch::Receiver<HttpService>,
    phases: watch::Receiver<Phase>,
    write_idle: Duration,
    /// For heads, bodies and idle connections.
    timeouts: Timeouts,
    /// The largest head of a request.
    head_bytes_max: usize,
    /// The host that all requests must be for.
    bound_name: Option<Arc<str>>,
    /// What requests can say about the encryption, if there is one.
    encryption: Option<Arc<EncryptionFacts>>,
    /// What responses say of HTTP/3; `None`: nothing.
    http3: Option<watch::Receiver<Advertised>>,
    /// Files that the stream sends itself; `None`: it cannot.
    files: Option<Arc<FileQueue>>,
}

impl Served {
    fn run<S>(self, stream: S, info: ConnectionInfo, is_http2: bool) -> Serving
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if is_http2 {
            Box::pin(async move {
                self.http2(stream, info).await;
                Ok(())
            })
        } else {
            Box::pin(async move {
                self.http1(stream, info).await;
                Ok(())
            })
        }
    }

    /// One request after the other, until one of them changes the protocol.
    async fn http1<S>(self, stream: S, info: ConnectionInfo)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let interim = Arc::new(InterimSlot::default());
        let stream = Linger::new(stream, Arc::clone(&interim), self.phases.clone());
        let stream = HoldEnd::new(stream, Arc::clone(&interim));
        let stream = HeadLimit::new(stream, Arc::clone(&interim), HeadTimes::new(&self.timeouts), &HEADS);
        let stream = WriteLimit::new(TokioIo::new(stream), self.write_idle);
        let stream = InterimIo::new(stream, Arc::clone(&interim));
        let times = StreamTimes::of_http1(&self.timeouts);
        let streams = times.map(|_| Streams::new());
        let watched = streams.clone();
        let services = self.services.clone();
        let current = RefCell::new(CurrentService::new(self.services));
        let (bound_name, encryption) = (self.bound_name, self.encryption);
        let (http3, files) = (self.http3, self.files);
        let phases = Arc::new(self.phases.clone());
        let handler = service_fn(move |mut request: Request<Incoming>| {
            describe(&mut request, encryption.as_ref());
            let service = current.borrow_mut().get();
            let advertised = advertised(http3.as_ref());
            let (interim, bound_name, files) = (Arc::clone(&interim), bound_name.clone(), files.clone());
            let phases = Arc::clone(&phases);
            interim.hold_end();
            let stream = streams.as_ref().map(Streams::begin);
            async move {
                let request = request.map(|body| HeldBody::new(body, &interim));
                let mut response = match misdirected(bound_name.as_deref(), &request) {
                    Some(response) => response,
                    None => service.handle_on(info, Some(&interim), request).await,
                };
                advertise(&mut response, advertised);
                // Every change of the phase ends the connection. The handler sees it before hyper does.
                let is_ending = phases.has_changed().unwrap_or(true);
                if interim.is_half_closed() || (is_ending && response.status() != StatusCode::SWITCHING_PROTOCOLS) {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    interim.leave_http();
                }
                response.body_mut().set_connection(&interim);
                if let Some(files) = &files {
                    response.body_mut().send_by(files);
                }
                unless_aborted(response).map(|response| response.map(|body| WatchedBody::new(body, stream)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .title_case_headers(true)
            .header_read_timeout(None)
            .max_header_size(self.head_bytes_max)
            .max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX)
            .serve_connection(stream, handler)
            .with_upgrades();
        if let Err(error) =
            drive(connection, http1::UpgradeableConnection::graceful_shutdown, info, self.phases, watched.zip(times))
                .await
        {
            tracing::debug!(remote = %info.remote, "serving a connection: {error}");
            if let Some(status) = answered_by_hyper(&error) {
                services.borrow().note_unreadable(&info, status);
            }
        }
    }

    /// Many requests at once.
    async fn http2<S>(self, stream: S, info: ConnectionInfo)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = WriteLimit::new(TokioIo::new(stream), self.write_idle);
        let streams = Streams::new();
        let watched = (Arc::clone(&streams), StreamTimes::of_http2(&self.timeouts));
        let current = RefCell::new(CurrentService::new(self.services));
        let (bound_name, encryption, http3) = (self.bound_name, self.encryption, self.http3);
        let handler = service_fn(move |mut request| {
            describe(&mut request, encryption.as_ref());
            let service = current.borrow_mut().get();
            let advertised = advertised(http3.as_ref());
            let (stream, bound_name) = (streams.begin(), bound_name.clone());
            async move {
                let mut response = match misdirected(bound_name.as_deref(), &request) {
                    Some(response) => response,
                    None => service.handle_on(info, None, request).await,
                };
                advertise(&mut response, advertised);
                unless_aborted(response).map(|response| response.map(|body| WatchedBody::of_http2(body, stream)))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
            .max_header_list_size(u32::try_from(self.head_bytes_max).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(limits::HTTP2_RESETS_PENDING_MAX)
            .max_local_error_reset_streams(limits::HTTP2_ERRORS_MAX)
            .initial_stream_window_size(limits::HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::HTTP2_CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(limits::HTTP2_SEND_BUFFER_BYTES_MAX)
            .serve_connection(stream, handler);
        if let Err(error) =
            drive(connection, http2::Connection::graceful_shutdown, info, self.phases, Some(watched)).await
        {
            tracing::debug!(remote = %info.remote, "serving a connection: {error}");
        }
    }
}

/// Puts the facts of the encryption into a request.
fn describe<B>(request: &mut Request<B>, encryption: Option<&Arc<EncryptionFacts>>) {
    if let Some(facts) = encryption {
        request.extensions_mut().insert(Arc::clone(facts));
    }
}

/// What a response says of HTTP/3 now.
fn advertised(http3: Option<&watch::Receiver<Advertised>>) -> Advertised {
    http3.and_then(|http3| http3.borrow().clone())
}

/// Names HTTP/3 to the client (RFC 7838, 3), unless the handler has its own words about other ways to the site.
fn advertise(response: &mut Response<ResponseBody>, advertised: Advertised) {
    if let Some(value) = advertised {
        response.headers_mut().entry(header::ALT_SVC).or_insert(value);
    }
}

/// What hyper has answered to a request whose head it could not read.
fn answered_by_hyper(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_too_large() {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    error.is_parse().then_some(StatusCode::BAD_REQUEST)
}

/// Lets the protocol run until the connection ends. With `watched`, looks from time to time whether it is worth
/// keeping. `end` lets it end with its current requests.
async fn drive<C>(
    connection: C,
    end: fn(Pin<&mut C>),
    info: ConnectionInfo,
    mut phases: watch::Receiver<Phase>,
    watched: Option<(Arc<Streams>, StreamTimes)>,
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = std::pin::pin!(connection);
    let mut is_ending = false;
    let look_every = watched.as_ref().map_or(Duration::MAX, |(_, times)| times.look_every());
    loop {
        let outcome = tokio::select! {
            outcome = connection.as_mut() => Some(outcome),
            // An error: the listener was dropped, which closes its connections.
            phase = phases.wait_for(|phase| *phase != Phase::Serving), if !is_ending => phase.is_err().then_some(Ok(())),
            () = tokio::time::sleep(look_every), if watched.is_some() => None,
        };
        if let Some(outcome) = outcome {
            return outcome;
        }
        let is_draining = !is_ending && *phases.borrow() != Phase::Serving;
        let verdict = watched.as_ref().map_or(Verdict::Fine, |(streams, times)| streams.judge(Instant::now(), times));
        if verdict == Verdict::Stalled || (verdict == Verdict::Rests && is_ending) {
            tracing::debug!(remote = %info.remote, ?verdict, "ending a connection");
            return Ok(());
        }
        if is_draining || verdict == Verdict::Rests {
            end(connection.as_mut());
            is_ending = true;
        }
    }
}

/// The answer to a request for another host than that of the handshake, where that matters (RFC 9110, 15.5.20).
fn misdirected<B>(bound_name: Option<&str>, request: &Request<B>) -> Option<Response<ResponseBody>> {
    let bound_name = bound_name?;
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    let host = super::routing::host_without_port(authority.unwrap_or_default());
    if host.eq_ignore_ascii_case(bound_name) {
        return None;
    }
    Some(plain(StatusCode::MISDIRECTED_REQUEST, "this connection was made for another host\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;
    use tokio::io::AsyncReadExt;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test);
    }

    #[test]
    fn a_connection_ends_with_a_listener_that_is_dropped() {
        /// Far more than an end needs.
        const POLLS_MAX: u32 = 16;
        let mut polls = 0;
        let rests = std::future::poll_fn(|_| {
            polls += 1;
            if polls > POLLS_MAX { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        let (listener, phases) = watch::channel(Phase::Serving);
        drop(listener);
        run(async {
            let driven = drive(rests, |_| (), ConnectionInfo::default(), phases, None);
            assert!(driven.await.is_ok());
        });
        assert!(polls <= POLLS_MAX, "the connection was asked again and again");
    }

    /// Sends a request for another host while the server stops. Returns whether it was answered: whether hyper or the phase is
    /// looked at first is a matter of chance.
    async fn is_answered_during_a_stop() -> bool {
        let (mut client, stream) = tokio::io::duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\nHost: other\r\n\r\n").await.expect("room for the request");
        let (_services, services) = watch::channel(HttpService::new(Vec::new()));
        let (listener, phases) = watch::channel(Phase::Serving);
        let served = Served {
            services,
            phases,
            write_idle: Duration::from_secs(5),
            timeouts: Timeouts::default(),
            head_bytes_max: limits::REQUEST_HEAD_BYTES_MAX,
            bound_name: Some(Arc::from("own")),
            encryption: None,
            http3: None,
            files: None,
        };
        listener.send_replace(Phase::Draining);
        let _ = served.run(stream, ConnectionInfo::default(), false).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("an answer or a closed connection");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 421 ") && answer.contains("Connection: close\r\n"),
            "{answer}"
        );
        !answer.is_empty()
    }

    #[test]
    fn a_421_during_a_stop_says_that_the_connection_ends() {
        run(async {
            let connections: Vec<_> = (0..64).map(|_| tokio::spawn(is_answered_during_a_stop())).collect();
            let mut answers = 0;
            for connection in connections {
                answers += u32::from(connection.await.expect("no panic"));
            }
            assert!(answers > 0, "no request was read before the end");
        });
    }
}
