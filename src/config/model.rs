//! The checked configuration: what the rest of the program reads. The settings of the process are in `settings`.
//!
//! Every path in it is absolute, every number is within its bounds, and every default is filled in, except where an
//! `Option` says that the program decides at run time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Position};
use super::matcher::Matcher;
use super::settings::{Global, LogSettings};
use super::text::Text;
pub use super::workers::{ScopeLabel, WorkerConfig, WorkerKind};

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The options of the process.
    pub global: Global,
    /// The sites, in the order in which they were written. There is at least one.
    pub sites: Vec<Site>,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The directory that relative paths start from: the one that holds the Caddyfile.
    pub base_dir: PathBuf,
    /// Every file that was read: the Caddyfile and what it imports. The paths are absolute, and spelled as those below
    /// `base_dir` are.
    pub sources: Vec<PathBuf>,
}

impl Config {
    /// Every scope with the workers that it declares: the global one first, then one for each `php_server` or `php`
    /// block in the order of the file. A scope without workers is there too.
    pub fn scopes(&self) -> impl Iterator<Item = Scope<'_>> {
        let global = Scope { label: &self.global.scope, workers: &self.global.frankenphp.workers };
        let blocks = self
            .sites
            .iter()
            .flat_map(Site::php_servers)
            .map(|server| Scope { label: &server.scope, workers: &server.workers });
        std::iter::once(global).chain(blocks)
    }
}

/// What one `php_server` block, or everything outside of them, declares.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The name of the scope in messages and metrics. No two scopes of a configuration share one.
    pub label: &'a ScopeLabel,
    /// The workers that the scope declares, in the order of the file.
    pub workers: &'a [WorkerConfig],
}

/// One site: the addresses that it answers, and what it does with a request.
#[derive(Debug, Clone)]
pub struct Site {
    /// The addresses, at least one. No two addresses of a configuration are the same.
    pub addresses: Vec<Address>,
    /// `bind`: the interfaces on which addresses without an IP listen. Empty: all of them.
    pub bind: Vec<IpAddr>,
    /// The `root` directive of the site, if it has one.
    pub root: Option<PathBuf>,
    /// What the site does, in the order in which it is to be tried: Caddy's order of directives (`header`, `redir`,
    /// `respond`, `php_server` and `php`, `file_server`), within one directive the longest path first and those
    /// without a matcher last, otherwise as written. `header` routes do not end the request, all others do.
    pub routes: Vec<Route>,
    /// The access logs. Empty: requests are not logged.
    pub access_logs: Vec<LogSettings>,
    /// Where the first address stands.
    pub position: Position,
}

impl Site {
    /// The sockets that the site needs, without repetition.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listener> {
        let mut listeners = Vec::new();
        for address in &self.addresses {
            let ips: Vec<Option<IpAddr>> = match address.ip {
                Some(ip) => vec![Some(ip)],
                None if self.bind.is_empty() => vec![None],
                None => self.bind.iter().copied().map(Some).collect(),
            };
            for ip in ips {
                let listener = Listener { ip, port: address.port };
                if !listeners.contains(&listener) {
                    listeners.push(listener);
                }
            }
        }
        listeners
    }

    /// The `php_server` and `php` blocks of the site.
    pub fn php_servers(&self) -> impl Iterator<Item = &PhpServer> {
        self.routes.iter().filter_map(|route| match &route.handler {
            Handler::PhpServer(server) | Handler::Php(server) => Some(server),
            _ => None,
        })
    }
}

/// One socket to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The interface; `None` is all of them, by IPv4 and IPv6.
    pub ip: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => write!(f, "{}", SocketAddr::new(ip, self.port)),
            None => write!(f, ":{}", self.port),
        }
    }
}

/// One address of a site. It is always served by plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The host that requests must name, in lower case; a label `*` stands for any one label. `None`: every host.
    pub host: Option<String>,
    /// The interface to listen on, when the address is an IP. Such an address answers every host.
    pub ip: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// Where the address stands.
    pub position: Position,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, "{}", Listener { ip: self.ip, port: self.port }),
        }
    }
}

/// One directive of a site that acts on requests.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which requests it acts on.
    pub matcher: Matcher,
    /// What it does.
    pub handler: Handler,
    /// Where it stands.
    pub position: Position,
}

/// What a route does with a request.
#[derive(Debug, Clone)]
pub enum Handler {
    /// `php_server`: files, index files and PHP scripts under a root.
    PhpServer(PhpServer),
    /// `php`: every request that matches goes to PHP.
    Php(PhpServer),
    /// `respond`: a fixed answer.
    Respond(Respond),
    /// `redir`: a redirect.
    Redir(Redir),
    /// `header`: changes response headers, and lets the request go on.
    Header(HeaderRule),
    /// `file_server`: files under a root.
    FileServer(FileServer),
}

/// A `php_server` or `php` block: one scope of workers.
#[derive(Debug, Clone)]
pub struct PhpServer {
    /// The label of the scope.
    pub scope: ScopeLabel,
    /// The document root: the block's `root`, else the site's, else the directory of the Caddyfile.
    pub root: PathBuf,
    /// The index files, in order of preference. Empty after `index off`.
    pub index: Vec<String>,
    /// The suffixes that end a script's name in a path and start `PATH_INFO`, with their dot.
    pub split: Vec<String>,
    /// Additional `$_SERVER` and environment variables.
    pub env: Vec<(String, String)>,
    /// Whether symbolic links in `root` are resolved before PHP sees the path.
    pub resolve_root_symlink: bool,
    /// Whether `php_server` also serves files that are not scripts.
    pub file_server: bool,
    /// The files to try in turn, where `{path}` stands for the path of the request. `None`: the path itself, the
    /// path's index file, the root's index file.
    pub try_files: Option<Vec<String>>,
    /// The largest request body that is gathered before a PHP thread is taken, in bytes; `None`: bodies are streamed.
    pub request_buffering: Option<u64>,
    /// The workers of this scope.
    pub workers: Vec<WorkerConfig>,
    /// Where the block starts.
    pub position: Position,
}

/// The `respond` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// The status code.
    pub status: u16,
    /// The body, possibly empty.
    pub body: Text,
}

/// The `redir` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redir {
    /// The value of the `Location` header.
    pub to: Text,
    /// The status code, 300 to 399.
    pub status: u16,
}

/// The `header` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// The changes, in order.
    pub ops: Vec<HeaderOp>,
    /// Whether they are made when the response is about to be sent, after what the script has set. Otherwise they are
    /// made before, and the script may override them.
    pub defer: bool,
}

/// One change of the response headers. Field names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderOp {
    /// `Field value`: replaces the field.
    Set {
        /// The field's name.
        field: String,
        /// The new value.
        value: Text,
    },
    /// `+Field value`: adds one more.
    Add {
        /// The field's name.
        field: String,
        /// The value to add.
        value: Text,
    },
    /// `?Field value`: sets the field if the response has none.
    SetDefault {
        /// The field's name.
        field: String,
        /// The value to set.
        value: Text,
    },
    /// `-Field`: removes the field; a `*` at the start or end of the name stands for anything.
    Remove {
        /// The pattern of names.
        field: String,
    },
}

/// The `file_server` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileServer {
    /// The document root: the directive's, else the site's, else the directory of the Caddyfile.
    pub root: PathBuf,
    /// The index files, in order of preference.
    pub index: Vec<String>,
    /// Patterns of files that are answered as if they did not exist.
    pub hide: Vec<String>,
    /// Files that nobody may see under any name, also not through a symbolic link: absolute paths, each as it is named and
    /// as it is without links. The directives of a configuration set none; whoever serves it adds its own files.
    pub secret: Vec<PathBuf>,
}

impl FileServer {
    /// The file server of a directory, with the index files that it has unless it names others.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            index: vec!["index.html".to_owned(), "index.txt".to_owned()],
            hide: Vec::new(),
            secret: Vec::new(),
        }
    }
}
