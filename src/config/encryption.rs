//! Which addresses are encrypted, where their own text does not say it.

use std::collections::{HashMap, HashSet};

use super::context::Context;
use super::listener::Listener;
use super::model::{Address, Site};
use super::tls::{CertificateSource, HttpsSettings};

/// Decides for the addresses without a host, and for those whose protocol `auto_https off` leaves open. As in Caddy, the `tls`
/// of the site makes them HTTPS, and so does another HTTPS address at the same socket.
pub(super) fn decide(sites: &mut [Site], https: &HttpsSettings) {
    for site in &mut *sites {
        let (any, connections) = (site.tls_position.is_some(), site.tls.concern_connections());
        for address in &mut site.addresses {
            let has_name = address.host.is_some() || address.ip.is_some();
            if address.undecided && (connections || (any && has_name)) {
                encrypt(address, https);
            }
        }
    }
    let encrypted: HashSet<Listener> = sites
        .iter()
        .flat_map(|site| site.addresses.iter().map(move |address| (site, address)))
        .filter(|(_, address)| address.https)
        .flat_map(|(site, address)| site.listeners_of(address))
        .collect();
    for site in sites {
        for index in 0..site.addresses.len() {
            let address = &site.addresses[index];
            let shares = || site.listeners_of(address).iter().any(|listener| encrypted.contains(listener));
            if address.undecided && !address.https && shares() {
                encrypt(&mut site.addresses[index], https);
            }
        }
    }
}

fn encrypt(address: &mut Address, https: &HttpsSettings) {
    address.https = true;
    // The port of plain HTTP is the default of an undecided address; written down, it decides.
    if address.port == https.http_port {
        address.port = https.https_port;
    }
}

/// One socket speaks one protocol. Encryption settings of a site that is served in the clear are a mistake, too.
pub(super) fn check(sites: &[Site], https: &HttpsSettings, context: &mut Context<'_>) {
    let mut known: HashMap<Listener, (&Address, bool)> = HashMap::new();
    for site in sites {
        for address in &site.addresses {
            for listener in site.listeners_of(address) {
                let (first, https) = *known.entry(listener.clone()).or_insert((address, address.https));
                if https != address.https {
                    let (message, hint) = (
                        format!(
                            "`{address}` is served by {}, and another site takes the same port for {}",
                            scheme(address),
                            scheme(first)
                        ),
                        format!("the other one is at {}; use another port", first.position),
                    );
                    context.error_with_hint(&address.position, message, hint);
                }
            }
        }
        if !reports_useless(site, context) {
            check_port(site, https, context);
        }
        check_permission(site, https, context);
    }
}

/// A client can name any host of such a site, and each would be an order at a public authority. Caddy obtains none then.
fn check_permission(site: &Site, https: &HttpsSettings, context: &mut Context<'_>) {
    let is_open = |address: &Address| {
        address.https && address.ip.is_none() && address.host.as_ref().is_none_or(|host| host.contains('*'))
    };
    let asks_authorities = site.tls.on_demand && matches!(site.tls.certificates, CertificateSource::Automatic(_));
    if !asks_authorities || https.on_demand.ask.is_some() {
        return;
    }
    if let Some((position, address)) =
        site.tls_position.as_ref().zip(site.addresses.iter().find(|address| is_open(address)))
    {
        let message =
            format!("with `on_demand`, clients choose the hosts of `{address}`, and nothing says which are yours");
        context.error_with_hint(position, message, "write `on_demand_tls { ask URL }` in the global options");
    }
}

/// Reports a site with `tls` and without HTTPS: Caddy refuses one with settings of connections, and serves the others in the
/// clear.
fn reports_useless(site: &Site, context: &mut Context<'_>) -> bool {
    let Some(position) = site.tls_position.as_ref() else { return false };
    if site.addresses.iter().any(|address| address.https) {
        return false;
    }
    if site.tls.concern_connections() {
        let message = "the site has `tls`, and its address means plain HTTP";
        context.error_with_hint(position, message, "write `https://` in the address, or remove `tls`");
    } else {
        let message =
            "`tls` has no effect, and the site is served by plain HTTP: no certificate can be made without a host";
        context.warning_with_hint(position, message, "write the host in the address of the site");
    }
    true
}

/// Caddy serves such a site in the clear without a word; browsers then show an error of TLS.
fn check_port(site: &Site, https: &HttpsSettings, context: &mut Context<'_>) {
    let is_odd = |address: &&Address| address.undecided && !address.https && address.port == https.https_port;
    if let Some(address) = site.addresses.iter().find(is_odd) {
        let message = format!("`{address}` is served by plain HTTP, because `auto_https` is `off`");
        let hint = "write `https://` or a host in the address, or `tls CERTIFICATE KEY` in the site";
        context.warning_with_hint(&address.position, message, hint);
    }
}

fn scheme(address: &Address) -> &'static str {
    if address.https { "HTTPS" } else { "plain HTTP" }
}
