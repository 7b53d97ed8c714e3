//! All PHP threads of a configuration: starts them, keeps the unchanged ones in a reload, ends the others.

use super::Live;
use super::cluster::{add_cluster_stores, configure_cluster_stores, set_cluster};
use super::hubs;
use super::leaving::Leaving;
use super::plan::{
    classic_threads, declarations, declared_scopes, declared_stores, http_declaration, http_workers, match_patterns,
    sees_global, thread_options,
};
use crate::cluster::Cluster;
use crate::config::{Config, PathPattern, PhpServer, ScopeLabel};
use crate::http::queue::RequestQueue;
use crate::php::{Scope, ThreadOptions};
use crate::store::Stores;
use crate::threads::Runs;
use crate::vars::Slot;
use crate::worker::background::{Background, Shared};
use crate::worker::classic::Classic;
use crate::worker::http::HttpWorker;
use crate::worker::scope::ScopeConfig;
use crate::worker::{ScopeView, ScopeWorkers, Waits};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All PHP threads of a configuration. A reload builds the next value from this one: both share the unchanged thread
/// groups and the scopes that still exist.
pub(crate) struct Threads {
    /// The threads that run one script a request.
    pub(crate) classic: Arc<Classic>,
    /// The queue of the classic threads. Every block has its own sender to them; all share the queue's places.
    pub(crate) classic_queue: Arc<RequestQueue>,
    /// The HTTP workers of all scopes.
    pub(crate) http: Vec<HttpGroup>,
    /// The background workers of each scope, also of scopes that declare none.
    pub(crate) background: HashMap<ScopeLabel, Arc<ScopeWorkers>>,
    /// The scope of the `frankenphp` block, which blocks without own workers see.
    global: Arc<ScopeWorkers>,
    /// Of every PHP thread; a reload that changes them replaces all threads.
    options: ThreadOptions,
    /// The graph in which a circle of waiting workers is found.
    waits: Arc<Waits>,
    /// Set when the server stops, so that no script starts a worker any more.
    stopping: Arc<AtomicBool>,
    cluster: Arc<Cluster>,
    /// The HTTP workers of this configuration, of earlier ones, and of one that is about to replace it.
    all_http: Arc<AllHttp>,
}

/// The HTTP workers of the process that still run. Protects the list alone.
type AllHttp = Mutex<Vec<Weak<HttpWorker>>>;

/// The threads of one HTTP worker.
#[derive(Clone)]
pub(crate) struct HttpGroup {
    /// The block that has declared it.
    pub(crate) scope: ScopeLabel,
    pub(crate) worker: Arc<HttpWorker>,
    /// One queue, however many blocks reach the worker.
    pub(crate) queue: Arc<RequestQueue>,
    /// The paths that are sent to it in addition to its script's.
    pub(crate) paths: Vec<PathPattern>,
}

impl Threads {
    /// Starts the threads of classic mode, eager background workers and HTTP workers. `native` has the
    /// workers that the program itself declares, by scope.
    ///
    /// # Errors
    /// The system could not start a thread. Threads that were started have been asked to stop, and are returned with
    /// the error, because the engine must not be stopped under them.
    pub(crate) fn start(config: &Config, native: &[(ScopeLabel, ScopeConfig)]) -> Result<Self, (io::Error, Leaving)> {
        let options = thread_options(config, Arc::default(), Stores::new(&declared_stores(config)));
        let shared = Shared { options, waits: Arc::default(), stopping: Arc::default() };
        let background = declared_scopes(config, &shared);
        native.iter().for_each(|(scope, workers)| background[scope].add(workers));
        hubs::attach(config, &background);
        let mut threads = Self::without_http(config, None, background, shared);
        match threads.start_all(config) {
            Ok(()) => Ok(threads),
            Err(error) => {
                threads.stop_background();
                let leaving = threads.leaving();
                leaving.stop_serving(config.global.grace_period);
                Err((error, leaving))
            }
        }
    }

    fn start_all(&mut self, config: &Config) -> io::Result<()> {
        // Before the first script.
        add_cluster_stores(&self.cluster, config, &self.options.stores)?;
        self.classic.start()?;
        let started = self.background.values().try_for_each(|declared| declared.start_eager());
        started.map_err(|failure| io::Error::other(failure.message))?;
        set_cluster(&self.cluster, config, &self.background)?;
        hubs::set_hubs(&self.cluster, config)?;
        self.start_http(config, None)
    }

    /// The threads of another configuration, before it takes effect: new threads start, those of `old` are shared, and
    /// nothing in `old` ends or changes. Then either [`commit`](Self::commit) or [`withdraw`](Self::withdraw).
    ///
    /// # Errors
    /// The system could not start a thread. The started threads have been asked to stop, and are returned with the
    /// error.
    pub(crate) fn succeed(old: &Live, config: &Config) -> Result<Self, (io::Error, Leaving)> {
        let Live { config: old_config, threads: old } = old;
        let stores = old.options.stores.clone();
        stores.add(&declared_stores(config));
        let options = thread_options(config, old.options.copy_budget.clone(), stores);
        let shared = Shared { options, waits: old.waits.clone(), stopping: old.stopping.clone() };
        let mut background = HashMap::new();
        for scope in config.scopes() {
            let declared = match old.background.get(scope.label) {
                Some(declared) => with_added(declared, &declarations(scope.workers)),
                None => ScopeWorkers::new(scope.label.as_str(), declarations(scope.workers), shared.clone()),
            };
            background.insert(scope.label.clone(), declared);
        }
        let same_wait = old_config.global.frankenphp.max_wait_time == config.global.frankenphp.max_wait_time;
        let kept = Some(&**old).filter(|old| same_wait && old.options.same_as(&shared.options));
        let mut threads = Self::without_http(config, kept, background, shared);
        threads.all_http = old.all_http.clone();
        threads.cluster = old.cluster.clone();
        let is_new = !Arc::ptr_eq(&threads.classic, &old.classic);
        let joined = add_cluster_stores(&threads.cluster, config, &threads.options.stores);
        let started = joined.and_then(|()| if is_new { threads.classic.start() } else { Ok(()) });
        match started.and_then(|()| threads.start_http(config, kept.map(|kept| (kept, old_config)))) {
            Ok(()) => Ok(threads),
            Err(error) => Err((error, threads.withdraw(old, old_config))),
        }
    }

    /// The threads without those of HTTP workers. Groups that are not in `kept` have not been started.
    fn without_http(
        config: &Config,
        kept: Option<&Self>,
        background: HashMap<ScopeLabel, Arc<ScopeWorkers>>,
        shared: Shared,
    ) -> Self {
        let Shared { options, waits, stopping } = shared;
        let global = background[&config.global.scope].clone();
        let declaration = classic_threads(config);
        let (classic, classic_queue) = match kept.filter(|kept| kept.classic.config() == declaration) {
            Some(kept) => (kept.classic.clone(), kept.classic_queue.clone()),
            None => {
                let classic = Classic::new(declaration, options.clone());
                let sender = classic.sender(ScopeView::of(&global, &global));
                (classic, RequestQueue::new(sender, config.global.frankenphp.max_wait_time))
            }
        };
        let (http, all_http, cluster) = (Vec::new(), Arc::default(), Arc::default());
        Self { classic, classic_queue, http, background, global, options, waits, stopping, cluster, all_http }
    }

    /// Adds the HTTP workers, and starts those that are not in `kept`.
    fn start_http(&mut self, config: &Config, kept: Option<(&Self, &Config)>) -> io::Result<()> {
        for (label, worker) in http_workers(config) {
            let declaration = http_declaration(config, worker);
            // A script that continues keeps the slots that it has read from, so the workers that it sees must not
            // change.
            let kept =
                kept.filter(|(_, old)| sees_global(old, label) == sees_global(config, label)).map(|(kept, _)| kept);
            let known = |group: &&HttpGroup| group.scope == *label && *group.worker.config() == declaration;
            let paths = match_patterns(worker);
            if let Some(group) = kept.and_then(|kept| kept.http.iter().find(known)) {
                self.http.push(HttpGroup { paths, ..group.clone() });
                continue;
            }
            let worker = HttpWorker::new(declaration, label.as_str(), self.scope(label), &self.options);
            let queue = RequestQueue::new(worker.sender(), config.global.frankenphp.max_wait_time);
            self.start_group(HttpGroup { scope: label.clone(), worker, queue, paths })?;
        }
        Ok(())
    }

    /// Starts the threads of a new HTTP worker.
    fn start_group(&mut self, group: HttpGroup) -> io::Result<()> {
        let worker = group.worker.clone();
        // Registered before it starts, so that the caller can stop the running threads if a spawn fails.
        self.register(&worker);
        self.http.push(group);
        worker.start()
    }

    /// Whether there are HTTP workers that `old` does not have.
    pub(crate) fn boots_more_than(&self, old: &Self) -> bool {
        self.booting(Some(old)).next().is_some()
    }

    /// Waits until the HTTP workers that `old` does not have are ready. Blocks.
    ///
    /// # Errors A script does not boot; the error has the reason.
    pub(crate) fn wait_booted(&self, old: Option<&Self>) -> Result<(), String> {
        self.booting(old).try_for_each(|group| group.worker.wait_booted())
    }

    fn booting<'a>(&'a self, old: Option<&'a Self>) -> impl Iterator<Item = &'a HttpGroup> {
        let known = move |group: &HttpGroup| {
            old.is_some_and(|old| old.http.iter().any(|other| Arc::ptr_eq(&other.worker, &group.worker)))
        };
        self.http.iter().filter(move |group| !known(group))
    }

    /// Puts `config`, whose threads these are, into effect: workers that its scopes no longer declare are asked to end,
    /// changed ones restart. Returns the threads that should end, among them those that only `old` has.
    pub(crate) fn commit(&self, old: &Self, config: &Config) -> Leaving {
        let mut leaving = self.not_in(old);
        self.options.stores.replace(&declared_stores(config));
        configure_cluster_stores(&self.cluster, config, &self.options.stores);
        hubs::attach(config, &self.background);
        for scope in config.scopes() {
            let declared = &self.background[scope.label];
            let replaced = declared.replace(declarations(scope.workers), self.shared());
            retire(&replaced.retired, &mut leaving);
            let view = declared.view();
            let started = replaced.restarted.iter().map(|worker| worker.start(&view)).chain([declared.start_eager()]);
            for failure in started.filter_map(Result::err) {
                tracing::error!(scope = scope.label.as_str(), "{}", failure.message);
            }
        }
        for (label, declared) in &old.background {
            if !self.background.contains_key(label) {
                retire(&declared.clear(), &mut leaving);
            }
        }
        if let Err(error) = set_cluster(&self.cluster, config, &self.background) {
            tracing::error!("the workers of the cluster are not changed: {error}");
        }
        if let Err(error) = hubs::set_hubs(&self.cluster, config) {
            tracing::error!("the hubs of the cluster are not changed: {error}");
        }
        leaving
    }

    /// Withdraws what [`succeed`](Self::succeed) has started; `old` is unchanged. Returns what should end.
    pub(crate) fn withdraw(&self, old: &Self, old_config: &Config) -> Leaving {
        let mut leaving = old.not_in(self);
        leaving.extend(old.restore(old_config));
        old.options.stores.replace(&declared_stores(old_config));
        for (label, declared) in &self.background {
            if !old.background.contains_key(label) {
                retire(&declared.clear(), &mut leaving);
            }
        }
        leaving.stop_serving(old_config.global.grace_period);
        leaving
    }

    /// Removes the workers from the scopes that a reload has added.
    fn restore(&self, config: &Config) -> Leaving {
        let mut leaving = Leaving::default();
        for scope in config.scopes() {
            let replaced = self.background[scope.label].replace(declarations(scope.workers), self.shared());
            retire(&replaced.retired, &mut leaving);
        }
        leaving
    }

    /// The groups of request threads of `other` that are not among these.
    fn not_in(&self, other: &Self) -> Leaving {
        let classic = (!Arc::ptr_eq(&self.classic, &other.classic)).then(|| other.classic.clone());
        let here = |group: &&HttpGroup| self.http.iter().any(|own| Arc::ptr_eq(&own.worker, &group.worker));
        let http = other.http.iter().filter(|group| !here(group)).map(|group| group.worker.clone()).collect();
        Leaving { classic, http, background: Vec::new(), cluster: None }
    }

    /// The stores that all scripts see.
    pub(crate) fn stores(&self) -> &Arc<Stores> {
        &self.options.stores
    }

    fn shared(&self) -> Shared {
        Shared { options: self.options.clone(), waits: self.waits.clone(), stopping: self.stopping.clone() }
    }

    /// What the scripts of a block can see.
    pub(crate) fn scope(&self, label: &ScopeLabel) -> Arc<dyn Scope> {
        let own = self.background.get(label).unwrap_or(&self.global);
        ScopeView::of(own, &self.global)
    }

    /// The HTTP workers that a block's requests can reach: its own, and then the global ones.
    pub(crate) fn http_of(&self, server: &PhpServer) -> impl Iterator<Item = &HttpGroup> {
        let scope = server.scope.clone();
        let own = self.http.iter().filter(move |group| group.scope == scope);
        let global = self.http.iter().filter(|group| group.scope.is_global());
        own.chain(global)
    }

    /// Restarts the workers of the chosen scopes. Returns their number, and the scripts that must end for it.
    pub(crate) fn restart(&self, scopes: impl Fn(&ScopeLabel) -> bool) -> (usize, Runs) {
        let mut runs = Runs::default();
        let mut restarted = 0;
        for group in self.http.iter().filter(|group| scopes(&group.scope)) {
            group.worker.thread_group().runs(&mut runs);
            restarted += 1;
            if let Err(error) = group.worker.restart() {
                tracing::error!(worker = group.worker.config().name, "restarting: {error}");
            }
        }
        for (_, declared) in self.background.iter().filter(|(label, _)| scopes(label)) {
            restarted += restart_scope(declared, &mut runs);
        }
        (restarted, runs)
    }

    /// The slots of the background workers with this name, the global scope's first.
    pub(crate) fn slots(&self, name: &str) -> Vec<(ScopeLabel, Arc<Slot>)> {
        let of = |declared: &Arc<ScopeWorkers>| {
            declared.workers().into_iter().find(|worker| worker.name() == name).map(|worker| worker.slot().clone())
        };
        let mut found: Vec<_> =
            self.background.iter().filter_map(|(label, declared)| Some((label.clone(), of(declared)?))).collect();
        found.sort_by_key(|(label, _)| (!label.is_global(), label.clone()));
        found
    }

    /// The names of all background workers with their scopes, for messages.
    pub(crate) fn background_names(&self) -> Vec<String> {
        let workers = self.background.values().flat_map(|declared| declared.workers());
        let mut names: Vec<_> = workers.map(|worker| format!("{} in {}", worker.name(), worker.scope())).collect();
        names.sort();
        names
    }

    /// Ends the waits of the program for new versions: all threads have left.
    pub(crate) fn withdraw_slots(&self) {
        self.background.values().flat_map(|declared| declared.workers()).for_each(|worker| worker.slot().withdraw());
    }

    fn register(&self, worker: &Arc<HttpWorker>) {
        let mut all = self.all_http.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(worker));
    }

    /// Ends the runs of HTTP workers that are not in this set: a reload has replaced them, or is about to start them.
    pub(crate) fn end_runs_of_others(&self) {
        let all = self.all_http.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let here = |worker: &Arc<HttpWorker>| self.http.iter().any(|group| Arc::ptr_eq(&group.worker, worker));
        all.iter().filter_map(Weak::upgrade).filter(|worker| !here(worker)).for_each(|worker| worker.end_runs());
    }

    /// Asks all background workers to stop; no new one starts.
    pub(crate) fn stop_background(&self) {
        self.stopping.store(true, Ordering::Release);
        self.cluster.stop();
        for declared in self.background.values() {
            declared.stop();
        }
    }

    /// Enforces the time limits of the current requests.
    pub(crate) fn check_overdue(&self) {
        self.classic.thread_group().check_overdue();
        self.http.iter().for_each(|group| group.worker.thread_group().check_overdue());
    }

    /// Takes all threads, to end them: see [`Leaving`].
    pub(crate) fn leaving(&self) -> Leaving {
        Leaving {
            classic: Some(self.classic.clone()),
            http: self.http.iter().map(|group| group.worker.clone()).collect(),
            background: self.background.values().flat_map(|declared| declared.workers()).collect(),
            cluster: Some(self.cluster.clone()),
        }
    }
}

/// The workers of a scope that continues, and those that the new configuration adds to it.
fn with_added(declared: &Arc<ScopeWorkers>, added: &ScopeConfig) -> Arc<ScopeWorkers> {
    declared.add(added);
    declared.clone()
}

/// Restarts the background workers of a scope. Returns how many have a script that runs.
fn restart_scope(declared: &Arc<ScopeWorkers>, runs: &mut Runs) -> usize {
    let (view, mut restarted) = (declared.view(), 0);
    for worker in declared.workers() {
        worker.thread_group().runs(runs);
        match worker.restart(&view) {
            Ok(runs) => restarted += usize::from(runs),
            Err(failure) => tracing::error!(worker = worker.name(), "restarting: {}", failure.message),
        }
    }
    restarted
}

fn retire(workers: &[Arc<Background>], leaving: &mut Leaving) {
    for worker in workers {
        worker.retire();
        leaving.background.push(worker.clone());
    }
}
