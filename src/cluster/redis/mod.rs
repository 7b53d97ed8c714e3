//! Redis, and what speaks its protocol and its scripts (Valkey). One server, or the primary that Sentinel names; not a
//! Redis Cluster.
//!
//! | key | holds |
//! |---|---|
//! | `{PREFIX:WORKER}:lease` | the holder of the lease; expires with it |
//! | `{PREFIX:WORKER}:epoch` | the number of leaders so far |
//! | `{PREFIX:WORKER}:snapshot` | a hash: `epoch`, `number`, `bytes` |
//! | `{PREFIX:WORKER}:news` | the channel on which each accepted publish is announced |
//!
//! Every decision is a script, which Redis runs as one step. A message on the channel may be lost, so readers also look
//! from time to time.

mod connect;
mod store;
mod updates;

use super::engine::{Engine, EngineError, Fate, Lead, instance_name};
use crate::config::{ClusterSettings, EngineSettings};
use crate::limits::{CLUSTER_CALL_MS_MAX, CLUSTER_RETRY_MS};
use crate::worker::background::Position;
use connect::{Failure, Way};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
pub(super) use store::run as run_store;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
pub(super) use updates::Updates;

/// Keys: lease, epoch. Arguments: holder, lease in milliseconds, the highest known epoch.
const LEAD: &str = r"
local epoch = tonumber(redis.call('GET', KEYS[2]) or '0')
local holder = redis.call('GET', KEYS[1])
if epoch < tonumber(ARGV[3]) then
    epoch = tonumber(ARGV[3])
    redis.call('SET', KEYS[2], ARGV[3])
    redis.call('DEL', KEYS[1])
    holder = false
end
if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {epoch, ''}
end
if holder then return {0, holder} end
epoch = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {epoch, ''}";

/// Keys: lease, epoch, snapshot, news. Arguments: holder, epoch, number, bytes.
const PUBLISH: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
local stored = redis.call('HMGET', KEYS[3], 'epoch', 'number')
local epoch, number = tonumber(stored[1] or '0'), tonumber(stored[2] or '0')
if epoch > tonumber(ARGV[2]) or (epoch == tonumber(ARGV[2]) and number >= tonumber(ARGV[3])) then return 0 end
redis.call('HSET', KEYS[3], 'epoch', ARGV[2], 'number', ARGV[3], 'bytes', ARGV[4])
redis.call('PUBLISH', KEYS[4], ARGV[2] .. '.' .. ARGV[3])
return 1";

/// Keys: snapshot. Arguments: the known epoch and number.
const READ: &str = r"
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'number')
if not stored[1] then return {0, 0, ''} end
local epoch, number = tonumber(stored[1]), tonumber(stored[2])
if epoch < tonumber(ARGV[1]) or (epoch == tonumber(ARGV[1]) and number <= tonumber(ARGV[2])) then return {0, 0, ''} end
return {epoch, number, redis.call('HGET', KEYS[1], 'bytes')}";

/// Keys: lease. Arguments: holder.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1";

/// The engine of one worker. Connects when it is first asked, and again after each failure.
pub(super) struct Redis {
    way: Way,
    key: String,
    /// Of this task alone: no two tasks of a process take each other's lease for their own.
    holder: String,
    lease: Duration,
    connection: Option<MultiplexedConnection>,
    news: Option<News>,
}

/// The subscription, in a task of its own.
struct News {
    receiver: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl Drop for News {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Redis {
    pub(super) fn new(settings: &ClusterSettings, worker: &str) -> Self {
        static TASKS: AtomicU64 = AtomicU64::new(0);
        let task = TASKS.fetch_add(1, Ordering::Relaxed);
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), task);
        Self {
            way: Way::new(&settings.engine),
            key: format!("{{{}:{worker}}}", settings.prefix),
            holder: format!("{} {random:016x}", instance_name()),
            lease: settings.lease,
            connection: None,
            news: None,
        }
    }

    fn name(&self, part: &str) -> String {
        format!("{}:{part}", self.key)
    }

    /// Runs a script. A failed call drops the connection, because its answer might still come.
    async fn call<T: redis::FromRedisValue>(
        &mut self,
        script: &str,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T, EngineError> {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(keys.len());
        for part in keys {
            command.arg(self.name(part));
        }
        for argument in arguments {
            command.arg(*argument);
        }
        let bound = Duration::from_millis(CLUSTER_CALL_MS_MAX).min(self.lease);
        let called = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.way.connect(bound).await?,
            };
            let answer = command.query_async(&mut connection).await?;
            Ok::<_, Failure>((answer, connection))
        };
        match tokio::time::timeout(bound, called).await {
            Ok(Ok((answer, connection))) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Ok(Err(Failure(error))) => Err(error),
            Err(_) => Err(EngineError(format!("no answer within {} ms", bound.as_millis()))),
        }
    }
}

impl Engine for Redis {
    async fn lead(&mut self, known: u64) -> Result<Lead, EngineError> {
        let (holder, lease, known) = (self.holder.clone(), self.lease.as_millis().to_string(), known.to_string());
        let arguments = [holder.as_bytes(), lease.as_bytes(), known.as_bytes()];
        let (epoch, other): (u64, String) = self.call(LEAD, &["lease", "epoch"], &arguments).await?;
        Ok(match epoch {
            0 => Lead::Other(other.split(' ').next().unwrap_or_default().to_owned()),
            epoch => Lead::Own(epoch),
        })
    }

    async fn publish(&mut self, position: Position, bytes: &[u8]) -> Result<Fate, EngineError> {
        let holder = self.holder.clone();
        let (epoch, number) = (position.epoch.to_string(), position.number.to_string());
        let arguments = [holder.as_bytes(), epoch.as_bytes(), number.as_bytes(), bytes];
        let accepted: u64 = self.call(PUBLISH, &["lease", "epoch", "snapshot", "news"], &arguments).await?;
        Ok(if accepted == 1 { Fate::Accepted } else { Fate::Lost })
    }

    async fn read(&mut self, known: Position) -> Result<Option<(Position, Vec<u8>)>, EngineError> {
        let (epoch, number) = (known.epoch.to_string(), known.number.to_string());
        let (epoch, number, bytes): (u64, u64, Vec<u8>) =
            self.call(READ, &["snapshot"], &[epoch.as_bytes(), number.as_bytes()]).await?;
        Ok((epoch > 0).then_some((Position { epoch, number }, bytes)))
    }

    async fn release(&mut self) -> Result<(), EngineError> {
        let holder = self.holder.clone();
        self.call::<u64>(RELEASE, &["lease"], &[holder.as_bytes()]).await.map(drop)
    }

    fn configure(&mut self, settings: &ClusterSettings) {
        self.lease = settings.lease;
        if *self.way.settings() != settings.engine {
            self.way = Way::new(&settings.engine);
            self.connection = None;
            self.news = None;
        }
    }

    async fn news(&mut self) {
        let news = self.news.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(1);
            let (engine, channel) = (self.way.settings().clone(), format!("{}:news", self.key));
            News { receiver, task: tokio::spawn(subscribe(engine, channel, sender)) }
        });
        if news.receiver.recv().await.is_none() {
            // Only a defect ends the task; the looks go on without it.
            std::future::pending::<()>().await;
        }
    }
}

/// Passes messages on: one pending message is enough for any number. A new subscription may have missed some, so it is
/// news too.
async fn subscribe(engine: EngineSettings, channel: String, sender: mpsc::Sender<()>) {
    let mut way = Way::new(&engine);
    loop {
        // The calls of the engine report what is wrong with it.
        let _ = listen(&mut way, &channel, &sender).await;
        tokio::time::sleep(Duration::from_millis(CLUSTER_RETRY_MS)).await;
    }
}

async fn listen(way: &mut Way, channel: &str, sender: &mpsc::Sender<()>) -> Result<(), Failure> {
    let client = way.client(Duration::from_millis(CLUSTER_CALL_MS_MAX)).await?;
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    let _ = sender.try_send(());
    let mut messages = subscription.on_message();
    while messages.next().await.is_some() {
        let _ = sender.try_send(());
    }
    Ok(())
}
