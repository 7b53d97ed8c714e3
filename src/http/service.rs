//! The HTTP handler: a [`tower::Service`] over a list of sites, for our own listener or any tower stack.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use http_body::Body;

use super::access_log::{AccessLog, AccessRecord, HandledBy};
use super::answer::{self, RequestContext};
use super::authority;
use super::body::ResponseBody;
use super::connection::ConnectionInfo;
use super::interim::InterimSlot;
use super::pages::FastCgiSite;
use super::plain::plain;
use super::routing::{self, Script};
use super::site::SiteSettings;
use crate::tls::Challenges;

/// The handler for a list of sites. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct HttpService {
    /// In one piece: each request clones the service, and all threads count in the same place.
    shared: Arc<Shared>,
}

struct Shared {
    /// In the order of the configuration.
    sites: Arc<[SiteSettings]>,
    /// The requests that listeners have passed to this service and that have no response yet.
    in_hand: Arc<AtomicUsize>,
    /// The challenges that certificate authorities may request now.
    challenges: Option<Arc<Challenges>>,
    /// The handler for scripts that a web server in front names, if this is a FastCGI socket.
    fastcgi: Option<Arc<FastCgiSite>>,
}

/// Counts a request of the service until it is dropped.
pub(super) struct Leased(HttpService);

impl Drop for Leased {
    fn drop(&mut self) {
        self.0.shared.in_hand.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Deref for Leased {
    type Target = HttpService;

    fn deref(&self) -> &HttpService {
        &self.0
    }
}

impl HttpService {
    /// Makes the handler. The host selects the site; see [`SiteSettings::hosts`].
    pub fn new(sites: Vec<SiteSettings>) -> Self {
        Self::of(Shared { sites: sites.into(), in_hand: Arc::default(), challenges: None, fastcgi: None })
    }

    /// Makes it answer the challenges of certificate authorities, before any site.
    #[must_use]
    pub fn with_challenges(self, challenges: Arc<Challenges>) -> Self {
        Self::of(Shared { challenges: Some(challenges), ..self.parts() })
    }

    /// The service of a FastCGI socket: it runs the scripts that the web server in front names. It only uses the site's
    /// label and access log.
    #[must_use]
    pub fn for_fastcgi(site: SiteSettings, fastcgi: FastCgiSite) -> Self {
        Self::of(Shared { fastcgi: Some(Arc::new(fastcgi)), ..Self::new(vec![site]).parts() })
    }

    fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The parts of another service that counts its requests in the same place.
    fn parts(&self) -> Shared {
        let Shared { sites, in_hand, challenges, fastcgi } = &*self.shared;
        Shared {
            sites: Arc::clone(sites),
            in_hand: Arc::clone(in_hand),
            challenges: challenges.clone(),
            fastcgi: fastcgi.clone(),
        }
    }

    /// The handler of a FastCGI socket.
    pub(super) fn fastcgi(&self) -> Option<&FastCgiSite> {
        self.shared.fastcgi.as_deref()
    }

    /// Runs a script that a web server has named, or answers with the reason against it. `half_closed` knows whether the
    /// web server has closed its sending side, which matters while the request is queued.
    pub(super) async fn handle_script<B>(
        &self,
        connection: ConnectionInfo,
        host: &str,
        parts: request::Parts,
        script: Result<Script, Response<ResponseBody>>,
        body: B,
        half_closed: &Arc<InterimSlot>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Some((site, php)) = self.shared.sites.first().zip(self.fastcgi().map(FastCgiSite::php)) else {
            return plain(StatusCode::NOT_FOUND, "");
        };
        let mut record = AccessRecord::start(&parts, &connection, &site.access_log, &site.label);
        let mut context = RequestContext::new(site, &connection, host, Some(half_closed));
        if let Some(record) = &mut record {
            context.usage = record.usage();
            record.script = script.as_ref().ok().filter(|_| record.params.is_some()).map(|script| script.file.clone());
        }
        let mut response = match script {
            Ok(script) => answer::catch_panic(pin!(context.named_script(php, script, parts, body))).await,
            Err(refused) => refused,
        };
        if let Some(mut record) = record {
            record.note_response(&response, context.handled_by);
            response.body_mut().set_record(record);
        }
        response
    }

    /// The response to a certificate authority (RFC 8555, 8.3).
    fn proof(&self, path: &str) -> Option<String> {
        self.shared.challenges.as_ref()?.response(path.strip_prefix("/.well-known/acme-challenge/")?)
    }

    /// The number of requests that listeners have passed to this service and that have no response yet. Once it was
    /// replaced on every listener and this has been 0, nothing sends jobs to the queues that only it uses.
    pub fn in_hand(&self) -> usize {
        fence(Ordering::SeqCst);
        self.shared.in_hand.load(Ordering::SeqCst)
    }

    /// Counts a request. Sequentially consistent with the check for a newer service, which must come after it. Either
    /// that check sees the newer one, or the reload that replaced this one sees the count.
    pub(super) fn lease(&self) -> Leased {
        self.shared.in_hand.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Leased(self.clone())
    }

    /// Answers one request. It never fails: every error becomes a response, even a panic in a handler.
    pub async fn handle<B>(&self, connection: ConnectionInfo, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        self.handle_on(connection, None, request).await
    }

    /// Like [`handle`](Self::handle), on a connection that can send informational responses.
    pub(super) async fn handle_on<B>(
        &self,
        connection: ConnectionInfo,
        interim: Option<&Arc<InterimSlot>>,
        request: Request<B>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let host = match authority::requested_host(&parts) {
            Ok(host) => host.to_owned(),
            Err((status, reason)) => return self.without_site(&parts, &connection, plain(status, reason)),
        };
        if let Some(proof) = self.proof(parts.uri.path()) {
            return plain(StatusCode::OK, &proof);
        }
        authority::adopt_authority(&mut parts);
        let Some(site) = routing::select_site(&self.shared.sites, &host) else {
            let answer = plain(StatusCode::NOT_FOUND, "no site here answers for this host\n");
            return self.without_site(&parts, &connection, answer);
        };
        let record = AccessRecord::start(&parts, &connection, &site.access_log, &site.label);
        let mut context = RequestContext::new(site, &connection, &host, interim);
        context.usage = record.as_ref().and_then(|record| record.usage());
        let mut response = answer::catch_panic(pin!(context.answer(parts, body))).await;
        if let Some(slot) = interim {
            slot.seal();
        }
        if let Some(span) = context.span.take() {
            let span = span.answered(response.status(), context.handled_by);
            response.body_mut().set_span(span);
        }
        if let Some(mut record) = record {
            record.note_response(&response, context.handled_by);
            record.set_notes(context.log_notes);
            response.body_mut().set_record(record);
        }
        response
    }
}

/// Requests that reach no site are logged in the first access log, because an operator looks for them there.
impl HttpService {
    /// Answers a request that belongs to no site, and logs it in the first log that there is.
    fn without_site(
        &self,
        parts: &request::Parts,
        connection: &ConnectionInfo,
        mut answer: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let record = self.first_log().and_then(|log| AccessRecord::start(parts, connection, log, ""));
        if let Some(mut record) = record {
            record.note_response(&answer, HandledBy::Nobody);
            answer.body_mut().set_record(record);
        }
        answer
    }

    /// Logs a request with an invalid head, which hyper has answered with this status.
    pub(super) fn note_unreadable(&self, connection: &ConnectionInfo, status: StatusCode) {
        if let Some(log) = self.first_log() {
            AccessRecord::unreadable(connection, log, status);
        }
    }

    fn first_log(&self) -> Option<&AccessLog> {
        self.shared.sites.iter().map(|site| &site.access_log).find(|log| !matches!(log, AccessLog::Off))
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.shared.sites.iter().map(|site| &site.label)).finish()
    }
}

impl<B> tower::Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

    /// Always ready: each request waits in the queue of its own handler.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Answers the request. The connection is taken from a [`ConnectionInfo`] in its extensions.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        let connection = request.extensions().get::<ConnectionInfo>().copied().unwrap_or_default();
        Box::pin(async move { Ok(service.handle(connection, request).await) })
    }
}
