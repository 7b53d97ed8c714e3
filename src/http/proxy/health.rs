//! Active health checks: a request to each upstream at intervals.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;

use super::Inner;
use super::balance::Upstream;
use super::connect::Connector;
use super::encryption::Encryption;
use crate::config::{HealthCheck, StatusPattern, UpstreamAddress};

/// Starts the checks, if they are configured. They end when the proxy is dropped.
pub(super) fn start(proxy: &Arc<Inner>) {
    let Some(check) = proxy.settings.health.clone() else { return };
    for upstream in proxy.upstreams.iter() {
        tokio::spawn(repeat(Arc::downgrade(proxy), Arc::clone(upstream), check.clone(), proxy.tls.clone()));
    }
}

async fn repeat(proxy: Weak<Inner>, upstream: Arc<Upstream>, check: HealthCheck, tls: Option<Encryption>) {
    while proxy.strong_count() > 0 {
        let connector = Connector::new(vec![asked(&upstream.address, &check)], check.timeout, tls.clone());
        let outcome = tokio::time::timeout(check.timeout, ask(&upstream, &check, &connector)).await;
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
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let stream = connector.connect(0).await?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    let request = Request::get(&check.uri)
        .header(header::HOST, upstream.address.to_string())
        .header(header::USER_AGENT, "igor-health-check")
        .body(Empty::<Bytes>::new())?;
    let answering = sender.send_request(request);
    tokio::pin!(connection);
    let response = tokio::select! {
        response = answering => response?,
        ended = &mut connection => {
            ended?;
            return Ok(false);
        }
    };
    let status = response.status().as_u16();
    Ok(match check.status {
        Some(pattern) => pattern.matches(status),
        None => StatusPattern::Class(2).matches(status) || StatusPattern::Class(3).matches(status),
    })
}
