//! Background workers that run on one of several instances, while all instances read what they publish.
//!
//! The instances share an *engine*, which holds for each worker a lease, a counter of leaders and the newest snapshot.
//! The instance with the lease *leads*: it runs the script. Each change of leader increments the *epoch*, and each
//! accepted publish has a position of epoch and number. The engine itself compares positions, so that a publisher
//! that lost its lease changes nothing, whatever its clock says. Every instance, the leading one included, puts a
//! snapshot into its slot only once the engine has accepted it, and only if its position is higher than the last one's.
//!
//! `task` is the state machine of one worker on one instance, `engine` what it asks of an engine, `redis` the one engine
//! that there is. [`Member`] is what it asks of the instance.

mod engine;
mod redis;
mod task;

use crate::config::ClusterSettings;
use crate::signals::SignalMask;
use crate::vars::{Slot, Snapshot};
use crate::worker::background::ClusterState;
use redis::Redis;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
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
    /// Whether a thread of it is left.
    fn is_live(&self) -> bool;
    /// Whether its script failed too often in a row.
    fn is_given_up(&self) -> bool;
    /// The newest snapshot that the engine has accepted.
    fn arrived(&self, snapshot: Arc<Snapshot>);
}

/// The workers of the cluster on this instance.
#[derive(Default)]
pub(crate) struct Cluster {
    /// Protects the running tasks; not held while one is waited for.
    running: Mutex<Option<Running>>,
}

struct Running {
    settings: ClusterSettings,
    tasks: HashMap<String, watch::Sender<bool>>,
    runtime: tokio::runtime::Handle,
    /// Every task holds a clone; the thread ends when the last is dropped.
    held: watch::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Cluster {
    /// Runs exactly these workers: running ones continue, others start or end. With other settings all restart.
    ///
    /// # Errors The system has no thread left.
    pub(crate) fn set(&self, settings: Option<&ClusterSettings>, members: Vec<Arc<dyn Member>>) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_some_and(|running| Some(&running.settings) != settings) {
            *running = None;
        }
        let Some(settings) = settings.filter(|_| running.is_some() || !members.is_empty()) else { return Ok(()) };
        let running = match &mut *running {
            Some(running) => running,
            none => none.insert(Running::start(settings)?),
        };
        let members: HashMap<String, _> = members.into_iter().map(|member| (member.key(), member)).collect();
        running.tasks.retain(|key, _| members.contains_key(key));
        for (key, member) in members {
            if !running.tasks.contains_key(&key) {
                let (stop, stopped) = watch::channel(false);
                let engine = Redis::new(settings, &key);
                running.runtime.spawn(task::run(engine, member, settings.clone(), stopped, running.held.clone()));
                running.tasks.insert(key, stop);
            }
        }
        Ok(())
    }

    /// The scripts have been asked to end: nothing is led any more, and leases are given back when their scripts have
    /// ended.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            for stop in running.tasks.values() {
                // Fails only when the task has ended.
                let _ = stop.send(true);
            }
        }
    }

    /// Waits until the leases are given back, at most for `limit`. Blocks.
    pub(crate) fn leave(&self, limit: Duration) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { tasks, held, thread, .. }) = running else { return };
        drop((tasks, held));
        let until = Instant::now() + limit;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
    fn start(settings: &ClusterSettings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ended, held) = watch::channel(());
        let mask = SignalMask::block_all();
        let thread = std::thread::Builder::new()
            .name("cluster".into())
            .spawn(move || runtime.block_on(async move { ended.closed().await }));
        mask.apply();
        Ok(Self { settings: settings.clone(), tasks: HashMap::new(), runtime: handle, held, thread: thread? })
    }
}
