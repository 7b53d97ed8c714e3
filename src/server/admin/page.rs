//! The status page: one document without foreign parts. Its numbers come as server-sent events.

use super::interface::{Answer, Interface, Token, with_type};
use super::look;
use super::probes;
use super::view::{EventView, SnapshotView};
use crate::assemble::Live;
use crate::assemble::logging::tail;
use crate::config::{ScopeLabel, query_pairs};
use crate::limits::{SHOWN_SNAPSHOT_BYTES_MAX, STATUS_EVENT_MILLISECONDS};
use crate::secrets::{is_secret_key, redact_text};
use crate::worker::background::Background;
use crate::worker::scope::ScopeWorkers;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Either};
use hyper::body::{Body, Frame};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// The document. `TOKEN` is replaced.
const DOCUMENT: &str = include_str!("page.html");

/// The page itself. No other page may frame it, where a click could be stolen.
pub(super) fn page(token: &Token) -> Answer {
    let mut answer = with_type(StatusCode::OK, "text/html; charset=utf-8", DOCUMENT.replace("{TOKEN}", token.text()));
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                  connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The numbers, again and again.
pub(super) fn events(interface: Interface) -> Answer {
    let mut ticks = tokio::time::interval(Duration::from_millis(STATUS_EVENT_MILLISECONDS));
    // A client that is slow gets fewer.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = interface.open.clone();
    let closed = Box::pin(async move { while open.changed().await.is_ok() {} });
    let mut answer = Response::new(Either::Right(Events { ticks, closed, interface, logged: 0 }.boxed_unsync()));
    let fields = answer.headers_mut();
    fields.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The body of `GET /frankenphp/events`.
struct Events {
    ticks: Interval,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    interface: Interface,
    /// The number of the last line of the log that the page has.
    logged: u64,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.closed.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        ready!(self.ticks.poll_tick(context));
        let (logged, lines) = tail::after(self.logged);
        self.logged = logged;
        let event = serde_json::to_string(&event(&self.interface, lines)).unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("data: {event}\n\n"))))))
    }
}

fn event(interface: &Interface, lines: Vec<String>) -> EventView {
    let live = interface.control.live();
    let is_revealed = live.config.global.admin_reveal;
    let masked = |line: String| if is_revealed { line } else { redact_text(&line).into_owned() };
    EventView {
        status: probes::status(interface.started),
        resident_bytes: resident_bytes(),
        queue: live.threads.classic.status().waiting,
        workers: look::workers(&live.threads),
        threads: look::threads(&live.threads),
        stores: look::stores(&live.threads),
        latency: look::latency(&live.threads),
        opcache: look::opcache(),
        log: lines.into_iter().map(masked).collect(),
    }
}

/// 0: unknown.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// The background worker that `scope` and `name` of the query name.
fn named(live: &Live, query: Option<&str>) -> Result<(Arc<ScopeWorkers>, Arc<Background>), (StatusCode, String)> {
    let value = |wanted: &str| {
        query_pairs(query.unwrap_or_default()).find_map(|(name, value)| (name == wanted).then_some(value))
    };
    let (scope, name) = (value("scope").unwrap_or_default(), value("name").unwrap_or_default());
    let unknown = || (StatusCode::NOT_FOUND, format!("there is no background worker `{name}` in the scope `{scope}`"));
    let declared = live.threads.background.get(&ScopeLabel::new(&scope)).ok_or_else(unknown)?;
    let worker = declared.workers().into_iter().find(|worker| worker.name() == name).ok_or_else(unknown)?;
    Ok((declared.clone(), worker))
}

/// `GET /frankenphp/snapshot?scope=…&name=…`
///
/// # Errors Status and reason: there is no such worker, or nothing to show.
pub(super) fn snapshot(live: &Live, query: Option<&str>) -> Result<SnapshotView, (StatusCode, String)> {
    let (_, worker) = named(live, query)?;
    let published = worker.slot().current().ok_or((StatusCode::NOT_FOUND, "it has published nothing".to_owned()))?;
    let bytes = published.snapshot.bytes();
    if bytes > SHOWN_SNAPSHOT_BYTES_MAX {
        let reason = format!("the snapshot has {bytes} bytes; those above {SHOWN_SNAPSHOT_BYTES_MAX} are not shown");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, reason));
    }
    // serde_json reads less nesting than a snapshot may have.
    let mut vars: Value = serde_json::from_str(&published.snapshot.json())
        .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, format!("the snapshot cannot be shown: {error}")))?;
    if !live.config.global.admin_reveal {
        hide(&mut vars);
    }
    Ok(SnapshotView { version: published.version, bytes, vars })
}

/// Replaces what looks like a secret by its type, and masks passwords in URLs.
fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if is_secret_key(key) {
                    *member = json!({ "hidden": type_of(member) });
                } else {
                    hide(member);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide),
        Value::String(text) => {
            if let Cow::Owned(masked) = redact_text(text) {
                *text = masked;
            }
        }
        _ => {}
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "array",
    }
}

/// `POST /frankenphp/workers/revive?scope=…&name=…`: a worker that was given up, or has not run yet, starts.
///
/// # Errors Status and reason: there is no such worker, it runs, or no thread could be started.
pub(super) fn revive(live: &Live, query: Option<&str>) -> Result<Value, (StatusCode, String)> {
    let (declared, worker) = named(live, query)?;
    let state = worker.status().state;
    if !matches!(state, "given up" | "idle") {
        return Err((StatusCode::CONFLICT, format!("the worker is {state}, so there is nothing to revive")));
    }
    worker.start(&declared.view()).map_err(|failure| (StatusCode::SERVICE_UNAVAILABLE, failure.message.clone()))?;
    tracing::info!(worker = worker.name(), scope = worker.scope(), "the admin interface has revived a worker");
    Ok(json!({ "revived": worker.name() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_keys_are_hidden_by_their_type() {
        let mut vars = json!({
            "title": "Harbour", "DB_PASSWORD": "hunter2", "api_key": 7, "monkey": "banana",
            "list": [{"client_secret": ["a"]}, {"keyboard": true}, "redis://u:pw@host"],
        });
        hide(&mut vars);
        assert_eq!(
            vars,
            json!({
                "title": "Harbour", "DB_PASSWORD": {"hidden": "string"}, "api_key": {"hidden": "int"}, "monkey": "banana",
                "list": [{"client_secret": {"hidden": "array"}}, {"keyboard": true}, "redis://u:REDACTED@host"],
            })
        );
    }
}
