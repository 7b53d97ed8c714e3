//! Certificates from files: reads and checks them, and reads them again when they change.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::store::CertificateStore;
use crate::config::{CertificateFiles, open_regular};

/// Why two files are not a certificate and its key. The message names the file and what to do, and shows none of its
/// content.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFileError {
    /// A file cannot be read.
    #[error("reading {}: {error}{}", path.display(), way_out(error))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file has the wrong content.
    #[error("{} {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two files that do not belong together.
    #[error(
        "the key in {} does not belong to the certificate in {}; `openssl x509 -pubkey -noout -in CERTIFICATE` and \
         `openssl pkey -pubout -in KEY` print the same for a pair",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The other's key.
        key: PathBuf,
    },
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; let the user that igor runs as read it, and no one else",
        io::ErrorKind::NotFound => "; correct the path in `tls`",
        _ => "",
    }
}

impl CertificateFileError {
    fn unusable(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_owned(), reason: reason.into() }
    }
}

/// A certificate with its key and its facts.
pub(super) struct LoadedCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

/// The facts in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateFacts {
    /// Its host names and IP addresses, in lower case.
    pub(super) names: Vec<String>,
    /// Seconds since 1970.
    pub(super) not_before: i64,
    /// Seconds since 1970.
    pub(super) not_after: i64,
}

/// Why a certificate is not valid at a time, as the text of a warning.
pub(super) fn trouble(facts: &CertificateFacts, now: i64) -> Option<&'static str> {
    if now >= facts.not_after {
        Some("has expired, and clients refuse it; renew it, or correct this machine's clock")
    } else if now < facts.not_before {
        Some("is not valid yet, and clients refuse it; correct this machine's clock")
    } else {
        None
    }
}

/// Seconds since 1970; a clock before that counts as then.
pub(super) fn now_seconds() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Reads a pair of files and checks that they belong together.
pub(super) fn load(files: &CertificateFiles) -> Result<LoadedCertificate, CertificateFileError> {
    let chain = read(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, pem::Error>>()
        .map_err(|_| CertificateFileError::unusable(&files.certificate, "is no certificate in the form PEM"))?;
    if chain.is_empty() {
        let reason = "holds no certificate in the form PEM (`-----BEGIN CERTIFICATE-----`)";
        return Err(CertificateFileError::unusable(&files.certificate, reason));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound => "holds no private key in the form PEM without a password",
            _ => "is no private key in the form PEM",
        };
        CertificateFileError::unusable(&files.key, reason)
    })?;
    certified(chain, &key, files)
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateFileError> {
    let mut bytes = Vec::new();
    let reading = open_regular(path).and_then(|mut file| file.read_to_end(&mut bytes));
    reading.map_err(|error| CertificateFileError::Unreadable { path: path.to_owned(), error })?;
    Ok(bytes)
}

/// Combines a chain and a key. `files` are for the messages.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
    files: &CertificateFiles,
) -> Result<LoadedCertificate, CertificateFileError> {
    let facts = facts(&chain[0])
        .ok_or_else(|| CertificateFileError::unusable(&files.certificate, "begins with no X.509 certificate"))?;
    let key = any_supported_type(key).map_err(|_| {
        let reason =
            "is a key that igor cannot use; it takes RSA of 2048 to 8192 bits, ECDSA with P-256 or P-384, and Ed25519";
        CertificateFileError::unusable(&files.key, reason)
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(CertificateFileError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() })
        }
        // Some keys do not provide their public half.
        Ok(()) | Err(rustls::Error::InconsistentKeys(_)) => {
            Ok(LoadedCertificate { certified: Arc::new(certified), facts })
        }
        Err(error) => Err(CertificateFileError::unusable(&files.certificate, error.to_string())),
    }
}

/// What the certificate says; `None` if it is not one.
pub(super) fn facts(certificate: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut names = Vec::new();
    if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
        for name in &alternative.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.extend(ip_text(bytes)),
                _ => {}
            }
        }
    }
    let validity = parsed.validity();
    Some(CertificateFacts {
        names,
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
    })
}

pub(super) fn ip_text(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

/// Identifies a version of a file, however it was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let stamp = |meta: Metadata| Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        };
        fs::metadata(path).ok().map(stamp)
    }
}

/// Certificate files that are loaded into a store and checked for changes.
#[derive(Debug)]
pub(super) struct FileWatch {
    store: Arc<CertificateStore>,
    files: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    files: CertificateFiles,
    /// Further names for the certificate, besides its own.
    also: Vec<String>,
    stamps: [Option<Stamp>; 2],
}

impl FileWatch {
    /// Nothing is watched yet.
    pub(super) fn new(store: Arc<CertificateStore>) -> Self {
        Self { store, files: Vec::new() }
    }

    /// Loads a pair into the store, for the names in it and for `also`.
    ///
    /// # Errors The files cannot be used. Then the store is unchanged.
    pub(super) fn add(&mut self, files: &CertificateFiles, also: &str) -> Result<(), CertificateFileError> {
        if let Some(known) = self.files.iter_mut().find(|watched| watched.files == *files) {
            known.also.push(also.to_owned());
        } else {
            let stamps = stamps(files);
            self.files.push(Watched { files: files.clone(), also: vec![also.to_owned()], stamps });
        }
        let Some(watched) = self.files.iter().find(|watched| watched.files == *files) else { return Ok(()) };
        put(&self.store, watched)
    }

    /// Loads the files that have changed since the last check. An unusable pair is reported, and the store keeps the
    /// previous one, because files are often replaced one after the other. Blocks.
    pub(super) fn look(&mut self) {
        for watched in &mut self.files {
            let stamps = stamps(&watched.files);
            if stamps == watched.stamps {
                continue;
            }
            watched.stamps = stamps;
            let certificate = watched.files.certificate.display();
            match put(&self.store, watched) {
                Ok(()) => tracing::info!(%certificate, "the certificate was replaced"),
                Err(error) => {
                    tracing::warn!(%certificate, "the changed certificate is not used yet, and the one before stays: {error}");
                }
            }
        }
    }

    /// Whether there are files to check.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

fn stamps(files: &CertificateFiles) -> [Option<Stamp>; 2] {
    [Stamp::of(&files.certificate), Stamp::of(&files.key)]
}

fn put(store: &CertificateStore, watched: &Watched) -> Result<(), CertificateFileError> {
    let loaded = load(&watched.files)?;
    if let Some(trouble) = trouble(&loaded.facts, now_seconds()) {
        tracing::warn!("the certificate in {} {trouble}", watched.files.certificate.display());
    }
    store.put(&loaded.facts.names, &loaded.certified);
    store.put(&watched.also, &loaded.certified);
    Ok(())
}
