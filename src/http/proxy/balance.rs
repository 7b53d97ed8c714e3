//! Chooses the upstream of a request, and skips failed ones for a while.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode, request};

use super::headers::Sender;
use super::sticky::{ClientCookie, Sticky};
use crate::config::{LoadPolicy, ProxySettings, StatusPattern, UpstreamAddress, query_pairs};

/// The upstreams of a proxy.
pub(super) struct Upstreams {
    list: Vec<Arc<Upstream>>,
    policy: LoadPolicy,
    /// For requests that do not have what `policy` looks at.
    fallback: LoadPolicy,
    /// With the policy `cookie`.
    sticky: Option<Sticky>,
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
        let sticky = match &settings.policy {
            LoadPolicy::Cookie(cookie) => Some(Sticky::new(cookie)),
            _ => None,
        };
        let (policy, fallback) = (settings.policy.clone(), settings.fallback.clone());
        Self { list, policy, fallback, sticky, next: AtomicUsize::new(0) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.list.iter()
    }

    /// What the request says about its upstream.
    pub(super) fn wish(&self, sender: &Sender, parts: &request::Parts) -> Wish<'_> {
        let cookie = self.sticky.as_ref().map(|sticky| sticky.of_request(sender, parts));
        match key(&self.policy, sender, parts) {
            Some(key) => Wish { policy: &self.policy, key, cookie },
            None => {
                let key = key(&self.fallback, sender, parts).unwrap_or_else(random);
                Wish { policy: &self.fallback, key, cookie }
            }
        }
    }

    /// An available upstream; `None`: there is none.
    pub(super) fn choose(&self, wish: &Wish<'_>) -> Option<Chosen> {
        let available: Vec<&Arc<Upstream>> = self.list.iter().filter(|upstream| upstream.is_available()).collect();
        if available.is_empty() {
            return None;
        }
        if let (Some(sticky), Some(cookie)) = (&self.sticky, &wish.cookie)
            && let Some(kept) = available.iter().find(|upstream| sticky.names(cookie, &upstream.address))
        {
            return Some(Chosen::new(kept));
        }
        let turn = || self.next.fetch_add(1, Ordering::Relaxed);
        let least_busy = |list: &mut dyn Iterator<Item = &Arc<Upstream>>| {
            list.min_by_key(|upstream| upstream.busy.load(Ordering::Acquire)).map(Chosen::new)
        };
        match wish.policy {
            LoadPolicy::First => available.first().map(|upstream| Chosen::new(upstream)),
            LoadPolicy::RoundRobin => Some(Chosen::new(available[turn() % available.len()])),
            LoadPolicy::WeightedRoundRobin(weights) => by_weight(&available, weights, turn()),
            LoadPolicy::LeastConnections => {
                // Among equals they take turns, so it is not always the first.
                let turn = turn() % available.len();
                least_busy(&mut available.iter().cycle().skip(turn).take(available.len()).copied())
            }
            LoadPolicy::RandomChoose(count) => {
                let start = wish.key as usize % available.len();
                least_busy(&mut available.iter().cycle().skip(start).take((*count).min(available.len())).copied())
            }
            // The cookie names no upstream that is available.
            LoadPolicy::Random | LoadPolicy::Cookie(_) => {
                Some(Chosen::new(available[wish.key as usize % available.len()]))
            }
            LoadPolicy::IpHash
            | LoadPolicy::ClientIpHash
            | LoadPolicy::UriHash
            | LoadPolicy::Header(_)
            | LoadPolicy::Query(_) => {
                // The upstream with the highest hash of key and upstream (rendezvous hashing): if one disappears, only
                // its own keys move.
                available.into_iter().max_by_key(|upstream| weight(wish.key, &upstream.address)).map(Chosen::new)
            }
        }
    }

    /// The cookie by which the client keeps its upstream, if it does not have it yet.
    pub(super) fn cookie(&self, wish: &Wish<'_>, chosen: &Chosen) -> Option<HeaderValue> {
        let (sticky, cookie) = (self.sticky.as_ref()?, wish.cookie.as_ref()?);
        if sticky.names(cookie, chosen.address()) { None } else { sticky.field(cookie, chosen.address()) }
    }
}

/// What a request says about its upstream.
pub(super) struct Wish<'u> {
    /// The policy, or its fallback.
    policy: &'u LoadPolicy,
    /// A hash of what the policy looks at, or a random number.
    key: u64,
    /// With the policy `cookie`.
    cookie: Option<ClientCookie>,
}

/// A hash of the request property that the policy uses. `None`: the request does not have it, or there is none.
fn key(policy: &LoadPolicy, sender: &Sender, parts: &request::Parts) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match policy {
        LoadPolicy::IpHash => sender.connection.remote.ip().to_canonical().hash(&mut hasher),
        LoadPolicy::ClientIpHash => sender.client_ip.hash(&mut hasher),
        LoadPolicy::UriHash => parts.uri.path_and_query().map(|uri| uri.as_str()).hash(&mut hasher),
        LoadPolicy::Header(name) => parts.headers.get(name)?.as_bytes().hash(&mut hasher),
        LoadPolicy::Query(key) => {
            let query = parts.uri.query().unwrap_or_default();
            query_pairs(query).find(|(known, _)| known == key)?.1.hash(&mut hasher);
        }
        LoadPolicy::Cookie(_) => return None,
        _ => return Some(random()),
    }
    Some(hasher.finish())
}

/// The upstream of this turn: of so many turns as all weights together, each gets as many as its own weight.
fn by_weight(available: &[&Arc<Upstream>], weights: &[usize], turn: usize) -> Option<Chosen> {
    let weight = |upstream: &Upstream| weights.get(upstream.index).copied().unwrap_or(0);
    let all: usize = available.iter().map(|upstream| weight(upstream)).sum();
    let mut left = turn.checked_rem(all)?;
    for upstream in available {
        match left.checked_sub(weight(upstream)) {
            Some(rest) => left = rest,
            None => return Some(Chosen::new(upstream)),
        }
    }
    None
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
