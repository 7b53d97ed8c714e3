//! `on_demand_tls { ask URL }`: asks an address whether a host may have a certificate.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Empty;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::connector::{connector, reason};
use crate::config::encoded_query_value;
use crate::limits;

/// Why a host gets no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPermission {
    /// The address said no.
    #[error("the address of `ask` answered {0}")]
    Refused(StatusCode),
    /// It said nothing.
    #[error("the address of `ask` did not answer: {0}")]
    Unanswered(String),
}

/// The address to ask.
pub(super) struct Asker {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    address: String,
}

impl std::fmt::Debug for Asker {
    /// Without the address, which may hold a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Asker")
    }
}

impl Asker {
    /// Asks at this address.
    ///
    /// # Errors It is not one, or it is encrypted and this machine trusts no authority.
    pub(super) fn new(address: &str) -> Result<Self, String> {
        let uri: Uri = address.parse().map_err(|error| format!("the address of `ask`: {error}"))?;
        let connector = connector(uri.scheme_str() == Some("https")).map_err(|error| format!("`ask`: {error}"))?;
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client, address: address.to_owned() })
    }

    /// Whether the host may have a certificate: a status from 200 to 299. Redirects are not followed, as in Caddy.
    pub(super) async fn ask(&self, host: &str) -> Result<(), NoPermission> {
        let mark = if self.address.contains('?') { '&' } else { '?' };
        let uri: Uri = format!("{}{mark}domain={}", self.address, encoded_query_value(host))
            .parse()
            .map_err(|error: http::uri::InvalidUri| NoPermission::Unanswered(error.to_string()))?;
        let limit = Duration::from_secs(limits::ON_DEMAND_ASK_SECONDS_MAX);
        match tokio::time::timeout(limit, self.client.get(uri)).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(NoPermission::Refused(response.status())),
            Ok(Err(error)) => Err(NoPermission::Unanswered(reason(&error))),
            Err(_) => Err(NoPermission::Unanswered(format!("it took longer than {} s", limit.as_secs()))),
        }
    }
}
