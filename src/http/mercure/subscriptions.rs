//! The API of a hub that shows who is subscribed.

use http::{HeaderValue, Response, header, request};

use super::{HUB, Refusal, token};
use crate::config::decoded;
use crate::http::body::ResponseBody;
use crate::mercure::{Asked, Hub, HubUrl, SUBSCRIPTIONS, SelectorKind};

/// What a path below the hub asks for; `None`: nothing is there.
pub(super) fn asked(hub: &Hub, below: &str) -> Option<Asked> {
    let below = below.strip_prefix(SUBSCRIPTIONS.strip_prefix(HUB)?)?;
    let parts: Vec<&str> = below.split('/').collect();
    let match_type = |name: &str| SelectorKind::MATCH_TYPES.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind);
    let (kind, text, subscriber) = match parts.as_slice() {
        [""] => return hub.settings().subscriptions.then(Asked::default),
        // Of Mercure 1.0. A topic with the name of a matcher type is behind `exact`.
        ["", kind, text] if match_type(kind).is_some() => (match_type(kind)?, text, None),
        ["", kind, text, subscriber] => (match_type(kind)?, text, Some(subscriber)),
        ["", text] => (SelectorKind::Topic, text, None),
        ["", text, subscriber] => (SelectorKind::Topic, text, Some(subscriber)),
        _ => return None,
    };
    let asked = Asked { selector: Some((kind, decoded(text))), subscriber: subscriber.map(|id| decoded(id)) };
    hub.settings().subscriptions.then_some(asked)
}

/// Lists subscriptions for a client that could subscribe to their changes.
pub(super) fn list(
    hub: &Hub,
    url: &HubUrl,
    parts: &request::Parts,
    asked: &Asked,
) -> Result<Response<ResponseBody>, Refusal> {
    let (token, _) = token(hub, parts).ok_or(Refusal::NoToken)?;
    let grants = hub.subscriber(&token, url)?;
    if !grants.may_read(&asked.path()) {
        return Err(Refusal::not_allowed(&grants));
    }
    let listing = hub.subscriptions(asked)?;
    let mut response = Response::new(ResponseBody::from(bytes::Bytes::from(listing.json)));
    let headers = response.headers_mut();
    let kind = if asked.is_of_version_1() { "application/json" } else { "application/ld+json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, must-revalidate"));
    headers.insert(header::LINK, HeaderValue::from_static("</.well-known/mercure>; rel=\"mercure\""));
    // Each change is an update, so the last one names the state. A publisher may have chosen a name that no tag can have.
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", listing.last_event_id.replace('"', ""))) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
