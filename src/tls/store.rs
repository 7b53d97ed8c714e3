//! The certificates of a configuration, by their names.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::sign::CertifiedKey;

use super::names::NameMap;

/// All certificates of a configuration. Handshakes read it while files and authorities change it.
#[derive(Default)]
pub(super) struct CertificateStore {
    /// Protects the map only: it is held for one look-up or one insertion.
    certificates: RwLock<NameMap<Arc<CertifiedKey>>>,
}

impl CertificateStore {
    /// Sets the certificate for these names.
    pub(super) fn put(&self, names: &[String], certificate: &Arc<CertifiedKey>) {
        let mut certificates = self.certificates.write().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            certificates.insert(name, Arc::clone(certificate));
        }
    }

    /// Removes the certificate of exactly this name.
    pub(super) fn remove(&self, name: &str) {
        self.certificates.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The certificate for a host name or IP address in lower case.
    pub(super) fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.certificates.read().unwrap_or_else(PoisonError::into_inner).find(host).cloned()
    }
}

impl std::fmt::Debug for CertificateStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.certificates.read().unwrap_or_else(PoisonError::into_inner).len();
        formatter.debug_struct("CertificateStore").field("names", &names).finish_non_exhaustive()
    }
}
