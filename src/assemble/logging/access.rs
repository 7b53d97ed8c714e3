//! The access logs of sites. Each `log` directive is a sink: it formats a record as JSON, applies its filters and writes
//! it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use super::filters::Filters;
use super::output::LogWriter;
use super::{php_fpm, time};
use crate::config::{
    FpmLog, Global, LogDuration, LogFormat, LogLevel, LogSettings, LogStyle, LogTime, Site, host_matches,
};
use crate::http::access_log::{self, AccessLog, AccessRecord, AccessSink, Details, redact_field};
use crate::http::cgi::protocol_name;

/// The log outputs of a site. A `log` without an output writes to the process's log.
///
/// # Errors
/// A log file cannot be opened.
pub(in super::super) fn access_log(site: &Site, global: &Global) -> std::io::Result<AccessLog> {
    let sinks = site.access_logs.iter().map(|own| sink(own, global)).collect::<std::io::Result<Vec<_>>>()?;
    Ok(if sinks.is_empty() { AccessLog::Off } else { AccessLog::Sinks(sinks.into()) })
}

/// A `log` without any setting uses the settings of the process's log.
fn sink(own: &LogSettings, global: &Global) -> std::io::Result<Arc<dyn AccessSink>> {
    let is_of_process = *own == LogSettings::default();
    let settings = if is_of_process { &global.log } else { own };
    Ok(Arc::new(Sink::new(settings, is_of_process, global.debug)?))
}

/// One log that a site writes to.
struct Sink {
    writer: LogWriter,
    format: LogFormat,
    /// php-fpm's lines, in place of `format`.
    fpm: Option<FpmLog>,
    /// How its time, duration and level are written.
    style: LogStyle,
    /// Applied to each record before it is written.
    filters: Filters,
    /// Only records of these hosts are written; empty: all.
    hostnames: Vec<String>,
    /// Whether cookies and authorizations are written as they are.
    credentials: bool,
    /// Whether records of successful requests are written, too.
    wants_info: bool,
    /// The process's log also has a filter that the environment can set.
    is_of_process: bool,
}

impl Sink {
    fn new(settings: &LogSettings, is_of_process: bool, debug: bool) -> std::io::Result<Self> {
        Ok(Self {
            writer: LogWriter::open(&settings.output, settings.format)?,
            format: settings.format,
            fpm: settings.fpm.clone(),
            style: settings.style,
            filters: Filters::new(&settings.filters),
            hostnames: settings.hostnames.clone(),
            credentials: settings.credentials,
            wants_info: debug || !matches!(settings.level, Some(LogLevel::Warn | LogLevel::Error)),
            is_of_process,
        })
    }

    /// Compares without the port.
    fn is_of_host(&self, record: &AccessRecord) -> bool {
        let host = record.host();
        let bare = host.rsplit_once(':').map_or(&*host, |(bare, _)| bare);
        self.hostnames.is_empty() || self.hostnames.iter().any(|wanted| host_matches(wanted, bare))
    }
}

impl AccessSink for Sink {
    fn wants(&self, status: u16) -> bool {
        let is_error = status >= 500;
        if self.is_of_process {
            return if is_error {
                tracing::enabled!(target: access_log::TARGET, tracing::Level::ERROR)
            } else {
                tracing::enabled!(target: access_log::TARGET, tracing::Level::INFO)
            };
        }
        is_error || self.wants_info
    }

    fn details(&self) -> Details {
        match &self.fpm {
            Some(log) => php_fpm::details(log),
            None => Details { headers: self.format == LogFormat::Json, ..Details::default() },
        }
    }

    fn write(&self, record: &AccessRecord) {
        if !self.is_of_host(record) {
            return;
        }
        if let Some(log) = &self.fpm {
            if let Some(mut line) = php_fpm::line(log, record, self.credentials) {
                line.push('\n');
                self.writer.write_record(&line);
            }
            return;
        }
        let mut fields = describe(record, self.style, self.credentials);
        self.filters.apply(&mut fields);
        let mut line = match self.format {
            LogFormat::Json => Value::Object(fields).to_string(),
            LogFormat::Text => text(record, &fields),
        };
        line.push('\n');
        self.writer.write_record(&line);
    }
}

/// A response of 5xx is an error.
fn level(status: u16) -> &'static str {
    if status >= 500 { "error" } else { "info" }
}

/// The record in the format of Caddy's access logs, so that their tools can read it, with Igor's own fields added.
fn describe(record: &AccessRecord, style: LogStyle, credentials: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("level", level_field(record.status, style.upper_level));
    put("ts", moment(record, style.time));
    put("logger", "http.log.access".into());
    put("msg", "handled request".into());
    put("request", request(record, credentials));
    put("duration", duration(record.duration(), style.duration));
    put("size", record.bytes.into());
    put("status", record.status.into());
    if let Some(sent) = &record.response_headers {
        put("resp_headers", headers(sent, credentials));
    }
    put("site", record.site.clone().into());
    put("handler", record.handler.clone().into());
    put("complete", record.is_complete().into());
    for (name, value) in &record.appended {
        put(name, value.clone().into());
    }
    fields
}

/// The field `request`, with the names that Caddy uses.
fn request(record: &AccessRecord, credentials: bool) -> Value {
    let ip = record.remote_ip().to_string();
    let mut request = json!({
        "remote_ip": ip,
        "remote_port": record.remote.port().to_string(),
        "client_ip": ip,
        "proto": protocol_name(record.version),
        "method": record.method.as_str(),
        "host": record.host(),
        "uri": if credentials { record.raw_uri() } else { record.uri() },
    });
    if let Some(sent) = &record.request_headers {
        request["headers"] = headers(sent, credentials);
    }
    if record.tls {
        request["tls"] = json!({});
    }
    request
}

fn headers(sent: &HeaderMap, credentials: bool) -> Value {
    let mut fields = Map::new();
    for name in sent.keys() {
        let shown = |value: &http::HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Value::from(if credentials { text } else { redact_field(name, &text).into_owned() })
        };
        fields.insert(canonical(name), sent.get_all(name).iter().map(shown).collect());
    }
    Value::Object(fields)
}

/// The usual spelling of the name: `User-Agent`.
fn canonical(name: &HeaderName) -> String {
    let mut at_start = true;
    let upper = |character: char| {
        let shown = if at_start { character.to_ascii_uppercase() } else { character };
        at_start = character == '-';
        shown
    };
    name.as_str().chars().map(upper).collect()
}

fn moment(record: &AccessRecord, format: LogTime) -> Value {
    let since = record.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    match format {
        LogTime::Seconds => since.as_secs_f64().into(),
        LogTime::Milliseconds => (since.as_secs_f64() * 1000.0).into(),
        LogTime::Nanoseconds => (since.as_nanos() as u64).into(),
        LogTime::Iso(decimals) => time::iso(record.time, decimals).into(),
        LogTime::Wall(decimals) => time::wall(record.time, decimals).into(),
        LogTime::Common => time::common(record.time).into(),
    }
}

fn duration(duration: Duration, format: LogDuration) -> Value {
    match format {
        LogDuration::Seconds => duration.as_secs_f64().into(),
        LogDuration::Milliseconds => (duration.as_micros() as f64 / 1000.0).into(),
        LogDuration::Nanoseconds => (duration.as_nanos() as u64).into(),
        LogDuration::Text => format!("{duration:?}").into(),
    }
}

fn level_field(status: u16, upper: bool) -> Value {
    let level = level(status);
    if upper { level.to_ascii_uppercase().into() } else { level.into() }
}

/// A line of text in tracing's format, from the fields that the filters have left.
fn text(record: &AccessRecord, fields: &Map<String, Value>) -> String {
    let level = level(record.status).to_ascii_uppercase();
    let mut line = format!("{} {level:>5} {}:", time::iso(record.time, 6), access_log::TARGET);
    let request = fields.get("request").and_then(Value::as_object);
    let mut put = |name: &str, value: Option<&Value>| {
        if let Some(value) = value {
            line.push_str(&field_text(name, value));
        }
    };
    let of_request = |name: &str| request.and_then(|request| request.get(name));
    put("site", fields.get("site"));
    let remote = of_request("remote_ip").and_then(Value::as_str).map(|ip| remote(ip, of_request("remote_port")).into());
    put("remote", remote.as_ref());
    for name in ["method", "host", "uri"] {
        put(name, of_request(name));
    }
    put("protocol", of_request("proto"));
    put("status", fields.get("status"));
    put("bytes", fields.get("size"));
    put("duration_us", Some(&Value::from(record.duration().as_micros() as u64)));
    put("handler", fields.get("handler"));
    put("complete", fields.get("complete"));
    put("user_agent", Some(&record.user_agent().into()));
    put("referrer", Some(&record.referrer().into()));
    for (name, _) in &record.appended {
        put(name, fields.get(name));
    }
    line
}

/// ` NAME=VALUE`. As in tracing's format, texts are quoted, except the three that cannot contain a space.
fn field_text(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if matches!(name, "method" | "protocol" | "remote") => {
            format!(" {name}={}", text.escape_debug())
        }
        Value::String(text) => format!(" {name}={text:?}"),
        other => format!(" {name}={other}"),
    }
}

fn remote(ip: &str, port: Option<&Value>) -> String {
    match port.and_then(Value::as_str) {
        Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
        Some(port) => format!("{ip}:{port}"),
        None => ip.to_owned(),
    }
}
