//! Resolves and checks the addresses of sites.

use crate::config::{Address, Config, Listener, Site};

/// The site in the access log.
pub(crate) fn label(site: &Site) -> String {
    site.addresses.first().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn is_on(address: &Address, listener: Listener) -> bool {
    address.port == listener.port && (address.ip.is_none() || address.ip == listener.ip)
}

/// Whether FastCGI is spoken on the socket.
pub(super) fn is_fastcgi(config: &Config, listener: Listener) -> bool {
    let addresses = config.sites.iter().flat_map(|site| &site.addresses);
    addresses.into_iter().any(|address| address.fastcgi && is_on(address, listener))
}

/// What a certificate for the address is for.
pub(super) fn name(address: &Address) -> Option<String> {
    address.host.clone().or_else(|| address.ip.map(|ip| ip.to_string()))
}
