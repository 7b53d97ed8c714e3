//! `tls { on_demand }`: obtains a certificate while a handshake waits for it.
//!
//! A client chooses the host, so everything here is bounded: the attempts that run and wait, the certificates and the
//! refusals in memory, and how many certificates are new in an interval. All handshakes with one host wait for one attempt.
//! An attempt is a task of its own, which continues when the clients have left.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::acme::{AcmeError, AcmeIssuer, Managed, renewal_time, retry_pause};
use super::files::{CertificateFacts, LoadedCertificate, now_seconds};
use super::internal::{AuthorityError, InternalAuthority, is_local};
use super::permission::{Asker, NoPermission};
use super::resolver::Challenges;
use super::storage::Storage;
use super::store::CertificateStore;
use crate::config::{AcmeSettings, OnDemandSettings};
use crate::limits;

/// Why a host has no certificate now.
#[derive(Debug, thiserror::Error)]
enum NotObtained {
    #[error("{0}")]
    Permission(#[from] NoPermission),
    #[error("{0}")]
    Acme(#[from] AcmeError),
    #[error("{0}")]
    Internal(#[from] AuthorityError),
    #[error("`burst` certificates were obtained in the `interval` of `on_demand_tls`")]
    TooMany,
    #[error("the task of the authority ended early")]
    Panicked,
}

impl NotObtained {
    /// How long handshakes with the host are refused without another attempt.
    fn pause(&self, failures: u32) -> Duration {
        match self {
            Self::Permission(NoPermission::Refused(_)) => Duration::from_secs(limits::ON_DEMAND_REFUSED_SECONDS),
            Self::Acme(error) => retry_pause(failures, error),
            _ => Duration::from_secs(limits::ON_DEMAND_UNANSWERED_SECONDS),
        }
    }
}

/// Who signs the certificates of a site.
#[derive(Debug, Clone)]
pub(super) enum Signer {
    Internal,
    /// The internal authority signs for local names.
    Acme(Vec<AcmeSettings>),
}

/// A host whose certificate is in the store, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Known {
    renew: i64,
    expires: i64,
}

#[derive(Debug, Clone, Copy)]
struct Refused {
    until: Instant,
    failures: u32,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, Known>,
    refused: HashMap<String, Refused>,
    /// Closed when the attempt ends.
    running: HashMap<String, watch::Receiver<()>>,
    /// When the last `burst` new certificates were begun.
    new: VecDeque<Instant>,
    /// When the log last named a question without an answer.
    complained: Option<Instant>,
}

/// The hosts of all sites with `on_demand` of a configuration.
#[derive(Debug)]
pub(super) struct OnDemand {
    store: Arc<CertificateStore>,
    challenges: Arc<Challenges>,
    storage: Storage,
    settings: OnDemandSettings,
    asker: Option<Asker>,
    places: Semaphore,
    /// Held for one look at the maps.
    state: Mutex<State>,
}

/// What a handshake has to do.
enum Step {
    Go,
    Refuse,
    Wait(watch::Receiver<()>),
}

impl OnDemand {
    /// Nothing is obtained yet.
    ///
    /// # Errors The address of `ask` cannot be used.
    pub(super) fn new(
        store: Arc<CertificateStore>,
        challenges: Arc<Challenges>,
        storage: Storage,
        settings: OnDemandSettings,
    ) -> Result<Self, String> {
        let asker = settings.ask.as_deref().map(Asker::new).transpose()?;
        let places = Semaphore::new(limits::ON_DEMAND_ATTEMPTS_RUNNING_MAX);
        Ok(Self { store, challenges, storage, settings, asker, places, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the store has a certificate for the host, in lower case. Returns whether it has.
    pub(super) async fn ensure(self: &Arc<Self>, host: &str, signer: &Signer) -> bool {
        let has_other = self.store.find(host).is_some();
        let step = self.step(host, has_other, signer);
        let mut attempt = match step {
            Step::Go => return true,
            Step::Refuse => return false,
            Step::Wait(attempt) => attempt,
        };
        let limit = Duration::from_secs(limits::ON_DEMAND_HANDSHAKE_SECONDS_MAX);
        // Nothing is ever sent: the attempt ends with its sender.
        let _ = tokio::time::timeout(limit, attempt.changed()).await;
        self.state().known.contains_key(host)
    }

    fn step(self: &Arc<Self>, host: &str, is_in_store: bool, signer: &Signer) -> Step {
        let now = now_seconds();
        let mut state = self.state();
        let known = state.known.get(host).copied();
        // It belongs to a file, or to a site that names the host.
        if known.is_none() && is_in_store {
            return Step::Go;
        }
        let is_valid = known.is_some_and(|known| now < known.expires);
        if is_valid && known.is_some_and(|known| now < known.renew) {
            return Step::Go;
        }
        let otherwise = |step| if is_valid { Step::Go } else { step };
        if state.refused.get(host).is_some_and(|refused| Instant::now() < refused.until) {
            return otherwise(Step::Refuse);
        }
        if let Some(attempt) = state.running.get(host) {
            return otherwise(Step::Wait(attempt.clone()));
        }
        if state.running.len() >= limits::ON_DEMAND_ATTEMPTS_MAX {
            return otherwise(Step::Refuse);
        }
        otherwise(Step::Wait(self.begin(host, signer, &mut state)))
    }

    /// Starts the attempt for a host.
    fn begin(self: &Arc<Self>, host: &str, signer: &Signer, state: &mut State) -> watch::Receiver<()> {
        let (ends, attempt) = watch::channel(());
        state.running.insert(host.to_owned(), attempt.clone());
        let failures = state.refused.get(host).map_or(0, |refused| refused.failures);
        let running = Running { all: Arc::clone(self), host: host.to_owned(), _ends: ends };
        let signer = signer.clone();
        tokio::spawn(async move {
            let all = &running.all;
            // The semaphore is never closed.
            let Ok(_place) = all.places.acquire().await else { return };
            match all.obtain(&running.host, &signer, failures).await {
                Ok(loaded) => all.keep(&running.host, &loaded),
                Err(error) => all.refuse(&running.host, &error, failures + 1),
            }
        });
        attempt
    }

    async fn obtain(&self, host: &str, signer: &Signer, failures: u32) -> Result<LoadedCertificate, NotObtained> {
        if let Some(asker) = &self.asker {
            asker.ask(host).await?;
        }
        let settings = match signer {
            Signer::Acme(settings) if !is_local(host) => settings,
            _ => {
                self.count()?;
                return self.sign(host).await;
            }
        };
        let issuers = settings.iter().map(|settings| AcmeIssuer::new(settings.clone(), self.storage.clone())).collect();
        let managed = Managed::new(host, issuers, Arc::clone(&self.store), Arc::clone(&self.challenges));
        if let Some(kept) = managed.kept().filter(|kept| now_seconds() < renewal_time(&kept.facts, 0.0)) {
            return Ok(kept);
        }
        self.count()?;
        // The proof inside TLS first: the client has just reached this port, and plain HTTP may not be served at all.
        Ok(managed.obtain(failures + 1).await?)
    }

    /// A certificate of the internal authority.
    async fn sign(&self, host: &str) -> Result<LoadedCertificate, NotObtained> {
        let (storage, host) = (self.storage.clone(), host.to_owned());
        let signing = move || InternalAuthority::open(&storage)?.sign(&host);
        let signed = tokio::task::spawn_blocking(signing).await.map_err(|_| NotObtained::Panicked)?;
        Ok(signed?)
    }

    /// Counts a new certificate, unless there were too many in the interval.
    fn count(&self) -> Result<(), NotObtained> {
        let now = Instant::now();
        let mut state = self.state();
        while state.new.front().is_some_and(|first| now.duration_since(*first) >= self.settings.interval) {
            state.new.pop_front();
        }
        if state.new.len() >= self.settings.burst {
            return Err(NotObtained::TooMany);
        }
        state.new.push_back(now);
        Ok(())
    }

    fn keep(&self, host: &str, loaded: &LoadedCertificate) {
        self.store.put(std::slice::from_ref(&host.to_owned()), &loaded.certified);
        let mut state = self.state();
        state.refused.remove(host);
        if state.known.len() >= limits::ON_DEMAND_CERTIFICATES_MAX
            && !state.known.contains_key(host)
            && let Some(other) = state.known.keys().next().cloned()
        {
            state.known.remove(&other);
            self.store.remove(&other);
        }
        state.known.insert(host.to_owned(), known(&loaded.facts));
        tracing::info!(host, "a certificate was obtained for a handshake");
    }

    fn refuse(&self, host: &str, error: &NotObtained, failures: u32) {
        let now = Instant::now();
        let mut state = self.state();
        // The host belongs to a customer who has left.
        let is_final = matches!(error, NotObtained::Permission(NoPermission::Refused(_)));
        if is_final && state.known.remove(host).is_some() {
            self.store.remove(host);
        }
        make_room(&mut state.refused, now);
        state.refused.insert(host.to_owned(), Refused { until: now + error.pause(failures), failures });
        let pause = Duration::from_secs(limits::ON_DEMAND_UNANSWERED_SECONDS);
        // Anyone can cause these, with any host.
        if is_final || state.complained.is_some_and(|last| now.duration_since(last) < pause) {
            tracing::debug!(host, "no certificate for a handshake: {error}");
        } else {
            state.complained = Some(now);
            tracing::warn!(host, "no certificate for a handshake: {error}");
        }
    }
}

/// Forgets refusals that are over, or one if none is.
fn make_room(refused: &mut HashMap<String, Refused>, now: Instant) {
    if refused.len() < limits::ON_DEMAND_REFUSALS_MAX {
        return;
    }
    refused.retain(|_, refused| now < refused.until);
    if refused.len() >= limits::ON_DEMAND_REFUSALS_MAX
        && let Some(host) = refused.keys().next().cloned()
    {
        refused.remove(&host);
    }
}

fn known(facts: &CertificateFacts) -> Known {
    Known { renew: renewal_time(facts, 0.0), expires: facts.not_after }
}

/// An attempt, until it ends in any way.
struct Running {
    all: Arc<OnDemand>,
    host: String,
    _ends: watch::Sender<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.state().running.remove(&self.host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_are_over_make_room_first() {
        let now = Instant::now();
        let until = |over| Refused { until: if over { now } else { now + Duration::from_secs(60) }, failures: 1 };
        let of = |over: usize| {
            let all = (0..limits::ON_DEMAND_REFUSALS_MAX).map(|at| (format!("{at}.example"), until(at < over)));
            let mut refused: HashMap<String, Refused> = all.collect();
            make_room(&mut refused, now);
            refused.len()
        };
        assert_eq!(of(4), limits::ON_DEMAND_REFUSALS_MAX - 4);
        assert_eq!(of(0), limits::ON_DEMAND_REFUSALS_MAX - 1);
    }
}
