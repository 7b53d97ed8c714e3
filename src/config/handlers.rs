//! The handling of requests by a site: its tree of routes, and the settings of each handler.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::basic_auth::BasicAuth;
use super::changes::Change;
use super::diagnostic::Position;
use super::encode::{Encode, EncodeFormat};
use super::header_rule::HeaderRule;
use super::limits;
use super::matcher::{IpRange, Matcher};
use super::mercure::MercureSettings;
use super::proxy::{ProxySettings, UpstreamAddress};
use super::response_matcher::ResponseMatcher;
use super::settings::StoreSettings;
use super::text::Text;
use super::workers::{HotReload, IniSetting, ScopeLabel, WorkerConfig};

/// A directive of a site that acts on requests, or a block of them.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which requests it acts on.
    pub matcher: Matcher,
    /// The group of routes that it belongs to. A request takes only the first route of a group that matches.
    pub exclusive: Option<Exclusive>,
    /// What it does.
    pub handler: Handler,
    /// Where it is.
    pub position: Position,
}

/// Directives that exclude each other: in a block, a request takes only the first that matches. As in Caddy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusive {
    /// `handle` and `handle_path`.
    Handle,
    /// `rewrite`, and the files of one `try_files`.
    Rewrite,
    /// `root`.
    Root,
}

/// The action of a route on a request.
#[derive(Debug, Clone)]
pub enum Handler {
    /// Changes the request, which then continues.
    Change(Change),
    /// Lets the request continue, and changes the response that comes back.
    Layer(Layer),
    /// `route`, `handle`, `handle_path`, `invoke`, `try_files`: a block of routes. A request that none of them answers
    /// continues after them.
    Subroute(Vec<Route>),
    /// `php_server`: files, index files and PHP scripts under a root.
    PhpServer(PhpServer),
    /// `php`: every request that matches goes to PHP.
    Php(PhpServer),
    /// `respond`: a fixed answer.
    Respond(Respond),
    /// `redir`: a redirect.
    Redir(Redir),
    /// `file_server`: files under a root.
    FileServer(FileServer),
    /// `error`: ends the request with a failure, which `handle_errors` can answer.
    Error(ErrorRule),
    /// `basic_auth`: lets a request continue only with a name and a password.
    BasicAuth(BasicAuth),
    /// `request_body`: bounds the body of the request.
    RequestBody(BodyLimits),
    /// `mercure`: a hub that sends updates to browsers.
    Mercure(Box<MercureSettings>),
    /// `abort`: closes the connection without an answer.
    Abort,
    /// `reverse_proxy` and `forward_auth`: another server answers.
    ReverseProxy(Box<ReverseProxy>),
    /// `intercept`: other routes answer instead of certain responses.
    Intercept(Vec<Reply>),
    /// `copy_response`: the response that led to these routes is the answer, perhaps with another status.
    CopyResponse(Status),
}

impl Handler {
    /// The blocks of routes in it.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Vec<Route>> {
        let (inner, replies) = match self {
            Self::Subroute(inner) => (Some(inner), &[][..]),
            Self::ReverseProxy(proxy) => (None, &proxy.replies[..]),
            Self::Intercept(replies) => (None, &replies[..]),
            _ => (None, &[][..]),
        };
        inner.into_iter().chain(replies.iter().map(|reply| &reply.routes))
    }

    /// The blocks of routes in it.
    pub(super) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Vec<Route>> {
        let (inner, replies) = match self {
            Self::Subroute(inner) => (Some(inner), &mut [][..]),
            Self::ReverseProxy(proxy) => (None, &mut proxy.replies[..]),
            Self::Intercept(replies) => (None, &mut replies[..]),
            _ => (None, &mut [][..]),
        };
        inner.into_iter().chain(replies.iter_mut().map(|reply| &mut reply.routes))
    }
}

/// The `tracing` directive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tracing {
    /// The name of the span; `None`: the method of the request.
    pub span: Option<Text>,
    /// Further attributes. Their values are complete when there is a response.
    pub attributes: Vec<(String, Text)>,
}

/// The `reverse_proxy` directive.
#[derive(Debug, Clone)]
pub struct ReverseProxy {
    /// The servers, and how to connect to them.
    pub settings: ProxySettings,
    /// The method to use instead of the request's. With GET and HEAD the body is left out.
    pub method: Option<Text>,
    /// The path or query to use instead of the request's.
    pub rewrite: Option<Text>,
    /// `header_up`: changes of the request's header fields.
    pub request_headers: HeaderRule,
    /// `header_down`: changes of the response's header fields.
    pub response_headers: HeaderRule,
    /// The proxies in front of this server that this handler trusts, besides those of the global option.
    pub trusted: Vec<IpRange>,
    /// The treatment of certain responses; the first match counts.
    pub replies: Vec<Reply>,
}

/// The bounds that `request_body` sets to the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BodyLimits {
    /// The largest body, in bytes.
    pub bytes_max: Option<u64>,
    /// How long the body may take altogether.
    pub read_max: Option<Duration>,
    /// How long the response may take, from now on.
    pub write_max: Option<Duration>,
}

/// The treatment of certain responses of a handler: `handle_response` and `replace_status`.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Which responses.
    pub matcher: ResponseMatcher,
    /// Only the status is replaced, by this one.
    pub status: Option<Status>,
    /// The routes that the request takes.
    pub routes: Vec<Route>,
}

/// A change of the response on its way back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// `header`: changes the header fields of the response.
    Header(HeaderRule),
    /// `encode`: compresses it.
    Encode(Encode),
    /// `tracing`: makes a span of the request, until the response has ended.
    Tracing(Tracing),
}

/// The `error` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRule {
    /// The status; usually 500.
    pub status: Status,
    /// What `{err.message}` says.
    pub message: Text,
}

/// The document root of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The same directory for every request.
    Fixed(PathBuf),
    /// The directory of the last `root` directive that matched the request.
    OfRequest,
}

impl Root {
    /// The directory, if it is the same for every request.
    #[must_use]
    pub fn fixed(&self) -> Option<&std::path::Path> {
        match self {
            Self::Fixed(path) => Some(path),
            Self::OfRequest => None,
        }
    }
}

/// A `php_server` or `php` block: one scope of workers and stores.
#[derive(Debug, Clone)]
pub struct PhpServer {
    /// The label of the scope.
    pub scope: ScopeLabel,
    /// The settings by its directives.
    pub settings: PhpSettings,
    /// The workers of this scope.
    pub workers: Vec<WorkerConfig>,
    /// The stores that only its scripts see, in the order of the file.
    pub stores: Vec<StoreSettings>,
    /// Whether its pages are loaded again when files change.
    pub hot_reload: Option<HotReload>,
    /// `php_fastcgi` with an address: what happens instead if a PHP answers there when the configuration is loaded.
    pub remote: Option<Box<RemotePhp>>,
    /// Where the block starts.
    pub position: Position,
}

/// A PHP in another process, which may be there or not.
#[derive(Debug, Clone)]
pub struct RemotePhp {
    /// Its addresses; at least one.
    pub upstreams: Vec<UpstreamAddress>,
    /// How long connecting may take.
    pub dial_timeout: Duration,
    /// What `php_fastcgi` is short for in Caddy: a redirect of directories, a rewrite to the script, and a proxy to it.
    pub routes: Vec<Route>,
}

/// The settings of a `php_server` or `php` block, each named after its directive. The directives fill them in, and
/// `http` reads the same struct. Only `leaves_files` has no directive: `php_fastcgi` sets it.
#[derive(Debug, Clone)]
pub struct PhpSettings {
    /// The document root: the block's `root`, else the root of the enclosing directives, else the working directory. In
    /// `http`, a fixed root has no symbolic links if `resolve_root_symlink` is set.
    pub root: Root,
    /// The index scripts of a directory and, in the root, the front controllers; the first existing one counts. Empty
    /// after `index off`.
    pub index: Vec<String>,
    /// The suffixes that end a script's name in a path and start `PATH_INFO`: in lower case, with their dot.
    pub split_path: Vec<String>,
    /// Appended to `$_SERVER` and the environment, in order; an existing key is replaced.
    pub env: Vec<(String, String)>,
    /// The same for values with placeholders, which only the scripts of requests get.
    pub env_of_request: Vec<(String, Text)>,
    /// Whether the variables of the process are hidden from scripts.
    pub clear_env: bool,
    /// `php_value` and `php_admin_value`, in order.
    pub ini: Vec<IniSetting>,
    /// Whether symbolic links in `root` are resolved before PHP sees the path.
    pub resolve_root_symlink: bool,
    /// How `php_server` serves existing files that are not scripts; `None`: not at all. A root of the file server
    /// applies only there.
    pub file_server: Option<FileServer>,
    /// Whether requests for such files continue to the next handlers, as with `php_fastcgi`. Otherwise a block
    /// without a file server runs the index script for them.
    pub leaves_files: bool,
    /// The files to try in turn, where `{path}` stands for the path of the request; `=404` ends the request with that
    /// status. `None`: the path itself, the path's index file, the root's index file.
    pub try_files: Option<Vec<String>>,
    /// The path of php-fpm's status page, at a FastCGI address.
    pub status_path: Option<String>,
    /// The path of the page that says that the server answers, at a FastCGI address.
    pub ping_path: Option<String>,
    /// The text of that page.
    pub ping_response: String,
    /// After this time a request counts as slow, and the log gets a backtrace; `None`: never.
    pub request_slowlog_timeout: Option<Duration>,
    /// The most lines of that backtrace.
    pub request_slowlog_trace_depth: usize,
    /// After this time a request is ended; `None`: never.
    pub request_terminate_timeout: Option<Duration>,
    /// How long a request body may bring nothing before the client counts as gone; zero: for ever. `None`: the default.
    pub request_body_timeout: Option<Duration>,
    /// The largest request body that is gathered before a PHP thread is taken, in bytes; `None`: bodies are streamed.
    pub request_buffering_bytes_max: Option<u64>,
}

impl PhpSettings {
    /// The settings of an empty block.
    #[must_use]
    pub fn new() -> Self {
        Self {
            root: Root::OfRequest,
            index: vec!["index.php".to_owned()],
            split_path: vec![".php".to_owned()],
            env: Vec::new(),
            env_of_request: Vec::new(),
            clear_env: false,
            ini: Vec::new(),
            resolve_root_symlink: true,
            file_server: Some(FileServer::new(Root::OfRequest)),
            leaves_files: false,
            try_files: None,
            status_path: None,
            ping_path: None,
            ping_response: "pong".to_owned(),
            request_slowlog_timeout: None,
            request_slowlog_trace_depth: limits::SLOWLOG_TRACE_DEPTH_DEFAULT,
            request_terminate_timeout: None,
            request_body_timeout: None,
            request_buffering_bytes_max: Some(limits::REQUEST_BODY_BYTES_DEFAULT),
        }
    }
}

impl Default for PhpSettings {
    fn default() -> Self {
        Self::new()
    }
}

/// A status that a directive names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Status {
    /// No status is named: the failure's status in `handle_errors`, else the directive's default.
    #[default]
    Usual,
    /// Always this one.
    Code(u16),
    /// The text as a number.
    Text(Text),
}

/// The `respond` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// The status code; usually 200.
    pub status: Status,
    /// Whether the connection is closed after the answer.
    pub close: bool,
    /// The body, possibly empty.
    pub body: Text,
}

/// The `redir` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redir {
    /// The value of the `Location` header.
    pub to: Text,
    /// The status code, 300 to 399 or 401; `None`: a page that redirects by HTML.
    pub status: Option<u16>,
}

/// The `file_server` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileServer {
    /// The document root: the directive's, else the enclosing directives', else the working directory.
    pub root: Root,
    /// The index files, in order of preference.
    pub index: Vec<String>,
    /// Patterns of files that are treated as missing.
    pub hide: Vec<String>,
    /// Whether directories without an index file are listed.
    pub browse: bool,
    /// The formats of compressed copies beside the files, in order of preference.
    pub precompressed: Vec<EncodeFormat>,
    /// The status of files that are sent whole.
    pub status: Status,
    /// Whether requests for missing files continue to the next handlers.
    pub pass_thru: bool,
    /// Whether the path of a directory needs a slash at the end; without it the client is redirected.
    pub canonical_uris: bool,
    /// Files that are never served, not even through a symbolic link: absolute paths, each as named and with its links
    /// resolved. No directive sets them; the server adds its own files.
    pub secret: Arc<[PathBuf]>,
}

impl FileServer {
    /// The file server of a directory, with the default index files.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self {
            root,
            index: vec!["index.html".to_owned(), "index.txt".to_owned()],
            hide: Vec::new(),
            browse: false,
            precompressed: Vec::new(),
            status: Status::Usual,
            pass_thru: false,
            canonical_uris: true,
            secret: Arc::default(),
        }
    }
}
