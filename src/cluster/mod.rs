//! Background workers that run on one of several instances, while all instances read what they publish.
//!
//! The instances share an *engine*, which holds for each worker a lease, a counter of leaders and the newest snapshot.
//! The instance with the lease *leads*: it runs the script. Each change of leader increments the *epoch*, and each
//! accepted publish has a position of epoch and number. The engine itself compares positions, so that a publisher
//! that lost its lease changes nothing, whatever its clock says. Every instance, the leading one included, puts a
//! snapshot into its slot only once the engine has accepted it, and only if its position is higher than the last one's.
//!
//! `task` is the state machine of one worker on one instance, `engine` what it asks of an engine; `redis`, `etcd`
//! and `nats` are the engines. [`Member`] is what it asks of the instance. `stores` has the connections of stores, and `hubs` those
//! of Mercure hubs, which are no workers.

mod engine;
mod etcd;
mod hubs;
mod nats;
mod redis;
mod secrets;
mod stores;
mod task;

use crate::config::{ClusterSettings, EngineAddress};
use crate::mercure::Hub;
use crate::signals::SignalMask;
use crate::store::Store;
use crate::vars::{Slot, Snapshot};
use crate::worker::background::ClusterState;
use etcd::Etcd;
use futures_util::future::BoxFuture;
use hubs::HubLinks;
use nats::Nats;
use redis::Redis;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stores::StoreLinks;
use task::Ties;
use tokio::sync::watch;

/// One worker on this instance. The calls return at once.
pub(crate) trait Member: Send + Sync {
    /// The name that all instances know it by.
    fn key(&self) -> String;
    /// What operators see.
    fn state(&self) -> Arc<ClusterState>;
    /// Starts the script. Returns the slot that it publishes to, which no one reads but the cluster. `None`: it cannot be
    /// started now.
    fn lead(&self) -> Option<Arc<Slot>>;
    /// Lets the script end, because another instance may lead.
    fn follow(&self);
    /// Sets the bytes of the largest snapshot.
    fn limit(&self, bytes_max: usize);
    /// Whether a script of it is left, even if it is no longer declared.
    fn is_live(&self) -> bool;
    /// Whether its script failed too often in a row.
    fn is_given_up(&self) -> bool;
    /// The newest snapshot that the engine has accepted.
    fn arrived(&self, snapshot: Arc<Snapshot>);
}

/// The workers of the cluster on this instance.
#[derive(Default)]
pub(crate) struct Cluster {
    /// Protects the lists of tasks; not held while one is waited for.
    inner: Mutex<Inner>,
    stores: StoreLinks,
    hubs: HubLinks,
}

#[derive(Default)]
struct Inner {
    running: Option<Running>,
    /// The threads of clusters that a reload has ended: they release their leases.
    leaving: Vec<JoinHandle<()>>,
    /// The newest of them. It has waited for those before it.
    left: Option<watch::Receiver<()>>,
}

struct Running {
    settings: watch::Sender<ClusterSettings>,
    tasks: HashMap<String, watch::Sender<bool>>,
    runtime: tokio::runtime::Handle,
    /// Every task holds a clone; the thread ends when the last is dropped.
    held: watch::Receiver<()>,
    /// Its sender ends with the thread.
    over: watch::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Cluster {
    /// Runs exactly these workers: running ones continue, also with other settings; others start or end. With another
    /// prefix all restart, each when the scripts of the old one have ended.
    ///
    /// # Errors The system has no thread left.
    pub(crate) fn set(&self, settings: Option<&ClusterSettings>, members: Vec<Arc<dyn Member>>) -> io::Result<()> {
        let mut inner = self.locked();
        let continues = |running: &Running| settings.is_some_and(|new| running.settings.borrow().continues(new));
        if inner.running.as_ref().is_some_and(|running| !continues(running)) {
            inner.end();
        }
        let Some(settings) = settings.filter(|_| inner.running.is_some() || !members.is_empty()) else { return Ok(()) };
        let Inner { running, left, .. } = &mut *inner;
        let running = match running {
            Some(running) => running,
            none => none.insert(Running::start(settings)?),
        };
        running.settings.send_if_modified(|old| std::mem::replace(old, settings.clone()) != *settings);
        let members: HashMap<String, _> = members.into_iter().map(|member| (member.key(), member)).collect();
        running.tasks.retain(|key, _| members.contains_key(key));
        for (key, member) in members {
            member.limit(settings.max_bytes);
            if !running.tasks.contains_key(&key) {
                let (stop, stopped) = watch::channel(false);
                running.spawn(member, stopped, left.clone());
                running.tasks.insert(key, stop);
            }
        }
        Ok(())
    }

    /// Connects stores of the cluster that have no connection yet, by their names in the engine.
    ///
    /// # Errors The system has no thread left.
    pub(crate) fn add_stores(&self, settings: &ClusterSettings, stores: &[(String, Arc<Store>)]) -> io::Result<()> {
        self.stores.add(settings, stores)
    }

    /// Lets stores of the cluster use these settings.
    pub(crate) fn configure_stores(&self, settings: &ClusterSettings, stores: &[(String, Arc<Store>)]) {
        self.stores.configure(settings, stores);
    }

    /// Carries the updates of exactly these hubs, by their names in the cluster, to the same hubs of other instances.
    ///
    /// # Errors The system has no thread left.
    pub(crate) fn set_hubs(&self, settings: Option<&ClusterSettings>, hubs: &[(String, Arc<Hub>)]) -> io::Result<()> {
        let left = self.hubs.set(settings, hubs)?;
        self.locked().leaving.extend(left);
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scripts have been asked to end: nothing is led any more, and leases are given back when their scripts have
    /// ended.
    pub(crate) fn stop(&self) {
        if let Some(running) = &self.locked().running {
            for stop in running.tasks.values() {
                // Fails only when the task has ended.
                let _ = stop.send(true);
            }
        }
    }

    /// Waits until the leases are given back and the updates of hubs are sent, at most for `limit`. Blocks.
    pub(crate) fn leave(&self, limit: Duration) {
        self.stores.end();
        let hubs = self.hubs.end();
        let leaving = {
            let mut inner = self.locked();
            inner.leaving.extend(hubs);
            inner.end();
            std::mem::take(&mut inner.leaving)
        };
        let until = Instant::now() + limit;
        while !leaving.iter().all(JoinHandle::is_finished) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.hubs.give_up();
    }
}

impl Inner {
    /// Lets the running tasks end.
    fn end(&mut self) {
        self.leaving.retain(|thread| !thread.is_finished());
        if let Some(Running { thread, over, .. }) = self.running.take() {
            self.leaving.push(thread);
            self.left = Some(over);
        }
    }
}

impl Running {
    fn spawn(&self, member: Arc<dyn Member>, stopped: watch::Receiver<bool>, after: Option<watch::Receiver<()>>) {
        let (settings, held) = (self.settings.subscribe(), self.held.clone());
        self.runtime.spawn(run(Ties { member, settings, stopped, after, held }));
    }

    fn start(settings: &ClusterSettings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ended, held) = watch::channel(());
        let (until_over, over) = watch::channel(());
        let mask = SignalMask::block_all();
        let thread = std::thread::Builder::new().name("cluster".into()).spawn(move || {
            let _until_over = until_over;
            runtime.block_on(async move { ended.closed().await });
        });
        mask.apply();
        let settings = watch::Sender::new(settings.clone());
        Ok(Self { settings, tasks: HashMap::new(), runtime: handle, held, over, thread: thread? })
    }
}

/// The task of a worker, with the engine that the settings name.
fn run(ties: Ties) -> BoxFuture<'static, ()> {
    let (now, key) = (ties.settings.borrow().clone(), ties.member.key());
    match now.engine.address {
        EngineAddress::Redis(_) | EngineAddress::Sentinel { .. } => Box::pin(task::run(Redis::new(&now, &key), ties)),
        EngineAddress::Etcd { .. } => Box::pin(task::run(Etcd::new(&now, &key), ties)),
        EngineAddress::Nats { .. } => Box::pin(task::run(Nats::new(&now, &key), ties)),
    }
}

#[cfg(test)]
mod fencing;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod simulation;
