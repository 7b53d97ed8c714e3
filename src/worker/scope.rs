//! The background workers that a script can see: those of its own block, or the global ones if its block declares none
//! (contract lines B2, B4, B7).

use super::background::{Background, BackgroundConfig, Shared, Since};
use super::messages::{self, ReadiedBy, Subject};
use super::waits::node;
use crate::limits::CATCH_ALL_NAME_BYTES_MAX;
use crate::php::{Cutoff, Failure, Phase, Scope, SendRefused, Update, UpdateHub, Wait};
use crate::tasks::{Parcel, Task};
use crate::vars::Slot;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// The catch-all of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchAll {
    /// Its declaration, which every name that it starts shares.
    pub declaration: BackgroundConfig,
    /// How many distinct names it starts at most.
    pub names_max: usize,
}

/// What a scope declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeConfig {
    /// The named workers.
    pub named: Vec<(String, BackgroundConfig)>,
    /// The worker of every other name.
    pub catch_all: Option<CatchAll>,
}

/// The background workers of one scope. It outlives reloads, which change its workers; so a running script sees the
/// current declarations.
pub struct ScopeWorkers {
    /// As the log and the admin interface show it.
    label: String,
    /// Where updates of its scripts go: the hub of its site. Only the pointer is read under the lock.
    hub: RwLock<Option<Arc<dyn UpdateHub>>>,
    /// Protects the declarations and the map; never held while a worker is started or stopped.
    inner: RwLock<Inner>,
}

/// What a reload replaces.
struct Inner {
    /// For the workers that are made later.
    shared: Shared,
    /// Of the declared workers, for messages that list them.
    names: Vec<String>,
    /// Makes workers for other names; `None`: other names are refused.
    catch_all: Option<CatchAll>,
    /// The declared workers and those that the catch-all has started.
    workers: HashMap<Box<[u8]>, Arc<Background>>,
}

/// The workers that a reload removed from a scope and added to it.
#[derive(Default)]
pub struct Replaced {
    /// Workers that should stop: no longer declared, or declared differently.
    pub retired: Vec<Arc<Background>>,
    /// Retired workers with a name that is still declared: they must restart, because they ran.
    pub restarted: Vec<Arc<Background>>,
}

impl ScopeWorkers {
    /// The workers of a scope; none runs yet.
    pub fn new(label: &str, declarations: ScopeConfig, shared: Shared) -> Arc<Self> {
        let inner = Inner { shared, names: Vec::new(), catch_all: None, workers: HashMap::new() };
        let declared = Self { label: label.to_owned(), hub: RwLock::default(), inner: RwLock::new(inner) };
        declared.add(&declarations);
        Arc::new(declared)
    }

    /// Adds the names that are not declared yet, and the catch-all if there is none. The first step of a reload: it
    /// affects no script, and [`replace`](Self::replace) can undo it.
    pub fn add(&self, declarations: &ScopeConfig) {
        let mut inner = self.write();
        let Inner { shared, names, catch_all, workers } = &mut *inner;
        for (name, declaration) in &declarations.named {
            if !workers.contains_key(name.as_bytes()) {
                names.push(name.clone());
                workers.insert(name.as_bytes().into(), Background::new(name, &self.label, declaration.clone(), shared));
            }
        }
        if catch_all.is_none() {
            catch_all.clone_from(&declarations.catch_all);
        }
    }

    /// Puts the declarations into effect. Workers with an unchanged declaration continue, unless `shared` has
    /// other options for their threads. The others are replaced under the same slot, so their snapshots stay.
    pub fn replace(&self, declarations: ScopeConfig, shared: Shared) -> Replaced {
        let ScopeConfig { named, catch_all } = declarations;
        let mut inner = self.write();
        let before = std::mem::take(&mut inner.workers);
        let options = std::mem::replace(&mut inner.shared, shared).options;
        inner.names = named.iter().map(|(name, _)| name.clone()).collect();
        inner.catch_all.clone_from(&catch_all);
        for (name, declaration) in &named {
            if !before.contains_key(name.as_bytes()) {
                let worker = Background::new(name, &self.label, declaration.clone(), &inner.shared);
                inner.workers.insert(name.as_bytes().into(), worker);
            }
        }
        let mut replaced = Replaced::default();
        for (name, worker) in before {
            let named = named.iter().find(|(declared, _)| declared.as_bytes() == &*name);
            let declaration = named
                .map(|(_, declaration)| declaration)
                .or(catch_all.as_ref().map(|catch_all| &catch_all.declaration));
            let Some(declaration) = declaration else {
                worker.slot().withdraw();
                worker.withdraw();
                replaced.retired.push(worker);
                continue;
            };
            if worker.config() == declaration && options.same_as(&inner.shared.options) {
                inner.workers.insert(name, worker);
                continue;
            }
            let successor = Background::succeed(&worker, declaration.clone(), &inner.shared);
            if worker.is_live() {
                replaced.restarted.push(successor.clone());
            }
            replaced.retired.push(worker);
            inner.workers.insert(name, successor);
        }
        replaced
    }

    /// Names the hub of the scope's site.
    pub fn set_hub(&self, hub: Option<Arc<dyn UpdateHub>>) {
        *self.hub.write().unwrap_or_else(PoisonError::into_inner) = hub;
    }

    /// Removes every worker: the scope is no longer declared.
    pub fn clear(&self) -> Vec<Arc<Background>> {
        let shared = self.read().shared.clone();
        self.replace(ScopeConfig::default(), shared).retired
    }

    /// Whether the scope declares any background worker.
    pub fn is_empty(&self) -> bool {
        let inner = self.read();
        inner.names.is_empty() && inner.catch_all.is_none()
    }

    /// The workers that exist now.
    pub fn workers(&self) -> Vec<Arc<Background>> {
        self.read().workers.values().cloned().collect()
    }

    /// Starts the workers that are declared with `num` of at least 1 and do not run.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start_eager(self: &Arc<Self>) -> Result<(), Failure> {
        let scope = self.view();
        for worker in self.workers() {
            if worker.config().num > 0 {
                worker.start(&scope)?;
            }
        }
        Ok(())
    }

    /// Asks every worker to stop.
    pub fn stop(&self) {
        for worker in self.workers() {
            worker.stop();
        }
    }

    /// The scope as its own workers see it.
    pub fn view(self: &Arc<Self>) -> Arc<dyn Scope> {
        Arc::new(ScopeView { own: self.clone(), global: None })
    }

    /// Held for a lookup only.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while workers are made or replaced, which starts no thread.
    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker of this name, if it exists now.
    pub fn worker(&self, name: &[u8]) -> Option<Arc<Background>> {
        self.find(name)
    }

    /// By the name that a script has passed, which need not be text.
    fn find(&self, name: &[u8]) -> Option<Arc<Background>> {
        self.read().workers.get(name).cloned()
    }

    /// Whether workers of other names may be started.
    fn has_catch_all(&self) -> bool {
        self.read().catch_all.is_some()
    }

    /// Names the workers that are declared.
    fn not_declared(&self, name: &[u8]) -> Failure {
        self.read().not_declared(name, &self.label)
    }

    /// Why a request of an HTTP worker finds no worker of this name: the catch-all has not started it, or there is no
    /// catch-all.
    fn not_running(&self, name: &[u8]) -> Failure {
        let inner = self.read();
        match &inner.catch_all {
            Some(catch_all) => {
                let name = String::from_utf8_lossy(name);
                messages::not_running(Subject {
                    name: &name,
                    file: &catch_all.declaration.file,
                    scope: &self.label,
                    readied_by: ReadiedBy::SET_VARS,
                })
            }
            None => inner.not_declared(name, &self.label),
        }
    }

    /// The workers of these names; the catch-all makes those that are not there when it may make all of them.
    fn find_or_make(&self, names: &[&[u8]]) -> Result<Vec<Arc<Background>>, Failure> {
        {
            let inner = self.read();
            match names.iter().find(|name| !inner.workers.contains_key(**name)) {
                None => return Ok(names.iter().map(|name| inner.workers[*name].clone()).collect()),
                // It does not delay readers: a script may request a wrong name repeatedly.
                Some(name) if inner.catch_all.is_none() => return Err(inner.not_declared(name, &self.label)),
                Some(_) => {}
            }
        }
        let mut inner = self.write();
        let mut made: HashMap<Box<[u8]>, Arc<Background>> = HashMap::new();
        let mut workers = Vec::new();
        for &name in names {
            if let Some(worker) = inner.workers.get(name).or_else(|| made.get(name)) {
                workers.push(worker.clone());
                continue;
            }
            let worker = inner.make(name, &self.label, made.len())?;
            made.insert(name.into(), worker.clone());
            workers.push(worker);
        }
        inner.workers.extend(made);
        Ok(workers)
    }
}

impl Inner {
    fn not_declared(&self, name: &[u8], label: &str) -> Failure {
        messages::not_declared(&String::from_utf8_lossy(name), label, &self.names)
    }

    /// The worker that the catch-all makes for this name, beside `made` others that are not in the map yet.
    fn make(&self, name: &[u8], label: &str, made: usize) -> Result<Arc<Background>, Failure> {
        let Some(catch_all) = &self.catch_all else {
            return Err(self.not_declared(name, label));
        };
        let text =
            std::str::from_utf8(name).ok().filter(|text| text.len() <= CATCH_ALL_NAME_BYTES_MAX).ok_or_else(|| {
                Failure::value(format!(
                    "the name of a background worker must be valid UTF-8 of at most {CATCH_ALL_NAME_BYTES_MAX} bytes"
                ))
            })?;
        if self.workers.len() - self.names.len() + made >= catch_all.names_max {
            return Err(messages::cap_reached(text, label, catch_all.names_max));
        }
        Ok(Background::new(text, label, catch_all.declaration.clone(), &self.shared))
    }
}

/// A scope as a script sees it.
pub struct ScopeView {
    /// Of the script's block.
    own: Arc<ScopeWorkers>,
    /// The scope to use if its own declares nothing.
    global: Option<Arc<ScopeWorkers>>,
}

impl ScopeView {
    /// The workers that a block's scripts see: its own if it declares any, else the global ones.
    pub fn of(own: &Arc<ScopeWorkers>, global: &Arc<ScopeWorkers>) -> Arc<dyn Scope> {
        Arc::new(Self { own: own.clone(), global: Some(global.clone()) })
    }

    /// The scope in effect; a reload may change it.
    fn declared(&self) -> &Arc<ScopeWorkers> {
        match &self.global {
            Some(global) if self.own.is_empty() => global,
            _ => &self.own,
        }
    }

    /// The calling background worker itself, for the graph of waits.
    fn caller(&self, caller: Option<&[u8]>) -> Option<Arc<Background>> {
        caller.and_then(|name| self.declared().find(name))
    }

    /// Starts the worker if the phase allows it.
    fn begin(&self, worker: &Arc<Background>, phase: Phase) -> Result<(), Failure> {
        if phase == Phase::Callback {
            return Ok(());
        }
        // A worker that was ready stays ready even after it was given up; it restarts, and callers do not wait for
        // that.
        worker.start(&self.declared().view()).or_else(|failure| if worker.is_ready() { Ok(()) } else { Err(failure) })
    }

    /// Continues with the successor if a reload replaces the worker meanwhile.
    fn await_ready(
        &self,
        mut worker: Arc<Background>,
        caller: Option<&Arc<Background>>,
        wait: Wait<'_>,
        deadline: Option<Instant>,
        mut since: Since,
    ) -> Result<(), Failure> {
        loop {
            let failure = match Self::await_one(&worker, caller, wait, deadline, since) {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            // A reload may have replaced the worker of this name: waits for the old one continue with the new one.
            match self.declared().find(worker.name().as_bytes()) {
                Some(successor) if !Arc::ptr_eq(&successor, &worker) => worker = successor,
                _ => return Err(failure),
            }
            since = worker.since();
            self.begin(&worker, wait.phase)?;
        }
    }

    /// Fails at once if the caller would wait for itself.
    fn await_one(
        worker: &Arc<Background>,
        caller: Option<&Arc<Background>>,
        wait: Wait<'_>,
        deadline: Option<Instant>,
        since: Since,
    ) -> Result<(), Failure> {
        if worker.is_ready() {
            return Ok(());
        }
        let Some(caller) = caller else { return worker.wait(wait, deadline, since) };
        let (from, to) = (node(caller.tasks().worker()), node(worker.tasks().worker()));
        worker.waits().add((from, caller.name()), (to, worker.name())).map_err(|names| messages::cycle(&names))?;
        let result = worker.wait(wait, deadline, since);
        worker.waits().remove(from, to);
        result
    }
}

impl Scope for ScopeView {
    fn label(&self) -> Option<&str> {
        Some(&self.own.label)
    }

    fn send_update(&self, update: Update) -> Result<String, Failure> {
        let hub = self.own.hub.read().unwrap_or_else(PoisonError::into_inner).clone();
        hub.ok_or_else(|| Failure::runtime("No Mercure hub configured"))?.publish(update).map_err(Failure::value)
    }

    fn slot(&self, name: &[u8]) -> Result<Arc<Slot>, Failure> {
        match self.declared().find(name) {
            Some(worker) => Ok(worker.slot().clone()),
            None if self.declared().has_catch_all() => Err(Failure::runtime(format!(
                "background worker \"{0}\" has published nothing: it has not been started; call \
                 frankenphp_ensure_background_worker(\"{0}\") first",
                String::from_utf8_lossy(name)
            ))),
            None => Err(self.declared().not_declared(name)),
        }
    }

    fn nothing_published(&self, name: &[u8]) -> Failure {
        self.declared()
            .find(name)
            .map_or_else(|| self.declared().not_declared(name), |worker| worker.nothing_published())
    }

    fn require(&self, name: &[u8], wait: Wait<'_>, caller: Option<&[u8]>) -> Result<(), Failure> {
        let deadline = Instant::now().checked_add(wait.timeout);
        let found = match wait.phase {
            Phase::Callback => self.declared().find(name),
            _ => self.declared().find_or_make(&[name])?.pop(),
        };
        let worker = found.ok_or_else(|| self.declared().not_running(name))?;
        let caller = self.caller(caller);
        let since = worker.since();
        self.begin(&worker, wait.phase)?;
        self.await_ready(worker, caller.as_ref(), wait, deadline, since)
    }

    fn ensure(&self, names: &[Vec<u8>], wait: Wait<'_>, caller: Option<&[u8]>) -> Result<(), Failure> {
        let deadline = Instant::now().checked_add(wait.timeout);
        // Unlike require, ensure starts workers from inside a request of an HTTP worker too.
        let phase = if wait.phase == Phase::Callback { Phase::Request } else { wait.phase };
        let wait = Wait { phase, ..wait };
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let workers = self.declared().find_or_make(&names)?;
        let caller = self.caller(caller);
        let moments: Vec<_> = workers.iter().map(|worker| worker.since()).collect();
        for worker in &workers {
            self.begin(worker, phase)?;
        }
        for (worker, since) in workers.into_iter().zip(moments) {
            self.await_ready(worker, caller.as_ref(), wait, deadline, since)?;
        }
        Ok(())
    }

    fn send(
        &self,
        name: &[u8],
        parcel: Parcel,
        timeout: Option<Duration>,
        cutoff: &Cutoff<'_>,
        caller: Option<&[u8]>,
    ) -> Result<Arc<Task>, SendRefused> {
        let found = self.declared().find_or_make(&[name]).map_err(SendRefused::Failure)?.pop();
        let worker = found.ok_or_else(|| SendRefused::Failure(self.declared().not_running(name)))?;
        worker.start(&self.declared().view()).map_err(SendRefused::Failure)?;
        let sender = self.caller(caller).map(|caller| caller.tasks().worker().clone());
        worker.tasks().send(parcel, sender, worker.waits().clone(), timeout, cutoff).map_err(SendRefused::Sending)
    }
}
