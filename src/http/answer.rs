//! Answers one request: finds the handlers of the site that match it, and runs them.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};
use http_body::Body;

use super::access_log::{HandledBy, LogNotes};
use super::basic_auth::{self, Access};
use super::body::ResponseBody;
use super::body_failure::{BodyFailure, end_connection};
use super::changes;
use super::connection::ConnectionInfo;
use super::deadline;
use super::encode::Encoding;
use super::failure::Failure;
use super::interim::InterimSlot;
use super::plain::{aborted, plain, redirect, redirect_by_html, redirect_to_directory, redirect_to_https, retry_later};
use super::request::{RequestState, absolute_root};
use super::routing::{self, Disk, Target};
use super::settings::{Handler, PhpMode, PhpRoute, ReplyRoutes};
use super::site::SiteSettings;
use super::spans::RequestSpan;
use super::tree::{Routes, Walk};
use crate::config::{BasicAuth, HeaderRule, Layer, Redir, RequestView, Respond, Root, Status};
use crate::exchange::Usage;

/// The outcome of a handler.
pub(super) enum Outcome {
    /// There is a response.
    Answered(Response<ResponseBody>),
    /// The request continues to the next handlers.
    GoOn,
    /// The request has failed; `handle_errors` may answer it.
    Failed(Failure),
}

/// Everything but the request itself that an answer depends on.
pub(super) struct RequestContext<'s> {
    /// The site of the host.
    pub(super) site: &'s SiteSettings,
    /// Where the request came from.
    pub(super) connection: &'s ConnectionInfo,
    /// The host that the client asked for, without port.
    pub(super) host: &'s str,
    /// The connection's slot for responses of 1xx; `None`: this connection cannot send them.
    pub(super) interim: Option<&'s Arc<InterimSlot>>,
    /// Set by the handler, for the access log.
    pub(super) handled_by: HandledBy<'s>,
    /// What the access log receives from directives.
    pub(super) log_notes: LogNotes,
    /// The span of the request, from its `tracing` on. Dropped here if the client leaves before there is a response.
    pub(super) span: Option<Box<RequestSpan<'s>>>,
    /// Where a PHP thread notes what the request has used, if the access log shows it.
    pub(super) usage: Option<Arc<Usage>>,
}

/// A request on its way through the handlers, with the changes of the earlier ones.
pub(super) struct Run<'s, B> {
    /// The request, as the earlier handlers have left it.
    pub(super) request: RequestState<'s>,
    /// Taken by the handler that reads it.
    pub(super) body: Option<B>,
    /// The `intercept`s that look at the response, the outermost first.
    pub(super) intercepts: Vec<&'s [ReplyRoutes]>,
    /// The response that the routes of a `handle_response` replace, and what `copy_response` changes in it.
    pub(super) replied: Option<(Response<ResponseBody>, Option<&'s HeaderRule>)>,
    /// How `encode` compresses the response.
    encoding: Option<Encoding<'s>>,
    /// What `basic_auth` asks the client for.
    challenge: Option<HeaderValue>,
    /// The largest body that `request_body` allows, in bytes.
    pub(super) body_bytes_max: u64,
    /// How long the body may take; `None`: as long as the client keeps its pace.
    pub(super) body_read_max: Option<Duration>,
    /// When the response must have been sent.
    write_until: Option<Instant>,
    /// Why there is no whole body, if that is the failure.
    body_failure: Option<BodyFailure>,
    /// Whether the queue of the script had no place.
    pub(super) is_refused: bool,
}

impl<'s, B> Run<'s, B> {
    pub(super) fn new(request: RequestState<'s>, body: B, body_read_max: Option<Duration>) -> Self {
        let (intercepts, replied, encoding, challenge) = Default::default();
        let (body, body_bytes_max, body_failure) = (Some(body), u64::MAX, None);
        Self {
            request,
            body,
            intercepts,
            replied,
            encoding,
            challenge,
            body_bytes_max,
            body_read_max,
            write_until: None,
            body_failure,
            is_refused: false,
        }
    }
}

impl<B> Run<'_, B> {
    /// Ends the request because its body cannot be read. The connection ends, too.
    pub(super) fn fail_by_body(&mut self, failure: BodyFailure) -> Outcome {
        let failed = Failure { status: failure.status(), message: failure.to_string() };
        self.body_failure = Some(failure);
        Outcome::Failed(failed)
    }
}

impl<'s> RequestContext<'s> {
    /// The context of a request that no handler has seen.
    pub(super) fn new(
        site: &'s SiteSettings,
        connection: &'s ConnectionInfo,
        host: &'s str,
        interim: Option<&'s Arc<InterimSlot>>,
    ) -> Self {
        let (handled_by, log_notes, span, usage) = Default::default();
        Self { site, connection, host, interim, handled_by, log_notes, span, usage }
    }

    /// Answers the request by the routes of its site, and by its `handle_errors` when they fail.
    pub(super) async fn answer<B>(&mut self, parts: request::Parts, body: B) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let mut run = match self.begin(parts, body) {
            Ok(run) => run,
            Err((status, reason)) => return plain(status, reason),
        };
        let mut outcome = self.walk(&self.site.routes, &mut run).await;
        if !run.intercepts.is_empty() {
            outcome = Box::pin(self.intercept(outcome, &mut run)).await;
        }
        let mut response = match outcome {
            Outcome::Answered(response) => response,
            Outcome::GoOn => plain(StatusCode::NOT_FOUND, ""),
            Outcome::Failed(failure) => Box::pin(self.failed(failure, &mut run)).await,
        };
        if let Some(changes) = run.request.changes.take() {
            changes.apply(response.status(), response.headers_mut(), self.handled_by.is_script());
        }
        if let Some(challenge) = run.challenge.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if run.is_refused && response.status() == StatusCode::SERVICE_UNAVAILABLE {
            retry_later(&mut response);
        }
        if let Some(encoding) = run.encoding {
            response = encoding.apply(response);
        }
        if let Some(until) = run.write_until {
            response = deadline::until(until, response);
        }
        self.log_notes = run.request.take_log_notes(response.headers());
        if let Some(span) = &mut self.span {
            span.note_answer(&mut run.request, response.headers(), &mut self.log_notes);
        }
        response
    }

    /// The request before its first handler, or why no handler may see it.
    fn begin<B>(&self, parts: request::Parts, body: B) -> Result<Run<'s, B>, (StatusCode, &'static str)> {
        if parts.method == Method::CONNECT {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "this server is no proxy\n"));
        }
        // It would return fields that a proxy or a browser has added to the request, even cookies and passwords.
        if parts.method == Method::TRACE {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "TRACE is not answered here\n"));
        }
        let mut request = RequestState::new(parts, self.host, self.connection, Path::new(""))
            .map_err(|_| (StatusCode::BAD_REQUEST, "the path of this request cannot be decoded\n"))?;
        request.trust(&self.site.trusted_proxies);
        Ok(Run::new(request, body, self.site.body_read_max))
    }

    /// The response to a request that has failed.
    pub(super) async fn failed<B>(&mut self, failure: Failure, run: &mut Run<'s, B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if !self.site.error_routes.is_empty() {
            run.request.fail(&failure);
            if let Outcome::Answered(mut response) = self.walk(&self.site.error_routes, run).await {
                if run.body_failure.is_some() {
                    end_connection(&mut response);
                }
                return response;
            }
        }
        let text = if run.is_refused { failure.message.as_str() } else { "" };
        run.body_failure.as_ref().map_or_else(|| plain(failure.status, text), BodyFailure::response)
    }

    /// Takes the request from handler to handler until one answers.
    pub(super) async fn walk<B>(&mut self, routes: &'s Routes<Handler>, run: &mut Run<'s, B>) -> Outcome
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let mut walk = Walk::default();
        loop {
            let outcome = match routes.next(&mut walk, &mut run.request) {
                Ok(Some(handler)) => self.handle(handler, run).await,
                Ok(None) => return Outcome::GoOn,
                Err(status) => Outcome::Failed(Failure::new(known_status(status))),
            };
            if !matches!(outcome, Outcome::GoOn) {
                return outcome;
            }
        }
    }

    /// Lets one handler act on the request. What is not the run of a script is boxed, because hyper moves the future of a
    /// request, and each request would pay for the largest of all handlers.
    async fn handle<B>(&mut self, handler: &'s Handler, run: &mut Run<'s, B>) -> Outcome
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        match handler {
            Handler::Change(change) => {
                changes::apply(change, &mut run.request);
                Outcome::GoOn
            }
            Handler::Layer(Layer::Header(rule)) => {
                run.request.change_response(rule);
                Outcome::GoOn
            }
            Handler::Layer(Layer::Encode(settings)) => {
                if run.encoding.is_none() {
                    run.encoding = Some(Encoding::begin(settings, &mut run.request.parts));
                }
                Outcome::GoOn
            }
            Handler::Layer(Layer::Tracing(settings)) => {
                if self.span.is_none() {
                    self.span = RequestSpan::begin(settings, &mut run.request).map(Box::new);
                }
                Outcome::GoOn
            }
            Handler::Redir(redir) => {
                self.handled_by = HandledBy::Directive("redir");
                Outcome::Answered(redirection(redir, &run.request))
            }
            Handler::ToHttps(port) => {
                self.handled_by = HandledBy::Directive("auto_https");
                Outcome::Answered(redirect_to_https(*port, self.host, &run.request.parts))
            }
            Handler::Respond(respond) => {
                self.handled_by = HandledBy::Directive("respond");
                Outcome::Answered(fixed_answer(respond, &run.request))
            }
            Handler::Error(rule) => {
                self.handled_by = HandledBy::Directive("error");
                let status = status(&rule.status, StatusCode::INTERNAL_SERVER_ERROR, &run.request);
                Outcome::Failed(Failure { status, message: rule.message.render(&run.request) })
            }
            Handler::Abort => {
                self.handled_by = HandledBy::Directive("abort");
                Outcome::Answered(aborted())
            }
            Handler::BasicAuth(auth) => Box::pin(self.authenticate(auth, run)).await,
            Handler::RequestBody(limits) => {
                run.body_bytes_max = run.body_bytes_max.min(limits.bytes_max.unwrap_or(u64::MAX));
                run.body_read_max = limits.read_max.into_iter().chain(run.body_read_max).min();
                let until = limits.write_max.and_then(|max| Instant::now().checked_add(max));
                run.write_until = until.into_iter().chain(run.write_until).min();
                self.unless_too_large(announced_length(&run.request.parts), run.body_bytes_max)
            }
            Handler::Mercure(hub) => Box::pin(self.mercure(hub, run)).await,
            Handler::Proxy(route) => Box::pin(self.proxy(route, run)).await,
            Handler::Intercept(replies) => {
                run.intercepts.push(replies);
                Outcome::GoOn
            }
            Handler::CopyResponse(named) => self.copy_response(named, run),
            Handler::Php(settings) => self.php(settings, run).await,
            Handler::Files(files) => {
                let (root, path) = (root(&files.root, &run.request), run.request.file_path());
                match self.serve_open_file(files, &root, path, &run.request) {
                    Some(response) => Outcome::Answered(response),
                    None => Box::pin(self.serve_file(files, &root, path, &run.request)).await,
                }
            }
        }
    }

    /// `basic_auth`: lets the request go on if its name and password are right.
    async fn authenticate<B>(&mut self, auth: &BasicAuth, run: &mut Run<'s, B>) -> Outcome {
        match basic_auth::check(auth, &run.request.parts.headers).await {
            Access::Granted(name) => {
                run.request.store("http.auth.user.id", name.to_owned());
                Outcome::GoOn
            }
            Access::Denied => {
                self.handled_by = HandledBy::Directive("basic_auth");
                run.challenge = Some(basic_auth::challenge(auth));
                Outcome::Failed(Failure::new(StatusCode::UNAUTHORIZED))
            }
            Access::Busy => {
                self.handled_by = HandledBy::Directive("basic_auth");
                Outcome::Failed(Failure::new(StatusCode::SERVICE_UNAVAILABLE))
            }
        }
    }

    /// By the kind of block: `php` runs scripts only, `php_server` also serves files and passes on what it does not
    /// answer.
    async fn php<B>(&mut self, php: &'s Arc<PhpRoute>, run: &mut Run<'s, B>) -> Outcome
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (target, changed_root) = {
            let root = root(&php.settings.root, &run.request);
            let target = routing::route(php, &root, run.request.file_path(), &Disk);
            (target, php.settings.root.fixed().is_none().then(|| root.into_owned()))
        };
        match (target, &php.settings.file_server) {
            (Target::Script(script), _) => self.run(php, script, changed_root, run).await,
            (Target::File(file), Some(files)) => {
                let root = changed_root.as_deref().or_else(|| php.settings.root.fixed()).unwrap_or(Path::new("/"));
                match self.serve_open_file(files, root, &file, &run.request) {
                    Some(response) => Outcome::Answered(response),
                    None => Box::pin(self.serve_file(files, root, &file, &run.request)).await,
                }
            }
            (Target::AddSlash, _) => Outcome::Answered(with_slash(&run.request)),
            (Target::Status(status), _) => Outcome::Failed(Failure::new(known_status(status))),
            // As in Caddy, a `php_server` without `file_server` passes a request that it does not answer to the next
            // handlers.
            (Target::NotFound | Target::File(_), None) if php.mode == PhpMode::Server => Outcome::GoOn,
            (Target::NotFound | Target::File(_), _) => Outcome::Failed(Failure::new(StatusCode::NOT_FOUND)),
        }
    }

    /// Refuses a body that is announced to be longer than allowed. One without an announced length is counted as it comes.
    fn unless_too_large(&mut self, announced: Option<u64>, bytes_max: u64) -> Outcome {
        if announced.is_none_or(|length| length <= bytes_max) {
            return Outcome::GoOn;
        }
        self.handled_by = HandledBy::Directive("request_body");
        Outcome::Failed(Failure::new(StatusCode::PAYLOAD_TOO_LARGE))
    }
}

/// The length that the client announces. hyper has checked that it is a number.
pub(super) fn announced_length(parts: &request::Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn with_slash(request: &RequestState<'_>) -> Response<ResponseBody> {
    let path = request.sent_path();
    redirect_to_directory(&request.parts, path.as_deref().unwrap_or(request.file_path()))
}

/// The document root of a handler for this request.
fn root<'a>(root: &'a Root, request: &'a RequestState<'_>) -> Cow<'a, Path> {
    match root {
        Root::Fixed(path) => Cow::Borrowed(path),
        Root::OfRequest if request.root_of_request().is_absolute() => Cow::Borrowed(request.root_of_request()),
        Root::OfRequest => Cow::Owned(absolute_root(&request.root_of_request().to_string_lossy())),
    }
}

/// The status that a directive names; without one that of the failure, in `handle_errors`, else the usual one.
pub(super) fn status(named: &Status, usual: StatusCode, request: &RequestState<'_>) -> StatusCode {
    match named {
        Status::Usual => request.failure.map_or(usual, known_status),
        Status::Code(code) => known_status(*code),
        Status::Text(text) => text.render(request).parse().map_or(StatusCode::INTERNAL_SERVER_ERROR, known_status),
    }
}

/// A final status; 500 for any other number.
pub(super) fn known_status(code: u16) -> StatusCode {
    StatusCode::from_u16(code)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A redirect without a status is a page of HTML, as `redir … html` wants.
fn redirection(redir: &Redir, request: &RequestState<'_>) -> Response<ResponseBody> {
    let to = redir.to.rendered(request);
    match redir.status {
        Some(status) => redirect(status, to.as_bytes()),
        None => redirect_by_html(&to),
    }
}

/// A body that is JSON gets its media type.
fn fixed_answer(respond: &Respond, request: &RequestState<'_>) -> Response<ResponseBody> {
    let status = status(&respond.status, StatusCode::OK, request);
    let body = respond.body.rendered(request);
    let mut response = plain(status, &body);
    // As in Caddy.
    if is_json(&body) {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if respond.close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether the text is an object or an array in JSON.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Runs a handler; a panic in it costs this request only. The caller holds the future: this one would hold it twice.
pub(super) async fn catch_panic(
    mut handler: Pin<&mut impl Future<Output = Response<ResponseBody>>>,
) -> Response<ResponseBody> {
    poll_fn(|context| {
        // The future is not polled again after it panicked, so no one sees its incomplete state.
        match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(panic) => {
                tracing::error!("answering a request: the handler panicked: {}", panic_message(panic.as_ref()));
                Poll::Ready(plain(StatusCode::INTERNAL_SERVER_ERROR, ""))
            }
        }
    })
    .await
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
