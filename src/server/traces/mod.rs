//! Sends finished spans to an OpenTelemetry collector (OTLP over HTTP), in batches and in the background.
//!
//! Nothing waits for it: makers of spans put them into a bounded queue (`crate::traces`). What a collector does not take after
//! a few attempts is lost, counted, and reported once until it takes spans again. The environment is read once: the first
//! configuration with a `tracing` starts the task, and later ones only switch the tracer.

mod json;
mod protobuf;

use crate::config::{Config, Site};
use crate::limits::{TRACE_ANSWER_BYTES_MAX, TRACE_ATTEMPTS_MAX, TRACE_FLUSH_MS_MAX, TRACE_RETRY_MS};
use crate::tls::{connector, reason};
use crate::traces::{self, Protocol, Record, Settings};
use bytes::Bytes;
use crossbeam_channel::Receiver;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// The end of a hint about the address of a collector.
const OF_HTTP: &str = ", with its port for HTTP, usually 4318";

/// What made the spans.
const SCOPE: &str = "igor";

/// What all spans belong to.
type Resource<'r> = &'r [(String, String)];

/// The exporter of a running server.
#[derive(Default)]
pub(super) struct Traces {
    /// Whether the environment was read.
    was_read: bool,
    running: Option<Running>,
}

struct Running {
    task: JoinHandle<()>,
    /// `true`: the last spans are sent, and the task ends.
    stop: watch::Sender<bool>,
}

impl Traces {
    /// Switches the tracer on if the configuration has a `tracing`, and off otherwise.
    pub(super) fn follow(&mut self, config: &Config) {
        let is_wanted = config.sites.iter().any(Site::is_traced);
        if is_wanted && !std::mem::replace(&mut self.was_read, true) {
            self.running = start();
        }
        traces::switch(is_wanted && self.running.is_some());
    }

    /// Sends what waits, for a short time at most.
    pub(super) async fn shut_down(&mut self) {
        traces::switch(false);
        let Some(Running { mut task, stop }) = self.running.take() else { return };
        let _ = stop.send(true);
        let limit = Duration::from_millis(TRACE_FLUSH_MS_MAX);
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the last spans were not sent: the collector took longer than {} s", limit.as_secs());
        }
    }
}

/// Reads the environment, and starts the task.
fn start() -> Option<Running> {
    let (settings, warnings) = Settings::read(|name| std::env::var(name).ok());
    warnings.iter().for_each(|warning| tracing::warn!("tracing: {warning}"));
    let Some(settings) = settings else {
        tracing::info!("tracing: the environment switches it off");
        return None;
    };
    let target = Target::new(&settings).map_err(|error| tracing::error!("tracing: {error}")).ok()?;
    let full = Arc::new(Notify::new());
    let wake = Arc::clone(&full);
    let records = traces::start(&settings, move || wake.notify_one())?;
    let (stop, stops) = watch::channel(false);
    tracing::info!(collector = target.shown(), "tracing: spans are sent");
    let exporter = Exporter { target, records, settings, stops, is_failing: false };
    Some(Running { task: tokio::spawn(exporter.run(full)), stop })
}

/// Where spans are sent.
struct Target {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    /// The fields of each request.
    fields: HeaderMap,
}

impl Target {
    fn new(settings: &Settings) -> Result<Self, String> {
        // The address may hold a password, so no message shows it.
        let variable = settings.endpoint_variable;
        let endpoint: Uri = settings
            .endpoint
            .parse()
            .map_err(|error| format!("{variable} is no address: {error}; write http://HOST:PORT{OF_HTTP}"))?;
        let scheme = endpoint.scheme_str();
        if !matches!(scheme, Some("http" | "https")) || endpoint.host().is_none() {
            return Err(format!("{variable} must begin with http:// or https://: write http://HOST:PORT{OF_HTTP}"));
        }
        let client = Client::builder(TokioExecutor::new()).build(connector(scheme == Some("https"))?);
        let mut fields = HeaderMap::new();
        for (name, value) in &settings.headers {
            let field = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, mut value) = field.ok_or("OTEL_EXPORTER_OTLP_HEADERS has a field that is not valid")?;
            value.set_sensitive(true);
            fields.append(name, value);
        }
        let kind = match settings.protocol {
            Protocol::Protobuf => "application/x-protobuf",
            Protocol::Json => "application/json",
        };
        let agent = concat!("OTel-OTLP-Exporter-Igor/", env!("CARGO_PKG_VERSION"));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        fields.insert(USER_AGENT, HeaderValue::from_static(agent));
        if settings.gzip {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self { client, endpoint, fields })
    }

    /// Host and port.
    fn shown(&self) -> String {
        let port = self.endpoint.port().map(|port| format!(":{port}"));
        format!("{}{}", self.endpoint.host().unwrap_or_default(), port.unwrap_or_default())
    }
}

/// Why spans were not taken.
struct Refused {
    reason: String,
    /// Whether the same spans may be taken later.
    may_retry: bool,
    /// How long the collector wants to be left alone.
    pause: Option<Duration>,
}

struct Exporter {
    target: Target,
    records: Receiver<Record>,
    settings: Settings,
    stops: watch::Receiver<bool>,
    /// Whether the last batch was lost.
    is_failing: bool,
}

impl Exporter {
    async fn run(mut self, full: Arc<Notify>) {
        let mut stops = self.stops.clone();
        loop {
            let is_last = tokio::select! {
                () = tokio::time::sleep(self.settings.delay) => false,
                () = full.notified() => false,
                _ = stops.wait_for(|stop| *stop) => true,
            };
            loop {
                let batch: Vec<Record> = self.records.try_iter().take(self.settings.batch_spans_max).collect();
                if batch.is_empty() {
                    break;
                }
                self.send(&batch).await;
            }
            if is_last {
                return;
            }
        }
    }

    /// Sends one batch, again and again if that may help; one that is not taken is lost.
    async fn send(&mut self, batch: &[Record]) {
        let body = self.body(batch);
        let mut pause = Duration::from_millis(TRACE_RETRY_MS);
        let mut attempts = 0;
        let refused = loop {
            attempts += 1;
            let refused = match self.post(body.clone()).await {
                Ok(()) => {
                    traces::note_export(batch.len(), true);
                    if std::mem::replace(&mut self.is_failing, false) {
                        tracing::info!("tracing: the collector takes spans again");
                    }
                    return;
                }
                Err(refused) => refused,
            };
            if !refused.may_retry
                || attempts >= TRACE_ATTEMPTS_MAX
                || !self.paused(refused.pause.unwrap_or(pause)).await
            {
                break refused;
            }
            pause *= 2;
        };
        traces::note_export(batch.len(), false);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                collector = self.target.shown(),
                spans = batch.len(),
                "tracing: the collector does not take spans, and they are lost: {}",
                refused.reason
            );
        }
    }

    /// Waits; `false` when the server stops.
    async fn paused(&mut self, pause: Duration) -> bool {
        let pause = pause.min(self.settings.export_max);
        tokio::time::timeout(pause, self.stops.wait_for(|stop| *stop)).await.is_err()
    }

    fn body(&self, batch: &[Record]) -> Bytes {
        let resource = &self.settings.resource;
        let plain = match self.settings.protocol {
            Protocol::Protobuf => protobuf::encoded(resource, batch),
            Protocol::Json => json::encoded(resource, batch),
        };
        if !self.settings.gzip {
            return plain.into();
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writes to memory do not fail.
        let written = encoder.write_all(&plain).and_then(|()| encoder.finish());
        written.unwrap_or_default().into()
    }

    async fn post(&self, body: Bytes) -> Result<(), Refused> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.endpoint.clone();
        *request.headers_mut() = self.target.fields.clone();
        let answer = async {
            let response = self.target.client.request(request).await.map_err(|error| Refused {
                reason: format!("{}; {} names it{OF_HTTP}", reason(&error), self.settings.endpoint_variable),
                may_retry: true,
                pause: None,
            })?;
            let (parts, body) = response.into_parts();
            // Read to its end, so that the connection can be used again.
            let text = Limited::new(body, TRACE_ANSWER_BYTES_MAX).collect().await.map(|body| body.to_bytes());
            judge(parts.status, &parts.headers, &text.unwrap_or_default())
        };
        let late = |_| {
            let reason = "it took longer than OTEL_EXPORTER_OTLP_TIMEOUT allows".to_owned();
            Err(Refused { reason, may_retry: true, pause: None })
        };
        tokio::time::timeout(self.settings.export_max, answer).await.unwrap_or_else(late)
    }
}

/// Which statuses may be tried again is a part of OTLP.
fn judge(status: StatusCode, fields: &HeaderMap, text: &[u8]) -> Result<(), Refused> {
    if status.is_success() {
        return Ok(());
    }
    let may_retry = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let pause = fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // Of protobuf, only the letters can be read.
    let text: String = String::from_utf8_lossy(text).chars().filter(|letter| !letter.is_control()).collect();
    let reason = format!("status {status}: {}{}", text.trim(), way_out(status));
    Err(Refused { reason, may_retry, pause: pause.map(Duration::from_secs) })
}

/// What the operator can do about a status, as the end of a message.
fn way_out(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 415 => "; OTEL_EXPORTER_OTLP_PROTOCOL chooses another form",
        401 | 403 => "; OTEL_EXPORTER_OTLP_HEADERS takes the fields that it wants",
        404 | 405 => "; OTEL_EXPORTER_OTLP_TRACES_ENDPOINT needs the whole path, usually /v1/traces",
        _ => "",
    }
}
