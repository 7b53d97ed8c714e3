//! The handler: a [`tower::Service`] over a list of sites, usable below our own listener and in any tower stack.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Deref;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;

use super::access_log::{AccessRecord, HandledBy};
use super::answer::{self, RequestContext};
use super::body::ResponseBody;
use super::interim::InterimSlot;
use super::queue::RequestQueue;
use super::routing;
use crate::config::{FileServer, HeaderRule, Matcher, PathPattern, Redir, Respond};

/// One site: what answers for some hosts.
#[derive(Clone)]
pub struct SiteSettings {
    /// The site in the logs.
    pub label: String,
    /// Host names without port, in lower case; a label `*` stands for any one label. Empty: every host that no other site
    /// names.
    pub hosts: Vec<String>,
    /// The handlers, in the order in which they are tried; see [`crate::config::Site::routes`].
    pub routes: Vec<Route>,
    /// Whether each request is logged with the target `access`.
    pub access_log: bool,
}

/// One handler and the requests that it is for.
#[derive(Clone)]
pub struct Route {
    /// Which requests.
    pub matcher: Matcher,
    /// What to do with them.
    pub handler: Handler,
}

/// What a site can do with a request.
#[derive(Clone)]
pub enum Handler {
    /// `header`: changes the response of whatever handler answers.
    Header(HeaderRule),
    /// `redir`: answers with a `Location`.
    Redir(Redir),
    /// `respond`: answers with a fixed text.
    Respond(Respond),
    /// `php` and `php_server`. A running request shares the settings, because it may outlive this service in a reload.
    Php(Arc<PhpSettings>),
    /// `file_server`.
    Files(FileServer),
}

/// Which requests reach PHP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhpMode {
    /// `php_server`: static files, directory indexes and the front controller, as a website wants it.
    Server,
    /// `php`: the path names a script and nothing else is looked at.
    ScriptsOnly,
}

/// The settings of one `php` or `php_server` block.
#[derive(Clone)]
pub struct PhpSettings {
    /// `php` or `php_server`.
    pub mode: PhpMode,
    /// The document root: absolute, without symbolic links if the block resolves them.
    pub root: PathBuf,
    /// The scripts of a directory and, in the root, the front controllers; the first that exists counts.
    pub index: Vec<String>,
    /// The files to try in turn, where `{path}` stands for the path of the request. `None`: the path itself, its index
    /// files, the root's index files. Only used by [`PhpMode::Server`].
    pub try_files: Option<Vec<String>>,
    /// What ends the script in a path like `/app.php/info`: usually just `.php`. Compared without regard to case.
    pub split_path: Vec<String>,
    /// Appended to `$_SERVER`, in order; an existing key is replaced.
    pub env: Vec<(String, String)>,
    /// How existing files that are no scripts are served, with the same root; `None`: not at all. Only used by
    /// [`PhpMode::Server`].
    pub files: Option<FileServer>,
    /// The classic threads of this block's scope.
    pub classic: Arc<RequestQueue>,
    /// The HTTP workers that the block's requests can reach; of two for one script the first counts. Background workers do
    /// not belong here: a request for the path of their script is an ordinary one.
    pub workers: Vec<WorkerRoute>,
}

/// An HTTP worker and what is sent to it.
#[derive(Clone)]
pub struct WorkerRoute {
    /// The worker's name, for the access log.
    pub name: String,
    /// Its script, below the document root of the block if it lies there. A request that routing sends to this script goes
    /// to the worker.
    pub script: PathBuf,
    /// Patterns of paths that are sent to this worker, unless they are those of a static file.
    pub paths: Vec<PathPattern>,
    /// The worker's threads.
    pub queue: Arc<RequestQueue>,
}

/// The two ends of the connection that a request came in on. In a tower stack of your own, put one into the request's
/// extensions; without it `REMOTE_ADDR` is `0.0.0.0`, which no application trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The client.
    pub remote: SocketAddr,
    /// The address that it connected to.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Default for ConnectionInfo {
    fn default() -> Self {
        let unknown = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        Self { remote: unknown, local: unknown, tls: false }
    }
}

impl ConnectionInfo {
    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The port that the client connected to; the usual one where it is not known.
    pub(super) fn local_port(&self) -> u16 {
        match self.local.port() {
            0 if self.tls => 443,
            0 => 80,
            port => port,
        }
    }
}

/// The handler for a list of sites. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct HttpService {
    sites: Arc<[SiteSettings]>,
    /// Requests that a listener has taken for this service and that have no response yet.
    in_hand: Arc<AtomicUsize>,
}

/// The service of one request, counted until it is dropped.
pub(super) struct Leased(HttpService);

impl Drop for Leased {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Deref for Leased {
    type Target = HttpService;

    fn deref(&self) -> &HttpService {
        &self.0
    }
}

impl HttpService {
    /// Makes the handler. Which site answers is decided by the host; see [`SiteSettings::hosts`].
    pub fn new(sites: Vec<SiteSettings>) -> Self {
        Self { sites: sites.into(), in_hand: Arc::default() }
    }

    /// How many requests listeners have taken for this service that have no response yet. After it has been replaced on
    /// every listener and this has been 0, nobody offers a job to the queues that only it reaches.
    pub fn in_hand(&self) -> usize {
        fence(Ordering::SeqCst);
        self.in_hand.load(Ordering::SeqCst)
    }

    /// Counts a request. Sequentially consistent with the look for a newer service that must follow it: either that look
    /// sees the newer one, or whoever replaced this one sees the count.
    pub(super) fn lease(&self) -> Leased {
        self.in_hand.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Leased(self.clone())
    }

    /// Answers one request. It never fails: whatever goes wrong is a response, also a panic in a handler.
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
        let host = match answer::requested_host(&parts) {
            Ok(host) => host.to_owned(),
            Err(reason) => return answer::plain(StatusCode::BAD_REQUEST, reason),
        };
        answer::adopt_authority(&mut parts);
        let Some(site) = routing::select_site(&self.sites, &host) else {
            return answer::plain(StatusCode::NOT_FOUND, "no site here answers for this host\n");
        };
        let record = site.access_log.then(|| AccessRecord::start(&parts, &connection, &site.label)).flatten();
        let mut context =
            RequestContext { site, connection: &connection, host: &host, interim, handled_by: HandledBy::default() };
        let mut response = answer::catch_panic(context.answer(parts, body)).await;
        if let Some(slot) = interim {
            slot.seal();
        }
        if let Some(mut record) = record {
            record.note_response(&response, context.handled_by);
            response.body_mut().set_record(record);
        }
        response
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.sites.iter().map(|site| &site.label)).finish()
    }
}

impl<B> tower::Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

    /// Always ready: a request waits for its own thread, in the queue of its own handler.
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
