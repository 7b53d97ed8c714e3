//! The settings of a site, as the handlers read them. They use the types of [`crate::config`] where it has them.

use std::path::PathBuf;
use std::sync::Arc;

use super::proxy::Proxy;
use super::queue::RequestQueue;
use super::tree::Routes;
use crate::config::{
    BasicAuth, BodyLimits, Change, ErrorRule, FileServer, HeaderRule, IpRange, Layer, PathPattern, PhpSettings, Redir,
    Respond, ResponseMatcher, Status, Text,
};
use crate::exchange::{IniText, Pairs};
use crate::mercure::Hub;

/// The action of a route. A new kind needs a variant here, and an arm in `http::answer`.
#[derive(Clone)]
pub enum Handler {
    /// Changes the request, which then continues.
    Change(Change),
    /// Lets the request continue, and changes the response that comes back.
    Layer(Layer),
    /// `redir`: answers with a `Location`.
    Redir(Redir),
    /// Redirects to the same place by HTTPS on this port.
    ToHttps(u16),
    /// `respond`: answers with a fixed text.
    Respond(Respond),
    /// `error`: ends the request with a failure.
    Error(ErrorRule),
    /// `abort`: closes the connection.
    Abort,
    /// `basic_auth`: asks for a name and a password.
    BasicAuth(BasicAuth),
    /// `mercure`: a hub that sends updates to browsers.
    Mercure(Arc<Hub>),
    /// `request_body`: bounds the body of the request.
    RequestBody(BodyLimits),
    /// `php` and `php_server`. A running request shares the settings, because it may outlive this service in a reload.
    Php(Arc<PhpRoute>),
    /// `file_server`.
    Files(FileServer),
    /// `reverse_proxy` and `forward_auth`.
    Proxy(Arc<ProxyRoute>),
    /// `intercept`.
    Intercept(Arc<[ReplyRoutes]>),
    /// `copy_response`.
    CopyResponse(Status),
}

/// The settings of one `reverse_proxy`.
pub struct ProxyRoute {
    /// The upstreams.
    pub proxy: Proxy,
    /// The method to use instead of the request's. With GET and HEAD the body is left out.
    pub method: Option<Text>,
    /// The path or query to use instead of the request's.
    pub rewrite: Option<Text>,
    /// Changes of the request's header fields.
    pub request_headers: HeaderRule,
    /// Changes of the response's header fields.
    pub response_headers: HeaderRule,
    /// The proxies in front of this server that this handler trusts, besides the site's.
    pub trusted: Vec<IpRange>,
    /// The treatment of certain responses; the first match counts.
    pub replies: Vec<ReplyRoutes>,
}

/// What happens with certain responses.
pub struct ReplyRoutes {
    /// Which responses.
    pub matcher: ResponseMatcher,
    /// Only the status is replaced, by this one.
    pub status: Option<Status>,
    /// The routes that the request takes.
    pub routes: Routes<Handler>,
}

/// Which requests reach PHP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhpMode {
    /// `php_server`: static files, directory indexes and the front controller.
    Server,
    /// `php`: the path names a script; no other file is checked.
    ScriptsOnly,
}

/// One `php` or `php_server` block, and the threads that run its scripts.
#[derive(Clone)]
pub struct PhpRoute {
    /// `php` or `php_server`.
    pub mode: PhpMode,
    /// The settings by its directives. The root of the file server is set: its own, or the block's.
    pub settings: PhpSettings,
    /// The php.ini settings by its directives.
    pub ini: Option<Arc<IniText>>,
    /// The variables that scripts see in place of those of the process; `None`: they see those of the process.
    pub environment: Option<Arc<Pairs>>,
    /// The classic threads of this block's scope.
    pub classic: Arc<RequestQueue>,
    /// The HTTP workers that the block's requests can reach; if two have the same script, the first counts. Background
    /// workers do not belong here: a request for the path of their script is an ordinary one.
    pub workers: Vec<WorkerRoute>,
}

/// An HTTP worker and the requests that it gets.
#[derive(Clone)]
pub struct WorkerRoute {
    /// The worker's name, for the access log.
    pub name: String,
    /// Its script: a path below the document root of the block, if the script is below it. A request that routing sends
    /// to this script goes to the worker.
    pub script: PathBuf,
    /// Patterns of paths that are sent to this worker, except static files.
    pub paths: Vec<PathPattern>,
    /// The worker's threads.
    pub queue: Arc<RequestQueue>,
}
