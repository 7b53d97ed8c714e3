//! `client_auth`: which certificates of clients are accepted.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::files::{self, now_seconds};
use crate::config::{ClientAuth, TrustedCertificates};

/// What checks clients' certificates.
///
/// # Errors A trusted certificate cannot be used.
pub(super) fn verifier(
    auth: &ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for source in &auth.authorities {
        for certificate in certificates(source)? {
            roots.add(certificate).map_err(|error| unusable(source, &error))?;
        }
    }
    let leaves: Result<Vec<Vec<_>>, String> = auth.leaves.iter().map(certificates).collect();
    let leaves: HashSet<CertificateDer<'static>> = leaves?.into_iter().flatten().collect();
    let chain = if auth.mode.verifies() && !roots.is_empty() {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let built = builder.build();
        Some(built.map_err(|error| format!("`client_auth` cannot be used: {error}"))?)
    } else {
        None
    };
    let pinned = if auth.leaves.is_empty() { None } else { Some(leaves) };
    Ok(Arc::new(Verifier { chain, pinned, is_required: auth.mode.requires(), provider }))
}

/// The certificates of a source; at least one.
fn certificates(source: &TrustedCertificates) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<CertificateDer<'static>> = match source {
        TrustedCertificates::Inline(text) => {
            let der = BASE64_STANDARD.decode(text).map_err(|error| unusable(source, &error))?;
            vec![CertificateDer::from(der)]
        }
        TrustedCertificates::File(path) => pem(path).map_err(|error| unusable(source, &error))?,
    };
    if found.is_empty() || found.iter().any(|certificate| files::facts(certificate).is_none()) {
        return Err(unusable(source, &"there is no certificate in it"));
    }
    Ok(found)
}

fn pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}

fn unusable(source: &TrustedCertificates, reason: &dyn std::fmt::Display) -> String {
    match source {
        TrustedCertificates::File(path) => format!("the trusted certificates in {}: {reason}", path.display()),
        TrustedCertificates::Inline(text) => {
            let start: String = text.chars().take(16).collect();
            format!("the trusted certificate `{start}…`: {reason}; write it as DER in base64, in one line")
        }
    }
}

/// In every case the client proves by a signature that it has the key of its certificate.
#[derive(Debug)]
struct Verifier {
    /// Checks the authority and the validity. `None`: any authority is accepted.
    chain: Option<Arc<dyn ClientCertVerifier>>,
    /// The only certificates that are accepted.
    pinned: Option<HashSet<CertificateDer<'static>>>,
    is_required: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(pinned) = &self.pinned {
            if !pinned.contains(leaf) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
            let facts = files::facts(leaf).ok_or(CertificateError::BadEncoding)?;
            if files::trouble(&facts, now_seconds()).is_some() {
                return Err(CertificateError::Expired.into());
            }
        }
        match &self.chain {
            Some(chain) => chain.verify_client_cert(leaf, intermediates, now),
            None => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
