//! One record for each request, written when its response has ended: level info, and error for a 5xx.

use std::net::SocketAddr;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Uri, Version, header, request};
use http_body::{Body, SizeHint};

use super::connection::ConnectionInfo;

/// What nginx logs for a client that hung up before there was an answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The target of the records.
pub const TARGET: &str = "access";

/// The field of a record that names its site.
pub const SITE_FIELD: &str = "site";

/// Who answered.
#[derive(Clone, Copy, Default)]
pub(super) enum HandledBy<'s> {
    /// No handler of the site was for this request, or it panicked.
    #[default]
    Nobody,
    /// The handler of this directive.
    Directive(&'static str),
    /// A script on a classic thread.
    Classic,
    /// The HTTP worker of this name.
    Worker(&'s str),
}

impl HandledBy<'_> {
    /// Whether the response is that of a PHP script.
    pub(super) fn is_script(self) -> bool {
        matches!(self, Self::Classic | Self::Worker(_))
    }
}

/// What is known of a request and its response; logged when it is dropped.
pub(super) struct AccessRecord {
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    remote: SocketAddr,
    site: String,
    started: Instant,
    handler: String,
    status: u16,
    bytes: u64,
    /// How long the body will be; `None` when only its end tells.
    expected: Option<u64>,
    ended: bool,
}

impl AccessRecord {
    /// Starts a record. `None`, and nothing allocated, when nobody listens to the target.
    pub(super) fn start(parts: &request::Parts, connection: &ConnectionInfo, site: &str) -> Option<Box<Self>> {
        tracing::enabled!(target: TARGET, tracing::Level::ERROR).then(|| {
            Box::new(Self {
                method: parts.method.clone(),
                uri: parts.uri.clone(),
                version: parts.version,
                host: parts.headers.get(header::HOST).cloned(),
                remote: connection.remote,
                site: site.to_owned(),
                started: Instant::now(),
                handler: String::new(),
                status: CLIENT_CLOSED_REQUEST,
                bytes: 0,
                expected: Some(0),
                ended: false,
            })
        })
    }

    /// Notes the head of the response and what will tell its end.
    pub(super) fn note_response(&mut self, response: &http::Response<impl Body>, handled_by: HandledBy<'_>) {
        self.handler = match handled_by {
            HandledBy::Nobody => String::new(),
            HandledBy::Directive(name) => name.to_owned(),
            HandledBy::Classic => "php".to_owned(),
            HandledBy::Worker(name) => format!("worker:{name}"),
        };
        self.status = response.status().as_u16();
        let promised =
            response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let is_bodiless = self.method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED;
        self.expected =
            if is_bodiless { Some(0) } else { promised.or_else(|| SizeHint::exact(&response.body().size_hint())) };
    }

    pub(super) fn add_bytes(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    pub(super) fn mark_ended(&mut self) {
        self.ended = true;
    }

    fn is_complete(&self) -> bool {
        self.status != CLIENT_CLOSED_REQUEST && self.expected.map_or(self.ended, |expected| self.bytes >= expected)
    }
}

/// Emits the record; a macro, because a level is part of the place in the code.
macro_rules! record {
    ($record:ident, $level:expr) => {
        tracing::event!(
            target: TARGET,
            $level,
            { SITE_FIELD } = $record.site.as_str(),
            remote = %$record.remote,
            method = %$record.method,
            host = $record.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default(),
            uri = %$record.uri,
            protocol = ?$record.version,
            status = $record.status,
            bytes = $record.bytes,
            duration_us = $record.started.elapsed().as_micros() as u64,
            handler = %$record.handler,
            complete = $record.is_complete(),
        )
    };
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        // As in Caddy, what failed on this side is an error.
        if self.status >= 500 {
            record!(self, tracing::Level::ERROR);
        } else {
            record!(self, tracing::Level::INFO);
        }
    }
}
