//! Builds a configuration from its parts, and checks the parts against each other.

use std::collections::{HashMap, HashSet};

use super::address::{address, overlap};
use super::context::Context;
use super::diagnostic::Position;
use super::directives::{apply_global, apply_site, check_cluster_stores, check_scope, check_stores};
use super::encryption;
use super::handlers::{Handler, PhpServer, Route};
use super::limits;
use super::listener::Listener;
use super::mercure::MercureSettings;
use super::model::{Address, Config, ScopeLabel, Site, scope_label};
use super::roots::{fix_error_roots, fix_roots};
use super::settings::{Admin, Global};
use super::syntax::{RawSite, Sections};
use super::tls;

/// Reads the parts of a Caddyfile.
pub(super) fn assemble(sections: Sections, start: &Position, context: &mut Context<'_>) -> (Global, Vec<Site>) {
    let global = apply_global(&sections.global, context);
    if sections.sites.is_empty() && !context.findings.has_errors() {
        let hint = "write for example `:8080 {`, `root public`, `php_server` and `}`, each on a line";
        context.error_with_hint(start, "the configuration has no site", hint);
    }
    let sites = sections.sites.into_iter().map(|raw| site(raw, &global, context)).collect();
    (global, sites)
}

/// Checks the rules that concern more than one site, and assigns each scope a unique label.
pub(super) fn check(config: &mut Config, context: &mut Context<'_>) {
    encryption::decide(&mut config.sites, &config.global.https);
    share_sockets(&mut config.sites);
    check_addresses(&config.sites, context);
    check_listeners(config, context);
    encryption::check(&config.sites, &config.global.https, context);
    check_fastcgi(&config.sites, context);
    for site in &mut config.sites {
        fix_roots(&mut site.routes, context.working_dir);
        fix_error_roots(&mut site.error_routes);
        check_depth(site, context);
    }
    check_threads(config, context);
    name_scopes(&mut config.sites);
    for scope in config.scopes() {
        check_scope(scope.label, scope.workers, context);
    }
    check_feeds(config, context);
    check_hub_names(config, context);
    check_stores(config.scopes().flat_map(|scope| scope.stores), context);
    let (stores, has_cluster) = (config.scopes().flat_map(|scope| scope.stores), context.has_cluster);
    check_cluster_stores(stores, &config.global.frankenphp, has_cluster, context);
}

/// A worker with `mercure` needs a hub, and so does `hot_reload`.
fn check_feeds(config: &Config, context: &mut Context<'_>) {
    let with_hub = config.sites.iter().filter(|site| has_hub(&site.routes)).count();
    let global = config.global.frankenphp.workers.iter().filter(|_| with_hub == 0);
    let without = config.sites.iter().filter(|site| !has_hub(&site.routes));
    for server in without.clone().flat_map(Site::php_servers).filter(|server| server.hot_reload.is_some()) {
        let message = "the site of this block has no hub for its `hot_reload`";
        context.error_with_hint(&server.position, message, "add `mercure { anonymous }` to the site");
    }
    let of_sites = without.flat_map(Site::php_servers).flat_map(|server| &server.workers);
    for worker in global.chain(of_sites).filter(|worker| worker.feed.is_some()) {
        let message = "the site of this worker has no hub for its `mercure`";
        context.error_with_hint(&worker.position, message, "add `mercure { … }` to the site");
    }
}

/// The instances of a cluster know a hub by its name, so two hubs of an instance cannot share one.
fn check_hub_names(config: &Config, context: &mut Context<'_>) {
    if config.global.frankenphp.cluster.is_none() {
        return;
    }
    let mut known: HashMap<&str, (&MercureSettings, &Position)> = HashMap::new();
    for (settings, position) in config.sites.iter().flat_map(Site::hubs).filter(|(hub, _)| !hub.name.is_empty()) {
        let (other, first) = *known.entry(&settings.name).or_insert((settings, position));
        if other != settings {
            let message = format!(
                "the hub at {first} has the name `{}` too, but other settings: a cluster could not tell them apart",
                settings.name
            );
            let hint = "write another `name` for one of them on all instances, or the same settings for both";
            context.error_with_hint(position, message, hint);
        }
    }
}

fn has_hub(routes: &[Route]) -> bool {
    routes
        .iter()
        .any(|route| matches!(route.handler, Handler::Mercure(_)) || route.handler.blocks().any(|inner| has_hub(inner)))
}

fn site(raw: RawSite, global: &Global, context: &mut Context<'_>) -> Site {
    if raw.addresses.is_empty() {
        context.error_with_hint(&raw.position, "the site has no address", "write for example `:8080 {`");
    }
    let addresses: Vec<Address> =
        raw.addresses.iter().filter_map(|word| address(word, &global.https, context)).collect();
    let label = scope_label(&addresses);
    let mut site = apply_site(addresses, &raw.body, raw.position, &label, context);
    tls::complete(&mut site.tls, &global.https);
    if site.bind.is_empty() {
        site.bind.clone_from(&global.default_bind);
    }
    site
}

/// Whether the address takes its port on all interfaces.
fn on_all(site: &Site, address: &Address) -> bool {
    address.https && address.ip.is_none() && site.bind.is_empty()
}

/// Treats an IP with HTTPS as a host if another address takes the same port on all interfaces: then the two share a
/// socket, as intended by `localhost, 127.0.0.1`.
fn share_sockets(sites: &mut [Site]) {
    let ports: HashSet<u16> = sites
        .iter()
        .flat_map(|site| site.addresses.iter().filter(move |address| on_all(site, address)))
        .map(|address| address.port)
        .collect();
    for address in sites.iter_mut().flat_map(|site| &mut site.addresses) {
        if let Some(ip) = address.ip.filter(|ip| address.https && !ip.is_unspecified() && ports.contains(&address.port))
        {
            (address.host, address.ip) = (Some(ip.to_string()), None);
        }
    }
}

/// Refuses two sites for the same host at the same listener.
fn check_addresses(sites: &[Site], context: &mut Context<'_>) {
    let mut known: HashMap<(Option<&str>, Listener, u16), &Position> = HashMap::new();
    for (site, address) in sites.iter().flat_map(|site| site.addresses.iter().map(move |address| (site, address))) {
        for listener in site.listeners_of(address) {
            let key = (address.host.as_deref(), listener, address.port);
            if let Some(first) = known.get(&key) {
                let message = format!("the address `{address}` is used twice");
                context.error_with_hint(&address.position, message, format_args!("the first one is at {first}"));
                break;
            }
            known.insert(key, &address.position);
        }
    }
}

/// The socket of the admin interface, if it has one.
fn admin_listener(admin: Admin) -> Option<Listener> {
    match admin {
        Admin::Off => None,
        Admin::Addr(address) => Some(Listener::Tcp { ip: Some(address.ip()), port: address.port() }),
        Admin::Unix(path) => Some(Listener::Unix(path)),
    }
}

/// Refuses sockets that exclude each other.
fn check_listeners(config: &Config, context: &mut Context<'_>) {
    let admin = admin_listener(config.global.admin.clone().unwrap_or_default());
    let mut known: Vec<(Listener, String)> =
        admin.into_iter().map(|listener| (listener, THE_ADMIN_INTERFACE.to_owned())).collect();
    let mut reported: HashSet<Listener> = HashSet::new();
    for site in &config.sites {
        for listener in site.listeners() {
            let clash = known.iter().find(|(other, owner)| clash(&listener, other, owner == THE_ADMIN_INTERFACE));
            if let Some((other, owner)) = clash.filter(|_| reported.insert(listener.clone())) {
                let what = if listener.tcp().is_some() { "port" } else { "file" };
                let message = format!("the listener `{listener}` takes the same {what} as `{other}` of {owner}");
                let hint = "use another port, or the same interface for both";
                context.error_with_hint(&site.position, message, hint);
            }
            if !known.iter().any(|(other, _)| *other == listener) {
                known.push((listener, format!("the site at {}", site.position)));
            }
        }
    }
}

const THE_ADMIN_INTERFACE: &str = "the admin interface";

/// Two sites can share one socket; the admin interface needs its own.
fn clash(listener: &Listener, other: &Listener, is_admins: bool) -> bool {
    match (listener.tcp(), other.tcp()) {
        (Some((ip, port)), Some((other_ip, other_port))) => {
            port == other_port && port != 0 && ((is_admins && listener == other) || overlap(other_ip, ip))
        }
        _ => is_admins && listener == other,
    }
}

/// Named routes that invoke others can nest deeper than blocks do.
fn check_depth(site: &Site, context: &mut Context<'_>) {
    let depth = depth(&site.routes).max(depth(&site.error_routes));
    if depth > limits::ROUTE_DEPTH_MAX {
        let message = format!("the routes of the site are nested {depth} deep, more than {}", limits::ROUTE_DEPTH_MAX);
        context.error_with_hint(&site.position, message, "look for named routes that invoke others");
    }
}

fn depth(routes: &[Route]) -> usize {
    let of_handler = |handler: &Handler| match handler {
        // A block of routes may take its place.
        Handler::PhpServer(server) => usize::from(server.remote.is_some()),
        handler => handler.blocks().map(|inner| depth(inner)).max().unwrap_or_default(),
    };
    1 + routes.iter().map(|route| of_handler(&route.handler)).max().unwrap_or_default()
}

/// `num_threads` counts those of HTTP workers too: a number that leaves none for other scripts is probably a mistake,
/// and a page that sends requests to its own site would wait for itself.
fn check_threads(config: &Config, context: &mut Context<'_>) {
    let Some((threads, position)) =
        config.global.frankenphp.num_threads.zip(config.global.frankenphp.position.as_ref())
    else {
        return;
    };
    let workers = config.scopes().flat_map(|scope| scope.workers).filter(|worker| !worker.is_background());
    let of_workers: usize = workers.filter_map(|worker| worker.num).sum();
    if of_workers >= threads {
        let message = format!(
            "`num_threads` is {threads}, and HTTP workers take {of_workers} of them: one thread is added for all other scripts"
        );
        context.warning_with_hint(position, message, format_args!("set `num_threads` to more than {of_workers}"));
    }
}

/// Whether other machines may reach the socket.
fn is_open(listener: &Listener) -> bool {
    listener.tcp().is_some_and(|(ip, _)| !ip.is_some_and(|ip| ip.is_loopback()))
}

/// The pages of a FastCGI address exist nowhere else.
fn check_pages(site: &Site, context: &mut Context<'_>) {
    let is_set = |server: &&PhpServer| server.settings.status_path.is_some() || server.settings.ping_path.is_some();
    if !site.addresses.iter().any(|address| address.fastcgi)
        && let Some(server) = site.php_servers().find(is_set)
    {
        let message = "`status_path` and `ping_path` have an effect at a FastCGI address only; see the admin interface";
        context.warning(&server.position, message);
    }
}

/// A client of a FastCGI socket can run any PHP file, so the socket must not be open to all.
fn check_fastcgi(sites: &[Site], context: &mut Context<'_>) {
    for site in sites {
        check_pages(site, context);
        for address in site.addresses.iter().filter(|address| address.fastcgi) {
            if site.php_servers().next().is_none() {
                let message = format!("the FastCGI address `{address}` runs nothing");
                context.error_with_hint(&address.position, message, "write `php` in the site");
            }
            if site.addresses.len() > 1 {
                let message = format!("the FastCGI address `{address}` must be the only one of its site");
                context.error_with_hint(&address.position, message, "make a site of its own for it");
            }
            if site.listeners_of(address).iter().any(is_open) {
                let message = format!(
                    "whoever reaches the FastCGI address `{address}` can run any PHP file as the user of the server"
                );
                context.warning(&address.position, message);
            }
        }
    }
}

/// Appends a number to a label that another scope already has.
fn name_scopes(sites: &mut [Site]) {
    let mut taken: HashSet<ScopeLabel> = HashSet::from([ScopeLabel::new(ScopeLabel::GLOBAL)]);
    for site in sites {
        site.each_php_server(&mut |server| {
            let wanted = server.scope.clone();
            let mut number = 2_usize;
            while !taken.insert(server.scope.clone()) {
                server.scope = ScopeLabel::new(&format!("{wanted}-{number}"));
                number += 1;
            }
        });
    }
}
