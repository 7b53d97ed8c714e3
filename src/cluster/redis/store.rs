//! The connection of one store: its commands, and what the server says about elements that have changed.
//!
//! | key | holds |
//! |---|---|
//! | `PREFIX:SCOPE/NAME:KEY` | one element |
//!
//! One connection, because the server sends a message to the connection that has read an element when it has changed, in the
//! order of its answers. Each command is one step there: a command of the server, a script, or a transaction.

use super::connect::{Failure, Way};
use crate::cluster::engine::EngineError;
use crate::config::ClusterSettings;
use crate::limits::{CLUSTER_CALL_MS_MAX, CLUSTER_RETRY_MS, CLUSTER_STORE_PING_MS};
use crate::store::{Answer, Call, Command, Copies, RemoteError};
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// Keys: the element. Arguments: the bytes that it must have, the new ones, milliseconds or nothing.
const SWAP: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1";

/// A longer time than any process runs is none, and the server would refuse one that its clock cannot hold.
const MILLISECONDS_MAX: u128 = 1 << 52;

/// Carries out calls until the store is dropped.
pub(in crate::cluster) async fn run(
    copies: Arc<Copies>,
    store: String,
    mut settings: watch::Receiver<ClusterSettings>,
    mut calls: mpsc::Receiver<Call>,
) {
    let mut failed: Option<EngineError> = None;
    // Kept, because each attempt begins at another Sentinel.
    let mut way = Way::with_news(&settings.borrow().engine);
    loop {
        let now = settings.borrow_and_update().clone();
        way.configure(&now.engine);
        let mut session = Session::new(&copies, &store, &mut way, &now, failed.is_some());
        let end = tokio::select! {
            () = changed(&mut settings, &now) => End::Changed,
            end = session.run(&mut calls, failed.as_ref()) => end,
        };
        copies.end(session.connection);
        let error = match end {
            End::Dropped => return,
            End::Changed => continue,
            End::Failed(error) => error,
        };
        if session.was_up || failed.is_none() {
            tracing::warn!(store, "the cluster's engine is not usable, and the store throws: {error}");
        }
        copies.set_away(&error.0);
        let refused = refuse(&mut calls, &error);
        if tokio::time::timeout(Duration::from_millis(CLUSTER_RETRY_MS), refused).await.is_ok() {
            return;
        }
        failed = Some(error);
    }
}

/// How a session has ended.
enum End {
    /// The store was dropped.
    Dropped,
    /// There are other settings.
    Changed,
    Failed(EngineError),
}

/// Returns when a reload has changed what the connection depends on.
async fn changed(settings: &mut watch::Receiver<ClusterSettings>, old: &ClusterSettings) {
    let differs = |new: &ClusterSettings| new.engine != old.engine || new.prefix != old.prefix;
    if settings.wait_for(differs).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Answers calls while there is no connection. Returns when the store was dropped.
async fn refuse(calls: &mut mpsc::Receiver<Call>, error: &EngineError) {
    while let Some(call) = calls.recv().await {
        call.reply.set(Err(RemoteError::Away(error.0.clone())));
    }
}

/// One connection, from the attempt to its loss.
struct Session<'a> {
    copies: &'a Arc<Copies>,
    store: &'a str,
    way: &'a mut Way,
    /// What is before the keys of scripts.
    prefix: Arc<str>,
    /// Its number.
    connection: u64,
    is_again: bool,
    was_up: bool,
}

impl<'a> Session<'a> {
    fn new(
        copies: &'a Arc<Copies>,
        store: &'a str,
        way: &'a mut Way,
        settings: &ClusterSettings,
        is_again: bool,
    ) -> Self {
        let prefix = format!("{}:{store}:", settings.prefix).into();
        let connection = copies.begin();
        Self { copies, store, way, prefix, connection, is_again, was_up: false }
    }

    /// `failed`: why the last attempt has failed. Without one, calls wait for this attempt.
    async fn run(&mut self, calls: &mut mpsc::Receiver<Call>, failed: Option<&EngineError>) -> End {
        let lost = Arc::new(Notify::new());
        let opened = match failed {
            None => self.open(&lost).await,
            Some(error) => tokio::select! {
                opened = self.open(&lost) => opened,
                () = refuse(calls, error) => return End::Dropped,
            },
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(Failure(error)) => return End::Failed(error),
        };
        self.was_up = true;
        if self.is_again {
            tracing::info!(store = self.store, "the cluster's engine is usable again");
        }
        let for_calls = connection.clone();
        tokio::select! {
            () = pass_on(&for_calls, &self.prefix, &lost, calls) => End::Dropped,
            error = ask_again_and_again(&mut connection, self.copies, self.connection) => End::Failed(error),
            () = lost.notified() => End::Failed(EngineError("the connection was lost".to_owned())),
        }
    }

    /// Connects, and asks the server to say what has changed of all that this connection reads.
    async fn open(&mut self, lost: &Arc<Notify>) -> Result<MultiplexedConnection, Failure> {
        let (copies, prefix, lost, number) = (self.copies.clone(), self.prefix.clone(), lost.clone(), self.connection);
        let hear = move |news: PushInfo| {
            match news.kind {
                PushKind::Invalidate => forget(&copies, &prefix, &news.data),
                PushKind::Disconnection => {
                    copies.end(number);
                    lost.notify_one();
                }
                _ => {}
            }
            Ok::<(), ()>(())
        };
        let bound = Duration::from_millis(CLUSTER_CALL_MS_MAX);
        let opened = async {
            let mut connection = self.way.connect_hearing(bound, hear).await?;
            let () = redis::cmd("CLIENT").arg("TRACKING").arg("ON").query_async(&mut connection).await?;
            ping(&mut connection, self.copies, self.connection).await?;
            Ok(connection)
        };
        match tokio::time::timeout(bound, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(late().into()),
        }
    }
}

fn late() -> EngineError {
    EngineError(format!("no answer within {CLUSTER_CALL_MS_MAX} ms"))
}

/// Elements that have changed; without a list, any may have.
fn forget(copies: &Copies, prefix: &str, news: &[Value]) {
    let Some(Value::Array(keys)) = news.first() else { return copies.clear() };
    for key in keys {
        if let Value::BulkString(key) = key
            && let Some(key) = key.strip_prefix(prefix.as_bytes())
        {
            copies.invalidate(key);
        }
    }
}

async fn ping(connection: &mut MultiplexedConnection, copies: &Copies, number: u64) -> Result<(), RedisError> {
    let asked = Instant::now();
    let () = redis::cmd("PING").query_async(connection).await?;
    copies.answered(number, asked);
    Ok(())
}

/// Each answer allows readers to use the copies for a while longer. Returns when there is none.
async fn ask_again_and_again(connection: &mut MultiplexedConnection, copies: &Copies, number: u64) -> EngineError {
    loop {
        tokio::time::sleep(Duration::from_millis(CLUSTER_STORE_PING_MS)).await;
        let bound = Duration::from_millis(CLUSTER_CALL_MS_MAX);
        match tokio::time::timeout(bound, ping(connection, copies, number)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Failure::from(error).0,
            Err(_) => return late(),
        }
    }
}

/// Carries out calls, many at a time. Returns when the store was dropped.
async fn pass_on(
    connection: &MultiplexedConnection,
    prefix: &Arc<str>,
    lost: &Arc<Notify>,
    calls: &mut mpsc::Receiver<Call>,
) {
    while let Some(call) = calls.recv().await {
        // It has given up while the call was in the queue.
        if !call.reply.is_awaited() {
            continue;
        }
        let (mut connection, prefix, lost) = (connection.clone(), prefix.clone(), lost.clone());
        tokio::spawn(async move {
            let Call { key, command, reply } = call;
            let answer = carry_out(&mut connection, &prefix, &key, command).await;
            // What was a primary is a replica now.
            let is_replica = answer.as_ref().is_err_and(|error| error.code() == Some("READONLY"));
            reply.set(answer.map_err(said));
            if is_replica {
                lost.notify_one();
            }
        });
    }
}

async fn carry_out(
    connection: &mut MultiplexedConnection,
    prefix: &str,
    key: &[u8],
    command: Command,
) -> Result<Answer, RedisError> {
    let name = |key: &[u8]| [prefix.as_bytes(), key].concat();
    let key = name(key);
    match command {
        Command::Get => {
            let asked = Instant::now();
            let mut both = redis::pipe();
            both.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
            let (bytes, left): (Option<Vec<u8>>, i64) = both.query_async(connection).await?;
            // It has expired between the two.
            let left = if left == -2 && bytes.is_some() { 0 } else { left };
            let expires = u64::try_from(left).ok().map(|left| asked + Duration::from_millis(left));
            Ok(Answer::Element { bytes, expires })
        }
        Command::Set { bytes, ttl, absent } => {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(bytes);
            if let Some(ms) = milliseconds(ttl) {
                set.arg("PX").arg(ms);
            }
            if absent {
                set.arg("NX");
            }
            let stored: Option<String> = set.query_async(connection).await?;
            Ok(Answer::Done(stored.is_some()))
        }
        Command::Swap { expected, bytes, ttl } => {
            let ttl = milliseconds(ttl).map(|ms| ms.to_string()).unwrap_or_default();
            let mut swap = redis::cmd("EVAL");
            swap.arg(SWAP).arg(1).arg(&key).arg(expected).arg(bytes).arg(ttl);
            let swapped: u64 = swap.query_async(connection).await?;
            Ok(Answer::Done(swapped == 1))
        }
        Command::Add { by, ttl } => {
            let Some(ms) = milliseconds(ttl) else {
                return redis::cmd("INCRBY").arg(&key).arg(by).query_async(connection).await.map(Answer::Sum);
            };
            let mut both = redis::pipe();
            both.atomic().cmd("SET").arg(&key).arg(0).arg("PX").arg(ms).arg("NX").ignore();
            both.cmd("INCRBY").arg(&key).arg(by);
            let (sum,): (i64,) = both.query_async(connection).await?;
            Ok(Answer::Sum(sum))
        }
        Command::Remove { is_read: true } => {
            let bytes = redis::cmd("GETDEL").arg(&key).query_async(connection).await?;
            Ok(Answer::Element { bytes, expires: None })
        }
        Command::Remove { is_read: false } => {
            let removed: u64 = redis::cmd("DEL").arg(&key).query_async(connection).await?;
            Ok(Answer::Done(removed > 0))
        }
        Command::SetAll(elements) => {
            let mut set = redis::cmd("MSET");
            for (key, bytes) in elements {
                set.arg(name(&key)).arg(bytes);
            }
            let () = set.query_async(connection).await?;
            Ok(Answer::Done(true))
        }
    }
}

fn milliseconds(ttl: Option<Duration>) -> Option<u64> {
    let ms = ttl?.as_millis().max(1);
    u64::try_from(ms).ok().filter(|_| ms < MILLISECONDS_MAX)
}

/// What the server has said, for the script.
fn said(error: RedisError) -> RemoteError {
    if error.is_timeout() {
        return RemoteError::Late;
    }
    if error.is_io_error() {
        return RemoteError::Away(Failure::from(error).0.0);
    }
    let Some(words) = error.clone().into_server_errors().and_then(|errors| {
        let (_, first) = errors.first()?;
        Some(format!("{} {}", first.code(), first.details().unwrap_or_default()))
    }) else {
        return RemoteError::Refused(Failure::from(error).0.0);
    };
    match &*words {
        words if words.contains("not an integer") => RemoteError::NotAnInteger,
        words if words.contains("would overflow") => RemoteError::Overflow,
        _ => RemoteError::Refused(words.trim_end().to_owned()),
    }
}
