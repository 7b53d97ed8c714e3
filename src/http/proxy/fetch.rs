//! Fetches one small document.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;

use super::connect::Connector;
use super::encryption::Encryption;
use crate::config::{UpstreamAddress, UpstreamTls};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The document at `target` of the server. Another place that the server names is not asked.
///
/// # Errors It is not there, is too large, or does not come in time.
pub(in crate::http) async fn fetch(
    address: &UpstreamAddress,
    is_encrypted: bool,
    target: &str,
    bytes_max: usize,
    time_max: Duration,
) -> Result<Bytes, Error> {
    let encryption = is_encrypted.then(|| Encryption::new(&UpstreamTls::default()));
    let connector = Connector::new(vec![address.clone()], time_max, encryption);
    tokio::time::timeout(time_max, ask(&connector, address, target, bytes_max))
        .await
        .map_err(|_| format!("no answer within {} s", time_max.as_secs()))?
}

async fn ask(connector: &Connector, address: &UpstreamAddress, target: &str, bytes_max: usize) -> Result<Bytes, Error> {
    let stream = connector.connect(0).await?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    let request = Request::get(target)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "igor")
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())?;
    let answering = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the status is {}", response.status()).into());
        }
        Ok(Limited::new(response.into_body(), bytes_max).collect().await?.to_bytes())
    };
    tokio::pin!(answering, connection);
    tokio::select! {
        answer = &mut answering => answer,
        ended = connection => {
            ended?;
            // The connection may end with the last byte of the answer.
            answering.await
        }
    }
}
