//! The workers of a configuration that belong to its cluster.

use crate::cluster::{Cluster, Member};
use crate::config::{Config, ScopeLabel};
use crate::limits::KILL_SECONDS_MAX;
use crate::php::Scope;
use crate::store::{Store, Stores};
use crate::threads::{self, Runs};
use crate::vars::{Slot, Snapshot};
use crate::worker::ScopeWorkers;
use crate::worker::background::{Background, ClusterState};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets the cluster run exactly the workers that `config` declares for it.
///
/// # Errors The system has no thread left.
pub(crate) fn set_cluster(
    cluster: &Cluster,
    config: &Config,
    scopes: &HashMap<ScopeLabel, Arc<ScopeWorkers>>,
) -> io::Result<()> {
    let mut members: Vec<Arc<dyn Member>> = Vec::new();
    for scope in config.scopes() {
        let Some(declared) = scopes.get(scope.label) else { continue };
        for worker in scope.workers.iter().filter(|worker| worker.cluster) {
            let name = worker.name.clone().unwrap_or_default();
            let key = format!("{}/{name}", scope.label);
            let grace = config.global.grace_period;
            members.push(Arc::new(OfScope { declared: declared.clone(), name, key, grace, led: Mutex::default() }));
        }
    }
    cluster.set(config.global.frankenphp.cluster.as_ref(), members)
}

/// Connects the stores that `config` declares for its cluster, as far as they are not connected.
///
/// # Errors The system has no thread left.
pub(crate) fn add_cluster_stores(cluster: &Cluster, config: &Config, stores: &Stores) -> io::Result<()> {
    match &config.global.frankenphp.cluster {
        Some(settings) => cluster.add_stores(settings, &of_cluster(stores)),
        None => Ok(()),
    }
}

/// Lets all of them use the settings of `config`.
pub(super) fn configure_cluster_stores(cluster: &Cluster, config: &Config, stores: &Stores) {
    if let Some(settings) = &config.global.frankenphp.cluster {
        cluster.configure_stores(settings, &of_cluster(stores));
    }
}

/// The stores of the cluster, with the names that all instances know them by.
fn of_cluster(stores: &Stores) -> Vec<(String, Arc<Store>)> {
    let stores = stores.all().into_iter().filter(|store| store.remote().is_some());
    stores.map(|store| (format!("{}/{}", store.scope().unwrap_or(ScopeLabel::GLOBAL), store.name()), store)).collect()
}

/// A worker by its name: a reload may replace the worker itself.
struct OfScope {
    declared: Arc<ScopeWorkers>,
    name: String,
    key: String,
    grace: Duration,
    /// The worker that was last started here. A reload may have replaced it, or removed it from the scope, while its script
    /// still runs. Protects the pointer alone.
    led: Mutex<Option<Arc<Background>>>,
}

impl OfScope {
    fn worker(&self) -> Option<Arc<Background>> {
        self.declared.worker(self.name.as_bytes())
    }

    fn view(&self) -> Arc<dyn Scope> {
        self.declared.view()
    }
}

impl Member for OfScope {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn state(&self) -> Arc<ClusterState> {
        self.worker().and_then(|worker| worker.cluster().cloned()).unwrap_or_default()
    }

    fn lead(&self) -> Option<Arc<Slot>> {
        let worker = self.worker()?;
        match worker.lead(&self.view()) {
            Ok(source) => {
                *self.led.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
                source
            }
            Err(failure) => {
                tracing::error!(worker = self.key, "{}", failure.message);
                None
            }
        }
    }

    fn follow(&self) {
        let Some(worker) = self.worker() else { return };
        let mut runs = Runs::default();
        worker.thread_group().runs(&mut runs);
        if !worker.follow() {
            return;
        }
        let grace = Instant::now() + self.grace;
        let end = move || {
            for stuck in threads::end_runs(runs, grace, Duration::from_secs(KILL_SECONDS_MAX)) {
                tracing::error!(
                    thread = stuck.thread,
                    place = stuck.place,
                    "a script of the cluster could not be ended"
                );
            }
        };
        if let Err(error) = std::thread::Builder::new().name("cluster-end".into()).spawn(end) {
            tracing::error!(worker = self.key, "a script that does not end by itself is not interrupted: {error}");
        }
    }

    fn limit(&self, bytes_max: usize) {
        if let Some(worker) = self.worker() {
            worker.limit(bytes_max);
        }
    }

    fn is_live(&self) -> bool {
        let led = self.led.lock().unwrap_or_else(PoisonError::into_inner).clone();
        led.is_some_and(|worker| worker.is_live_in_cluster())
    }

    fn is_given_up(&self) -> bool {
        self.worker().is_some_and(|worker| worker.is_given_up())
    }

    fn arrived(&self, snapshot: Arc<Snapshot>) {
        if let Some(worker) = self.worker() {
            worker.arrived(snapshot);
            worker.feed(&*self.view());
        }
    }
}
