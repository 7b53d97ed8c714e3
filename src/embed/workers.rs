//! The background workers of a configuration beside one script, without a server: those of `igor-php`, and those of a PHP
//! program that has loaded the module.

use crate::assemble::{add_cluster_stores, declared_scopes, set_cluster};
use crate::cluster::Cluster;
use crate::config::{Config, ScopeLabel, Site};
use crate::limits::{CLUSTER_LEAVE_MS_MAX, KILL_SECONDS_MAX};
use crate::php::{Cutoff, Failure, Scope, SendRefused, ThreadOptions, Wait};
use crate::tasks::{Parcel, Task};
use crate::threads;
use crate::vars::Slot;
use crate::worker::background::Shared;
use crate::worker::{ScopeView, ScopeWorkers};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The background workers beside the script.
pub(super) struct Workers {
    declared: HashMap<ScopeLabel, Arc<ScopeWorkers>>,
    global: Arc<ScopeWorkers>,
    /// What the script sees.
    own: Arc<ScopeWorkers>,
    stopping: Arc<AtomicBool>,
    cluster: Cluster,
    grace_period: Duration,
}

impl Workers {
    /// Starts the workers with a `num` of at least 1; the others start on demand. If one cannot be started, the started
    /// ones are ended again.
    ///
    /// # Errors The worker that could not be started, and why.
    pub(super) fn start(config: &Config, threads: &ThreadOptions) -> Result<Self, String> {
        let stopping = Arc::new(AtomicBool::new(false));
        let shared = Shared { options: threads.clone(), waits: Arc::default(), stopping: stopping.clone() };
        let declared = declared_scopes(config, &shared);
        let first_block = config.sites.iter().flat_map(Site::php_servers).next();
        let own = declared[first_block.map_or(&config.global.scope, |block| &block.scope)].clone();
        let global = declared[&config.global.scope].clone();
        let grace_period = config.global.grace_period;
        let workers = Self { declared, global, own, stopping, cluster: Cluster::default(), grace_period };
        if let Err(error) = add_cluster_stores(&workers.cluster, config, &threads.stores) {
            return Err(format!("starting the cluster: {error}"));
        }
        for declared in workers.declared.values() {
            if let Err(failure) = declared.start_eager() {
                workers.stop();
                return Err(failure.message);
            }
        }
        if let Err(error) = set_cluster(&workers.cluster, config, &workers.declared) {
            workers.stop();
            return Err(format!("starting the cluster: {error}"));
        }
        Ok(workers)
    }

    /// The workers that the script sees: those of the first `php_server` block, or the global ones if it has none.
    pub(super) fn scope(&self) -> Arc<dyn Scope> {
        Arc::new(OfProcess { scope: ScopeView::of(&self.own, &self.global), process: std::process::id() })
    }

    /// Ends the workers within the grace period. `false`: a thread cannot be stopped.
    pub(super) fn stop(&self) -> bool {
        self.stopping.store(true, Ordering::Release);
        self.cluster.stop();
        for declared in self.declared.values() {
            declared.stop();
        }
        let background: Vec<_> = self.declared.values().flat_map(|declared| declared.workers()).collect();
        let thread_groups: Vec<_> = background.iter().map(|worker| worker.thread_group()).collect();
        let stuck =
            threads::leave(&thread_groups, Instant::now() + self.grace_period, Duration::from_secs(KILL_SECONDS_MAX));
        self.cluster.leave(Duration::from_millis(CLUSTER_LEAVE_MS_MAX));
        for stuck in &stuck {
            let place = stuck.place.as_deref().unwrap_or("an unknown place");
            eprintln!(
                "igor: the PHP thread {} could not be interrupted at {place}; the process ends without it",
                stuck.thread
            );
        }
        stuck.is_empty()
    }
}

/// A scope whose workers run in one process. A forked child has copies of their snapshots but none of their threads. So
/// it can read what was published before the fork, but not wait for anything.
struct OfProcess {
    scope: Arc<dyn Scope>,
    process: u32,
}

impl OfProcess {
    /// In a forked child, ready workers stay ready, and everything else fails at once.
    fn in_child(&self, name: &[u8]) -> Result<(), Failure> {
        if self.scope.slot(name)?.version() > 0 {
            return Ok(());
        }
        Err(Failure::runtime(format!(
            "background worker \"{}\" cannot be waited for in a forked process: its thread runs in the process that was \
             forked; wait for it before the fork",
            String::from_utf8_lossy(name)
        )))
    }

    fn is_child(&self) -> bool {
        std::process::id() != self.process
    }
}

impl Scope for OfProcess {
    fn label(&self) -> Option<&str> {
        self.scope.label()
    }

    fn slot(&self, name: &[u8]) -> Result<Arc<Slot>, Failure> {
        self.scope.slot(name)
    }

    fn nothing_published(&self, name: &[u8]) -> Failure {
        self.scope.nothing_published(name)
    }

    fn require(&self, name: &[u8], wait: Wait<'_>, caller: Option<&[u8]>) -> Result<(), Failure> {
        if self.is_child() { self.in_child(name) } else { self.scope.require(name, wait, caller) }
    }

    fn ensure(&self, names: &[Vec<u8>], wait: Wait<'_>, caller: Option<&[u8]>) -> Result<(), Failure> {
        if self.is_child() {
            return names.iter().try_for_each(|name| self.in_child(name));
        }
        self.scope.ensure(names, wait, caller)
    }

    fn send(
        &self,
        name: &[u8],
        parcel: Parcel,
        timeout: Option<Duration>,
        cutoff: &Cutoff<'_>,
        caller: Option<&[u8]>,
    ) -> Result<Arc<Task>, SendRefused> {
        if self.is_child() {
            return Err(SendRefused::Failure(Failure::runtime(format!(
                "background worker \"{}\" takes no tasks of a forked process: its threads run in the process that was \
                 forked",
                String::from_utf8_lossy(name)
            ))));
        }
        self.scope.send(name, parcel, timeout, cutoff, caller)
    }
}
