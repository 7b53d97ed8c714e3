//! Handlers in which another server answers, and those that look at a response: `reverse_proxy`, `forward_auth`,
//! `intercept`, `copy_response`.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, request};
use http_body::Body;
use http_body_util::Empty;

use super::access_log::HandledBy;
use super::answer::{Outcome, RequestContext, Run, status};
use super::body::ResponseBody;
use super::changes;
use super::failure::Failure;
use super::header_rules::{HeaderChanges, fits};
use super::interim::InterimSlot;
use super::plain::plain;
use super::proxy::headers::Sender;
use super::proxy::{ProxyError, SetCookie};
use super::remote_php;
use super::request::RequestState;
use super::settings::{ProxyRoute, ReplyRoutes};
use crate::config::{HeaderRule, RequestView, Status, UpstreamAddress};
use crate::limits;

/// Stores the upstream that is asked, for placeholders.
fn name_upstream(request: &mut RequestState<'_>, upstream: &UpstreamAddress) {
    let (network, host, port) = match upstream {
        UpstreamAddress::Tcp { host, port } => ("tcp/", host.clone(), port.to_string()),
        UpstreamAddress::Unix(path) => ("", path.display().to_string(), String::new()),
    };
    request.store("http.reverse_proxy.upstream.address", format!("{network}{upstream}"));
    request.store("http.reverse_proxy.upstream.hostport", upstream.to_string());
    request.store("http.reverse_proxy.upstream.host", host);
    request.store("http.reverse_proxy.upstream.port", port);
}

/// The boxed future of handlers that contain others: the type would otherwise contain itself.
type Boxed<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

impl<'s> RequestContext<'s> {
    /// Lets an upstream answer.
    pub(super) fn proxy<'a, B>(&'a mut self, route: &'s ProxyRoute, run: &'a mut Run<'s, B>) -> Boxed<'a>
    where
        's: 'a,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        Box::pin(async move {
            self.handled_by = HandledBy::Directive("reverse_proxy");
            let began = Instant::now();
            let (parts, takes_body) = prepared(route, &run.request);
            let sender = Sender {
                connection: *self.connection,
                client_ip: run.request.client_ip(),
                is_trusted: self.is_trusted(route),
                body_bytes_max: run.body_bytes_max,
                body_read_max: run.body_read_max,
            };
            let request = &mut run.request;
            let connection = self.connection;
            let prepare = |parts: &mut request::Parts, upstream: &UpstreamAddress| {
                name_upstream(request, upstream);
                changes::change_headers(&route.request_headers, &mut parts.headers, request);
                if let Some(settings) = route.proxy.fastcgi() {
                    let params = remote_php::params(settings, parts, request, connection);
                    parts.extensions.insert(params);
                }
            };
            let sent = match run.body.take_if(|_| takes_body) {
                Some(body) => unless_gone(self.interim, route.proxy.send(&sender, parts, body, prepare)).await,
                None => {
                    let body = Empty::<Bytes>::new();
                    unless_gone(self.interim, route.proxy.send(&sender, parts, body, prepare)).await
                }
            };
            note_latency(&mut run.request, began.elapsed());
            let Some(sent) = sent else { return Outcome::Failed(Failure::new(StatusCode::GATEWAY_TIMEOUT)) };
            let mut response = match sent {
                Ok(response) => response,
                Err(error) => return failed_by(&error),
            };
            if let Some(SetCookie(cookie)) = response.extensions_mut().remove() {
                run.request.changes.get_or_insert_default().append(header::SET_COOKIE, cookie);
            }
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Outcome::Answered(response);
            }
            let stored_as = "http.reverse_proxy";
            match self.replied(&route.replies, response, stored_as, Some(&route.response_headers), run).await {
                Replied::AsItIs(mut response) => {
                    change_response(&route.response_headers, &mut response, &run.request);
                    Outcome::Answered(response)
                }
                Replied::Routes(outcome) => outcome,
            }
        })
    }

    /// Whether the peer is a trusted proxy.
    fn is_trusted(&self, route: &ProxyRoute) -> bool {
        let peer = self.connection.remote.ip().to_canonical();
        self.site.trusted_proxies.is_trusted(peer) || route.trusted.iter().any(|range| range.contains(peer))
    }

    /// Applies the `intercept` directives that the request has passed to its response.
    pub(super) async fn intercept<B>(&mut self, mut outcome: Outcome, run: &mut Run<'s, B>) -> Outcome
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        while let Some(replies) = run.intercepts.pop() {
            let Outcome::Answered(response) = outcome else { return outcome };
            let (before, was) = (response.headers().clone(), response.status());
            outcome = match self.replied(replies, response, "http.intercept", None, run).await {
                Replied::AsItIs(response) => Outcome::Answered(response),
                // As in Caddy, a request that the routes do not answer keeps its response.
                Replied::Routes(Outcome::GoOn) => match run.replied.take() {
                    Some((response, _)) => Outcome::Answered(response),
                    None => Outcome::Answered(plain(was, "")),
                },
                Replied::Routes(Outcome::Answered(response)) => Outcome::Answered(with_fields(response, &before)),
                Replied::Routes(failed) => failed,
            };
            run.replied = None;
        }
        outcome
    }

    /// Applies the first of the replies that matches the response.
    async fn replied<B>(
        &mut self,
        replies: &'s [ReplyRoutes],
        mut response: Response<ResponseBody>,
        stored_as: &str,
        on_copy: Option<&'s HeaderRule>,
        run: &mut Run<'s, B>,
    ) -> Replied
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let is_meant = |reply: &&ReplyRoutes| fits(&reply.matcher, response.status(), response.headers());
        let Some(reply) = replies.iter().find(is_meant) else { return Replied::AsItIs(response) };
        store(&mut run.request, stored_as, &response);
        if let Some(replaced) = &reply.status {
            let was = response.status();
            *response.status_mut() = status(replaced, was, &run.request);
            return Replied::AsItIs(response);
        }
        run.replied = Some((response, on_copy));
        let outcome = self.walk(&reply.routes, run).await;
        Replied::Routes(outcome)
    }

    /// The current response.
    pub(super) fn copy_response<B>(&mut self, named: &Status, run: &mut Run<'s, B>) -> Outcome {
        let Some((mut response, changes)) = run.replied.take() else {
            let message = "there is no response to copy".to_owned();
            return Outcome::Failed(Failure { status: StatusCode::INTERNAL_SERVER_ERROR, message });
        };
        let was = response.status();
        *response.status_mut() = if *named == Status::Usual { was } else { status(named, was, &run.request) };
        if let Some(changes) = changes {
            change_response(changes, &mut response, &run.request);
        }
        Outcome::Answered(response)
    }
}

/// What the future returns. `None`: the client closed its sending side a while ago, so it is most likely gone.
async fn unless_gone<T>(connection: Option<&Arc<InterimSlot>>, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut patience) = (pin!(future), None);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        // The connection reads on the task of this request, so there is no need to be woken for it.
        if !connection.is_some_and(|slot| slot.is_half_closed()) {
            return Poll::Pending;
        }
        let limit = Duration::from_secs(limits::PROXY_HALF_CLOSED_SECONDS_MAX);
        let patience = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        patience.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// How long the upstream took for the head of its response, or for its failure.
fn note_latency(request: &mut RequestState<'_>, latency: Duration) {
    request.store("http.reverse_proxy.upstream.latency", format!("{latency:?}"));
    request.store("http.reverse_proxy.upstream.latency_ms", (latency.as_secs_f64() * 1e3).to_string());
}

/// The outcome of a response.
enum Replied {
    /// It stays, perhaps with another status.
    AsItIs(Response<ResponseBody>),
    /// The request went through other routes.
    Routes(Outcome),
}

fn failed_by(error: &ProxyError) -> Outcome {
    Outcome::Failed(Failure { status: error.status(), message: error.to_string() })
}

/// The head of the request for the upstream, and whether its body is sent too.
fn prepared(route: &ProxyRoute, request: &RequestState<'_>) -> (request::Parts, bool) {
    let mut parts = request.parts.clone();
    if let Some(to) = &route.rewrite {
        let (path, query) = changes::target(to, request);
        parts.uri = request.uri_with(&path, query.as_deref()).0;
    }
    let Some(method) = &route.method else { return (parts, true) };
    if let Ok(method) = Method::from_bytes(method.render(request).to_ascii_uppercase().as_bytes()) {
        parts.method = method;
    }
    let takes_body = !matches!(parts.method, Method::GET | Method::HEAD);
    if !takes_body {
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::TRANSFER_ENCODING);
    }
    (parts, takes_body)
}

fn change_response(rule: &HeaderRule, response: &mut Response<ResponseBody>, request: &RequestState<'_>) {
    if !rule.ops.is_empty() {
        let mut changes = HeaderChanges::default();
        changes.add(rule, request);
        changes.apply(response.status(), response.headers_mut(), false);
    }
}

/// Stores the placeholders about a response.
fn store(request: &mut RequestState<'_>, prefix: &str, response: &Response<ResponseBody>) {
    let status = response.status();
    request.store(&format!("{prefix}.status_code"), status.as_str().to_owned());
    request.store(&format!("{prefix}.status_text"), status.canonical_reason().unwrap_or_default().to_owned());
    for name in response.headers().keys() {
        let values = response.headers().get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let value = values.collect::<Vec<_>>().join(",");
        request.store(&format!("{prefix}.header.{name}"), value);
    }
}

/// Keeps the fields of a replaced response, except those that describe the old body.
fn with_fields(mut response: Response<ResponseBody>, before: &HeaderMap) -> Response<ResponseBody> {
    let of_body = [
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::TRANSFER_ENCODING,
        header::ACCEPT_RANGES,
        header::ETAG,
        header::LAST_MODIFIED,
    ];
    for name in before.keys().filter(|name| !of_body.contains(name)) {
        // As in Caddy, a handler that sends a body keeps an existing type, and replaces the other fields that it sets.
        if *name == header::CONTENT_TYPE || !response.headers().contains_key(name) {
            response.headers_mut().remove(name);
            for value in before.get_all(name) {
                response.headers_mut().append(name.clone(), value.clone());
            }
        }
    }
    response
}
