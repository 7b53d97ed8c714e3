//! Puts a configuration together from its parts, and checks the parts against each other.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::address::{Https, address, overlap};
use super::context::Context;
use super::diagnostic::Position;
use super::directives::{apply_global, apply_site, check_scope};
use super::handlers::{Handler, Route};
use super::limits;
use super::model::{Address, Config, Listener, ScopeLabel, Site};
use super::roots::fix_roots;
use super::settings::{Admin, Global};
use super::syntax::{RawSite, Sections};

/// Reads the parts of a Caddyfile.
pub(super) fn assemble(sections: Sections, start: &Position, context: &mut Context<'_>) -> (Global, Vec<Site>) {
    let global = apply_global(&sections.global, context);
    let https = if global.auto_https_off { Https::Off } else { Https::AsCaddy };
    if sections.sites.is_empty() && !context.findings.has_errors() {
        let hint = "write for example `:8080 {`, `root public`, `php_server` and `}`, each on a line";
        context.error_with_hint(start, "the configuration has no site", hint);
    }
    let sites = sections.sites.into_iter().map(|raw| site(raw, https, context)).collect();
    (global, sites)
}

/// Checks what concerns more than one site, and gives every scope a label of its own.
pub(super) fn check(config: &mut Config, context: &mut Context<'_>) {
    check_addresses(&config.sites, context);
    check_listeners(config, context);
    for site in &mut config.sites {
        fix_roots(&mut site.routes, context.working_dir);
        fix_roots(&mut site.error_routes, context.working_dir);
        check_depth(site, context);
    }
    check_threads(config, context);
    name_scopes(&mut config.sites);
    for scope in config.scopes() {
        check_scope(scope.label, scope.workers, context);
    }
}

fn site(raw: RawSite, https: Https, context: &mut Context<'_>) -> Site {
    if raw.addresses.is_empty() {
        context.error_with_hint(&raw.position, "the site has no address", "write for example `:8080 {`");
    }
    let addresses: Vec<Address> = raw.addresses.iter().filter_map(|word| address(word, https, context)).collect();
    let label = scope_label(&addresses);
    apply_site(addresses, &raw.body, raw.position, &label, context)
}

/// The first host, else the first listener address. A site without a valid address is refused, so its label only
/// stands in messages.
pub(super) fn scope_label(addresses: &[Address]) -> ScopeLabel {
    let host = addresses.iter().find_map(|address| address.host.clone());
    let listener = || addresses.first().map(|address| Listener { ip: address.ip, port: address.port }.to_string());
    ScopeLabel::new(&host.or_else(listener).unwrap_or_else(|| "unknown".to_owned()))
}

/// No two sites may answer the same host at the same listener.
fn check_addresses(sites: &[Site], context: &mut Context<'_>) {
    let mut known: HashMap<(Option<&str>, Option<IpAddr>, u16), &Position> = HashMap::new();
    for (site, address) in sites.iter().flat_map(|site| site.addresses.iter().map(move |address| (site, address))) {
        let ips: Vec<Option<IpAddr>> = match (address.ip, site.bind.as_slice()) {
            (Some(ip), _) => vec![Some(ip)],
            (None, []) => vec![None],
            (None, bind) => bind.iter().copied().map(Some).collect(),
        };
        for ip in ips {
            let key = (address.host.as_deref(), ip, address.port);
            if let Some(first) = known.get(&key) {
                let message = format!("the address `{address}` is used twice");
                context.error_with_hint(&address.position, message, format_args!("the first one is at {first}"));
                break;
            }
            known.insert(key, &address.position);
        }
    }
}

/// No two sockets may get in each other's way.
fn check_listeners(config: &Config, context: &mut Context<'_>) {
    let mut known: Vec<(Listener, String)> = Vec::new();
    let mut reported: HashSet<Listener> = HashSet::new();
    if let Admin::Addr(admin) = config.global.admin.clone().unwrap_or_default() {
        known.push((Listener { ip: Some(admin.ip()), port: admin.port() }, "the admin interface".to_owned()));
    }
    for site in &config.sites {
        for listener in site.listeners() {
            let is_same = |other: &Listener| *other == listener;
            let clash = known.iter().find(|(other, owner)| {
                // Two sites can share one socket; the admin interface shares its socket with nobody.
                let shared = is_same(other) && owner.starts_with("the admin");
                other.port == listener.port && listener.port != 0 && (shared || overlap(other.ip, listener.ip))
            });
            if let Some((other, owner)) = clash.filter(|_| reported.insert(listener)) {
                let message = format!("the listener `{listener}` takes the same port as `{other}` of {owner}");
                let hint = "use another port, or the same interface for both";
                context.error_with_hint(&site.position, message, hint);
            }
            if !known.iter().any(|(other, _)| is_same(other)) {
                known.push((listener, format!("the site at {}", site.position)));
            }
        }
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
    let inner = routes.iter().map(|route| match &route.handler {
        Handler::Subroute(inner) => depth(inner),
        _ => 0,
    });
    1 + inner.max().unwrap_or_default()
}

/// `num_threads` counts those of HTTP workers too: one that leaves none for other scripts is hardly meant, and a page that asks
/// its own site would wait for itself.
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

/// Puts a number behind a label that another scope has already.
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
