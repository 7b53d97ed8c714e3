//! The pages of php-fpm for monitoring: `status_path` and `ping_path`.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, Response, StatusCode, header, request};
use serde_json::{Map, Value, json};

use super::body::ResponseBody;
use super::params::Params;
use super::plain::plain;
use super::settings::PhpRoute;
use crate::config::common_log_time;
use crate::exchange::Pairs;

/// The threads that run the scripts of a FastCGI address.
pub trait Pool: Send + Sync {
    /// What they do now. It is cheap: every request asks.
    fn load(&self) -> PoolLoad;
    /// Each thread.
    fn threads(&self) -> Vec<PoolThread>;
    /// How many requests were slow.
    fn slow(&self) -> u64;
}

/// What the threads of a pool do at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolLoad {
    /// Threads that wait for a request.
    pub idle: usize,
    /// Threads.
    pub threads: usize,
    /// How many more threads may start.
    pub reserve: usize,
    /// Requests that wait for a thread.
    pub waiting: usize,
    /// How many may wait.
    pub waiting_max: usize,
    /// Whether the number of threads is fixed.
    pub is_static: bool,
}

/// One thread, with its current request or its last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolThread {
    /// Its number in the system.
    pub id: u32,
    /// Whether it serves a request.
    pub is_busy: bool,
    /// How long ago it has started.
    pub age: Duration,
    /// Requests that it has begun.
    pub requests: u64,
    /// How long the request has taken.
    pub lasted: Duration,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub uri: String,
    /// Its script.
    pub script: String,
    /// The length of its body in bytes.
    pub content_length: u64,
}

/// A FastCGI address: its handler, its pages, and what they count.
pub struct FastCgiSite {
    php: Arc<PhpRoute>,
    label: String,
    pool: Arc<dyn Pool>,
    started: SystemTime,
    accepted: AtomicU64,
    active: AtomicUsize,
    active_max: AtomicUsize,
    waiting_max: AtomicUsize,
    exhausted: AtomicU64,
}

/// A request that the pages count; until it is dropped, it is an active one.
pub(super) struct Counted<'s>(&'s FastCgiSite);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FastCgiSite {
    /// The site of this handler, whose scripts the pool runs. The pages name it by the label.
    #[must_use]
    pub fn new(php: Arc<PhpRoute>, label: String, pool: Arc<dyn Pool>) -> Self {
        Self {
            php,
            label,
            pool,
            started: SystemTime::now(),
            accepted: AtomicU64::new(0),
            active: AtomicUsize::new(0),
            active_max: AtomicUsize::new(0),
            waiting_max: AtomicUsize::new(0),
            exhausted: AtomicU64::new(0),
        }
    }

    /// The handler.
    pub(super) fn php(&self) -> &Arc<PhpRoute> {
        &self.php
    }

    /// Counts a request, if there is a page that shows it.
    pub(super) fn count(&self) -> Option<Counted<'_>> {
        self.php.settings.status_path.as_ref()?;
        let load = self.pool.load();
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        self.active_max.fetch_max(active.min(load.threads + load.reserve), Ordering::Relaxed);
        self.waiting_max.fetch_max(load.waiting, Ordering::Relaxed);
        if load.idle == 0 && load.reserve == 0 {
            self.exhausted.fetch_add(1, Ordering::Relaxed);
        }
        Some(Counted(self))
    }

    /// The page that the request asks for by its `SCRIPT_NAME`, if it does.
    pub(super) fn page(&self, parts: &request::Parts) -> Option<Response<ResponseBody>> {
        let settings = &self.php.settings;
        if settings.status_path.is_none() && settings.ping_path.is_none() {
            return None;
        }
        let Params(params) = parts.extensions.get()?;
        let name = params.get(b"SCRIPT_NAME")?;
        let is_for = |path: &Option<String>| path.as_ref().is_some_and(|path| path.as_bytes() == name);
        let (text, media_type) = if is_for(&settings.ping_path) {
            (settings.ping_response.clone(), "text/plain;charset=UTF-8")
        } else if is_for(&settings.status_path) {
            self.status(params)
        } else {
            return None;
        };
        let mut response = plain(StatusCode::OK, if parts.method == Method::HEAD { "" } else { &text });
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        let uncached = HeaderValue::from_static("no-cache, no-store, must-revalidate, max-age=0");
        headers.insert(header::CACHE_CONTROL, uncached);
        Some(response)
    }

    fn status(&self, params: &Pairs) -> (String, &'static str) {
        let query = String::from_utf8_lossy(params.get(b"QUERY_STRING").unwrap_or_default()).into_owned();
        let asked = |word: &str| query.split('&').any(|part| part == word);
        let now = SystemTime::now();
        let pool = self.fields(now);
        let threads: Option<Vec<Fields>> =
            asked("full").then(|| self.pool.threads().iter().map(|thread| thread_fields(thread, now)).collect());
        if asked("json") {
            return (as_json(&pool, threads.as_deref()), "application/json");
        }
        if asked("xml") {
            return (as_xml(&pool, threads.as_deref()), "text/xml");
        }
        if asked("html") {
            return (as_html(&pool, threads.as_deref()), "text/html; charset=utf-8");
        }
        if asked("openmetrics") {
            return (as_openmetrics(&pool), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        }
        (as_text(&pool, threads.as_deref()), "text/plain;charset=UTF-8")
    }

    /// The fields of the pool, under php-fpm's names and in its order.
    fn fields(&self, now: SystemTime) -> Fields {
        let load = self.pool.load();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        vec![
            ("pool", json!(self.label)),
            ("process manager", json!(if load.is_static { "static" } else { "dynamic" })),
            (START_TIME, json!(unix(self.started))),
            ("start since", json!(unix(now).saturating_sub(unix(self.started)))),
            ("accepted conn", json!(self.accepted.load(Ordering::Relaxed))),
            ("listen queue", json!(load.waiting)),
            ("max listen queue", json!(count(&self.waiting_max))),
            ("listen queue len", json!(load.waiting_max)),
            ("idle processes", json!(load.idle)),
            ("active processes", json!(load.threads.saturating_sub(load.idle))),
            ("total processes", json!(load.threads)),
            ("max active processes", json!(count(&self.active_max))),
            ("max children reached", json!(self.exhausted.load(Ordering::Relaxed))),
            ("slow requests", json!(self.pool.slow())),
        ]
    }
}

/// Names and values, in order.
type Fields = Vec<(&'static str, Value)>;

/// The name of the only field that is a date in some formats.
const START_TIME: &str = "start time";

fn thread_fields(thread: &PoolThread, now: SystemTime) -> Fields {
    let or_dash = |text: &str| if text.is_empty() { json!("-") } else { json!(text) };
    let started = unix(now).saturating_sub(thread.age.as_secs());
    vec![
        ("pid", json!(thread.id)),
        ("state", json!(if thread.is_busy { "Running" } else { "Idle" })),
        (START_TIME, json!(started)),
        ("start since", json!(thread.age.as_secs())),
        ("requests", json!(thread.requests)),
        ("request duration", json!(u64::try_from(thread.lasted.as_micros()).unwrap_or(u64::MAX))),
        ("request method", or_dash(&thread.method)),
        ("request uri", or_dash(&thread.uri)),
        ("content length", json!(thread.content_length)),
        // Not known here. php-fpm, too, shows these values for a request that runs.
        ("user", json!("-")),
        ("script", or_dash(&thread.script)),
        ("last request cpu", json!(0.0)),
        ("last request memory", json!(0)),
    ]
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A value as the formats for people show it.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::Number(seconds) if name == START_TIME => common_log_time(seconds.as_u64().unwrap_or_default()),
        Value::Number(number) if number.is_f64() => format!("{:.2}", number.as_f64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn as_text(pool: &Fields, threads: Option<&[Fields]>) -> String {
    let lines = |fields: &Fields| -> String {
        let line = |(name, value): &(&'static str, Value)| {
            // In this format alone, php-fpm writes the name in capitals.
            let label = name.replace("request uri", "request URI");
            format!("{:<21} {}\n", format!("{label}:"), shown(name, value))
        };
        fields.iter().map(line).collect()
    };
    let threads = threads.unwrap_or_default().iter();
    let threads: String = threads.map(|thread| format!("\n************************\n{}", lines(thread))).collect();
    lines(pool) + &threads
}

fn as_json(pool: &Fields, threads: Option<&[Fields]>) -> String {
    let object = |fields: &Fields| -> Map<String, Value> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let mut all = object(pool);
    if let Some(threads) = threads {
        all.insert("processes".to_owned(), threads.iter().map(|thread| Value::Object(object(thread))).collect());
    }
    Value::Object(all).to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn as_xml(pool: &Fields, threads: Option<&[Fields]>) -> String {
    let elements = |fields: &Fields| -> String {
        let element = |(name, value): &(&'static str, Value)| {
            let tag = name.replace(' ', "-");
            let value = value.as_str().map_or_else(|| value.to_string(), escaped);
            format!("<{tag}>{value}</{tag}>\n")
        };
        fields.iter().map(element).collect()
    };
    let mut text = format!("<?xml version=\"1.0\" ?>\n<status>\n{}", elements(pool));
    if let Some(threads) = threads {
        text += "<processes>\n";
        for thread in threads {
            let _ = writeln!(text, "<process>\n{}</process>", elements(thread));
        }
        text += "</processes>\n";
    }
    text + "</status>\n"
}

/// The fields that php-fpm has as metrics: under which names, of which kind, and what they are.
const METRICS: [(&str, &str, &str, &str); 11] = [
    ("start since", "start_since", "counter", "Seconds since the start of the server."),
    ("accepted conn", "accepted_connections", "counter", "Requests that have come."),
    ("listen queue", "listen_queue", "gauge", "Requests that wait for a thread."),
    ("max listen queue", "max_listen_queue", "counter", "The most requests that have waited at once."),
    ("listen queue len", "listen_queue_length", "gauge", "The most requests that may wait."),
    ("idle processes", "idle_processes", "gauge", "Threads that wait for a request."),
    ("active processes", "active_processes", "gauge", "Threads that run one."),
    ("total processes", "total_processes", "gauge", "All threads."),
    ("max active processes", "max_active_processes", "counter", "The most threads that have run requests at once."),
    ("max children reached", "max_children_reached", "counter", "Requests that found all threads busy."),
    ("slow requests", "slow_requests", "counter", "Requests that took longer than `request_slowlog_timeout`."),
];

fn as_openmetrics(pool: &Fields) -> String {
    let mut text = String::new();
    let mut add = |name: &str, kind: &str, help: &str, value: &Value| {
        // php-fpm has no suffix `_total`, and dashboards use its names. Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP phpfpm_{name} {help}\n# TYPE phpfpm_{name} {kind}\nphpfpm_{name} {value}");
    };
    add("up", "gauge", "Whether the pool answers.", &json!(1));
    for (field, name, kind, help) in METRICS {
        if let Some((_, value)) = pool.iter().find(|(known, _)| *known == field) {
            add(name, kind, help, value);
        }
    }
    text + "# EOF\n"
}

fn as_html(pool: &Fields, threads: Option<&[Fields]>) -> String {
    let cell = |tag: &str, text: &str| format!("<{tag}>{}</{tag}>", escaped(text));
    let row = |cells: String| format!("<tr>{cells}</tr>\n");
    let mut text = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Status of a pool</title></head>\n<body>\n<table>\n",
    );
    for (name, value) in pool {
        text += &row(cell("th", name) + &cell("td", &shown(name, value)));
    }
    text += "</table>\n";
    if let Some(threads) = threads {
        text += "<table>\n";
        if let Some(first) = threads.first() {
            text += &row(first.iter().map(|(name, _)| cell("th", name)).collect());
        }
        for thread in threads {
            text += &row(thread.iter().map(|(name, value)| cell("td", &shown(name, value))).collect());
        }
        text += "</table>\n";
    }
    text + "</body>\n</html>\n"
}
