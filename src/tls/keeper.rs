//! Obtains all certificates of a configuration before it serves, and renews them while it does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::acme::{AcmeIssuer, Managed};
use super::endpoint::{TlsEndpoint, TlsEndpointBuilder};
use super::files::{CertificateFileError, FileWatch};
use super::internal::{AuthorityError, InternalAuthority, is_local};
use super::on_demand::{OnDemand, Signer};
use super::resolver::Challenges;
use super::storage::Storage;
use super::store::CertificateStore;
use crate::config::{AcmeSettings, CertificateSource, HttpsSettings, TlsSettings};
use crate::limits;

/// Why a site cannot be encrypted as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Its certificate files.
    #[error("the certificate of {site}: {error}")]
    File {
        /// The site.
        site: String,
        /// What is wrong.
        error: CertificateFileError,
    },
    /// The internal authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Its other settings.
    #[error("the `tls` settings of {site}: {reason}")]
    Settings {
        /// The site.
        site: String,
        /// What is wrong.
        reason: String,
    },
}

/// One encrypted site on one socket.
#[derive(Debug, Clone)]
pub struct TlsSite {
    /// The site in messages.
    pub label: String,
    /// Its host names and IP addresses, in lower case.
    pub names: Vec<String>,
    /// Whether it serves every client that does not name another site.
    pub is_for_all: bool,
    /// How it is encrypted.
    pub settings: TlsSettings,
}

/// The certificates of a configuration.
#[derive(Debug)]
pub struct Keeper {
    store: Arc<CertificateStore>,
    challenges: Arc<Challenges>,
    storage: Storage,
    settings: HttpsSettings,
    files: FileWatch,
    /// Opened when a site needs it.
    authority: Option<Arc<InternalAuthority>>,
    /// What obtains certificates during handshakes, made when a site needs it.
    on_demand: Option<Arc<OnDemand>>,
    /// Certificates of the internal authority.
    internal: Vec<String>,
    /// Certificates of ACME authorities.
    managed: Vec<Managed>,
}

impl Keeper {
    /// Nothing is kept yet.
    pub fn new(storage: Storage, challenges: Arc<Challenges>, settings: HttpsSettings) -> Self {
        let store = Arc::new(CertificateStore::default());
        let files = FileWatch::new(Arc::clone(&store));
        let (internal, managed) = (Vec::new(), Vec::new());
        Self { store, challenges, storage, settings, files, authority: None, on_demand: None, internal, managed }
    }

    /// Loads the certificate files of all sites. Call it before [`endpoint`](Self::endpoint), because no certificate is
    /// obtained for a name that a file covers.
    ///
    /// # Errors Files cannot be used.
    pub fn load_files<'s>(&mut self, sites: impl Iterator<Item = &'s TlsSite>) -> Result<(), TlsError> {
        for site in sites {
            let CertificateSource::Files(pairs) = &site.settings.certificates else { continue };
            // The first pair last, so that it is the default.
            for files in pairs.iter().rev() {
                let added = self.files.add(files, &file_name(site));
                added.map_err(|error| TlsError::File { site: site.label.clone(), error })?;
            }
        }
        Ok(())
    }

    /// The settings of a socket with these sites, with their certificates. Blocks.
    ///
    /// # Errors A site cannot be encrypted as configured. A certificate that must still be obtained is not an error.
    pub fn endpoint(&mut self, sites: &[TlsSite], protocols: &[&str]) -> Result<TlsEndpoint, TlsError> {
        let mut builder = TlsEndpointBuilder::new(Arc::clone(&self.store), Arc::clone(&self.challenges), protocols);
        for site in sites {
            let own = self.certificates(site)?;
            let default_name = self.settings.default_sni.clone().filter(|_| site.is_for_all).or(own);
            let on_demand = self.on_demand(site)?;
            let added = builder.add(&site.names, site.is_for_all, default_name, &site.settings, on_demand);
            added.map_err(|reason| TlsError::Settings { site: site.label.clone(), reason })?;
        }
        builder.build().map_err(|reason| TlsError::Settings { site: "unknown hosts".into(), reason })
    }

    /// What obtains the certificates of a site with `on_demand`.
    fn on_demand(&mut self, site: &TlsSite) -> Result<Option<(Arc<OnDemand>, Signer)>, TlsError> {
        if !site.settings.on_demand {
            return Ok(None);
        }
        let signer = match &site.settings.certificates {
            CertificateSource::Internal => Signer::Internal,
            CertificateSource::Automatic(issuers) => Signer::Acme(issuers.clone()),
            CertificateSource::Files(_) | CertificateSource::Others => return Ok(None),
        };
        let all = match &self.on_demand {
            Some(all) => Arc::clone(all),
            None => {
                let (store, challenges) = (Arc::clone(&self.store), Arc::clone(&self.challenges));
                let settings = self.settings.on_demand.clone();
                let all = OnDemand::new(store, challenges, self.storage.clone(), settings);
                let all = all.map_err(|reason| TlsError::Settings { site: site.label.clone(), reason })?;
                Arc::clone(self.on_demand.insert(Arc::new(all)))
            }
        };
        Ok(Some((all, signer)))
    }

    /// Prepares the certificates of a site, and returns the name of its default one.
    fn certificates(&mut self, site: &TlsSite) -> Result<Option<String>, TlsError> {
        match &site.settings.certificates {
            CertificateSource::Files(_) => return Ok(Some(file_name(site))),
            CertificateSource::Others => {}
            // Their first handshakes obtain them.
            CertificateSource::Internal | CertificateSource::Automatic(_) if site.settings.on_demand => {}
            CertificateSource::Internal => {
                for name in &site.names {
                    self.sign(name)?;
                }
            }
            CertificateSource::Automatic(issuers) => {
                for name in &site.names {
                    if !self.settings.auto.ignore_loaded && self.store.find(name).is_some() {
                        continue;
                    }
                    if is_local(name) {
                        self.sign(name)?;
                    } else {
                        self.manage(name, issuers);
                    }
                }
            }
        }
        Ok(site.names.first().cloned())
    }

    fn sign(&mut self, name: &String) -> Result<(), TlsError> {
        if self.internal.contains(name) {
            return Ok(());
        }
        let authority = match &self.authority {
            Some(authority) => Arc::clone(authority),
            None => Arc::clone(self.authority.insert(Arc::new(InternalAuthority::open(&self.storage)?))),
        };
        let loaded = authority.sign(name)?;
        self.store.put(std::slice::from_ref(name), &loaded.certified);
        self.internal.push(name.clone());
        Ok(())
    }

    fn manage(&mut self, name: &str, issuers: &[AcmeSettings]) {
        if self.managed.iter().any(|managed| managed.name() == name) {
            return;
        }
        let issuers = issuers.iter().map(|settings| AcmeIssuer::new(settings.clone(), self.storage.clone())).collect();
        let managed = Managed::new(name, issuers, Arc::clone(&self.store), Arc::clone(&self.challenges));
        managed.load_kept();
        self.managed.push(managed);
    }

    /// Renews the certificates until the returned handle is dropped. Must be called on a tokio runtime.
    pub fn start(self) -> KeptFresh {
        let mut tasks: Vec<JoinHandle<()>> =
            self.managed.into_iter().map(|managed| tokio::spawn(managed.keep())).collect();
        if !self.files.is_empty() {
            tasks.push(tokio::spawn(look_at_files(self.files)));
        }
        if let Some(authority) = self.authority {
            tasks.push(tokio::spawn(sign_again(authority, self.internal, self.store)));
        }
        KeptFresh { tasks }
    }
}

/// The key of a file site's default certificate; no client can send it.
fn file_name(site: &TlsSite) -> String {
    format!("file of {}", site.label)
}

/// The tasks that keep a configuration's certificates fresh. They end when it is dropped.
#[derive(Debug)]
pub struct KeptFresh {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for KeptFresh {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn look_at_files(files: FileWatch) {
    let files = Arc::new(Mutex::new(files));
    loop {
        tokio::time::sleep(Duration::from_secs(limits::CERTIFICATE_LOOK_SECONDS)).await;
        let files = Arc::clone(&files);
        // The lock is never contended: one check ends before the next starts.
        let look = move || files.lock().unwrap_or_else(PoisonError::into_inner).look();
        if tokio::task::spawn_blocking(look).await.is_err() {
            tracing::error!("looking at certificate files panicked; this is a defect of igor");
        }
    }
}

async fn sign_again(authority: Arc<InternalAuthority>, names: Vec<String>, store: Arc<CertificateStore>) {
    loop {
        tokio::time::sleep(Duration::from_secs(limits::INTERNAL_CERTIFICATE_SECONDS.unsigned_abs() / 3)).await;
        for name in &names {
            match authority.sign(name) {
                Ok(loaded) => store.put(std::slice::from_ref(name), &loaded.certified),
                Err(error) => tracing::error!("{error}"),
            }
        }
    }
}
