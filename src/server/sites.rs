//! From the checked configuration to the HTTP layer's settings.

use super::assemble::Threads;
use crate::config::{self, Config, Listener, PhpServer, Site};
use crate::http::gate::Queue;
use crate::http::service::{
    FileSettings, Handler, HttpService, PhpMode, PhpSettings, Route, SiteSettings, WorkerRoute,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// For each socket that the configuration needs, the handler of the sites on it.
pub(super) fn listeners(config: &Config, threads: &Threads) -> Vec<(Listener, HttpService)> {
    let max_wait = config.global.frankenphp.max_wait_time;
    let queues = WorkerQueues::new(threads, max_wait);
    let mut sites: Vec<(Listener, Vec<SiteSettings>)> = Vec::new();
    for site in &config.sites {
        let routes: Vec<Route> = site.routes.iter().map(|route| convert(route, threads, &queues, max_wait)).collect();
        for listener in site.listeners() {
            let settings = settings(site, listener, routes.clone());
            match sites.iter_mut().find(|(known, _)| *known == listener) {
                Some((_, list)) => list.push(settings),
                None => sites.push((listener, vec![settings])),
            }
        }
    }
    sites.into_iter().map(|(listener, list)| (listener, HttpService::new(list))).collect()
}

/// The address to bind. All interfaces means IPv6 and, through it, IPv4.
pub(super) fn socket_address(listener: Listener) -> SocketAddr {
    SocketAddr::new(listener.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), listener.port)
}

/// One queue per HTTP worker, however many blocks reach it: its places are counted once.
struct WorkerQueues(HashMap<PathBuf, Vec<(String, Arc<Queue>)>>);

impl WorkerQueues {
    fn new(threads: &Threads, max_wait: Option<Duration>) -> Self {
        let mut queues: HashMap<PathBuf, Vec<(String, Arc<Queue>)>> = HashMap::new();
        for (label, worker, _) in &threads.http {
            let queue = Queue::new(worker.gate(), max_wait);
            queues.entry(worker.declaration().file.clone()).or_default().push((label.to_string(), queue));
        }
        Self(queues)
    }

    fn get(&self, file: &Path, scope: &str) -> Option<Arc<Queue>> {
        let queues = self.0.get(file)?;
        let own = queues.iter().find(|(label, _)| label == scope).or_else(|| queues.first());
        own.map(|(_, queue)| queue.clone())
    }
}

fn settings(site: &Site, listener: Listener, routes: Vec<Route>) -> SiteSettings {
    let on_it = |address: &&config::Address| {
        address.port == listener.port && (address.ip.is_none() || address.ip == listener.ip)
    };
    let hosts: Vec<Option<String>> = site.addresses.iter().filter(on_it).map(|address| address.host.clone()).collect();
    // One address without a host makes the site answer every host of this listener.
    let named = if hosts.iter().any(Option::is_none) { Vec::new() } else { hosts.into_iter().flatten().collect() };
    SiteSettings {
        label: site.addresses.first().map(ToString::to_string).unwrap_or_default(),
        hosts: named,
        routes,
        access_log: site.access_log.is_some(),
    }
}

fn convert(route: &config::Route, threads: &Threads, queues: &WorkerQueues, max_wait: Option<Duration>) -> Route {
    let handler = match &route.handler {
        config::Handler::PhpServer(server) => Handler::Php(php(server, PhpMode::Server, threads, queues, max_wait)),
        config::Handler::Php(server) => Handler::Php(php(server, PhpMode::ScriptsOnly, threads, queues, max_wait)),
        config::Handler::Respond(respond) => {
            Handler::Respond { status: respond.status, body: respond.body.as_literal().unwrap_or_default().to_owned() }
        }
        config::Handler::Redir(redir) => {
            Handler::Redir { to: redir.to.as_literal().unwrap_or_default().to_owned(), status: redir.status }
        }
        config::Handler::Header(_) => Handler::Headers(Vec::new()),
        config::Handler::FileServer(files) => Handler::Files(FileSettings {
            root: files.root.clone(),
            index: files.index.clone(),
            hide: files.hide.clone(),
        }),
    };
    Route { matcher: crate::http::matcher::Matcher::default(), handler }
}

fn php(
    server: &PhpServer,
    mode: PhpMode,
    threads: &Threads,
    queues: &WorkerQueues,
    max_wait: Option<Duration>,
) -> PhpSettings {
    let root = if server.resolve_root_symlink {
        server.root.canonicalize().unwrap_or_else(|_| server.root.clone())
    } else {
        server.root.clone()
    };
    let workers = threads
        .http_of(server)
        .filter_map(|(worker, paths)| {
            let declaration = worker.declaration();
            Some(WorkerRoute {
                name: declaration.name.clone(),
                script: declaration.file.clone(),
                paths: paths.to_vec(),
                queue: queues.get(&declaration.file, server.scope.as_str())?,
            })
        })
        .collect();
    PhpSettings {
        mode,
        index: server.index.first().cloned().unwrap_or_default(),
        split_path: server.split.clone(),
        env: server.env.clone(),
        files: server.file_server.then(|| FileSettings {
            root: root.clone(),
            index: server.index.clone(),
            hide: Vec::new(),
        }),
        root,
        classic: Queue::new(threads.classic.gate(threads.scope(&server.scope)), max_wait),
        workers,
    }
}
