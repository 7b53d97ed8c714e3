//! Upstreams that speak HTTP/2: without encryption (h2c), or because the handshake has chosen it. All requests to one share
//! a connection.

use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version, header, request};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connect::Connector;
use super::request_body::ProxyBody;
use crate::config::UpstreamAddress;

/// The connections to the upstreams of one proxy.
pub(super) struct Http2 {
    connector: Connector,
    /// What was found out about each upstream. The lock is held for the copy of a handle only.
    upstreams: Vec<Mutex<Known>>,
    /// Which upstreams speak it.
    spoken: Spoken,
}

/// Which upstreams speak HTTP/2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// All, without encryption.
    Always,
    /// Those with which an encrypted handshake chooses it; the others speak HTTP/1.1.
    Negotiated,
    /// All, and an encrypted handshake must choose it.
    Required,
}

/// What was found out about an upstream.
#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    /// Its handshake did not choose HTTP/2.
    SpeaksHttp1,
    /// The newest connection.
    Connection(SendRequest<ProxyBody>),
}

impl Http2 {
    pub(super) fn new(connector: &Connector, upstreams: usize, spoken: Spoken) -> Self {
        let protocols: &[&[u8]] = match spoken {
            Spoken::Always => &[],
            Spoken::Negotiated => &[b"h2", b"http/1.1"],
            Spoken::Required => &[b"h2"],
        };
        let upstreams = (0..upstreams).map(|_| Mutex::default()).collect();
        Self { connector: connector.offering(protocols), upstreams, spoken }
    }

    /// The scheme of requests.
    pub(super) fn scheme(&self) -> Scheme {
        if self.spoken == Spoken::Always { Scheme::HTTP } else { Scheme::HTTPS }
    }

    /// Whether the upstream with this number is asked by HTTP/2. The first request makes a handshake to find out. An error
    /// has sent nothing of a request.
    pub(super) async fn is_spoken(&self, upstream: usize) -> Result<bool, String> {
        if self.spoken == Spoken::Always || self.kept(upstream).is_some() {
            return Ok(true);
        }
        if self.is_known_for_http1(upstream) {
            return Ok(false);
        }
        match self.connect(upstream).await {
            Ok(_) => Ok(true),
            // Its next connection is one of HTTP/1.1.
            Err(_) if self.is_known_for_http1(upstream) => Ok(false),
            Err(error) => Err(reason(&*error)),
        }
    }

    fn is_known_for_http1(&self, upstream: usize) -> bool {
        self.place(upstream).is_ok_and(|known| matches!(*known, Known::SpeaksHttp1))
    }

    fn place(&self, upstream: usize) -> io::Result<MutexGuard<'_, Known>> {
        let place = self.upstreams.get(upstream).ok_or_else(|| io::Error::other("no such upstream"))?;
        Ok(place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends the request to the upstream with this number. An error shows whether nothing of the request was sent.
    pub(super) async fn send(
        &self,
        upstream: usize,
        request: Request<ProxyBody>,
    ) -> Result<Response<Incoming>, (String, bool)> {
        let mut request = request;
        if let Some(mut kept) = self.kept(upstream) {
            match kept.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut refused) => match refused.take_message() {
                    // The upstream has ended the connection, and the request has not left.
                    Some(unsent) => request = unsent,
                    None => return Err((reason(&refused.into_error()), false)),
                },
            }
        }
        let mut new = self.connect(upstream).await.map_err(|error| (reason(&*error), true))?;
        new.send_request(request).await.map_err(|error| (reason(&error), false))
    }

    fn kept(&self, upstream: usize) -> Option<SendRequest<ProxyBody>> {
        match &*self.place(upstream).ok()? {
            Known::Connection(connection) if !connection.is_closed() => Some(connection.clone()),
            _ => None,
        }
    }

    /// A new connection, which the next requests share. Requests that come at the same moment may each make one; all but
    /// the last end with their request.
    async fn connect(&self, upstream: usize) -> Result<SendRequest<ProxyBody>, Box<dyn Error + Send + Sync>> {
        let stream = self.connector.connect(upstream).await?;
        if self.spoken != Spoken::Always && !stream.inner().speaks_http2 {
            if self.spoken == Spoken::Negotiated {
                *self.place(upstream)? = Known::SpeaksHttp1;
            }
            return Err("the upstream does not speak HTTP/2".into());
        }
        let mut builder = Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.timer(TokioTimer::new()).handshake(stream).await?;
        // What ends it, its requests learn.
        tokio::spawn(async move { drop(connection.await) });
        *self.place(upstream)? = Known::Connection(sender.clone());
        Ok(sender)
    }
}

/// The head for HTTP/2, where the requested host is a part of the URI.
pub(super) fn head(mut parts: request::Parts, upstream: &UpstreamAddress, scheme: Scheme) -> request::Parts {
    let asked = parts.headers.remove(header::HOST);
    let asked = asked.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.uri = uri(parts.uri.path_and_query().cloned(), asked, upstream, scheme);
    parts.version = Version::HTTP_2;
    parts
}

/// A path and query at the requested host, else at the address of the upstream.
pub(super) fn uri(
    path: Option<PathAndQuery>,
    host: Option<Authority>,
    upstream: &UpstreamAddress,
    scheme: Scheme,
) -> Uri {
    let of_upstream = || match upstream {
        UpstreamAddress::Tcp { .. } => upstream.to_string().parse().ok(),
        UpstreamAddress::Unix(_) => None,
    };
    let authority = host.or_else(of_upstream).unwrap_or_else(|| Authority::from_static("localhost"));
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let built = Uri::builder().scheme(scheme).authority(authority).path_and_query(path);
    built.build().unwrap_or_default()
}

/// The error with its causes, because the outermost message has little information.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
