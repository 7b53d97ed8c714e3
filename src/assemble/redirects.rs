//! The sites that redirect from plain HTTP to HTTPS.

use super::addresses::{is_on, name};
use crate::config::{self, Address, Config, Listener, Site};
use crate::http::access_log::AccessLog;
use crate::http::settings::Handler;
use crate::http::site::SiteSettings;
use crate::http::tree::Routes;
use std::sync::Arc;

/// The sites that redirect plain HTTP to HTTPS, by their sockets.
pub(super) fn redirects(config: &Config) -> Vec<(Listener, SiteSettings)> {
    let https = &config.global.https;
    if !https.auto.redirects {
        return Vec::new();
    }
    let is_plain = |listener: &Listener| listener.tcp().is_some_and(|(_, port)| port == https.http_port);
    let mut plain: Vec<Listener> = config.sites.iter().flat_map(Site::listeners).filter(is_plain).collect();
    let mut redirects: Vec<(Listener, SiteSettings)> = Vec::new();
    for (site, address) in addresses(config) {
        let Some(name) = name(address).filter(|_| address.https && address.port != https.http_port) else { continue };
        // Only a web server connects to a Unix socket, and it has its own redirects.
        for (ip, _) in site.listeners_of(address).iter().filter_map(Listener::tcp) {
            let own = Listener::Tcp { ip, port: https.http_port };
            let overlaps = |known: &&Listener| known.tcp().is_some_and(|(known, _)| config::overlap(known, ip));
            let listener = plain.iter().find(overlaps).cloned().unwrap_or(own);
            if has_site(config, &name, &listener)
                || redirects.iter().any(|(known, site)| *known == listener && site.hosts.contains(&name))
            {
                continue;
            }
            plain.push(listener.clone());
            redirects.push((listener, redirecting(&name, address)));
        }
    }
    redirects
}

/// All addresses, those without an IP first: a socket for all interfaces replaces the others.
fn addresses(config: &Config) -> Vec<(&Site, &Address)> {
    let pairs = config.sites.iter().flat_map(|site| site.addresses.iter().map(move |address| (site, address)));
    let mut addresses: Vec<(&Site, &Address)> = pairs.collect();
    addresses.sort_by_key(|(_, address)| address.ip.is_some());
    addresses
}

/// Whether a site answers the name by plain HTTP, by its own decision.
fn has_site(config: &Config, wanted: &str, listener: &Listener) -> bool {
    config.sites.iter().any(|site| {
        let mut here = site.addresses.iter().filter(|address| !address.https && is_on(site, address, listener));
        here.any(|address| name(address).as_deref() == Some(wanted))
    })
}

fn redirecting(name: &str, address: &Address) -> SiteSettings {
    let port = address.port;
    let route = config::Route {
        matcher: config::Matcher::any(),
        exclusive: None,
        // The redirect replaces every handler.
        handler: config::Handler::Abort,
        position: address.position.clone(),
    };
    let routes = Routes::compile(&[route], &|_| Some(Handler::ToHttps(port)));
    SiteSettings {
        label: format!("redirect of {name}"),
        hosts: vec![name.to_owned()],
        routes: Arc::new(routes),
        error_routes: Arc::default(),
        trusted_proxies: Arc::default(),
        body_read_max: None,
        access_log: AccessLog::Off,
    }
}
