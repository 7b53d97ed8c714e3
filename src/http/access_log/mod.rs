//! One record for each request, written when its response has ended: level info, and error for a 5xx.
//!
//! A record goes to the sinks of its site, or, if the site has none, to `tracing` with the target [`TARGET`]. Secrets
//! are masked here, so no sink can forget to do it.

mod redact;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header, request};
use http_body::{Body, SizeHint};

pub use redact::{REDACTED, redact_field, redact_uri};

use super::connection::ConnectionInfo;
use super::params::{Front, Params};
use crate::exchange::{Pairs, Usage, Used};

/// nginx's status for a client that disconnected before the response.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The target of the records.
pub const TARGET: &str = "access";

/// The field of a record that names its site.
pub const SITE_FIELD: &str = "site";

/// Receives the records of a site.
pub trait AccessSink: Send + Sync {
    /// Whether it wants a record with this status.
    fn wants(&self, status: u16) -> bool;
    /// The facts that it shows beside the usual ones.
    fn details(&self) -> Details;
    /// Writes a record. Must not block for long: it is called on threads of the async runtime.
    fn write(&self, record: &AccessRecord);
}

/// Facts of a record that are kept only if a sink shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    /// All header fields of the request and of the response.
    pub headers: bool,
    /// What a web server in front has sent, and the script.
    pub params: bool,
    /// What the request has used of its PHP thread.
    pub usage: bool,
}

impl Details {
    fn and(self, other: Self) -> Self {
        Self {
            headers: self.headers || other.headers,
            params: self.params || other.params,
            usage: self.usage || other.usage,
        }
    }
}

/// The destination of a site's records.
#[derive(Clone, Default)]
pub enum AccessLog {
    /// No records are made.
    #[default]
    Off,
    /// To `tracing`, for a program with its own subscriber.
    Tracing,
    /// To each of these.
    Sinks(Arc<[Arc<dyn AccessSink>]>),
}

/// The handler that answered.
#[derive(Clone, Copy, Default)]
pub(super) enum HandledBy<'s> {
    /// No handler of the site took this request, or it panicked.
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
    /// As records show it: the directive, `php`, `worker:NAME`, or nothing.
    pub(super) fn label(self) -> Cow<'static, str> {
        match self {
            Self::Nobody => Cow::Borrowed(""),
            Self::Directive(name) => Cow::Borrowed(name),
            Self::Classic => Cow::Borrowed("php"),
            Self::Worker(name) => Cow::Owned(format!("worker:{name}")),
        }
    }

    /// Whether a PHP script made the response.
    pub(super) fn is_script(self) -> bool {
        matches!(self, Self::Classic | Self::Worker(_))
    }
}

/// The directives' settings for the record of a request.
#[derive(Debug, Default)]
pub(super) struct LogNotes {
    /// `log_skip`: there is none.
    pub(super) skipped: bool,
    /// `log_append`: further fields, in order.
    pub(super) appended: Vec<(String, String)>,
}

/// The record of a request and its response; logged when it is dropped.
pub struct AccessRecord {
    /// The sinks that get the record.
    log: AccessLog,
    /// When the request came.
    pub time: SystemTime,
    /// For the duration: `time` may jump.
    started: Instant,
    /// The method.
    pub method: Method,
    /// As the client sent it, before any rewrite.
    uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The header field, with the port.
    host: Option<HeaderValue>,
    /// Kept on its own, because lines of text have it without the other fields.
    user_agent: Option<HeaderValue>,
    /// Kept in the same way.
    referrer: Option<HeaderValue>,
    /// All fields of the request, if a sink wants them.
    pub request_headers: Option<HeaderMap>,
    /// The client's address on the connection.
    pub remote: SocketAddr,
    /// Whether the connection was encrypted.
    pub tls: bool,
    /// The label of the site.
    pub site: String,
    /// The directive, `php`, or `worker:NAME`.
    pub handler: String,
    /// The status of the response; 499 if the client left before there was one.
    pub status: u16,
    /// The fields of the response, if a sink wants them.
    pub response_headers: Option<HeaderMap>,
    /// How many bytes of the body were sent.
    pub bytes: u64,
    /// The length of the body; `None` if it is only known at the end.
    expected: Option<u64>,
    /// Whether the whole body was sent.
    ended: bool,
    /// `log_append`: more fields, in order.
    pub appended: Vec<(String, String)>,
    /// The parameters from a web server in front, if a sink wants them and there is one.
    pub params: Option<Pairs>,
    /// The address of the other side of the connection: of a web server in front, or of the client. `None`: it came by a
    /// Unix socket.
    pub front: Option<IpAddr>,
    /// The script that a web server in front has named, if there is such a file.
    pub script: Option<PathBuf>,
    /// What the request has used of its PHP thread, if a sink wants it.
    usage: Option<Arc<Usage>>,
}

impl AccessRecord {
    /// Starts a record. `None`, without an allocation, if no sink wants it.
    pub(super) fn start(
        parts: &request::Parts,
        connection: &ConnectionInfo,
        log: &AccessLog,
        site: &str,
    ) -> Option<Box<Self>> {
        let wanted = match log {
            AccessLog::Off => return None,
            AccessLog::Tracing => {
                tracing::enabled!(target: TARGET, tracing::Level::ERROR).then_some(Details::default())?
            }
            AccessLog::Sinks(sinks) => sinks.iter().map(|sink| sink.details()).fold(Details::default(), Details::and),
        };
        let params = parts.extensions.get().filter(|_| wanted.params).map(|Params(params)| params.clone());
        let field = |name| parts.headers.get(name).cloned();
        Some(Box::new(Self {
            log: log.clone(),
            time: SystemTime::now(),
            started: Instant::now(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            host: field(header::HOST),
            user_agent: field(header::USER_AGENT),
            referrer: field(header::REFERER),
            request_headers: wanted.headers.then(|| parts.headers.clone()),
            remote: connection.remote,
            tls: connection.tls,
            site: site.to_owned(),
            handler: String::new(),
            status: CLIENT_CLOSED_REQUEST,
            response_headers: None,
            bytes: 0,
            expected: Some(0),
            ended: false,
            appended: Vec::new(),
            params,
            front: parts
                .extensions
                .get()
                .map_or(Some(connection.remote.ip().to_canonical()), |Front(address)| *address),
            script: None,
            usage: wanted.usage.then(Arc::default),
        }))
    }

    /// Where a PHP thread notes what the request has used, if a sink wants it.
    pub(super) fn usage(&self) -> Option<Arc<Usage>> {
        self.usage.clone()
    }

    /// What the request has used of its PHP thread; `None`: it has reached none, or no sink wants it.
    pub fn used(&self) -> Option<Used> {
        self.usage.as_ref()?.get()
    }

    /// Writes the record of a request whose head is invalid: only its sender is known.
    pub(super) fn unreadable(connection: &ConnectionInfo, log: &AccessLog, status: StatusCode) {
        let mut parts = http::Request::new(()).into_parts().0;
        // Its method and its path are not known, so the record has none.
        parts.method = Method::from_bytes(b"-").unwrap_or_default();
        parts.uri = "-".parse().unwrap_or_default();
        if let Some(mut record) = Self::start(&parts, connection, log, "") {
            record.handler = "unreadable".to_owned();
            record.status = status.as_u16();
        }
    }

    /// Records the head of the response, and how its end will be noticed.
    pub(super) fn note_response(&mut self, response: &http::Response<impl Body>, handled_by: HandledBy<'_>) {
        self.handler = handled_by.label().into_owned();
        self.status = response.status().as_u16();
        self.response_headers = self.request_headers.is_some().then(|| response.headers().clone());
        let promised =
            response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let is_bodiless = self.method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED;
        self.expected =
            if is_bodiless { Some(0) } else { promised.or_else(|| SizeHint::exact(&response.body().size_hint())) };
    }

    /// Adds the changes by the directives of a site.
    pub(super) fn set_notes(&mut self, notes: LogNotes) {
        self.appended = notes.appended;
        if notes.skipped {
            self.log = AccessLog::Off;
        }
    }

    pub(super) fn add_bytes(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    pub(super) fn mark_ended(&mut self) {
        self.ended = true;
    }

    /// Whether the client got the whole response.
    pub fn is_complete(&self) -> bool {
        self.status != CLIENT_CLOSED_REQUEST && self.expected.map_or(self.ended, |expected| self.bytes >= expected)
    }

    /// How long ago the request came.
    pub fn duration(&self) -> Duration {
        self.started.elapsed()
    }

    /// The client's address. An IPv4 address is written as such, even on a socket that serves both.
    pub fn remote_ip(&self) -> IpAddr {
        self.remote.ip().to_canonical()
    }

    /// The requested host with its port; empty when there is none.
    pub fn host(&self) -> Cow<'_, str> {
        lossy(self.host.as_ref())
    }

    /// Path and query as they were sent, as [`redact_uri`] leaves them.
    pub fn uri(&self) -> String {
        redact_uri(&self.raw_uri()).into_owned()
    }

    /// Path and query as they were sent, with all secrets.
    pub fn raw_uri(&self) -> String {
        match self.uri.path_and_query() {
            // From HTTP/2 on, the library puts the host of `:authority` into the URI, which has a field of its own here.
            Some(path) if self.version >= Version::HTTP_2 => path.as_str().to_owned(),
            _ => self.uri.to_string(),
        }
    }

    /// `User-Agent`; empty when there is none.
    pub fn user_agent(&self) -> Cow<'_, str> {
        lossy(self.user_agent.as_ref())
    }

    /// `Referer`, as [`redact_uri`] leaves it; empty when there is none.
    pub fn referrer(&self) -> String {
        redact_uri(&lossy(self.referrer.as_ref())).into_owned()
    }
}

/// A log is text; bytes that are not UTF-8 are replaced.
fn lossy(value: Option<&HeaderValue>) -> Cow<'_, str> {
    value.map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()))
}

/// Emits the record; a macro, because tracing fixes the level at each call site.
macro_rules! record {
    ($record:ident, $level:expr) => {
        tracing::event!(
            target: TARGET,
            $level,
            { SITE_FIELD } = $record.site.as_str(),
            remote = %SocketAddr::new($record.remote_ip(), $record.remote.port()),
            method = %$record.method,
            host = &*$record.host(),
            uri = $record.uri().as_str(),
            protocol = ?$record.version,
            status = $record.status,
            bytes = $record.bytes,
            duration_us = $record.duration().as_micros() as u64,
            handler = %$record.handler,
            complete = $record.is_complete(),
            user_agent = &*$record.user_agent(),
            referrer = $record.referrer().as_str(),
        )
    };
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        // As in Caddy, a failure of the server is an error.
        match &self.log {
            AccessLog::Off => {}
            AccessLog::Tracing if self.status >= 500 => record!(self, tracing::Level::ERROR),
            AccessLog::Tracing => record!(self, tracing::Level::INFO),
            AccessLog::Sinks(sinks) => {
                sinks.iter().filter(|sink| sink.wants(self.status)).for_each(|sink| sink.write(self));
            }
        }
    }
}
