//! From one request to its response: which handlers of the site are for it, and what each of them does.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Version, header, request};
use http_body::Body;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::access_log::HandledBy;
use super::body::ResponseBody;
use super::cgi::CgiRequest;
use super::exchange::{HttpExchange, Opened};
use super::header_rules::HeaderChanges;
use super::interim::{InterimSender, InterimSlot};
use super::queue::Refusal;
use super::routing::{self, Disk, Script, Target};
use super::service::{ConnectionInfo, Handler, PhpSettings, SiteSettings};
use super::view::View;
use super::{paths, static_files};
use crate::limits;

/// Everything but the request itself that an answer depends on.
pub(super) struct RequestContext<'s> {
    pub(super) site: &'s SiteSettings,
    pub(super) connection: &'s ConnectionInfo,
    /// The host that the client asked for, without port.
    pub(super) host: &'s str,
    pub(super) interim: Option<&'s Arc<InterimSlot>>,
    /// Set by the handler, for the access log.
    pub(super) handled_by: HandledBy<'s>,
}

impl<'s> RequestContext<'s> {
    /// Answers the request with the first handler that is for it, and lets the `header` handlers change the response.
    pub(super) async fn answer<B>(&mut self, parts: request::Parts, body: B) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if parts.method == Method::CONNECT {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "this server is no proxy\n");
        }
        let Ok(path) = paths::normalize(parts.uri.path()) else {
            return plain(StatusCode::BAD_REQUEST, "the path of this request cannot be decoded\n");
        };
        let view = View::new(&parts, &path, self.host, self.connection);
        let (changes, handler) = self.choose(&view);
        let mut response = match handler {
            Some(Handler::Php(settings)) => self.php(settings, parts, &path, body).await,
            Some(Handler::Files(files)) => {
                self.handled_by = HandledBy::Directive("file_server");
                static_files::serve(files, &parts, &path, &Disk).await
            }
            Some(Handler::Redir(redir)) => {
                self.handled_by = HandledBy::Directive("redir");
                redirect(redir.status, redir.to.render(&view).as_bytes())
            }
            Some(Handler::Respond(respond)) => {
                self.handled_by = HandledBy::Directive("respond");
                let status = StatusCode::from_u16(respond.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                plain(status, &respond.body.render(&view))
            }
            Some(Handler::Header(_)) | None => plain(StatusCode::NOT_FOUND, ""),
        };
        changes.apply(response.headers_mut(), self.handled_by.is_script());
        response
    }

    /// The first handler that is for the request, and the header changes of those before it.
    fn choose(&self, view: &View<'_>) -> (HeaderChanges, Option<&'s Handler>) {
        let mut changes = HeaderChanges::default();
        for route in self.site.routes.iter().filter(|route| route.matcher.matches(view)) {
            match &route.handler {
                Handler::Header(rule) => changes.add(rule, view),
                handler => return (changes, Some(handler)),
            }
        }
        (changes, None)
    }

    async fn php<B>(
        &mut self,
        settings: &'s Arc<PhpSettings>,
        parts: request::Parts,
        path: &[u8],
        body: B,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        match (routing::route(settings, path, &Disk), &settings.files) {
            (Target::Script(script), _) => self.run(settings, script, parts, body).await,
            (Target::File(file), Some(files)) => {
                self.handled_by = HandledBy::Directive("file_server");
                static_files::serve(files, &parts, &file, &Disk).await
            }
            (Target::AddSlash, _) => redirect_to_directory(&parts, path),
            (Target::NotFound, _) | (Target::File(_), None) => plain(StatusCode::NOT_FOUND, ""),
        }
    }

    /// Sends the request through the queue of its worker, or of the classic threads.
    async fn run<B>(
        &mut self,
        settings: &'s Arc<PhpSettings>,
        script: Script,
        parts: request::Parts,
        body: B,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let queue = match script.worker.map(|index| &settings.workers[index]) {
            Some(worker) => {
                self.handled_by = HandledBy::Worker(&worker.name);
                &worker.queue
            }
            None => {
                self.handled_by = HandledBy::Classic;
                &settings.classic
            }
        };
        let open = || {
            let request = CgiRequest {
                is_chunked: !body.is_end_stream() && !parts.headers.contains_key(header::CONTENT_LENGTH),
                parts,
                connection: *self.connection,
                host: self.host.to_owned(),
                script,
                settings: Arc::clone(settings),
            };
            let interim = self.interim.map(InterimSender::new);
            let Opened { exchange, reply, body } = HttpExchange::open(request, body, interim);
            let on_withdrawn = move || {
                if let Some(body) = body {
                    body.discard();
                }
            };
            (exchange, reply, on_withdrawn)
        };
        match queue.run(open).await {
            Ok(reply) => reply.map(ResponseBody::new),
            Err(refusal) => refused(refusal),
        }
    }
}

/// The host that the request is for, without port.
///
/// # Errors
/// When an HTTP/1.1 request names none, or several, or one that is no host name (RFC 9112, 3.2).
pub(super) fn requested_host(parts: &request::Parts) -> Result<&str, &'static str> {
    let is_single = parts.headers.get_all(header::HOST).iter().nth(1).is_none();
    let authority = requested_authority(parts);
    match authority {
        Some(authority) if is_single && authority.bytes().all(is_host_byte) => {
            Ok(routing::host_without_port(authority))
        }
        None if parts.version < Version::HTTP_11 && is_single && !parts.headers.contains_key(header::HOST) => Ok(""),
        _ => Err("this request does not name one valid host\n"),
    }
}

/// The URI's authority, which wins (RFC 9112, 3.2.2), or the `Host` header.
pub(super) fn requested_authority(parts: &request::Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// Puts the URI's authority in the place of the `Host` header, so that scripts, matchers and the log see the host that the
/// site was chosen by. In HTTP/2 the authority is usually all that there is.
pub(super) fn adopt_authority(parts: &mut request::Parts) {
    // What a URI's authority may consist of, a header value may, too.
    if let Some(Ok(authority)) = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str())) {
        parts.headers.insert(header::HOST, authority);
    }
}

/// The path and query; for a proxy-style request (`GET http://host/path`) without scheme and host.
pub(super) fn requested_uri(parts: &request::Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

/// What a host and port may consist of: the host of RFC 3986 and no user name, no slash, no blank.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(&byte)
}

/// A response with a short text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    if !text.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    response
}

fn redirect(status: u16, to: &[u8]) -> Response<ResponseBody> {
    match (StatusCode::from_u16(status), HeaderValue::from_bytes(to)) {
        (Ok(status), Ok(location)) => {
            let mut response = plain(status, "");
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

/// What a path in a `Location` must not show as it is.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Redirects to the same place with a slash at the end. The path is the normalized one: a path like `//host` would send
/// the client to another site.
pub(super) fn redirect_to_directory(parts: &request::Parts, path: &[u8]) -> Response<ResponseBody> {
    let mut location = percent_encode(path, NOT_IN_PATHS).to_string();
    location.push('/');
    if let Some(query) = parts.uri.query() {
        location.push('?');
        location.push_str(query);
    }
    redirect(StatusCode::PERMANENT_REDIRECT.as_u16(), location.as_bytes())
}

fn refused(_: Refusal) -> Response<ResponseBody> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "the server is busy, try again soon\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER_SECONDS));
    response
}

/// Runs a handler; a panic in it costs this request only.
pub(super) async fn catch_panic(handler: impl Future<Output = Response<ResponseBody>>) -> Response<ResponseBody> {
    let mut handler = pin!(handler);
    poll_fn(|context| {
        // The future is not polled again after it panicked, so nobody sees what it left half done.
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
