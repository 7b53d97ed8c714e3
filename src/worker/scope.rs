//! What a script sees of the background workers: the declarations of its own block, or the global ones when its block
//! has none (contract lines B2, B4, B7).

use super::background::{Background, Declaration, Shared};
use super::messages;
use crate::limits::WORKER_NAME_BYTES_MAX;
use crate::php::{Failure, Phase, Scope, Wait};
use crate::vars::Slot;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// The catch-all of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchAll {
    /// Its declaration, which every name that it starts shares.
    pub declaration: Declaration,
    /// How many distinct names it starts at most.
    pub names_max: usize,
}

/// The background workers that one scope declares.
pub struct Declared {
    label: String,
    shared: Shared,
    names: Vec<String>,
    catch_all: Option<CatchAll>,
    /// The declared workers and those that the catch-all has started. Protects the map alone.
    workers: RwLock<HashMap<Box<[u8]>, Arc<Background>>>,
}

impl Declared {
    /// The workers of a scope; none runs yet.
    pub fn new(
        label: &str,
        named: Vec<(String, Declaration)>,
        catch_all: Option<CatchAll>,
        shared: Shared,
    ) -> Arc<Self> {
        let names = named.iter().map(|(name, _)| name.clone()).collect();
        let workers = named
            .into_iter()
            .map(|(name, declaration)| (name.as_bytes().into(), Background::new(&name, label, declaration, &shared)))
            .collect();
        Arc::new(Self { label: label.to_owned(), shared, names, catch_all, workers: RwLock::new(workers) })
    }

    /// Whether the scope declares any background worker.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.catch_all.is_none()
    }

    /// The workers that exist now.
    pub fn workers(&self) -> Vec<Arc<Background>> {
        self.read().values().cloned().collect()
    }

    /// Starts the workers that are declared with `num` of at least 1.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start_eager(self: &Arc<Self>) -> Result<(), Failure> {
        let scope = self.view();
        for worker in self.workers() {
            if worker.declaration().num > 0 {
                worker.start(&scope)?;
            }
        }
        Ok(())
    }

    /// Tells every worker to stop.
    pub fn stop(&self) {
        for worker in self.workers() {
            worker.stop();
        }
    }

    /// The scope as its own workers see it.
    pub fn view(self: &Arc<Self>) -> Arc<dyn Scope> {
        Arc::new(ScopeView { declared: self.clone() })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Box<[u8]>, Arc<Background>>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &[u8]) -> Option<Arc<Background>> {
        self.read().get(name).cloned()
    }

    fn not_declared(&self, name: &[u8]) -> Failure {
        messages::not_declared(&String::from_utf8_lossy(name), &self.label, &self.names)
    }

    /// The worker of this name; the catch-all makes it when it may.
    fn find_or_make(&self, name: &[u8]) -> Result<Arc<Background>, Failure> {
        if let Some(worker) = self.find(name) {
            return Ok(worker);
        }
        let Some(catch_all) = &self.catch_all else { return Err(self.not_declared(name)) };
        let text =
            std::str::from_utf8(name).ok().filter(|text| text.len() <= WORKER_NAME_BYTES_MAX).ok_or_else(|| {
                Failure::value(format!(
                    "the name of a background worker must be valid UTF-8 of at most {WORKER_NAME_BYTES_MAX} bytes"
                ))
            })?;
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = workers.get(name) {
            return Ok(worker.clone());
        }
        if workers.len() - self.names.len() >= catch_all.names_max {
            return Err(messages::cap_reached(text, &self.label, catch_all.names_max));
        }
        let worker = Background::new(text, &self.label, catch_all.declaration.clone(), &self.shared);
        workers.insert(name.into(), worker.clone());
        Ok(worker)
    }
}

/// A scope as a script sees it.
pub struct ScopeView {
    declared: Arc<Declared>,
}

impl ScopeView {
    /// What a block's scripts see: its own workers if it declares any, else the global ones.
    pub fn of(own: &Arc<Declared>, global: &Arc<Declared>) -> Arc<dyn Scope> {
        Arc::new(Self { declared: if own.is_empty() { global.clone() } else { own.clone() } })
    }

    fn caller(&self, caller: Option<&[u8]>) -> Option<Arc<Background>> {
        caller.and_then(|name| self.declared.find(name))
    }

    /// Starts the worker where the phase allows it.
    fn begin(&self, worker: &Arc<Background>, phase: Phase) -> Result<(), Failure> {
        if phase == Phase::Callback {
            return Ok(());
        }
        // A worker that was ready stays ready, also after it was given up; it is started again, and nobody waits for that.
        worker.start(&self.declared.view()).or_else(|failure| if worker.is_ready() { Ok(()) } else { Err(failure) })
    }

    fn await_ready(
        &self,
        worker: &Arc<Background>,
        caller: Option<&Arc<Background>>,
        wait: Wait,
        deadline: Option<Instant>,
        since: super::background::Since,
    ) -> Result<(), Failure> {
        if worker.is_ready() {
            return Ok(());
        }
        let Some(caller) = caller else { return worker.wait(wait, deadline, since) };
        let (from, to) = (Arc::as_ptr(caller) as usize, Arc::as_ptr(worker) as usize);
        worker.waits().add((from, caller.name()), (to, worker.name())).map_err(|names| messages::cycle(&names))?;
        let result = worker.wait(wait, deadline, since);
        worker.waits().remove(from, to);
        result
    }
}

impl Scope for ScopeView {
    fn slot(&self, name: &[u8]) -> Result<Arc<Slot>, Failure> {
        match self.declared.find(name) {
            Some(worker) => Ok(worker.slot().clone()),
            None if self.declared.catch_all.is_some() => Err(Failure::runtime(format!(
                "background worker \"{0}\" has published nothing: it has not been started; call \
                 frankenphp_ensure_background_worker(\"{0}\") first",
                String::from_utf8_lossy(name)
            ))),
            None => Err(self.declared.not_declared(name)),
        }
    }

    fn nothing_published(&self, name: &[u8]) -> Failure {
        self.declared.find(name).map_or_else(|| self.declared.not_declared(name), |worker| worker.nothing_published())
    }

    fn require(&self, name: &[u8], wait: Wait, caller: Option<&[u8]>) -> Result<(), Failure> {
        let deadline = Instant::now().checked_add(wait.timeout);
        let worker = if wait.phase == Phase::Callback {
            self.declared.find(name).ok_or_else(|| self.declared.not_declared(name))?
        } else {
            self.declared.find_or_make(name)?
        };
        let caller = self.caller(caller);
        let since = worker.since();
        self.begin(&worker, wait.phase)?;
        self.await_ready(&worker, caller.as_ref(), wait, deadline, since)
    }

    fn ensure(&self, names: &[Vec<u8>], wait: Wait, caller: Option<&[u8]>) -> Result<(), Failure> {
        let deadline = Instant::now().checked_add(wait.timeout);
        // Unlike require, ensure starts workers from inside a request of an HTTP worker too.
        let phase = if wait.phase == Phase::Callback { Phase::Request } else { wait.phase };
        let wait = Wait { phase, ..wait };
        let workers = names.iter().map(|name| self.declared.find_or_make(name)).collect::<Result<Vec<_>, _>>()?;
        let caller = self.caller(caller);
        let moments: Vec<_> = workers.iter().map(|worker| worker.since()).collect();
        for worker in &workers {
            self.begin(worker, phase)?;
        }
        for (worker, since) in workers.iter().zip(moments) {
            self.await_ready(worker, caller.as_ref(), wait, deadline, since)?;
        }
        Ok(())
    }
}
