//! Connections that change their protocol: a WebSocket is bytes in both directions until one side ends it.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Response, StatusCode, header, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

use super::balance::Chosen;
use crate::http::body::{ResponseBody, Source};
use crate::http::response_head::is_connection_field;
use crate::limits;

/// The number of open tunnels allowed: no listener counts these connections any more.
static PLACES: Semaphore = Semaphore::const_new(limits::PROXY_TUNNELS_MAX);

/// The client's end of a connection that should change its protocol.
pub(super) struct Tunnel(Arc<Mutex<Option<OnUpgrade>>>);

impl Tunnel {
    /// `None`: the client does not ask for another protocol, or its connection cannot change.
    pub(super) fn asked_for(parts: &mut request::Parts) -> Option<Self> {
        let values = parts.headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let asks = values.flat_map(|list| list.split(',')).any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
        let is_upgrade = asks && parts.headers.contains_key(header::UPGRADE);
        let client = parts.extensions.remove::<OnUpgrade>()?;
        is_upgrade.then(|| Self(Arc::new(Mutex::new(Some(client)))))
    }

    /// Connects the two ends after the upstream's `101`, and forwards that to the client.
    pub(super) fn open(&self, mut response: Response<Incoming>, chosen: Chosen) -> Response<ResponseBody> {
        let upstream = hyper::upgrade::on(&mut response);
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(client), Ok(place)) = (client, PLACES.try_acquire()) else {
            tracing::warn!(upstream = %chosen.address(), "proxying: too many tunnels are open");
            let mut answer = Response::new(ResponseBody::new(Source::Empty));
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return answer;
        };
        tokio::spawn(async move {
            let ends = tokio::try_join!(client, upstream);
            if let Ok((client, upstream)) = ends {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                // How it ends concerns only the two peers.
                drop(tokio::io::copy_bidirectional(&mut client, &mut upstream).await);
            }
            drop((place, chosen));
        });
        let mut answer = Response::new(ResponseBody::new(Source::Empty));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in response.headers() {
            if *name == header::UPGRADE || *name == header::CONNECTION || !is_connection_field(name) {
                answer.headers_mut().append(name.clone(), value.clone());
            }
        }
        answer
    }
}
