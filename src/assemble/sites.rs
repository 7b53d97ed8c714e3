//! Converts the sites of the checked configuration to the HTTP layer's settings.

pub(crate) use super::addresses::label;
use super::addresses::{is_fastcgi, is_on};
use super::logging;
use super::plan::{environment, ini_text};
use super::pool::BlockPool;
use super::redirects::redirects;
use super::threads::{HttpGroup, Threads};
use crate::config::{
    self, Address, Bind, Config, FileServer, Listener, PhpServer, Reply, ReverseProxy, Root, Site, TrustedProxies,
    distinct,
};
use crate::http::access_log::AccessLog;
use crate::http::listener::ListenAddress;
use crate::http::pages::FastCgiSite;
use crate::http::proxy::Proxy;
use crate::http::service::HttpService;
use crate::http::settings::{Handler, PhpMode, PhpRoute, ProxyRoute, ReplyRoutes, WorkerRoute};
use crate::http::site::SiteSettings;
use crate::http::tree::Routes;
use crate::limits::config::SOCKET_MODE_DEFAULT;
use crate::mercure::Hub;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// For each socket of the configuration, the handler of its sites.
pub(crate) fn listeners(config: &Config, threads: &Threads) -> Vec<(Listener, HttpService)> {
    let assembly = Assembly::new(config, threads);
    let mut sites: Vec<(Listener, Vec<SiteSettings>)> = Vec::new();
    for site in &config.sites {
        let routes = assembly.site(site);
        let access_log = access_log(site, config);
        for listener in site.listeners() {
            let addresses = site.addresses.iter().filter(|address| is_on(site, address, &listener));
            let settings = settings(site, addresses, &routes, access_log.clone());
            add(&mut sites, listener, settings);
        }
    }
    sites.retain(|(listener, _)| !is_fastcgi(config, listener));
    for (listener, settings) in redirects(config) {
        add(&mut sites, listener, settings);
    }
    let http = sites.into_iter().map(|(listener, list)| (listener, HttpService::new(list)));
    http.chain(assembly.fastcgi(config)).collect()
}

/// Adds a site to its socket. The list stays in the order of the configuration, because its first site that matches answers.
fn add(sites: &mut Vec<(Listener, Vec<SiteSettings>)>, listener: Listener, settings: SiteSettings) {
    match sites.iter_mut().find(|(known, _)| *known == listener) {
        Some((_, list)) => list.push(settings),
        None => sites.push((listener, vec![settings])),
    }
}

/// One handler for all sites, whatever they listen on: the host alone decides between them.
pub(crate) fn all(config: &Config, threads: &Threads) -> HttpService {
    let assembly = Assembly::new(config, threads);
    let settings = |site| settings(site, site.addresses.iter(), &assembly.site(site), log_of_program(site));
    HttpService::new(config.sites.iter().map(settings).collect())
}

/// The host program has its own log.
fn log_of_program(site: &Site) -> AccessLog {
    if site.access_logs.is_empty() { AccessLog::Off } else { AccessLog::Tracing }
}

/// The sockets that the configuration needs, without repetition.
pub(crate) fn sockets(config: &Config) -> Vec<Listener> {
    let redirects = redirects(config).into_iter().map(|(listener, _)| listener);
    distinct(config.sites.iter().flat_map(Site::listeners).chain(redirects))
}

/// The address to bind. The wildcard address is the one of IPv6, which also accepts IPv4. If a Unix socket has several
/// permissions, the first ones count.
pub(crate) fn listen_address(config: &Config, listener: &Listener) -> ListenAddress {
    match listener {
        Listener::Tcp { ip, port } => {
            ListenAddress::Tcp(SocketAddr::new(ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), *port))
        }
        Listener::Unix(path) => {
            let modes = config.sites.iter().flat_map(|site| &site.bind).filter_map(|bind| match bind {
                Bind::Unix { path: other, mode } if other == path => Some(*mode),
                _ => None,
            });
            let mode = modes.into_iter().next().unwrap_or(SOCKET_MODE_DEFAULT);
            ListenAddress::Unix { path: path.clone(), mode }
        }
        Listener::Inherited(name) => ListenAddress::Inherited(name.clone()),
    }
}

/// The sinks of a site. Their files could be opened a moment ago; a site whose log cannot be opened now is served without it.
fn access_log(site: &Site, config: &Config) -> AccessLog {
    logging::access_log(site, &config.global).unwrap_or_else(|error| {
        tracing::error!(site = label(site), "opening an access log: {error}");
        AccessLog::Tracing
    })
}

/// The site restricted to `addresses`, a subset of its own.
fn settings<'a>(
    site: &Site,
    addresses: impl Iterator<Item = &'a Address>,
    routes: &SiteRoutes,
    access_log: AccessLog,
) -> SiteSettings {
    let hosts: Vec<Option<String>> = addresses.map(|address| address.host.clone()).collect();
    // One address without a host makes the site answer every host.
    let named = if hosts.iter().any(Option::is_none) { Vec::new() } else { hosts.into_iter().flatten().collect() };
    SiteSettings {
        label: label(site),
        hosts: named,
        routes: routes.usual.clone(),
        error_routes: routes.of_errors.clone(),
        trusted_proxies: routes.trusted_proxies.clone(),
        body_read_max: routes.body_read_max,
        access_log,
    }
}

/// The routes of a site, which all its listeners share.
struct SiteRoutes {
    /// The routes for requests.
    usual: Arc<Routes<Handler>>,
    /// The routes of `handle_errors`.
    of_errors: Arc<Routes<Handler>>,
    /// Those that may report the client's address.
    trusted_proxies: Arc<TrustedProxies>,
    /// How long a client may send a body; `None`: as long as it keeps its pace.
    body_read_max: Option<Duration>,
}

/// What all sites need to build their settings.
struct Assembly<'c> {
    threads: &'c Threads,
    trusted_proxies: Arc<TrustedProxies>,
    body_read_max: Option<Duration>,
    /// The files of the configuration: they are never served, even below a root.
    secret: Arc<[PathBuf]>,
}

impl<'c> Assembly<'c> {
    fn new(config: &'c Config, threads: &'c Threads) -> Self {
        let resolved = config.sources.iter().filter_map(|source| source.canonicalize().ok());
        let trusted_proxies = Arc::new(config.global.trusted_proxies.clone());
        let body_read_max = config.global.timeouts.read_body;
        let secret = config.sources.iter().cloned().chain(resolved).collect();
        Self { threads, trusted_proxies, body_read_max, secret }
    }

    fn site(&self, site: &Site) -> SiteRoutes {
        SiteRoutes {
            usual: self.routes(&site.routes),
            of_errors: self.routes(&site.error_routes),
            trusted_proxies: self.trusted_proxies.clone(),
            body_read_max: self.body_read_max,
        }
    }

    fn routes(&self, routes: &[config::Route]) -> Arc<Routes<Handler>> {
        Arc::new(self.compiled(routes))
    }

    fn compiled(&self, routes: &[config::Route]) -> Routes<Handler> {
        Routes::compile(routes, &|handler| self.handler(handler))
    }

    fn proxy(&self, proxy: &ReverseProxy) -> ProxyRoute {
        ProxyRoute {
            proxy: Proxy::new(proxy.settings.clone()),
            method: proxy.method.clone(),
            rewrite: proxy.rewrite.clone(),
            request_headers: proxy.request_headers.clone(),
            response_headers: proxy.response_headers.clone(),
            trusted: proxy.trusted.clone(),
            replies: self.replies(&proxy.replies),
        }
    }

    fn replies(&self, replies: &[Reply]) -> Vec<ReplyRoutes> {
        let compiled = |reply: &Reply| ReplyRoutes {
            matcher: reply.matcher.clone(),
            status: reply.status.clone(),
            routes: self.compiled(&reply.routes),
        };
        replies.iter().map(compiled).collect()
    }

    /// The HTTP layer's form of a handler; `None` for a block of routes, which is flattened.
    fn handler(&self, handler: &config::Handler) -> Option<Handler> {
        Some(match handler {
            config::Handler::Subroute(_) => return None,
            config::Handler::Change(change) => Handler::Change(change.clone()),
            config::Handler::Layer(layer) => Handler::Layer(layer.clone()),
            config::Handler::PhpServer(server) => Handler::Php(Arc::new(self.php(server, PhpMode::Server))),
            config::Handler::Php(server) => Handler::Php(Arc::new(self.php(server, PhpMode::ScriptsOnly))),
            config::Handler::Respond(respond) => Handler::Respond(respond.clone()),
            config::Handler::Redir(redir) => Handler::Redir(redir.clone()),
            config::Handler::FileServer(files) => Handler::Files(self.hiding(files.clone())),
            config::Handler::Error(rule) => Handler::Error(rule.clone()),
            config::Handler::Abort => Handler::Abort,
            config::Handler::BasicAuth(auth) => Handler::BasicAuth(auth.clone()),
            config::Handler::Mercure(settings) => Handler::Mercure(Hub::with(settings)),
            config::Handler::RequestBody(limits) => Handler::RequestBody(*limits),
            config::Handler::ReverseProxy(proxy) => Handler::Proxy(Arc::new(self.proxy(proxy))),
            config::Handler::Intercept(replies) => Handler::Intercept(self.replies(replies).into()),
            config::Handler::CopyResponse(status) => Handler::CopyResponse(status.clone()),
        })
    }

    fn php(&self, server: &PhpServer, mode: PhpMode) -> PhpRoute {
        let mut settings = server.settings.clone();
        if let (Root::Fixed(path), true) = (&settings.root, settings.resolve_root_symlink) {
            settings.root = Root::Fixed(resolved(path));
        }
        let root = &settings.root;
        settings.file_server = settings.file_server.map(|files| self.hiding(with_root(files, root)));
        PhpRoute {
            mode,
            classic: self.threads.classic_queue.sharing(self.threads.classic.sender(self.threads.scope(&server.scope))),
            workers: self.workers(server, settings.root.fixed()),
            ini: ini_text(&settings.ini),
            environment: environment(settings.clear_env, &settings.env),
            settings,
        }
    }

    /// `root` is the root of the block without links, if it is the same for every request.
    fn workers(&self, server: &PhpServer, root: Option<&Path>) -> Vec<WorkerRoute> {
        let route = |group: &HttpGroup| {
            let declaration = group.worker.config();
            WorkerRoute {
                name: declaration.name.clone(),
                script: match (root, server.settings.root.fixed()) {
                    (Some(root), Some(named)) if server.settings.resolve_root_symlink => {
                        script_below(root, named, &declaration.file)
                    }
                    _ => declaration.file.clone(),
                },
                paths: group.paths.clone(),
                queue: group.queue.clone(),
            }
        };
        self.threads.http_of(server).map(route).collect()
    }

    /// The handlers of the FastCGI sockets: what the site's first `php` or `php_server` declares.
    fn fastcgi(&self, config: &Config) -> Vec<(Listener, HttpService)> {
        let mut services = Vec::new();
        for site in &config.sites {
            let Some(server) = site.php_servers().next() else { continue };
            let php = Arc::new(self.php(server, PhpMode::ScriptsOnly));
            for address in site.addresses.iter().filter(|address| address.fastcgi) {
                let none = SiteRoutes {
                    usual: Arc::default(),
                    of_errors: Arc::default(),
                    trusted_proxies: self.trusted_proxies.clone(),
                    body_read_max: self.body_read_max,
                };
                let own = settings(site, std::iter::once(address), &none, access_log(site, config));
                let fastcgi = FastCgiSite::new(Arc::clone(&php), label(site), self.pool(server));
                let service = HttpService::for_fastcgi(own, fastcgi);
                services.extend(site.listeners_of(address).into_iter().map(|listener| (listener, service.clone())));
            }
        }
        services
    }

    fn pool(&self, server: &PhpServer) -> Arc<BlockPool> {
        let workers = self.threads.http_of(server).map(|group| group.worker.clone()).collect();
        Arc::new(BlockPool { classic: self.threads.classic.clone(), workers })
    }

    fn hiding(&self, mut files: FileServer) -> FileServer {
        files.secret = Arc::clone(&self.secret);
        files
    }
}

/// The file server of a block of PHP: with the root of the block, unless it names one.
fn with_root(mut files: FileServer, root: &Root) -> FileServer {
    if files.root.fixed().is_none() {
        files.root.clone_from(root);
    }
    files
}

/// The directory without symbolic links; itself when it does not exist yet.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The worker's script as routing spells it: below the resolved root, however the declaration names it. Links below
/// the root stay, because routing does not resolve them either.
fn script_below(root: &Path, named_root: &Path, file: &Path) -> PathBuf {
    match file.strip_prefix(named_root) {
        Ok(relative) => root.join(relative),
        Err(_) if file.starts_with(root) => file.to_owned(),
        Err(_) => resolved(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_worker_is_found_behind_every_way_to_its_root() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().canonicalize().expect("it exists").join(name);
        std::fs::create_dir_all(path("releases/5")).expect("a directory");
        std::fs::write(path("releases/5/index.php"), "<?php").expect("a file");
        std::fs::write(path("shared.php"), "<?php").expect("a file");
        symlink(path("releases/5"), path("current")).expect("a link");
        symlink(path("shared.php"), path("releases/5/linked.php")).expect("a link");
        let root = resolved(&path("current"));
        assert_eq!(root, path("releases/5"));
        for (named_root, file, expected) in [
            ("current", "current/index.php", "releases/5/index.php"),
            ("current", "releases/5/index.php", "releases/5/index.php"),
            ("releases/5", "current/index.php", "releases/5/index.php"),
            ("current", "current/linked.php", "releases/5/linked.php"),
            ("releases/5", "releases/5/linked.php", "releases/5/linked.php"),
            ("current", "shared.php", "shared.php"),
        ] {
            assert_eq!(script_below(&root, &path(named_root), &path(file)), path(expected), "{named_root} {file}");
        }
    }
}
