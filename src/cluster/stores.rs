//! The stores of the cluster on this instance: a thread with the connection of each. It is not the thread of the workers,
//! whose snapshots may take long to decode.

use super::redis;
use crate::config::ClusterSettings;
use crate::limits::CLUSTER_STORE_CALLS_MAX;
use crate::signals::SignalMask;
use crate::store::{Call, Link, RemoteError, Store};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{mpsc, watch};

/// The connections of stores.
#[derive(Default)]
pub(super) struct StoreLinks {
    /// Protects the list; not held while anything is waited for.
    running: Mutex<Option<Running>>,
}

struct Running {
    links: Vec<Linked>,
    runtime: tokio::runtime::Handle,
    /// Dropped: the thread ends, and with it all connections.
    _ends: watch::Sender<()>,
}

/// A store with a connection, which ends when the store is dropped.
struct Linked {
    store: Weak<Store>,
    settings: watch::Sender<ClusterSettings>,
}

impl StoreLinks {
    /// Connects those that have no connection yet.
    ///
    /// # Errors The system has no thread left.
    pub(super) fn add(&self, settings: &ClusterSettings, stores: &[(String, Arc<Store>)]) -> io::Result<()> {
        let mut running = self.locked();
        for (key, store) in stores {
            let Some(remote) = store.remote().filter(|remote| !remote.has_joined()) else { continue };
            let running = match &mut *running {
                Some(running) => running,
                none => none.insert(Running::start()?),
            };
            let (settings, watched) = watch::channel(settings.clone());
            let (sender, calls) = mpsc::channel(CLUSTER_STORE_CALLS_MAX);
            running.runtime.spawn(redis::run_store(remote.copies().clone(), key.clone(), watched, calls));
            remote.join(Box::new(Queue(sender)));
            running.links.retain(|link| link.store.strong_count() > 0);
            running.links.push(Linked { store: Arc::downgrade(store), settings });
        }
        Ok(())
    }

    /// Lets those of them that have other settings connect again.
    pub(super) fn configure(&self, settings: &ClusterSettings, stores: &[(String, Arc<Store>)]) {
        let running = self.locked();
        let links = running.iter().flat_map(|running| &running.links);
        for link in links.filter(|link| stores.iter().any(|(_, store)| Arc::as_ptr(store) == link.store.as_ptr())) {
            link.settings.send_if_modified(|old| std::mem::replace(old, settings.clone()) != *settings);
        }
    }

    /// Ends all connections.
    pub(super) fn end(&self) {
        *self.locked() = None;
    }

    fn locked(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ends, mut end) = watch::channel(());
        let mask = SignalMask::block_all();
        let thread = std::thread::Builder::new().name("cluster-stores".into()).spawn(move || {
            // It fails when the sender is dropped: nothing is ever sent.
            runtime.block_on(async move { end.changed().await.unwrap_or_default() });
        });
        mask.apply();
        thread?;
        Ok(Self { links: Vec::new(), runtime: handle, _ends: ends })
    }
}

/// The way from PHP threads to the connection of one store.
struct Queue(mpsc::Sender<Call>);

impl Link for Queue {
    fn send(&self, call: Call) -> Result<(), RemoteError> {
        self.0.try_send(call).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RemoteError::Busy,
            mpsc::error::TrySendError::Closed(_) => RemoteError::Away("this process has left the cluster".to_owned()),
        })
    }
}
