//! Upstreams that speak HTTP/2 without encryption (h2c). All requests to one share a connection.

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};

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
    /// The newest connection to each upstream. The lock is held for the copy of a handle only.
    connections: Vec<Mutex<Option<SendRequest<ProxyBody>>>>,
}

impl Http2 {
    pub(super) fn new(connector: Connector, upstreams: usize) -> Self {
        Self { connector, connections: (0..upstreams).map(|_| Mutex::default()).collect() }
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
        let kept = self.connections.get(upstream)?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|connection| !connection.is_closed())
    }

    /// A new connection, which the next requests share. Requests that come at the same moment may each make one; all but
    /// the last end with their request.
    async fn connect(&self, upstream: usize) -> Result<SendRequest<ProxyBody>, Box<dyn Error + Send + Sync>> {
        let stream = self.connector.connect(upstream).await?;
        let mut builder = Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.timer(TokioTimer::new()).handshake(stream).await?;
        // What ends it, its requests learn.
        tokio::spawn(async move { drop(connection.await) });
        let place = self.connections.get(upstream).ok_or_else(|| io::Error::other("no such upstream"))?;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        Ok(sender)
    }
}

/// The head for HTTP/2, where the requested host is a part of the URI.
pub(super) fn head(mut parts: request::Parts, upstream: &UpstreamAddress) -> request::Parts {
    let asked = parts.headers.remove(header::HOST);
    let asked = asked.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.uri = uri(parts.uri.path_and_query().cloned(), asked, upstream);
    parts.version = Version::HTTP_2;
    parts
}

/// A path and query at the requested host, else at the address of the upstream.
pub(super) fn uri(path: Option<PathAndQuery>, host: Option<Authority>, upstream: &UpstreamAddress) -> Uri {
    let of_upstream = || match upstream {
        UpstreamAddress::Tcp { .. } => upstream.to_string().parse().ok(),
        UpstreamAddress::Unix(_) => None,
    };
    let authority = host.or_else(of_upstream).unwrap_or_else(|| Authority::from_static("localhost"));
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let built = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path);
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
