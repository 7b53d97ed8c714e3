//! Resolves and checks the addresses of sites.

use crate::config::{Address, Config, Listener, Site};

/// The site in the access log.
pub(crate) fn label(site: &Site) -> String {
    site.addresses.first().map(ToString::to_string).unwrap_or_default()
}

/// Whether this address of the site is served on the socket.
pub(super) fn is_on(site: &Site, address: &Address, listener: &Listener) -> bool {
    match listener.tcp() {
        Some((ip, port)) => {
            let is_bound_elsewhere = || site.listeners_of(address).iter().all(|own| own.tcp().is_none());
            address.port == port && (address.ip.is_none() || address.ip == ip) && !is_bound_elsewhere()
        }
        None => site.listeners_of(address).contains(listener),
    }
}

/// Whether FastCGI is spoken on the socket.
pub(super) fn is_fastcgi(config: &Config, listener: &Listener) -> bool {
    let is_here = |site: &Site| site.addresses.iter().any(|address| address.fastcgi && is_on(site, address, listener));
    config.sites.iter().any(is_here)
}

/// The name that a certificate for the address must cover.
pub(super) fn name(address: &Address) -> Option<String> {
    address.host.clone().or_else(|| address.ip.map(|ip| ip.to_string()))
}
