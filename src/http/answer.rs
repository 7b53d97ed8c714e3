//! From one request to its response: which handlers of the site are for it, and what each of them does.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};
use http_body::Body;

use super::access_log::HandledBy;
use super::body::ResponseBody;
use super::cgi::CgiRequest;
use super::connection::ConnectionInfo;
use super::exchange::{HttpExchange, Opened};
use super::header_rules::HeaderChanges;
use super::interim::{InterimSender, InterimSlot};
use super::plain::{plain, redirect, redirect_to_directory};
use super::queue::Refusal;
use super::request_body::{self, RequestBody};
use super::routing::{self, Disk, Script, Target};
use super::settings::{Handler, PhpSettings, SiteSettings};
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
        let announced = announced_length(&parts);
        let (body, body_length) = if body.is_end_stream() {
            (RequestBody::None, Some(0))
        } else if let Some(bytes_max) = settings.gathered_body_bytes_max {
            // Boxed, so that requests without a body do not carry the room for it.
            match Box::pin(request_body::gather(body, announced, bytes_max)).await {
                Ok(gathered) => {
                    let length = gathered.length();
                    (RequestBody::Gathered(gathered), Some(length))
                }
                Err(failure) => {
                    failure.log();
                    return failure.response();
                }
            }
        } else {
            (RequestBody::streamed(body), announced)
        };
        let open = || {
            let request = CgiRequest {
                body_length,
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

/// What the client says of the length of its body. hyper has checked that it is a number.
fn announced_length(parts: &request::Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
