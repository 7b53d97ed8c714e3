//! `reverse_proxy`: forwards a request to an upstream, and its response to the client.
//!
//! Bodies are streamed both ways with the sockets' own back-pressure, so a request only holds a few buffers, however
//! long the bodies are. hyper's client keeps and reuses connections.

mod balance;
mod connect;
mod encryption;
mod fastcgi;
mod fetch;
pub(super) mod headers;
mod health;
mod http2;
mod request_body;
mod response_body;
mod sticky;
mod tunnel;

use std::future::Future;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, Version, header, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::{ResponseBody, Source};
use super::params::Params;
use crate::config::{FastcgiSettings, ProxySettings, UpstreamAddress, UpstreamVersions};
use crate::limits;
use balance::{Chosen, Upstreams};
use connect::{Connector, Stream};
use encryption::Encryption;
use fastcgi::{Broken, FastcgiBody};
pub(super) use fetch::fetch;
use headers::Sender;
use http2::{Http2, Spoken, reason};
use request_body::{BodySource, Fault, ProxyBody};
use tunnel::Tunnel;

/// A group of upstreams. Clones share it.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    settings: ProxySettings,
    upstreams: Upstreams,
    connector: Connector,
    client: Client<Connector, ProxyBody>,
    /// Used in the place of `client` for upstreams that speak HTTP/2.
    http2: Option<Http2>,
    tls: Option<Encryption>,
    /// Health checks start with the first request: only then a runtime surely exists.
    checks: Once,
}

/// Why there is no response from an upstream.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// All are unhealthy or full.
    #[error("no upstream is available")]
    NoneAvailable,
    /// It did not respond in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The client has ended its request early.
    #[error("the body of the request broke off")]
    Client,
    /// `request_body` allows no body of this size.
    #[error("the body of the request is too large")]
    TooLarge,
    /// The body took longer than `timeouts` allows.
    #[error("the body of the request did not come in time")]
    TooSlow,
    /// An upstream that speaks FastCGI must know the length before the body.
    #[error("the body of the request has no length, and the upstream needs one")]
    NoLength,
    /// No connection, or none that lasted until the head of the response.
    #[error("{0}")]
    Failed(String),
}

impl From<Fault> for ProxyError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Ended => Self::Client,
            Fault::TooLarge => Self::TooLarge,
            Fault::TooSlow => Self::TooSlow,
        }
    }
}

impl ProxyError {
    /// The outcome for the client.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoneAvailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Client => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::Failed(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl Proxy {
    /// A proxy to the upstreams of these settings.
    pub fn new(settings: ProxySettings) -> Self {
        let tls = settings.tls.as_ref().map(Encryption::new);
        let connector = Connector::new(settings.upstreams.clone(), settings.dial_timeout, tls.clone());
        let idle_max = Duration::from_secs(limits::PROXY_IDLE_SECONDS_MAX);
        let kept = match settings.keepalive {
            Some(Duration::ZERO) => 0,
            _ => limits::PROXY_IDLE_CONNECTIONS_MAX.min(settings.keepalive_connections.unwrap_or(usize::MAX)),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle_max.min(settings.keepalive.unwrap_or(idle_max)))
            .pool_max_idle_per_host(kept)
            .build(connector.clone());
        let upstreams = Upstreams::new(&settings);
        let spoken = match settings.versions {
            UpstreamVersions::H2c => Some(Spoken::Always),
            UpstreamVersions::Usual if tls.is_some() => Some(Spoken::Negotiated),
            UpstreamVersions::Http2 if tls.is_some() => Some(Spoken::Required),
            _ => None,
        };
        let http2 = spoken.map(|spoken| Http2::new(&connector, settings.upstreams.len(), spoken));
        Self(Arc::new(Inner { settings, upstreams, connector, client, http2, tls, checks: Once::new() }))
    }

    /// How the upstreams are asked by FastCGI; `None`: they are asked by HTTP.
    pub(super) fn fastcgi(&self) -> Option<&FastcgiSettings> {
        self.0.settings.fastcgi.as_ref()
    }

    /// Sends the request to an upstream. `prepare` makes the last changes to its head once the upstream is known; for
    /// an upstream that speaks FastCGI it adds the [`Params`] to the extensions.
    ///
    /// # Errors
    /// No upstream has sent a response.
    pub(super) async fn send<B>(
        &self,
        sender: &Sender,
        mut parts: request::Parts,
        body: B,
        mut prepare: impl FnMut(&mut request::Parts, &UpstreamAddress),
    ) -> Result<Response<ResponseBody>, ProxyError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        self.0.checks.call_once(|| health::start(&self.0));
        // HTTP/2 has no `Upgrade`: an upstream that speaks nothing else gets the request without it.
        let has_http1 = !matches!(self.0.settings.versions, UpstreamVersions::H2c | UpstreamVersions::Http2);
        let tunnel = Tunnel::asked_for(&mut parts).filter(|_| has_http1 || self.0.http2.is_none());
        let wish = self.0.upstreams.wish(sender, &parts);
        headers::forward(&mut parts, sender, tunnel.is_some());
        let mut body = BodySource::new(body, sender.body_bytes_max, sender.body_read_max);
        if self.fastcgi().is_some() && !parts.headers.contains_key(header::CONTENT_LENGTH) {
            body = with_length(body, &mut parts).await?;
        }
        let started = Instant::now();
        let mut tries = 0;
        loop {
            let (cookie, outcome) = match self.0.upstreams.choose(&wish) {
                Some(chosen) => {
                    let cookie = self.0.upstreams.cookie(&wish, &chosen);
                    (cookie, self.try_once(chosen, &parts, &body, tunnel.as_ref(), &mut prepare).await)
                }
                None => (None, Err((ProxyError::NoneAvailable, true))),
            };
            let (error, may_retry) = match outcome {
                Ok(mut response) => {
                    if let Some(cookie) = cookie {
                        response.extensions_mut().insert(SetCookie(cookie));
                    }
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            let has_tries = tries < self.0.settings.retries || started.elapsed() < self.0.settings.try_duration;
            if !(may_retry && has_tries) {
                if let ProxyError::NoneAvailable = error {
                    let upstreams = self.0.settings.upstreams.iter().map(ToString::to_string).collect::<Vec<_>>();
                    tracing::warn!(upstreams = upstreams.join(" "), "proxying: {error}");
                }
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(self.0.settings.try_interval).await;
        }
    }

    /// Sends the request to this upstream. An error shows whether nothing of the request was sent, so that it may be
    /// retried.
    async fn try_once(
        &self,
        chosen: Chosen,
        parts: &request::Parts,
        body: &BodySource,
        tunnel: Option<&Tunnel>,
        prepare: &mut impl FnMut(&mut request::Parts, &UpstreamAddress),
    ) -> Result<Response<ResponseBody>, (ProxyError, bool)> {
        let upstream = chosen.address().clone();
        let mut parts = copy_of(parts);
        prepare(&mut parts, &upstream);
        if !parts.headers.contains_key(header::HOST)
            && let Ok(host) = HeaderValue::try_from(upstream.to_string())
        {
            parts.headers.insert(header::HOST, host);
        }
        // As in Caddy, only a request that is safe to repeat is sent to an upstream twice.
        let may_repeat = parts.method == Method::GET && body.is_whole();
        let started = Instant::now();
        let asked = match self.fastcgi() {
            None => match &self.0.http2 {
                Some(http2) if tunnel.is_none() => match http2.is_spoken(chosen.index()).await {
                    Ok(true) => {
                        let parts = http2::head(parts, &upstream, http2.scheme());
                        self.ask_by_http2(http2, parts, chosen.index(), body).await
                    }
                    Ok(false) => self.ask_by_http(parts, chosen.index(), body).await,
                    Err(reason) => Err((ProxyError::Failed(reason), true)),
                },
                _ => self.ask_by_http(parts, chosen.index(), body).await,
            },
            Some(settings) => self.ask_by_fastcgi(settings, &parts, chosen.index(), body).await,
        };
        let failed = match asked {
            Ok(answer) => {
                chosen.note_response(answer.status(), started.elapsed());
                return Ok(self.response(answer, chosen, tunnel));
            }
            Err((error, may_retry)) => match body.fault() {
                Some(fault) => return Err((fault.into(), false)),
                None => (error, may_repeat || may_retry && body.is_whole()),
            },
        };
        chosen.note_failure();
        tracing::warn!(upstream = %upstream, duration_ms = started.elapsed().as_millis() as u64, "proxying: {}", failed.0);
        Err(failed)
    }

    /// Sends the request by HTTP/1.1. An error shows whether no connection could be made.
    async fn ask_by_http(
        &self,
        mut parts: request::Parts,
        upstream: usize,
        body: &BodySource,
    ) -> Result<Answer, (ProxyError, bool)> {
        parts.uri = target(&parts.uri, upstream);
        let sending = self.0.client.request(http::Request::from_parts(parts, body.body()));
        match within(self.0.settings.response_timeout, sending).await {
            Ok(Ok(response)) => Ok(Answer::Http(response)),
            Ok(Err(error)) => Err((ProxyError::Failed(reason(&error)), error.is_connect())),
            Err(limit) => Err((ProxyError::TimedOut(limit), false)),
        }
    }

    /// The same by HTTP/2.
    async fn ask_by_http2(
        &self,
        http2: &Http2,
        parts: request::Parts,
        upstream: usize,
        body: &BodySource,
    ) -> Result<Answer, (ProxyError, bool)> {
        let sending = http2.send(upstream, http::Request::from_parts(parts, body.body()));
        match within(self.0.settings.response_timeout, sending).await {
            Ok(Ok(mut response)) => {
                // The version is that of a connection, and this server has its own with the client.
                *response.version_mut() = Version::HTTP_11;
                Ok(Answer::Http(response))
            }
            Ok(Err((reason, is_unsent))) => Err((ProxyError::Failed(reason), is_unsent)),
            Err(limit) => Err((ProxyError::TimedOut(limit), false)),
        }
    }

    /// The same by FastCGI.
    async fn ask_by_fastcgi(
        &self,
        settings: &FastcgiSettings,
        parts: &request::Parts,
        upstream: usize,
        body: &BodySource,
    ) -> Result<Answer, (ProxyError, bool)> {
        let none = Params::default();
        let Params(params) = parts.extensions.get().unwrap_or(&none);
        let of_conversation = fastcgi::Settings {
            read_timeout: self.0.settings.read_timeout,
            write_timeout: settings.write_timeout,
            captures_stderr: settings.capture_stderr,
            is_head: parts.method == Method::HEAD,
        };
        let asking = async {
            let stream = self.0.connector.connect(upstream).await.map_err(Broken::Connect)?;
            fastcgi::send(stream.into_inner(), params, body.body(), of_conversation).await
        };
        asking.await.map(Answer::Fastcgi).map_err(|error| match error {
            Broken::ReadTimeout(limit) | Broken::WriteTimeout(limit) => (ProxyError::TimedOut(limit), false),
            Broken::Connect(_) => (ProxyError::Failed(error.to_string()), true),
            _ => (ProxyError::Failed(error.to_string()), false),
        })
    }

    fn response(&self, answer: Answer, chosen: Chosen, tunnel: Option<&Tunnel>) -> Response<ResponseBody> {
        let mut response = match answer {
            Answer::Http(response) => response,
            Answer::Fastcgi(mut response) => {
                headers::back(response.headers_mut());
                // The conversation has a time limit of its own.
                return response.map(|body| response_body::proxied(body, None, chosen));
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match tunnel {
                Some(tunnel) => tunnel.open(response, chosen),
                None => {
                    tracing::warn!(upstream = %chosen.address(), "proxying: a change of protocol that was not asked for");
                    let mut answer = Response::new(ResponseBody::new(Source::Empty));
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                    answer
                }
            };
        }
        headers::back(response.headers_mut());
        let read_timeout = self.0.settings.read_timeout;
        response.map(|body| response_body::proxied(body, read_timeout, chosen))
    }
}

/// The cookie by which the client keeps its upstream: an extension of the response, because `header_down` changes only
/// what the upstream has sent.
#[derive(Debug, Clone)]
pub(super) struct SetCookie(pub(super) HeaderValue);

/// The response of an upstream, before its body.
enum Answer {
    Http(Response<Incoming>),
    Fastcgi(Response<FastcgiBody<Stream>>),
}

impl Answer {
    fn status(&self) -> StatusCode {
        match self {
            Self::Http(response) => response.status(),
            Self::Fastcgi(response) => response.status(),
        }
    }
}

/// A body without a length, gathered in memory if it is small. A FastCGI server takes one without a length for empty.
async fn with_length(body: BodySource, parts: &mut request::Parts) -> Result<BodySource, ProxyError> {
    let mut reader = body.body();
    if reader.is_end_stream() {
        return Ok(body);
    }
    let mut gathered = Vec::new();
    while let Some(frame) = reader.frame().await {
        let Ok(frame) = frame else { return Err(body.fault().unwrap_or(Fault::Ended).into()) };
        gathered.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
        if gathered.len() > limits::REQUEST_BODY_MEMORY_BYTES {
            return Err(ProxyError::NoLength);
        }
    }
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(gathered.len()));
    Ok(BodySource::new(Full::new(Bytes::from(gathered)), u64::MAX, None))
}

/// The parts of a request head without its extensions, which belong to this side's connection.
fn copy_of(parts: &request::Parts) -> request::Parts {
    let mut copy = http::Request::new(()).into_parts().0;
    copy.method.clone_from(&parts.method);
    copy.uri.clone_from(&parts.uri);
    copy.headers.clone_from(&parts.headers);
    copy
}

/// Path and query of the request, at the upstream with this number: pool and connector identify upstreams by it.
fn target(uri: &Uri, upstream: usize) -> Uri {
    let path = uri.path_and_query().cloned();
    let built = Uri::builder().scheme("http").authority(format!("u{upstream}"));
    built.path_and_query(path.map_or_else(|| "/".to_owned(), |path| path.to_string())).build().unwrap_or_default()
}

async fn within<F: Future>(limit: Option<Duration>, future: F) -> Result<F::Output, Duration> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.map_err(|_| limit),
        None => Ok(future.await),
    }
}

#[cfg(test)]
mod tests;
