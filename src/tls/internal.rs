//! Igor's own certificate authority, for `localhost`, IP addresses and `tls internal`.
//!
//! The authority is one self-signed root in the storage; `igor trust` makes the system trust it. The certificates that
//! it signs are valid for a few days and exist only in memory: each process signs its own.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use super::files::{self, CertificateFileError, LoadedCertificate};
use super::storage::{Storage, StorageError};
use crate::config::CertificateFiles;
use crate::limits;

const ROOT: &str = "pki/authorities/local/root.crt";
const KEY: &str = "pki/authorities/local/root.key";

/// Why the internal authority cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its files cannot be written or read.
    #[error("the internal certificate authority: {0}")]
    Storage(#[from] StorageError),
    /// One of its files is damaged.
    #[error("the internal certificate authority cannot be used: {} {reason}; move both away, and igor makes a new one", path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The library refused a name.
    #[error("signing a certificate for `{name}`: {reason}")]
    Signing {
        /// The name.
        name: String,
        /// The library's words.
        reason: String,
    },
}

/// The authority: it signs certificates for any name.
pub struct InternalAuthority {
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
    root: CertificateDer<'static>,
}

impl std::fmt::Debug for InternalAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("InternalAuthority")
    }
}

impl InternalAuthority {
    /// The authority in the storage, created by the first process. Blocks.
    ///
    /// # Errors The storage cannot be used, or its content is damaged.
    pub fn open(storage: &Storage) -> Result<Self, AuthorityError> {
        let _lock = storage.lock("internal-authority")?;
        let (root, key) = match (storage.read(ROOT)?, storage.read(KEY)?) {
            (Some(root), Some(key)) => (root, key),
            _ => make(storage)?,
        };
        let damaged = |name: &str, reason: String| AuthorityError::Damaged { path: storage.path(name), reason };
        let text = |bytes: Vec<u8>, name| {
            String::from_utf8(bytes).map_err(|_| damaged(name, "is no text in the form PEM".into()))
        };
        let (root_pem, key_pem) = (text(root, ROOT)?, text(key, KEY)?);
        let key = KeyPair::from_pem(&key_pem).map_err(|error| damaged(KEY, format!("holds no key: {error}")))?;
        let root = CertificateDer::from_pem_slice(root_pem.as_bytes())
            .map_err(|_| damaged(ROOT, "holds no certificate".into()))?;
        let facts = files::facts(&root).ok_or_else(|| damaged(ROOT, "holds no certificate".into()))?;
        if let Some(trouble) = files::trouble(&facts, files::now_seconds()) {
            tracing::warn!(
                "the root of the internal certificate authority, {}, {trouble}",
                storage.path(ROOT).display()
            );
        }
        let issuer =
            Issuer::from_ca_cert_der(&root, key).map_err(|error| damaged(ROOT, format!("is no authority: {error}")))?;
        Ok(Self { issuer, root_pem, root })
    }

    /// Where the root certificate of a storage is.
    pub fn root_file(storage: &Storage) -> std::path::PathBuf {
        storage.path(ROOT)
    }

    /// The root certificate in the form PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Signs a certificate for a host name or an IP address.
    pub(super) fn sign(&self, name: &str) -> Result<LoadedCertificate, AuthorityError> {
        let refused =
            |error: &dyn std::fmt::Display| AuthorityError::Signing { name: name.into(), reason: error.to_string() };
        let key = KeyPair::generate().map_err(|error| refused(&error))?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(|error| refused(&error))?;
        (params.not_before, params.not_after) = validity(limits::INTERNAL_CERTIFICATE_SECONDS);
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer).map_err(|error| refused(&error))?;
        let chain = vec![leaf.der().clone(), self.root.clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| refused(&error))?;
        let nowhere = CertificateFiles { certificate: "internal".into(), key: "internal".into() };
        files::certified(chain, &key, &nowhere).map_err(|error: CertificateFileError| refused(&error))
    }
}

/// Creates and stores the root.
fn make(storage: &Storage) -> Result<(Vec<u8>, Vec<u8>), AuthorityError> {
    let refused = |error: rcgen::Error| AuthorityError::Signing { name: "root".into(), reason: error.to_string() };
    let key = KeyPair::generate().map_err(refused)?;
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(limits::INTERNAL_ROOT_SECONDS);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Igor Local Authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let root = params.self_signed(&key).map_err(refused)?;
    // The key first, because users would be asked to trust a root without a key.
    let (root, key) = (root.pem().into_bytes(), key.serialize_pem().into_bytes());
    storage.write(KEY, &key)?;
    storage.write(ROOT, &root)?;
    tracing::info!(root = %storage.path(ROOT).display(), "a certificate authority for local names was made; `igor trust` makes this machine trust it");
    Ok((root, key))
}

/// The validity starts a little before now, for clients whose clocks are behind.
fn validity(seconds: i64) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::seconds(limits::CLOCK_SKEW_SECONDS), now + Duration::seconds(seconds))
}

/// Whether no public authority signs for this name: IP addresses and names that are not in the public DNS.
pub fn is_local(name: &str) -> bool {
    const LOCAL: [&str; 5] = ["localhost", "local", "internal", "home.arpa", "test"];
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || !name.contains('.') {
        return true;
    }
    LOCAL.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|front| front.is_empty() || front.ends_with('.')))
}

/// A certificate that proves control of the host to an ACME authority (RFC 8737).
pub(super) fn proof(host: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, AuthorityError> {
    let refused =
        |error: &dyn std::fmt::Display| AuthorityError::Signing { name: host.into(), reason: error.to_string() };
    let key = KeyPair::generate().map_err(|error| refused(&error))?;
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(|error| refused(&error))?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(|error| refused(&error))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| refused(&error))?;
    let key = any_supported_type(&key).map_err(|error| refused(&error))?;
    // Not checked against its key: webpki reads no certificate with this extension.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}
