//! The bounds of a cluster.

use std::time::Duration;

/// The longest call of the engine of a cluster: a leader that waits longer could not renew a short lease again.
pub const CLUSTER_CALL_MS_MAX: u64 = 1_000;

/// The bytes of a snapshot in one request to etcd, which refuses requests of more than 1.5 MiB by default.
pub const CLUSTER_ETCD_PART_BYTES: usize = 1 << 20;

/// The bytes of the largest answer of etcd: one part, in base64, with what is around it.
pub const CLUSTER_ETCD_ANSWER_BYTES_MAX: usize = 2 << 20;

/// The bytes of a snapshot in one message to NATS: its servers take 1 MiB by default, with the headers and with what
/// `CLUSTER_NATS_ROOM_BYTES` is for. One that takes less gets smaller parts.
pub const CLUSTER_NATS_PART_BYTES: usize = (1 << 20) - CLUSTER_NATS_ROOM_BYTES;

/// The bytes of a message to NATS beside those of a snapshot: the header, and the numbers before the bytes.
pub const CLUSTER_NATS_ROOM_BYTES: usize = 1 << 10;

/// The least `max_payload` of a server of NATS for updates of hubs: beside that room, the identifier alone may have 1 KiB.
pub const CLUSTER_NATS_UPDATE_PAYLOAD_MIN: usize = 4 << 10;

/// The bytes of the largest answer of NATS: one part in base64, with what is around it.
pub const CLUSTER_NATS_ANSWER_BYTES_MAX: usize = 2 << 20;

/// A stream of NATS without a message is not read for so long: another instance may be making it, which takes some milliseconds.
pub const CLUSTER_NATS_NEW_MS: u64 = 100;

/// A bucket that was deleted is made again after so long, and so is the stream of the updates of hubs. A server of 2.9 that is still
/// deleting its files deletes those of the new one too: it then finds nothing of what it has just written.
pub const CLUSTER_NATS_GONE_MS: u64 = 2_000;

/// The longest line of NATS: its first one names all its servers.
pub const CLUSTER_NATS_LINE_BYTES_MAX: usize = 64 << 10;

/// A subscription to NATS on which nothing has come for so long is made again: a server sends something every two minutes.
pub const CLUSTER_NATS_SILENT_SECONDS_MAX: u64 = 180;

/// The pause between two looks at the engine of a cluster; a third of the lease, if that is shorter. A takeover takes at
/// most the lease and one such pause.
pub const CLUSTER_LOOK_MS_MAX: u64 = 1_000;

/// The pause before a lost subscription to the engine of a cluster is made again: until then the looks find what is new.
pub const CLUSTER_RETRY_MS: u64 = 500;

/// The pause between two questions of a store of the cluster whether its engine is there.
pub const CLUSTER_STORE_PING_MS: u64 = 500;

/// How long after such a question, if it was answered, the cache of the store may be read. No read of it is older, even when
/// the network is cut. Longer than a pause and the longest call together, so that one slow answer costs nothing.
pub const CLUSTER_STORE_FRESH_MS: u64 = 2_000;

/// The calls of one store of the cluster that wait for its connection: more than any server has PHP threads.
pub const CLUSTER_STORE_CALLS_MAX: usize = 4096;

/// So often one call of cas() on a store of the cluster begins again: each time another client has written the element between
/// its read and its write, and has left a value that is equal to the expected one. A bound, because each time is two round trips.
pub const CLUSTER_STORE_CAS_TRIES_MAX: usize = 8;

/// The parts of the cache of a store of the cluster, each with its own lock.
pub const CLUSTER_STORE_SHARDS: usize = 64;

/// How long an instance on which the script of a cluster worker has failed too often, or could not start, lets the others try.
pub const CLUSTER_ABSTAIN_SECONDS: u64 = 60;

/// How long a stop waits until the leases of the cluster are given back; without that they expire.
pub const CLUSTER_LEAVE_MS_MAX: u64 = 1_000;

/// The bytes of an update of a hub in the engine of a cluster: one message to NATS, whose servers take 1 MiB by default with the
/// headers. The same for all engines, so that another engine changes nothing.
pub const CLUSTER_UPDATE_BYTES_MAX: usize = (1 << 20) - CLUSTER_NATS_ROOM_BYTES;

/// The updates of a hub that go to an engine in one call: etcd takes 128 operations in a transaction.
pub const CLUSTER_UPDATES_AT_ONCE_MAX: usize = 64;

/// The longest call that brings updates of a hub to an engine: 1 MiB over a slow network. One that was not answered is repeated.
pub const CLUSTER_UPDATES_CALL_MS_MAX: u64 = 5_000;

/// How long a read of the updates of a hub waits for one. Then the reader looks whether the server is still there.
pub const CLUSTER_UPDATES_WAIT_MS: u64 = 1_000;

/// The updates of one hub that an engine keeps for an instance that was away for a moment, or begins.
pub const CLUSTER_UPDATES_MAX: usize = 10_000;

/// The bytes of these updates. In NATS those of all hubs of a prefix together, four times as many.
pub const CLUSTER_UPDATES_BYTES_MAX: usize = 16 << 20;

/// How long an engine keeps them: who comes later has nothing to continue.
pub const CLUSTER_UPDATES_AGE: Duration = Duration::from_secs(24 * 3600);

/// The same for etcd, for each instance: its database is of 2 GiB by default, with all old versions.
pub const CLUSTER_ETCD_UPDATES_MAX: usize = 1_000;

/// The bytes of these updates.
pub const CLUSTER_ETCD_UPDATES_BYTES_MAX: usize = 4 << 20;

/// How long etcd keeps the updates of an instance that has ended, at least half of it.
pub const CLUSTER_ETCD_UPDATES_SECONDS: u64 = 600;

/// The bytes of one line of a watch of etcd: it makes several of what is more than one request, in base64.
pub const CLUSTER_ETCD_LINE_BYTES_MAX: usize = 4 << 20;

/// A watch of etcd on which nothing has come for so long is made again, from the same place.
pub const CLUSTER_ETCD_SILENT_SECONDS_MAX: u64 = 30;

/// The senders of updates whose last number a hub keeps: one for each process of the cluster. Beyond that an update may be received
/// twice.
pub const CLUSTER_SENDERS_MAX: usize = 1_024;
