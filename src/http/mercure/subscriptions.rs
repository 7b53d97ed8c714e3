//! The API of a hub that shows who is subscribed.

use http::{HeaderValue, Response, header, request};

use super::{HUB, Refusal, token};
use crate::config::decoded;
use crate::http::body::ResponseBody;
use crate::mercure::{Asked, Hub, SUBSCRIPTIONS};

/// What a path below the hub asks for; `None`: nothing is there.
pub(super) fn asked(hub: &Hub, below: &str) -> Option<Asked> {
    let below = below.strip_prefix(SUBSCRIPTIONS.strip_prefix(HUB)?)?;
    let mut parts = below.split('/');
    let is_whole = parts.next()?.is_empty();
    let (topic, subscriber) = (parts.next().map(decoded), parts.next().map(decoded));
    (is_whole && parts.next().is_none() && hub.settings().subscriptions).then_some(Asked { topic, subscriber })
}

/// Lists subscriptions for a client that could subscribe to their changes.
pub(super) fn list(hub: &Hub, parts: &request::Parts, asked: &Asked) -> Result<Response<ResponseBody>, Refusal> {
    let (token, _) = token(hub, parts).ok_or(Refusal::NoToken)?;
    let path = asked.path();
    let selectors = hub.subscriber(&token)?.subscribe.unwrap_or_default();
    if !selectors.iter().any(|selector| selector.matches(&path)) {
        return Err(Refusal::NotAllowed);
    }
    let listing = hub.subscriptions(asked)?;
    let mut response = Response::new(ResponseBody::from(bytes::Bytes::from(listing.json)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/ld+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, must-revalidate"));
    headers.insert(header::LINK, HeaderValue::from_static("</.well-known/mercure>; rel=\"mercure\""));
    // Each change is an update, so the last one names the state. A publisher may have chosen a name that no tag can have.
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", listing.last_event_id.replace('"', ""))) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
