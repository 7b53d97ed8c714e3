//! TLS with upstreams.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{UpstreamAddress, UpstreamTls};

/// A connection of any kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// How connections to the upstreams of one proxy are encrypted.
#[derive(Clone)]
pub(super) struct Encryption {
    /// `Err`: why there are none.
    connector: Result<TlsConnector, Arc<str>>,
    server_name: Option<String>,
}

impl Encryption {
    pub(super) fn new(settings: &UpstreamTls) -> Self {
        let connector = client_config(settings).map(|config| TlsConnector::from(Arc::new(config)));
        if let Err(error) = &connector {
            tracing::error!("preparing encryption with upstreams: {error}");
        }
        Self { connector: connector.map_err(Arc::from), server_name: settings.server_name.clone() }
    }

    pub(super) async fn connect(
        &self,
        stream: Box<dyn Socket>,
        address: &UpstreamAddress,
    ) -> io::Result<TlsStream<Box<dyn Socket>>> {
        let connector = self.connector.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        let host = match (&self.server_name, address) {
            (Some(name), _) => name.clone(),
            (None, UpstreamAddress::Tcp { host, .. }) => host.clone(),
            (None, UpstreamAddress::Unix(_)) => "localhost".to_owned(),
        };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        connector.connect(name, stream).await
    }
}

fn client_config(settings: &UpstreamTls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    if settings.insecure {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    if settings.authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for path in &settings.authorities {
        for certificate in authorities(path)? {
            roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    if roots.is_empty() {
        return Err("no certificate authority is known; install `ca-certificates`".to_owned());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
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
