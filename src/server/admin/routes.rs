//! The paths of the admin interface.

use super::guard;
use super::interface::{Answer, Interface, with_type};
use super::look;
use super::metrics::{self, Process};
use super::page;
use super::probes;
use super::view::{AppView, Reloaded, Restarted, StuckView};
use crate::assemble::logging;
use crate::config::query_pairs;
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_REQUEST_SECONDS_MAX};
use crate::php::{running_release, safepoint};
use crate::server::control::Control;
use crate::threads::Stuck;
use crate::vars;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// What a path does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Metrics,
    Threads,
    Workers,
    Stores,
    Status,
    Health,
    Ready,
    Restart,
    Load,
    Stop,
    App,
    ReloadApp,
    Page,
    Events,
    Snapshot,
    Revive,
}

/// Every path with a method that it takes (besides `HEAD` where that is `GET`).
const PATHS: [(&str, Method, Action); 16] = [
    ("/", Method::GET, Action::Page),
    ("/healthz", Method::GET, Action::Health),
    ("/readyz", Method::GET, Action::Ready),
    ("/frankenphp/status", Method::GET, Action::Status),
    ("/metrics", Method::GET, Action::Metrics),
    ("/frankenphp/threads", Method::GET, Action::Threads),
    ("/frankenphp/workers", Method::GET, Action::Workers),
    ("/frankenphp/stores", Method::GET, Action::Stores),
    ("/frankenphp/events", Method::GET, Action::Events),
    ("/frankenphp/snapshot", Method::GET, Action::Snapshot),
    ("/frankenphp/workers/revive", Method::POST, Action::Revive),
    ("/frankenphp/workers/restart", Method::POST, Action::Restart),
    ("/load", Method::POST, Action::Load),
    ("/stop", Method::POST, Action::Stop),
    ("/config/apps/frankenphp", Method::GET, Action::App),
    ("/config/apps/frankenphp", Method::PATCH, Action::ReloadApp),
];

/// Answers one request.
pub(super) async fn answer(interface: &Interface, request: Request<Incoming>) -> Answer {
    let control = &interface.control;
    if let Err(reason) = guard::check(request.headers(), interface.local) {
        return text(StatusCode::FORBIDDEN, &reason);
    }
    if !interface.token.allows(&request) {
        return text(StatusCode::FORBIDDEN, "the page is one of another start of the server: load it again");
    }
    let action = match action(&request) {
        Ok(action) => action,
        Err(refusal) => return *refusal,
    };
    match action {
        Action::Metrics => metrics_text(interface),
        Action::Threads => json(&look::threads(&control.live().threads)),
        Action::Workers => json(&look::workers(&control.live().threads)),
        Action::Stores => json(&look::stores(&control.live().threads)),
        Action::Status => json(&probes::status(interface.started)),
        Action::Health => text(StatusCode::OK, "ok"),
        Action::Ready => ready(control, request.uri().query()),
        Action::Restart => json(&restart(control).await),
        Action::Load => load(control, request).await,
        Action::App => json(&look::app(&control.live().config)),
        Action::ReloadApp => reload_app(control, request).await,
        Action::Page => page::page(&interface.token),
        Action::Events => page::events(interface.clone()),
        Action::Snapshot => answered(page::snapshot(&control.live(), request.uri().query())),
        Action::Revive => answered(page::revive(&control.live(), request.uri().query())),
        Action::Stop => {
            control.stop("POST /stop");
            text(StatusCode::OK, "stopping")
        }
    }
}

/// The result of the request, or a refusal.
fn action(request: &Request<Incoming>) -> Result<Action, Box<Answer>> {
    let path = request.uri().path();
    let here: Vec<_> = PATHS.iter().filter(|(known, ..)| *known == path).collect();
    if here.is_empty() {
        let known: Vec<String> = PATHS.iter().map(|(path, method, _)| format!("{method} {path}")).collect();
        let reason = format!("there is nothing at {path} here; there is: {}", known.join(", "));
        return Err(Box::new(text(StatusCode::NOT_FOUND, &reason)));
    }
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    if let Some((.., action)) = here.iter().find(|(_, known, _)| known == method) {
        return Ok(*action);
    }
    let methods: Vec<&str> = here.iter().map(|(_, method, _)| method.as_str()).collect();
    let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, &format!("ask for {path} by {}", methods.join(" or ")));
    if let Ok(allowed) = HeaderValue::from_str(&methods.join(", ")) {
        refusal.headers_mut().insert(ALLOW, allowed);
    }
    Err(Box::new(refusal))
}

/// Tools for FrankenPHP restart workers by sending the configuration back unchanged.
async fn reload_app(control: &Control, request: Request<Incoming>) -> Answer {
    let sent = match body(request).await {
        Ok(sent) => sent,
        Err(refusal) => return *refusal,
    };
    let current = look::app(&control.live().config);
    if serde_json::from_str::<AppView>(&sent).is_ok_and(|sent| sent == current) {
        return json(&restart(control).await);
    }
    let reason = "the configuration cannot be changed here: send back what GET gives to restart the workers, or a Caddyfile \
                  to POST /load";
    text(StatusCode::BAD_REQUEST, reason)
}

/// `?scope=LABEL` selects the workers of one site.
fn ready(control: &Control, query: Option<&str>) -> Answer {
    let scope = query_pairs(query.unwrap_or_default()).find_map(|(name, value)| (name == "scope").then_some(value));
    let ready = probes::ready(&control.live().threads, scope.as_deref());
    let mut answer = json(&ready);
    if !ready.ready {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}

async fn restart(control: &Control) -> Restarted {
    let restarted = control.restart(|_| true).await;
    Restarted { workers: restarted.workers, stuck: restarted.stuck.into_iter().map(stuck_view).collect() }
}

fn stuck_view(stuck: Stuck) -> StuckView {
    StuckView { thread: stuck.thread, place: stuck.place }
}

fn metrics_text(interface: &Interface) -> Answer {
    let live = interface.control.live();
    let started_at = interface.started.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let classic_queue = live.threads.classic.status().waiting;
    let process = Process {
        classic_queue,
        started_at,
        snapshots: vars::stats(),
        opcache: safepoint().restarts(),
        lost_records: logging::lost_records(),
        traces: crate::traces::counts(),
        hubs: crate::mercure::counts(),
        php: running_release(),
    };
    let (workers, threads, stores) =
        (look::workers(&live.threads), look::threads(&live.threads), look::stores(&live.threads));
    match metrics::render(&workers, &threads, &stores, process) {
        Ok(metrics) => with_type(StatusCode::OK, metrics::CONTENT_TYPE, metrics),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("writing the metrics: {error}")),
    }
}

/// Reads the configuration that was sent, or lets the server read its file again when none was.
async fn load(control: &Control, request: Request<Incoming>) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if kind.to_ascii_lowercase().starts_with(b"application/json") {
        let reason = "a configuration in JSON is not understood here: send a Caddyfile, as text/caddyfile";
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
    }
    let configuration = match body(request).await {
        Ok(configuration) => configuration,
        Err(refusal) => return *refusal,
    };
    match control.reload((!configuration.is_empty()).then_some(configuration)).await {
        Ok(reloaded) => json(&Reloaded { warnings: reloaded.warnings }),
        Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// The body as text, or the refusal.
async fn body(request: Request<Incoming>) -> Result<String, Box<Answer>> {
    let refuse = |status, reason: &str| Err(Box::new(text(status, reason)));
    let reading = Limited::new(request.into_body(), ADMIN_BODY_BYTES_MAX).collect();
    let bytes = match tokio::time::timeout(Duration::from_secs(ADMIN_REQUEST_SECONDS_MAX), reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let reason = format!("a configuration may have {ADMIN_BODY_BYTES_MAX} bytes at most");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, &reason);
        }
        Ok(Err(error)) => return refuse(StatusCode::BAD_REQUEST, &format!("reading the configuration: {error}")),
        Err(_) => {
            let reason = format!("the configuration did not arrive within {ADMIN_REQUEST_SECONDS_MAX} s");
            return refuse(StatusCode::REQUEST_TIMEOUT, &reason);
        }
    };
    String::from_utf8(bytes.into()).or_else(|error| {
        let reason = format!("reading the configuration: {}", crate::config::not_utf8(&error).reason);
        refuse(StatusCode::BAD_REQUEST, &reason)
    })
}

/// JSON, or the status and the reason of a refusal.
fn answered(result: Result<impl Serialize, (StatusCode, String)>) -> Answer {
    match result {
        Ok(value) => json(&value),
        Err((status, reason)) => text(status, &reason),
    }
}

fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(body) => with_type(StatusCode::OK, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("writing the answer: {error}")),
    }
}

fn text(status: StatusCode, sentence: &str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}
