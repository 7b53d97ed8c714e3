//! Active health checks: a request to each upstream at intervals.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;

use super::Inner;
use super::balance::Upstream;
use super::connect::Connector;
use super::http2::uri;
use crate::config::{HealthCheck, StatusPattern, UpstreamAddress, UpstreamVersions};

/// Starts the checks, if they are configured. They end when the proxy is dropped.
pub(super) fn start(proxy: &Arc<Inner>) {
    let Some(check) = proxy.settings.health.clone() else { return };
    for upstream in proxy.upstreams.iter() {
        tokio::spawn(repeat(Arc::downgrade(proxy), Arc::clone(upstream), check.clone()));
    }
}

async fn repeat(proxy: Weak<Inner>, upstream: Arc<Upstream>, check: HealthCheck) {
    let about = proxy.upgrade().map(|proxy| (proxy.tls.clone(), proxy.settings.versions));
    let Some((tls, versions)) = about else { return };
    while proxy.strong_count() > 0 {
        let connector = Connector::new(vec![asked(&upstream.address, &check)], check.timeout, tls.clone());
        let outcome = tokio::time::timeout(check.timeout, ask(&upstream, &check, &connector, versions)).await;
        let healthy = matches!(outcome, Ok(Ok(true)));
        if upstream.set_healthy(healthy) {
            if healthy {
                tracing::info!(upstream = %upstream.address, "health check: healthy again");
            } else {
                tracing::warn!(upstream = %upstream.address, "health check: unhealthy, it gets no requests");
            }
        }
        tokio::time::sleep(check.interval).await;
    }
}

/// The address of the check.
fn asked(address: &UpstreamAddress, check: &HealthCheck) -> UpstreamAddress {
    match (address, check.port) {
        (UpstreamAddress::Tcp { host, .. }, Some(port)) => UpstreamAddress::Tcp { host: host.clone(), port },
        _ => address.clone(),
    }
}

async fn ask(
    upstream: &Upstream,
    check: &HealthCheck,
    connector: &Connector,
    versions: UpstreamVersions,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let must_choose = versions == UpstreamVersions::Http2;
    let stream =
        if must_choose { connector.offering(&[b"h2"]).connect(0).await? } else { connector.connect(0).await? };
    let is_http2 = stream.inner().speaks_http2 || versions == UpstreamVersions::H2c;
    let request = Request::get(&check.uri).header(header::USER_AGENT, "igor-health-check");
    let response = if is_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        let mut request = request.body(Empty::<Bytes>::new())?;
        let scheme = if must_choose { Scheme::HTTPS } else { Scheme::HTTP };
        *request.uri_mut() = uri(request.uri().path_and_query().cloned(), None, &upstream.address, scheme);
        answered(sender.send_request(request), connection).await?
    } else {
        let (mut sender, connection) = http1::handshake(stream).await?;
        let request = request.header(header::HOST, upstream.address.to_string()).body(Empty::<Bytes>::new())?;
        answered(sender.send_request(request), connection).await?
    };
    let Some(response) = response else { return Ok(false) };
    let status = response.status().as_u16();
    Ok(match check.status {
        Some(pattern) => pattern.matches(status),
        None => StatusPattern::Class(2).matches(status) || StatusPattern::Class(3).matches(status),
    })
}

/// The response on this connection; `None`: the connection has ended before.
async fn answered(
    answering: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> hyper::Result<Option<Response<Incoming>>> {
    let (mut answering, mut connection) = (pin!(answering), pin!(connection));
    tokio::select! {
        response = &mut answering => response.map(Some),
        ended = &mut connection => ended.map(|()| None),
    }
}
