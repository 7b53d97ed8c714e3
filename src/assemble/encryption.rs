//! Chooses what each socket speaks: TLS with its certificates, FastCGI, or plain HTTP.

use super::addresses::{is_fastcgi, is_on, label, name};
use crate::config::{Address, Config, Listener, ProxyProtocol, Site, Timeouts, TlsSettings, distinct};
use crate::http::phase::ListenerSettings;
use crate::tls::{Challenges, Keeper, KeptFresh, Storage, TlsEndpoint, TlsError, TlsSite};
use std::sync::Arc;

/// How the sockets of one configuration are encrypted. [`Self::keep_fresh`] starts the renewal of its certificates.
pub(crate) struct Encryption {
    /// Sockets on which a web server in front speaks FastCGI.
    fastcgi: Vec<Listener>,
    /// What accepts TLS, by socket. A socket without one speaks plain HTTP.
    endpoints: Vec<(Listener, Arc<TlsEndpoint>)>,
    /// Taken by [`Self::keep_fresh`].
    keeper: Option<Keeper>,
    /// The load balancers that may send a PROXY header; `None`: none is read.
    proxy_protocol: Option<Arc<ProxyProtocol>>,
    timeouts: Timeouts,
    /// The largest head of a request; `None`: the usual one.
    head_bytes_max: Option<usize>,
    /// Whether plain sockets also speak HTTP/2.
    h2c: bool,
    /// Whether encrypted sockets also speak HTTP/3.
    h3: bool,
}

impl Encryption {
    /// Loads and makes the certificates. Blocks.
    ///
    /// # Errors A site cannot be encrypted as configured.
    pub(crate) fn prepare(config: &Config, challenges: &Arc<Challenges>) -> Result<Self, TlsError> {
        let storage = Storage::new(config.global.https.storage.clone().unwrap_or_else(Storage::default_root));
        let mut keeper = Keeper::new(storage, Arc::clone(challenges), config.global.https.clone());
        let listeners = encrypted_listeners(config);
        let sites: Vec<(Listener, Vec<TlsSite>)> =
            listeners.into_iter().map(|listener| (listener.clone(), tls_sites(config, &listener))).collect();
        // Files first: no certificate is obtained for a name that a file covers.
        keeper.load_files(sites.iter().flat_map(|(_, sites)| sites))?;
        let protocols = config.global.protocols;
        let mut endpoints = Vec::new();
        for (listener, sites) in &sites {
            endpoints.push((listener.clone(), Arc::new(keeper.endpoint(sites, offered_versions(protocols.h2))?)));
        }
        Ok(Self {
            fastcgi: fastcgi_listeners(config),
            endpoints,
            keeper: Some(keeper),
            proxy_protocol: config.global.trusted_proxies.protocol.clone().map(Arc::new),
            timeouts: config.global.timeouts,
            head_bytes_max: config.global.head_bytes_max,
            h2c: protocols.h2c,
            h3: protocols.h3,
        })
    }

    /// The protocol of a socket.
    pub(crate) fn settings(&self, listener: &Listener) -> ListenerSettings {
        let endpoint = self.endpoints.iter().find(|(known, _)| known == listener);
        let tls = endpoint.map(|(_, endpoint)| Arc::clone(endpoint));
        let (fastcgi, proxy_protocol) = (self.fastcgi.contains(listener), self.proxy_protocol.clone());
        let Self { timeouts, head_bytes_max, h2c, h3, .. } = *self;
        ListenerSettings { tls, fastcgi, proxy_protocol, timeouts, head_bytes_max, h2c, h3 }
    }

    /// Obtains missing certificates and renews old ones, until the returned handle is dropped.
    pub(crate) fn keep_fresh(&mut self) -> Option<KeptFresh> {
        self.keeper.take().map(Keeper::start)
    }
}

/// The versions of HTTP that a TLS handshake offers (ALPN), the preferred one first.
fn offered_versions(h2: bool) -> &'static [&'static str] {
    if h2 { &["h2", "http/1.1"] } else { &["http/1.1"] }
}

/// The sockets on which a web server in front speaks FastCGI.
fn fastcgi_listeners(config: &Config) -> Vec<Listener> {
    config.sites.iter().flat_map(Site::listeners).filter(|listener| is_fastcgi(config, listener)).collect()
}

fn encrypted_listeners(config: &Config) -> Vec<Listener> {
    distinct(config.sites.iter().flat_map(encrypted_listeners_of))
}

fn encrypted_listeners_of(site: &Site) -> impl Iterator<Item = Listener> {
    let encrypted = site.addresses.iter().filter(|address| address.https);
    encrypted.flat_map(|address| site.listeners_of(address))
}

/// The sites of one socket, each with the names that its certificate must cover.
fn tls_sites(config: &Config, listener: &Listener) -> Vec<TlsSite> {
    let mut sites = Vec::new();
    for site in &config.sites {
        let addresses: Vec<&Address> =
            site.addresses.iter().filter(|address| address.https && is_on(site, address, listener)).collect();
        if addresses.is_empty() {
            continue;
        }
        let named = addresses.iter().filter_map(|address| name(address)).collect();
        sites.push(tls_site(site, named));
        // An address without a name serves every client that does not name another site.
        if addresses.iter().any(|address| name(address).is_none()) {
            sites.push(tls_site(site, Vec::new()));
        }
    }
    sites.retain(|site| !site.names.is_empty() || site.is_for_all);
    sites
}

fn tls_site(site: &Site, names: Vec<String>) -> TlsSite {
    let settings: TlsSettings = site.tls.clone();
    TlsSite { label: label(site), is_for_all: names.is_empty(), names, settings }
}
