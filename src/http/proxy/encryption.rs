//! TLS with upstreams.

use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{CertificateFiles, TrustedCertificates, UpstreamAddress, UpstreamTls};

/// A connection of any kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// How connections to the upstreams of one proxy are encrypted.
#[derive(Clone)]
pub(super) struct Encryption {
    /// `Err`: why there are none.
    settings: Result<Arc<ClientConfig>, Arc<str>>,
    server_name: Option<String>,
    except_ports: Arc<[u16]>,
}

impl Encryption {
    pub(super) fn new(settings: &UpstreamTls) -> Self {
        let config = client_config(settings).map(Arc::new);
        if let Err(error) = &config {
            tracing::error!("preparing encryption with upstreams: {error}");
        }
        Self {
            settings: config.map_err(Arc::from),
            server_name: settings.server_name.clone(),
            except_ports: settings.except_ports.as_slice().into(),
        }
    }

    /// Whether the connections to this upstream are encrypted.
    pub(super) fn is_for(&self, address: &UpstreamAddress) -> bool {
        !matches!(address, UpstreamAddress::Tcp { port, .. } if self.except_ports.contains(port))
    }

    /// The same, with an offer of these application protocols.
    pub(super) fn offering(&self, protocols: &[&[u8]]) -> Self {
        let mut offering = self.clone();
        if let Ok(settings) = &mut offering.settings {
            Arc::make_mut(settings).alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        }
        offering
    }

    pub(super) async fn connect(
        &self,
        stream: Box<dyn Socket>,
        address: &UpstreamAddress,
    ) -> io::Result<TlsStream<Box<dyn Socket>>> {
        let settings = self.settings.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        let host = match (&self.server_name, address) {
            (Some(name), _) => name.clone(),
            (None, UpstreamAddress::Tcp { host, .. }) => host.clone(),
            (None, UpstreamAddress::Unix(_)) => "localhost".to_owned(),
        };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(settings)).connect(name, stream).await
    }
}

fn client_config(settings: &UpstreamTls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    if settings.insecure {
        let any = Arc::new(AnyCertificate(provider));
        return with_own(builder.dangerous().with_custom_certificate_verifier(any), settings.own.as_ref());
    }
    let mut roots = RootCertStore::empty();
    if settings.authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for trusted in &settings.authorities {
        for certificate in authorities(trusted)? {
            roots.add(certificate).map_err(|error| format!("a trusted certificate: {error}"))?;
        }
    }
    if roots.is_empty() {
        return Err("no certificate authority is known; install `ca-certificates`".to_owned());
    }
    with_own(builder.with_root_certificates(roots), settings.own.as_ref())
}

/// With the certificate that the upstreams see.
fn with_own(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    own: Option<&CertificateFiles>,
) -> Result<ClientConfig, String> {
    let Some(own) = own else { return Ok(builder.with_no_client_auth()) };
    let chain = chain(&own.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&own.key).map_err(|error| format!("{}: {error}", own.key.display()))?;
    let made = builder.with_client_auth_cert(chain, key);
    made.map_err(|error| format!("{}: {error}", own.certificate.display()))
}

fn authorities(trusted: &TrustedCertificates) -> Result<Vec<CertificateDer<'static>>, String> {
    match trusted {
        TrustedCertificates::File(path) => chain(path),
        TrustedCertificates::Inline(text) => {
            let der = STANDARD.decode(text).map_err(|error| format!("a trusted certificate: {error}"))?;
            Ok(vec![CertificateDer::from(der)])
        }
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    certificates.map_err(|error| format!("{}: {error}", path.display()))
}

/// `tls_insecure_skip_verify`: accepts every certificate. Only the signatures of the handshake are checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
