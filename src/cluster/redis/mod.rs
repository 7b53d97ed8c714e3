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

use super::engine::{Base, Engine, EngineError, Fate, Lead, Source, bounded, name_of};
use crate::config::ClusterSettings;
use crate::limits::CLUSTER_CALL_MS_MAX;
use crate::worker::background::Position;
use connect::{Failure, Way};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use std::time::Duration;
pub(super) use store::run as run_store;
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
    base: Base,
    way: Way,
    key: String,
    connection: Option<MultiplexedConnection>,
}

impl Redis {
    pub(super) fn new(settings: &ClusterSettings, worker: &str) -> Self {
        Self {
            base: Base::new(settings),
            way: Way::new(&settings.engine),
            key: format!("{{{}:{worker}}}", settings.prefix),
            connection: None,
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
        let bound = Duration::from_millis(CLUSTER_CALL_MS_MAX).min(self.base.settings.lease);
        let called = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.way.connect(bound).await?,
            };
            let answer = command.query_async(&mut connection).await?;
            Ok::<_, Failure>((answer, connection))
        };
        let (answer, connection) = bounded(bound, async { called.await.map_err(|Failure(error)| error) }).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

impl Engine for Redis {
    async fn lead(&mut self, known: u64) -> Result<Lead, EngineError> {
        let holder = self.base.holder.clone();
        let (lease, known) = (self.base.settings.lease.as_millis().to_string(), known.to_string());
        let arguments = [holder.as_bytes(), lease.as_bytes(), known.as_bytes()];
        let (epoch, other): (u64, String) = self.call(LEAD, &["lease", "epoch"], &arguments).await?;
        Ok(match epoch {
            0 => Lead::Other(name_of(&other)),
            epoch => Lead::Own(epoch),
        })
    }

    async fn publish(&mut self, position: Position, bytes: &[u8]) -> Result<Fate, EngineError> {
        let holder = self.base.holder.clone();
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
        let holder = self.base.holder.clone();
        self.call::<u64>(RELEASE, &["lease"], &[holder.as_bytes()]).await.map(drop)
    }

    fn configure(&mut self, settings: &ClusterSettings) {
        if self.base.configure(settings) {
            self.way.configure(&settings.engine);
            self.connection = None;
        }
    }

    async fn news(&mut self) {
        let channel = self.name("news");
        self.base.news(|settings| Subscription { way: Way::new(&settings.engine), channel }).await;
    }
}

/// The messages of one channel.
struct Subscription {
    way: Way,
    channel: String,
}

impl Subscription {
    async fn hear(&mut self, heard: impl Fn() + Send) -> Result<(), Failure> {
        let client = self.way.client(Duration::from_millis(CLUSTER_CALL_MS_MAX)).await?;
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(&self.channel).await?;
        heard();
        let mut messages = subscription.on_message();
        while messages.next().await.is_some() {
            heard();
        }
        Ok(())
    }
}

impl Source for Subscription {
    async fn listen(&mut self, heard: impl Fn() + Send + Sync) {
        let _ = self.hear(heard).await;
    }
}
