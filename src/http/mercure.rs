//! The HTTP side of a Mercure hub: publishing by POST, subscribing by GET or QUERY.

mod events;
mod keys;
mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};
use http_body::Body;

use super::access_log::HandledBy;
use super::answer::{Outcome, RequestContext, Run, announced_length};
use super::authority::requested_authority;
use super::body::{ResponseBody, Source};
use super::body_failure::BodyFailure;
use super::gathered_body::gather;
use super::interim::InterimSlot;
use super::pace::Pace;
use super::plain::{plain, retry_later};
use super::request::RequestState;
use crate::config::{RequestView, query_pairs};
use crate::limits;
use crate::mercure::{
    Grants, Hub, HubUrl, Invalid, NoSelector, Publication, Refused, Selector, SelectorKind, Subscriber, TokenError,
    Unlisted,
};
use events::Events;

/// The place of the hub (the Mercure specification, "Discovery").
const HUB: &str = "/.well-known/mercure";

/// The methods that a place answers.
#[derive(Debug)]
struct Methods {
    /// The value of `Allow`.
    all: &'static str,
    /// Those of them that a page of another origin may use.
    of_pages: &'static str,
}

const OF_THE_HUB: Methods = Methods { all: "GET, HEAD, QUERY, POST, OPTIONS", of_pages: "GET, QUERY, POST" };
/// No key, so no token is valid for a POST.
const WITHOUT_PUBLISHERS: Methods = Methods { all: "GET, HEAD, QUERY, OPTIONS", of_pages: "GET, QUERY" };
const OF_SUBSCRIPTIONS: Methods = Methods { all: "GET, HEAD, OPTIONS", of_pages: "GET" };

/// Why a request to the hub is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error("this hub needs a token")]
    NoToken,
    #[error("the token does not allow this")]
    NotAllowed,
    /// The same, to the owner of a token of Mercure 1.0.
    #[error("the `authorization_details` of the token do not allow this")]
    NotGranted,
    #[error("a page of this origin may not publish with a cookie; `publish_origins` names those that may")]
    Origin,
    #[error("{0}")]
    Update(#[from] Invalid),
    #[error("Invalid \"retry\" parameter")]
    Retry,
    #[error("Missing \"topic\" or \"match\" parameter")]
    NoSelector,
    #[error("a parameter that begins with \"match\" is none of \"match\", \"match_exact\" and \"match_urlpattern\"")]
    NoMatchType,
    #[error("{0}")]
    Selector(#[from] NoSelector),
    #[error("a QUERY has its parameters as application/x-www-form-urlencoded")]
    QueryType,
    #[error("{0}")]
    Subscriber(#[from] Refused),
    #[error("{0}")]
    List(#[from] Unlisted),
    #[error("only these methods are answered here: {}", .0.all)]
    Method(Methods),
    #[error("{0}")]
    Body(BodyFailure),
    #[error("this hub has ended")]
    Over,
}

impl Refusal {
    fn response(self) -> Response<ResponseBody> {
        let status = match &self {
            Self::Token(_) | Self::NoToken | Self::NotAllowed => StatusCode::UNAUTHORIZED,
            Self::Origin | Self::NotGranted | Self::Update(Invalid::Reserved) => StatusCode::FORBIDDEN,
            Self::Update(Invalid::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Update(_)
            | Self::Retry
            | Self::NoSelector
            | Self::NoMatchType
            | Self::Selector(_)
            | Self::Subscriber(Refused::TooLarge) => StatusCode::BAD_REQUEST,
            Self::QueryType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Subscriber(Refused::Full) | Self::List(Unlisted::TooMany) | Self::Over => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::List(Unlisted::Absent) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(failure) => return failure.response(),
        };
        let mut response = plain(status, &format!("{self}\n"));
        // RFC 6750.
        let challenge = match &self {
            Self::Token(_) => Some("Bearer error=\"invalid_token\""),
            Self::NotGranted => Some("Bearer error=\"insufficient_scope\""),
            Self::NoToken | Self::NotAllowed => Some("Bearer"),
            _ => None,
        };
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response);
        }
        if let Self::Method(methods) = &self {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods.all));
        }
        response
    }

    /// The token is valid, but does not allow what is asked for.
    fn not_allowed(grants: &Grants) -> Self {
        if grants.is_access_token { Self::NotGranted } else { Self::NotAllowed }
    }
}

impl RequestContext<'_> {
    /// Answers what is for the hub; other requests go on.
    pub(super) async fn mercure<B>(&mut self, hub: &Arc<Hub>, run: &mut Run<'_, B>) -> Outcome
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let below = match run.request.parts.uri.path().strip_prefix(HUB) {
            Some(below) if below.is_empty() || below.starts_with('/') => below,
            _ => return Outcome::GoOn,
        };
        self.handled_by = HandledBy::Directive("mercure");
        let asked = subscriptions::asked(hub, below);
        if asked.is_none() && !below.is_empty() {
            return Outcome::Answered(plain(StatusCode::NOT_FOUND, ""));
        }
        let allowed_origin = cors_origin(hub, &run.request.parts.headers);
        keys::prepare(hub, &run.request.parts).await;
        let url = hub_url(&run.request);
        let query = run.request.parts.uri.query().unwrap_or_default();
        let methods = match &asked {
            Some(_) => OF_SUBSCRIPTIONS,
            None if hub.has_publishers() => OF_THE_HUB,
            None => WITHOUT_PUBLISHERS,
        };
        let answer = match (run.request.parts.method.as_str(), asked) {
            ("GET" | "HEAD", Some(asked)) => subscriptions::list(hub, &url, &run.request.parts, &asked),
            ("GET", None) => {
                await_past(hub, &run.request.parts, query).await;
                subscribe(hub, url, &run.request.parts, query, Answer::Stream(self.interim))
            }
            ("HEAD", None) => subscribe(hub, url, &run.request.parts, query, Answer::HeadOnly),
            ("QUERY", None) => self.query(hub, url, run).await,
            ("POST", None) if hub.has_publishers() => publish(hub, &url, run).await,
            ("OPTIONS", _) => Ok(preflight(&methods)),
            _ => Err(Refusal::Method(methods)),
        };
        let mut response = answer.unwrap_or_else(|refusal| {
            // The reason only: a token may be in the request.
            tracing::debug!("mercure: refusing a request: {refusal}");
            refusal.response()
        });
        if let Some(origin) = allowed_origin {
            allow_origin(response.headers_mut(), origin);
        }
        Outcome::Answered(response)
    }

    /// Subscribes with parameters in the body (RFC 10008): a URL has no room for many topics.
    async fn query<B>(&self, hub: &Hub, url: HubUrl, run: &mut Run<'_, B>) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let kind = run.request.parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(Refusal::QueryType);
        }
        // Before the body: a stranger should not make the server read one.
        subscriber(hub, &url, &run.request.parts)?;
        let mut parameters = run.request.parts.uri.query().unwrap_or_default().to_owned();
        parameters.push('&');
        parameters.push_str(&read_body(hub, run).await.map_err(Refusal::Body)?);
        await_past(hub, &run.request.parts, &parameters).await;
        subscribe(hub, url, &run.request.parts, &parameters, Answer::Stream(self.interim))
    }
}

/// The hub as the client of this request knows it.
fn hub_url(request: &RequestState<'_>) -> HubUrl {
    HubUrl::new(request.scheme(), requested_authority(&request.parts).unwrap_or_default())
}

// --- Publishing ---------------------------------------------------------------------------------------------------

async fn publish<B>(hub: &Hub, url: &HubUrl, run: &mut Run<'_, B>) -> Result<Response<ResponseBody>, Refusal>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    // Before the body: a stranger should not make the server read one.
    let grants = publisher(hub, url, &run.request.parts)?;
    let text = read_body(hub, run).await.map_err(Refusal::Body)?;
    let publication = publication(&text)?;
    let needs_claim = publication.is_private || hub.settings().compatibility != Some(7);
    if needs_claim && !grants.may_publish(&publication.topics) {
        return Err(Refusal::not_allowed(&grants));
    }
    // A 200 would say that it has been sent.
    if !hub.takes_updates() {
        return Err(Refusal::Over);
    }
    let id = hub.publish(publication)?;
    Ok(plain(StatusCode::OK, &id))
}

fn publisher(hub: &Hub, url: &HubUrl, parts: &request::Parts) -> Result<Grants, Refusal> {
    let (token, source) = token(hub, parts).ok_or(Refusal::NoToken)?;
    // Another site's page can make a browser send its cookies.
    if source == TokenSource::Cookie && !is_publish_origin(hub, &parts.headers) {
        return Err(Refusal::Origin);
    }
    let grants = hub.publisher(&token, url)?;
    if grants.publish.is_none() { Err(Refusal::not_allowed(&grants)) } else { Ok(grants) }
}

async fn read_body<B>(hub: &Hub, run: &mut Run<'_, B>) -> Result<String, BodyFailure>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let Some(body) = run.body.take() else { return Ok(String::new()) };
    let bytes_max = run.body_bytes_max.min(hub.settings().body_bytes_max);
    let announced = announced_length(&run.request.parts);
    let mut gathered = gather(body, announced, bytes_max, Pace::within(run.body_read_max)).await?;
    let mut bytes = vec![0; usize::try_from(gathered.length()).unwrap_or_default()];
    let mut read = 0;
    while read < bytes.len() {
        match gathered.read(&mut bytes[read..]) {
            Ok(0) | Err(_) => return Err(BodyFailure::Broken),
            Ok(count) => read += count,
        }
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The fields of a form.
fn publication(form: &str) -> Result<Publication, Refusal> {
    let mut publication = Publication::default();
    let mut retry = String::new();
    for (name, value) in query_pairs(form) {
        match name.as_str() {
            "topic" if publication.topics.len() > limits::MERCURE_TOPICS_MAX => break,
            "topic" => publication.topics.push(value),
            "data" => publication.data = value,
            "private" => publication.is_private = true,
            "id" => publication.id = Some(value),
            "type" => publication.kind = Some(value),
            "retry" => retry = value,
            _ => {}
        }
    }
    if !retry.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Retry);
    }
    if !retry.is_empty() {
        publication.retry = Some(retry.parse().map_err(|_| Refusal::Retry)?);
    }
    Ok(publication)
}

// --- Subscribing --------------------------------------------------------------------------------------------------

#[derive(Clone, Copy)]
enum Answer<'c> {
    /// With the connection that it is on.
    Stream(Option<&'c Arc<InterimSlot>>),
    HeadOnly,
}

/// What the token of a subscriber allows, or what a client without one may do.
fn subscriber(hub: &Hub, url: &HubUrl, parts: &request::Parts) -> Result<Grants, Refusal> {
    match token(hub, parts) {
        Some((token, _)) if hub.has_subscribers() => Ok(hub.subscriber(&token, url)?),
        _ if hub.settings().anonymous => Ok(Grants::anonymous(url.clone())),
        _ => Err(Refusal::NoToken),
    }
}

/// The parameters that select topics. All names that begin with `match` belong to the protocol, so a misspelled one is refused.
fn selectors(parameters: &str, url: &HubUrl) -> Result<Vec<Selector>, Refusal> {
    let mut selectors = Vec::new();
    for (name, text) in query_pairs(parameters) {
        let kind = match name.as_str() {
            "topic" => SelectorKind::Topic,
            // The other spellings are those of a draft.
            "match" | "match_exact" | "matchExact" => SelectorKind::Exact,
            "match_urlpattern" | "matchURLPattern" => SelectorKind::UrlPattern,
            name if name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("match")) => {
                return Err(Refusal::NoMatchType);
            }
            _ => continue,
        };
        if selectors.len() >= limits::MERCURE_TOPICS_MAX {
            return Err(Refused::TooLarge.into());
        }
        selectors.push(Selector::read(kind, &text, url)?);
    }
    if selectors.is_empty() { Err(Refusal::NoSelector) } else { Ok(selectors) }
}

fn subscribe(
    hub: &Hub,
    url: HubUrl,
    parts: &request::Parts,
    parameters: &str,
    answer: Answer<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let grants = subscriber(hub, &url, parts)?;
    let subscriber = Subscriber::new(selectors(parameters, &url)?, &grants)?;
    let mut last_event_id = None;
    let mut source = Source::Empty;
    if let Answer::Stream(connection) = answer {
        let known = known_event_id(hub, parts, parameters);
        let subscription = hub.subscribe(subscriber, &grants, known.as_deref())?;
        last_event_id = subscription.last_event_id;
        source = Source::Boxed(Box::pin(Events::new(subscription.stream, hub, &grants, connection)));
    }
    let mut response = Response::new(ResponseBody::new(source));
    let headers = response.headers_mut();
    for (name, value) in STREAM_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        headers.insert("last-event-id", id.clone());
        headers.insert("mercure-last-event-id", id);
    }
    Ok(response)
}

/// A stream of events that no cache keeps, and that nginx sends on at once.
const STREAM_HEADERS: [(&str, &str); 4] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "private, no-cache, no-store, must-revalidate, max-age=0"),
    ("pragma", "no-cache"),
    ("x-accel-buffering", "no"),
];

/// The server may have just begun, and not have the updates of other instances yet that this client has seen.
async fn await_past(hub: &Hub, parts: &request::Parts, parameters: &str) {
    if known_event_id(hub, parts, parameters).is_some() {
        hub.await_past().await;
    }
}

/// The last event that the client has. A browser sets the field when it connects again; a page can set the parameter.
fn known_event_id(hub: &Hub, parts: &request::Parts, parameters: &str) -> Option<String> {
    let field = parts.headers.get("last-event-id").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let parameter = |wanted: &str| query_pairs(parameters).find(|(name, _)| name == wanted).map(|(_, value)| value);
    let old = || parameter("Last-Event-ID").filter(|_| hub.settings().compatibility == Some(7));
    field
        .or_else(|| parameter("last_event_id"))
        .or_else(|| parameter("lastEventID"))
        .or_else(old)
        .filter(|id| !id.is_empty())
}

// --- Tokens and origins -------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenSource {
    Header,
    Query,
    Cookie,
}

/// The token of a request. An `Authorization` of another scheme belongs to `basic_auth`.
fn token(hub: &Hub, parts: &request::Parts) -> Option<(String, TokenSource)> {
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    if let Some(token) = bearer {
        return Some((token, TokenSource::Header));
    }
    let mut parameters = query_pairs(parts.uri.query().unwrap_or_default());
    if let Some((_, token)) = parameters.find(|(name, _)| name == "authorization") {
        return Some((token, TokenSource::Query));
    }
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let pairs: Vec<_> = pairs.collect();
    let names = hub.settings().cookie_names();
    let known = names.iter().find_map(|name| pairs.iter().find(|(known, _)| known == name));
    known.map(|(_, token)| (token.trim_matches('"').to_owned(), TokenSource::Cookie))
}

/// Whether the page that sent the request may publish with a cookie.
fn is_publish_origin(hub: &Hub, headers: &HeaderMap) -> bool {
    let field = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // Some browsers send only the whole address of the page.
    let origin = field(header::ORIGIN).map(str::to_owned).or_else(|| origin_of(field(header::REFERER)?));
    origin.is_some_and(|origin| hub.settings().publish_origins.iter().any(|known| known == "*" || *known == origin))
}

fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}"))
}

/// The value of `Access-Control-Allow-Origin`, if the page of the request may use the hub.
fn cors_origin(hub: &Hub, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let known = &hub.settings().cors_origins;
    if known.iter().any(|known| known.as_bytes() == origin.as_bytes()) {
        return Some(origin.clone());
    }
    known.iter().any(|known| known == "*").then(|| HeaderValue::from_static("*"))
}

/// Only an origin that is named may use the browser's cookies.
fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    if origin != "*" {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let exposed = HeaderValue::from_static("last-event-id, mercure-last-event-id, link");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// The answer to a browser that asks before it sends a request with a token.
fn preflight(methods: &Methods) -> Response<ResponseBody> {
    let mut response = plain(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods.all));
    if methods.all.contains("QUERY") {
        headers.insert("accept-query", HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods.of_pages));
    let fields = HeaderValue::from_static("authorization, cache-control, content-type, last-event-id");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields);
    response
}
