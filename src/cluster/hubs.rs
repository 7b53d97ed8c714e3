//! The Mercure hubs of the cluster on this instance: two tasks for each, one that appends the updates of this instance to a log in
//! the engine, and one that reads those of all. They have a thread of their own: an update to thousands of subscribers must not
//! delay a lease.
//!
//! The log has a bound, so the engine needs no one who cleans up, and an instance that is away for a moment misses nothing. A reader
//! keeps its place. If the newest update of the engine is before that place, the engine has lost its state, and the reader begins
//! again; what it has received already, [`Relay`] knows.

use super::engine::{EngineError, Entries, Place};
use super::{etcd, nats, redis};
use crate::config::{ClusterSettings, EngineAddress};
use crate::limits::{CLUSTER_RETRY_MS, CLUSTER_UPDATE_BYTES_MAX};
use crate::mercure::{Hub, Outgoing, Relay};
use crate::signals::SignalMask;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// The connections of hubs.
#[derive(Default)]
pub(super) struct HubLinks {
    /// Protects the list; not held while anything is waited for.
    running: Mutex<Option<Running>>,
    /// The relays of hubs that are not linked any more, and may still have something to send.
    ended: Mutex<Vec<Weak<Relay>>>,
}

struct Running {
    settings: watch::Sender<ClusterSettings>,
    links: HashMap<String, Link>,
    runtime: tokio::runtime::Handle,
    /// Every task holds a clone; the thread ends when the last is dropped.
    held: watch::Receiver<()>,
    thread: JoinHandle<()>,
}

/// One hub. Its tasks end when `_stop` is dropped; the one that sends, when all is sent that waits.
struct Link {
    relay: Arc<Relay>,
    /// Before the site has a handler with it, nothing else keeps it.
    hub: Arc<Hub>,
    _stop: watch::Sender<()>,
}

impl HubLinks {
    /// Links exactly these hubs. Returns the thread that ends, if none is left.
    ///
    /// # Errors The system has no thread left.
    pub(super) fn set(
        &self,
        settings: Option<&ClusterSettings>,
        hubs: &[(String, Arc<Hub>)],
    ) -> io::Result<Option<JoinHandle<()>>> {
        let Some(settings) = settings.filter(|_| !hubs.is_empty()) else { return Ok(self.end()) };
        let mut running = self.locked();
        let running = match &mut *running {
            Some(running) => running,
            none => none.insert(Running::start(settings)?),
        };
        running.settings.send_if_modified(|old| std::mem::replace(old, settings.clone()) != *settings);
        for (name, hub) in hubs {
            match running.links.get_mut(name) {
                Some(link) => link.hub = hub.clone(),
                None => running.link(name, hub),
            }
            if let Some(link) = running.links.get(name) {
                link.relay.serve(&link.hub);
            }
        }
        // After that: a hub with another name has another relay now.
        running.links.retain(|name, link| {
            let is_kept = hubs.iter().any(|(kept, _)| kept == name);
            if !is_kept {
                self.end_relay(&link.relay);
            }
            is_kept
        });
        Ok(None)
    }

    /// Ends all of them. The thread ends when what waits is sent.
    pub(super) fn end(&self) -> Option<JoinHandle<()>> {
        let Running { links, thread, .. } = self.locked().take()?;
        links.values().for_each(|link| self.end_relay(&link.relay));
        Some(thread)
    }

    /// Gives up what still waits in relays that have ended: the process ends.
    pub(super) fn give_up(&self) {
        let ended = std::mem::take(&mut *self.ended());
        ended.iter().filter_map(Weak::upgrade).for_each(|relay| relay.give_up());
    }

    fn end_relay(&self, relay: &Arc<Relay>) {
        relay.end();
        let mut ended = self.ended();
        ended.retain(|relay| relay.strong_count() > 0);
        ended.push(Arc::downgrade(relay));
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Weak<Relay>>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn start(settings: &ClusterSettings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ended, held) = watch::channel(());
        let mask = SignalMask::block_all();
        let thread = std::thread::Builder::new().name("cluster-hubs".into()).spawn(move || {
            runtime.block_on(async move { ended.closed().await });
        });
        mask.apply();
        let settings = watch::Sender::new(settings.clone());
        Ok(Self { settings, links: HashMap::new(), runtime: handle, held, thread: thread? })
    }

    fn link(&mut self, name: &str, hub: &Arc<Hub>) {
        let (stop, stopped) = watch::channel(());
        let relay = Relay::new(name);
        let presence = Arc::default();
        let task = || Task {
            name: name.to_owned(),
            relay: relay.clone(),
            presence: Arc::clone(&presence),
            settings: self.settings.subscribe(),
            stopped: stopped.clone(),
            has_failed: false,
            _held: self.held.clone(),
        };
        self.runtime.spawn(task().run(Task::send));
        self.runtime.spawn(task().run(Task::receive));
        self.links.insert(name.to_owned(), Link { relay, hub: hub.clone(), _stop: stop });
    }
}

/// The log of one hub in an engine, by a connection of its own.
enum Log {
    Redis(redis::Updates),
    Etcd(etcd::Updates),
    Nats(Box<nats::Updates>),
}

impl Log {
    fn new(settings: &ClusterSettings, hub: &str, presence: &Arc<nats::Presence>) -> Self {
        match settings.engine.address {
            EngineAddress::Redis(_) | EngineAddress::Sentinel { .. } => Self::Redis(redis::Updates::new(settings, hub)),
            EngineAddress::Etcd { .. } => Self::Etcd(etcd::Updates::new(settings, hub)),
            EngineAddress::Nats { .. } => Self::Nats(Box::new(nats::Updates::new(settings, hub, presence))),
        }
    }

    /// The bytes of the largest update.
    async fn bytes_max(&mut self) -> Result<usize, EngineError> {
        match self {
            Self::Redis(_) | Self::Etcd(_) => Ok(CLUSTER_UPDATE_BYTES_MAX),
            Self::Nats(log) => log.bytes_max().await,
        }
    }

    /// Appends updates in their order, possibly some of them twice.
    async fn append(&mut self, updates: &[Outgoing]) -> Result<(), EngineError> {
        match self {
            Self::Redis(log) => log.append(updates).await,
            Self::Etcd(log) => log.append(updates).await,
            Self::Nats(log) => log.append(updates).await,
        }
    }

    /// The place of the newest one.
    async fn last(&mut self) -> Result<Place, EngineError> {
        match self {
            Self::Redis(log) => log.last().await,
            Self::Etcd(log) => log.last().await,
            Self::Nats(log) => log.last().await,
        }
    }

    /// Whether it can lose its state without a failed call: by a deletion, of which a watch of etcd hears by itself.
    fn may_lose_its_state(&self) -> bool {
        !matches!(self, Self::Etcd(_))
    }

    /// Those behind a place. Waits a while for one, and returns none if none has come.
    async fn read(&mut self, after: Place) -> Result<Entries, EngineError> {
        match self {
            Self::Redis(log) => log.read(after).await,
            Self::Etcd(log) => log.read(after).await,
            Self::Nats(log) => log.read(after).await,
        }
    }
}

#[derive(Clone)]
struct Task {
    name: String,
    relay: Arc<Relay>,
    /// Of the log in NATS.
    presence: Arc<nats::Presence>,
    settings: watch::Receiver<ClusterSettings>,
    stopped: watch::Receiver<()>,
    has_failed: bool,
    _held: watch::Receiver<()>,
}

impl Task {
    /// Runs one of the two tasks, and again after a panic: a defect must not end the way for good.
    async fn run<F: Future<Output = ()> + Send + 'static>(mut self, task: fn(Self) -> F) {
        while tokio::spawn(task(self.clone())).await.is_err_and(|error| error.is_panic()) {
            tracing::error!(
                hub = self.name,
                "mercure: the connection to the cluster's engine has failed by a panic, and begins again"
            );
            self.pause().await;
        }
    }

    fn log(&self, settings: &ClusterSettings) -> Log {
        Log::new(settings, &self.name, &self.presence)
    }

    fn note(&mut self, result: Result<(), EngineError>, what: &str) -> bool {
        let had_failed = self.has_failed;
        self.has_failed = result.is_err();
        match result {
            Err(error) if !had_failed => {
                tracing::warn!(hub = self.name, "mercure: {what} the cluster's engine: {error}");
            }
            Ok(()) if had_failed => {
                tracing::info!(hub = self.name, "mercure: {what} the cluster's engine is possible again");
            }
            _ => {}
        }
        !self.has_failed
    }

    /// Appends what the hub publishes, until it is stopped and nothing waits.
    async fn send(mut self) {
        let mut settings = self.settings.borrow_and_update().clone();
        let mut log = self.log(&settings);
        let mut is_stopped = false;
        loop {
            let batch = tokio::select! {
                biased;
                Ok(()) = self.settings.changed() => Vec::new(),
                _ = self.stopped.changed(), if !is_stopped => {
                    is_stopped = true;
                    Vec::new()
                }
                batch = self.relay.next(), if !is_stopped => batch,
                () = std::future::ready(()), if is_stopped => self.relay.waiting(),
            };
            let now = self.settings.borrow_and_update().clone();
            if now.engine != settings.engine || now.prefix != settings.prefix {
                self.presence.forget();
                log = self.log(&now);
            }
            settings = now;
            let Some(last) = batch.last() else {
                if is_stopped && self.relay.waiting().is_empty() {
                    return;
                }
                continue;
            };
            let result = append(&mut log, &self.relay, &batch).await;
            if result.is_ok() {
                self.relay.sent(last.number);
            }
            if !self.note(result, "sending updates to") {
                if is_stopped {
                    return;
                }
                self.pause().await;
            }
        }
    }

    /// Reads what other instances publish, until it is stopped.
    async fn receive(mut self) {
        let mut settings = self.settings.borrow_and_update().clone();
        let mut reader = Reader::new(self.log(&settings));
        loop {
            let entries = tokio::select! {
                biased;
                Err(_) = self.stopped.changed() => return,
                Ok(()) = self.settings.changed() => {
                    let now = self.settings.borrow_and_update().clone();
                    if now.engine != settings.engine || now.prefix != settings.prefix {
                        self.presence.forget();
                    }
                    if !settings.continues(&now) {
                        reader = Reader::new(self.log(&now));
                    } else if now.engine != settings.engine {
                        reader = Reader { log: self.log(&now), is_sure: false, ..reader };
                    }
                    settings = now;
                    continue;
                }
                entries = reader.read(&self.relay) => entries,
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.note(Err(error), "receiving updates from");
                    self.relay.is_reached(false);
                    reader.is_sure = false;
                    self.pause().await;
                    continue;
                }
            };
            self.note(Ok(()), "receiving updates from");
            if entries.updates.is_empty() {
                self.relay.is_idle();
                reader.is_sure = !reader.log.may_lose_its_state();
            }
            for (place, update) in &entries.updates {
                let is_past = *place <= reader.past;
                if !is_past {
                    // Before it: clients that came back early would get it behind a gap.
                    self.relay.has_caught_up();
                }
                match update {
                    Some(bytes) => self.relay.arrived(bytes, is_past),
                    None => self.relay.skipped(),
                }
                // Other hubs have the same thread.
                tokio::task::yield_now().await;
            }
            reader.place = Some(entries.end);
        }
    }

    /// Waits before the next attempt, but not for one that is stopped.
    async fn pause(&mut self) {
        let pause = tokio::time::sleep(Duration::from_millis(CLUSTER_RETRY_MS));
        tokio::select! {
            () = pause => {}
            _ = self.stopped.changed() => {}
        }
    }
}

async fn append(log: &mut Log, relay: &Relay, batch: &[Outgoing]) -> Result<(), EngineError> {
    let bytes_max = log.bytes_max().await?;
    relay.limit(bytes_max);
    if batch.iter().any(|update| update.bytes.len() > bytes_max) {
        // Those before it are sent first, and the relay drops it then.
        let fitting = batch.iter().take_while(|update| update.bytes.len() <= bytes_max).count();
        return log.append(&batch[..fitting]).await.and(Err(EngineError("an update is too large".to_owned())));
    }
    log.append(batch).await
}

/// The place of this instance in a log.
struct Reader {
    log: Log,
    /// What was read. `None`: nothing yet.
    place: Option<Place>,
    /// What is not behind it was there before this instance has begun.
    past: Place,
    /// Whether the log is known to have its state still.
    is_sure: bool,
}

impl Reader {
    fn new(log: Log) -> Self {
        Self { log, place: None, past: Place::default(), is_sure: false }
    }

    async fn read(&mut self, relay: &Relay) -> Result<Entries, EngineError> {
        if !self.is_sure {
            relay.limit(self.log.bytes_max().await?);
            let last = self.log.last().await?;
            match self.place {
                None => {
                    self.past = last;
                    self.place = Some(Place::default());
                }
                Some(place) if last < place => {
                    // What it has now is all of this time.
                    self.past = Place::default();
                    self.place = Some(Place::default());
                }
                Some(_) => {}
            }
            self.is_sure = true;
            relay.is_reached(true);
        }
        let place = self.place.unwrap_or_default();
        if place >= self.past {
            relay.has_caught_up();
        }
        self.log.read(place).await
    }
}
