//! Chooses the certificate for a handshake.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::store::CertificateStore;

/// The application protocol of ACME challenges inside TLS (RFC 8737).
pub(super) const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The challenges that ACME authorities may request now. One for the whole process: it outlives configurations, and
/// both the plain and the encrypted sockets answer from it.
#[derive(Default)]
pub struct Challenges {
    /// By host. Protects the map only.
    certificates: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    /// By token. Protects the map only.
    responses: RwLock<HashMap<String, String>>,
}

impl Challenges {
    /// The answer to `GET /.well-known/acme-challenge/TOKEN` (RFC 8555, 8.3).
    pub fn response(&self, token: &str) -> Option<String> {
        self.responses.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    pub(super) fn set_response(&self, token: &str, response: Option<String>) {
        let mut responses = self.responses.write().unwrap_or_else(PoisonError::into_inner);
        match response {
            Some(response) => responses.insert(token.to_owned(), response),
            None => responses.remove(token),
        };
    }

    pub(super) fn set_certificate(&self, host: &str, certificate: Option<Arc<CertifiedKey>>) {
        let mut certificates = self.certificates.write().unwrap_or_else(PoisonError::into_inner);
        match certificate {
            Some(certificate) => certificates.insert(host.to_owned(), certificate),
            None => certificates.remove(host),
        };
    }

    fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.certificates.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }
}

impl std::fmt::Debug for Challenges {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Challenges")
    }
}

/// Chooses the certificate of one site's handshakes.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) store: Arc<CertificateStore>,
    pub(super) challenges: Arc<Challenges>,
    /// The name to use if the client sends none, or one without a certificate.
    pub(super) default_name: Option<String>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().map(str::to_ascii_lowercase);
        let is_challenge = hello
            .alpn()
            .is_some_and(|mut protocols| protocols.next() == Some(ACME_PROTOCOL) && protocols.next().is_none());
        if is_challenge {
            return self.challenges.certificate(host.as_deref()?);
        }
        let named = host.and_then(|host| self.store.find(&host));
        named.or_else(|| self.store.find(self.default_name.as_deref()?))
    }
}
