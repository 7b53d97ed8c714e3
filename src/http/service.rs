//! The handler: a [`tower::Service`] over a list of sites, usable below our own listener and in any tower stack.
//!
//! The settings are plain structs. They know nothing of the configuration file; whoever builds them fills in everything.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;

use super::access_log::{AccessRecord, HandledBy};
use super::answer::{self, RequestContext};
use super::body::ResponseBody;
use super::gate::Queue;
use super::interim::InterimSlot;
use super::matcher::Matcher;
use super::routing;

/// One site: what answers for some hosts.
#[derive(Clone)]
pub struct SiteSettings {
    /// The site in the logs.
    pub label: String,
    /// Host names without port, compared without regard to case; `*.example.com` stands for one label. Empty: every
    /// host that no other site names.
    pub hosts: Vec<String>,
    /// The handlers. They are tried in the order of the directives, not of this list: `header`, `redir`, `respond`,
    /// `php`, `php_server`, `file_server`; within one kind the longer path pattern first.
    pub routes: Vec<Route>,
    /// Whether each request is logged with the target `access`.
    pub access_log: bool,
}

/// One handler and the requests that it is for.
#[derive(Clone)]
pub struct Route {
    /// Which requests. The default matches all.
    pub matcher: Matcher,
    /// What to do with them.
    pub handler: Handler,
}

/// What a site can do with a request.
#[derive(Clone)]
pub enum Handler {
    /// `header`: changes the response of whatever handler answers.
    Headers(Vec<HeaderOp>),
    /// `redir`: answers with a `Location`. The target may hold placeholders such as `{host}` and `{uri}`.
    Redir {
        /// The value of `Location`.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// `respond`: answers with a fixed text, in which placeholders are replaced.
    Respond {
        /// The status code.
        status: u16,
        /// The text; empty for none.
        body: String,
    },
    /// `php` and `php_server`.
    Php(PhpSettings),
    /// `file_server`.
    Files(FileSettings),
}

impl Handler {
    /// The place in the order of directives.
    fn rank(&self) -> u8 {
        match self {
            Self::Headers(_) => 0,
            Self::Redir { .. } => 1,
            Self::Respond { .. } => 2,
            Self::Php(PhpSettings { mode: PhpMode::ScriptsOnly, .. }) => 3,
            Self::Php(PhpSettings { mode: PhpMode::Server, .. }) => 4,
            Self::Files(_) => 5,
        }
    }
}

/// One change to the headers of a response, made when the response begins.
#[derive(Clone, Debug)]
pub enum HeaderOp {
    /// `name value`: replaces what is there.
    Set(HeaderName, HeaderValue),
    /// `+name value`: adds a line.
    Add(HeaderName, HeaderValue),
    /// `-name`: removes all lines of this name.
    Delete(HeaderName),
    /// `?name value`: sets it if the response has none.
    Default(HeaderName, HeaderValue),
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
    /// The script of a directory and the front controller, `index.php`.
    pub index: String,
    /// What ends the script in a path like `/app.php/info`: usually just `.php`. Compared without regard to case.
    pub split_path: Vec<String>,
    /// Appended to `$_SERVER`, in order; an existing key is replaced.
    pub env: Vec<(String, String)>,
    /// How existing files that are no scripts are served, with the same root; `None`: not at all. Only used by
    /// [`PhpMode::Server`].
    pub files: Option<FileSettings>,
    /// The classic threads of this block's scope.
    pub classic: Arc<Queue>,
    /// The HTTP workers of this block. Background workers do not belong here: a request for the path of their script
    /// is an ordinary one.
    pub workers: Vec<WorkerRoute>,
}

/// An HTTP worker and what is sent to it.
#[derive(Clone)]
pub struct WorkerRoute {
    /// The worker's name, for the access log.
    pub name: String,
    /// Its script: absolute. A request that routing sends to this script goes to the worker.
    pub script: PathBuf,
    /// Path patterns that send a request to this worker whatever files there are.
    pub paths: Vec<String>,
    /// The worker's threads.
    pub queue: Arc<Queue>,
}

/// The settings of a `file_server`.
#[derive(Clone)]
pub struct FileSettings {
    /// The directory that is served: absolute.
    pub root: PathBuf,
    /// What answers for a directory, in order: `index.html`, `index.txt`.
    pub index: Vec<String>,
    /// Files that do not exist for clients: a pattern without `/` is compared with each part of the path, one with `/`
    /// with the beginning of the absolute path. PHP sources are hidden always.
    pub hide: Vec<String>,
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

/// The handler for a list of sites. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct HttpService {
    sites: Arc<[Site]>,
}

/// A site as the handler keeps it: its routes in the order in which they are tried.
pub(super) struct Site {
    pub(super) label: String,
    pub(super) hosts: Vec<String>,
    pub(super) access_log: bool,
    pub(super) routes: Vec<(Matcher, Action)>,
}

/// A [`Handler`] as the handler keeps it: a running request shares the settings of its block with the service, because
/// it may outlive it in a reload.
pub(super) enum Action {
    Headers(Vec<HeaderOp>),
    Redir { to: String, status: u16 },
    Respond { status: u16, body: String },
    Php(Arc<PhpSettings>),
    Files(FileSettings),
}

impl From<Handler> for Action {
    fn from(handler: Handler) -> Self {
        match handler {
            Handler::Headers(ops) => Self::Headers(ops),
            Handler::Redir { to, status } => Self::Redir { to, status },
            Handler::Respond { status, body } => Self::Respond { status, body },
            Handler::Php(settings) => Self::Php(Arc::new(settings)),
            Handler::Files(settings) => Self::Files(settings),
        }
    }
}

impl From<SiteSettings> for Site {
    fn from(settings: SiteSettings) -> Self {
        let SiteSettings { label, hosts, mut routes, access_log } = settings;
        routes.sort_by_key(|route| (route.handler.rank(), Reverse(route.matcher.path_length())));
        let routes = routes.into_iter().map(|route| (route.matcher, route.handler.into())).collect();
        Self { label, hosts, access_log, routes }
    }
}

impl HttpService {
    /// Makes the handler. Which site answers is decided by the host; see [`SiteSettings::hosts`].
    pub fn new(sites: Vec<SiteSettings>) -> Self {
        Self { sites: sites.into_iter().map(Site::from).collect() }
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
        let (parts, body) = request.into_parts();
        let host = match answer::requested_host(&parts) {
            Ok(host) => host.to_owned(),
            Err(reason) => return answer::plain(StatusCode::BAD_REQUEST, reason),
        };
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
