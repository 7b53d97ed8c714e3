//! One encrypted socket: chooses the settings by a client's first message, and does the handshake.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::clients;
use super::described::EncryptionFacts;
use super::http3::{self, Http3Sites};
use super::names::NameMap;
use super::on_demand::{OnDemand, Signer};
use super::parameters::{provider, resumption, versions};
use super::resolver::{ACME_PROTOCOL, Challenges, Resolver};
use super::store::CertificateStore;
use crate::config::TlsSettings;

/// The negotiated protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NegotiatedProtocol {
    /// HTTP/1.1, or the client named nothing.
    Http1,
    /// HTTP/2.
    Http2,
    /// None: the handshake itself was an ACME challenge.
    AcmeChallenge,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke, or the two sides have nothing in common.
    #[error("the handshake: {0}")]
    Io(#[from] io::Error),
    /// No site on this socket is encrypted for this name.
    #[error("the handshake: no site here is for this name")]
    UnknownName,
    /// The certificate of this host was not obtained.
    #[error("the handshake: there is no certificate for `{0}` now")]
    NotObtained(String),
}

/// A finished handshake.
#[derive(Debug)]
pub struct Encrypted<S> {
    /// The connection from here on.
    pub stream: TlsStream<S>,
    /// What it speaks.
    pub protocol: NegotiatedProtocol,
    /// What its requests can say about it.
    pub facts: EncryptionFacts,
    /// The name in the handshake, in lower case, where requests must be for the same; see
    /// [`TlsEndpoint::binds_requests_to_names`].
    pub bound_name: Option<String>,
    /// Whether the site can be reached by HTTP/3, too, if the listener speaks it.
    pub speaks_http3: bool,
}

/// The settings of one encrypted socket, by the names that clients ask for.
#[derive(Debug)]
pub struct TlsEndpoint {
    sites: NameMap<EncryptedSite>,
    /// For names without a site.
    fallback: Option<EncryptedSite>,
    binds: bool,
    /// The settings of HTTP/3, or why there are none.
    http3: Result<Arc<ServerConfig>, String>,
}

/// How handshakes with one name are made.
#[derive(Debug, Clone)]
struct EncryptedSite {
    config: Arc<ServerConfig>,
    /// What obtains its certificate while the handshake waits.
    on_demand: Option<(Arc<OnDemand>, Signer)>,
    speaks_http3: bool,
}

/// A handshake whose first message was read.
pub struct Hello<'e, S> {
    start: StartHandshake<S>,
    site: &'e EncryptedSite,
    /// In lower case.
    name: Option<String>,
    local: IpAddr,
    binds: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Hello<'_, S> {
    /// Waits for the certificate, if it is obtained on demand. It limits itself.
    ///
    /// # Errors The host gets none now.
    pub async fn certify(self) -> Result<Self, HandshakeError> {
        let Some((on_demand, signer)) = &self.site.on_demand else { return Ok(self) };
        // The authority asks for the proof of a name that has no certificate yet.
        if self.start.client_hello().alpn().is_some_and(|mut offered| offered.any(|one| one == ACME_PROTOCOL)) {
            return Ok(self);
        }
        let host = self.name.clone().unwrap_or_else(|| self.local.to_canonical().to_string());
        if on_demand.ensure(&host, signer).await { Ok(self) } else { Err(HandshakeError::NotObtained(host)) }
    }

    /// Makes the rest of the handshake. The caller limits how long it may take.
    ///
    /// # Errors The client disconnects, or shares no parameters with the named site.
    pub async fn finish(self) -> Result<Encrypted<S>, HandshakeError> {
        let stream = self.start.into_stream(Arc::clone(&self.site.config)).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => NegotiatedProtocol::Http2,
            Some(ACME_PROTOCOL) => NegotiatedProtocol::AcmeChallenge,
            _ => NegotiatedProtocol::Http1,
        };
        let bound_name = self.binds.then(|| self.name.unwrap_or_default());
        let facts = EncryptionFacts::of(stream.get_ref().1);
        Ok(Encrypted { stream, protocol, facts, bound_name, speaks_http3: self.site.speaks_http3 })
    }
}

impl TlsEndpoint {
    /// Whether a request must be for the host that its handshake named. This is so if any site requires client
    /// certificates: another site's handshake would bypass that check.
    pub fn binds_requests_to_names(&self) -> bool {
        self.binds
    }

    /// The settings of HTTP/3 at the same address.
    ///
    /// # Errors The sites have settings that it does not have.
    pub fn http3(&self) -> Result<Arc<ServerConfig>, String> {
        self.http3.clone()
    }

    /// The site of a name; without one, the IP address that the client connected to counts.
    fn site(&self, name: Option<&str>, local: IpAddr) -> Option<&EncryptedSite> {
        let found = match name {
            Some(name) => self.sites.find(name),
            None => self.sites.find(&local.to_canonical().to_string()),
        };
        found.or(self.fallback.as_ref())
    }

    /// Reads the client's first message. The caller limits how long it may take.
    ///
    /// # Errors The client disconnects or uses another protocol, or no site here is for its name.
    pub async fn hello<S>(&self, stream: S, local: IpAddr) -> Result<Hello<'_, S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let name = start.client_hello().server_name().map(str::to_ascii_lowercase);
        let site = self.site(name.as_deref(), local).ok_or(HandshakeError::UnknownName)?;
        Ok(Hello { start, site, name, local, binds: self.binds })
    }
}

/// Builds the settings of an encrypted socket, site by site.
#[derive(Debug)]
pub(super) struct TlsEndpointBuilder {
    store: Arc<CertificateStore>,
    challenges: Arc<Challenges>,
    /// The protocols of sites without `alpn`, in order of preference.
    protocols: Vec<Vec<u8>>,
    endpoint: TlsEndpoint,
    http3: Http3Sites,
}

impl TlsEndpointBuilder {
    /// A socket without sites, with these protocols among `h2` and `http/1.1`.
    pub(super) fn new(store: Arc<CertificateStore>, challenges: Arc<Challenges>, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let endpoint =
            TlsEndpoint { sites: NameMap::default(), fallback: None, binds: false, http3: Err(String::new()) };
        Self { store, challenges, protocols, endpoint, http3: Http3Sites::default() }
    }

    /// Adds a site by its names, or for every client that names no other. `default_name` selects its certificate in the
    /// store if none matches the client's name.
    ///
    /// # Errors The unusable setting.
    pub(super) fn add(
        &mut self,
        names: &[String],
        is_for_all: bool,
        default_name: Option<String>,
        settings: &TlsSettings,
        on_demand: Option<(Arc<OnDemand>, Signer)>,
    ) -> Result<(), String> {
        self.endpoint.binds |= settings.client_auth.is_some();
        let resolver = self.resolver(default_name);
        self.http3.add(names, is_for_all, &resolver, settings);
        let config = Arc::new(self.config(resolver, settings)?);
        let site = EncryptedSite { config, on_demand, speaks_http3: http3::speaks(settings) };
        for name in names {
            // A client that uses an IP sends no name, so the address that it connected to decides.
            let site = match name.parse::<IpAddr>() {
                Ok(_) => EncryptedSite {
                    config: Arc::new(self.config(self.resolver(Some(name.clone())), settings)?),
                    ..site.clone()
                },
                Err(_) => site.clone(),
            };
            self.endpoint.sites.insert(name, site);
        }
        if is_for_all {
            self.endpoint.fallback = Some(site);
        }
        Ok(())
    }

    /// The socket's settings.
    ///
    /// # Errors
    /// When the library refuses its own defaults.
    pub(super) fn build(mut self) -> Result<TlsEndpoint, String> {
        if self.endpoint.fallback.is_none() {
            // It has no certificates, so the client gets an alert.
            self.store = Arc::default();
            let config = Arc::new(self.config(self.resolver(None), &TlsSettings::default())?);
            self.endpoint.fallback = Some(EncryptedSite { config, on_demand: None, speaks_http3: false });
        }
        self.endpoint.http3 = self.http3.config();
        Ok(self.endpoint)
    }

    fn resolver(&self, default_name: Option<String>) -> Arc<Resolver> {
        Arc::new(Resolver { store: Arc::clone(&self.store), challenges: Arc::clone(&self.challenges), default_name })
    }

    fn config(&self, resolver: Arc<Resolver>, settings: &TlsSettings) -> Result<ServerConfig, String> {
        let provider = Arc::new(provider(settings)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings)?)
            .map_err(|error| format!("`protocols`, `ciphers` and `curves` leave nothing to speak: {error}"))?;
        let builder = match &settings.client_auth {
            Some(auth) => builder.with_client_cert_verifier(clients::verifier(auth, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = if settings.alpn.is_empty() {
            self.protocols.clone()
        } else {
            settings.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect()
        };
        config.alpn_protocols.push(ACME_PROTOCOL.to_vec());
        resumption(&mut config)?;
        Ok(config)
    }
}
