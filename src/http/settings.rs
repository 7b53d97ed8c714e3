//! The settings of a site, as the handlers read them. They use the types of [`crate::config`] where it has them.

use std::path::PathBuf;
use std::sync::Arc;

use super::proxy::Proxy;
use super::queue::RequestQueue;
use super::tree::Routes;
use crate::config::{
    BasicAuth, Change, ErrorRule, FileServer, HeaderRule, IpRange, Layer, PathPattern, Redir, Respond, ResponseMatcher,
    Root, Status, Text,
};

/// What a route does with a request. A kind is added here, and in `http::answer`, where it is run.
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
    /// `request_body`: the largest body of the request, in bytes.
    RequestBody(u64),
    /// `php` and `php_server`. A running request shares the settings, because it may outlive this service in a reload.
    Php(Arc<PhpSettings>),
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
    /// Another method than that of the request. With GET and HEAD the body is left out.
    pub method: Option<Text>,
    /// Another path or query than that of the request.
    pub rewrite: Option<Text>,
    /// Changes of the request's header fields.
    pub request_headers: HeaderRule,
    /// Changes of the response's header fields.
    pub response_headers: HeaderRule,
    /// The proxies in front of this server that are trusted here, besides those of the site.
    pub trusted: Vec<IpRange>,
    /// What happens with certain responses; the first that fits counts.
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
    /// `php_server`: static files, directory indexes and the front controller, as a website wants it.
    Server,
    /// `php`: the path names a script; no other file is checked.
    ScriptsOnly,
}

/// The settings of one `php` or `php_server` block.
#[derive(Clone)]
pub struct PhpSettings {
    /// `php` or `php_server`.
    pub mode: PhpMode,
    /// The document root: absolute, without symbolic links if the block resolves them and the root is fixed.
    pub root: Root,
    /// The scripts of a directory and, in the root, the front controllers; the first that exists counts.
    pub index: Vec<String>,
    /// The files to try in turn, where `{path}` stands for the path of the request. `None`: the path itself, its index
    /// files, the root's index files. Only used by [`PhpMode::Server`].
    pub try_files: Option<Vec<String>>,
    /// What ends the script in a path like `/app.php/info`: usually just `.php`. Compared without regard to case.
    pub split_path: Vec<String>,
    /// Appended to `$_SERVER`, in order; an existing key is replaced.
    pub env: Vec<(String, String)>,
    /// The largest request body that is gathered before a PHP thread is taken, in bytes; `None`: bodies are streamed.
    pub gathered_body_bytes_max: Option<u64>,
    /// Whether requests for existing files that are no scripts go on to the handlers behind, where `files` is `None`.
    pub leaves_files: bool,
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
    /// Its script, below the document root of the block if it is there. A request that routing sends to this script goes
    /// to the worker.
    pub script: PathBuf,
    /// Patterns of paths that are sent to this worker, unless they are those of a static file.
    pub paths: Vec<PathPattern>,
    /// The worker's threads.
    pub queue: Arc<RequestQueue>,
}
