//! The updates of one hub, in a stream of Redis.
//!
//! | key | holds |
//! |---|---|
//! | `{PREFIX:mercure/HUB}:updates` | the stream; the field `u` of an entry is an update |
//! | `{PREFIX:mercure/HUB}:bytes` | the bytes of these updates |
//!
//! Redis numbers the entries by its clock. A stream that was lost begins with higher numbers, unless another server with a slower
//! clock has it: the reader compares, see `cluster::hubs`.

use super::connect::{Failure, Way};
use crate::cluster::engine::{EngineError, Entries, Place};
use crate::config::ClusterSettings;
use crate::limits::{
    CLUSTER_CALL_MS_MAX, CLUSTER_UPDATE_BYTES_MAX, CLUSTER_UPDATES_AGE, CLUSTER_UPDATES_AT_ONCE_MAX,
    CLUSTER_UPDATES_BYTES_MAX, CLUSTER_UPDATES_CALL_MS_MAX, CLUSTER_UPDATES_MAX, CLUSTER_UPDATES_WAIT_MS,
};
use crate::mercure::Outgoing;
use redis::Cmd;
use redis::aio::MultiplexedConnection;
use std::time::Duration;

/// Keys: stream, bytes. Arguments: the most updates, the most bytes, the milliseconds that they are kept, and the updates.
const APPEND: &str = r"
local bytes = 0
if redis.call('EXISTS', KEYS[1]) == 1 then bytes = tonumber(redis.call('GET', KEYS[2]) or '0') or 0 end
for number = 4, #ARGV do
    redis.call('XADD', KEYS[1], '*', 'u', ARGV[number])
    bytes = bytes + #ARGV[number]
end
local left = redis.call('XLEN', KEYS[1])
while left > 1 and (left > tonumber(ARGV[1]) or bytes > tonumber(ARGV[2])) do
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', KEYS[1], oldest[1])
    for place = 1, #oldest[2], 2 do
        if oldest[2][place] == 'u' then bytes = bytes - #oldest[2][place + 1] end
    end
    left = left - 1
end
redis.call('SET', KEYS[2], math.max(bytes, 0), 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1";

/// Key: the stream. Arguments: the first identifier, the most entries, and the most bytes: of one update, and of all. An update that is
/// larger is nil.
const LOOK: &str = r"
local found, bytes = {}, 0
for _, row in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
    local update = ''
    for place = 1, #row[2], 2 do
        if row[2][place] == 'u' then update = row[2][place + 1] end
    end
    if #update > tonumber(ARGV[3]) then update = false else bytes = bytes + #update end
    if #found > 0 and bytes > tonumber(ARGV[3]) then break end
    found[#found + 1] = {row[1], update}
end
return found";

/// An entry: its identifier, and its fields with their values.
type Row = (String, Vec<Vec<u8>>);

pub(in crate::cluster) struct Updates {
    way: Way,
    key: String,
    connection: Option<MultiplexedConnection>,
    /// Whether what is next may be much, or too large: at the beginning, and after a failure.
    is_careful: bool,
}

impl Updates {
    pub(in crate::cluster) fn new(settings: &ClusterSettings, hub: &str) -> Self {
        let key = format!("{{{}:mercure/{hub}}}", settings.prefix);
        Self { way: Way::new(&settings.engine), key, connection: None, is_careful: true }
    }

    pub(in crate::cluster) async fn append(&mut self, updates: &[Outgoing]) -> Result<(), EngineError> {
        let mut command = redis::cmd("EVAL");
        command.arg(APPEND).arg(2).arg(format!("{}:updates", self.key)).arg(format!("{}:bytes", self.key));
        command.arg(CLUSTER_UPDATES_MAX).arg(CLUSTER_UPDATES_BYTES_MAX).arg(CLUSTER_UPDATES_AGE.as_millis() as u64);
        for update in updates {
            command.arg(&*update.bytes);
        }
        self.call::<u64>(&command, CLUSTER_UPDATES_CALL_MS_MAX).await.map(drop)
    }

    /// The place of the newest one.
    pub(in crate::cluster) async fn last(&mut self) -> Result<Place, EngineError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(format!("{}:updates", self.key)).arg("+").arg("-").arg("COUNT").arg(1);
        let rows: Vec<Row> = self.call(&command, CLUSTER_CALL_MS_MAX).await?;
        rows.first().map_or(Ok(Place::default()), |(id, _)| place(id))
    }

    /// Those behind a place. Waits a while for one.
    pub(in crate::cluster) async fn read(&mut self, after: Place) -> Result<Entries, EngineError> {
        if self.is_careful {
            let entries = self.look(after).await?;
            if !entries.updates.is_empty() {
                return Ok(entries);
            }
            self.is_careful = false;
        }
        let entries = self.wait(after).await;
        self.is_careful = entries.is_err();
        entries
    }

    /// Those behind a place that one answer can bring over a slow network, and none that is too large.
    async fn look(&mut self, after: Place) -> Result<Entries, EngineError> {
        let mut command = redis::cmd("EVAL");
        command.arg(LOOK).arg(1).arg(format!("{}:updates", self.key));
        let Place(ms, number) = after;
        let first = number.checked_add(1).map_or(Place(ms.saturating_add(1), 0), |next| Place(ms, next));
        command.arg(format!("{}-{}", first.0, first.1)).arg(CLUSTER_UPDATES_AT_ONCE_MAX).arg(CLUSTER_UPDATE_BYTES_MAX);
        let found: Vec<(String, Option<Vec<u8>>)> = self.call(&command, CLUSTER_UPDATES_CALL_MS_MAX).await?;
        let mut entries = Entries { updates: Vec::new(), end: after };
        for (id, update) in found {
            entries.end = place(&id)?;
            entries.updates.push((entries.end, update));
        }
        Ok(entries)
    }

    async fn wait(&mut self, after: Place) -> Result<Entries, EngineError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(CLUSTER_UPDATES_AT_ONCE_MAX).arg("BLOCK").arg(CLUSTER_UPDATES_WAIT_MS);
        command.arg("STREAMS").arg(format!("{}:updates", self.key)).arg(format!("{}-{}", after.0, after.1));
        let bound = CLUSTER_UPDATES_WAIT_MS + CLUSTER_UPDATES_CALL_MS_MAX;
        let streams = self.call::<Option<Vec<(String, Vec<Row>)>>>(&command, bound).await?;
        let mut entries = Entries { updates: Vec::new(), end: after };
        for (id, fields) in streams.into_iter().flatten().flat_map(|(_, rows)| rows) {
            entries.end = place(&id)?;
            entries.updates.push((entries.end, Some(update(fields))));
        }
        Ok(entries)
    }

    /// A failed call drops the connection, because its answer might still come.
    async fn call<T: redis::FromRedisValue>(&mut self, command: &Cmd, bound_ms: u64) -> Result<T, EngineError> {
        let bound = Duration::from_millis(bound_ms);
        let called = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                // All calls have the bounds of their own.
                None => {
                    self.way
                        .connect(Duration::from_millis(CLUSTER_UPDATES_WAIT_MS + CLUSTER_UPDATES_CALL_MS_MAX))
                        .await?
                }
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
            Err(_) => Err(EngineError(format!("no answer within {bound_ms} ms"))),
        }
    }
}

/// The value of the field `u`. An entry of another program may have others.
fn update(fields: Vec<Vec<u8>>) -> Vec<u8> {
    let mut update = Vec::new();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if name == b"u" {
            update = value;
        }
    }
    update
}

fn place(id: &str) -> Result<Place, EngineError> {
    let numbers = id.split_once('-').and_then(|(ms, number)| Some(Place(ms.parse().ok()?, number.parse().ok()?)));
    numbers.ok_or_else(|| EngineError("an entry of the stream has no number".to_owned()))
}
