//! What the cluster asks of an engine, and what all engines have alike.

use crate::config::ClusterSettings;
use crate::limits::{CLUSTER_CALL_MS_MAX, CLUSTER_RETRY_MS};
use crate::worker::background::Position;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    /// This instance, in this epoch.
    Own(u64),
    /// Another one, of this name.
    Other(String),
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the newest one.
    Accepted,
    /// This instance does not lead any more, so the engine has changed nothing.
    Lost,
}

/// A failure of the engine, for the log: without addresses and credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct EngineError(pub(super) String);

/// The engine, for one worker. Each call ends in bounded time.
pub(super) trait Engine: Send {
    /// Takes or renews the lease. An engine that has lost what it knew counts on from `known`, the highest epoch that
    /// this instance has seen; and the lease of a leader with a lower epoch ends.
    fn lead(&mut self, known: u64) -> impl Future<Output = Result<Lead, EngineError>> + Send;

    /// Stores a snapshot if this instance holds the lease in the epoch of `position`, and the stored one is older.
    fn publish(&mut self, position: Position, bytes: &[u8]) -> impl Future<Output = Result<Fate, EngineError>> + Send;

    /// The stored snapshot, if it is newer than `known`.
    fn read(
        &mut self,
        known: Position,
    ) -> impl Future<Output = Result<Option<(Position, Vec<u8>)>, EngineError>> + Send;

    /// Releases the lease.
    fn release(&mut self) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Uses other settings, for the same state, from the next call on. A lease that is held stays held.
    fn configure(&mut self, settings: &ClusterSettings);

    /// Returns when there may be something new to read. Cancel-safe.
    fn news(&mut self) -> impl Future<Output = ()> + Send;

    /// When the lease of another instance expires, by what the last call of `lead` has seen. `None`: the engine itself
    /// lets leases expire, so there is no moment to wait for.
    fn due(&self) -> Option<Instant> {
        None
    }
}

/// An engine whose calls have several steps. They may end at any of them, when the time of the call is over.
pub(super) trait Steps: Send {
    type News: Source;

    fn base(&mut self) -> &mut Base;

    /// As [`Engine::lead`], without a bound.
    fn campaign(&mut self, known: u64) -> impl Future<Output = Result<Lead, EngineError>> + Send;

    /// As [`Engine::publish`], without a bound.
    fn store(&mut self, position: Position, bytes: &[u8]) -> impl Future<Output = Result<Fate, EngineError>> + Send;

    /// As [`Engine::read`], without a bound.
    fn load(
        &mut self,
        known: Position,
    ) -> impl Future<Output = Result<Option<(Position, Vec<u8>)>, EngineError>> + Send;

    /// As [`Engine::release`], without a bound.
    fn give_back(&mut self) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Leaves the connection: the next call asks another server.
    fn next_server(&mut self);

    /// The connections of these settings lead elsewhere.
    fn lead_to(&mut self, settings: &ClusterSettings);

    /// Where this worker's news are announced.
    fn topic(&self) -> String;

    fn news_of(settings: &ClusterSettings, topic: String) -> Self::News;

    /// As [`Engine::due`].
    fn expiry(&self) -> Option<Instant> {
        None
    }

    /// A call that has failed leaves its connection, because its answer might still come.
    fn left<T>(&mut self, answer: Result<T, EngineError>) -> Result<T, EngineError> {
        if answer.is_err() {
            self.next_server();
        }
        answer
    }
}

impl<E: Steps> Engine for E {
    async fn lead(&mut self, known: u64) -> Result<Lead, EngineError> {
        let bound = self.base().half_lease().min(Duration::from_millis(CLUSTER_CALL_MS_MAX));
        let answer = bounded(bound, self.campaign(known)).await;
        self.left(answer)
    }

    async fn publish(&mut self, position: Position, bytes: &[u8]) -> Result<Fate, EngineError> {
        let answer = bounded(self.base().half_lease(), self.store(position, bytes)).await;
        self.left(answer)
    }

    async fn read(&mut self, known: Position) -> Result<Option<(Position, Vec<u8>)>, EngineError> {
        let answer = bounded(self.base().half_lease(), self.load(known)).await;
        self.left(answer)
    }

    async fn release(&mut self) -> Result<(), EngineError> {
        let answer = bounded(Duration::from_millis(CLUSTER_CALL_MS_MAX), self.give_back()).await;
        self.left(answer)
    }

    fn configure(&mut self, settings: &ClusterSettings) {
        if self.base().configure(settings) {
            self.lead_to(settings);
        }
    }

    async fn news(&mut self) {
        let topic = self.topic();
        self.base().news(|settings| E::news_of(settings, topic)).await;
    }

    fn due(&self) -> Option<Instant> {
        self.expiry()
    }
}

/// A place in the log of a hub's updates, in the order of the engine. The default one is before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u64, pub(super) u64);

/// Updates of a hub.
pub(super) struct Entries {
    /// In the order of the engine. `None`: larger than any update, so its bytes were not read.
    pub(super) updates: Vec<(Place, Option<Vec<u8>>)>,
    /// Where to read on.
    pub(super) end: Place,
}

/// The name of this instance for people: its host and process.
pub(super) fn instance_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
        let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
        format!("{host}:{}", std::process::id())
    })
}

/// What the engine of one worker has, whichever it is.
pub(super) struct Base {
    pub(super) settings: ClusterSettings,
    /// Of this task alone: no two tasks of a process take each other's lease for their own.
    pub(super) holder: String,
    news: Option<News>,
}

impl Base {
    pub(super) fn new(settings: &ClusterSettings) -> Self {
        static TASKS: AtomicU64 = AtomicU64::new(0);
        let task = TASKS.fetch_add(1, Ordering::Relaxed);
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), task);
        Self { settings: settings.clone(), holder: format!("{} {random:016x}", instance_name()), news: None }
    }

    /// Uses other settings. Returns whether connections must be made again, because they lead elsewhere; that of the news
    /// is made again by itself.
    pub(super) fn configure(&mut self, settings: &ClusterSettings) -> bool {
        let leads_elsewhere = self.settings.engine != settings.engine;
        if leads_elsewhere {
            self.news = None;
        }
        self.settings = settings.clone();
        leads_elsewhere
    }

    /// Returns when there may be something new. The source is asked for once, until the settings change. Cancel-safe.
    pub(super) async fn news<S: Source>(&mut self, source: impl FnOnce(&ClusterSettings) -> S) {
        self.news.get_or_insert_with(|| News::of(source(&self.settings))).next().await;
    }

    /// A call has all of half a lease, so that the lease can be renewed in the other half.
    fn half_lease(&self) -> Duration {
        self.settings.lease / 2
    }
}

/// The name of an instance for people, of its `holder`.
pub(super) fn name_of(holder: &str) -> String {
    holder.split(' ').next().unwrap_or_default().to_owned()
}

/// Ends a call in bounded time. One that fails leaves its connection to the caller, because its answer might still come.
pub(super) async fn bounded<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let late = |_| EngineError(format!("no answer within {} ms", bound.as_millis()));
    tokio::time::timeout(bound, call).await.map_err(late)?
}

/// Where an engine says that there may be something new.
pub(super) trait Source: Send + 'static {
    /// Calls `heard` when it begins to listen, because messages may have been missed before, and at each message. Returns
    /// when the connection has ended; what is wrong with the engine, its calls report.
    fn listen(&mut self, heard: impl Fn() + Send + Sync) -> impl Future<Output = ()> + Send;
}

/// The news of an engine, from a task of its own.
pub(super) struct News {
    receiver: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl News {
    pub(super) fn of(mut source: impl Source) -> Self {
        // One pending message is enough for any number.
        let (sender, receiver) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            loop {
                source.listen(|| sender.try_send(()).unwrap_or_default()).await;
                tokio::time::sleep(Duration::from_millis(CLUSTER_RETRY_MS)).await;
            }
        });
        Self { receiver, task }
    }

    /// Returns when there may be something new. Cancel-safe.
    pub(super) async fn next(&mut self) {
        if self.receiver.recv().await.is_none() {
            // Only a defect ends the task; the looks go on without it.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.task.abort();
    }
}
