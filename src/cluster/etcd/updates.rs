//! The updates of one hub, in keys of etcd that expire.
//!
//! | key | holds |
//! |---|---|
//! | `PREFIX/mercure/HUB/update/SENDER/NUMBER` | one update; attached to a lease of its sender |
//!
//! A sender deletes its oldest ones in the transaction that puts new ones. Readers watch the keys from the revision behind what they
//! have, so etcd sends what they have missed, too, as long as it was not compacted.

use super::client::{Client, Lines, TOO_LONG};
use super::transaction::{Transaction, text, value};
use super::{Granted, defect};
use crate::cluster::engine::{EngineError, Entries, Place};
use crate::config::ClusterSettings;
use crate::limits::{
    CLUSTER_CALL_MS_MAX, CLUSTER_ETCD_LINE_BYTES_MAX, CLUSTER_ETCD_SILENT_SECONDS_MAX, CLUSTER_ETCD_UPDATES_BYTES_MAX,
    CLUSTER_ETCD_UPDATES_MAX, CLUSTER_ETCD_UPDATES_SECONDS, CLUSTER_UPDATE_BYTES_MAX, CLUSTER_UPDATES_AT_ONCE_MAX,
    CLUSTER_UPDATES_CALL_MS_MAX, CLUSTER_UPDATES_WAIT_MS,
};
use crate::mercure::Outgoing;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The keys of one look: more than one transaction has.
const LOOK_KEYS_MAX: usize = 2 * CLUSTER_UPDATES_AT_ONCE_MAX;

pub(in crate::cluster) struct Updates {
    client: Client,
    /// What all keys of the hub begin with.
    key: String,
    granted: Option<(Granted, Instant)>,
    /// Number and length of the own updates that are there, the oldest first.
    kept: VecDeque<(u64, usize)>,
    watch: Option<Watch>,
    /// Whether something behind the place is more than a watch can bring.
    is_careful: bool,
    /// A revision up to which everything was read, though there may be no update at it.
    empty_until: u64,
}

/// A watch, and where it is.
struct Watch {
    lines: Lines,
    end: Place,
    heard: Instant,
}

impl Updates {
    pub(in crate::cluster) fn new(settings: &ClusterSettings, hub: &str) -> Self {
        // A name with a slash could be the beginning of another's keys.
        let hub = hub.replace('%', "%25").replace('/', "%2F");
        let key = format!("{}/mercure/{hub}/update/", settings.prefix);
        Self {
            client: Client::new(&settings.engine),
            key,
            granted: None,
            kept: VecDeque::new(),
            watch: None,
            is_careful: false,
            empty_until: 0,
        }
    }

    pub(in crate::cluster) async fn append(&mut self, updates: &[Outgoing]) -> Result<(), EngineError> {
        let bound = Duration::from_millis(CLUSTER_UPDATES_CALL_MS_MAX);
        let appended = timeout(bound, self.put(updates)).await;
        let appended =
            appended.unwrap_or_else(|_| Err(EngineError(format!("no answer within {} ms", bound.as_millis()))));
        if appended.is_err() {
            // It may be the lease that is gone.
            self.granted = None;
            self.client.next_member();
        }
        appended
    }

    async fn put(&mut self, updates: &[Outgoing]) -> Result<(), EngineError> {
        let Some(first) = updates.first() else { return Ok(()) };
        let lease = self.lease().await?;
        let place = |number: u64| format!("{}{:016x}/{number:020}", self.key, first.sender);
        let mut transaction = Transaction::default();
        let mut kept = self.kept.clone();
        // One without an answer is put again, under the same key.
        kept.retain(|(number, _)| *number < first.number);
        for update in updates {
            transaction = transaction.put_leased(&place(update.number), &update.bytes, &lease);
            kept.push_back((update.number, update.bytes.len()));
        }
        let mut bytes: usize = kept.iter().map(|(_, bytes)| bytes).sum();
        let mut oldest = None;
        while kept.len() > CLUSTER_ETCD_UPDATES_MAX || bytes > CLUSTER_ETCD_UPDATES_BYTES_MAX {
            let Some((number, length)) = kept.pop_front() else { break };
            bytes -= length;
            oldest = Some(number);
        }
        if let Some(oldest) = oldest {
            transaction = transaction.delete_range(&place(0), &place(oldest + 1));
        }
        self.client.call("/v3/kv/txn", &transaction.into_body()).await?;
        self.kept = kept;
        Ok(())
    }

    /// A lease with at least half of its time left.
    async fn lease(&mut self) -> Result<String, EngineError> {
        let seconds = CLUSTER_ETCD_UPDATES_SECONDS;
        if let Some((granted, since)) = &self.granted
            && since.elapsed() < Duration::from_secs(seconds / 2)
        {
            return Ok(granted.id.clone());
        }
        let answer = self.client.call("/v3/lease/grant", &json!({ "TTL": seconds.to_string(), "ID": "0" })).await?;
        let id = answer["ID"].as_str().ok_or_else(|| defect("lease"))?.to_owned();
        self.granted = Some((Granted { id: id.clone(), seconds }, Instant::now()));
        Ok(id)
    }

    /// The place of the newest one.
    pub(in crate::cluster) async fn last(&mut self) -> Result<Place, EngineError> {
        self.watch = None;
        let (revision, newest) = match self.edge("DESCEND").await {
            // The key of another program; nothing is behind the revision of now.
            Err(error) if error.0 == TOO_LONG => {
                let now = self.revision().await?;
                (now, Some(now))
            }
            edge => edge?,
        };
        // An etcd that has lost its state is not there yet, or has newer updates.
        let empty_until = if self.empty_until <= revision { self.empty_until } else { 0 };
        Ok(Place(newest.unwrap_or(0).max(empty_until), 0))
    }

    /// The revision of etcd, and that of the oldest update (`ASCEND`) or the newest.
    async fn edge(&mut self, order: &str) -> Result<(u64, Option<u64>), EngineError> {
        let range = json!({
            "key": text(self.key.as_bytes()), "range_end": text(end_of(&self.key).as_bytes()), "limit": "1",
            "sort_order": order, "sort_target": "MOD", "keys_only": true,
        });
        let answer = self.range(&range, CLUSTER_CALL_MS_MAX).await?;
        let now = revision(&answer).ok_or_else(|| defect("revision"))?;
        Ok((now, number(&answer["kvs"][0]["mod_revision"])))
    }

    /// The revision of etcd.
    async fn revision(&mut self) -> Result<u64, EngineError> {
        let range = json!({ "key": text(self.key.as_bytes()), "count_only": true });
        revision(&self.range(&range, CLUSTER_CALL_MS_MAX).await?).ok_or_else(|| defect("revision"))
    }

    async fn range(&mut self, range: &Value, bound_ms: u64) -> Result<Value, EngineError> {
        let answer = timeout(Duration::from_millis(bound_ms), self.client.call("/v3/kv/range", range)).await;
        let answer = answer.unwrap_or_else(|_| Err(EngineError(format!("no answer within {bound_ms} ms"))));
        if answer.is_err() {
            self.client.next_member();
        }
        answer
    }

    /// Those behind a place. Waits a while for one.
    pub(in crate::cluster) async fn read(&mut self, after: Place) -> Result<Entries, EngineError> {
        let entries = if self.is_careful {
            self.look(after).await?
        } else {
            match self.watched(after).await {
                Err(error) if error.0 == TOO_LONG => self.look(after).await?,
                entries => entries?,
            }
        };
        if entries.end > entries.updates.last().map_or(after, |(newest, _)| *newest) {
            self.empty_until = entries.end.0;
        }
        Ok(entries)
    }

    /// Those behind a place that are still there, each by a call of its own. A watch then continues behind them.
    async fn look(&mut self, after: Place) -> Result<Entries, EngineError> {
        self.is_careful = true;
        let mut entries = Entries { updates: Vec::new(), end: after };
        let Some((answer, until)) = self.list(after).await? else {
            entries.end = Place(after.0.saturating_add(1), 0);
            entries.updates.push((entries.end, None));
            return Ok(entries);
        };
        let mut keys: Vec<(u64, &Value)> = Vec::new();
        for key in answer["kvs"].as_array().into_iter().flatten() {
            keys.push((number(&key["mod_revision"]).ok_or_else(|| defect("revision"))?, &key["key"]));
        }
        let is_all = keys.len() < LOOK_KEYS_MAX;
        if let Some((last, _)) = keys.last().copied().filter(|_| !is_all) {
            // There may be more of this transaction.
            let whole = keys.partition_point(|(revision, _)| *revision < last);
            keys.truncate(if whole > 0 { whole } else { keys.len() });
        }
        let mut bytes = 0;
        for (at, (revision, key)) in keys.iter().enumerate() {
            match self.range(&json!({ "key": key }), CLUSTER_UPDATES_CALL_MS_MAX).await {
                Err(error) if error.0 == TOO_LONG => entries.updates.push((Place(*revision, 0), None)),
                // It may be gone meanwhile.
                answer => {
                    if let Some(key) = answer?["kvs"].get(0) {
                        let update = value(key).ok_or_else(|| defect("value"))?;
                        bytes += update.len();
                        entries.updates.push((Place(*revision, 0), Some(update)));
                    }
                }
            }
            let is_whole = keys.get(at + 1).is_none_or(|(next, _)| next != revision);
            if is_whole {
                entries.end = Place(*revision, 0);
            }
            if is_whole && bytes > CLUSTER_UPDATE_BYTES_MAX {
                return Ok(entries);
            }
        }
        if is_all {
            let revision = until.or_else(|| revision(&answer)).ok_or_else(|| defect("revision"))?;
            entries.end = Place(entries.end.0.max(revision), 0);
            self.is_careful = until.is_some();
        }
        Ok(entries)
    }

    /// The keys behind a place, the oldest first, and the last revision that was asked for if there may be more behind it. Keys
    /// may be of another program, and together larger than an answer: it then asks for the half, until one revision is left.
    /// `None`: the next revision alone is too large, so it has no update of a hub.
    async fn list(&mut self, after: Place) -> Result<Option<(Value, Option<u64>)>, EngineError> {
        let first = after.0.saturating_add(1);
        let mut range = json!({
            "key": text(self.key.as_bytes()), "range_end": text(end_of(&self.key).as_bytes()),
            "min_mod_revision": first.to_string(), "limit": LOOK_KEYS_MAX.to_string(),
            "sort_order": "ASCEND", "sort_target": "MOD", "keys_only": true,
        });
        let mut until = None;
        loop {
            match self.range(&range, CLUSTER_UPDATES_CALL_MS_MAX).await {
                Err(error) if error.0 == TOO_LONG => {}
                answer => return Ok(Some((answer?, until))),
            }
            let last = match until {
                Some(last) => last,
                None => self.revision().await?,
            };
            if last <= first {
                return Ok(None);
            }
            let middle = first + (last - first) / 2;
            range["max_mod_revision"] = json!(middle.to_string());
            until = Some(middle);
        }
    }

    async fn watched(&mut self, after: Place) -> Result<Entries, EngineError> {
        let mut watch = match self.watch.take().filter(|watch| watch.end == after) {
            Some(watch) => watch,
            None => self.begin(after).await?,
        };
        let message = match timeout(Duration::from_millis(CLUSTER_UPDATES_WAIT_MS), watch.message()).await {
            Ok(message) => message?,
            Err(_) if watch.heard.elapsed() > Duration::from_secs(CLUSTER_ETCD_SILENT_SECONDS_MAX) => {
                // Nothing was published, or the network has lost the way.
                return Ok(Entries { updates: Vec::new(), end: after });
            }
            Err(_) => {
                self.watch = Some(watch);
                return Ok(Entries { updates: Vec::new(), end: after });
            }
        };
        watch.heard = Instant::now();
        let entries = entries(&message, after)?;
        watch.end = entries.end;
        // After a compaction another watch begins behind it.
        let is_canceled = message["result"]["canceled"].as_bool().unwrap_or(false);
        self.watch = Some(watch).filter(|_| !is_canceled);
        Ok(entries)
    }

    async fn begin(&mut self, after: Place) -> Result<Watch, EngineError> {
        // From the very beginning etcd would look at all that it has ever had.
        let revision = match after.0 {
            0 => match self.edge("ASCEND").await? {
                (revision, None) => revision + 1,
                (_, Some(oldest)) => oldest,
            },
            after => after + 1,
        };
        let request = json!({ "create_request": {
            "key": text(self.key.as_bytes()), "range_end": text(end_of(&self.key).as_bytes()),
            "start_revision": revision.to_string(), "filters": ["NODELETE"], "fragment": true, "progress_notify": true,
        } });
        let bound = Duration::from_millis(CLUSTER_UPDATES_CALL_MS_MAX);
        let lines = timeout(bound, self.client.lines("/v3/watch", &request, CLUSTER_ETCD_LINE_BYTES_MAX)).await;
        let lines = lines.unwrap_or_else(|_| Err(EngineError("no watch begins".to_owned())));
        if lines.is_err() {
            self.client.next_member();
        }
        Ok(Watch { lines: lines?, end: after, heard: Instant::now() })
    }
}

impl Watch {
    /// The next message but the first, which says only that the watch was made. Cancel-safe.
    async fn message(&mut self) -> Result<Value, EngineError> {
        loop {
            let line = self.lines.next().await?;
            let line = line.ok_or_else(|| EngineError("etcd has ended the watch".to_owned()))?;
            let message: Value = serde_json::from_slice(&line).unwrap_or_default();
            let is = |what: &str| message["result"][what].as_bool().unwrap_or(false);
            if !is("created") || is("canceled") {
                return Ok(message);
            }
        }
    }
}

/// What one message of a watch has.
fn entries(message: &Value, after: Place) -> Result<Entries, EngineError> {
    let mut entries = Entries { updates: Vec::new(), end: after };
    if let Some(error) = message["error"]["message"].as_str() {
        return Err(EngineError(error.to_owned()));
    }
    let result = &message["result"];
    if let Some(compacted) = number(&result["compact_revision"]).filter(|revision| *revision > 0) {
        // The receiver sees by the numbers of the senders what it has missed.
        entries.end = Place(after.0.max(compacted - 1), 0);
        return Ok(entries);
    }
    if result["canceled"].as_bool().unwrap_or(false) {
        let reason = result["cancel_reason"].as_str().unwrap_or("etcd has canceled the watch");
        return Err(EngineError(reason.to_owned()));
    }
    let is_fragment = result["fragment"].as_bool().unwrap_or(false);
    for event in result["events"].as_array().into_iter().flatten() {
        let key = &event["kv"];
        let revision = number(&key["mod_revision"]).ok_or_else(|| defect("revision"))?;
        let bytes = value(key).ok_or_else(|| defect("value"))?;
        entries.updates.push((Place(revision, 0), Some(bytes)));
        // The rest of a transaction may be in the next fragment.
        entries.end = Place(entries.end.0.max(if is_fragment { revision - 1 } else { revision }), 0);
    }
    Ok(entries)
}

fn revision(answer: &Value) -> Option<u64> {
    number(&answer["header"]["revision"])
}

fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

/// The first key behind all that begin with this one, which ends with a slash.
fn end_of(key: &str) -> String {
    format!("{}0", key.trim_end_matches('/'))
}
