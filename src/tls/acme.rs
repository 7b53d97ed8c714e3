//! Certificates from an ACME authority (RFC 8555), by the crate `instant-acme`.
//!
//! Each name has its own task. The task puts the certificate into the storage, where other processes find it. A lock in the
//! storage lets one process at a time request a name.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, ExternalAccountKey, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::files::{self, CertificateFacts, CertificateFileError, LoadedCertificate, now_seconds};
use super::internal::{self, AuthorityError};
use super::resolver::Challenges;
use super::storage::{Storage, StorageError, StorageLock};
use super::store::CertificateStore;
use crate::config::{AcmeSettings, CertificateFiles};
use crate::limits;

/// Why a certificate was not obtained.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcmeError {
    /// An error of the authority or of the connection to it.
    #[error("{0}")]
    Protocol(#[from] instant_acme::Error),
    /// The authority checked the challenge and refused it.
    #[error("the authority did not accept the proof by {challenge}: {reason}")]
    Rejected {
        /// The kind of proof.
        challenge: &'static str,
        /// The authority's words.
        reason: String,
    },
    /// No challenge type is allowed, or the authority offers none of the allowed ones.
    #[error("{0}")]
    NoChallenge(&'static str),
    /// It took too long.
    #[error("the authority took longer than {} s", limits::ACME_ORDER_SECONDS_MAX)]
    TimedOut,
    /// The storage.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The received certificate is unusable.
    #[error("{0}")]
    File(#[from] CertificateFileError),
    /// The challenge's response could not be created.
    #[error("{0}")]
    Proof(#[from] AuthorityError),
}

impl AcmeError {
    /// Whether an early retry is acceptable: nothing reached the authority, or it had an error.
    fn is_transient(&self) -> bool {
        match self {
            Self::Protocol(instant_acme::Error::Api(problem)) => problem.status.is_some_and(|status| status >= 500),
            Self::Protocol(_) | Self::TimedOut | Self::Storage(_) => true,
            Self::Rejected { .. } | Self::NoChallenge(_) | Self::File(_) | Self::Proof(_) => false,
        }
    }

    fn is_rate_limit(&self) -> bool {
        let kind = |problem: &Problem| problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":rateLimited"));
        matches!(self, Self::Protocol(instant_acme::Error::Api(problem)) if kind(problem))
    }
}

/// The pause after the n-th failure in a row, counted from 1, without jitter (pure).
fn pause(failures: u32, is_transient: bool, is_rate_limit: bool) -> Duration {
    let doubled = |first: u64, longest: u64| {
        Duration::from_secs(first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(longest))
    };
    if is_rate_limit {
        doubled(limits::ACME_RATE_LIMIT_SECONDS_MIN, limits::ACME_BACKOFF_SECONDS_MAX)
    } else if is_transient {
        doubled(limits::ACME_TRANSIENT_BACKOFF_SECONDS_MIN, limits::ACME_TRANSIENT_BACKOFF_SECONDS_MAX)
    } else {
        doubled(limits::ACME_BACKOFF_SECONDS_MIN, limits::ACME_BACKOFF_SECONDS_MAX)
    }
}

/// The pause after the n-th failure in a row, counted from 1.
pub(super) fn retry_pause(failures: u32, error: &AcmeError) -> Duration {
    pause(failures, error.is_transient(), error.is_rate_limit()).mul_f64(1.0 + jitter() / 10.0)
}

/// When a certificate should be renewed, in seconds since 1970, if the authority does not say (pure): when a third of its
/// life is left, earlier by up to a tenth of that third, so that many servers do not ask at once. `jitter` is from 0 to 1.
pub(super) fn renewal_time(facts: &CertificateFacts, jitter: f64) -> i64 {
    let third = facts.not_after.saturating_sub(facts.not_before) / 3;
    facts.not_after - third - (third as f64 / 10.0 * jitter) as i64
}

/// A number from 0 to 1 that differs from process to process and from call to call.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

/// One authority.
#[derive(Debug)]
pub(super) struct AcmeIssuer {
    settings: AcmeSettings,
    storage: Storage,
}

impl AcmeIssuer {
    pub(super) fn new(settings: AcmeSettings, storage: Storage) -> Self {
        Self { settings, storage }
    }

    /// The authority's name in the storage.
    fn folder(&self) -> String {
        let address = self.settings.directory.trim_start_matches("https://");
        address
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' })
            .collect()
    }

    fn file(&self, name: &str, extension: &str) -> String {
        let name = name.replace('*', "wildcard_");
        format!("certificates/{}/{name}/{name}.{extension}", self.folder())
    }

    /// The certificate in the storage.
    fn kept(&self, name: &str) -> Result<Option<LoadedCertificate>, AcmeError> {
        let (certificate, key) = (self.file(name, "crt"), self.file(name, "key"));
        let (Some(chain), Some(secret)) = (self.storage.read(&certificate)?, self.storage.read(&key)?) else {
            return Ok(None);
        };
        let files = CertificateFiles { certificate: self.storage.path(&certificate), key: self.storage.path(&key) };
        Ok(Some(parse(&chain, &secret, &files)?))
    }

    /// The account, created by the first process.
    async fn account(&self) -> Result<Account, AcmeError> {
        let builder = || match &self.settings.trusted_root {
            Some(root) => Account::builder_with_root(root),
            None => Account::builder(),
        };
        let who = self.settings.email.as_deref().unwrap_or("default").replace('/', "-");
        let file = format!("acme/{}/users/{who}/account.json", self.folder());
        if let Some(kept) = self.storage.read(&file)? {
            let credentials = serde_json::from_slice(&kept).map_err(instant_acme::Error::from)?;
            return Ok(builder()?.from_credentials(credentials).await?);
        }
        let contact = self.settings.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.external_account()?;
        let (account, credentials) =
            builder()?.create(&new, self.settings.directory.clone(), external.as_ref()).await?;
        let credentials = serde_json::to_vec(&credentials).map_err(instant_acme::Error::from)?;
        self.storage.write(&file, &credentials)?;
        Ok(account)
    }

    fn external_account(&self) -> Result<Option<ExternalAccountKey>, AcmeError> {
        let Some(external) = &self.settings.external_account else { return Ok(None) };
        let key = BASE64_URL_SAFE_NO_PAD
            .decode(external.mac_key.trim_end_matches('='))
            .map_err(|_| AcmeError::NoChallenge("the `mac_key` of `eab` is not in base64url"))?;
        Ok(Some(ExternalAccountKey::new(external.key_id.clone(), &key)))
    }

    /// Requests a certificate and stores it. `attempt` selects the challenge type.
    async fn obtain(&self, name: &str, challenges: &Challenges, attempt: u32) -> Result<LoadedCertificate, AcmeError> {
        let account = self.account().await?;
        let identifiers = [Identifier::Dns(name.to_owned())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let proofs = self.prove(&mut order, name, challenges, attempt).await?;
        let policy = RetryPolicy::new().timeout(Duration::from_secs(limits::ACME_ORDER_SECONDS_MAX));
        if order.poll_ready(&policy).await? != OrderStatus::Ready {
            return Err(rejection(&mut order, proofs.challenge).await);
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&policy).await?;
        let (certificate_file, key_file) = (self.file(name, "crt"), self.file(name, "key"));
        let files =
            CertificateFiles { certificate: self.storage.path(&certificate_file), key: self.storage.path(&key_file) };
        let loaded = parse(chain.as_bytes(), key.as_bytes(), &files)?;
        self.storage.write(&key_file, key.as_bytes())?;
        self.storage.write(&certificate_file, chain.as_bytes())?;
        Ok(loaded)
    }

    /// Prepares the challenges of an order, and asks the authority to check them.
    async fn prove<'c>(
        &self,
        order: &mut Order,
        name: &str,
        challenges: &'c Challenges,
        attempt: u32,
    ) -> Result<Proofs<'c>, AcmeError> {
        let allowed: Vec<ChallengeType> = [
            self.settings.http_challenge.then_some(ChallengeType::Http01),
            self.settings.tls_alpn_challenge.then_some(ChallengeType::TlsAlpn01),
        ]
        .into_iter()
        .flatten()
        .collect();
        if allowed.is_empty() {
            return Err(AcmeError::NoChallenge(
                "`disable_http_challenge` and `disable_tlsalpn_challenge` leave no way to prove anything",
            ));
        }
        let chosen = &allowed[attempt as usize % allowed.len()];
        let mut proofs = Proofs { challenges, challenge: challenge_name(chosen), token: None, host: None };
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let Some(mut challenge) = authorization.challenge(chosen.clone()) else {
                return Err(AcmeError::NoChallenge(
                    "the authority does not offer this way of a proof; a name with `*` can only be proven by DNS, which \
                     igor cannot do: use certificate files",
                ));
            };
            let proof = challenge.key_authorization();
            if *chosen == ChallengeType::Http01 {
                challenges.set_response(&challenge.token, Some(proof.as_str().to_owned()));
                proofs.token = Some(challenge.token.clone());
            } else {
                challenges.set_certificate(name, Some(internal::proof(name, proof.digest().as_ref())?));
                proofs.host = Some(name.to_owned());
            }
            challenge.set_ready().await?;
        }
        Ok(proofs)
    }

    /// The authority's suggested renewal time (RFC 9773); `None` if it suggests none.
    async fn suggested_renewal(&self, certificate: &CertificateDer<'_>) -> Option<i64> {
        let account = self.account().await.ok()?;
        let id = CertificateIdentifier::try_from(certificate).ok()?;
        let (info, _) = account.renewal_info(&id).await.ok()?;
        let (start, end) = (info.suggested_window.start.unix_timestamp(), info.suggested_window.end.unix_timestamp());
        Some(start + (end.saturating_sub(start).max(0) as f64 * jitter()) as i64)
    }
}

fn challenge_name(challenge: &ChallengeType) -> &'static str {
    if *challenge == ChallengeType::Http01 { "HTTP" } else { "TLS-ALPN" }
}

/// A challenge that an authority may check now. Its drop removes it, however the order ended.
struct Proofs<'c> {
    challenges: &'c Challenges,
    challenge: &'static str,
    token: Option<String>,
    host: Option<String>,
}

impl Drop for Proofs<'_> {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            self.challenges.set_response(token, None);
        }
        if let Some(host) = &self.host {
            self.challenges.set_certificate(host, None);
        }
    }
}

/// Why an order did not become ready, in the authority's words.
async fn rejection(order: &mut Order, challenge: &'static str) -> AcmeError {
    let mut reason = None;
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        reason = reason.or_else(|| authorization.challenges.iter().find_map(|challenge| challenge.error.clone()));
    }
    let reason = reason.map_or_else(|| "it said nothing more".to_owned(), |problem| problem.to_string());
    AcmeError::Rejected { challenge, reason }
}

fn parse(chain: &[u8], key: &[u8], files: &CertificateFiles) -> Result<LoadedCertificate, CertificateFileError> {
    let unusable = |path: &std::path::Path, reason: &str| CertificateFileError::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(unusable(&files.certificate, "holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unusable(&files.key, "holds no private key"))?;
    files::certified(chain, &key, files)
}

/// One name whose certificate comes from an authority.
#[derive(Debug)]
pub(super) struct Managed {
    name: String,
    issuers: Vec<AcmeIssuer>,
    store: Arc<CertificateStore>,
    challenges: Arc<Challenges>,
}

impl Managed {
    pub(super) fn new(
        name: &str,
        issuers: Vec<AcmeIssuer>,
        store: Arc<CertificateStore>,
        challenges: Arc<Challenges>,
    ) -> Self {
        Self { name: name.to_owned(), issuers, store, challenges }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Loads the certificate from the storage into the store, so that a restart serves at once.
    pub(super) fn load_kept(&self) {
        if let Some((_, loaded)) = self.best_kept() {
            self.put(&loaded);
        }
    }

    /// The stored certificate with the latest expiry, and its issuer.
    fn best_kept(&self) -> Option<(&AcmeIssuer, LoadedCertificate)> {
        let kept = self.issuers.iter().filter_map(|issuer| match issuer.kept(&self.name) {
            Ok(kept) => kept.map(|kept| (issuer, kept)),
            Err(error) => {
                tracing::warn!(host = %self.name, "the kept certificate cannot be used: {error}");
                None
            }
        });
        kept.max_by_key(|(_, loaded)| loaded.facts.not_after)
    }

    fn put(&self, loaded: &LoadedCertificate) {
        self.store.put(std::slice::from_ref(&self.name), &loaded.certified);
    }

    /// Obtains and renews the certificate until the task is dropped.
    pub(super) async fn keep(self) {
        let mut failures = 0;
        loop {
            self.wait_until_due().await;
            match self.obtain(failures).await {
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let pause = retry_pause(failures, &error);
                    tracing::error!(
                        host = %self.name, failures, seconds = pause.as_secs(),
                        "obtaining a certificate: {error}; the site keeps what it has, and igor asks again after the pause"
                    );
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Returns when a certificate is missing or due for renewal.
    async fn wait_until_due(&self) {
        let jitter = jitter();
        loop {
            let Some((issuer, kept)) = self.best_kept() else { return };
            // Another process may have renewed it.
            self.put(&kept);
            let own = renewal_time(&kept.facts, jitter);
            let due = match kept.certified.cert.first() {
                Some(certificate) => {
                    issuer.suggested_renewal(certificate).await.map_or(own, |suggested| suggested.min(own))
                }
                None => own,
            };
            let left = due - now_seconds();
            if left <= 0 {
                return;
            }
            let wait = Duration::from_secs(left.unsigned_abs().min(limits::ACME_LOOK_SECONDS));
            tokio::time::sleep(wait).await;
        }
    }

    /// The certificate in the storage.
    pub(super) fn kept(&self) -> Option<LoadedCertificate> {
        self.best_kept().map(|(_, loaded)| loaded)
    }

    /// Asks the authorities in turn, while no other process does. `failures` selects the way of the proof.
    pub(super) async fn obtain(&self, failures: u32) -> Result<LoadedCertificate, AcmeError> {
        let before = self.best_kept().map(|(_, loaded)| loaded.facts.not_after);
        let mut last = AcmeError::NoChallenge("no certificate authority is configured");
        for issuer in &self.issuers {
            let _lock = self.lock(issuer).await?;
            if let Some((_, loaded)) = self.best_kept()
                && before.is_none_or(|before| loaded.facts.not_after > before)
            {
                self.put(&loaded);
                return Ok(loaded);
            }
            tracing::info!(host = %self.name, authority = %issuer.settings.directory, "obtaining a certificate");
            let limit = Duration::from_secs(limits::ACME_ORDER_SECONDS_MAX);
            let outcome = tokio::time::timeout(limit, issuer.obtain(&self.name, &self.challenges, failures)).await;
            match outcome.unwrap_or(Err(AcmeError::TimedOut)) {
                Ok(loaded) => {
                    self.put(&loaded);
                    tracing::info!(host = %self.name, authority = %issuer.settings.directory, "a certificate was obtained");
                    return Ok(loaded);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn lock(&self, issuer: &AcmeIssuer) -> Result<StorageLock, AcmeError> {
        let name = format!("certificate-{}", self.name.replace('*', "wildcard_"));
        loop {
            if let Some(lock) = issuer.storage.try_lock(&name)? {
                return Ok(lock);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_its_bound_and_a_rate_limit_is_respected() {
        let seconds = |failures, transient, rate| pause(failures, transient, rate).as_secs();
        let transient: Vec<u64> = [1, 2, 3, 8, 40].map(|failures| seconds(failures, true, false)).into();
        assert_eq!(transient, [5, 10, 20, 600, 600]);
        let rejected: Vec<u64> = [1, 2, 3, 9, 10, 40].map(|failures| seconds(failures, false, false)).into();
        assert_eq!(rejected, [60, 120, 240, 15360, 21600, 21600]);
        assert_eq!([1, 2, 9].map(|failures| seconds(failures, false, true)), [3600, 7200, 21600]);
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
        let day = 24 * 3600;
        let facts = CertificateFacts { names: Vec::new(), not_before: 0, not_after: 90 * day };
        assert_eq!(renewal_time(&facts, 0.0), 60 * day);
        assert_eq!(renewal_time(&facts, 1.0), 57 * day);
        let short = CertificateFacts { names: Vec::new(), not_before: 0, not_after: 3 };
        assert_eq!(renewal_time(&short, 1.0), 2);
    }
}
