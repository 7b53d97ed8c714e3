//! `format php_fpm`: the lines of php-fpm's access log.
//!
//! The values are php-fpm's, with three differences: times are in UTC, secrets are masked unless the log shows them, and a
//! process is a PHP thread, as on the status page.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use http::{HeaderMap, HeaderName, Method, header};

use super::strftime::strftime;
use crate::config::{FpmLog, FpmLogPart, FpmLogUnit};
use crate::http::access_log::{AccessRecord, Details, REDACTED, redact_field, redact_uri};
use crate::limits::FPM_LOG_LINE_BYTES_MAX;
use crate::secrets::is_secret_key;

/// The format of `%t` and `%T` without an option.
const TIME_DEFAULT: &str = "%d/%b/%Y:%H:%M:%S %z";

/// What a line needs beside the usual facts.
pub(super) fn details(log: &FpmLog) -> Details {
    let any = |needs: fn(&FpmLogPart) -> bool| log.parts.iter().any(needs);
    Details {
        headers: any(FpmLogPart::needs_headers) || !log.suppressed.is_empty(),
        params: any(FpmLogPart::needs_params) || !log.suppressed.is_empty(),
        usage: any(FpmLogPart::needs_usage),
    }
}

/// The line of a record; `None`: its path is suppressed.
pub(super) fn line(log: &FpmLog, record: &AccessRecord, credentials: bool) -> Option<String> {
    let facts = Facts { record, credentials };
    if log.suppressed.iter().any(|path| *path == facts.path()) && facts.may_be_suppressed() {
        return None;
    }
    let mut line = String::new();
    for part in &log.parts {
        facts.append(&mut line, part);
        if line.len() > FPM_LOG_LINE_BYTES_MAX {
            let end = (0..=FPM_LOG_LINE_BYTES_MAX).rev().find(|end| line.is_char_boundary(*end));
            line.truncate(end.unwrap_or_default());
            break;
        }
    }
    Some(line)
}

struct Facts<'r> {
    record: &'r AccessRecord,
    credentials: bool,
}

impl Facts<'_> {
    /// php-fpm's rules: only successful requests of monitors are suppressed, never one that someone may look for later.
    fn may_be_suppressed(&self) -> bool {
        let record = self.record;
        (record.method == Method::GET || record.method == Method::HEAD)
            && (200..300).contains(&record.status)
            && self.query().is_empty()
            && self.content_length() == 0
    }

    fn append(&self, line: &mut String, part: &FpmLogPart) {
        let record = self.record;
        let used = record.used();
        // Writing to a string cannot fail.
        let _ = match part {
            FpmLogPart::Text(text) => write!(line, "{text}"),
            FpmLogPart::Cpu { user, system } => {
                let time = |is_part: bool, time: Duration| if is_part { time } else { Duration::ZERO };
                let spent = used.map_or(Duration::ZERO, |used| time(*user, used.user) + time(*system, used.system));
                let whole = record.duration().as_secs_f64().max(f64::MIN_POSITIVE);
                write!(line, "{:.2}", spent.as_secs_f64() / whole * 100.0)
            }
            FpmLogPart::Duration(FpmLogUnit::Seconds) => write!(line, "{:.3}", record.duration().as_secs_f64()),
            FpmLogPart::Duration(FpmLogUnit::Milliseconds) => {
                write!(line, "{:.3}", record.duration().as_secs_f64() * 1000.0)
            }
            FpmLogPart::Duration(FpmLogUnit::Microseconds) => write!(line, "{}", record.duration().as_micros()),
            FpmLogPart::Param(name) => write!(line, "{}", self.shown_param(name)),
            FpmLogPart::Script => match &record.script {
                Some(script) => write!(line, "{}", script.display()),
                None => write!(line, "-"),
            },
            FpmLogPart::ContentLength => write!(line, "{}", self.content_length()),
            FpmLogPart::Method => write!(line, "{}", record.method),
            FpmLogPart::Memory(unit) => write!(line, "{}", used.map_or(0, |used| used.memory_bytes) / unit),
            FpmLogPart::Pool => write!(line, "{}", if record.site.is_empty() { "-" } else { &record.site }),
            FpmLogPart::Field(name) => write!(line, "{}", self.field(name)),
            FpmLogPart::Thread => write!(line, "{}", used.map_or(0, |used| used.thread)),
            FpmLogPart::Process => write!(line, "{}", std::process::id()),
            FpmLogPart::Query => write!(line, "{}", self.shown_query(&self.query())),
            FpmLogPart::QueryMark => write!(line, "{}", if self.query().is_empty() { "" } else { "?" }),
            FpmLogPart::Path => write!(line, "{}", self.path()),
            FpmLogPart::Front => match record.front {
                Some(address) => write!(line, "{address}"),
                None => write!(line, "-"),
            },
            FpmLogPart::Status => write!(line, "{}", record.status),
            FpmLogPart::Began(format) => write!(line, "{}", moment(format.as_deref(), record.time)),
            FpmLogPart::Written(format) => write!(line, "{}", moment(format.as_deref(), SystemTime::now())),
            FpmLogPart::User => write!(line, "{}", self.user()),
        };
    }

    /// A parameter from the web server, as it is.
    fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.record.params.as_ref()?.get(name.as_bytes())?;
        Some(String::from_utf8_lossy(value))
    }

    /// `%e`
    fn shown_param(&self, name: &str) -> String {
        let Some(value) = self.param(name) else { return "-".to_owned() };
        if self.credentials {
            return value.into_owned();
        }
        let field = name.strip_prefix("HTTP_").map(|field| field.replace('_', "-").to_ascii_lowercase());
        match (field, name) {
            (Some(field), _) => shown_field(&field, &value),
            (None, "QUERY_STRING") => self.shown_query(&value),
            (None, name) if is_secret_key(name) => REDACTED.to_owned(),
            (None, _) => redact_uri(&value).into_owned(),
        }
    }

    /// `%o`
    fn field(&self, name: &str) -> String {
        let sent = self.record.response_headers.as_ref();
        let value = sent.and_then(|fields| fields.get(name)).map(|value| String::from_utf8_lossy(value.as_bytes()));
        match value {
            Some(value) if self.credentials => value.into_owned(),
            Some(value) => shown_field(&name.to_ascii_lowercase(), &value),
            None => "-".to_owned(),
        }
    }

    /// Without the `?`.
    fn query(&self) -> Cow<'_, str> {
        match &self.record.params {
            Some(_) => self.param("QUERY_STRING").unwrap_or_default(),
            None => match self.record.raw_uri().split_once('?') {
                Some((_, query)) => Cow::Owned(query.to_owned()),
                None => Cow::Borrowed(""),
            },
        }
    }

    fn shown_query(&self, query: &str) -> String {
        let uri = format!("?{query}");
        let shown = if self.credentials { Cow::Borrowed(uri.as_str()) } else { redact_uri(&uri) };
        shown[1..].to_owned()
    }

    /// The path in the URL; behind a web server that of the script, as in php-fpm.
    fn path(&self) -> Cow<'_, str> {
        match &self.record.params {
            Some(_) => self.param("SCRIPT_NAME").unwrap_or_default(),
            None => Cow::Owned(self.record.raw_uri().split('?').next().unwrap_or_default().to_owned()),
        }
    }

    /// Of the body of the request. php-fpm has zero for an unknown length.
    fn content_length(&self) -> u64 {
        let of_field = || {
            let value = self.record.request_headers.as_ref()?.get(header::CONTENT_LENGTH)?;
            value.to_str().ok()?.parse().ok()
        };
        match &self.record.params {
            Some(_) => self.param("CONTENT_LENGTH").and_then(|length| length.parse().ok()),
            None => of_field(),
        }
        .unwrap_or(0)
    }

    /// The name of a basic authentication.
    fn user(&self) -> String {
        let user = |fields: &HeaderMap| {
            let sent = fields.get(header::AUTHORIZATION)?.to_str().ok()?;
            let (scheme, encoded) = sent.split_once(' ')?;
            let decoded = base64::prelude::BASE64_STANDARD.decode(encoded.trim()).ok()?;
            let name = decoded.split(|&byte| byte == b':').next()?;
            scheme.eq_ignore_ascii_case("basic").then(|| String::from_utf8_lossy(name).into_owned())
        };
        self.record.request_headers.as_ref().and_then(user).unwrap_or_default()
    }
}

fn shown_field(name: &str, value: &str) -> String {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => redact_field(&name, value).into_owned(),
        Err(_) => value.to_owned(),
    }
}

fn moment(format: Option<&str>, time: SystemTime) -> String {
    strftime(format.unwrap_or(TIME_DEFAULT), time)
}
