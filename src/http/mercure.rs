//! The HTTP side of a Mercure hub: publishing by POST, subscribing by GET.

mod keys;
mod subscriptions;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::access_log::HandledBy;
use super::answer::{Outcome, RequestContext, Run, announced_length};
use super::body::{ResponseBody, ResponseBodyError, Source};
use super::interim::InterimSlot;
use super::pace::Pace;
use super::plain::{plain, retry_later};
use super::request_body::{self, BodyFailure};
use crate::config::query_pairs;
use crate::limits;
use crate::mercure::{Grants, Hub, Invalid, Publication, Refused, Stream, Subscriber, TokenError, Unlisted, Wait};

/// The place of the hub (the Mercure specification, "Discovery").
const HUB: &str = "/.well-known/mercure";

/// Why a request to the hub is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error("this hub needs a token")]
    NoToken,
    #[error("the token does not allow this")]
    NotAllowed,
    #[error("a page of this origin may not publish with a cookie; `publish_origins` names those that may")]
    Origin,
    #[error("{0}")]
    Update(#[from] Invalid),
    #[error("Invalid \"retry\" parameter")]
    Retry,
    #[error("{0}")]
    Subscriber(#[from] Refused),
    #[error("{0}")]
    List(#[from] Unlisted),
    #[error("the hub answers GET, HEAD, POST and OPTIONS")]
    Method,
    #[error("{0}")]
    Body(BodyFailure),
    #[error("this hub has ended")]
    Over,
}

impl Refusal {
    fn response(self) -> Response<ResponseBody> {
        let status = match &self {
            Self::Token(_) | Self::NoToken | Self::NotAllowed => StatusCode::UNAUTHORIZED,
            Self::Origin | Self::Update(Invalid::Reserved) => StatusCode::FORBIDDEN,
            Self::Update(_) | Self::Retry | Self::Subscriber(Refused::TooLarge) => StatusCode::BAD_REQUEST,
            Self::Subscriber(Refused::Full) | Self::List(Unlisted::TooMany) | Self::Over => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::List(Unlisted::Absent) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(failure) => return failure.response(),
        };
        let mut response = plain(status, &format!("{self}\n"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
        }
        response
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
        let answer = match (&run.request.parts.method, asked) {
            (&Method::GET | &Method::HEAD, Some(asked)) => subscriptions::list(hub, &run.request.parts, &asked),
            (&Method::GET, None) => subscribe(hub, &run.request.parts, Answer::Stream(self.interim)),
            (&Method::HEAD, None) => subscribe(hub, &run.request.parts, Answer::HeadOnly),
            (&Method::POST, None) if hub.has_publishers() => publish(hub, run).await,
            (&Method::OPTIONS, _) => Ok(preflight()),
            _ => Err(Refusal::Method),
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
}

// --- Publishing ---------------------------------------------------------------------------------------------------

async fn publish<B>(hub: &Hub, run: &mut Run<'_, B>) -> Result<Response<ResponseBody>, Refusal>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    // Before the body: a stranger should not make the server read one.
    let grants = publisher(hub, &run.request.parts)?;
    let text = read_body(hub, run).await.map_err(Refusal::Body)?;
    let publication = publication(&text)?;
    let needs_claim = publication.is_private || hub.settings().compatibility != Some(7);
    if needs_claim && !grants.may_publish(&publication.topics) {
        return Err(Refusal::NotAllowed);
    }
    // A 200 would say that it has been sent.
    if !hub.takes_updates() {
        return Err(Refusal::Over);
    }
    let id = hub.publish(publication)?;
    Ok(plain(StatusCode::OK, &id))
}

fn publisher(hub: &Hub, parts: &request::Parts) -> Result<Grants, Refusal> {
    let (token, source) = token(hub, parts).ok_or(Refusal::NoToken)?;
    // Another site's page can make a browser send its cookies.
    if source == TokenSource::Cookie && !is_publish_origin(hub, &parts.headers) {
        return Err(Refusal::Origin);
    }
    let grants = hub.publisher(&token)?;
    if grants.publish.is_none() { Err(Refusal::NotAllowed) } else { Ok(grants) }
}

async fn read_body<B>(hub: &Hub, run: &mut Run<'_, B>) -> Result<String, BodyFailure>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let Some(body) = run.body.take() else { return Ok(String::new()) };
    let bytes_max = run.body_bytes_max.min(hub.settings().body_bytes_max);
    let announced = announced_length(&run.request.parts);
    let mut gathered = request_body::gather(body, announced, bytes_max, Pace::within(run.body_read_max)).await?;
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

fn subscribe(hub: &Hub, parts: &request::Parts, answer: Answer<'_>) -> Result<Response<ResponseBody>, Refusal> {
    let grants = match token(hub, parts) {
        Some((token, _)) if hub.has_subscribers() => hub.subscriber(&token)?,
        _ if hub.settings().anonymous => Grants::default(),
        _ => return Err(Refusal::NoToken),
    };
    let query = parts.uri.query().unwrap_or_default();
    let topics: Vec<String> = query_pairs(query).filter(|(name, _)| name == "topic").map(|(_, value)| value).collect();
    if topics.is_empty() {
        return Err(Invalid::NoTopic.into());
    }
    let subscriber = Subscriber::new(&topics, &grants)?;
    let mut last_event_id = None;
    let mut source = Source::Empty;
    if let Answer::Stream(connection) = answer {
        let known = known_event_id(hub, parts);
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
        headers.insert("last-event-id", id);
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

/// The last event that the client has. A browser sets the field when it connects again; a page can set the parameter.
fn known_event_id(hub: &Hub, parts: &request::Parts) -> Option<String> {
    let field = parts.headers.get("last-event-id").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let parameter = |wanted: &str| {
        query_pairs(parts.uri.query().unwrap_or_default()).find(|(name, _)| name == wanted).map(|(_, value)| value)
    };
    let old = || parameter("Last-Event-ID").filter(|_| hub.settings().compatibility == Some(7));
    field.or_else(|| parameter("lastEventID")).or_else(old).filter(|id| !id.is_empty())
}

/// The body of a stream.
struct Events {
    stream: Stream,
    /// The next comment, or the end.
    timer: Pin<Box<Sleep>>,
    heartbeat: Option<Duration>,
    ends_at: Option<Instant>,
    has_begun: bool,
    /// Of a client that may have gone, which nothing but a write can find out; `None`: it has been asked.
    connection: Option<Arc<InterimSlot>>,
}

/// A comment: it keeps the stream alive.
const COMMENT: Bytes = Bytes::from_static(b":\n");

impl Events {
    fn new(stream: Stream, hub: &Hub, grants: &Grants, connection: Option<&Arc<InterimSlot>>) -> Self {
        let settings = hub.settings();
        // A time that no clock reaches is no end.
        let ends_at = [settings.stream_max, grants.expires_in]
            .into_iter()
            .flatten()
            .min()
            .and_then(|time| Instant::now().checked_add(time));
        let timer = Box::pin(sleep_until(Instant::now()));
        let heartbeat = settings.heartbeat;
        let mut events = Self { stream, timer, heartbeat, ends_at, has_begun: false, connection: connection.cloned() };
        events.wind();
        events
    }

    /// Sets the timer again: something was sent.
    fn wind(&mut self) {
        let comment = self.heartbeat.and_then(|time| Instant::now().checked_add(time));
        if let Some(next) = comment.into_iter().chain(self.ends_at).min() {
            self.timer.as_mut().reset(next);
        }
    }

    /// Whether the client has closed its sending side. If it is gone, the first comment after that is answered by a reset, and the
    /// second one fails.
    fn poll_left(&mut self, context: &mut Context<'_>) -> bool {
        if !self.connection.as_ref().is_some_and(|connection| connection.poll_half_closed(context.waker())) {
            return false;
        }
        self.connection = None;
        let pause = limits::MERCURE_LEFT_PAUSE;
        self.heartbeat = Some(self.heartbeat.map_or(pause, |heartbeat| heartbeat.min(pause)));
        self.wind();
        true
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.heartbeat.is_none() && self.ends_at.is_none() {
            return Poll::Pending;
        }
        ready!(self.timer.as_mut().poll(context));
        if self.is_over() {
            return Poll::Ready(None);
        }
        self.wind();
        Poll::Ready(Some(COMMENT))
    }

    fn is_over(&self) -> bool {
        self.ends_at.is_some_and(|end| end <= Instant::now())
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if !self.has_begun {
            self.has_begun = true;
            return Poll::Ready(Some(Ok(Frame::data(COMMENT))));
        }
        // Before the updates: one that is always there must not keep a stream beyond its token.
        if self.is_over() {
            return Poll::Ready(None);
        }
        let next = match self.stream.poll_next(context) {
            Poll::Ready(Wait::Next(update)) => {
                self.wind();
                Some(update.frame.clone())
            }
            Poll::Ready(Wait::Closed) => None,
            Poll::Pending if self.poll_left(context) => Some(COMMENT),
            Poll::Pending => ready!(self.poll_timer(context)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }
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
    let name = &hub.settings().cookie_name;
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| known == name).map(|(_, token)| (token.trim_matches('"').to_owned(), TokenSource::Cookie))
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
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("last-event-id"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// The answer to a browser that asks before it sends a request with a token.
fn preflight() -> Response<ResponseBody> {
    let mut response = plain(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    let fields = HeaderValue::from_static("authorization, cache-control, last-event-id");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields);
    response
}
