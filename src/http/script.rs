//! Sends a request to the PHP threads: gathers its body, and waits for the response.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, request};
use http_body::Body;

use super::access_log::HandledBy;
use super::answer::{Outcome, RequestContext, Run, announced_length};
use super::body::ResponseBody;
use super::cgi::CgiRequest;
use super::exchange::{HttpExchange, Opened};
use super::failure::Failure;
use super::gathered_body::gather;
use super::interim::{InterimSender, InterimTask};
use super::pace::Pace;
use super::plain::{plain, retry_later};
use super::queue::{Refusal, RequestQueue};
use super::request::RequestState;
use super::request_body::{BodySlot, RequestBody};
use super::routing::Script;
use super::settings::PhpRoute;

impl<'s> RequestContext<'s> {
    /// Runs a script that a web server in front has named.
    pub(super) async fn named_script<B>(
        &mut self,
        php: &'s Arc<PhpRoute>,
        script: Script,
        parts: request::Parts,
        body: B,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Ok(request) = RequestState::new(parts, self.host, self.connection, Path::new("")) else {
            return plain(StatusCode::BAD_REQUEST, "the path of this request cannot be decoded\n");
        };
        let mut run = Run::new(request, body, self.site.body_read_max);
        match self.run(php, script, None, &mut run).await {
            Outcome::Answered(response) => response,
            Outcome::GoOn => plain(StatusCode::NOT_FOUND, ""),
            Outcome::Failed(failure) => Box::pin(self.failed(failure, &mut run)).await,
        }
    }

    /// Sends the request to the queue of its worker or of the classic threads, and waits for the response. Its body is read
    /// first if the configuration wants it whole (`request_buffering`).
    pub(super) async fn run<B>(
        &mut self,
        php: &'s Arc<PhpRoute>,
        script: Script,
        changed_root: Option<PathBuf>,
        run: &mut Run<'s, B>,
    ) -> Outcome
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        // A proxy that let the request continue has consumed the body.
        let body = run.body.take();
        let queue = self.queue_of(php, &script);
        let announced = announced_length(&run.request.parts);
        let body = body.filter(|body| !body.is_end_stream());
        let pace = Pace::of(php.settings.request_body_timeout, run.body_read_max);
        let (body, body_length) = match (body, php.settings.request_buffering_bytes_max) {
            (None, _) => (RequestBody::None, Some(0)),
            (Some(body), None) => (RequestBody::streamed(body, run.body_bytes_max, pace), announced),
            // Boxed, so that requests without a body do not reserve space for it.
            (Some(body), Some(bytes_max)) => {
                let bytes_max = bytes_max.min(run.body_bytes_max);
                match Box::pin(gather(body, announced, bytes_max, pace)).await {
                    Ok(gathered) => {
                        let length = gathered.length();
                        (RequestBody::Gathered(gathered), Some(length))
                    }
                    Err(failure) => {
                        failure.log();
                        return run.fail_by_body(failure);
                    }
                }
            }
        };
        let own_env = php.settings.env_of_request.iter();
        let own_env = own_env.map(|(name, text)| (name.clone(), text.render(&run.request))).collect();
        // An `intercept` passes the request to other routes, and so does `handle_errors` if the queue is full.
        let has_error_routes = !self.site.error_routes.is_empty();
        let (original_uri, parts) = if run.intercepts.is_empty() && !has_error_routes {
            (run.request.take_original().map(|original| original.1), run.request.take_parts())
        } else {
            (run.request.changed_uri(), run.request.parts.clone())
        };
        let task = parts.extensions.get::<InterimTask>().cloned();
        let open = || {
            let request = CgiRequest {
                body_length,
                parts,
                original_uri,
                changed_root,
                connection: *self.connection,
                host: self.host.to_owned(),
                script,
                own_env,
                php: Arc::clone(php),
                usage: self.usage.clone(),
            };
            let interim = self.interim.map(InterimSender::new).or(task.map(InterimSender::Task));
            let Opened { exchange, reply, body } = HttpExchange::open(request, body, interim);
            (exchange, reply, move || discard(body))
        };
        match queue.run(open, self.interim.map(|slot| &**slot)).await {
            Ok(reply) => Outcome::Answered(reply.map(ResponseBody::new)),
            Err(_) if has_error_routes => {
                run.is_refused = true;
                Outcome::Failed(Failure { status: StatusCode::SERVICE_UNAVAILABLE, message: BUSY.to_owned() })
            }
            Err(refusal) => Outcome::Answered(refused(refusal)),
        }
    }

    /// The queue of the script's worker, or of the classic threads; noted for the access log.
    fn queue_of(&mut self, php: &'s PhpRoute, script: &Script) -> &'s RequestQueue {
        match script.worker.map(|index| &php.workers[index]) {
            Some(worker) => {
                self.handled_by = HandledBy::Worker(&worker.name);
                &worker.queue
            }
            None => {
                self.handled_by = HandledBy::Classic;
                &php.classic
            }
        }
    }
}

/// Drops the body of a request that no thread has taken; see [`BodySlot::discard`].
fn discard<B>(body: Option<Arc<BodySlot<B>>>) {
    if let Some(body) = body {
        body.discard();
    }
}

const BUSY: &str = "the server is busy, try again soon";

/// 503 with the time after which the client may try again.
fn refused(_: Refusal) -> Response<ResponseBody> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{BUSY}\n"));
    retry_later(&mut response);
    response
}
