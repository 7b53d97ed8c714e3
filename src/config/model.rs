//! The checked configuration: what the rest of the program reads. The settings of the process are in `settings`.
//!
//! Every path in it is absolute, every number is within its bounds, and every default is filled in, except where an
//! `Option` says that the program decides at run time.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Position};
#[cfg(feature = "http")]
use super::handlers::RemotePhp;
use super::handlers::{Handler, PhpServer, Route};
use super::listener::{Bind, Listener};
use super::mercure::MercureSettings;
use super::settings::{Global, LogSettings, StoreSettings};
use super::tls::TlsSettings;
pub use super::workers::{ScopeLabel, WorkerConfig, WorkerKind};

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The options of the process.
    pub global: Global,
    /// The sites, in the order in which they were written. There is at least one.
    pub sites: Vec<Site>,
    /// Warnings: what is allowed, but probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The base of relative paths: the directory of the Caddyfile.
    pub base_dir: PathBuf,
    /// Every file that was read: the Caddyfile and what it imports. The paths are absolute, and spelled as those below
    /// `base_dir` are.
    pub sources: Vec<PathBuf>,
}

impl Config {
    /// Every scope with its workers and stores: first the global one, then one for each `php_server` or `php` block, in
    /// file order. Scopes that declare none are included.
    pub fn scopes(&self) -> impl Iterator<Item = Scope<'_>> {
        let frankenphp = &self.global.frankenphp;
        let global = Scope { label: &self.global.scope, workers: &frankenphp.workers, stores: &frankenphp.stores };
        std::iter::once(global).chain(self.sites.iter().flat_map(Site::php_servers).map(Scope::of_block))
    }
}

/// The declarations of one `php_server` block, or of everything outside these blocks.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The name of the scope in messages and metrics. No two scopes of a configuration share one.
    pub label: &'a ScopeLabel,
    /// The workers that the scope declares, in the order of the file.
    pub workers: &'a [WorkerConfig],
    /// The stores that it declares.
    pub stores: &'a [StoreSettings],
}

impl<'a> Scope<'a> {
    fn of_block(server: &'a PhpServer) -> Self {
        Self { label: &server.scope, workers: &server.workers, stores: &server.stores }
    }
}

/// One site: its addresses, and its handling of requests.
#[derive(Debug, Clone)]
pub struct Site {
    /// The addresses, at least one. No two addresses of a configuration are the same.
    pub addresses: Vec<Address>,
    /// `bind`: where the addresses listen. Empty: on all interfaces, or, if the address is an IP, on that.
    pub bind: Vec<Bind>,
    /// The routes of the site, in the order in which they are tried: Caddy's order of directives, within one directive
    /// the longest path first and those without a matcher last, otherwise as written.
    pub routes: Vec<Route>,
    /// `handle_errors`: the routes that answer a failed request. Empty: the status alone.
    pub error_routes: Vec<Route>,
    /// The access logs. Empty: requests are not logged.
    pub access_logs: Vec<LogSettings>,
    /// How the site's HTTPS addresses are encrypted.
    pub tls: TlsSettings,
    /// The place of the site's `tls`, if it has one.
    pub tls_position: Option<Position>,
    /// Where the first address is.
    pub position: Position,
}

/// The first host, else the first listener address. A site without a valid address is refused, so its label only occurs
/// in messages.
pub(super) fn scope_label(addresses: &[Address]) -> ScopeLabel {
    let host = addresses.iter().find_map(|address| address.host.clone());
    let listener = || addresses.first().map(|address| Listener::Tcp { ip: address.ip, port: address.port }.to_string());
    ScopeLabel::new(&host.or_else(listener).unwrap_or_else(|| "unknown".to_owned()))
}

impl Site {
    /// Its name for the cluster: the first host, else the first listener address.
    #[must_use]
    pub fn label(&self) -> ScopeLabel {
        scope_label(&self.addresses)
    }

    /// The sockets that the site needs, without repetition.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listener> {
        distinct(self.addresses.iter().flat_map(|address| self.listeners_of(address)))
    }

    /// The sockets that one address of the site needs.
    #[must_use]
    pub fn listeners_of(&self, address: &Address) -> Vec<Listener> {
        let own = Listener::Tcp { ip: address.ip, port: address.port };
        // An address that is an IP names its interface itself; only a listener that is not an interface replaces it.
        if self.bind.iter().all(|bind| matches!(bind, Bind::Ip(_)) && address.ip.is_some()) {
            return vec![own];
        }
        self.bind.iter().map(|bind| bind.listener(address.port)).collect()
    }

    /// The `php_server` and `php` blocks of the site, in the order of its routes.
    pub fn php_servers(&self) -> impl Iterator<Item = &PhpServer> {
        let mut found = Vec::new();
        collect_php(&self.routes, &mut found);
        collect_php(&self.error_routes, &mut found);
        found.into_iter()
    }

    /// The Mercure hubs, each with the place of its directive.
    #[must_use]
    pub fn hubs(&self) -> Vec<(&MercureSettings, &Position)> {
        let mut found = Vec::new();
        collect_hubs(&self.routes, &mut found);
        collect_hubs(&self.error_routes, &mut found);
        found
    }

    /// Whether it has a `tracing`.
    #[cfg(feature = "http")]
    pub(crate) fn is_traced(&self) -> bool {
        has_tracing(&self.routes) || has_tracing(&self.error_routes)
    }

    /// Decides for each PHP in another process: if `answers` says so, it runs the scripts of its directive.
    #[cfg(feature = "http")]
    pub(crate) fn choose_remotes(&mut self, answers: &mut dyn FnMut(&RemotePhp) -> bool) {
        choose_remotes(&mut self.routes, answers);
        choose_remotes(&mut self.error_routes, answers);
    }

    /// Calls the function for each of them.
    pub(super) fn each_php_server(&mut self, act: &mut dyn FnMut(&mut PhpServer)) {
        visit_php(&mut self.routes, act);
        visit_php(&mut self.error_routes, act);
    }
}

/// The listeners in their order, each once. There are a few, so they are compared with each other.
pub(crate) fn distinct(all: impl Iterator<Item = Listener>) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for listener in all {
        if !listeners.contains(&listener) {
            listeners.push(listener);
        }
    }
    listeners
}

fn collect_php<'r>(routes: &'r [Route], found: &mut Vec<&'r PhpServer>) {
    for route in routes {
        match &route.handler {
            Handler::PhpServer(server) | Handler::Php(server) => found.push(server),
            handler => handler.blocks().for_each(|inner| collect_php(inner, found)),
        }
    }
}

fn collect_hubs<'r>(routes: &'r [Route], found: &mut Vec<(&'r MercureSettings, &'r Position)>) {
    for route in routes {
        if let Handler::Mercure(settings) = &route.handler {
            found.push((settings, &route.position));
        }
        route.handler.blocks().for_each(|inner| collect_hubs(inner, found));
    }
}

#[cfg(feature = "http")]
fn has_tracing(routes: &[Route]) -> bool {
    let is_tracing = |route: &Route| matches!(route.handler, Handler::Layer(super::handlers::Layer::Tracing(_)));
    routes.iter().any(|route| is_tracing(route) || route.handler.blocks().any(|inner| has_tracing(inner)))
}

#[cfg(feature = "http")]
fn choose_remotes(routes: &mut [Route], answers: &mut dyn FnMut(&RemotePhp) -> bool) {
    for route in routes {
        if let Handler::PhpServer(server) = &mut route.handler
            && let Some(remote) = server.remote.take_if(|remote| answers(remote))
        {
            route.handler = Handler::Subroute(remote.routes);
        }
        route.handler.blocks_mut().for_each(|inner| choose_remotes(inner, answers));
    }
}

fn visit_php(routes: &mut [Route], act: &mut dyn FnMut(&mut PhpServer)) {
    for route in routes {
        match &mut route.handler {
            Handler::PhpServer(server) | Handler::Php(server) => act(server),
            handler => handler.blocks_mut().for_each(|inner| visit_php(inner, act)),
        }
    }
}

/// One address of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The host that requests must name, in lower case; a label `*` stands for any one label. `None`: every host.
    pub host: Option<String>,
    /// The interface to listen on, when the address is an IP. Such an address answers every host.
    pub ip: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// Whether it uses HTTPS.
    pub https: bool,
    /// Neither the scheme nor the port nor the host says whether it uses HTTPS: the `tls` of its site does.
    pub undecided: bool,
    /// Whether it speaks FastCGI, to a web server in front.
    pub fastcgi: bool,
    /// Where the address is.
    pub position: Position,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, "{}", Listener::Tcp { ip: self.ip, port: self.port }),
        }
    }
}
