//! etcd, by the gateway of its members: JSON over HTTP, which every member serves beside gRPC.
//!
//! | key | holds |
//! |---|---|
//! | `PREFIX/WORKER/lease` | the holder of the lease; attached to a lease of etcd, and gone with it |
//! | `PREFIX/WORKER/epoch` | the number of leaders so far |
//! | `PREFIX/WORKER/position` | epoch and number of the snapshot, so wide that etcd compares them as text |
//! | `PREFIX/WORKER/snapshot` | the number of its parts (2 bytes); if that is 0, the bytes |
//! | `PREFIX/WORKER/part/POSITION/NUMBER` | a part of a snapshot that one request does not take |
//!
//! Every decision is a transaction that compares, which etcd runs as one step. The parts of a large snapshot are stored
//! first. The transaction that makes it the newest one deletes those of older ones.

mod client;
mod transaction;
mod updates;

use super::engine::{Base, EngineError, Fate, Lead, Source, Steps, name_of};
use crate::config::ClusterSettings;
use crate::limits::{CLUSTER_ETCD_PART_BYTES, config::CLUSTER_ETCD_BYTES_MAX};
use crate::worker::background::Position;
use client::Client;
use serde_json::{Value, json};
use transaction::{Transaction, key_of, value};
pub(super) use updates::Updates;

/// An election that another instance has disturbed is tried so often in one call.
const ELECTION_TRIES: usize = 3;

/// So often a read begins again, because a newer publish has deleted the parts of the one that it was reading.
const READ_TRIES: usize = 3;

/// What another program has written: higher than any, so that a read looks at it, and says so.
const NO_POSITION: Position = Position { epoch: u64::MAX, number: u64::MAX };

/// The engine of one worker.
pub(super) struct Etcd {
    base: Base,
    client: Client,
    key: String,
    /// etcd's lease, to which the key of the holder is attached.
    granted: Option<Granted>,
    /// The position that the last campaign has found, for the read that follows it. Of a follower alone.
    found: Option<Position>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Granted {
    id: String,
    /// What was asked for.
    seconds: u64,
}

/// What the engine holds about the leader.
struct State {
    holder: Option<String>,
    epoch: u64,
    /// The revisions of both keys; 0 for one that is not there.
    lease_revision: i64,
    epoch_revision: i64,
    position: Option<Position>,
}

/// As text, the higher position is the greater one.
fn wide(position: Position) -> String {
    format!("{:020}.{:020}", position.epoch, position.number)
}

fn narrow(text: &[u8]) -> Option<Position> {
    let (epoch, number) = std::str::from_utf8(text).ok()?.split_once('.')?;
    Some(Position { epoch: epoch.parse().ok()?, number: number.parse().ok()? })
}

fn defect(what: &str) -> EngineError {
    EngineError(format!("etcd's answer has no {what}"))
}

impl Etcd {
    pub(super) fn new(settings: &ClusterSettings, worker: &str) -> Self {
        Self {
            base: Base::new(settings),
            client: Client::new(&settings.engine),
            key: format!("{}/{worker}", settings.prefix),
            granted: None,
            found: None,
        }
    }

    fn name(&self, part: &str) -> String {
        format!("{}/{part}", self.key)
    }

    fn part(&self, position: &str, number: usize) -> String {
        self.name(&format!("part/{position}/{number:05}"))
    }

    async fn transact(&mut self, transaction: Transaction) -> Result<Value, EngineError> {
        self.client.call("/v3/kv/txn", &transaction.into_body()).await
    }

    async fn state(&mut self) -> Result<State, EngineError> {
        let keys = ["lease", "epoch", "position"].map(|part| self.name(part));
        let answer = self.transact(keys.iter().fold(Transaction::default(), |all, key| all.get(key))).await?;
        let [lease, epoch, position] = [0, 1, 2].map(|number| key_of(&answer, number));
        let revision = |key: Option<&Value>| {
            key.and_then(|key| key["mod_revision"].as_str()).and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let text = |key: Option<&Value>| key.and_then(value).and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(State {
            holder: text(lease),
            epoch: text(epoch).and_then(|text| text.parse().ok()).unwrap_or(0),
            lease_revision: revision(lease),
            epoch_revision: revision(epoch),
            position: position.map(|position| value(position).and_then(|bytes| narrow(&bytes)).unwrap_or(NO_POSITION)),
        })
    }

    /// Whole seconds, as etcd counts; it may grant more.
    fn seconds(&self) -> u64 {
        self.base.settings.lease.as_secs() + u64::from(self.base.settings.lease.subsec_nanos() > 0)
    }

    async fn grant(&mut self) -> Result<Granted, EngineError> {
        let seconds = self.seconds();
        let answer = self.client.call("/v3/lease/grant", &json!({ "TTL": seconds.to_string(), "ID": "0" })).await?;
        let id = answer["ID"].as_str().ok_or_else(|| defect("lease"))?.to_owned();
        Ok(Granted { id, seconds })
    }

    /// Renews etcd's lease, if it is still there.
    async fn keep_alive(&mut self) -> Result<(), EngineError> {
        let Some(granted) = &self.granted else { return Ok(()) };
        let answer = self.client.call("/v3/lease/keepalive", &json!({ "ID": granted.id })).await?;
        let left = answer["result"]["TTL"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0_i64);
        if left <= 0 {
            self.granted = None;
        }
        Ok(())
    }

    async fn revoke(&mut self, granted: &Granted) -> Result<(), EngineError> {
        self.client.call("/v3/lease/revoke", &json!({ "ID": granted.id })).await.map(drop)
    }

    /// Attaches the key of the holder to a lease of the new length.
    async fn lengthen(&mut self) -> Result<bool, EngineError> {
        let (lease, holder) = (self.name("lease"), self.base.holder.clone());
        let granted = self.grant().await?;
        let transaction =
            Transaction::default().equal(&lease, holder.as_bytes()).put_leased(&lease, holder.as_bytes(), &granted.id);
        if !Transaction::succeeded(&self.transact(transaction).await?) {
            return Ok(false);
        }
        if let Some(old) = self.granted.replace(granted) {
            self.revoke(&old).await?;
        }
        Ok(true)
    }

    /// Becomes the leader, unless another instance has become it since `state`.
    async fn take(&mut self, state: &State, epoch: u64) -> Result<bool, EngineError> {
        let granted = match &self.granted {
            Some(granted) if granted.seconds == self.seconds() => granted.clone(),
            _ => self.grant().await?,
        };
        self.granted = Some(granted.clone());
        let [lease, counter, position] = ["lease", "epoch", "position"].map(|part| self.name(part));
        let mut transaction = Transaction::default()
            .unchanged(&lease, state.lease_revision)
            .unchanged(&counter, state.epoch_revision)
            .put_leased(&lease, self.base.holder.as_bytes(), &granted.id)
            .put(&counter, epoch.to_string().as_bytes());
        if state.position.is_none() {
            let first = wide(Position::default());
            transaction = transaction.unchanged(&position, 0).put(&position, first.as_bytes());
        }
        Ok(Transaction::succeeded(&self.transact(transaction).await?))
    }

    /// Adds what must hold for a publish: this instance leads in its epoch.
    fn fenced(&self, position: Position) -> Transaction {
        Transaction::default()
            .equal(&self.name("lease"), self.base.holder.as_bytes())
            .equal(&self.name("epoch"), position.epoch.to_string().as_bytes())
    }
}

impl Steps for Etcd {
    type News = Watch;

    fn base(&mut self) -> &mut Base {
        &mut self.base
    }

    async fn campaign(&mut self, known: u64) -> Result<Lead, EngineError> {
        self.found = None;
        for _ in 0..ELECTION_TRIES {
            // First, so that the holder that is found then holds it for all of the lease.
            self.keep_alive().await?;
            let state = self.state().await?;
            match &state.holder {
                Some(holder) if state.epoch >= known && *holder != self.base.holder => {
                    let leader = name_of(holder);
                    if let Some(unused) = self.granted.take() {
                        self.revoke(&unused).await?;
                    }
                    self.found = state.position;
                    return Ok(Lead::Other(leader));
                }
                Some(_) if state.epoch >= known => {
                    let seconds = self.granted.as_ref().map(|granted| granted.seconds);
                    match seconds {
                        Some(seconds) if seconds == self.seconds() => return Ok(Lead::Own(state.epoch)),
                        Some(_) if self.lengthen().await? => return Ok(Lead::Own(state.epoch)),
                        // Its lease ends at this moment.
                        _ => continue,
                    }
                }
                _ => {}
            }
            let epoch = state.epoch.max(known) + 1;
            if self.take(&state, epoch).await? {
                return Ok(Lead::Own(epoch));
            }
        }
        Err(EngineError("other instances have disturbed each election".to_owned()))
    }

    async fn store(&mut self, position: Position, bytes: &[u8]) -> Result<Fate, EngineError> {
        if bytes.len() > CLUSTER_ETCD_BYTES_MAX {
            let length = bytes.len();
            return Err(EngineError(format!(
                "the snapshot has {length} bytes as it is sent, and at most {CLUSTER_ETCD_BYTES_MAX} go through etcd"
            )));
        }
        let wide = wide(position);
        let is_whole = bytes.len() <= CLUSTER_ETCD_PART_BYTES;
        let parts = if is_whole { 0 } else { bytes.len().div_ceil(CLUSTER_ETCD_PART_BYTES) };
        for (number, part) in bytes.chunks(CLUSTER_ETCD_PART_BYTES).enumerate().take(parts) {
            let transaction = self.fenced(position).put(&self.part(&wide, number), part);
            if !Transaction::succeeded(&self.transact(transaction).await?) {
                return Ok(Fate::Lost);
            }
        }
        let mut head = u16::try_from(parts).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        if is_whole {
            head.extend(bytes);
        }
        let [place, snapshot, older] = ["position", "snapshot", "part/"].map(|part| self.name(part));
        let transaction = self.fenced(position).less(&place, wide.as_bytes());
        let transaction = transaction.put(&place, wide.as_bytes()).put(&snapshot, &head);
        let transaction = transaction.delete_range(&older, &self.name(&format!("part/{wide}/")));
        let accepted = Transaction::succeeded(&self.transact(transaction).await?);
        Ok(if accepted { Fate::Accepted } else { Fate::Lost })
    }

    async fn load(&mut self, known: Position) -> Result<Option<(Position, Vec<u8>)>, EngineError> {
        if self.found.take().is_some_and(|found| found <= known) {
            // A look of a follower needs no second question.
            return Ok(None);
        }
        let [place, snapshot] = ["position", "snapshot"].map(|part| self.name(part));
        'newest: for _ in 0..READ_TRIES {
            let transaction = Transaction::default().greater(&place, wide(known).as_bytes()).get(&place).get(&snapshot);
            let answer = self.transact(transaction).await?;
            if !Transaction::succeeded(&answer) {
                return Ok(None);
            }
            let found = key_of(&answer, 0).and_then(value).ok_or_else(|| defect("position"))?;
            let position = narrow(&found).ok_or_else(|| defect("position"))?;
            let mut bytes = key_of(&answer, 1).and_then(value).ok_or_else(|| defect("snapshot"))?;
            let head = bytes.first_chunk::<2>().copied().ok_or_else(|| defect("snapshot"))?;
            bytes.drain(..head.len());
            for number in 0..usize::from(u16::from_be_bytes(head)).min(CLUSTER_ETCD_BYTES_MAX / CLUSTER_ETCD_PART_BYTES)
            {
                let part = Transaction::default().get(&self.part(&wide(position), number));
                let answer = self.transact(part).await?;
                match key_of(&answer, 0).and_then(value) {
                    Some(part) => bytes.extend(part),
                    None => continue 'newest,
                }
            }
            return Ok(Some((position, bytes)));
        }
        Err(EngineError("each snapshot was replaced while it was read".to_owned()))
    }

    async fn give_back(&mut self) -> Result<(), EngineError> {
        match self.granted.take() {
            Some(granted) => self.revoke(&granted).await,
            None => Ok(()),
        }
    }

    fn next_server(&mut self) {
        self.client.next_member();
    }

    fn lead_to(&mut self, settings: &ClusterSettings) {
        self.client = Client::new(&settings.engine);
    }

    fn topic(&self) -> String {
        self.name("position")
    }

    fn news_of(settings: &ClusterSettings, key: String) -> Watch {
        Watch { client: Client::new(&settings.engine), key }
    }
}

/// The events of one key.
pub(super) struct Watch {
    client: Client,
    key: String,
}

impl Source for Watch {
    async fn listen(&mut self, heard: impl Fn() + Send + Sync) {
        let _ = self.client.watch(&self.key, heard).await;
        self.client.next_member();
    }
}
