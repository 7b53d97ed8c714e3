//! Chooses the upstream of a request, and skips failed ones for a while.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{StatusCode, request};

use super::headers::Sender;
use crate::config::{LoadPolicy, ProxySettings, StatusPattern, UpstreamAddress, query_pairs};

/// The upstreams of a proxy.
pub(super) struct Upstreams {
    list: Vec<Arc<Upstream>>,
    policy: LoadPolicy,
    next: AtomicUsize,
}

/// One server, and its state.
pub(super) struct Upstream {
    index: usize,
    pub(super) address: UpstreamAddress,
    /// Requests whose responses have not ended.
    busy: AtomicUsize,
    /// Whether the last health check succeeded.
    healthy: AtomicBool,
    /// The times of failures within the last `fail_duration`; at most `max_fails` of them.
    failures: Mutex<VecDeque<Instant>>,
    rules: Rules,
}

struct Rules {
    fail_duration: Duration,
    max_fails: usize,
    max_requests: usize,
    statuses: Vec<StatusPattern>,
    latency: Option<Duration>,
}

/// The upstream of a request. It counts as busy until this is dropped.
pub(super) struct Chosen(Arc<Upstream>);

impl Drop for Chosen {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Chosen {
    fn new(upstream: &Arc<Upstream>) -> Self {
        upstream.busy.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(upstream))
    }

    pub(super) fn index(&self) -> usize {
        self.0.index
    }

    pub(super) fn address(&self) -> &UpstreamAddress {
        &self.0.address
    }

    /// Records how long the head of a response took.
    pub(super) fn note_response(&self, status: StatusCode, took: Duration) {
        let rules = &self.0.rules;
        let is_bad = rules.statuses.iter().any(|pattern| pattern.matches(status.as_u16()));
        if is_bad || rules.latency.is_some_and(|latency| took > latency) {
            self.note_failure();
        }
    }

    pub(super) fn note_failure(&self) {
        let rules = &self.0.rules;
        if rules.fail_duration.is_zero() {
            return;
        }
        let mut failures = self.0.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push_back(Instant::now());
        while failures.len() > rules.max_fails {
            failures.pop_front();
        }
    }
}

impl Upstream {
    pub(super) fn set_healthy(&self, healthy: bool) -> bool {
        self.healthy.swap(healthy, Ordering::AcqRel) != healthy
    }

    fn is_available(&self) -> bool {
        let rules = &self.rules;
        let is_full = rules.max_requests > 0 && self.busy.load(Ordering::Acquire) >= rules.max_requests;
        self.healthy.load(Ordering::Acquire) && !is_full && !self.has_failed()
    }

    fn has_failed(&self) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        while failures.front().is_some_and(|at| at.elapsed() > self.rules.fail_duration) {
            failures.pop_front();
        }
        failures.len() >= self.rules.max_fails
    }
}

impl Upstreams {
    pub(super) fn new(settings: &ProxySettings) -> Self {
        let upstream = |(index, address): (usize, &UpstreamAddress)| {
            Arc::new(Upstream {
                index,
                address: address.clone(),
                busy: AtomicUsize::new(0),
                healthy: AtomicBool::new(true),
                failures: Mutex::default(),
                rules: Rules {
                    fail_duration: settings.fail_duration,
                    max_fails: settings.max_fails.max(1),
                    max_requests: settings.max_requests,
                    statuses: settings.unhealthy_statuses.clone(),
                    latency: settings.unhealthy_latency,
                },
            })
        };
        let list = settings.upstreams.iter().enumerate().map(upstream).collect();
        Self { list, policy: settings.policy.clone(), next: AtomicUsize::new(0) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.list.iter()
    }

    /// A hash of the request property that the policy uses.
    pub(super) fn key(&self, sender: &Sender, parts: &request::Parts) -> u64 {
        let mut hasher = DefaultHasher::new();
        match &self.policy {
            LoadPolicy::IpHash => sender.connection.remote.ip().to_canonical().hash(&mut hasher),
            LoadPolicy::ClientIpHash => sender.client_ip.hash(&mut hasher),
            LoadPolicy::UriHash => parts.uri.path_and_query().map(|uri| uri.as_str()).hash(&mut hasher),
            LoadPolicy::Header(name) => match parts.headers.get(name) {
                Some(value) => value.as_bytes().hash(&mut hasher),
                None => return random(),
            },
            LoadPolicy::Query(key) => {
                match query_pairs(parts.uri.query().unwrap_or_default()).find(|(known, _)| known == key) {
                    Some((_, value)) => value.hash(&mut hasher),
                    None => return random(),
                }
            }
            _ => return random(),
        }
        hasher.finish()
    }

    /// An available upstream; `None`: there is none.
    pub(super) fn choose(&self, key: u64) -> Option<Chosen> {
        let available: Vec<&Arc<Upstream>> = self.list.iter().filter(|upstream| upstream.is_available()).collect();
        if available.is_empty() {
            return None;
        }
        let least_busy = |list: &mut dyn Iterator<Item = &Arc<Upstream>>| {
            list.min_by_key(|upstream| upstream.busy.load(Ordering::Acquire)).map(Chosen::new)
        };
        match &self.policy {
            LoadPolicy::First => available.first().map(|upstream| Chosen::new(upstream)),
            LoadPolicy::RoundRobin => {
                let turn = self.next.fetch_add(1, Ordering::Relaxed);
                Some(Chosen::new(available[turn % available.len()]))
            }
            LoadPolicy::LeastConnections => {
                // Among equals they take turns, so it is not always the first.
                let turn = self.next.fetch_add(1, Ordering::Relaxed) % available.len();
                least_busy(&mut available.iter().cycle().skip(turn).take(available.len()).copied())
            }
            LoadPolicy::RandomChoose(count) => {
                let start = key as usize % available.len();
                least_busy(&mut available.iter().cycle().skip(start).take((*count).min(available.len())).copied())
            }
            LoadPolicy::Random => Some(Chosen::new(available[key as usize % available.len()])),
            LoadPolicy::IpHash
            | LoadPolicy::ClientIpHash
            | LoadPolicy::UriHash
            | LoadPolicy::Header(_)
            | LoadPolicy::Query(_) => {
                // The upstream with the highest hash of key and upstream (rendezvous hashing): if one disappears, only
                // its own keys move.
                available.into_iter().max_by_key(|upstream| weight(key, &upstream.address)).map(Chosen::new)
            }
        }
    }
}

fn weight(key: u64, address: &UpstreamAddress) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, address).hash(&mut hasher);
    hasher.finish()
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Each state has random keys.
    RandomState::new().hash_one(0_u8)
}
