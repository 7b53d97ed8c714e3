//! The settings of TLS for HTTP/3. QUIC needs them before a client has named a site, so one configuration is for all sites
//! of a socket, and only the certificate depends on the name.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;

use super::names::NameMap;
use super::parameters::{provider, resumption};
use super::resolver::Resolver;
use crate::config::{TlsSettings, TlsVersionMax};

const PROTOCOL: &str = "h3";

/// Whether a site with these settings is served by HTTP/3, which is always encrypted by TLS 1.3.
pub(super) fn speaks(settings: &TlsSettings) -> bool {
    settings.version_max == TlsVersionMax::Tls13
        && (settings.alpn.is_empty() || settings.alpn.iter().any(|protocol| protocol == PROTOCOL))
}

/// The sites of a socket.
#[derive(Debug, Default)]
pub(super) struct Http3Sites {
    resolvers: NameMap<Arc<Resolver>>,
    /// For names without a site.
    fallback: Option<Arc<Resolver>>,
    /// For clients that use an IP address, and so send no name.
    unnamed: Option<Arc<Resolver>>,
    curves: Option<Vec<String>>,
    /// Why there can be no configuration for all.
    refused: Option<&'static str>,
}

impl Http3Sites {
    /// Adds a site by its names, or for every client that names no other.
    pub(super) fn add(&mut self, names: &[String], is_for_all: bool, resolver: &Arc<Resolver>, settings: &TlsSettings) {
        if settings.client_auth.is_some() {
            self.refused = Some("a site there has `client_auth`, which HTTP/3 does not have here");
        }
        if self.curves.get_or_insert_with(|| settings.curves.clone()) != &settings.curves {
            self.refused = Some("the sites there have different `curves`, and HTTP/3 needs the same");
        }
        if !speaks(settings) {
            return;
        }
        for name in names {
            if name.parse::<IpAddr>().is_ok() {
                self.unnamed.get_or_insert_with(|| Arc::clone(resolver));
            } else {
                self.resolvers.insert(name, Arc::clone(resolver));
            }
        }
        if is_for_all {
            self.fallback = Some(Arc::clone(resolver));
        }
    }

    /// The configuration for all sites.
    ///
    /// # Errors Their settings exclude one another, or HTTP/3.
    pub(super) fn config(self) -> Result<Arc<ServerConfig>, String> {
        if let Some(reason) = self.refused {
            return Err(reason.to_owned());
        }
        let curves = self.curves.clone().unwrap_or_default();
        let provider = provider(&TlsSettings { curves, ..TlsSettings::default() })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self));
        config.alpn_protocols = vec![PROTOCOL.as_bytes().to_vec()];
        // A request in early data could be sent again by anyone who has recorded it.
        config.max_early_data_size = 0;
        resumption(&mut config)?;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Http3Sites {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let resolver = match hello.server_name() {
            Some(name) => self.resolvers.find(&name.to_ascii_lowercase()).or(self.fallback.as_ref()),
            None => self.unnamed.as_ref().or(self.fallback.as_ref()),
        };
        resolver?.resolve(hello)
    }
}
