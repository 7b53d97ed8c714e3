//! The span of a request that matches a `tracing`.
//!
//! It takes the context of the caller over from `traceparent`, and replaces that field by its own context: scripts and upstreams
//! see the server's span as theirs. The request keeps the context among its extensions, for the run of its script.

use http::{HeaderName, HeaderValue, StatusCode, Version};

use super::access_log::{HandledBy, LogNotes};
use super::request::RequestState;
use crate::config::{RequestView, Text, Tracing};
use crate::secrets::redact_uri;
use crate::traces::{self, Kind, Span, TraceContext, Value};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A span, and what it waits for.
pub(super) struct RequestSpan<'s> {
    span: Box<Span>,
    /// `span_attributes`, with the facts of the request.
    attributes: Vec<(&'s str, Text)>,
}

impl<'s> RequestSpan<'s> {
    /// Begins it. `None`: nothing is traced, and the request stays as it is.
    pub(super) fn begin(settings: &'s Tracing, request: &mut RequestState<'s>) -> Option<Self> {
        let tracer = traces::tracer()?;
        let caller = traceparent(request).and_then(|value| tracer.of_caller(value.as_bytes()));
        let name = || match &settings.span {
            Some(name) => name.render(request),
            None => request.method().to_owned(),
        };
        let mut span = Box::new(tracer.span(name, Kind::Server, caller));
        let mut attributes = Vec::new();
        if span.is_recorded() {
            describe(&mut span, request);
            attributes.extend(settings.attributes.iter().map(|(name, text)| (name.as_str(), text.with_facts(request))));
        }
        let context = span.context();
        if tracer.takes_over() {
            pass_on(request, &mut span, caller.is_some());
        }
        request.parts.extensions.insert(context);
        // As in Caddy.
        request.store("http.vars.trace_id", trace_id(context));
        request.store("http.vars.span_id", span_id(context));
        Some(Self { span, attributes })
    }

    /// The response has these fields: the attributes have their values, and the access log learns which span it was.
    pub(super) fn note_answer(
        &mut self,
        request: &mut RequestState<'s>,
        response: &http::HeaderMap,
        notes: &mut LogNotes,
    ) {
        for (name, value) in request.rendered(&self.attributes, response) {
            self.span.set(name, value.as_str());
        }
        let context = self.span.context();
        // Caddy's names.
        notes.appended.push(("traceID".to_owned(), trace_id(context)));
        notes.appended.push(("spanID".to_owned(), span_id(context)));
    }

    /// There is a response. The span ends when it is dropped.
    pub(super) fn answered(mut self, status: StatusCode, handled_by: HandledBy<'_>) -> Box<Span> {
        if self.span.is_recorded() {
            self.span.set("http.response.status_code", i64::from(status.as_u16()));
            self.span.set("igor.handler", handled_by.label().as_ref());
            if status.is_server_error() {
                self.span.set("error.type", status.as_str());
                self.span.fail("");
            }
        }
        self.span
    }
}

/// The field of the caller. Several of them are not valid.
fn traceparent(request: &RequestState<'_>) -> Option<HeaderValue> {
    let mut values = request.parts.headers.get_all(TRACEPARENT).iter();
    values.next().filter(|_| values.next().is_none()).cloned()
}

/// Scripts and upstreams get the context of the span. `tracestate` belongs to the context of the caller, so it stays only with
/// that one.
fn pass_on(request: &mut RequestState<'_>, span: &mut Span, has_caller: bool) {
    let headers = &mut request.parts.headers;
    if has_caller {
        let lines: Vec<&str> = headers.get_all(TRACESTATE).iter().filter_map(|line| line.to_str().ok()).collect();
        span.set_state(&lines.join(","));
    } else {
        headers.remove(TRACESTATE);
    }
    if let Ok(value) = HeaderValue::try_from(span.context().to_string()) {
        headers.insert(TRACEPARENT, value);
    }
}

/// The attributes by the names of OpenTelemetry's conventions for HTTP servers. Secrets are masked as in access logs.
fn describe(span: &mut Span, request: &RequestState<'_>) {
    let uri = redact_uri(request.original_uri());
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    span.set("http.request.method", request.original_method());
    span.set("url.scheme", request.scheme());
    span.set("url.path", path);
    if !query.is_empty() {
        span.set("url.query", query);
    }
    span.set("server.address", request.host());
    span.set("server.port", i64::from(request.port()));
    span.set("client.address", request.client_ip().to_string().as_str());
    span.set("network.protocol.version", version(request.parts.version));
    if let Some(agent) = request.parts.headers.get(http::header::USER_AGENT) {
        span.set("user_agent.original", Value::from(&*String::from_utf8_lossy(agent.as_bytes())));
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

fn trace_id(context: TraceContext) -> String {
    format!("{:032x}", u128::from_be_bytes(context.trace()))
}

fn span_id(context: TraceContext) -> String {
    format!("{:016x}", u64::from_be_bytes(context.id()))
}
